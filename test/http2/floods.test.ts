// What a client may send in great number, and when the connection ends for it. The GOAWAY code is always ENHANCE_YOUR_CALM, each flood
// has its counter, and what was begun before is bounded.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Clock } from "../../host/base/clock.ts";
import type { Http2Options } from "../../host/config/http2.ts";
import type { Http2Stats } from "../../host/http2/stats.ts";
import { ECHO, Http2TestServer } from "../support/http2-server.ts";
import {
  block,
  data,
  F,
  frame,
  headers,
  type Pairs,
  ping,
  post,
  PREFACE,
  RawPeer,
  REQUEST,
  rst,
  settings,
  T,
  windowUpdate,
} from "../support/http2-frames.ts";
import { ManualTime } from "../support/manual-time.ts";

const CALM = 11;
/** Streams that a client may begin and reset at once. */
const PREMATURE_LIMIT = 250;
const PROVOKED_LIMIT = 100;

type CounterName = { readonly [Key in keyof Http2Stats]: Http2Stats[Key] extends { inc(): void } ? Key : never }[keyof Http2Stats];

interface Flood {
  readonly name: string;
  /** The frames of round `i`. */
  readonly round: (i: number) => readonly Buffer[];
  readonly rounds: number;
  readonly counter: CounterName;
  readonly options?: Partial<Http2Options>;
  /** Requests that the connection manager got to see, at most. */
  readonly streams?: number;
  /** Rounds that do no harm. */
  readonly harmless?: number;
}

const id = (i: number): number => 2 * i + 1;
const wait: Pairs = REQUEST.map((pair) => (pair[0] === ":path" ? [":path", "/wait"] : pair));
const begin = (i: number): Buffer => headers(id(i), wait);
const open = (i: number, more: Pairs = []): Buffer => headers(id(i), post(more), F.endHeaders);

const FLOODS: readonly Flood[] = [
  {
    name: "rapid reset",
    round: (i) => [begin(i), rst(id(i))],
    rounds: 20_000,
    harmless: PREMATURE_LIMIT - 1,
    counter: "prematureResetFlood",
    streams: PREMATURE_LIMIT,
  },
  {
    name: "rapid reset of requests with a body",
    round: (i) => [open(i), data(id(i), "x"), rst(id(i))],
    rounds: 1000,
    harmless: PREMATURE_LIMIT - 1,
    counter: "prematureResetFlood",
    streams: PREMATURE_LIMIT,
  },
  {
    name: "rapid reset below a lower burst",
    options: { streamResetBurst: 10 },
    round: (i) => [begin(i), rst(id(i))],
    rounds: 100,
    harmless: 10,
    counter: "prematureResetFlood",
    streams: 11,
  },
  {
    name: "made to reset by an empty WINDOW_UPDATE",
    round: (i) => [open(i), windowUpdate(id(i), 0)],
    rounds: 1000,
    harmless: PROVOKED_LIMIT,
    counter: "provokedResetFlood",
    streams: PROVOKED_LIMIT + 1,
  },
  {
    name: "made to reset by a wrong length",
    round: (i) => [open(i, [["content-length", "1"]]), data(id(i), "xx")],
    rounds: 1000,
    harmless: PROVOKED_LIMIT,
    counter: "provokedResetFlood",
    streams: PROVOKED_LIMIT + 1,
  },
  {
    name: "made to reset by malformed requests",
    round: (i) => [headers(id(i), [...REQUEST, ["A", "b"]])],
    rounds: 1000,
    harmless: PROVOKED_LIMIT,
    counter: "provokedResetFlood",
    streams: PROVOKED_LIMIT + 1,
  },
  {
    name: "made to reset by DATA after the end",
    round: (i) => [begin(i), data(id(i), "x")],
    rounds: 1000,
    harmless: PROVOKED_LIMIT,
    counter: "provokedResetFlood",
    streams: PROVOKED_LIMIT + 1,
  },
  {
    name: "DATA for closed streams",
    round: (i) => [...(i === 0 ? Array.from({ length: 150 }, (_, n) => headers(id(n))) : []), data(id(i), "x")],
    rounds: 150,
    counter: "provokedResetFlood",
  },
  {
    name: "streams over the limit",
    options: { maxConcurrentStreams: 1 },
    round: (i) => [begin(i)],
    rounds: 1000,
    harmless: PROVOKED_LIMIT + 1,
    counter: "provokedResetFlood",
    streams: 1,
  },
  {
    name: "CONTINUATION",
    round: (i) => [i === 0 ? frame(T.headers, F.end, 1, block(REQUEST)) : frame(T.continuation, 0, 1, block([["x", "y"]]))],
    rounds: 10_000,
    harmless: 13,
    counter: "headerOverflow",
    streams: 0,
  },
  {
    name: "empty CONTINUATION",
    round: (i) => [i === 0 ? frame(T.headers, F.end, 1, block(REQUEST)) : frame(T.continuation, 0, 1)],
    rounds: 10_000,
    harmless: 2,
    counter: "inboundEmptyFramesFlood",
    streams: 0,
  },
  {
    name: "empty DATA",
    round: (i) => (i === 0 ? [open(0)] : [data(1, "")]),
    rounds: 1000,
    harmless: 2,
    counter: "inboundEmptyFramesFlood",
  },
  {
    name: "empty HEADERS",
    round: (i) => [frame(T.headers, F.endHeaders, id(i))],
    rounds: 1000,
    harmless: 1,
    counter: "inboundEmptyFramesFlood",
  },
  { name: "SETTINGS", round: () => [settings()], rounds: 20_000, counter: "outboundControlFlood" },
  { name: "PING", round: () => [ping()], rounds: 20_000, counter: "outboundControlFlood" },
  {
    name: "PING against a lower limit",
    options: { maxOutboundControlFrames: 10 },
    round: () => [ping()],
    rounds: 1000,
    counter: "outboundControlFlood",
  },
  {
    name: "answers against a lower limit",
    options: { maxOutboundFrames: 20 },
    round: (i) => [headers(id(i))],
    rounds: 1000,
    counter: "outboundFlood",
  },
  {
    name: "PRIORITY",
    round: (i) => [frame(T.priority, 0, id(i), Buffer.alloc(5))],
    rounds: 10_000,
    harmless: 100,
    counter: "inboundPriorityFramesFlood",
  },
  {
    name: "WINDOW_UPDATE of the connection",
    round: () => [windowUpdate(0, 1)],
    rounds: 10_000,
    harmless: 5,
    counter: "inboundWindowUpdateFramesFlood",
  },
  {
    name: "WINDOW_UPDATE of a stream",
    round: (i) => (i === 0 ? [open(0)] : [windowUpdate(1, 1)]),
    rounds: 10_000,
    harmless: 8,
    counter: "inboundWindowUpdateFramesFlood",
  },
];

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
