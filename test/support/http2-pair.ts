// The two HTTP/2 codecs back to back, without sockets: bytes pass in pieces of any size.
import { Clock } from "../../host/base/clock.ts";
import type { Http2Options } from "../../host/config/http2.ts";
import { Http2ClientConnection } from "../../host/http2/client.ts";
import { Http2ServerConnection } from "../../host/http2/server.ts";
import { Http2Stats } from "../../host/http2/stats.ts";
import { StatsStore } from "../../host/stats/store.ts";
import { FakeConnection } from "./fake-connection.ts";
import { ClientExchange } from "./http2-client.ts";
import { type Application, HTTP2_OPTIONS, ServedStream } from "./http2-server.ts";
import { ManualTime } from "./manual-time.ts";

const store = new StatsStore(() => {});

export interface LoneServer {
  readonly connection: FakeConnection;
  readonly codec: Http2ServerConnection;
  readonly streams: ServedStream[];
  readonly stats: Http2Stats;
  error: string;
}

export function loneServer(app: Application, options: Partial<Http2Options> = {}): LoneServer {
  const connection = new FakeConnection();
  const streams: ServedStream[] = [];
  const stats = new Http2Stats(store, "");
  const codec = new Http2ServerConnection(
    connection.asConnection,
    {
      newStream(encoder) {
        const stream = new ServedStream(encoder, app);
        streams.push(stream);
        return stream;
      },
      onPartialHead() {},
      onProtocolError() {
        throw new Error("http2 answers no request that it did not understand");
      },
      onConnectionError(details) {
        server.error = details;
        connection.closeAfterFlush();
      },
    },
    { ...HTTP2_OPTIONS, ...options },
    stats,
    new Clock(new ManualTime()),
  );
  const server: LoneServer = { connection, codec, streams, stats, error: "" };
  return server;
}

export interface LoneClient {
  readonly connection: FakeConnection;
  readonly codec: Http2ClientConnection;
  completed: number;
  begin(): ClientExchange;
}

export function loneClient(options: Partial<Http2Options> = {}): LoneClient {
  const connection = new FakeConnection();
  const codec = new Http2ClientConnection(
    connection.asConnection,
    {
      onStreamComplete() {
        client.completed++;
      },
      onGoAway() {},
      onMaxStreamsChanged() {},
      onProtocolError() {},
      onClose() {},
    },
    { ...HTTP2_OPTIONS, ...options },
    new Http2Stats(store, "cluster.up."),
    new Clock(new ManualTime()),
  );
  const client: LoneClient = {
    connection,
    codec,
    completed: 0,
    begin() {
      const exchange = new ClientExchange();
      exchange.encoder = codec.newStream(exchange);
      return exchange;
    },
  };
  return client;
}
