// One endpoint of a cluster on one worker: address, health, weight, its counters and its connection pool.
import type { Endpoint, HealthStatus, LocalityEndpoints } from "../config/cluster.ts";
import type { Metadata } from "../config/route.ts";
import type { Counter, Gauge, StatsStore } from "../stats/store.ts";
import { formatAddress } from "./address.ts";

/** Statistics of hosts are kept out of /stats by this first character; /clusters reads them by name. */
export const HOST_STAT_PREFIX = "\u0000host|";

export class HostStats {
  readonly cxTotal: Counter;
  readonly cxActive: Gauge;
  readonly cxConnectFail: Counter;
  readonly rqTotal: Counter;
  readonly rqSuccess: Counter;
  readonly rqError: Counter;
  readonly rqTimeout: Counter;
  readonly rqActive: Gauge;

  constructor(store: StatsStore, clusterName: string, address: string) {
    const p = `${HOST_STAT_PREFIX}${clusterName}|${address}|`;
    this.cxTotal = store.counter(`${p}cx_total`);
    this.cxActive = store.gauge(`${p}cx_active`);
    this.cxConnectFail = store.counter(`${p}cx_connect_fail`);
    this.rqTotal = store.counter(`${p}rq_total`);
    this.rqSuccess = store.counter(`${p}rq_success`);
    this.rqError = store.counter(`${p}rq_error`);
    this.rqTimeout = store.counter(`${p}rq_timeout`);
    this.rqActive = store.gauge(`${p}rq_active`);
  }
}

export type HealthClass = "healthy" | "degraded" | "unhealthy";

const HEALTH_CLASSES: Readonly<Record<HealthStatus, HealthClass>> = {
  UNKNOWN: "healthy",
  HEALTHY: "healthy",
  DEGRADED: "degraded",
  UNHEALTHY: "unhealthy",
  DRAINING: "unhealthy",
  TIMEOUT: "unhealthy",
};

export class Host {
  /** "ip:port", or a pipe's path. */
  readonly address: string;
  endpoint: Endpoint;
  locality: LocalityEndpoints;
  readonly stats: HostStats;
  activeRequests = 0;

  constructor(endpoint: Endpoint, locality: LocalityEndpoints, store: StatsStore, clusterName: string) {
    this.address = formatAddress(endpoint.address);
    this.endpoint = endpoint;
    this.locality = locality;
    this.stats = new HostStats(store, clusterName, this.address);
  }

  get weight(): number {
    return this.endpoint.weight;
  }

  get metadata(): Metadata {
    return this.endpoint.metadata;
  }

  get health(): HealthClass {
    return this.endpoint.failedActiveHealthCheck ? "unhealthy" : HEALTH_CLASSES[this.endpoint.healthStatus];
  }

  /** Takes no new requests, not even in panic: it drains, or nobody has looked at it yet and nobody shall use it before. */
  get excluded(): boolean {
    return this.endpoint.healthStatus === "DRAINING" || this.endpoint.isIgnored;
  }

  requestStarted(): void {
    this.activeRequests++;
    this.stats.rqTotal.inc();
    this.stats.rqActive.inc();
  }

  requestEnded(): void {
    this.activeRequests--;
    this.stats.rqActive.dec();
  }
}
