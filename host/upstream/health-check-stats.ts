// cluster.<name>.health_check.*: counted where the checks run, which is the main thread.
import type { Counter, Gauge, StatsStore } from "../stats/store.ts";

export class HealthCheckStats {
  readonly attempt: Counter;
  readonly success: Counter;
  readonly failure: Counter;
  readonly networkFailure: Counter;
  readonly passiveFailure: Counter;
  readonly verifyCluster: Counter;
  readonly healthy: Gauge;
  readonly degraded: Gauge;

  constructor(store: StatsStore, clusterName: string) {
    const p = `cluster.${clusterName}.health_check.`;
    this.attempt = store.counter(`${p}attempt`);
    this.success = store.counter(`${p}success`);
    this.failure = store.counter(`${p}failure`);
    this.networkFailure = store.counter(`${p}network_failure`);
    this.passiveFailure = store.counter(`${p}passive_failure`);
    this.verifyCluster = store.counter(`${p}verify_cluster`);
    this.healthy = store.gauge(`${p}healthy`);
    this.degraded = store.gauge(`${p}degraded`);
  }
}
