// The same conversation of two real WebSocket ends through the data plane, whatever versions of HTTP carry it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import type { WebSocket } from "ws";
import type { Json } from "../../host/xds/message.ts";
import { startDataPlane, type TestDataPlane } from "./data-plane.ts";
import type { Protocol } from "./node-http.ts";
import { openWebSocket, type WebSocketUpstream, webSocketUpstream } from "./websocket.ts";

interface Setting {
  readonly plane: TestDataPlane;
  readonly upstream: WebSocketUpstream;
  open(path?: string): Promise<WebSocket>;
}

type Message = readonly [data: Buffer, isBinary: boolean];

async function nextMessage(webSocket: WebSocket): Promise<Message> {
  const [data, isBinary] = (await once(webSocket, "message")) as [Buffer, boolean];
  return [data, isBinary];
}

async function closed(webSocket: WebSocket): Promise<readonly [code: number, reason: string]> {
  const [code, reason] = (await once(webSocket, "close")) as [number, Buffer];
  return [code, reason.toString()];
}

/** Says back what it hears. "close CODE REASON" closes, "drop" ends the connection without a word, "ping" asks the client. */
function serve(webSocket: WebSocket): void {
  webSocket.on("message", (data: Buffer, isBinary: boolean) => {
    const [word, code, reason] = isBinary ? [] : data.toString().split(" ");
    if (word === "close") webSocket.close(Number(code), reason);
    else if (word === "drop") webSocket.terminate();
    else if (word === "ping") webSocket.ping("from upstream");
    else webSocket.send(data, { binary: isBinary });
  });
  webSocket.on("pong", (data: Buffer) => webSocket.send(`pong ${data.toString()}`));
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 2));
}

const CONVERSATIONS: Readonly<Record<string, (setting: Setting, t: TestContext) => Promise<void>>> = {
  "text and binary are said back": async ({ open }) => {
    const client = await open();
    for (const message of ["hello", Buffer.from([0, 255, 1]), "", "ä€𝄞", Buffer.alloc(200_000, 7)]) {
      const isBinary = Buffer.isBuffer(message);
      const answer = nextMessage(client);
      client.send(message, { binary: isBinary });
      assert.deepEqual(await answer, [Buffer.from(message as string), isBinary]);
    }
    client.close(1000);
    assert.deepEqual(await closed(client), [1000, ""]);
  },
  "a message in fragments": async ({ open }) => {
    const client = await open();
    const answer = nextMessage(client);
    for (let i = 0; i < 20; i++) client.send(Buffer.alloc(5000, i), { binary: true, fin: i === 19 });
    const [data] = await answer;
    assert.deepEqual(data, Buffer.concat(Array.from({ length: 20 }, (_, i) => Buffer.alloc(5000, i))));
    client.close();
    await closed(client);
  },
  "pings of both sides are answered": async ({ open }) => {
    const client = await open();
    client.ping("from client");
    const [pong] = (await once(client, "pong")) as [Buffer];
    assert.equal(pong.toString(), "from client");
    const answer = nextMessage(client);
    client.send("ping");
    assert.equal((await answer)[0].toString(), "pong from upstream");
    client.close();
    await closed(client);
  },
  "close codes of the client": async ({ open, upstream }) => {
    for (const [code, reason] of [
      [1000, ""],
      [1001, "away"],
      [3000, "own"],
      [4999, "last"],
    ] as const) {
      const client = await open();
      const ends = [closed(upstream.accepted.at(-1) as WebSocket), closed(client)];
      client.close(code, reason);
      assert.deepEqual(await Promise.all(ends), [
        [code, reason],
        [code, reason],
      ]);
    }
  },
  "close codes of the upstream": async ({ open }) => {
    for (const [code, reason] of [
      [1000, "done"],
      [1011, "trouble"],
      [4000, "own"],
    ] as const) {
      const client = await open();
      client.send(`close ${code} ${reason}`);
      assert.deepEqual(await closed(client), [code, reason]);
    }
  },
  "the client ends without a word": async ({ open, upstream }) => {
    const client = await open();
    const heard = closed(upstream.accepted.at(-1) as WebSocket);
    client.terminate();
    assert.equal((await heard)[0], 1006);
  },
  "the upstream ends without a word": async ({ open }) => {
    const client = await open();
    client.send("drop");
    assert.equal((await closed(client))[0], 1006);
  },
  "an upgrade that the upstream refuses": async ({ open }) => {
    await assert.rejects(open("/refused"), /Unexpected server response: 403/);
  },
  "an upgrade that the route refuses": async ({ open, upstream, plane }) => {
    const before = upstream.accepted.length;
    await assert.rejects(open("/off"), /Unexpected server response: 403/);
    assert.equal(upstream.accepted.length, before);
    assert.equal(plane.counter("http.in.downstream_rq_ws_on_non_ws_route"), 1);
  },
  "an idle tunnel ends, a busy one does not": async ({ open, plane, upstream }) => {
    const client = await open("/idle");
    const ended = closed(client);
    const heard = closed(upstream.accepted.at(-1) as WebSocket);
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const answer = nextMessage(client);
      client.send("busy");
      await answer;
    }
    assert.equal(plane.counter("http.in.downstream_rq_idle_timeout"), 0);
    assert.equal((await ended)[0], 1006);
    assert.equal((await heard)[0], 1006);
    assert.equal(plane.counter("http.in.downstream_rq_idle_timeout"), 1);
  },
  "100 at once": async ({ open, plane }) => {
    const clients = await Promise.all(Array.from({ length: 100 }, () => open()));
    assert.equal(plane.gauge("http.in.downstream_cx_upgrades_active"), 100);
    const answers = clients.map(nextMessage);
    clients.forEach((client, i) => {
      client.send(`number ${i}`);
    });
    assert.deepEqual(
      (await Promise.all(answers)).map(([data]) => data.toString()),
      clients.map((_, i) => `number ${i}`),
    );
    const ends = clients.map(closed);
    for (const client of clients) client.close(1000);
    assert.ok((await Promise.all(ends)).every(([code]) => code === 1000));
  },
};

/** What is over leaves nothing behind. */
const GAUGES = [
  "http.in.downstream_cx_upgrades_active",
  "http.in.downstream_rq_active",
  "cluster.service.upstream_rq_active",
  "http2.streams_active",
  "cluster.service.http2.streams_active",
];

export function testWebSockets(down: Protocol, up: Protocol): void {
  test(`websockets, ${down} to ${up}`, async (t) => {
    const upstream = await webSocketUpstream(up, serve);
    const manager = { upgrade_configs: [{ upgrade_type: "websocket" }], http2_protocol_options: { allow_connect: true } };
    const off = { cluster: "service", upgrade_configs: [{ upgrade_type: "websocket", enabled: false }] };
    const routes: readonly Json[] = [
      { match: { prefix: "/off" }, route: off },
      { match: { prefix: "/idle" }, route: { cluster: "service", idle_timeout: "0.2s" } },
      { match: { prefix: "/" }, route: { cluster: "service" } },
    ];
    const cluster = { name: "service", ports: [upstream.port], ...(up === "HTTP/2" ? { http2: { allow_connect: true } } : {}) };
    const plane = await startDataPlane([{ name: "in", manager, routes }], [cluster]);
    t.after(async () => {
      await plane.stop();
      await upstream.close();
    });
    const setting = { plane, upstream, open: (path = "/") => openWebSocket(down, plane.port("in"), path) };
    for (const [name, converse] of Object.entries(CONVERSATIONS)) {
      await t.test(name, async (sub) => {
        await converse(setting, sub);
        await until(() => GAUGES.every((gauge) => plane.gauge(gauge) === 0));
      });
    }
  });
}
