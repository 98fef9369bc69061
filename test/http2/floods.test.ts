// What a client may send in great number, and when the connection ends for it. The GOAWAY code is always ENHANCE_YOUR_CALM, each flood
// has its counter, and what was begun before is bounded.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Clock } from "../../host/base/clock.ts";
import type { Http2Options } from "../../host/config/http2.ts";
import { ECHO, Http2TestServer } from "../support/http2-server.ts";
import { frame, ping, PREFACE, RawPeer, rst, settings, F, T } from "../support/http2-frames.ts";
import { begin, FLOODS, id } from "./flood-cases.ts";
import { ManualTime } from "../support/manual-time.ts";

const CALM = 11;

const servers: Http2TestServer[] = [];

/** Time stands still, so buckets do not fill while a test runs. */
async function serve(options: Partial<Http2Options> = {}, time = new ManualTime()): Promise<Http2TestServer> {
  const server = await new Http2TestServer(
    options,
    {
      onRequest(stream) {
        if (stream.header(":path") !== "/wait") ECHO.onRequest(stream);
      },
    },
    new Clock(time),
  ).listen();
  servers.push(server);
  return server;
}

async function begun(port: number): Promise<RawPeer> {
  const client = RawPeer.connect(port);
  client.write(PREFACE, settings(), frame(T.settings, F.ack, 0));
  return client;
}

after(async () => {
  for (const server of servers) await server.close();
});

for (const flood of FLOODS) {
  test(`${flood.name} ends the connection`, async () => {
    const server = await serve(flood.options);
    const client = await begun(server.port);
    client.write(...Array.from({ length: flood.rounds }, (_, i) => flood.round(i)).flat());
    await client.until(() => client.goAway !== undefined);
    assert.equal(client.goAway, CALM, server.connections[0].error);
    assert.equal(server.stats[flood.counter].value, 1);
    const [served] = server.connections;
    if (flood.streams !== undefined) assert.ok(served.streams.length <= flood.streams, `${served.streams.length} streams`);
    assert.equal(server.stats.streamsActive.value, 0);
    client.destroy();
  });
  if (flood.harmless === undefined) continue;
  const { harmless } = flood;
  test(`${flood.name} is harmless ${harmless} times`, async () => {
    const server = await serve(flood.options);
    const client = await begun(server.port);
    client.write(...Array.from({ length: harmless }, (_, i) => flood.round(i)).flat());
    if (!flood.name.includes("CONTINUATION")) {
      client.write(ping("the-end!"));
      await client.until(() => client.of(T.ping).length > 0);
      assert.equal(client.isClosed, false);
    }
    assert.equal(client.goAway, undefined, server.connections[0]?.error);
    client.destroy();
  });
}

test("resets of requests that lived are no flood, and tokens come back", async () => {
  const time = new ManualTime();
  const server = await serve({ streamResetBurst: 20, streamResetRate: 10 }, time);
  const client = await begun(server.port);
  for (let round = 0; round < 30; round++) {
    client.write(...Array.from({ length: 20 }, (_, i) => begin(round * 20 + i)), ping());
    await client.until(() => client.of(T.ping).length > 2 * round);
    time.advance(2000);
    client.write(...Array.from({ length: 20 }, (_, i) => rst(id(round * 20 + i))), ping());
    await client.until(() => client.of(T.ping).length > 2 * round + 1);
  }
  assert.equal(client.isClosed, false);
  assert.equal(client.goAway, undefined);
  assert.equal(server.connections[0].streams.length, 600);
  client.destroy();
});
