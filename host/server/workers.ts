// The worker threads: started, given every snapshot, replaced with back-off when they die while the others go on.
import { Worker } from "node:worker_threads";
import type { Logger, LogLevels } from "../base/log.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { diffSnapshots, EMPTY_SNAPSHOT, splitDelta } from "../config/snapshot-delta.ts";
import type { MergedStats } from "../stats/merged-stats.ts";
import type { Counter, Gauge, StatsStore } from "../stats/store.ts";
import type { LoadedModule } from "../wasm/module.ts";
import type { ListenerFailure } from "./data-plane.ts";
import type { FromWorker, ToWorker, WorkerData, WorkerReport } from "./messages.ts";

export interface WorkersOptions {
  readonly concurrency: number;
  readonly data: Omit<WorkerData, "workerId" | "levels">;
  readonly levels: LogLevels;
  readonly logger: Logger;
  readonly mergedStats: MergedStats;
  readonly stats: StatsStore;
  /** A listener could not be opened on a worker. */
  onListenerFailure(workerId: number, failures: readonly ListenerFailure[]): void;
  onReport(): void;
}

/** What is posted: a snapshot and the compiled modules that it names. */
export interface Deployment {
  readonly snapshot: Snapshot;
  readonly modules: ReadonlyMap<string, LoadedModule>;
}

/**
 * V8 keeps three semi-spaces of a third each. Only the requests in flight outlive a minor collection, so a small young generation costs
 * little time and saves 25 MB of resident memory a worker. Half of this costs 0.8 µs more a request over HTTP/2 with 128 in flight,
 * and saves nothing that could be measured; twice as much costs 7 MB and gains nothing.
 */
const YOUNG_GENERATION_MB = 12;

const FIRST_BACK_OFF_MS = 50;
const MAX_BACK_OFF_MS = 10_000;
/** A worker that lived so long starts over at the first back-off. */
const HEALTHY_MS = 30_000;

class WorkerHandle {
  readonly id: number;
  worker: Worker | undefined = undefined;
  /** What it was given last; deltas are made against it. */
  given: Snapshot = EMPTY_SNAPSHOT;
  modules = new Set<string>();
  appliedVersion = 0;
  report: WorkerReport | undefined = undefined;
  startedAt = 0;
  backOffMs = FIRST_BACK_OFF_MS;
  statsId = 0;
  stopped = false;
  /** What makes the next snapshot and was not sent yet. */
  outbox: (ToWorker & { readonly kind: "snapshot_part" | "snapshot" })[] = [];
  /** It has not answered a part. */
  isTaking = false;

  constructor(id: number) {
    this.id = id;
  }
}

export class Workers {
  private readonly options: WorkersOptions;
  private readonly handles: WorkerHandle[] = [];
  private deployment: Deployment | undefined = undefined;
  private stopping = false;
  private nextStatsId = 1;
  private readonly restarts: Counter;
  private readonly live: Gauge;
  private waiters: { readonly version: number; readonly resolve: () => void }[] = [];
  private stopWaiter: (() => void) | undefined = undefined;

  constructor(options: WorkersOptions) {
    this.options = options;
    this.restarts = options.stats.counter("server.worker_restarts");
    this.live = options.stats.gauge("server.workers_live");
    for (let id = 1; id <= options.concurrency; id++) this.handles.push(new WorkerHandle(id));
  }

  start(): void {
    for (const handle of this.handles) this.spawn(handle);
  }

  private spawn(handle: WorkerHandle): void {
    const data: WorkerData = { ...this.options.data, workerId: handle.id, levels: this.options.levels.entries() };
    const worker = new Worker(new URL("./worker.js", import.meta.url), {
      workerData: data,
      name: `worker_${handle.id - 1}`,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    handle.worker = worker;
    handle.given = EMPTY_SNAPSHOT;
    handle.modules = new Set();
    handle.outbox = [];
    handle.isTaking = false;
    handle.appliedVersion = 0;
    handle.startedAt = performance.now();
    handle.statsId = this.nextStatsId++;
    this.live.inc();
    worker.on("message", (message: FromWorker) => this.onMessage(handle, message));
    worker.on("error", (error) => this.options.logger.log("critical", "main", `worker ${handle.id}: ${error.stack ?? error.message}`));
    worker.on("exit", (code) => this.onExit(handle, worker, code));
    if (this.deployment !== undefined) this.post(handle, this.deployment);
  }

  private onMessage(handle: WorkerHandle, message: FromWorker): void {
    switch (message.kind) {
      case "started":
        break;
      case "part_taken":
        this.sendNext(handle);
        break;
      case "applied":
        handle.appliedVersion = message.version;
        handle.report = message.report;
        if (message.failures.length > 0) this.options.onListenerFailure(handle.id, message.failures);
        this.releaseWaiters();
        this.options.onReport();
        break;
      case "stats":
        this.options.mergedStats.announce(handle.statsId, message.announcement);
        break;
      case "log":
        this.options.logger.log(message.level, message.component, message.message);
        break;
      case "queue_ready":
        this.send(
          this.handles.find((other) => other.id === message.workerId),
          { kind: "queue_ready", queueId: message.queueId },
        );
        break;
      case "report":
        handle.report = message.report;
        this.options.onReport();
        break;
      case "stopped":
        handle.stopped = true;
        this.releaseStop();
        break;
    }
  }

  private onExit(handle: WorkerHandle, worker: Worker, code: number): void {
    if (handle.worker !== worker) return;
    handle.worker = undefined;
    handle.report = undefined;
    this.live.dec();
    this.options.mergedStats.removeWorker(handle.statsId);
    this.releaseWaiters();
    if (this.stopping) {
      handle.stopped = true;
      this.releaseStop();
      return;
    }
    this.restarts.inc();
    if (performance.now() - handle.startedAt > HEALTHY_MS) handle.backOffMs = FIRST_BACK_OFF_MS;
    const delayMs = handle.backOffMs;
    handle.backOffMs = Math.min(handle.backOffMs * 2, MAX_BACK_OFF_MS);
    this.options.logger.log(
      "critical",
      "main",
      `worker ${handle.id} died (exit code ${code}); starting another in ${delayMs} ms, the others go on`,
    );
    setTimeout(() => {
      if (!this.stopping) this.spawn(handle);
    }, delayMs);
  }

  private send(handle: WorkerHandle | undefined, message: ToWorker): void {
    handle?.worker?.postMessage(message);
  }

  private broadcast(message: ToWorker): void {
    for (const handle of this.handles) this.send(handle, message);
  }

  /** Gives a snapshot to all workers; resolves when every live one has taken it over. */
  deploy(deployment: Deployment): Promise<void> {
    this.deployment = deployment;
    for (const handle of this.handles) if (handle.worker !== undefined) this.post(handle, deployment);
    return this.applied(deployment.snapshot.version);
  }

  private post(handle: WorkerHandle, deployment: Deployment): void {
    const fresh = [...deployment.modules].filter(([sha256]) => !handle.modules.has(sha256));
    handle.modules = new Set(deployment.modules.keys());
    const { parts, rest } = splitDelta(diffSnapshots(handle.given, deployment.snapshot));
    handle.given = deployment.snapshot;
    for (const part of parts) handle.outbox.push({ kind: "snapshot_part", part });
    handle.outbox.push({
      kind: "snapshot",
      delta: rest,
      modules: fresh.map(([, module]) => module),
      modulesInUse: [...deployment.modules.keys()],
    });
    if (!handle.isTaking) this.sendNext(handle);
  }

  /** The next of the messages that make a snapshot; a part is answered before the one behind it goes. */
  private sendNext(handle: WorkerHandle): void {
    handle.isTaking = false;
    for (let message = handle.outbox.shift(); message !== undefined; message = handle.outbox.shift()) {
      this.send(handle, message);
      if (message.kind !== "snapshot_part") continue;
      handle.isTaking = true;
      return;
    }
  }

  private applied(version: number): Promise<void> {
    return new Promise((resolve) => {
      this.waiters.push({ version, resolve });
      this.releaseWaiters();
    });
  }

  private releaseWaiters(): void {
    const live = this.handles.filter((handle) => handle.worker !== undefined);
    this.waiters = this.waiters.filter(({ version, resolve }) => {
      if (live.some((handle) => handle.appliedVersion < version)) return true;
      resolve();
      return false;
    });
  }

  private releaseStop(): void {
    if (this.handles.every((handle) => handle.stopped || handle.worker === undefined)) this.stopWaiter?.();
  }

  setLevels(): void {
    this.broadcast({ kind: "log_levels", levels: this.options.levels.entries() });
  }

  drainListeners(inboundOnly: boolean): void {
    this.broadcast({ kind: "drain_listeners", inboundOnly });
  }

  closeIdle(): void {
    this.broadcast({ kind: "close_idle" });
  }

  reopenLogs(): void {
    this.broadcast({ kind: "reopen_logs" });
  }

  /** Asks for fresh reports; they arrive as messages. */
  requestReports(): void {
    this.broadcast({ kind: "report" });
  }

  get reports(): readonly { readonly workerId: number; readonly appliedVersion: number; readonly report: WorkerReport | undefined }[] {
    return this.handles.map((handle) => ({ workerId: handle.id, appliedVersion: handle.appliedVersion, report: handle.report }));
  }

  get concurrency(): number {
    return this.handles.length;
  }

  get connections(): number {
    return this.handles.reduce((sum, handle) => sum + (handle.report?.connections ?? 0), 0);
  }

  /** For tests of the supervision: ends one worker as a crash would. */
  async kill(workerId: number): Promise<void> {
    await this.handles.find((handle) => handle.id === workerId)?.worker?.terminate();
  }

  /** Ends all workers, after what waits in their logs is written. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.broadcast({ kind: "stop" });
    await new Promise<void>((resolve) => {
      this.stopWaiter = resolve;
      setTimeout(resolve, 2000).unref();
      this.releaseStop();
    });
    await Promise.all(this.handles.flatMap((handle) => (handle.worker === undefined ? [] : [handle.worker.terminate()])));
  }
}
