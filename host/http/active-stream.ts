// One request and its response (Envoy's ConnectionManagerImpl::ActiveStream): checks and rewrites the request's headers, runs the
// filter chain both ways, sends the answer through the codec, keeps the timers, and at the end fills the logs and statistics.
// Longer than its siblings because it is where every event of a stream ends: codec, filter chain, timers and the end share its state.
import { Timer, type TimerOwner } from "../base/clock.ts";
import type { MaxStreamDuration } from "../config/route.ts";
import type { RequestDecoder, ResponseEncoder, StreamResetReason } from "./codec.ts";
import type { ConnectionManager } from "./conn-manager.ts";
import type { ConnManagerConfig } from "./conn-manager-config.ts";
import type { LocalReply, RouteView } from "./filter.ts";
import { type ChainOwner, DecodeChain, EncodeChain, type HalfState } from "./filter-chain.ts";
import { type DownstreamWatermarkCallbacks, FilterContext } from "./filter-context.ts";
import { formatGrpcTimeout, GrpcStatus, isGrpcRequest, parseGrpcTimeout } from "./grpc.ts";
import { HeaderMap } from "./header-map.ts";
import { buildLocalReply } from "./local-reply.ts";
import { applyForwardClientCert } from "./client-cert.ts";
import { mutateRequestHeaders, removeHopByHop } from "./request-headers.ts";
import { checkRequest } from "./request-rules.ts";
import { ResponseFlag, StreamInfo } from "./stream-info.ts";

const TIMER_IDLE = 0;
const TIMER_MAX_DURATION = 1;
const TIMER_REQUEST = 2;

/** A filter may have removed what a route is chosen by: then there is none, as in Envoy. */
function isRoutable(headers: HeaderMap): boolean {
  if (!headers.has(":authority") || !headers.has("x-forwarded-proto")) return false;
  return headers.has(":path") || headers.get(":method") === "CONNECT";
}

const CONTINUE = HeaderMap.from([[":status", "100"]]);

export class ActiveStream implements RequestDecoder, ChainOwner, TimerOwner {
  readonly id: number;
  /** Its place in the manager's list. */
  slot = 0;
  readonly info: StreamInfo;
  private readonly manager: ConnectionManager;
  private readonly ctx: ConnManagerConfig;
  private readonly encoder: ResponseEncoder;
  readonly decode: DecodeChain;
  readonly encode: EncodeChain;
  private requestEnded = false;
  private responseStarted = false;
  private responseEnded = false;
  private localReplySent = false;
  private finished = false;
  private routeKnown = false;
  private chosenRoute: RouteView | undefined = undefined;
  private idleTimeoutMs: number;
  private readonly idleTimer = new Timer(this, TIMER_IDLE);
  private durationTimer: Timer | undefined = undefined;
  private requestTimer: Timer | undefined = undefined;
  private watermarkCallbacks: DownstreamWatermarkCallbacks | undefined = undefined;
  private downstreamAbove = 0;
  bufferLimit: number;
  private upgrade = "";
  private isHead = false;
  private sent100 = false;
  private upgraded = false;
  /** From where it is allowed, whatever the upstream says (Envoy's downstream_cx_upgrades_*). */
  private countsAsUpgrade = false;

  constructor(manager: ConnectionManager, encoder: ResponseEncoder, id: number) {
    this.manager = manager;
    this.ctx = manager.config;
    this.encoder = encoder;
    this.id = id;
    const clock = this.ctx.clock;
    const info = new StreamInfo(manager.connectionInfo);
    info.startMonotonic = clock.now;
    info.startTimeMs = clock.turnWallMs();
    // HTTP/1.1 and 1.0 differ by the request line, which has not been read yet.
    if (manager.multiplexed) info.protocol = encoder.protocol;
    this.info = info;
    this.bufferLimit = manager.bufferLimit;
    this.idleTimeoutMs = this.ctx.config.streamIdleTimeoutMs;
    this.decode = new DecodeChain(this, []);
    this.encode = new EncodeChain(this, []);
    const stats = this.ctx.stats;
    stats.downstreamRqTotal.inc();
    (manager.multiplexed ? stats.downstreamRqHttp2Total : stats.downstreamRqHttp1Total).inc();
    stats.downstreamRqActive.inc();
  }

  // ---- RequestDecoder ----

  decodeHeaders(headers: HeaderMap, endStream: boolean): void {
    const ctx = this.ctx;
    const config = ctx.config;
    const info = this.info;
    info.protocol = this.encoder.protocol;
    info.requestHeaders = headers;
    info.requestHeaderBytes = headers.byteSize();
    this.decode.headers = headers;
    this.requestEnded = endStream;
    if (endStream) info.requestCompleteAt = ctx.clock.now;
    else if (config.requestTimeoutMs > 0) {
      this.requestTimer = new Timer(this, TIMER_REQUEST);
      ctx.clock.start(this.requestTimer, config.requestTimeoutMs);
    }
    const method = headers.get(":method");
    this.isHead = method === "HEAD";
    this.upgrade = this.encoder.upgrade;

    const bad = checkRequest(headers, this.upgrade, config);
    if (bad !== undefined) {
      if (bad.statistic !== undefined) ctx.stats[bad.statistic].inc();
      // Refused before it counts as received: the connection goes with it.
      if (bad.reply.status === 400) this.requestEnded = false;
      this.sendLocalReply(bad.reply);
      return;
    }
    if (headers.has("expect") && !config.proxy100Continue) {
      headers.remove("expect");
      this.encoder.encode1xxHeaders(CONTINUE);
    }
    removeHopByHop(headers, this.upgrade !== "" && this.upgrade !== "connect");
    applyForwardClientCert(headers, config, info.connection.tls);
    mutateRequestHeaders(headers, info, this.manager.requestHeaderContext);

    this.createFilterChain();
    if (this.upgrade !== "") {
      if (!this.allowUpgrade()) return;
      this.countsAsUpgrade = true;
      ctx.stats.downstreamCxUpgradesTotal.inc();
      ctx.stats.downstreamCxUpgradesActive.inc();
    }
    this.startTimers();
    this.decode.startHeaders(headers, endStream);
  }

  decodeData(data: Uint8Array, endStream: boolean): void {
    this.info.bytesReceived += data.length;
    if (endStream) this.endRequest();
    this.ctx.clock.start(this.idleTimer, this.idleTimeoutMs);
    if (!this.decodingOver) this.decode.startData(data, endStream);
  }

  decodeTrailers(trailers: HeaderMap): void {
    this.endRequest();
    this.ctx.clock.start(this.idleTimer, this.idleTimeoutMs);
    if (!this.decodingOver) this.decode.startTrailers(trailers);
  }

  private endRequest(): void {
    this.requestEnded = true;
    this.info.requestCompleteAt = this.ctx.clock.now;
    this.requestTimer?.clear();
  }

  /** The client's connection or codec ended the stream. */
  onReset(reason: StreamResetReason, details: string): void {
    if (this.finished) return;
    const info = this.info;
    if (reason === "ProtocolError") {
      info.setFlag(ResponseFlag.DownstreamProtocolError);
      info.responseCodeDetails = details;
      this.ctx.stats.downstreamRqRxReset.inc();
    } else if (reason === "LocalReset") {
      info.setFlag(ResponseFlag.LocalReset);
      info.responseCodeDetails = details;
      this.ctx.stats.downstreamRqTxReset.inc();
    } else if (reason === "RemoteReset" || reason === "RemoteRefusedStreamReset" || reason === "ConnectError") {
      info.setFlag(ResponseFlag.DownstreamRemoteReset);
      info.responseCodeDetails = details;
      this.ctx.stats.downstreamRqRxReset.inc();
    } else {
      info.setFlag(ResponseFlag.DownstreamConnectionTermination);
      if (info.responseCodeDetails === "" || !this.responseEnded) info.responseCodeDetails = "downstream_remote_disconnect";
      this.ctx.stats.downstreamRqRxReset.inc();
    }
    this.responseEnded = true;
    this.finish();
  }

  onAboveWriteBufferHighWatermark(): void {
    if (this.downstreamAbove++ === 0) this.watermarkCallbacks?.onDownstreamWatermark(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    if (this.downstreamAbove > 0 && --this.downstreamAbove === 0) this.watermarkCallbacks?.onDownstreamWatermark(false);
  }

  setDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks | undefined): void {
    this.watermarkCallbacks = callbacks;
    if (callbacks !== undefined && this.downstreamAbove > 0) callbacks.onDownstreamWatermark(true);
  }

  // ---- set-up ----

  private createFilterChain(): void {
    const decodeStates = this.decode.states;
    const encodeStates = this.encode.states;
    const route = this.ctx.routes === undefined ? undefined : this.route();
    for (const factory of this.ctx.filters) {
      if (route?.filterDisabled(factory.name) ?? factory.disabled === true) continue;
      const context = new FilterContext(this);
      const filter = factory.createFilter(context);
      if (filter === undefined) continue;
      context.bind(filter, factory.decodesOnly === true);
      decodeStates.push(context.decodeState);
      if (context.encodeState !== undefined) encodeStates.push(context.encodeState);
    }
    if (encodeStates.length > 1) encodeStates.reverse();
  }

  private allowUpgrade(): boolean {
    const route = this.route();
    if (this.upgrade === "connect" && route === undefined) {
      if (this.ctx.config.upgrades.connect === true) return true; // the router answers 404
      // The same answer before the filters: the request never ends, so one that holds the body would hold it until it times out.
      this.ctx.stats.noRoute.inc();
      this.sendLocalReply({ status: 404, body: "", details: "route_not_found", flags: ResponseFlag.NoRouteFound });
      return false;
    }
    const allowed = route?.upgradeAllowed(this.upgrade) ?? this.ctx.config.upgrades[this.upgrade] === true;
    if (allowed) return true;
    this.ctx.stats.downstreamRqWsOnNonWsRoute.inc();
    this.sendLocalReply({ status: 403, body: "", details: "upgrade_failed" });
    return false;
  }

  private startTimers(): void {
    const route = this.ctx.routes === undefined ? undefined : this.route();
    if (route?.streamIdleTimeoutMs !== undefined) this.idleTimeoutMs = route.streamIdleTimeoutMs;
    this.ctx.clock.start(this.idleTimer, this.idleTimeoutMs);
    const duration = route?.maxStreamDuration;
    const durationMs = duration === undefined ? this.ctx.config.maxStreamDurationMs : this.routeDurationMs(duration);
    if (durationMs > 0) {
      this.durationTimer = new Timer(this, TIMER_MAX_DURATION);
      this.ctx.clock.start(this.durationTimer, durationMs);
    }
  }

  /** max_stream_duration of the route: the client's grpc-timeout within limits, or a time of its own, which a gRPC upstream is told. */
  private routeDurationMs({ maxStreamDurationMs, grpcTimeoutHeaderMaxMs, grpcTimeoutHeaderOffsetMs }: MaxStreamDuration): number {
    const headers = this.decode.headers as HeaderMap;
    const askedMs = grpcTimeoutHeaderMaxMs === undefined ? undefined : parseGrpcTimeout(headers.get("grpc-timeout"));
    const ownMs = maxStreamDurationMs ?? this.ctx.config.maxStreamDurationMs;
    if (askedMs === undefined && ownMs === 0) return 0;
    let ms = ownMs;
    if (askedMs !== undefined) {
      ms = grpcTimeoutHeaderMaxMs === 0 ? askedMs : Math.min(askedMs, grpcTimeoutHeaderMaxMs as number);
      ms = Math.max(0, ms - grpcTimeoutHeaderOffsetMs);
    }
    if (isGrpcRequest(headers)) headers.set("grpc-timeout", formatGrpcTimeout(ms));
    // No time left is a time that is over at once, not the absence of a limit.
    return Math.max(1, ms);
  }

  route(): RouteView | undefined {
    if (!this.routeKnown) {
      this.routeKnown = true;
      const headers = this.decode.headers;
      this.chosenRoute =
        headers === undefined || !isRoutable(headers) ? undefined : this.ctx.routes?.match(headers, this.info, this.ctx.random);
      const info = this.info;
      info.routeName = this.chosenRoute?.routeName ?? "";
      info.virtualHostName = this.chosenRoute?.virtualHostName ?? "";
      info.clusterName = this.chosenRoute?.clusterName ?? "";
      info.routeMetadata = this.chosenRoute?.metadata;
      info.virtualHostMetadata = this.chosenRoute?.virtualHostMetadata;
    }
    return this.chosenRoute;
  }

  clearRouteCache(): void {
    this.routeKnown = false;
    this.chosenRoute = undefined;
  }

  // ---- timers ----

  onTimer(kind: number): void {
    const stats = this.ctx.stats;
    // maybeRequestTimeoutCode: the client is to blame only while its request is not complete.
    const status = this.requestEnded ? 504 : 408;
    switch (kind) {
      case TIMER_IDLE:
        stats.downstreamRqIdleTimeout.inc();
        this.info.setFlag(ResponseFlag.StreamIdleTimeout);
        this.sendLocalReply({ status, body: "stream timeout", details: "stream_idle_timeout" });
        break;
      case TIMER_MAX_DURATION:
        stats.downstreamRqMaxDurationReached.inc();
        this.sendLocalReply({
          status,
          body: "downstream duration timeout",
          details: "max_duration_timeout",
          grpcStatus: GrpcStatus.DeadlineExceeded,
        });
        break;
      default:
        stats.downstreamRqTimeout.inc();
        this.sendLocalReply({ status, body: "request timeout", details: "request_overall_timeout" });
    }
  }

  // ---- ChainOwner ----

  get decodingOver(): boolean {
    return this.localReplySent || this.finished || this.responseEnded;
  }

  get encodingOver(): boolean {
    return this.finished || this.responseEnded;
  }

  continueDecoding(state: HalfState): void {
    if (!this.decodingOver) this.decode.continueFrom(state);
  }

  continueEncoding(state: HalfState): void {
    if (!this.encodingOver) this.encode.continueFrom(state);
  }

  injectEncodedData(state: HalfState, data: Uint8Array, endStream: boolean): void {
    if (this.encodingOver) return;
    this.ctx.clock.start(this.idleTimer, this.idleTimeoutMs);
    this.encode.injectBehind(state, data, endStream);
  }

  onDecodeOverflow(): void {
    this.ctx.stats.downstreamRqTooLarge.inc();
    this.sendLocalReply({ status: 413, body: "Payload Too Large", details: "request_payload_too_large" });
  }

  onEncodeOverflow(): void {
    this.ctx.stats.rsTooLarge.inc();
    this.sendLocalReply({ status: 500, body: "Internal Server Error", details: "response_payload_too_large" });
  }

  onDecodeWatermark(above: boolean): void {
    if (this.finished) return;
    if (above) this.ctx.stats.downstreamFlowControlPaused.inc();
    else this.ctx.stats.downstreamFlowControlResumed.inc();
    this.encoder.readDisable(above);
  }

  onEncodeWatermark(above: boolean): void {
    if (above) this.onAboveWriteBufferHighWatermark();
    else this.onBelowWriteBufferLowWatermark();
  }

  // ---- responses ----

  encode1xxHeaders(headers: HeaderMap): void {
    if (this.encodingOver || this.responseStarted) return;
    // Envoy passes informational responses on only with proxy_100_continue; 101 never comes this way.
    if (!this.ctx.config.proxy100Continue) return;
    if (headers.get(":status") === "100") {
      // One is enough to let the client go on; an upstream that repeats it has no say in how many the client gets.
      if (this.sent100) return;
      this.sent100 = true;
    }
    removeHopByHop(headers, false);
    this.encoder.encode1xxHeaders(headers);
  }

  encodeUpstreamHeaders(headers: HeaderMap, endStream: boolean): void {
    if (this.encodingOver || this.localReplySent) return;
    this.ctx.clock.start(this.idleTimer, this.idleTimeoutMs);
    this.encode.startHeaders(headers, endStream);
  }

  encodeUpstreamData(data: Uint8Array, endStream: boolean): void {
    if (this.encodingOver || this.localReplySent) return;
    this.ctx.clock.start(this.idleTimer, this.idleTimeoutMs);
    this.encode.startData(data, endStream);
  }

  encodeUpstreamTrailers(trailers: HeaderMap): void {
    if (this.encodingOver || this.localReplySent) return;
    this.info.responseTrailers = trailers;
    this.encode.startTrailers(trailers);
  }

  sendLocalReply(reply: LocalReply): void {
    if (this.finished || this.responseEnded || this.localReplySent) return;
    const info = this.info;
    info.setFlag(reply.flags ?? 0);
    info.responseCodeDetails = reply.details.replaceAll(" ", "_");
    info.hasDetails = true;
    if (this.responseStarted) {
      this.ctx.stats.rqResetAfterDownstreamResponseStarted.inc();
      this.resetStream();
      return;
    }
    const encodingBegan = this.encode.headers !== undefined;
    this.localReplySent = true;
    const built = buildLocalReply(reply, info.requestHeaders, info, this.ctx.localReply);
    const endStream = built.body === "" || this.isHead;
    const body = endStream ? undefined : Buffer.from(built.body, "latin1");
    if (encodingBegan) {
      // A filter answers in the middle of the response path: the rest of the chain is not asked (Envoy's sendDirectLocalReply).
      this.sendHeaders(built.headers, endStream);
      if (body !== undefined && !this.encodingOver) this.sendData(body, true);
      return;
    }
    const seen = new Set(this.decode.states.filter((state) => state.sawHeaders).map((state) => state.filter));
    this.encode.onlySeen = (filter) => seen.has(filter);
    this.encode.startHeaders(built.headers, endStream);
    if (body !== undefined && !this.encodingOver) this.encode.startData(body, true);
  }

  sendHeaders(headers: HeaderMap, endStream: boolean): void {
    const ctx = this.ctx;
    const config = ctx.config;
    const info = this.info;
    const status = Number(headers.get(":status"));
    if (!(status >= 100 && status <= 999)) {
      // A filter removed or spoiled :status.
      this.sendReplacement();
      return;
    }
    this.responseStarted = true;
    info.responseHeaders = headers;
    info.responseCode = status;
    info.responseFirstByteAt = ctx.clock.now;
    this.upgraded = status === 101 || (this.upgrade === "connect" && status >= 200 && status < 300);
    removeHopByHop(headers, status === 101);
    if (!headers.has("date")) headers.add("date", ctx.date());
    if (config.serverHeaderTransformation === "OVERWRITE") headers.set("server", config.serverName);
    else if (config.serverHeaderTransformation === "APPEND_IF_ABSENT" && !headers.has("server")) headers.add("server", config.serverName);
    if (config.via !== "") headers.appendCopy("via", config.via, ", ");
    if (config.alwaysSetRequestIdInResponse && info.requestId !== "") headers.set("x-request-id", info.requestId);
    // After an upgrade that the upstream refuses the connection goes on: what follows is an ordinary request, under policy like any other.
    this.manager.decideClose(this.requestEnded || (this.upgrade !== "" && !this.localReplySent));
    info.responseHeaderBytes = headers.byteSize();
    this.encoder.encodeHeaders(headers, endStream);
    if (endStream) this.endResponse();
  }

  private sendReplacement(): void {
    const info = this.info;
    const details = "filter_removed_required_response_headers{missing_required_header:_:status}";
    info.responseCodeDetails = details;
    const built = buildLocalReply(
      { status: 502, body: "missing required header: :status", details },
      info.requestHeaders,
      info,
      this.ctx.localReply,
    );
    this.localReplySent = true;
    const endStream = built.body === "" || this.isHead;
    this.sendHeaders(built.headers, endStream);
    if (!endStream && !this.encodingOver) this.sendData(Buffer.from(built.body, "latin1"), true);
  }

  sendData(data: Uint8Array, endStream: boolean): void {
    this.info.bytesSent += data.length;
    this.encoder.encodeData(data, endStream);
    if (endStream) this.endResponse();
  }

  sendTrailers(trailers: HeaderMap): void {
    this.info.responseTrailers = trailers;
    this.encoder.encodeTrailers(trailers);
    this.endResponse();
  }

  private endResponse(): void {
    if (this.finished) return;
    this.responseEnded = true;
    if (!this.requestEnded && !this.upgraded) this.ctx.stats.downstreamRqResponseBeforeRqComplete.inc();
    this.finish();
  }

  resetByFilter(details: string): void {
    if (this.finished) return;
    if (details !== "") this.info.responseCodeDetails = details;
    this.resetStream();
  }

  /** Aborts towards the client; over HTTP/1.1 the connection goes with it. */
  private resetStream(): void {
    this.ctx.stats.downstreamRqTxReset.inc();
    this.responseEnded = true;
    this.encoder.resetStream("LocalReset");
    this.finish();
  }

  private finish(): void {
    if (this.finished) return;
    this.finished = true;
    const ctx = this.ctx;
    const info = this.info;
    this.idleTimer.clear();
    this.durationTimer?.clear();
    this.requestTimer?.clear();
    info.completeAt = ctx.clock.now;
    const stats = ctx.stats;
    stats.downstreamRqActive.dec();
    if (this.countsAsUpgrade) stats.downstreamCxUpgradesActive.dec();
    if (this.responseStarted) {
      stats.downstreamRqCompleted.inc();
      stats.listenerRqCompleted.inc();
      const byClass = Math.trunc(info.responseCode / 100);
      if (byClass >= 1 && byClass <= 5) {
        stats.downstreamRqByClass[byClass].inc();
        stats.listenerRqByClass[byClass].inc();
      }
      stats.downstreamRqTime.record(Math.floor(info.completeAt - info.startMonotonic));
    }
    const { states } = this.decode;
    for (const { filter } of states) filter.onStreamComplete();
    for (const log of ctx.accessLogs) log.log(info);
    for (const { filter } of states) filter.onDestroy();
    this.manager.onStreamFinished(this);
  }
}
