// The targets of HTTP/2: frames to the server codec, frames to the client codec, header blocks. What is accepted must keep the rules that
// the rest of the host relies on, and nothing may be left over when the connection is gone.
import assert from "node:assert/strict";
import { HeaderMap } from "../../host/http/header-map.ts";
import { HpackDecoder } from "../../host/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../host/http2/hpack-encoder.ts";
import { isValidFieldName, isValidFieldValue } from "../../host/http1/serialize.ts";
import { FRAME_CASES } from "../http2/frame-cases.ts";
import { ECHO } from "../support/http2-server.ts";
import { requestHeaders } from "../support/http2-client.ts";
import {
  block,
  data,
  F,
  frame,
  headers,
  ping,
  post,
  PREFACE,
  REQUEST,
  rst,
  settings,
  T,
  uint32,
  windowUpdate,
} from "../support/http2-frames.ts";
import { loneClient, loneServer } from "../support/http2-pair.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { pieces } from "./mutate.ts";
import type { Target } from "./targets.ts";

const MAX_CORPUS_BYTES = 4096;

const FRAMES: readonly Buffer[] = [
  settings(),
  settings([4, 1]),
  settings([1, 0], [4, 100_000], [8, 1]),
  frame(T.settings, F.ack, 0),
  headers(1),
  headers(3, post(), F.endHeaders),
  headers(1, REQUEST, F.end),
  frame(T.continuation, F.endHeaders, 1, block([["x", "y"]])),
  data(1, "hello"),
  data(3, "hello", F.end),
  data(3, Buffer.from("\x02hello\0\0"), F.end | F.padded),
  rst(1),
  ping(),
  windowUpdate(0, 1000),
  windowUpdate(1, 1000),
  frame(T.goaway, 0, 0, uint32(1, 0)),
  frame(T.priority, 0, 1, Buffer.alloc(5)),
  headers(1, [[":status", "200"]], F.endHeaders),
  headers(1, [["x-t", "1"]]),
  Buffer.from([0x82, 0x86, 0x84, 0xbe]),
];

function checkHeaders(list: readonly (readonly [string, string])[]): void {
  for (const [name, value] of list) {
    assert.ok(isValidFieldName(name), `name ${JSON.stringify(name)}`);
    assert.ok(isValidFieldValue(value), `value of ${name}`);
  }
}

function serverTarget(input: Buffer, random: SeededRandom): boolean {
  const server = loneServer(ECHO, random.below(2) === 0 ? {} : { streamErrorOnInvalidHttpMessage: false, initialStreamWindowSize: 100 });
  server.codec.onData(Buffer.concat([PREFACE, settings()]));
  for (const piece of pieces(random, input)) {
    server.codec.onData(piece);
    const stream = server.streams[random.below(server.streams.length + 1)] as (typeof server.streams)[number] | undefined;
    if (random.below(4) === 0) stream?.encoder.readDisable(random.below(2) === 0);
    if (random.below(16) === 0) stream?.encoder.resetStream("LocalReset");
  }
  for (const stream of server.streams) checkHeaders(stream.headers);
  server.codec.onClose("");
  const { stats } = server;
  assert.equal(stats.streamsActive.value, 0);
  assert.equal(stats.pendingSendBytes.value, 0);
  assert.equal(stats.deferredStreamClose.value, 0);
  return server.error === "" && server.streams.length > 0;
}

function clientTarget(input: Buffer, random: SeededRandom): boolean {
  const client = loneClient(random.below(2) === 0 ? {} : { streamErrorOnInvalidHttpMessage: false });
  client.codec.onData(settings());
  const exchanges = [client.begin(), client.begin()];
  exchanges[0].encoder?.encodeHeaders(requestHeaders("/"), true);
  exchanges[1].encoder?.encodeHeaders(requestHeaders("/", "POST"), false);
  for (const piece of pieces(random, input)) {
    client.codec.onData(piece);
    if (random.below(4) === 0) exchanges[random.below(2)].encoder?.readDisable(random.below(2) === 0);
    if (random.below(8) === 0) exchanges[1].encoder?.encodeData(Buffer.alloc(random.below(100)), random.below(4) === 0);
    if (random.below(16) === 0) exchanges[random.below(2)].encoder?.resetStream("LocalReset");
  }
  for (const { headers: seen } of exchanges) checkHeaders(seen);
  client.codec.onClose("");
  return exchanges.some(({ isComplete }) => isComplete);
}

/** What decodes is encoded and decoded again as it was. */
function hpackTarget(input: Buffer, random: SeededRandom): boolean {
  const decoder = new HpackDecoder(4096);
  const fields: [string, string][] = [];
  const sink = { onField: (name: string, value: string) => fields.push([name, value]) };
  const accepted = pieces(random, input).every((piece) => decoder.decode(piece, 0, piece.length, sink));
  const list = fields.slice(0, 200);
  const encoder = new HpackEncoder(4096, random.below(2) === 0);
  const bytes = Buffer.alloc(encoder.bound(HeaderMap.from(list)));
  encoder.begin(bytes, 0);
  for (const [name, value] of list) encoder.field(name, value);
  const again: [string, string][] = [];
  assert.ok(new HpackDecoder(4096).decode(bytes, 0, encoder.end(), { onField: (name, value) => again.push([name, value]) }));
  const leftOut = /^(connection|keep-alive|proxy-connection|transfer-encoding|upgrade|host|te)$/;
  assert.deepEqual(
    again.filter(([name]) => !leftOut.test(name)),
    list.filter(([name]) => !leftOut.test(name)),
  );
  return accepted && fields.length > 0;
}

const weighted = FRAME_CASES.flatMap(({ send, goAway, reset }) => {
  const bytes = Buffer.concat(send);
  if (bytes.length === 0 || bytes.length > MAX_CORPUS_BYTES) return [];
  // Good ones count four times: what is near to them gets furthest.
  return goAway === undefined && reset === undefined ? [bytes, bytes, bytes, bytes] : [bytes];
});

const ANSWERS: readonly Buffer[] = [
  Buffer.concat([headers(1, [[":status", "200"]], F.endHeaders), data(1, "body", F.end)]),
  Buffer.concat([
    headers(1, [[":status", "103"]], F.endHeaders),
    headers(
      1,
      [
        [":status", "200"],
        ["content-length", "4"],
      ],
      F.endHeaders,
    ),
    data(1, "body", F.end),
  ]),
  Buffer.concat([headers(3, [[":status", "200"]], F.endHeaders), data(3, "bo"), data(3, "dy"), headers(3, [["x-t", "1"]])]),
  Buffer.concat([headers(1, [[":status", "204"]]), rst(3, 7), frame(T.goaway, 0, 0, uint32(1, 0))]),
];

export const HTTP2_TARGETS: Readonly<Record<string, () => Target>> = {
  "http2-server": () => ({ corpus: weighted, tokens: FRAMES, run: serverTarget }),
  "http2-client": () => ({ corpus: ANSWERS, tokens: FRAMES, run: clientTarget }),
  hpack: () => ({
    corpus: [
      block(REQUEST),
      block([
        ["x-a", "1"],
        ["cookie", "a=b"],
        ["te", "trailers"],
      ]),
      Buffer.from("828684418cf1e3c2e5f23a6ba0ab90f4ff400178017982be", "hex"),
      Buffer.from("203fe11f82", "hex"),
    ],
    tokens: [
      [0x20],
      [0x3f, 0xe1, 0x1f],
      [0xbe],
      [0x40, 1, 0x78, 1, 0x79],
      [0x00, 0x82, 0x1f, 0xff],
      [0xff, 0xff, 0x7f],
      [0x82],
      [0x10],
    ].map((bytes) => Buffer.from(bytes)),
    run: hpackTarget,
  }),
};
