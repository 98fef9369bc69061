// Statistics of the HTTP/2 codec under Envoy's names: "http2." for all downstream connections, "cluster.<name>.http2." upstream.
// The table in stats/catalog-http.ts documents each.
import type { Counter, Gauge, StatsStore } from "../stats/store.ts";

export class Http2Stats {
  readonly deferredStreamClose: Gauge;
  readonly droppedHeadersWithUnderscores: Counter;
  readonly goawaySent: Counter;
  readonly headerOverflow: Counter;
  readonly headersCbNoStream: Counter;
  readonly inboundEmptyFramesFlood: Counter;
  readonly inboundPriorityFramesFlood: Counter;
  readonly inboundWindowUpdateFramesFlood: Counter;
  readonly keepaliveTimeout: Counter;
  readonly outboundControlFlood: Counter;
  readonly outboundFlood: Counter;
  readonly pendingSendBytes: Gauge;
  readonly prematureResetFlood: Counter;
  readonly provokedResetFlood: Counter;
  readonly requestsRejectedWithUnderscores: Counter;
  readonly rxMessagingError: Counter;
  readonly rxReset: Counter;
  readonly settingsTimeout: Counter;
  readonly streamRefusedErrors: Counter;
  readonly streamsActive: Gauge;
  readonly trailers: Counter;
  readonly txFlushTimeout: Counter;
  readonly txReset: Counter;

  /** `scope`: "" downstream, "cluster.<name>." upstream. */
  constructor(store: StatsStore, scope: string) {
    const c = (name: string): Counter => store.counter(`${scope}http2.${name}`);
    const g = (name: string): Gauge => store.gauge(`${scope}http2.${name}`);
    this.deferredStreamClose = g("deferred_stream_close");
    this.droppedHeadersWithUnderscores = c("dropped_headers_with_underscores");
    this.goawaySent = c("goaway_sent");
    this.headerOverflow = c("header_overflow");
    this.headersCbNoStream = c("headers_cb_no_stream");
    this.inboundEmptyFramesFlood = c("inbound_empty_frames_flood");
    this.inboundPriorityFramesFlood = c("inbound_priority_frames_flood");
    this.inboundWindowUpdateFramesFlood = c("inbound_window_update_frames_flood");
    this.keepaliveTimeout = c("keepalive_timeout");
    this.outboundControlFlood = c("outbound_control_flood");
    this.outboundFlood = c("outbound_flood");
    this.pendingSendBytes = g("pending_send_bytes");
    this.prematureResetFlood = c("premature_reset_flood");
    this.provokedResetFlood = c("provoked_reset_flood");
    this.requestsRejectedWithUnderscores = c("requests_rejected_with_underscores_in_headers");
    this.rxMessagingError = c("rx_messaging_error");
    this.rxReset = c("rx_reset");
    this.settingsTimeout = c("settings_timeout");
    this.streamRefusedErrors = c("stream_refused_errors");
    this.streamsActive = g("streams_active");
    this.trailers = c("trailers");
    this.txFlushTimeout = c("tx_flush_timeout");
    this.txReset = c("tx_reset");
  }
}
