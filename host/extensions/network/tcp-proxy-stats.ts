// Statistics of one TCP proxy under Envoy's names (tcp.<stat_prefix>.*). The table in stats/catalog-tcp.ts documents each.
import type { Counter, Gauge, StatsStore } from "../../stats/store.ts";

export class TcpProxyStats {
  readonly downstreamCxTotal: Counter;
  readonly downstreamCxNoRoute: Counter;
  readonly downstreamCxRxBytesTotal: Counter;
  readonly downstreamCxTxBytesTotal: Counter;
  readonly downstreamFlowControlPaused: Counter;
  readonly downstreamFlowControlResumed: Counter;
  readonly earlyDataReceivedCountTotal: Counter;
  readonly idleTimeout: Counter;
  readonly maxDownstreamConnectionDuration: Counter;
  readonly upstreamFlushTotal: Counter;
  readonly upstreamFlushActive: Gauge;

  constructor(store: StatsStore, statPrefix: string) {
    const p = `tcp.${statPrefix}.`;
    this.downstreamCxTotal = store.counter(`${p}downstream_cx_total`);
    this.downstreamCxNoRoute = store.counter(`${p}downstream_cx_no_route`);
    this.downstreamCxRxBytesTotal = store.counter(`${p}downstream_cx_rx_bytes_total`);
    this.downstreamCxTxBytesTotal = store.counter(`${p}downstream_cx_tx_bytes_total`);
    this.downstreamFlowControlPaused = store.counter(`${p}downstream_flow_control_paused_reading_total`);
    this.downstreamFlowControlResumed = store.counter(`${p}downstream_flow_control_resumed_reading_total`);
    this.earlyDataReceivedCountTotal = store.counter(`${p}early_data_received_count_total`);
    this.idleTimeout = store.counter(`${p}idle_timeout`);
    this.maxDownstreamConnectionDuration = store.counter(`${p}max_downstream_connection_duration`);
    this.upstreamFlushTotal = store.counter(`${p}upstream_flush_total`);
    this.upstreamFlushActive = store.gauge(`${p}upstream_flush_active`);
  }
}
