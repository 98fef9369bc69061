// Our HTTP/2 server codec on a real socket, with an application of a few paths: what a connection manager would do with it, without one.
import { createServer, type Server } from "node:net";
import { Clock } from "../../host/base/clock.ts";
import { retain } from "../../host/base/read-buffer.ts";
import { systemTime } from "../../host/base/system.ts";
import type { Http2Options } from "../../host/config/http2.ts";
import type { RequestDecoder, ResponseEncoder, ServerConnectionCallbacks, StreamResetReason } from "../../host/http/codec.ts";
import { HeaderMap } from "../../host/http/header-map.ts";
import { Http2ServerConnection } from "../../host/http2/server.ts";
import { Http2Stats } from "../../host/http2/stats.ts";
import { Connection } from "../../host/net/connection.ts";
import { Flusher } from "../../host/net/flusher.ts";
import { acceptReader } from "../../host/net/socket-reader.ts";
import { StatsStore } from "../../host/stats/store.ts";

export const HTTP2_OPTIONS: Http2Options = {
  hpackTableSize: 4096,
  maxConcurrentStreams: 100,
  initialStreamWindowSize: 65_535,
  initialConnectionWindowSize: 1_048_576,
  allowConnect: true,
  maxOutboundFrames: 10_000,
  maxOutboundControlFrames: 1000,
  maxConsecutiveInboundFramesWithEmptyPayload: 1,
  maxInboundPriorityFramesPerStream: 100,
  maxInboundWindowUpdateFramesPerDataFrameSent: 10,
  streamErrorOnInvalidHttpMessage: true,
  keepalive: undefined,
  enableHuffmanEncoding: true,
  maxHeaderFieldBytes: 65_536,
  disallowObsText: false,
  streamResetBurst: 1000,
  streamResetRate: 33,
  customSettings: [],
  maxHeaderBytes: 60 * 1024,
  maxHeaders: 100,
  headersWithUnderscoresAction: "ALLOW",
  streamFlushTimeoutMs: 300_000,
};

export const noConnectionStats = { received: (): void => {}, sent: (): void => {} };

/** What a test may look at afterwards. */
export class ServedStream implements RequestDecoder {
  readonly encoder: ResponseEncoder;
  headers: [string, string][] = [];
  readonly body: Buffer[] = [];
  trailers: [string, string][] = [];
  reset: readonly [StreamResetReason, string] | undefined = undefined;
  isComplete = false;
  isAbove = false;
  private readonly app: Application;

  constructor(encoder: ResponseEncoder, app: Application) {
    this.encoder = encoder;
    this.app = app;
  }
  decodeHeaders(headers: HeaderMap, endStream: boolean): void {
    this.headers = headers.entries();
    this.isComplete = endStream;
    this.app.onHeaders?.(this);
    if (endStream) this.app.onRequest(this);
  }
  decodeData(data: Uint8Array, endStream: boolean): void {
    this.body.push(Buffer.from(retain(data)));
    this.isComplete = endStream;
    this.app.onData?.(this, data, endStream);
    if (endStream) this.app.onRequest(this);
  }
  decodeTrailers(trailers: HeaderMap): void {
    this.trailers = trailers.entries();
    this.isComplete = true;
    this.app.onRequest(this);
  }
  onReset(reason: StreamResetReason, details: string): void {
    this.reset = [reason, details];
  }
  onAboveWriteBufferHighWatermark(): void {
    this.isAbove = true;
  }
  onBelowWriteBufferLowWatermark(): void {
    this.isAbove = false;
    this.app.onWritable?.(this);
  }
  header(name: string): string {
    return this.headers.find(([key]) => key === name)?.[1] ?? "";
  }
  answer(headers: readonly (readonly [string, string])[], body: Uint8Array | string = ""): void {
    this.encoder.encodeHeaders(HeaderMap.from(headers), body.length === 0);
    if (body.length > 0) this.encoder.encodeData(Buffer.from(body), true);
  }
}

export interface Application {
  onRequest(stream: ServedStream): void;
  onHeaders?(stream: ServedStream): void;
  onData?(stream: ServedStream, data: Uint8Array, endStream: boolean): void;
  onWritable?(stream: ServedStream): void;
}

/** "/echo": body, trailers and the headers that begin with x-; any other path: 200 with "ok". */
export const ECHO: Application = {
  onRequest(stream) {
    if (!stream.header(":path").startsWith("/echo")) {
      stream.answer([[":status", "200"]], "ok");
      return;
    }
    const own = stream.headers.filter(([name]) => name.startsWith("x-"));
    const body = Buffer.concat(stream.body);
    const hasTrailers = stream.trailers.length > 0;
    stream.encoder.encodeHeaders(HeaderMap.from([[":status", "200"], ...own]), body.length === 0 && !hasTrailers);
    if (body.length > 0) stream.encoder.encodeData(body, !hasTrailers);
    if (hasTrailers) stream.encoder.encodeTrailers(HeaderMap.from(stream.trailers));
  },
};

export class ServedConnection implements ServerConnectionCallbacks {
  readonly connection: Connection;
  readonly codec: Http2ServerConnection;
  readonly streams: ServedStream[] = [];
  error = "";
  isClosed = false;
  partialHeads = 0;
  private readonly app: Application;

  constructor(connection: Connection, server: Http2TestServer) {
    this.connection = connection;
    this.app = server.app;
    this.codec = new Http2ServerConnection(connection, this, server.options, server.stats, server.clock);
  }
  newStream(encoder: ResponseEncoder): RequestDecoder {
    const stream = new ServedStream(encoder, this.app);
    this.streams.push(stream);
    return stream;
  }
  onPartialHead(): void {
    this.partialHeads++;
  }
  onProtocolError(): void {
    throw new Error("http2 answers no request that it did not understand");
  }
  onConnectionError(details: string): void {
    this.error = details;
    this.connection.closeAfterFlush();
  }
}

export class Http2TestServer {
  readonly clock: Clock;
  readonly stats: Http2Stats;
  readonly connections: ServedConnection[] = [];
  app: Application;
  options: Http2Options;
  highWatermark = 1_048_576;
  port = 0;
  private readonly flusher: Flusher;
  private readonly server: Server;

  constructor(options: Partial<Http2Options> = {}, app: Application = ECHO, clock = new Clock(systemTime)) {
    this.options = { ...HTTP2_OPTIONS, ...options };
    this.app = app;
    this.clock = clock;
    this.stats = new Http2Stats(new StatsStore(() => {}), "");
    this.flusher = new Flusher(clock);
    this.server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (accepted) => {
      const reader = acceptReader(accepted);
      const connection: Connection = new Connection(reader, this.flusher, this.highWatermark, noConnectionStats, {
        onData: (data) => served.codec.onData(data),
        onEnd: () => {
          if (!served.codec.onEnd()) connection.closeAfterFlush();
        },
        onClose: (error) => {
          served.isClosed = true;
          served.codec.onClose(error);
        },
        onAboveWriteBufferHighWatermark: () => served.codec.onAboveWriteBufferHighWatermark(),
        onBelowWriteBufferLowWatermark: () => served.codec.onBelowWriteBufferLowWatermark(),
      });
      const served = new ServedConnection(connection, this);
      this.connections.push(served);
      reader.socket.resume();
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    const address = this.server.address();
    this.port = typeof address === "object" && address !== null ? address.port : 0;
    return this;
  }

  async close(): Promise<void> {
    for (const { connection } of this.connections) connection.destroy();
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
    });
  }
}
