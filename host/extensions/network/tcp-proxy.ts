// envoy.filters.network.tcp_proxy: one upstream connection for one downstream connection, bytes both ways (Envoy's TcpProxy::Filter).
// Nothing is read from the client before the upstream is connected, unless max_early_data_bytes lets it; each direction ends by itself.
import { BodyBuffer } from "../../base/body-buffer.ts";
import { Timer, type TimerOwner } from "../../base/clock.ts";
import type { TcpProxy } from "../../config/network-filter.ts";
import { ResponseFlag, type StreamInfo } from "../../http/stream-info.ts";
import { type ConnectionEvent, FilterStatus, type NetworkFilter, type NetworkFilterCallbacks } from "../../net/network-filter.ts";
import { failureOfPool } from "../../router/failure.ts";
import type { Workload } from "../../net/workload.ts";
import { setStreamPeer } from "../istio/peers.ts";
import { connectTcp, type TcpConn, type TcpConnCallbacks, type TcpConnFailure } from "../../upstream/tcp-conn.ts";
import { AccessLogs } from "../access-loggers.ts";
import type { ExtensionContext } from "../context.ts";
import type { NetworkFilterFactory } from "./network-filter-factory.ts";
import { TcpProxyStats } from "./tcp-proxy-stats.ts";

/** Filter state that names the cluster, whatever the configuration says; filters before this one set it. */
export const CLUSTER_KEY = "envoy.tcp_proxy.cluster";

const TIMER_IDLE = 0;
const TIMER_MAX_DURATION = 1;
const TIMER_BACKOFF = 2;
const TIMER_LOG = 3;

/** A back-off is drawn from so many parts of its window: timers of equal durations share a queue. */
const BACKOFF_STEPS = 16;
const NO_BYTES = new Uint8Array(0);

export class TcpProxyFactory implements NetworkFilterFactory {
  readonly config: TcpProxy;
  readonly ctx: ExtensionContext;
  readonly stats: TcpProxyStats;
  readonly accessLogs: AccessLogs;
  readonly byteCounters: Parameters<NetworkFilterCallbacks["countBytes"]>[0];

  constructor(config: TcpProxy, ctx: ExtensionContext) {
    this.config = config;
    this.ctx = ctx;
    this.stats = new TcpProxyStats(ctx.stats, config.statPrefix);
    this.accessLogs = new AccessLogs(config.accessLogs, ctx);
    this.byteCounters = { received: this.stats.downstreamCxRxBytesTotal, sent: this.stats.downstreamCxTxBytesTotal };
  }

  createFilter(callbacks: NetworkFilterCallbacks, info: StreamInfo): NetworkFilter {
    return new TcpProxyFilter(this, callbacks, info);
  }

  /** One of the clusters by weight. */
  pickCluster(): string {
    const { clusters, totalWeight } = this.config;
    if (clusters.length === 1) return clusters[0].name;
    let draw = Math.floor(this.ctx.random.next() * totalWeight);
    for (const cluster of clusters) {
      if (draw < cluster.weight) return cluster.name;
      draw -= cluster.weight;
    }
    return clusters[clusters.length - 1].name;
  }

  log(info: StreamInfo, type: string): void {
    info.completeAt = this.ctx.clock.now;
    info.accessLogType = type;
    for (const logger of this.accessLogs.loggers) logger.log(info);
  }

  close(): void {
    this.accessLogs.close();
  }
}

class TcpProxyFilter implements NetworkFilter, TcpConnCallbacks, TimerOwner {
  private readonly factory: TcpProxyFactory;
  private readonly callbacks: NetworkFilterCallbacks;
  private readonly info: StreamInfo;
  private readonly idleTimer: Timer;
  private durationTimer: Timer | undefined = undefined;
  private backoffTimer: Timer | undefined = undefined;
  private logTimer: Timer | undefined = undefined;
  private upstream: TcpConn | undefined = undefined;
  private isConnected = false;
  private attempts = 0;
  /** What came before the upstream was connected; undefined: nothing did. */
  private early: BodyBuffer | undefined = undefined;
  private hasEarlyEnd = false;
  private isReadDisabled = false;
  /** The client is gone, and the upstream has not got everything yet. */
  private isFlushing = false;

  constructor(factory: TcpProxyFactory, callbacks: NetworkFilterCallbacks, info: StreamInfo) {
    this.factory = factory;
    this.callbacks = callbacks;
    this.info = info;
    this.idleTimer = new Timer(this, TIMER_IDLE);
    const { config, stats } = factory;
    callbacks.enableHalfClose();
    callbacks.countBytes(factory.byteCounters);
    stats.downstreamCxTotal.inc();
    // Read now, bytes would have nowhere to go if no upstream can be had.
    if (config.maxEarlyDataBytes === undefined) this.readDisable(true);
    if (config.flushAccessLogOnStart) factory.log(info, "TcpConnectionStart");
  }

  // ---- NetworkFilter ----

  onNewConnection(): FilterStatus {
    const { config, ctx } = this.factory;
    if (config.maxDownstreamConnectionDurationMs > 0) {
      const jitter = Math.ceil(ctx.random.next() * BACKOFF_STEPS) / BACKOFF_STEPS;
      const more = (config.maxDownstreamConnectionDurationJitter / 100) * jitter;
      this.durationTimer = new Timer(this, TIMER_MAX_DURATION);
      ctx.clock.start(this.durationTimer, config.maxDownstreamConnectionDurationMs * (1 + more));
    }
    if (config.accessLogFlushIntervalMs > 0) {
      this.logTimer = new Timer(this, TIMER_LOG);
      ctx.clock.start(this.logTimer, config.accessLogFlushIntervalMs);
    }
    if (!config.connectsOnData) this.connect();
    // With early data, what a filter before this one has let go is taken at once.
    return config.maxEarlyDataBytes === undefined ? FilterStatus.StopIteration : FilterStatus.Continue;
  }

  onData(data: BodyBuffer, endStream: boolean): FilterStatus {
    if (this.isConnected) this.send(data, endStream);
    else this.keepEarly(data, endStream);
    return FilterStatus.StopIteration;
  }

  private send(data: BodyBuffer, endStream: boolean): void {
    const { upstream } = this;
    if (upstream === undefined) {
      data.clear();
      return;
    }
    this.info.upstreamBytesSent += data.length;
    data.drainTo(upstream);
    if (endStream) upstream.endWrites();
    this.touch();
  }

  private keepEarly(data: BodyBuffer, endStream: boolean): void {
    const { config, stats } = this.factory;
    if (this.early === undefined) {
      this.early = new BodyBuffer();
      stats.earlyDataReceivedCountTotal.inc();
    }
    for (const slice of data.takeSlices()) this.early.append(slice);
    if (endStream) this.hasEarlyEnd = true;
    if (this.early.length >= (config.maxEarlyDataBytes ?? 0)) this.readDisable(true);
    if (config.connectsOnData && this.attempts === 0) this.connect();
  }

  private readDisable(disable: boolean): void {
    if (disable === this.isReadDisabled) return;
    this.isReadDisabled = disable;
    this.callbacks.connection.readDisable(disable);
  }

  onClose(event: ConnectionEvent, reset: boolean): void {
    const { stats } = this.factory;
    for (const timer of [this.durationTimer, this.backoffTimer, this.logTimer]) timer?.clear();
    this.factory.log(this.info, "TcpConnectionEnd");
    const { upstream } = this;
    if (upstream === undefined) {
      this.idleTimer.clear();
      return;
    }
    if (this.isConnected && event === "RemoteClose" && !reset && upstream.hasUnsent) {
      // The client has left nothing to wait for but the flush; the idle timer bounds it.
      this.isFlushing = true;
      stats.upstreamFlushTotal.inc();
      stats.upstreamFlushActive.inc();
      upstream.closeWhenFlushed();
      return;
    }
    this.idleTimer.clear();
    this.upstream = undefined;
    if (reset) upstream.reset();
    else if (event === "RemoteClose" && this.isConnected) upstream.closeWhenFlushed();
    else upstream.destroy();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.upstream?.pauseReading(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.upstream?.pauseReading(false);
  }

  // ---- connecting ----

  private connect(): void {
    const { ctx, stats, config } = this.factory;
    const { info } = this;
    const named = info.filterState?.get(CLUSTER_KEY);
    const name = named === undefined ? this.factory.pickCluster() : Buffer.from(named).latin1Slice();
    const cluster = ctx.clusters.get(name);
    if (cluster === undefined) {
      stats.downstreamCxNoRoute.inc();
      this.fail(ResponseFlag.NoClusterFound);
      return;
    }
    info.clusterName = name;
    info.clusterAltName = cluster.config.altStatName;
    info.clusterMetadata = cluster.config.metadata;
    if (!cluster.breaker("DEFAULT").connections.canCreate) {
      cluster.stats.upstreamCxOverflow.inc();
      this.fail(ResponseFlag.UpstreamOverflow);
      return;
    }
    if (this.attempts >= config.maxConnectAttempts) {
      cluster.stats.upstreamCxConnectAttemptsExceeded.inc();
      this.fail(ResponseFlag.UpstreamRetryLimitExceeded);
      return;
    }
    const host = cluster.chooseHost(info.connection);
    if (host === undefined) {
      cluster.stats.upstreamCxNoneHealthy.inc();
      this.fail(ResponseFlag.NoHealthyUpstream);
      return;
    }
    this.attempts++;
    info.upstreamRequestAttemptCount = this.attempts;
    this.upstream = connectTcp(cluster, host, this);
    if (this.upstream === undefined) {
      this.tryAgain();
      return;
    }
    info.upstreamHost = host.address;
    info.upstreamHostMetadata = host.metadata;
  }

  private fail(flag: number): void {
    this.info.setFlag(flag);
    this.callbacks.close("NoFlush");
  }

  private tryAgain(): void {
    const { backoff } = this.factory.config;
    const { clock, random } = this.factory.ctx;
    if (backoff === undefined || this.attempts >= this.factory.config.maxConnectAttempts) {
      this.connect();
      return;
    }
    const window = Math.min(backoff.maxIntervalMs, backoff.baseIntervalMs * 2 ** Math.min(this.attempts - 1, 30));
    this.backoffTimer ??= new Timer(this, TIMER_BACKOFF);
    clock.start(this.backoffTimer, Math.max(1, (Math.ceil(random.next() * BACKOFF_STEPS) / BACKOFF_STEPS) * window));
  }

  onUpstreamConnectFailure(reason: TcpConnFailure, error: string): void {
    this.upstream = undefined;
    if (!this.callbacks.isOpen) return;
    this.info.setFlag(ResponseFlag.UpstreamConnectionFailure);
    this.info.upstreamTransportFailureReason = failureOfPool(reason, error).transport;
    this.tryAgain();
  }

  onUpstreamPeer(workload: Workload): void {
    setStreamPeer(this.info, "upstream", workload);
  }

  onUpstreamConnected(): void {
    const { config, ctx } = this.factory;
    const { upstream, info, early } = this;
    if (upstream === undefined) return;
    this.isConnected = true;
    info.upstreamLocalAddress = upstream.localAddress;
    info.upstreamConnectionReadyAt = ctx.clock.now;
    if (config.flushAccessLogOnConnected) this.factory.log(info, "TcpUpstreamConnected");
    if (early !== undefined) {
      this.early = undefined;
      this.send(early, this.hasEarlyEnd);
    }
    this.readDisable(false);
    this.touch();
  }

  // ---- the upstream connection ----

  onUpstreamData(data: Buffer): void {
    this.info.upstreamBytesReceived += data.length;
    this.callbacks.write(data, false);
    this.touch();
  }

  onUpstreamEnd(): void {
    this.callbacks.write(NO_BYTES, true);
    this.touch();
  }

  onUpstreamClose(reset: boolean): void {
    this.idleTimer.clear();
    this.upstream = undefined;
    if (this.isFlushing) {
      this.factory.stats.upstreamFlushActive.dec();
      return;
    }
    if (!this.callbacks.isOpen) return;
    if (reset) {
      this.info.setFlag(ResponseFlag.UpstreamRemoteReset);
      this.callbacks.close("AbortReset");
    } else if (!this.callbacks.hasEnded) this.callbacks.close("FlushWrite");
  }

  onUpstreamAboveWriteBufferHighWatermark(): void {
    this.factory.stats.downstreamFlowControlPaused.inc();
    this.callbacks.connection.readDisable(true);
  }

  onUpstreamBelowWriteBufferLowWatermark(): void {
    this.factory.stats.downstreamFlowControlResumed.inc();
    this.callbacks.connection.readDisable(false);
  }

  // ---- timers ----

  private touch(): void {
    this.factory.ctx.clock.start(this.idleTimer, this.factory.config.idleTimeoutMs);
  }

  onTimer(kind: number): void {
    const { stats, config, ctx } = this.factory;
    switch (kind) {
      case TIMER_IDLE:
        stats.idleTimeout.inc();
        if (this.isFlushing) this.upstream?.destroy();
        else this.callbacks.close("NoFlush");
        return;
      case TIMER_MAX_DURATION:
        stats.maxDownstreamConnectionDuration.inc();
        this.fail(ResponseFlag.DurationTimeout);
        return;
      case TIMER_BACKOFF:
        this.connect();
        return;
      case TIMER_LOG:
        this.factory.log(this.info, "TcpPeriodic");
        if (this.logTimer !== undefined) ctx.clock.start(this.logTimer, config.accessLogFlushIntervalMs);
        return;
    }
  }
}
