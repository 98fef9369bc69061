// An HTTP request that the proxy makes itself, for a module's proxy_http_call: one attempt through the cluster's pools, the answer
// buffered whole (Envoy's AsyncClient). Failures become the answers that Envoy gives: 503 and 504 with a short text.
import { Timer, type Clock, type TimerOwner } from "../base/clock.ts";
import { BodyBuffer } from "../base/body-buffer.ts";
import type { RequestEncoder, StreamResetReason } from "../http/codec.ts";
import { HeaderMap } from "../http/header-map.ts";
import { failureBody, failureOfPool, failureOfReset, failureStatus, type UpstreamFailure } from "../router/failure.ts";
import type { ClusterEntry } from "../upstream/cluster.ts";
import type { ClusterManager } from "../upstream/cluster-manager.ts";
import type { ConnPool, PoolCallbacks, PoolFailure } from "../upstream/conn-pool.ts";
import type { Host } from "../upstream/host.ts";
import type { HttpCallHandle, HttpCallReceiver, HttpCallRequest, HttpCallResponse } from "../wasm/services.ts";

class Callout implements PoolCallbacks, TimerOwner, HttpCallHandle {
  private readonly clock: Clock;
  private readonly cluster: ClusterEntry;
  private readonly host: Host;
  private readonly request: HttpCallRequest;
  private readonly token: number;
  private readonly receiver: HttpCallReceiver;
  private readonly timer = new Timer(this, 0);
  private readonly pool: ConnPool;
  private readonly body = new BodyBuffer();
  private encoder: RequestEncoder | undefined = undefined;
  private headers: HeaderMap | undefined = undefined;
  private over = false;
  private readonly requestHeaders = new HeaderMap();
  private sentAt = 0;

  constructor(clock: Clock, cluster: ClusterEntry, host: Host, request: HttpCallRequest, token: number, receiver: HttpCallReceiver) {
    this.clock = clock;
    this.cluster = cluster;
    this.host = host;
    this.request = request;
    for (const [name, value] of request.headers) {
      this.requestHeaders.append(name.toLowerCase() === "host" ? ":authority" : name.toLowerCase(), value);
    }
    this.token = token;
    this.receiver = receiver;
    this.pool = cluster.pool(host, "DEFAULT", "HTTP/1.1", this.requestHeaders);
  }

  start(): void {
    this.clock.start(this.timer, this.request.timeoutMs);
    this.pool.newStream(this);
  }

  onPoolReady(encoder: RequestEncoder): void {
    this.encoder = encoder;
    this.cluster.stats.upstreamRqTotal.inc();
    this.cluster.stats.upstreamRqActive.inc();
    this.host.requestStarted();
    const { body, trailers, timeoutMs } = this.request;
    const map = this.requestHeaders;
    map.remove("transfer-encoding");
    // What the client announced is not what is sent here.
    if (body.length > 0) map.set("content-length", String(body.length));
    else map.remove("content-length");
    map.set("x-envoy-internal", "true");
    if (timeoutMs > 0) map.set("x-envoy-expected-rq-timeout-ms", String(timeoutMs));
    const hasTrailers = trailers.length > 0;
    encoder.encodeHeaders(map, body.length === 0 && !hasTrailers);
    if (body.length > 0) encoder.encodeData(body, !hasTrailers);
    if (hasTrailers) encoder.encodeTrailers(HeaderMap.from(trailers));
    this.sentAt = this.clock.now;
  }

  onPoolFailure(reason: PoolFailure, details: string): void {
    this.fail(failureOfPool(reason, details));
  }

  private fail(failure: UpstreamFailure): void {
    this.answer(failureStatus(failure), failureBody(failure));
  }

  /** An answer of our own, as Envoy's local replies look. */
  private answer(status: number, text: string): void {
    this.cluster.stats.countCode(status, true);
    const headers = HeaderMap.from([
      [":status", String(status)],
      ["content-length", String(text.length)],
      ["content-type", "text/plain"],
    ]);
    this.complete({ headers, body: Buffer.from(text, "latin1"), trailers: undefined, failure: "" });
  }

  private complete(response: HttpCallResponse): void {
    if (this.over) return;
    this.end();
    this.receiver.onHttpCallComplete(this.token, response);
  }

  private end(): void {
    this.over = true;
    this.timer.clear();
    if (this.encoder !== undefined) {
      this.cluster.stats.upstreamRqActive.dec();
      this.host.requestEnded();
    }
  }

  // ---- ResponseDecoder ----

  decode1xxHeaders(): void {}

  decodeHeaders(headers: HeaderMap, endStream: boolean): void {
    this.headers = headers;
    headers.set("x-envoy-upstream-service-time", String(Math.floor(this.clock.now - this.sentAt)));
    this.cluster.stats.countCode(Number(headers.get(":status")), true);
    if (endStream) this.finish(undefined);
  }

  decodeData(data: Uint8Array, endStream: boolean): void {
    this.body.append(data);
    if (this.body.length > this.cluster.config.perConnectionBufferLimitBytes) {
      const encoder = this.encoder;
      this.complete({ headers: undefined, body: Buffer.alloc(0), trailers: undefined, failure: "overflow" });
      encoder?.resetStream("LocalReset");
      return;
    }
    if (endStream) this.finish(undefined);
  }

  decodeTrailers(trailers: HeaderMap): void {
    this.finish(trailers);
  }

  private finish(trailers: HeaderMap | undefined): void {
    this.complete({ headers: this.headers, body: this.body.bytes(), trailers, failure: "" });
  }

  onReset(reason: StreamResetReason): void {
    if (this.over) return;
    // After the headers there is no answer that could still be made whole.
    if (this.headers !== undefined) this.complete({ headers: undefined, body: Buffer.alloc(0), trailers: undefined, failure: "reset" });
    else this.fail(failureOfReset(reason));
  }

  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}

  onTimer(): void {
    this.cluster.stats.upstreamRqTimeout.inc();
    const encoder = this.encoder;
    if (encoder === undefined) this.pool.cancel(this);
    this.answer(504, "upstream request timeout");
    encoder?.resetStream("LocalReset");
  }

  cancel(): void {
    if (this.over) return;
    const encoder = this.encoder;
    this.end();
    if (encoder === undefined) this.pool.cancel(this);
    else encoder.resetStream("LocalReset");
  }
}

/** Starts a callout; undefined when the cluster, or a healthy host of it, is not there: Envoy fails the call itself then. */
export function startCallout(
  clusters: ClusterManager,
  clock: Clock,
  request: HttpCallRequest,
  token: number,
  receiver: HttpCallReceiver,
): HttpCallHandle | undefined {
  const cluster = clusters.get(request.cluster);
  if (cluster === undefined) return undefined;
  const host = cluster.chooseHost();
  if (host === undefined) {
    cluster.stats.upstreamCxNoneHealthy.inc();
    return undefined;
  }
  const callout = new Callout(clock, cluster, host, request, token, receiver);
  callout.start();
  return callout;
}
