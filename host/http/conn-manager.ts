// The HTTP connection manager: one downstream connection, its codec, its streams, idle and header timeouts, draining and closing
// (Envoy's ConnectionManagerImpl). Streams do the work; see active-stream.ts.
import { Timer, type TimerOwner } from "../base/clock.ts";
import { retain } from "../base/read-buffer.ts";
import type { Connection, ConnectionCallbacks } from "../net/connection.ts";
import { ActiveStream } from "./active-stream.ts";
import type { RequestDecoder, ResponseEncoder, ServerConnection, ServerConnectionCallbacks } from "./codec.ts";
import type { ConnManagerConfig } from "./conn-manager-config.ts";
import type { RequestHeaderContext } from "./request-headers.ts";
import { type ConnectionInfo, ResponseFlag } from "./stream-info.ts";

const TIMER_IDLE = 0;
const TIMER_HEADERS = 1;
const TIMER_MAX_DURATION = 2;
const TIMER_DELAYED_CLOSE = 3;
const TIMER_DRAIN = 4;

/**
 * Makes the codec for a connection: the only thing that the manager does not know. `data` is what the client has sent so far;
 * undefined: it does not tell the protocol yet.
 */
export type CodecFactory = (connection: Connection, manager: ConnectionManager, data: Uint8Array) => ServerConnection | undefined;

let nextStreamId = 1;

export class ConnectionManager implements ConnectionCallbacks, ServerConnectionCallbacks, TimerOwner {
  readonly config: ConnManagerConfig;
  readonly connectionInfo: ConnectionInfo;
  readonly requestHeaderContext: RequestHeaderContext;
  private readonly connection: Connection;
  private readonly makeCodec: CodecFactory;
  private readonly onGone: (manager: ConnectionManager) => void;
  private codec: ServerConnection | undefined = undefined;
  /** What came before the protocol was known. */
  private firstBytes: Buffer | undefined = undefined;
  private readonly streams: ActiveStream[] = [];
  private readonly idleTimer = new Timer(this, TIMER_IDLE);
  private readonly headersTimer = new Timer(this, TIMER_HEADERS);
  private readonly durationTimer = new Timer(this, TIMER_MAX_DURATION);
  private readonly delayedCloseTimer = new Timer(this, TIMER_DELAYED_CLOSE);
  private readonly drainTimer = new Timer(this, TIMER_DRAIN);
  private requests = 0;
  private closeSoon = false;
  private closedLocally = false;
  private isGone = false;
  private unsentAtClose = 0;
  private readonly openedAt: number;

  constructor(
    connection: Connection,
    info: ConnectionInfo,
    config: ConnManagerConfig,
    makeCodec: CodecFactory,
    onGone: (manager: ConnectionManager) => void,
  ) {
    this.connection = connection;
    this.connectionInfo = info;
    this.config = config;
    this.onGone = onGone;
    this.openedAt = config.clock.now;
    this.makeCodec = makeCodec;
    this.requestHeaderContext = {
      config: config.config,
      internal: config.internal,
      random: config.random,
      internalOnlyHeaders: config.routes?.internalOnlyHeaders ?? [],
      localIp: config.localIp,
    };
    const stats = config.stats;
    stats.downstreamCxTotal.inc();
    stats.downstreamCxActive.inc();
    if (info.tls !== undefined) {
      stats.downstreamCxSslTotal.inc();
      stats.downstreamCxSslActive.inc();
    }
    connection.setCallbacks(this);
    config.clock.start(this.idleTimer, config.config.idleTimeoutMs);
    config.clock.start(this.durationTimer, config.config.maxConnectionDurationMs);
  }

  get bufferLimit(): number {
    return this.connection.highWatermark;
  }

  /** No request in progress: closing now loses nothing that was begun. */
  get idle(): boolean {
    return this.streams.length === 0 && this.firstBytes === undefined && this.codec?.idle !== false;
  }

  /** Streams run side by side: the connection says goodbye by itself, not with an answer. */
  get multiplexed(): boolean {
    return this.codec?.multiplexed === true;
  }

  // ---- ConnectionCallbacks ----

  onData(data: Buffer): void {
    this.config.stats.downstreamCxRxBytesTotal.add(data.length);
    if (this.codec === undefined) this.begin(data);
    else this.codec.onData(data);
  }

  private begin(data: Buffer): void {
    const bytes = this.firstBytes === undefined ? data : Buffer.concat([this.firstBytes, data]);
    const codec = this.makeCodec(this.connection, this, bytes);
    if (codec === undefined) {
      this.firstBytes = retain(bytes);
      this.onPartialHead();
      return;
    }
    this.firstBytes = undefined;
    this.codec = codec;
    const stats = this.config.stats;
    (codec.multiplexed ? stats.downstreamCxHttp2Total : stats.downstreamCxHttp1Total).inc();
    (codec.multiplexed ? stats.downstreamCxHttp2Active : stats.downstreamCxHttp1Active).inc();
    codec.onData(bytes);
  }

  onEnd(): void {
    if (this.codec?.onEnd() === true) return;
    // What has been answered is still sent; a request that was cut off is over.
    if (this.streams.length === 0) this.close();
    else this.connection.destroy();
  }

  onClose(error: string): void {
    this.isGone = true;
    const stats = this.config.stats;
    for (const timer of [this.idleTimer, this.headersTimer, this.durationTimer, this.delayedCloseTimer, this.drainTimer]) timer.clear();
    stats.downstreamCxActive.dec();
    if (this.codec !== undefined) (this.multiplexed ? stats.downstreamCxHttp2Active : stats.downstreamCxHttp1Active).dec();
    if (this.connectionInfo.tls !== undefined) stats.downstreamCxSslActive.dec();
    stats.downstreamCxDestroy.inc();
    const active = this.streams.length > 0;
    if (active) stats.downstreamCxDestroyActiveRq.inc();
    if (this.closedLocally) {
      stats.downstreamCxDestroyLocal.inc();
      if (active) stats.downstreamCxDestroyLocalActiveRq.inc();
    } else {
      stats.downstreamCxDestroyRemote.inc();
      if (active) stats.downstreamCxDestroyRemoteActiveRq.inc();
    }
    stats.downstreamCxLengthMs.record(Math.floor(this.config.clock.now - this.openedAt));
    stats.downstreamCxTxBytesTotal.add(this.connection.socket.bytesWritten);
    this.codec?.onClose(error);
    this.onGone(this);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.codec?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.codec?.onBelowWriteBufferLowWatermark();
  }

  // ---- ServerConnectionCallbacks ----

  newStream(encoder: ResponseEncoder): RequestDecoder {
    this.idleTimer.clear();
    this.headersTimer.clear();
    this.requests++;
    const { maxRequestsPerConnection } = this.config.config;
    if (this.multiplexed && maxRequestsPerConnection > 0 && this.requests >= maxRequestsPerConnection) {
      this.config.stats.downstreamCxMaxRequestsReached.inc();
      this.startDrainSequence();
    }
    return this.addStream(encoder);
  }

  private addStream(encoder: ResponseEncoder): ActiveStream {
    const stream = new ActiveStream(this, encoder, nextStreamId++);
    stream.slot = this.streams.length;
    this.streams.push(stream);
    return stream;
  }

  /** The time for a head runs from its first byte, however slowly the others come; without a limit the stream's idle timeout is one. */
  onPartialHead(): void {
    if (this.headersTimer.armed || (this.streams.length > 0 && !this.multiplexed)) return;
    const { requestHeadersTimeoutMs, streamIdleTimeoutMs } = this.config.config;
    this.idleTimer.clear();
    this.config.clock.start(this.headersTimer, requestHeadersTimeoutMs > 0 ? requestHeadersTimeoutMs : streamIdleTimeoutMs);
  }

  /** The peer does not speak HTTP: answer if there is still something to answer, then close. */
  onProtocolError(status: number, details: string, encoder: ResponseEncoder | undefined): void {
    const stats = this.config.stats;
    stats.downstreamCxProtocolError.inc();
    this.headersTimer.clear();
    if (encoder === undefined) {
      // Part of an answer has been sent: only the end of the connection can tell that it is not whole.
      this.closedLocally = true;
      this.connection.reset();
      return;
    }
    this.refuse(status, details, encoder, status === 408 ? 0 : ResponseFlag.DownstreamProtocolError);
  }

  onConnectionError(_details: string): void {
    this.config.stats.downstreamCxProtocolError.inc();
    this.headersTimer.clear();
    this.close();
  }

  /** A request that never became a stream still gets its log line, as Envoy gives it one. */
  private refuse(status: number, details: string, encoder: ResponseEncoder, flag: number): void {
    this.codec?.markClose();
    const stream = this.streams.length > 0 ? this.streams[0] : this.addStream(encoder);
    // Envoy logs a request that its codec refused under the codec's own version, whatever the request line said.
    stream.info.protocol = "HTTP/1.1";
    stream.sendLocalReply({ status, body: REFUSAL_BODY[status] ?? "Bad Request", details, flags: flag });
  }

  /** Before response headers leave: does the connection end with this answer? */
  decideClose(requestEnded: boolean): void {
    const config = this.config.config;
    const codec = this.codec as ServerConnection;
    if (codec.multiplexed) {
      if (this.config.draining) this.startListenerDrain();
      return;
    }
    if (this.config.draining || this.closeSoon) {
      this.config.stats.downstreamCxDrainClose.inc();
      codec.markClose();
    }
    if (config.maxRequestsPerConnection > 0 && this.requests >= config.maxRequestsPerConnection) {
      this.config.stats.downstreamCxMaxRequestsReached.inc();
      codec.markClose();
    }
    // Answered before the request was read: what still comes would be taken for the next request.
    if (!requestEnded) codec.markClose();
  }

  onStreamFinished(stream: ActiveStream): void {
    const { streams } = this;
    const last = streams.pop();
    if (last !== undefined && last !== stream) {
      streams[stream.slot] = last;
      last.slot = stream.slot;
    }
    if (streams.length > 0) return;
    if (this.codec?.closeAfterAnswer === true) {
      this.close();
      return;
    }
    this.config.clock.start(this.idleTimer, this.config.config.idleTimeoutMs);
  }

  /**
   * HTTP/2: the client hears that it should open no more streams, has drain_timeout to hear it, then opens none; the connection ends
   * with its last stream.
   */
  private startDrainSequence(): void {
    if (this.closeSoon) return;
    this.closeSoon = true;
    this.codec?.shutdownNotice();
    this.config.clock.start(this.drainTimer, Math.max(1, this.config.config.drainTimeoutMs));
  }

  private startListenerDrain(): void {
    if (!this.closeSoon) this.config.stats.downstreamCxDrainClose.inc();
    this.startDrainSequence();
  }

  private onDrainTimeout(): void {
    this.codec?.goAway();
    if (this.streams.length === 0) this.close();
  }

  /**
   * FIN after what is pending; the client has delayed_close_timeout to close its side, so that it can read the answer first. The time
   * begins again whenever it has read something.
   */
  private close(): void {
    // The codec may have ended its writes already; the wait for the client's end is begun here all the same.
    if (this.isGone || this.delayedCloseTimer.armed) return;
    this.closedLocally = true;
    this.idleTimer.clear();
    this.headersTimer.clear();
    this.connection.closeAfterFlush();
    this.unsentAtClose = this.connection.unsentBytes;
    this.config.clock.start(this.delayedCloseTimer, Math.max(1, this.config.config.delayedCloseTimeoutMs));
  }

  private onDelayedClose(): void {
    const unsent = this.connection.unsentBytes;
    if (unsent < this.unsentAtClose) {
      this.unsentAtClose = unsent;
      this.config.clock.start(this.delayedCloseTimer, Math.max(1, this.config.config.delayedCloseTimeoutMs));
      return;
    }
    this.config.stats.downstreamCxDelayedCloseTimeout.inc();
    this.connection.destroy();
  }

  /** The listener drains: an idle connection closes with its next answer, or here when `now` says so. */
  drain(now: boolean): void {
    if (this.multiplexed) this.startListenerDrain();
    this.closeSoon = true;
    if (!now || !this.idle) return;
    this.codec?.goAway();
    this.close();
  }

  destroy(): void {
    this.closedLocally = true;
    this.connection.destroy();
  }

  onTimer(kind: number): void {
    const stats = this.config.stats;
    switch (kind) {
      case TIMER_IDLE:
        stats.downstreamCxIdleTimeout.inc();
        if (this.multiplexed) this.startDrainSequence();
        else this.close();
        break;
      case TIMER_HEADERS:
        stats.downstreamRqHeaderTimeout.inc();
        this.onHeadersTimeout();
        break;
      case TIMER_MAX_DURATION:
        stats.downstreamCxMaxDurationReached.inc();
        if (this.multiplexed) this.startDrainSequence();
        else this.drain(true);
        break;
      case TIMER_DELAYED_CLOSE:
        this.onDelayedClose();
        break;
      case TIMER_DRAIN:
        this.onDrainTimeout();
        break;
    }
  }

  private onHeadersTimeout(): void {
    if (this.codec === undefined) this.close();
    else this.codec.abandonHead(408, "request_header_timeout");
  }
}

const REFUSAL_BODY: Readonly<Record<number, string>> = {
  400: "Bad Request",
  405: "Method Not Allowed",
  408: "request header timeout",
  414: "URI Too Long",
  426: "Upgrade Required",
  431: "Request Header Fields Too Large",
  501: "Not Implemented",
};
