// Our HTTP/2 client codec on a real socket: what a pool would do with it, without one.
import { Clock } from "../../host/base/clock.ts";
import { systemTime } from "../../host/base/system.ts";
import type { Http2Options } from "../../host/config/http2.ts";
import type { ClientConnectionCallbacks, RequestEncoder, ResponseDecoder, StreamResetReason } from "../../host/http/codec.ts";
import { HeaderMap } from "../../host/http/header-map.ts";
import { Http2ClientConnection } from "../../host/http2/client.ts";
import { Http2Stats } from "../../host/http2/stats.ts";
import { Connection } from "../../host/net/connection.ts";
import { Flusher } from "../../host/net/flusher.ts";
import { connectReader } from "../../host/net/socket-reader.ts";
import { StatsStore } from "../../host/stats/store.ts";
import { HTTP2_OPTIONS, noConnectionStats } from "./http2-server.ts";

const unused = (): never => {
  throw new Error("the codec takes the connection over before anything happens");
};

export class ClientExchange implements ResponseDecoder {
  encoder: RequestEncoder | undefined = undefined;
  headers: [string, string][] = [];
  readonly informational: string[] = [];
  readonly body: Buffer[] = [];
  trailers: [string, string][] = [];
  isComplete = false;
  isAbove = false;
  reset: readonly [StreamResetReason, string] | undefined = undefined;
  /** Resolves with the end of the exchange, whichever it was. */
  readonly ended: Promise<void>;
  private end: () => void = () => {};

  constructor() {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }
  decode1xxHeaders(headers: HeaderMap): void {
    this.informational.push(headers.get(":status") ?? "");
  }
  decodeHeaders(headers: HeaderMap, endStream: boolean): void {
    this.headers = headers.entries();
    if (endStream) this.complete();
  }
  decodeData(data: Uint8Array, endStream: boolean): void {
    this.body.push(Buffer.from(data));
    if (endStream) this.complete();
  }
  decodeTrailers(trailers: HeaderMap): void {
    this.trailers = trailers.entries();
    this.complete();
  }
  onReset(reason: StreamResetReason, details: string): void {
    this.reset = [reason, details];
    this.end();
  }
  onAboveWriteBufferHighWatermark(): void {
    this.isAbove = true;
  }
  onBelowWriteBufferLowWatermark(): void {
    this.isAbove = false;
  }
  private complete(): void {
    this.isComplete = true;
    this.end();
  }
  get text(): string {
    return Buffer.concat(this.body).latin1Slice();
  }
  get status(): string {
    return this.headers[0]?.[1] ?? "";
  }
}

export const requestHeaders = (path: string, method = "GET", more: readonly (readonly [string, string])[] = []): HeaderMap =>
  HeaderMap.from([[":authority", "a.example"], [":path", path], [":method", method], [":scheme", "http"], ...more]);

export class Http2TestClient implements ClientConnectionCallbacks {
  readonly codec: Http2ClientConnection;
  readonly connection: Connection;
  readonly stats: Http2Stats;
  completed = 0;
  lastReusable = true;
  goAways = 0;
  closedWith: string | undefined = undefined;
  readonly closed: Promise<void>;
  readonly settled: Promise<void>;
  private onClosed: () => void = () => {};
  private onSettled: () => void = () => {};

  constructor(port: number, options: Partial<Http2Options> = {}, clock = new Clock(systemTime)) {
    this.closed = new Promise((resolve) => {
      this.onClosed = resolve;
    });
    this.settled = new Promise((resolve) => {
      this.onSettled = resolve;
    });
    this.stats = new Http2Stats(new StatsStore(() => {}), "cluster.up.");
    const reader = connectReader({ port, host: "127.0.0.1", noDelay: true });
    this.connection = new Connection(reader, new Flusher(clock), 1_048_576, noConnectionStats, {
      onData: unused,
      onEnd: unused,
      onClose: unused,
      onAboveWriteBufferHighWatermark: unused,
      onBelowWriteBufferLowWatermark: unused,
    });
    this.codec = new Http2ClientConnection(this.connection, this, { ...HTTP2_OPTIONS, ...options }, this.stats, clock);
  }
  onStreamComplete(reusable: boolean): void {
    this.completed++;
    this.lastReusable = reusable;
  }
  onGoAway(): void {
    this.goAways++;
  }
  onProtocolError(): void {}
  onMaxStreamsChanged(): void {
    this.onSettled();
  }
  onClose(error: string): void {
    this.closedWith = error;
    this.onClosed();
    this.onSettled();
  }
  begin(): ClientExchange {
    const exchange = new ClientExchange();
    exchange.encoder = this.codec.newStream(exchange);
    return exchange;
  }
  /** A whole request. */
  send(headers: HeaderMap, body: Uint8Array | string = "", trailers: readonly (readonly [string, string])[] = []): ClientExchange {
    const exchange = this.begin();
    const { encoder } = exchange;
    encoder?.encodeHeaders(headers, body.length === 0 && trailers.length === 0);
    if (body.length > 0) encoder?.encodeData(Buffer.from(body), trailers.length === 0);
    if (trailers.length > 0) encoder?.encodeTrailers(HeaderMap.from(trailers));
    return exchange;
  }
}
