// One attempt to get an answer from one host: waits for a connection, sends headers and body, hands what comes back to the router.
// Sits between the pool's codec and the router filter, which decides about retries.
import { Timer, type TimerOwner } from "../base/clock.ts";
import { retain } from "../base/read-buffer.ts";
import type { RequestEncoder, StreamResetReason } from "../http/codec.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { AlpnOverride } from "../http/stream-info.ts";
import type { ClusterEntry, Priority } from "../upstream/cluster.ts";
import type { ConnPool, PoolCallbacks, PooledConnection, PoolFailure } from "../upstream/conn-pool.ts";
import type { Host } from "../upstream/host.ts";
import { failureOfPool, failureOfReset, type UpstreamFailure } from "./failure.ts";

/** What the router filter is told by an attempt. */
export interface AttemptOwner {
  readonly downstreamProtocol: string;
  readonly upstreamAlpn: AlpnOverride | undefined;
  onAttemptReady(attempt: UpstreamRequest, connection: PooledConnection): void;
  onUpstream1xx(attempt: UpstreamRequest, headers: HeaderMap): void;
  onUpstreamHeaders(attempt: UpstreamRequest, headers: HeaderMap, endStream: boolean): void;
  onUpstreamData(attempt: UpstreamRequest, data: Uint8Array, endStream: boolean): void;
  onUpstreamTrailers(attempt: UpstreamRequest, trailers: HeaderMap): void;
  onUpstreamFailure(attempt: UpstreamRequest, failure: UpstreamFailure): void;
  onPerTryTimeout(attempt: UpstreamRequest, idle: boolean): void;
  /** Bytes for this host wait above (true) or again below (false) the limit: counted. */
  onUpstreamWatermark(above: boolean): void;
}

const EMPTY = new Uint8Array(0);
const TIMER_PER_TRY = 0;
const TIMER_PER_TRY_IDLE = 1;

export class UpstreamRequest implements PoolCallbacks, TimerOwner {
  readonly host: Host;
  private readonly owner: AttemptOwner;
  private readonly cluster: ClusterEntry;
  private readonly priority: Priority;
  private readonly headers: HeaderMap;
  private encoder: RequestEncoder | undefined = undefined;
  /** What came before there was a connection; undefined: nothing. */
  private waiting: Uint8Array[] | undefined = undefined;
  private waitingBytes = 0;
  private trailers: HeaderMap | undefined = undefined;
  private requestEnded = false;
  private pushedBack = 0;
  private readDisabled = 0;
  private pool: ConnPool | undefined = undefined;
  private over = false;
  private countsAsRequest = false;
  /** Resets are counted where they are frames of their own, as in Envoy; over HTTP/1.1 the connection ends. */
  private multiplexed = false;
  responseStarted = false;
  private response: HeaderMap | undefined = undefined;
  requestSent = false;
  /** Made when they are asked for: few routes have them. */
  private perTryTimer: Timer | undefined = undefined;
  private perTryIdleTimer: Timer | undefined = undefined;
  private perTryIdleMs = 0;

  constructor(owner: AttemptOwner, cluster: ClusterEntry, host: Host, priority: Priority, headers: HeaderMap) {
    this.owner = owner;
    this.cluster = cluster;
    this.host = host;
    this.priority = priority;
    this.headers = headers;
  }

  /** Asks for a connection; onAttemptReady or onUpstreamFailure may be called before this returns. */
  start(endStream: boolean): void {
    this.requestEnded = endStream;
    const breaker = this.cluster.breaker(this.priority);
    if (!breaker.requests.canCreate) {
      this.cluster.stats.upstreamRqPendingOverflow.inc();
      this.over = true;
      this.owner.onUpstreamFailure(this, { reason: "overflow", transport: "" });
      return;
    }
    this.pool = this.cluster.pool(this.host, this.priority, this.owner.downstreamProtocol, this.headers, this.owner.upstreamAlpn);
    this.pool.newStream(this);
  }

  startPerTryTimers(timeoutMs: number, idleMs: number): void {
    if (this.over) return;
    this.perTryTimer ??= new Timer(this, TIMER_PER_TRY);
    this.cluster.clock.start(this.perTryTimer, timeoutMs);
    this.perTryIdleMs = idleMs;
    this.touch();
  }

  onTimer(kind: number): void {
    this.owner.onPerTryTimeout(this, kind === TIMER_PER_TRY_IDLE);
  }

  private touch(): void {
    if (this.perTryIdleMs <= 0) return;
    this.perTryIdleTimer ??= new Timer(this, TIMER_PER_TRY_IDLE);
    this.cluster.clock.start(this.perTryIdleTimer, this.perTryIdleMs);
  }

  // ---- request side ----

  encodeData(data: Uint8Array, endStream: boolean): void {
    if (this.over) return;
    if (endStream) this.requestEnded = true;
    if (this.encoder !== undefined) {
      this.encoder.encodeData(data, endStream);
      this.touch();
      return;
    }
    if (data.length > 0) {
      this.waiting ??= [];
      this.waiting.push(retain(data));
      this.waitingBytes += data.length;
      if (this.waitingBytes > this.cluster.config.perConnectionBufferLimitBytes && this.pushedBack === 0) this.pushBack(true);
    }
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (this.over) return;
    this.requestEnded = true;
    if (this.encoder !== undefined) this.encoder.encodeTrailers(trailers);
    else this.trailers = trailers;
  }

  /** Counted; what comes before there is a connection holds for it. */
  readDisable(disable: boolean): void {
    this.readDisabled += disable ? 1 : -1;
    if (!this.over) this.encoder?.readDisable(disable);
  }

  private pushBack(above: boolean): void {
    this.pushedBack += above ? 1 : -1;
    this.owner.onUpstreamWatermark(above);
  }

  // ---- PoolCallbacks ----

  onPoolReady(encoder: RequestEncoder, client: PooledConnection): void {
    const stats = this.cluster.stats;
    this.encoder = encoder;
    this.countsAsRequest = true;
    this.multiplexed = client.isMultiplexed;
    stats.upstreamRqTotal.inc();
    stats.upstreamRqActive.inc();
    this.cluster.breaker(this.priority).requests.inc();
    this.host.requestStarted();
    this.owner.onAttemptReady(this, client);
    if (this.over) return;
    this.requestSent = true;
    for (let i = 0; i < this.readDisabled; i++) encoder.readDisable(true);
    const waiting = this.waiting;
    this.waiting = undefined;
    this.waitingBytes = 0;
    encoder.encodeHeaders(this.headers, this.requestEnded && waiting === undefined && this.trailers === undefined);
    if (waiting !== undefined) {
      for (let i = 0; i < waiting.length && !this.over; i++) {
        encoder.encodeData(waiting[i], this.requestEnded && i === waiting.length - 1 && this.trailers === undefined);
      }
    }
    if (this.trailers !== undefined && !this.over) encoder.encodeTrailers(this.trailers);
    if (this.pushedBack > 0) this.pushBack(false);
  }

  onPoolFailure(reason: PoolFailure, details: string): void {
    this.end();
    this.owner.onUpstreamFailure(this, failureOfPool(reason, details));
  }

  // ---- ResponseDecoder ----

  decode1xxHeaders(headers: HeaderMap): void {
    this.touch();
    this.owner.onUpstream1xx(this, headers);
  }

  decodeHeaders(headers: HeaderMap, endStream: boolean): void {
    this.touch();
    this.responseStarted = true;
    this.response = headers;
    if (endStream) this.complete();
    this.owner.onUpstreamHeaders(this, headers, endStream);
  }

  decodeData(data: Uint8Array, endStream: boolean): void {
    this.touch();
    if (endStream) this.complete();
    this.owner.onUpstreamData(this, data, endStream);
  }

  decodeTrailers(trailers: HeaderMap): void {
    this.complete();
    this.owner.onUpstreamTrailers(this, trailers);
  }

  onReset(reason: StreamResetReason, _details: string): void {
    if (this.over) return;
    this.end();
    const stats = this.cluster.stats;
    if (this.multiplexed && reason === "RemoteReset") stats.upstreamRqRxReset.inc();
    else if (this.multiplexed && (reason === "ProtocolError" || reason === "LocalReset")) stats.upstreamRqTxReset.inc();
    this.owner.onUpstreamFailure(this, failureOfReset(reason));
  }

  onAboveWriteBufferHighWatermark(): void {
    if (!this.over) this.pushBack(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    if (!this.over && this.pushedBack > 0) this.pushBack(false);
  }

  /** The answer is whole. Before the end of its request, the codec gives up the rest of that; a tunnel is told that nothing more comes. */
  private complete(): void {
    if (!this.requestEnded && this.multiplexed) {
      if (this.isTunnel) this.encoder?.encodeData(EMPTY, true);
      else this.cluster.stats.upstreamRqTxReset.inc();
    }
    this.end();
  }

  private get isTunnel(): boolean {
    const status = this.response?.get(":status") ?? "";
    return status === "101" || (status.startsWith("2") && this.headers.get(":method") === "CONNECT");
  }

  /** The exchange is over, one way or the other: counters back, timers off. */
  private end(): void {
    if (this.over) return;
    this.over = true;
    this.perTryTimer?.clear();
    this.perTryIdleTimer?.clear();
    this.waiting = undefined;
    if (this.countsAsRequest) {
      this.cluster.stats.upstreamRqActive.dec();
      this.cluster.breaker(this.priority).requests.dec();
      this.host.requestEnded();
    }
    while (this.pushedBack > 0) this.pushBack(false);
  }

  /** Gives the attempt up: nothing more is reported. */
  cancel(): void {
    if (this.over) return;
    this.end();
    if (this.encoder === undefined) {
      this.pool?.cancel(this);
      return;
    }
    if (this.multiplexed) this.cluster.stats.upstreamRqTxReset.inc();
    this.encoder.resetStream("LocalReset");
  }
}
