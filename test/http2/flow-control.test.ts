// Who waits for whom: a client that does not read, an owner that does not, windows, watermarks, and the timers that end it.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Clock } from "../../host/base/clock.ts";
import type { Http2Options } from "../../host/config/http2.ts";
import { HeaderMap } from "../../host/http/header-map.ts";
import { type Application, Http2TestServer, type ServedStream } from "../support/http2-server.ts";
import {
  data,
  F,
  frame,
  headers,
  ping,
  post,
  PREFACE,
  RawPeer,
  REQUEST,
  settings,
  T,
  uint32,
  windowUpdate,
} from "../support/http2-frames.ts";
import { Http2TestClient, requestHeaders } from "../support/http2-client.ts";
import { ManualTime } from "../support/manual-time.ts";

const MIB = 1024 * 1024;
const servers: Http2TestServer[] = [];

async function serve(app: Application, options: Partial<Http2Options> = {}, time?: ManualTime): Promise<Http2TestServer> {
  const server = await new Http2TestServer(options, app, time === undefined ? undefined : new Clock(time)).listen();
  servers.push(server);
  return server;
}

function begun(server: Http2TestServer, ...entries: readonly (readonly [number, number])[]): RawPeer {
  const client = RawPeer.connect(server.port);
  client.write(PREFACE, settings(...entries), frame(T.settings, F.ack, 0));
  return client;
}

/** Everything that was sent before has had its effect. */
async function settled(client: RawPeer): Promise<void> {
  const seen = client.of(T.ping).length;
  client.write(ping());
  await client.until(() => client.of(T.ping).length > seen);
}

after(async () => {
  for (const server of servers) await server.close();
});

const PIECE = Buffer.alloc(16_384, "p");
/** 1 GiB in pieces, as long as nobody is above a watermark. */
function endless(): Application & { written: number } {
  const more = (stream: ServedStream): void => {
    while (!stream.isAbove && app.written < 1024 * MIB && stream.reset === undefined) {
      app.written += PIECE.length;
      stream.encoder.encodeData(PIECE, false);
    }
  };
  const app = {
    written: 0,
    onRequest(stream: ServedStream): void {
      stream.encoder.encodeHeaders(HeaderMap.from([[":status", "200"]]), false);
      more(stream);
    },
    onWritable: more,
  };
  return app;
}

test("a client that opens no window holds what a stream may buffer, and no more", async () => {
  const app = endless();
  const server = await serve(app, { initialStreamWindowSize: 16 * MIB });
  const client = begun(server, [4, 0]);
  client.write(headers(1));
  await settled(client);
  assert.ok(app.written <= MIB + PIECE.length, `${app.written} bytes`);
  assert.equal(server.stats.pendingSendBytes.value, app.written);
  client.write(windowUpdate(1, 700_000), windowUpdate(0, 10 * MIB));
  await client.until(() => client.body(1).length === 700_000);
  client.write(windowUpdate(1, 700_000));
  await client.until(() => client.body(1).length === 1_400_000);
  assert.ok(app.written > 1_400_000 && app.written <= 1_400_000 + MIB + PIECE.length);
  client.destroy();
});

test("200 streams of such a client hold a share each", async () => {
  const perStream: number[] = [];
  const app: Application = {
    onRequest(stream) {
      stream.encoder.encodeHeaders(HeaderMap.from([[":status", "200"]]), false);
      let written = 0;
      for (; !stream.isAbove && written < 10 * MIB; written += PIECE.length) stream.encoder.encodeData(PIECE, false);
      perStream.push(written);
    },
  };
  const server = await serve(app, { initialStreamWindowSize: 16 * MIB, maxConcurrentStreams: 1024 });
  const client = begun(server, [4, 0]);
  client.write(...Array.from({ length: 200 }, (_, i) => headers(2 * i + 1)));
  await settled(client);
  assert.equal(perStream.length, 200);
  assert.equal(perStream[0], MIB + PIECE.length);
  assert.equal(perStream[199], 65_536 + PIECE.length);
  assert.ok(server.stats.pendingSendBytes.value < 200 * 128 * 1024, `${server.stats.pendingSendBytes.value} bytes`);
  client.destroy();
  await client.until(() => false);
  while (!server.connections[0].isClosed) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(server.stats.pendingSendBytes.value, 0);
});

test("a client whose socket is full stops every stream", async () => {
  const app = endless();
  const server = await serve(app);
  server.highWatermark = 100_000;
  const client = begun(server, [4, 0x7fff_ffff]);
  client.write(windowUpdate(0, 0x7000_0000));
  await settled(client);
  client.socket.pause();
  client.write(headers(1), headers(3));
  const [served] = server.connections;
  while (served.streams.length < 2 || !served.connection.isAboveHighWatermark) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(served.streams.every(({ isAbove }) => isAbove));
  const before = app.written;
  assert.ok(before < 32 * MIB, `${before} bytes with the kernel's buffers`);
  client.socket.resume();
  await client.until(() => app.written > before + 4 * MIB && client.of(T.data, 1).length > 0 && client.of(T.data, 3).length > 0);
  assert.equal(client.isClosed, false);
  client.destroy();
});

test("two streams with much to send take turns", async () => {
  const server = await serve({
    onRequest: (stream) => stream.answer([[":status", "200"]], Buffer.alloc(200_000, "s")),
  });
  const client = begun(server, [4, MIB]);
  client.write(headers(1), headers(3), ping());
  await client.until(() => client.of(T.ping).length > 0);
  client.write(windowUpdate(0, MIB));
  await client.until(() => client.body(1).length === 200_000 && client.body(3).length === 200_000);
  const order = client.of(T.data).map(({ streamId }) => streamId);
  const firstOf3 = order.indexOf(3);
  assert.ok(firstOf3 > 0 && firstOf3 < order.lastIndexOf(1), order.join());
  client.destroy();
});

test("an owner that reads nothing gives no window, and gets everything later, in order", async () => {
  const server = await serve({
    onHeaders: (stream) => stream.encoder.readDisable(true),
    onRequest: (stream) => stream.answer([[":status", "200"]]),
  });
  const client = begun(server);
  client.write(headers(1, post(), F.endHeaders));
  // In pieces so small that a slice for each would cost a hundred times its content.
  client.write(
    ...Array.from({ length: 5000 }, (_, i) => data(1, String.fromCharCode(97 + (i % 26)))),
    ...Array.from({ length: 3 }, () => data(1, PIECE)),
    headers(1, [["x-t", "1"]]),
  );
  await settled(client);
  const [stream] = server.connections[0].streams;
  assert.equal(stream.body.length, 0);
  assert.equal(client.of(T.windowUpdate, 1).length, 0);
  stream.encoder.readDisable(false);
  await client.until(() => client.status(1) === "200");
  const body = Buffer.concat(stream.body);
  assert.equal(body.length, 5000 + 3 * PIECE.length);
  assert.ok(stream.body.length < 20, `${stream.body.length} pieces`);
  assert.ok(body.subarray(0, 5000).every((byte, i) => byte === 97 + (i % 26)));
  assert.deepEqual(stream.trailers, [["x-t", "1"]]);
  client.destroy();
});

test("the window of a stream that was given up goes back to the connection", async () => {
  const server = await serve(
    { onHeaders: (stream) => stream.encoder.readDisable(true), onRequest() {} },
    { initialConnectionWindowSize: 65_535 },
  );
  const client = begun(server);
  client.write(headers(1, post(), F.endHeaders), data(1, PIECE), data(1, PIECE), data(1, PIECE));
  await settled(client);
  assert.equal(client.of(T.windowUpdate, 0).length, 0);
  server.connections[0].streams[0].encoder.resetStream("LocalReset");
  await settled(client);
  assert.equal(client.of(T.windowUpdate, 0)[0].payload.readUInt32BE(0), 3 * PIECE.length);
  client.destroy();
});

test("a message whose end cannot be sent is given up in time", async () => {
  const time = new ManualTime();
  const server = await serve({ onRequest: (stream) => stream.answer([[":status", "200"]], "body") }, { streamFlushTimeoutMs: 5000 }, time);
  const client = begun(server, [4, 2]);
  client.write(headers(1));
  await settled(client);
  assert.equal(client.body(1), "bo");
  assert.equal(server.stats.deferredStreamClose.value, 1);
  time.advance(4999);
  assert.equal(server.stats.txFlushTimeout.value, 0);
  time.advance(2);
  await settled(client);
  assert.equal(client.resetOf(1), 2);
  assert.equal(server.stats.txFlushTimeout.value, 1);
  assert.equal(server.stats.deferredStreamClose.value, 0);
  assert.equal(server.stats.pendingSendBytes.value, 0);
  client.destroy();
});

test("a peer that does not acknowledge SETTINGS is told so", async () => {
  const time = new ManualTime();
  const server = await serve({ onRequest() {} }, {}, time);
  const client = RawPeer.connect(server.port);
  client.write(PREFACE, settings());
  await settled(client);
  time.advance(30_001);
  await client.until(() => client.goAway !== undefined);
  assert.equal(client.goAway, 4);
  assert.equal(server.stats.settingsTimeout.value, 1);
  client.destroy();
});

test("an idle peer is asked whether it is there, and given up when it says nothing", async () => {
  const time = new ManualTime();
  const keepalive = { intervalMs: 1000, timeoutMs: 500, intervalJitterPercent: 0, connectionIdleIntervalMs: 0 };
  const server = await serve({ onRequest() {} }, { keepalive }, time);
  const client = begun(server);
  await settled(client);
  time.advance(1001);
  await client.until(() => client.of(T.ping).length === 2);
  client.write(frame(T.ping, F.ack, 0, client.of(T.ping)[1].payload));
  await settled(client);
  time.advance(600);
  assert.equal(server.stats.keepaliveTimeout.value, 0);
  time.advance(401);
  await client.until(() => client.of(T.ping).length === 4);
  time.advance(501);
  await client.until(() => false);
  assert.equal(server.stats.keepaliveTimeout.value, 1);
});

test("a new stream on a connection that was idle brings a PING with it", async () => {
  const time = new ManualTime();
  const server = await serve({ onRequest: (stream) => stream.answer([[":status", "200"]], "ok") });
  const keepalive = { intervalMs: 0, timeoutMs: 500, intervalJitterPercent: 0, connectionIdleIntervalMs: 1000 };
  const client = new Http2TestClient(server.port, { keepalive }, new Clock(time));
  await client.settled;
  await client.send(requestHeaders("/")).ended;
  time.advance(1001);
  client.codec.clock.update();
  await client.send(requestHeaders("/")).ended;
  // The answer to the PING came with that to the request: nothing is left that could run out.
  time.advance(501);
  assert.equal(client.stats.keepaliveTimeout.value, 0);
  assert.equal(client.closedWith, undefined);
  client.connection.destroy();
});

test("GOAWAY: a notice, then a last stream; those in progress finish, later ones are refused, the connection closes", async () => {
  const server = await serve({
    onRequest(stream) {
      if (stream.header(":path") !== "/wait") stream.answer([[":status", "200"]], "ok");
    },
  });
  const client = begun(server, [4, 1]);
  const wait = REQUEST.map(([name, value]) => [name, name === ":path" ? "/wait" : value] as const);
  client.write(headers(1, wait));
  await settled(client);
  const [served] = server.connections;
  served.codec.shutdownNotice();
  client.write(headers(3));
  await settled(client);
  served.codec.goAway();
  assert.deepEqual(
    client.of(T.goaway).map(({ payload }) => payload.readUInt32BE(0)),
    [0x7fff_ffff],
  );
  client.write(headers(5));
  await settled(client);
  assert.deepEqual(
    client.of(T.goaway).map(({ payload }) => payload.readUInt32BE(0)),
    [0x7fff_ffff, 3],
  );
  assert.equal(client.resetOf(5), 7);
  assert.equal(served.codec.closeAfterAnswer, false);
  served.streams[0].answer([[":status", "200"]], "ok");
  client.write(windowUpdate(1, 1), windowUpdate(3, 1));
  await client.until(() => false);
  assert.equal(client.body(1), "ok");
  assert.equal(client.body(3), "ok");
  assert.equal(served.codec.closeAfterAnswer, true);
  // The notice does not count, as in Envoy.
  assert.equal(server.stats.goawaySent.value, 1);
});

test("a header block that never ends is announced, and given up on demand", async () => {
  const server = await serve({ onRequest() {} });
  const client = begun(server);
  client.write(ping("before!!"), headers(1, REQUEST, F.end));
  await client.until(() => client.of(T.ping).length > 0);
  const [served] = server.connections;
  assert.equal(served.partialHeads, 1);
  assert.equal(served.codec.idle, false);
  served.codec.abandonHead(408, "request_header_timeout");
  await client.until(() => client.goAway !== undefined);
  assert.equal(client.goAway, 11);
  assert.equal(served.error, "request_header_timeout");
  client.destroy();
});

test("a client's GOAWAY and half-close end nothing that could still be answered before them", async () => {
  const server = await serve({ onRequest: (stream) => stream.answer([[":status", "200"]], "ok") });
  const client = begun(server);
  client.write(headers(1), frame(T.goaway, 0, 0, uint32(0, 0)));
  client.socket.end();
  await client.until(() => false);
  assert.equal(client.body(1), "ok");
});
