// Statistics of one listener under Envoy's names (listener.<address>.*).
import type { Listener } from "../config/listener.ts";
import type { Counter, Gauge, Histogram, StatsStore } from "../stats/store.ts";
import type { ConnectionStats } from "./connection.ts";

export class ListenerStats implements ConnectionStats {
  readonly cxTotal: Counter;
  readonly cxActive: Gauge;
  readonly cxDestroy: Counter;
  readonly cxOverflow: Counter;
  readonly globalCxOverflow: Counter;
  readonly noFilterChainMatch: Counter;
  readonly cxTransportSocketConnectTimeout: Counter;
  readonly preCxActive: Gauge;
  readonly preCxTimeout: Counter;
  readonly listenerFilterRemoteClose: Counter;
  readonly listenerFilterError: Counter;
  readonly cxLengthMs: Histogram;

  constructor(store: StatsStore, prefix: string) {
    this.cxTotal = store.counter(`${prefix}downstream_cx_total`);
    this.cxActive = store.gauge(`${prefix}downstream_cx_active`);
    this.cxDestroy = store.counter(`${prefix}downstream_cx_destroy`);
    this.cxOverflow = store.counter(`${prefix}downstream_cx_overflow`);
    this.globalCxOverflow = store.counter(`${prefix}downstream_global_cx_overflow`);
    this.noFilterChainMatch = store.counter(`${prefix}no_filter_chain_match`);
    this.cxTransportSocketConnectTimeout = store.counter(`${prefix}downstream_cx_transport_socket_connect_timeout`);
    this.preCxActive = store.gauge(`${prefix}downstream_pre_cx_active`);
    this.preCxTimeout = store.counter(`${prefix}downstream_pre_cx_timeout`);
    this.listenerFilterRemoteClose = store.counter(`${prefix}downstream_listener_filter_remote_close`);
    this.listenerFilterError = store.counter(`${prefix}downstream_listener_filter_error`);
    this.cxLengthMs = store.histogram(`${prefix}downstream_cx_length_ms`);
  }

  // Bytes are counted by the connection manager, under its own prefix.
  received(): void {}
  sent(): void {}
}

/** "127.0.0.1:10000" → "127.0.0.1_10000": how Envoy writes an address into a stat name. */
export function listenerStatPrefix(listener: Listener): string {
  const address = listener.addresses[0];
  const text =
    address.kind === "pipe"
      ? address.path
      : address.address.includes(":")
        ? `[${address.address}]_${address.port}`
        : `${address.address}_${address.port}`;
  return `listener.${listener.statPrefix || text.replaceAll(":", "_")}.`;
}
