// The active health check of one host (Envoy's HealthCheckerImplBase): when to look, how often a result must come before it counts, and
// what the host is taken for meanwhile. A host counts as failed until its first check has passed. How to look is a probe's business.
import { type Clock, Timer, type TimerOwner } from "../base/clock.ts";
import type { Random } from "../base/system.ts";
import type { HealthCheck } from "../config/health-check.ts";
import type { HealthCheckStats } from "./health-check-stats.ts";

/** "network": no answer to judge, which is forgiven unhealthy_threshold times; "failure": an answer that says no. */
export type ProbeResult = "success" | "failure" | "network";

export interface Probe {
  /** Begins a check; onResult of the owner is called once, not before this returns. */
  start(): void;
  /** Gives the check in progress up, without a result. */
  cancel(): void;
  close(): void;
}

export interface ProbeOwner {
  onProbeResult(result: ProbeResult): void;
}

export interface HealthCheckerContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: HealthCheckStats;
  /** The cluster has had connections from clients. */
  hasTraffic(): boolean;
  /** The host is taken for something else, or was looked at for the first time. */
  onChange(): void;
}

const TIMER_INTERVAL = 0;
const TIMER_TIMEOUT = 1;

export class HealthChecker implements ProbeOwner, TimerOwner {
  failed = true;
  /** No check has ended yet. */
  pending = true;
  private readonly config: HealthCheck;
  private readonly ctx: HealthCheckerContext;
  private readonly probe: Probe;
  private readonly intervalTimer = new Timer(this, TIMER_INTERVAL);
  private readonly timeoutTimer = new Timer(this, TIMER_TIMEOUT);
  private successes = 0;
  private failures = 0;

  constructor(config: HealthCheck, ctx: HealthCheckerContext, makeProbe: (owner: ProbeOwner) => Probe) {
    this.config = config;
    this.ctx = ctx;
    this.probe = makeProbe(this);
    // At once, or within initial_jitter.
    this.ctx.clock.start(this.intervalTimer, Math.max(1, Math.floor(config.initialJitterMs * ctx.random.next())));
  }

  onTimer(kind: number): void {
    if (kind === TIMER_INTERVAL) {
      this.ctx.stats.attempt.inc();
      this.ctx.clock.start(this.timeoutTimer, this.config.timeoutMs);
      this.probe.start();
      return;
    }
    this.probe.cancel();
    this.onProbeResult("network");
  }

  onProbeResult(result: ProbeResult): void {
    this.timeoutTimer.clear();
    const { stats } = this.ctx;
    const isFirst = this.pending;
    this.pending = false;
    let isChanged = false;
    if (result === "success") {
      stats.success.inc();
      this.failures = 0;
      if (this.failed && (isFirst || ++this.successes >= this.config.healthyThreshold)) isChanged = true;
    } else {
      stats.failure.inc();
      if (result === "network") stats.networkFailure.inc();
      this.successes = 0;
      // An answer that says no is believed at once.
      if (!this.failed && (result === "failure" || ++this.failures >= this.config.unhealthyThreshold)) isChanged = true;
    }
    if (isChanged) {
      this.failed = !this.failed;
      this.successes = 0;
      this.failures = 0;
    }
    this.ctx.clock.start(this.intervalTimer, this.nextMs(isChanged));
    if (isChanged || isFirst) this.ctx.onChange();
  }

  private nextMs(isChanged: boolean): number {
    const { config, ctx } = this;
    let base: number;
    if (!ctx.hasTraffic()) base = this.failed ? config.noTrafficIntervalMs : config.noTrafficHealthyIntervalMs;
    else if (this.failed) base = isChanged ? config.unhealthyEdgeIntervalMs : config.unhealthyIntervalMs;
    else base = isChanged ? config.healthyEdgeIntervalMs : config.intervalMs;
    const jitter = config.intervalJitterMs * ctx.random.next() + (base * config.intervalJitterPercent * ctx.random.next()) / 100;
    return Math.max(1, Math.floor(base + jitter));
  }

  close(): void {
    this.intervalTimer.clear();
    this.timeoutTimer.clear();
    this.probe.close();
  }
}
