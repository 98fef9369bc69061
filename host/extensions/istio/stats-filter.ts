// istio.stats: the standard metrics of Istio. HTTP requests are counted when they are over; connections while they last, so that a long
// one is seen. https://github.com/istio/proxy/tree/release-1.30/source/extensions/filters/http/istio_stats
import { type Clock, Timer, type TimerOwner } from "../../base/clock.ts";
import type { IstioStatsConfig } from "../../config/http-filters.ts";
import type { Listener } from "../../config/listener.ts";
import { PassThroughFilter } from "../../http/filter.ts";
import type { FilterCallbacks, StreamFilter, StreamFilterFactory } from "../../http/filter.ts";
import { isGrpcRequest } from "../../http/grpc.ts";
import type { StreamInfo } from "../../http/stream-info.ts";
import { FilterStatus, type NetworkFilter, type NetworkFilterCallbacks } from "../../net/network-filter.ts";
import { labelledName } from "../../stats/labels.ts";
import type { ExtensionContext } from "../context.ts";
import type { NetworkFilterFactory } from "../network/network-filter-factory.ts";
import { LabelSource } from "./stats-labels.ts";
import { type Series, StatsRecorder } from "./stats-recorder.ts";

const GRPC_STATE = "envoy.filters.http.grpc_stats";

/** What filters of both kinds are made of. */
class IstioStats {
  readonly config: IstioStatsConfig;
  readonly clock: Clock;
  readonly recorder: StatsRecorder;
  readonly labels: LabelSource;

  constructor(config: IstioStatsConfig, listener: Listener, ctx: ExtensionContext) {
    this.config = config;
    this.clock = ctx.clock;
    this.recorder = new StatsRecorder(config, ctx.stats);
    const reporter = listener.trafficDirection === "INBOUND" ? "destination" : "source";
    this.labels = new LabelSource(reporter, !config.disableHostHeaderFallback, ctx.node);
    const version = ctx.node.metadata.ISTIO_VERSION;
    const build = [["component", "proxy"] as const, ["tag", typeof version === "string" ? version : "unknown"] as const];
    ctx.stats.gauge(labelledName(`${config.statPrefix}_build`, build)).set(1);
  }

  find(info: StreamInfo, protocol: "http" | "grpc" | "tcp"): Series | undefined {
    return this.recorder.find((isKnown) => this.labels.labels(info, protocol, isKnown));
  }
}

class IstioStatsFilter extends PassThroughFilter {
  private readonly stats: IstioStats;
  private readonly info: StreamInfo;

  constructor(stats: IstioStats, callbacks: FilterCallbacks) {
    super();
    this.stats = stats;
    this.info = callbacks.info;
  }

  override onStreamComplete(): void {
    const { info } = this;
    const isGrpc = info.requestHeaders !== undefined && isGrpcRequest(info.requestHeaders);
    const series = this.stats.find(info, isGrpc ? "grpc" : "http");
    if (series === undefined) return;
    series.add("requests_total", 1);
    series.record("request_duration_milliseconds", Math.floor(info.completeAt - info.startMonotonic));
    series.record("request_bytes", info.requestHeaderBytes + info.bytesReceived);
    series.record("response_bytes", info.responseHeaderBytes + info.bytesSent);
    const messages = info.filterState?.get(GRPC_STATE);
    if (messages === undefined) return;
    const [requests = 0, responses = 0] = Buffer.from(messages).latin1Slice().split(",").map(Number);
    series.add("request_messages_total", requests);
    series.add("response_messages_total", responses);
  }
}

export class IstioStatsFactory implements StreamFilterFactory {
  readonly name: string;
  private readonly stats: IstioStats;

  constructor(name: string, config: IstioStatsConfig, listener: Listener, ctx: ExtensionContext) {
    this.name = name;
    this.stats = new IstioStats(config, listener, ctx);
  }

  createFilter(callbacks: FilterCallbacks): StreamFilter {
    return new IstioStatsFilter(this.stats, callbacks);
  }

  close(): void {}
}

class IstioTcpStatsFilter implements NetworkFilter, TimerOwner {
  private readonly stats: IstioStats;
  private readonly info: StreamInfo;
  private readonly timer = new Timer(this, 0);
  private isOpened = false;
  private received = 0;
  private sent = 0;

  constructor(stats: IstioStats, info: StreamInfo) {
    this.stats = stats;
    this.info = info;
  }

  onNewConnection(): FilterStatus {
    this.stats.clock.start(this.timer, this.stats.config.tcpReportingMs);
    return FilterStatus.Continue;
  }

  onData(): FilterStatus {
    return FilterStatus.Continue;
  }

  onTimer(): void {
    this.report();
    this.stats.clock.start(this.timer, this.stats.config.tcpReportingMs);
  }

  onClose(): void {
    this.timer.clear();
    this.report()?.add("tcp_connections_closed_total", 1);
  }

  /** What came since the last time. Labels may change between: the peer says later who it is. */
  private report(): Series | undefined {
    const { info } = this;
    const series = this.stats.find(info, "tcp");
    if (series === undefined) return undefined;
    if (!this.isOpened) series.add("tcp_connections_opened_total", 1);
    this.isOpened = true;
    series.add("tcp_received_bytes_total", info.bytesReceived - this.received);
    series.add("tcp_sent_bytes_total", info.bytesSent - this.sent);
    this.received = info.bytesReceived;
    this.sent = info.bytesSent;
    return series;
  }
}

export class IstioTcpStatsFactory implements NetworkFilterFactory {
  private readonly stats: IstioStats;

  constructor(config: IstioStatsConfig, listener: Listener, ctx: ExtensionContext) {
    this.stats = new IstioStats(config, listener, ctx);
  }

  createFilter(_callbacks: NetworkFilterCallbacks, info: StreamInfo): NetworkFilter {
    return new IstioTcpStatsFilter(this.stats, info);
  }

  close(): void {}
}
