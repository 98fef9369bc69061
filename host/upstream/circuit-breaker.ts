// Circuit breakers of one cluster and priority (config.cluster.v3.CircuitBreakers): how many connections, waiting requests,
// requests and retries may exist at once, with the open/closed gauges under Envoy's names.
import type { Thresholds } from "../config/cluster.ts";
import type { Gauge, StatsStore } from "../stats/store.ts";

export class Resource {
  private readonly max: () => number;
  private readonly openGauge: Gauge;
  private readonly remainingGauge: Gauge | undefined;
  current = 0;

  constructor(max: () => number, openGauge: Gauge, remainingGauge: Gauge | undefined) {
    this.max = max;
    this.openGauge = openGauge;
    this.remainingGauge = remainingGauge;
    this.update();
  }

  get canCreate(): boolean {
    return this.current < this.max();
  }

  inc(): void {
    this.current++;
    this.update();
  }

  dec(): void {
    this.current--;
    this.update();
  }

  private update(): void {
    const max = this.max();
    this.openGauge.set(this.current >= max ? 1 : 0);
    this.remainingGauge?.set(Math.max(0, max - this.current));
  }
}

export class CircuitBreaker {
  readonly connections: Resource;
  readonly pendingRequests: Resource;
  readonly requests: Resource;
  readonly retries: Resource;

  constructor(thresholds: Thresholds, store: StatsStore, clusterName: string, priority: "default" | "high") {
    const p = `cluster.${clusterName}.circuit_breakers.${priority}.`;
    const make = (max: () => number, open: string, remaining: string): Resource =>
      new Resource(max, store.gauge(p + open), thresholds.trackRemaining ? store.gauge(p + remaining) : undefined);
    this.connections = make(() => thresholds.maxConnections, "cx_open", "remaining_cx");
    this.pendingRequests = make(() => thresholds.maxPendingRequests, "rq_pending_open", "remaining_pending");
    this.requests = make(() => thresholds.maxRequests, "rq_open", "remaining_rq");
    const budget = thresholds.retryBudget;
    this.retries = make(
      budget === undefined
        ? () => thresholds.maxRetries
        : () =>
            Math.max(
              budget.minRetryConcurrency,
              Math.floor(((this.requests.current + this.pendingRequests.current) * budget.budgetPercent) / 100),
            ),
      "rq_retry_open",
      "remaining_retries",
    );
  }
}
