// The table of frame-cases.ts against a server codec on a real socket. Behind the frames of a case goes a PING: when it is answered,
// everything before it has had its effect; when the connection closes instead, its GOAWAY says why.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ECHO, Http2TestServer } from "../support/http2-server.ts";
import { F, frame, ping, PREFACE, RawPeer, settings, T } from "../support/http2-frames.ts";
import { FRAME_CASES, type FrameCase } from "./frame-cases.ts";

const servers = new Map<string, Http2TestServer>();
const PROBE = "the-end!";

async function serverFor({ options }: FrameCase): Promise<Http2TestServer> {
  const key = JSON.stringify(options ?? {});
  let server = servers.get(key);
  if (server === undefined) {
    server = await new Http2TestServer(options, {
      onHeaders(stream) {
        if (stream.header(":path") === "/stall") stream.encoder.readDisable(true);
      },
      onRequest(stream) {
        if (stream.header(":path") !== "/wait") ECHO.onRequest(stream);
      },
    }).listen();
    servers.set(key, server);
  }
  return server;
}

async function check(given: FrameCase): Promise<void> {
  const server = await serverFor(given);
  const client = RawPeer.connect(server.port);
  client.write(...(given.begin ?? [PREFACE, settings(), frame(T.settings, F.ack, 0)]), ...given.send, ping(PROBE));
  await client.until(() => client.of(T.ping).some(({ payload, flags }) => flags === F.ack && payload.latin1Slice() === PROBE));
  const { goAway, reset, status, body, sees, trailers } = given;
  const served = server.connections[server.connections.length - 1];
  if (goAway === undefined) assert.equal(client.goAway, undefined, `GOAWAY ${client.goAway} ${served.error}`);
  else assert.ok(goAway.includes(client.goAway ?? -1), `GOAWAY ${client.goAway}`);
  const resets = Object.fromEntries(client.of(T.rst).map(({ streamId }) => [streamId, client.resetOf(streamId)]));
  assert.deepEqual(resets, reset ?? {}, "resets");
  for (const [id, expected] of Object.entries(status ?? {})) assert.equal(client.status(Number(id)), expected, `status of ${id}`);
  for (const [id, expected] of Object.entries(body ?? {})) assert.equal(client.body(Number(id)), expected, `body of ${id}`);
  if (sees !== undefined) {
    const last = served.streams[served.streams.length - 1];
    for (const [name, value] of sees) assert.equal(last.header(name), value, name);
  }
  if (trailers !== undefined) assert.deepEqual(served.streams[0].trailers, trailers);
  client.destroy();
}

after(async () => {
  for (const server of servers.values()) await server.close();
});

for (const given of FRAME_CASES) test(`${/^\d/.test(given.rfc) ? "RFC " : ""}${given.rfc}: ${given.name}`, () => check(given));

test("every case left nothing behind", async () => {
  for (const server of servers.values()) {
    for (const { connection } of server.connections) connection.destroy();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(server.stats.streamsActive.value, 0);
    assert.equal(server.stats.pendingSendBytes.value, 0);
    assert.equal(server.stats.deferredStreamClose.value, 0);
  }
});
