// States of the process and the way out: SIGTERM and SIGINT drain, a second one exits at once (Envoy's server states; a sidecar's
// terminationDrainDuration). SIGHUP reads all files again, SIGUSR1 opens the logs again.
import type { Logger } from "../base/log.ts";

export type ServerState = "PRE_INITIALIZING" | "INITIALIZING" | "LIVE" | "DRAINING";

export interface SignalActions {
  reload(): void;
  reopenLogs(): void;
  drain(): Promise<void>;
}

export interface DrainTarget {
  connections(): number;
  closeIdle(): void;
  /** Asks the workers how many connections they have now. */
  refresh(): void;
}

/** Idle keep-alive connections are left alone so long: a request that is on its way to them is still answered. */
const IDLE_GRACE_MS = 500;
const POLL_MS = 50;

export class Lifecycle {
  private readonly logger: Logger;
  private readonly drainTimeMs: number;
  state: ServerState = "INITIALIZING";
  /** POST /healthcheck/fail. */
  healthCheckFailed = false;
  readonly startedAtMs = Date.now();
  readonly exited: Promise<number>;
  private resolveExit: (code: number) => void = () => {};
  private signals = 0;

  constructor(logger: Logger, drainTimeMs: number) {
    this.logger = logger;
    this.drainTimeMs = drainTimeMs;
    this.exited = new Promise((resolve) => {
      this.resolveExit = resolve;
    });
  }

  /** What GET /ready answers by. */
  get ready(): boolean {
    return this.state === "LIVE" && !this.healthCheckFailed;
  }

  onLive(): void {
    this.state = "LIVE";
  }

  onStopped(): void {
    this.resolveExit(0);
  }

  handleSignals(actions: SignalActions): void {
    const end = (signal: NodeJS.Signals): void => {
      this.signals++;
      if (this.signals > 1) {
        this.logger.log("warning", "main", `${signal} again: exiting at once`);
        process.exit(signal === "SIGINT" ? 130 : 143);
      }
      this.logger.log("info", "main", `${signal}: draining, at most ${this.drainTimeMs / 1000} s`);
      this.shutdown(() => actions.drain());
    };
    process.on("SIGTERM", end);
    process.on("SIGINT", end);
    process.on("SIGHUP", () => actions.reload());
    process.on("SIGUSR1", () => actions.reopenLogs());
  }

  shutdown(drain: () => Promise<void>): void {
    if (this.state === "DRAINING") return;
    this.state = "DRAINING";
    drain().catch((error: unknown) => {
      this.logger.log("critical", "main", `shutting down: ${error instanceof Error ? error.message : String(error)}`);
      this.resolveExit(1);
    });
  }

  /** Resolves when no connection is left, or the drain time is over. */
  async waitForDrain(target: DrainTarget): Promise<void> {
    const begin = performance.now();
    target.refresh();
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      const passed = performance.now() - begin;
      // The first poll only collects what the workers answered to refresh().
      if (passed > 2 * POLL_MS && target.connections() === 0) return;
      if (passed >= this.drainTimeMs) {
        this.logger.log("warning", "main", `drain time is over with ${target.connections()} connection(s) left`);
        return;
      }
      if (passed >= Math.min(IDLE_GRACE_MS, this.drainTimeMs / 2)) target.closeIdle();
      target.refresh();
    }
  }
}
