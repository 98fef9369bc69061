// Statistics of one cluster under Envoy's names (cluster.<name>.*). The table in stats/catalog.ts documents each.
import { CodeCounters, type Counter, type Gauge, type Histogram, type StatsStore } from "../stats/store.ts";

export class ClusterStats {
  readonly upstreamCxTotal: Counter;
  readonly upstreamCxActive: Gauge;
  readonly upstreamCxHttp1Total: Counter;
  readonly upstreamCxHttp2Total: Counter;
  readonly upstreamCxCloseNotify: Counter;
  readonly upstreamCxConnectFail: Counter;
  readonly upstreamCxConnectTimeout: Counter;
  readonly upstreamCxConnectAttemptsExceeded: Counter;
  readonly upstreamCxIdleTimeout: Counter;
  readonly upstreamCxMaxDurationReached: Counter;
  readonly upstreamCxMaxRequests: Counter;
  readonly upstreamCxDestroy: Counter;
  readonly upstreamCxDestroyLocal: Counter;
  readonly upstreamCxDestroyRemote: Counter;
  readonly upstreamCxDestroyWithActiveRq: Counter;
  readonly upstreamCxDestroyLocalWithActiveRq: Counter;
  readonly upstreamCxDestroyRemoteWithActiveRq: Counter;
  readonly upstreamCxOverflow: Counter;
  readonly upstreamCxNoneHealthy: Counter;
  readonly upstreamCxProtocolError: Counter;
  readonly upstreamCxRxBytesTotal: Counter;
  readonly upstreamCxTxBytesTotal: Counter;
  readonly upstreamCxConnectMs: Histogram;
  readonly upstreamCxLengthMs: Histogram;
  readonly upstreamRqTotal: Counter;
  readonly upstreamRqActive: Gauge;
  readonly upstreamRqPendingTotal: Counter;
  readonly upstreamRqPendingActive: Gauge;
  readonly upstreamRqPendingOverflow: Counter;
  readonly upstreamRqPendingFailureEject: Counter;
  readonly upstreamRqCancelled: Counter;
  readonly upstreamRqTimeout: Counter;
  readonly upstreamRqPerTryTimeout: Counter;
  readonly upstreamRqPerTryIdleTimeout: Counter;
  readonly upstreamRqRxReset: Counter;
  readonly upstreamRqTxReset: Counter;
  readonly upstreamRqRetry: Counter;
  readonly upstreamRqRetrySuccess: Counter;
  readonly upstreamRqRetryOverflow: Counter;
  readonly upstreamRqRetryLimitExceeded: Counter;
  readonly upstreamRqRetryBackoffExponential: Counter;
  readonly upstreamRqRetryBackoffRatelimited: Counter;
  readonly upstreamRqCompleted: Counter;
  readonly upstreamRqMaxDurationReached: Counter;
  readonly upstreamRqDropOverload: Counter;
  readonly upstreamRqTime: Histogram;
  readonly upstreamFlowControlPaused: Counter;
  readonly upstreamFlowControlResumed: Counter;
  readonly upstreamInternalRedirectSucceeded: Counter;
  readonly retryOrShadowAbandoned: Counter;
  readonly lbHealthyPanic: Counter;
  readonly membershipChange: Counter;
  readonly membershipTotal: Gauge;
  readonly membershipHealthy: Gauge;
  readonly membershipDegraded: Gauge;
  readonly membershipExcluded: Gauge;
  /** upstream_rq_<code>, and the same below external. and internal. */
  readonly rqByCode: CodeCounters;
  readonly externalRqByCode: CodeCounters;
  readonly internalRqByCode: CodeCounters;
  readonly retryRqByCode: CodeCounters;
  private readonly store: StatsStore;
  private readonly prefix: string;
  readonly rqByClass: readonly Counter[];
  readonly externalRqByClass: readonly Counter[];
  readonly internalRqByClass: readonly Counter[];
  readonly externalRqTime: Histogram;
  readonly internalRqTime: Histogram;
  readonly externalRqCompleted: Counter;
  readonly internalRqCompleted: Counter;

  constructor(store: StatsStore, clusterName: string) {
    const p = `cluster.${clusterName}.`;
    const c = (name: string): Counter => store.counter(p + name);
    const g = (name: string): Gauge => store.gauge(p + name);
    const h = (name: string): Histogram => store.histogram(p + name);
    this.upstreamCxTotal = c("upstream_cx_total");
    this.upstreamCxActive = g("upstream_cx_active");
    this.upstreamCxHttp1Total = c("upstream_cx_http1_total");
    this.upstreamCxHttp2Total = c("upstream_cx_http2_total");
    this.upstreamCxCloseNotify = c("upstream_cx_close_notify");
    this.upstreamCxConnectFail = c("upstream_cx_connect_fail");
    this.upstreamCxConnectTimeout = c("upstream_cx_connect_timeout");
    this.upstreamCxConnectAttemptsExceeded = c("upstream_cx_connect_attempts_exceeded");
    this.upstreamCxIdleTimeout = c("upstream_cx_idle_timeout");
    this.upstreamCxMaxDurationReached = c("upstream_cx_max_duration_reached");
    this.upstreamCxMaxRequests = c("upstream_cx_max_requests");
    this.upstreamCxDestroy = c("upstream_cx_destroy");
    this.upstreamCxDestroyLocal = c("upstream_cx_destroy_local");
    this.upstreamCxDestroyRemote = c("upstream_cx_destroy_remote");
    this.upstreamCxDestroyWithActiveRq = c("upstream_cx_destroy_with_active_rq");
    this.upstreamCxDestroyLocalWithActiveRq = c("upstream_cx_destroy_local_with_active_rq");
    this.upstreamCxDestroyRemoteWithActiveRq = c("upstream_cx_destroy_remote_with_active_rq");
    this.upstreamCxOverflow = c("upstream_cx_overflow");
    this.upstreamCxNoneHealthy = c("upstream_cx_none_healthy");
    this.upstreamCxProtocolError = c("upstream_cx_protocol_error");
    this.upstreamCxRxBytesTotal = c("upstream_cx_rx_bytes_total");
    this.upstreamCxTxBytesTotal = c("upstream_cx_tx_bytes_total");
    this.upstreamCxConnectMs = h("upstream_cx_connect_ms");
    this.upstreamCxLengthMs = h("upstream_cx_length_ms");
    this.upstreamRqTotal = c("upstream_rq_total");
    this.upstreamRqActive = g("upstream_rq_active");
    this.upstreamRqPendingTotal = c("upstream_rq_pending_total");
    this.upstreamRqPendingActive = g("upstream_rq_pending_active");
    this.upstreamRqPendingOverflow = c("upstream_rq_pending_overflow");
    this.upstreamRqPendingFailureEject = c("upstream_rq_pending_failure_eject");
    this.upstreamRqCancelled = c("upstream_rq_cancelled");
    this.upstreamRqTimeout = c("upstream_rq_timeout");
    this.upstreamRqPerTryTimeout = c("upstream_rq_per_try_timeout");
    this.upstreamRqPerTryIdleTimeout = c("upstream_rq_per_try_idle_timeout");
    this.upstreamRqRxReset = c("upstream_rq_rx_reset");
    this.upstreamRqTxReset = c("upstream_rq_tx_reset");
    this.upstreamRqRetry = c("upstream_rq_retry");
    this.upstreamRqRetrySuccess = c("upstream_rq_retry_success");
    this.upstreamRqRetryOverflow = c("upstream_rq_retry_overflow");
    this.upstreamRqRetryLimitExceeded = c("upstream_rq_retry_limit_exceeded");
    this.upstreamRqRetryBackoffExponential = c("upstream_rq_retry_backoff_exponential");
    this.upstreamRqRetryBackoffRatelimited = c("upstream_rq_retry_backoff_ratelimited");
    this.upstreamRqCompleted = c("upstream_rq_completed");
    this.upstreamRqMaxDurationReached = c("upstream_rq_max_duration_reached");
    this.upstreamRqDropOverload = c("upstream_rq_drop_overload");
    this.upstreamRqTime = h("upstream_rq_time");
    this.upstreamFlowControlPaused = c("upstream_flow_control_paused_reading_total");
    this.upstreamFlowControlResumed = c("upstream_flow_control_resumed_reading_total");
    this.upstreamInternalRedirectSucceeded = c("upstream_internal_redirect_succeeded_total");
    this.retryOrShadowAbandoned = c("retry_or_shadow_abandoned");
    this.lbHealthyPanic = c("lb_healthy_panic");
    this.membershipChange = c("membership_change");
    this.membershipTotal = g("membership_total");
    this.membershipHealthy = g("membership_healthy");
    this.membershipDegraded = g("membership_degraded");
    this.membershipExcluded = g("membership_excluded");
    this.rqByCode = new CodeCounters(store, `${p}upstream_rq_`);
    this.externalRqByCode = new CodeCounters(store, `${p}external.upstream_rq_`);
    this.store = store;
    this.prefix = p;
    this.retryRqByCode = new CodeCounters(store, `${p}retry.upstream_rq_`);
    this.internalRqByCode = new CodeCounters(store, `${p}internal.upstream_rq_`);
    const classes = (scope: string): Counter[] => [1, 1, 2, 3, 4, 5].map((n) => store.counter(`${p}${scope}upstream_rq_${n}xx`));
    this.rqByClass = classes("");
    this.externalRqByClass = classes("external.");
    this.internalRqByClass = classes("internal.");
    this.externalRqTime = h("external.upstream_rq_time");
    this.internalRqTime = h("internal.upstream_rq_time");
    this.externalRqCompleted = c("external.upstream_rq_completed");
    this.internalRqCompleted = c("internal.upstream_rq_completed");
  }

  /** An answer that is thrown away because the request is tried again (Envoy's scope "retry."). */
  countRetriedCode(code: number): void {
    this.retryRqByCode.inc(code);
    // Made on first use: most clusters never retry.
    this.store.counter(`${this.prefix}retry.upstream_rq_${Math.min(5, Math.max(1, Math.trunc(code / 100)))}xx`).inc();
    this.store.counter(`${this.prefix}retry.upstream_rq_completed`).inc();
  }

  /** A response (or a failure counted as one) with this code. */
  countCode(code: number, internal: boolean): void {
    const byClass = Math.min(5, Math.max(1, Math.trunc(code / 100)));
    this.rqByCode.inc(code);
    this.rqByClass[byClass].inc();
    this.upstreamRqCompleted.inc();
    if (internal) {
      this.internalRqByCode.inc(code);
      this.internalRqByClass[byClass].inc();
      this.internalRqCompleted.inc();
    } else {
      this.externalRqByCode.inc(code);
      this.externalRqByClass[byClass].inc();
      this.externalRqCompleted.inc();
    }
  }
}
