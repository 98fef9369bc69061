// What an upstream may send to our client codec, case by case: frames written by hand in answer to one GET. A PING behind them tells when
// they have had their effect.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Http2TestClient, requestHeaders } from "../support/http2-client.ts";
import {
  data,
  F,
  frame,
  headers,
  type Pairs,
  ping,
  RawHttp2Upstream,
  rst,
  settings,
  T,
  uint32,
  windowUpdate,
} from "../support/http2-frames.ts";
import type { Http2Options } from "../../host/config/http2.ts";

interface UpstreamCase {
  readonly name: string;
  readonly send: readonly Buffer[];
  readonly options?: Partial<Http2Options>;
  readonly method?: string;
  readonly request?: Pairs;
  readonly status?: string;
  readonly body?: string;
  readonly trailers?: Pairs;
  readonly informational?: readonly string[];
  /** Reason of onReset; "" none. */
  readonly reset?: string;
  /** Code of the RST_STREAM that the upstream gets. */
  readonly rst?: number;
  /** Code of the GOAWAY with which the connection ends. */
  readonly goAway?: number;
}

const OK: Pairs = [[":status", "200"]];
const answer = (pairs: Pairs = OK, flags: number = F.end | F.endHeaders): Buffer => headers(1, pairs, flags);
const open = (pairs: Pairs = OK): Buffer => answer(pairs, F.endHeaders);
const PROTOCOL = { reset: "ProtocolError", goAway: 1 } as const;
const strict: Partial<Http2Options> = { streamErrorOnInvalidHttpMessage: false };

const CASES: readonly UpstreamCase[] = [
  { name: "an answer without a body", send: [answer()], status: "200" },
  {
    name: "a body and trailers",
    send: [open(), data(1, "bo"), data(1, "dy"), headers(1, [["x-t", "1"]])],
    status: "200",
    body: "body",
    trailers: [["x-t", "1"]],
  },
  { name: "a body with padding", send: [open(), data(1, Buffer.from("\x02body\0\0"), F.end | F.padded)], body: "body" },
  {
    name: "interim answers",
    send: [open([[":status", "100"]]), open([[":status", "103"]]), answer()],
    status: "200",
    informational: ["100", "103"],
  },
  {
    name: "nine interim answers",
    send: Array.from({ length: 9 }, () => open([[":status", "103"]])),
    informational: Array.from({ length: 8 }, () => "103"),
    reset: "ProtocolError",
    rst: 11,
  },
  { name: "an interim answer that ends the stream", send: [answer([[":status", "103"]])], reset: "ProtocolError", rst: 1 },
  { name: "101", send: [open([[":status", "101"]])], reset: "ProtocolError", rst: 1 },
  { name: "no :status", send: [answer([["a", "b"]])], reset: "ProtocolError", rst: 1 },
  { name: "the same, ending the connection", options: strict, send: [answer([["a", "b"]])], ...PROTOCOL },
  { name: ":status twice", send: [answer([...OK, ...OK])], reset: "ProtocolError", rst: 1 },
  { name: ":status that is no status", send: [answer([[":status", "2x0"]])], reset: "ProtocolError", rst: 1 },
  { name: ":status behind a header", send: [answer([["a", "b"], ...OK])], reset: "ProtocolError", rst: 1 },
  { name: "a pseudo header of requests", send: [answer([...OK, [":path", "/"]])], reset: "ProtocolError", rst: 1 },
  { name: "a connection header", send: [answer([...OK, ["connection", "close"]])], reset: "ProtocolError", rst: 1 },
  { name: "a capital letter", options: strict, send: [answer([...OK, ["A", "b"]])], ...PROTOCOL },
  { name: "CR LF in a value", send: [answer([...OK, ["a", "b\r\nset-cookie: x"]])], reset: "ProtocolError", rst: 1 },
  {
    name: "101 headers",
    send: [answer([...OK, ...Array.from({ length: 100 }, (_, i) => [`x-${i}`, ""] as const)])],
    reset: "RemoteReset",
    rst: 2,
  },
  {
    name: "less than content-length",
    send: [open([...OK, ["content-length", "5"]]), data(1, "body", F.end)],
    status: "200",
    reset: "ProtocolError",
    rst: 1,
  },
  {
    name: "more than content-length",
    send: [open([...OK, ["content-length", "3"]]), data(1, "body", F.end)],
    status: "200",
    reset: "ProtocolError",
    rst: 1,
  },
  { name: "content-length and no body", send: [answer([...OK, ["content-length", "3"]])], reset: "ProtocolError", rst: 1 },
  { name: "content-length in answer to HEAD", method: "HEAD", send: [answer([...OK, ["content-length", "3"]])], status: "200" },
  { name: "a body in answer to HEAD", method: "HEAD", send: [open(), data(1, "x", F.end)], reset: "ProtocolError", rst: 1 },
  {
    name: "304 with content-length",
    send: [
      answer([
        [":status", "304"],
        ["content-length", "3"],
      ]),
    ],
    status: "304",
  },
  { name: "204 with a body", send: [open([[":status", "204"]]), data(1, "x", F.end)], reset: "ProtocolError", rst: 1 },
  { name: "trailers that do not end the stream", send: [open(), headers(1, [["x-t", "1"]], F.endHeaders)], reset: "ProtocolError", rst: 1 },
  { name: "a pseudo header in trailers", send: [open(), headers(1, OK)], reset: "ProtocolError", rst: 1 },
  { name: "DATA before HEADERS", send: [data(1, "x", F.end)], ...PROTOCOL },
  { name: "DATA after the end", send: [answer(), data(1, "x", F.end)], status: "200", rst: 5 },
  { name: "HEADERS after the end", send: [answer(), answer([[":status", "500"]])], status: "200", rst: 5 },
  { name: "an answer to a request that was not made", send: [headers(3, OK)], ...PROTOCOL },
  { name: "DATA of a request that was not made", send: [data(3, "x")], ...PROTOCOL },
  { name: "a pushed stream", send: [frame(T.push, F.endHeaders, 1, Buffer.concat([uint32(2), Buffer.from([0x82])]))], ...PROTOCOL },
  { name: "an answer on an even stream", send: [headers(2, OK)], ...PROTOCOL },
  { name: "ENABLE_PUSH 1 of a server", send: [settings([2, 1])], ...PROTOCOL },
  { name: "a block that is no HPACK", send: [frame(T.headers, F.endHeaders, 1, Buffer.from([0x80]))], reset: "ProtocolError", goAway: 9 },
  { name: "a frame that is too large", send: [frame(T.data, 0, 1, Buffer.alloc(16_385))], reset: "ProtocolError", goAway: 6 },
  { name: "reset", send: [rst(1)], reset: "RemoteReset" },
  { name: "refused", send: [rst(1, 7)], reset: "RemoteRefusedStreamReset" },
  { name: "reset after the end", send: [answer(), rst(1, 0)], status: "200" },
  { name: "GOAWAY above the request", send: [frame(T.goaway, 0, 0, uint32(1, 0)), answer()], status: "200" },
  { name: "GOAWAY below the request", send: [frame(T.goaway, 0, 0, uint32(0, 0)), answer()], reset: "RemoteRefusedStreamReset", rst: 5 },
  { name: "an empty frame in a row too many", send: [open(), data(1, ""), data(1, "")], reset: "ProtocolError", goAway: 11 },
  {
    name: "PRIORITY in great number",
    send: Array.from({ length: 201 }, () => frame(T.priority, 0, 1, Buffer.alloc(5))),
    reset: "ProtocolError",
    goAway: 11,
  },
  { name: "WINDOW_UPDATE in great number", send: Array.from({ length: 8 }, () => windowUpdate(1, 1)), reset: "ProtocolError", goAway: 11 },
  { name: "PING in great number", send: Array.from({ length: 1001 }, () => ping()), reset: "ProtocolError", goAway: 11 },
  { name: "SETTINGS in great number", send: Array.from({ length: 1001 }, () => settings()), reset: "ProtocolError", goAway: 11 },
  {
    name: "CONTINUATION in great number",
    send: [headers(1, OK, 0), ...Array.from({ length: 13 }, () => frame(T.continuation, 0, 1, Buffer.from([0x88])))],
    reset: "ProtocolError",
    goAway: 11,
  },
  { name: "unknown frames, ORIGIN among them", send: [frame(0x0c, 0, 0, "\0\x01a"), frame(0x99, 0, 1), answer()], status: "200" },
  {
    name: "an upgrade that is taken",
    request: [
      ["connection", "upgrade"],
      ["upgrade", "websocket"],
    ],
    send: [settings([8, 1]), open(), data(1, "x", F.end)],
    status: "101",
    body: "x",
  },
  {
    name: "an upgrade that is not",
    request: [
      ["connection", "upgrade"],
      ["upgrade", "websocket"],
    ],
    send: [settings([8, 1]), open([[":status", "403"]]), data(1, "x", F.end)],
    status: "403",
    body: "x",
  },
];

const upstream = new RawHttp2Upstream();

async function check(given: UpstreamCase): Promise<void> {
  upstream.onPeer = (peer) => {
    peer.write(settings(), frame(T.settings, F.ack, 0));
    peer.onFrame = ({ type }) => {
      if (type === T.headers) peer.write(...given.send, ping("the-end!"));
    };
  };
  const client = new Http2TestClient(upstream.port, given.options);
  const exchange = client.begin();
  exchange.encoder?.encodeHeaders(requestHeaders("/", given.method, given.request), given.request === undefined);
  await client.settled;
  const peer = upstream.peers[upstream.peers.length - 1];
  await peer.until(() => peer.of(T.ping).some(({ payload }) => payload.latin1Slice() === "the-end!"));
  if (given.goAway !== undefined) await client.closed;
  assert.equal(exchange.reset?.[0] ?? "", given.reset ?? "", exchange.reset?.[1]);
  if (given.status !== undefined) assert.equal(exchange.status, given.status);
  if (given.body !== undefined) assert.equal(exchange.text, given.body);
  if (given.trailers !== undefined) assert.deepEqual(exchange.trailers, given.trailers);
  assert.deepEqual(exchange.informational, given.informational ?? []);
  assert.equal(peer.resetOf(1), given.rst ?? (given.status === "403" ? 2 : undefined));
  assert.equal(peer.goAway, given.goAway);
  if (given.reset === undefined) assert.ok(exchange.isComplete);
  client.connection.destroy();
  await client.closed;
  assert.equal(client.stats.streamsActive.value, 0);
}

before(async () => {
  await upstream.listen();
});
after(() => upstream.close());

for (const given of CASES) test(given.name, () => check(given));

test("streams that were begun before the SETTINGS came are 100 at most", async () => {
  upstream.onPeer = () => {};
  const client = new Http2TestClient(upstream.port, { maxConcurrentStreams: 1024 });
  assert.equal(client.codec.maxConcurrentStreams, 100);
  upstream.onPeer = (peer) => peer.write(settings([3, 0]));
  await client.settled;
  assert.equal(client.codec.maxConcurrentStreams, 0);
  client.connection.destroy();
});

test("a connection that breaks off ends its requests", async () => {
  upstream.onPeer = (peer) => {
    peer.write(settings());
    peer.onFrame = ({ type }) => {
      if (type === T.headers) peer.destroy();
    };
  };
  const client = new Http2TestClient(upstream.port);
  const exchange = client.send(requestHeaders("/"));
  await client.closed;
  assert.equal(exchange.reset?.[0], "ConnectionTermination");
  assert.equal(client.completed, 0);
});
