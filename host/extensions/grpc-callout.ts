// A gRPC call that the proxy makes itself, for a module's proxy_grpc_call and proxy_grpc_stream: one exchange through the cluster's
// pools, messages in both directions (Envoy's Grpc::AsyncClient). Failures of the transport become the statuses that Envoy gives them.
import { type Clock, Timer, type TimerOwner } from "../base/clock.ts";
import type { RequestEncoder, StreamResetReason } from "../http/codec.ts";
import { formatGrpcTimeout, GrpcStatus, grpcStatusIn, grpcStatusOf } from "../http/grpc.ts";
import { frameMessage, GrpcFrameDecoder } from "../http/grpc-frames.ts";
import { HeaderMap } from "../http/header-map.ts";
import { failureBody, failureDetails, failureOfPool, failureOfReset, failureStatus, type UpstreamFailure } from "../router/failure.ts";
import type { ClusterEntry } from "../upstream/cluster.ts";
import type { ClusterManager } from "../upstream/cluster-manager.ts";
import type { ConnPool, PoolCallbacks, PoolFailure } from "../upstream/conn-pool.ts";
import type { Host } from "../upstream/host.ts";
import type { GrpcHandle, GrpcReceiver, GrpcRequest } from "../wasm/services.ts";

const VIA_UPSTREAM = "via_upstream";

class GrpcCallout implements PoolCallbacks, TimerOwner, GrpcHandle {
  private readonly clock: Clock;
  private readonly cluster: ClusterEntry;
  private readonly host: Host;
  private readonly request: GrpcRequest;
  private readonly receiver: GrpcReceiver;
  private readonly timer = new Timer(this, 0);
  private readonly pool: ConnPool;
  private readonly decoder: GrpcFrameDecoder;
  private encoder: RequestEncoder | undefined = undefined;
  /** What the guest sent before there was a connection. */
  private waiting: Buffer[] = [];
  private waitingBytes = 0;
  private isFull = false;
  private localEnded = false;
  private gotHeaders = false;
  /** Nothing more is told. */
  private over = false;
  private sentAt = 0;

  constructor(clock: Clock, cluster: ClusterEntry, host: Host, request: GrpcRequest, receiver: GrpcReceiver) {
    this.clock = clock;
    this.cluster = cluster;
    this.host = host;
    this.request = request;
    this.receiver = receiver;
    this.pool = cluster.pool(host, "DEFAULT", "HTTP/2", this.headers());
    this.decoder = new GrpcFrameDecoder(request.maxMessageBytes);
  }

  /** False when it ended on the way. */
  start(): boolean {
    this.clock.start(this.timer, this.request.timeoutMs);
    this.pool.newStream(this);
    return !this.over;
  }

  onPoolReady(encoder: RequestEncoder): void {
    this.encoder = encoder;
    this.cluster.stats.upstreamRqTotal.inc();
    this.cluster.stats.upstreamRqActive.inc();
    this.host.requestStarted();
    encoder.encodeHeaders(this.headers(), false);
    this.sentAt = this.clock.now;
    const waiting = this.waiting;
    this.waiting = [];
    this.waitingBytes = 0;
    for (const [i, bytes] of waiting.entries()) {
      if (this.over) return;
      encoder.encodeData(bytes, this.localEnded && i === waiting.length - 1);
    }
    if (this.localEnded && waiting.length === 0 && !this.over) encoder.encodeData(Buffer.alloc(0), true);
  }

  private headers(): HeaderMap {
    const { authority, cluster, service, method, metadata, announcedMs, skipEnvoyHeaders } = this.request;
    const headers = HeaderMap.from([
      [":method", "POST"],
      [":scheme", "http"],
      [":authority", authority === "" ? cluster : authority],
      [":path", `/${service}/${method}`],
      ["te", "trailers"],
    ]);
    if (announcedMs > 0) headers.add("grpc-timeout", formatGrpcTimeout(announcedMs));
    headers.add("content-type", "application/grpc");
    for (const [name, value] of metadata) headers.append(name, value);
    if (!skipEnvoyHeaders) headers.set("x-envoy-internal", "true");
    if (announcedMs > 0) headers.set("x-envoy-expected-rq-timeout-ms", String(announcedMs));
    return headers;
  }

  // ---- GrpcHandle ----

  send(message: Uint8Array, endStream: boolean): boolean {
    if (this.over || this.localEnded) return true;
    if (this.isFull || this.waitingBytes + message.length > this.request.maxBufferedBytes) return false;
    const bytes = frameMessage(message);
    this.localEnded = endStream;
    if (this.encoder === undefined) {
      this.waiting.push(bytes);
      this.waitingBytes += bytes.length;
    } else this.encoder.encodeData(bytes, endStream);
    return true;
  }

  closeStream(): void {
    if (this.over || this.localEnded) return;
    this.localEnded = true;
    this.encoder?.encodeData(Buffer.alloc(0), true);
  }

  cancel(): void {
    if (this.over) return;
    this.end();
    this.reset();
  }

  private reset(): void {
    if (this.encoder === undefined) this.pool.cancel(this);
    else this.encoder.resetStream("LocalReset");
  }

  private end(): void {
    this.over = true;
    this.timer.clear();
    this.waiting = [];
    if (this.encoder !== undefined) {
      this.cluster.stats.upstreamRqActive.dec();
      this.host.requestEnded();
    }
  }

  // ---- What ends it ----

  onPoolFailure(reason: PoolFailure, details: string): void {
    this.fail(failureOfPool(reason, details));
  }

  /** The proxy's own answer to a gRPC request: headers that are trailers too. */
  private fail(failure: UpstreamFailure): void {
    this.localReply(failureStatus(failure), failureBody(failure), failureDetails(failure, "before"));
  }

  private localReply(status: number, text: string, details: string): void {
    if (this.over) return;
    const grpcStatus = grpcStatusOf(status);
    this.cluster.stats.countCode(status, true);
    this.end();
    this.receiver.onInitialMetadata(new HeaderMap());
    this.receiver.onTrailingMetadata(
      HeaderMap.from([
        [":status", "200"],
        ["content-type", "application/grpc"],
        ["grpc-status", String(grpcStatus)],
        ["grpc-message", text],
      ]),
    );
    this.receiver.onClose(grpcStatus, `${text}{${details.replaceAll(" ", "_")}}`);
  }

  /** The peer broke off, or broke the rules: nothing of it can be trusted to be the end. */
  private streamError(status: number, details = VIA_UPSTREAM): void {
    if (this.over) return;
    this.end();
    this.receiver.onTrailingMetadata(new HeaderMap());
    this.receiver.onClose(status, details);
  }

  private finish(trailers: HeaderMap): void {
    if (this.over) return;
    this.end();
    const status = grpcStatusIn(trailers) ?? GrpcStatus.Unknown;
    // As it came, escapes included, with the response code details behind it.
    const text = trailers.get("grpc-message") ?? "";
    this.receiver.onTrailingMetadata(trailers);
    this.receiver.onClose(status, text === "" ? VIA_UPSTREAM : `${text}{${VIA_UPSTREAM}}`);
    // The peer's answer is whole; what was still to be sent to it has nobody to read it.
    if (!this.localEnded) this.encoder?.resetStream("LocalReset");
  }

  // ---- ResponseDecoder ----

  decode1xxHeaders(): void {}

  decodeHeaders(headers: HeaderMap, endStream: boolean): void {
    if (this.over) return;
    this.gotHeaders = true;
    // Of a request that goes on the time of service is not known yet.
    if (this.localEnded) headers.set("x-envoy-upstream-service-time", String(Math.floor(this.clock.now - this.sentAt)));
    const status = Number(headers.get(":status"));
    this.cluster.stats.countCode(status, true);
    this.receiver.onInitialMetadata(endStream || status !== 200 ? new HeaderMap() : headers);
    if (this.over) return;
    if (endStream && (status === 200 || grpcStatusIn(headers) !== undefined)) this.finish(headers);
    else if (status !== 200) {
      this.streamError(grpcStatusOf(status));
      if (!endStream || !this.localEnded) this.reset();
    }
  }

  decodeData(data: Uint8Array, endStream: boolean): void {
    if (this.over) return;
    const error = this.decoder.decode(data, this.onMessage);
    if (this.over) return;
    if (error !== undefined) {
      this.streamError(error === "too large" ? GrpcStatus.ResourceExhausted : GrpcStatus.Internal);
      this.reset();
    } else if (endStream) {
      this.streamError(GrpcStatus.Unknown);
      if (!this.localEnded) this.reset();
    }
  }

  /** One function for all messages; false after what the receiver did to end the call. */
  private readonly onMessage = (message: Uint8Array): boolean => {
    this.receiver.onMessage(message);
    return !this.over;
  };

  decodeTrailers(trailers: HeaderMap): void {
    this.finish(trailers);
  }

  onReset(reason: StreamResetReason): void {
    if (this.over) return;
    if (this.gotHeaders) this.streamError(GrpcStatus.Internal, failureDetails(failureOfReset(reason), "after"));
    else this.fail(failureOfReset(reason));
  }

  onAboveWriteBufferHighWatermark(): void {
    this.isFull = true;
  }

  onBelowWriteBufferLowWatermark(): void {
    this.isFull = false;
  }

  onTimer(): void {
    this.cluster.stats.upstreamRqTimeout.inc();
    const encoder = this.encoder;
    if (encoder === undefined) this.pool.cancel(this);
    if (this.gotHeaders) this.streamError(GrpcStatus.Internal, "response_timeout");
    else this.localReply(504, "upstream request timeout", "response_timeout");
    encoder?.resetStream("LocalReset");
  }
}

/** Starts a call; undefined when it ended at once. Without a cluster or a host the receiver is told so first, as in Envoy. */
export function startGrpcCallout(
  clusters: ClusterManager,
  clock: Clock,
  request: GrpcRequest,
  receiver: GrpcReceiver,
): GrpcHandle | undefined {
  const cluster = clusters.get(request.cluster);
  if (cluster === undefined) {
    receiver.onClose(GrpcStatus.Unavailable, "Cluster not available");
    return undefined;
  }
  const host = cluster.chooseHost();
  if (host === undefined) {
    cluster.stats.upstreamCxNoneHealthy.inc();
    cluster.stats.countCode(503, true);
    receiver.onClose(GrpcStatus.Unavailable, "");
    return undefined;
  }
  const callout = new GrpcCallout(clock, cluster, host, request, receiver);
  return callout.start() ? callout : undefined;
}
