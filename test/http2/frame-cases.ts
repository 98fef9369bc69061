// What a client may send to a server, case by case, with the section of the RFC that says what must follow: RFC 9113 (HTTP/2), RFC 7541
// (HPACK), RFC 8441 (extended CONNECT). Connection errors name the GOAWAY code, stream errors the RST_STREAM code on stream 1.
import type { Http2Options } from "../../host/config/http2.ts";
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
  REQUEST,
  rst,
  settings,
  T,
  uint32,
  windowUpdate,
} from "../support/http2-frames.ts";

export interface FrameCase {
  /** Number and section; or the limit that the case is about. */
  readonly rfc: string;
  readonly name: string;
  readonly send: readonly Buffer[];
  /** Instead of the preface and empty SETTINGS. */
  readonly begin?: readonly Buffer[];
  readonly options?: Partial<Http2Options>;
  /** The connection ends with one of these. */
  readonly goAway?: readonly number[];
  /** Stream → code of its RST_STREAM. */
  readonly reset?: Readonly<Record<number, number>>;
  /** Stream → status. */
  readonly status?: Readonly<Record<number, string>>;
  /** Stream → body. */
  readonly body?: Readonly<Record<number, string>>;
  /** What the request looks like to the connection manager. */
  readonly sees?: Pairs;
  readonly trailers?: Pairs;
}

const PROTOCOL = 1;
const INTERNAL = 2;
const FLOW = 3;
const CLOSED = 5;
const SIZE = 6;
const REFUSED = 7;
const COMPRESSION = 9;
const CALM = 11;

const open = (id = 1, more: Pairs = []): Buffer => headers(id, post(more), F.endHeaders);
const raw = (id: number, bytes: readonly number[] | Buffer, flags: number = F.end | F.endHeaders): Buffer =>
  frame(T.headers, flags, id, Buffer.from(bytes));
/** :method GET, :scheme http, :path /, :authority (as a literal): the static table's short form. */
const INDEXED = [0x82, 0x86, 0x84, 0x01, 0x01, 0x61];
const with_ = (...more: Pairs): Buffer => headers(1, [...REQUEST, ...more]);
const without = (name: string): Buffer =>
  headers(
    1,
    REQUEST.filter(([other]) => other !== name),
  );
const twice = (name: string): Buffer =>
  headers(
    1,
    REQUEST.flatMap((pair) => (pair[0] === name ? [pair, pair] : [pair])),
  );
const replaced = (name: string, value: string): Buffer =>
  headers(
    1,
    REQUEST.map((pair) => (pair[0] === name ? [name, value] : pair)),
  );
const priority = (id: number, dependency: number, weight = 15): Buffer =>
  frame(T.priority, 0, id, Buffer.concat([uint32(dependency), Buffer.from([weight])]));
const pad = (length: number, content: string | Buffer, padding = length): Buffer =>
  Buffer.concat([Buffer.from([length]), Buffer.from(content as string), Buffer.alloc(padding)]);
const ok = { 1: "200" };
const split = (pairs: Pairs, pieces: number): Buffer[] => {
  const whole = block(pairs);
  const size = Math.ceil(whole.length / pieces);
  return Array.from({ length: pieces }, (_, i) => whole.subarray(i * size, (i + 1) * size));
};
const continued = (id: number, pieces: readonly Buffer[], first: number = F.end): Buffer[] =>
  pieces.map((piece, i) =>
    frame(i === 0 ? T.headers : T.continuation, (i === 0 ? first : 0) | (i === pieces.length - 1 ? F.endHeaders : 0), id, piece),
  );
const CONNECT: Pairs = [
  [":method", "CONNECT"],
  [":authority", "a.example:443"],
];
const EXTENDED: Pairs = [
  [":method", "CONNECT"],
  [":protocol", "websocket"],
  [":scheme", "http"],
  [":path", "/chat"],
  [":authority", "a.example"],
];
const strict: Partial<Http2Options> = { streamErrorOnInvalidHttpMessage: false };

const starting: readonly FrameCase[] = [
  { rfc: "9113 3.4", name: "the preface and empty SETTINGS", send: [headers(1)], status: ok },
  { rfc: "9113 3.4", name: "SETTINGS with values", begin: [PREFACE, settings([3, 10], [4, 100_000])], send: [headers(1)], status: ok },
  {
    rfc: "9113 3.4",
    name: "a preface with one wrong byte",
    begin: [Buffer.from("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")],
    send: [],
    goAway: [PROTOCOL],
  },
  {
    rfc: "9113 3.4",
    name: "a request of HTTP/1.1",
    begin: [Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
    send: [],
    goAway: [PROTOCOL],
  },
  { rfc: "9113 3.4", name: "HEADERS before SETTINGS", begin: [PREFACE], send: [headers(1)], goAway: [PROTOCOL] },
  {
    rfc: "9113 3.4",
    name: "an acknowledgement before SETTINGS",
    begin: [PREFACE],
    send: [frame(T.settings, F.ack, 0)],
    goAway: [PROTOCOL],
  },
  { rfc: "9113 3.4", name: "PING before SETTINGS", begin: [PREFACE], send: [ping()], goAway: [PROTOCOL] },
];

const framing: readonly FrameCase[] = [
  { rfc: "9113 4.1", name: "a frame of unknown type", send: [frame(0xfa, 0xff, 0, "x"), headers(1)], status: ok },
  { rfc: "9113 4.1", name: "a frame of unknown type on a stream", send: [frame(0x16, 0, 7, "x"), headers(1)], status: ok },
  { rfc: "9113 4.1", name: "flags that mean nothing", send: [frame(T.ping, 0x16, 0, "abcdefgh"), headers(1)], status: ok },
  {
    rfc: "9113 4.1",
    name: "the reserved bit",
    send: [frame(T.ping, 0, 0x8000_0000, "abcdefgh"), frame(T.headers, 5, 0x8000_0001, block(REQUEST))],
    status: ok,
  },
  {
    rfc: "9113 4.2",
    name: "DATA of 2^14 bytes",
    send: [open(), data(1, Buffer.alloc(16_384, "d"), F.end)],
    status: ok,
    body: { 1: "d".repeat(16_384) },
  },
  { rfc: "9113 4.2", name: "DATA of one byte more", send: [open(), data(1, Buffer.alloc(16_385))], goAway: [SIZE] },
  { rfc: "9113 4.2", name: "HEADERS of more than 2^14 bytes", send: [raw(1, Buffer.alloc(16_385))], goAway: [SIZE] },
  { rfc: "9113 4.2", name: "an unknown type of more than 2^14 bytes", send: [frame(0x20, 0, 0, Buffer.alloc(16_385))], goAway: [SIZE] },
  { rfc: "9113 4.3", name: "a header block that is no HPACK", send: [raw(1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff])], goAway: [COMPRESSION] },
  { rfc: "9113 4.3", name: "a header block that breaks off", send: [raw(1, [0x82, 0x40, 0x05, 0x61])], goAway: [COMPRESSION] },
  { rfc: "9113 4.3", name: "PRIORITY inside a header block", send: [headers(1, REQUEST, F.end), priority(1, 0)], goAway: [PROTOCOL] },
  {
    rfc: "9113 4.3",
    name: "HEADERS of another stream inside a header block",
    send: [headers(1, REQUEST, F.end), headers(3)],
    goAway: [PROTOCOL],
  },
  {
    rfc: "9113 5.5",
    name: "an unknown type inside a header block",
    send: [headers(1, REQUEST, F.end), frame(0xfa, 0, 0)],
    goAway: [PROTOCOL],
  },
  { rfc: "9113 5.5", name: "DATA inside a header block", send: [headers(1, post(), 0), data(1, "x")], goAway: [PROTOCOL] },
];

const states: readonly FrameCase[] = [
  { rfc: "9113 5.1", name: "idle: DATA", send: [data(1, "x", F.end)], goAway: [PROTOCOL] },
  { rfc: "9113 5.1", name: "idle: RST_STREAM", send: [rst(1)], goAway: [PROTOCOL] },
  { rfc: "9113 5.1", name: "idle: WINDOW_UPDATE", send: [windowUpdate(1, 100)], goAway: [PROTOCOL] },
  { rfc: "9113 5.1", name: "idle: CONTINUATION", send: [frame(T.continuation, F.endHeaders, 1, block(REQUEST))], goAway: [PROTOCOL] },
  { rfc: "9113 5.1", name: "idle: PRIORITY", send: [priority(1, 0), headers(1)], status: ok },
  { rfc: "9113 5.1", name: "idle, even number: DATA", send: [data(2, "x", F.end)], goAway: [PROTOCOL] },
  {
    rfc: "9113 5.1",
    name: "half-closed: DATA",
    send: [headers(1, [...REQUEST.slice(0, 2), [":path", "/wait"], REQUEST[3]]), data(1, "x", F.end)],
    reset: { 1: CLOSED },
  },
  {
    rfc: "9113 5.1",
    name: "half-closed: HEADERS",
    send: [headers(1, [...REQUEST.slice(0, 2), [":path", "/wait"], REQUEST[3]]), headers(1)],
    reset: { 1: CLOSED },
  },
  {
    rfc: "9113 5.1",
    name: "half-closed: CONTINUATION",
    send: [headers(1), frame(T.continuation, F.endHeaders, 1, block(REQUEST))],
    goAway: [PROTOCOL],
  },
  {
    rfc: "9113 5.1",
    name: "half-closed: WINDOW_UPDATE, PRIORITY",
    send: [headers(1, [...REQUEST.slice(0, 2), [":path", "/wait"], REQUEST[3]]), windowUpdate(1, 5), priority(1, 0), headers(3)],
    status: { 3: "200" },
  },
  {
    rfc: "9113 5.1",
    name: "half-closed: RST_STREAM",
    send: [headers(1, [...REQUEST.slice(0, 2), [":path", "/wait"], REQUEST[3]]), rst(1), headers(3)],
    status: { 3: "200" },
  },
  { rfc: "9113 5.1", name: "reset by the peer: DATA", send: [open(), rst(1), data(1, "x", F.end)], reset: { 1: CLOSED } },
  { rfc: "9113 5.1", name: "reset by the peer: HEADERS", send: [open(), rst(1), headers(1)], goAway: [CLOSED] },
  {
    rfc: "9113 5.1",
    name: "reset by the peer: CONTINUATION",
    send: [open(), rst(1), frame(T.continuation, F.endHeaders, 1, block(REQUEST))],
    goAway: [PROTOCOL],
  },
  { rfc: "9113 5.1", name: "closed: DATA", send: [headers(1), data(1, "x", F.end)], status: ok, reset: { 1: CLOSED } },
  { rfc: "9113 5.1", name: "closed: HEADERS", send: [headers(1), headers(1)], goAway: [CLOSED] },
  {
    rfc: "9113 5.1",
    name: "closed: CONTINUATION",
    send: [headers(1), frame(T.continuation, F.endHeaders, 1, block(REQUEST))],
    goAway: [PROTOCOL],
  },
  {
    rfc: "9113 5.1",
    name: "closed: WINDOW_UPDATE, PRIORITY, RST_STREAM",
    send: [headers(1), windowUpdate(1, 5), priority(1, 0), rst(1), headers(3)],
    status: { 1: "200", 3: "200" },
  },
  {
    rfc: "9113 5.4.2",
    name: "reset by us: what was on its way",
    send: [open(1, [["content-length", "1"]]), data(1, "xx"), data(1, "yy"), headers(1, [["x-t", "1"]]), headers(3)],
    reset: { 1: PROTOCOL },
    status: { 3: "200" },
  },
  { rfc: "9113 5.1.1", name: "an even number", send: [headers(2)], goAway: [PROTOCOL] },
  { rfc: "9113 5.1.1", name: "a smaller number", send: [headers(5), headers(3)], goAway: [CLOSED] },
  {
    rfc: "9113 5.1.1",
    name: "numbers left out",
    send: [headers(1), headers(101), headers(2_147_483_647)],
    status: { 1: "200", 101: "200", 2147483647: "200" },
  },
  { rfc: "9113 5.1.1", name: "HEADERS on stream 0", send: [headers(0)], goAway: [PROTOCOL] },
  {
    rfc: "9113 5.1.2",
    name: "more streams than allowed",
    options: { maxConcurrentStreams: 2 },
    send: [open(1), open(3), headers(5), data(3, "", F.end), headers(7)],
    reset: { 5: REFUSED },
    status: { 3: "200", 7: "200" },
  },
  {
    rfc: "9113 5.3.2",
    name: "a stream that depends on itself, in HEADERS",
    send: [frame(T.headers, 0x25, 1, Buffer.concat([uint32(1), Buffer.from([1]), block(REQUEST)]))],
    status: ok,
  },
  { rfc: "9113 5.3.2", name: "a stream that depends on itself, in PRIORITY", send: [priority(1, 1), headers(1)], status: ok },
];

const frames: readonly FrameCase[] = [
  { rfc: "9113 6.1", name: "DATA in one frame", send: [open(), data(1, "body", F.end)], body: { 1: "body" } },
  { rfc: "9113 6.1", name: "DATA in many frames", send: [open(), data(1, "bo"), data(1, "d"), data(1, "y", F.end)], body: { 1: "body" } },
  { rfc: "9113 6.1", name: "an empty DATA at the end", send: [open(), data(1, "body"), data(1, "", F.end)], body: { 1: "body" } },
  { rfc: "9113 6.1", name: "DATA with padding", send: [open(), data(1, pad(6, "body"), F.end | F.padded)], body: { 1: "body" } },
  {
    rfc: "9113 6.1",
    name: "DATA of padding alone",
    send: [open(), data(1, pad(255, ""), F.padded), data(1, "x", F.end)],
    body: { 1: "x" },
  },
  { rfc: "9113 6.1", name: "DATA on stream 0", send: [data(0, "x")], goAway: [PROTOCOL] },
  {
    rfc: "9113 6.1",
    name: "padding as long as the frame",
    send: [open(), data(1, pad(5, "body", 0), F.end | F.padded)],
    goAway: [PROTOCOL],
  },
  { rfc: "9113 6.1", name: "DATA with padding, and not even its length", send: [open(), data(1, "", F.end | F.padded)], goAway: [SIZE] },
  { rfc: "9113 6.2", name: "HEADERS with padding", send: [raw(1, pad(3, block(REQUEST)), 0xd)], status: ok },
  {
    rfc: "9113 6.2",
    name: "HEADERS with priority",
    send: [raw(1, Buffer.concat([uint32(0), Buffer.from([255]), block(REQUEST)]), 0x25)],
    status: ok,
  },
  {
    rfc: "9113 6.2",
    name: "HEADERS with padding and priority",
    send: [raw(1, pad(2, Buffer.concat([uint32(0x8000_0003), Buffer.from([0]), block(REQUEST)])), 0x2d)],
    status: ok,
  },
  { rfc: "9113 6.2", name: "HEADERS with more padding than payload", send: [raw(1, [200, 0x82, 0x86], 0xd)], goAway: [PROTOCOL] },
  { rfc: "9113 6.2", name: "HEADERS too short for its priority", send: [raw(1, [0, 0, 0], 0x25)], goAway: [SIZE] },
  { rfc: "9113 6.3", name: "PRIORITY of weight 1 and 256", send: [priority(1, 0, 0), priority(1, 0, 255), headers(1)], status: ok },
  { rfc: "9113 6.3", name: "PRIORITY, exclusive", send: [priority(3, 0x8000_0001), headers(1)], status: ok },
  { rfc: "9113 6.3", name: "PRIORITY on stream 0", send: [priority(0, 1)], goAway: [PROTOCOL] },
  { rfc: "9113 6.3", name: "PRIORITY of 4 bytes", send: [frame(T.priority, 0, 1, uint32(0))], goAway: [SIZE] },
  { rfc: "9113 6.4", name: "RST_STREAM", send: [open(), rst(1), headers(3)], status: { 3: "200" } },
  { rfc: "9113 6.4", name: "RST_STREAM on stream 0", send: [rst(0)], goAway: [PROTOCOL] },
  { rfc: "9113 6.4", name: "RST_STREAM of 3 bytes", send: [open(), frame(T.rst, 0, 1, "abc")], goAway: [SIZE] },
  { rfc: "9113 6.5", name: "an acknowledgement with a payload", send: [frame(T.settings, F.ack, 0, Buffer.alloc(6))], goAway: [SIZE] },
  { rfc: "9113 6.5", name: "SETTINGS on a stream", send: [frame(T.settings, 0, 1)], goAway: [PROTOCOL] },
  { rfc: "9113 6.5", name: "SETTINGS of 5 bytes", send: [frame(T.settings, 0, 0, Buffer.alloc(5))], goAway: [SIZE] },
  { rfc: "9113 6.5.2", name: "ENABLE_PUSH 2", send: [settings([2, 2])], goAway: [PROTOCOL] },
  { rfc: "9113 6.5.2", name: "ENABLE_PUSH 1 of a client", send: [settings([2, 1]), headers(1)], status: ok },
  { rfc: "9113 6.5.2", name: "INITIAL_WINDOW_SIZE above 2^31-1", send: [settings([4, 0x8000_0000])], goAway: [FLOW] },
  { rfc: "9113 6.5.2", name: "MAX_FRAME_SIZE below 2^14", send: [settings([5, 16_383])], goAway: [PROTOCOL] },
  { rfc: "9113 6.5.2", name: "MAX_FRAME_SIZE above 2^24-1", send: [settings([5, 16_777_216])], goAway: [PROTOCOL] },
  {
    rfc: "9113 6.5.2",
    name: "MAX_FRAME_SIZE at its bounds",
    send: [settings([5, 16_384]), settings([5, 16_777_215]), headers(1)],
    status: ok,
  },
  { rfc: "9113 6.5.2", name: "a setting that nobody knows", send: [settings([0xff, 1]), headers(1)], status: ok },
  { rfc: "9113 6.5.2", name: "MAX_HEADER_LIST_SIZE", send: [settings([6, 100]), headers(1)], status: ok },
  {
    rfc: "9113 6.5.2",
    name: "33 settings in one frame",
    send: [settings(...Array.from({ length: 33 }, () => [6, 1] as const))],
    goAway: [CALM],
  },
  { rfc: "8441 3", name: "ENABLE_CONNECT_PROTOCOL 2", send: [settings([8, 2])], goAway: [PROTOCOL] },
  { rfc: "8441 3", name: "ENABLE_CONNECT_PROTOCOL taken back", send: [settings([8, 1]), settings([8, 0])], goAway: [PROTOCOL] },
  {
    rfc: "9113 6.5.3",
    name: "the last of several values counts",
    send: [settings([4, 100], [4, 1]), headers(1)],
    status: ok,
    body: { 1: "o" },
  },
  {
    rfc: "9113 6.6",
    name: "PUSH_PROMISE of a client",
    send: [frame(T.push, F.endHeaders, 1, Buffer.concat([uint32(2), block(REQUEST)]))],
    goAway: [PROTOCOL],
  },
  { rfc: "9113 6.7", name: "PING", send: [ping("abcdefgh"), headers(1)], status: ok },
  { rfc: "9113 6.7", name: "an acknowledgement of a PING that was not sent", send: [ping("abcdefgh", F.ack), headers(1)], status: ok },
  { rfc: "9113 6.7", name: "PING on a stream", send: [frame(T.ping, 0, 1, "abcdefgh")], goAway: [PROTOCOL] },
  { rfc: "9113 6.7", name: "PING of 6 bytes", send: [frame(T.ping, 0, 0, "abcdef")], goAway: [SIZE] },
  { rfc: "9113 6.8", name: "GOAWAY of a client that goes on", send: [frame(T.goaway, 0, 0, uint32(0, 0)), headers(1)], status: ok },
  {
    rfc: "9113 6.8",
    name: "GOAWAY with debug data",
    send: [frame(T.goaway, 0, 0, Buffer.concat([uint32(0, 0), Buffer.from("bye")])), headers(1)],
    status: ok,
  },
  { rfc: "9113 6.8", name: "GOAWAY on a stream", send: [frame(T.goaway, 0, 1, uint32(0, 0))], goAway: [PROTOCOL] },
  { rfc: "9113 6.8", name: "GOAWAY of 7 bytes", send: [frame(T.goaway, 0, 0, Buffer.alloc(7))], goAway: [SIZE] },
  {
    rfc: "9113 6.9",
    name: "WINDOW_UPDATE of the connection and of a stream",
    send: [windowUpdate(0, 1), open(), windowUpdate(1, 1), data(1, "x", F.end)],
    status: ok,
  },
  { rfc: "9113 6.9", name: "WINDOW_UPDATE of nothing, connection", send: [windowUpdate(0, 0)], goAway: [PROTOCOL] },
  { rfc: "9113 6.9", name: "WINDOW_UPDATE of nothing, stream", send: [open(), windowUpdate(1, 0)], reset: { 1: PROTOCOL } },
  { rfc: "9113 6.9", name: "WINDOW_UPDATE of 3 bytes", send: [frame(T.windowUpdate, 0, 0, "abc")], goAway: [SIZE] },
  {
    rfc: "9113 6.9",
    name: "more DATA than the stream's window",
    send: [
      headers(
        1,
        [
          [":method", "POST"],
          [":scheme", "http"],
          [":path", "/stall"],
          [":authority", "a"],
        ],
        F.endHeaders,
      ),
      ...Array.from({ length: 5 }, () => data(1, Buffer.alloc(16_384))),
    ],
    reset: { 1: FLOW },
  },
  { rfc: "9113 6.9.1", name: "a window of one byte", send: [settings([4, 1]), headers(1)], status: ok, body: { 1: "o" } },
  {
    rfc: "9113 6.9.1",
    name: "a window that opens later",
    send: [settings([4, 0]), headers(1), windowUpdate(1, 1), windowUpdate(1, 1)],
    status: ok,
    body: { 1: "ok" },
  },
  { rfc: "9113 6.9.1", name: "a window above 2^31-1, connection", send: [windowUpdate(0, 0x7fff_ffff)], goAway: [FLOW] },
  { rfc: "9113 6.9.1", name: "a window above 2^31-1, stream", send: [open(), windowUpdate(1, 0x7fff_ffff)], reset: { 1: FLOW } },
  {
    rfc: "9113 6.9.2",
    name: "INITIAL_WINDOW_SIZE raised for open streams",
    send: [settings([4, 0]), headers(1), settings([4, 1])],
    status: ok,
    body: { 1: "o" },
  },
  {
    rfc: "9113 6.9.2",
    name: "a window below zero",
    send: [settings([4, 1]), headers(1), settings([4, 0]), windowUpdate(1, 1), windowUpdate(1, 1)],
    status: ok,
    body: { 1: "ok" },
  },
  {
    rfc: "9113 6.9.2",
    name: "INITIAL_WINDOW_SIZE that makes a window too large",
    send: [open(), windowUpdate(1, 0x7fff_0000), settings([4, 0x7fff_ffff])],
    goAway: [FLOW],
  },
  { rfc: "9113 6.10", name: "one CONTINUATION", send: continued(1, split(REQUEST, 2)), status: ok },
  { rfc: "9113 6.10", name: "several CONTINUATION frames", send: continued(1, split(REQUEST, 6)), status: ok },
  { rfc: "9113 6.10", name: "DATA instead of CONTINUATION", send: [headers(1, post(), 0), data(1, "x", F.end)], goAway: [PROTOCOL] },
  {
    rfc: "9113 6.10",
    name: "CONTINUATION on stream 0",
    send: [headers(1, REQUEST, F.end), frame(T.continuation, F.endHeaders, 0)],
    goAway: [PROTOCOL],
  },
  {
    rfc: "9113 6.10",
    name: "CONTINUATION on another stream",
    send: [headers(1, REQUEST, F.end), frame(T.continuation, F.endHeaders, 3)],
    goAway: [PROTOCOL],
  },
  {
    rfc: "9113 6.10",
    name: "CONTINUATION behind END_HEADERS",
    send: [open(), frame(T.continuation, F.endHeaders, 1, block([["a", "b"]]))],
    goAway: [PROTOCOL],
  },
  {
    rfc: "9113 6.10",
    name: "CONTINUATION behind a CONTINUATION with END_HEADERS",
    send: [...continued(1, split(post(), 2), 0), frame(T.continuation, F.endHeaders, 1)],
    goAway: [PROTOCOL],
  },
  {
    rfc: "9113 6.10",
    name: "CONTINUATION behind DATA",
    send: [open(), data(1, "x"), frame(T.continuation, F.endHeaders, 1)],
    goAway: [PROTOCOL],
  },
  { rfc: "9113 7", name: "GOAWAY with an unknown code", send: [frame(T.goaway, 0, 0, uint32(0, 0xff)), headers(1)], status: ok },
  { rfc: "9113 7", name: "RST_STREAM with an unknown code", send: [open(), rst(1, 0xff), headers(3)], status: { 3: "200" } },
];

const INVALID = { 1: PROTOCOL };
const messages: readonly FrameCase[] = [
  { rfc: "9113 8.1", name: "HEAD", send: [replaced(":method", "HEAD")], status: ok, body: { 1: "" } },
  {
    rfc: "9113 8.1",
    name: "POST with trailers",
    send: [open(), data(1, "body"), headers(1, [["x-sum", "7"]])],
    body: { 1: "body" },
    trailers: [["x-sum", "7"]],
  },
  {
    rfc: "9113 8.1",
    name: "a second HEADERS that does not end the stream",
    send: [open(), headers(1, [["x-t", "1"]], F.endHeaders)],
    reset: INVALID,
  },
  {
    rfc: "9113 8.1",
    name: "the same, ending the connection",
    options: strict,
    send: [open(), headers(1, [["x-t", "1"]], F.endHeaders)],
    goAway: [PROTOCOL],
  },
  {
    rfc: "9113 8.1.1",
    name: "content-length and DATA of that length",
    send: [open(1, [["content-length", "4"]]), data(1, "bo"), data(1, "dy", F.end)],
    body: { 1: "body" },
  },
  {
    rfc: "9113 8.1.1",
    name: "content-length with leading zeros",
    send: [open(1, [["content-length", "04"]]), data(1, "body", F.end)],
    sees: [["content-length", "4"]],
  },
  {
    rfc: "9113 8.1.1",
    name: "less DATA than content-length",
    send: [open(1, [["content-length", "5"]]), data(1, "body", F.end)],
    reset: INVALID,
  },
  {
    rfc: "9113 8.1.1",
    name: "more DATA than content-length",
    send: [open(1, [["content-length", "3"]]), data(1, "body", F.end)],
    reset: INVALID,
  },
  {
    rfc: "9113 8.1.1",
    name: "more DATA than content-length, in pieces",
    send: [open(1, [["content-length", "3"]]), data(1, "bo"), data(1, "dy", F.end)],
    reset: INVALID,
  },
  {
    rfc: "9113 8.1.1",
    name: "trailers before all of the body",
    send: [open(1, [["content-length", "3"]]), data(1, "bo"), headers(1, [["x-t", "1"]])],
    reset: INVALID,
  },
  { rfc: "9113 8.1.1", name: "content-length without a body", send: [headers(1, post([["content-length", "1"]]))], reset: INVALID },
  {
    rfc: "9113 8.1.1",
    name: "content-length twice",
    send: [
      open(1, [
        ["content-length", "1"],
        ["content-length", "1"],
      ]),
      data(1, "x", F.end),
    ],
    reset: INVALID,
  },
  { rfc: "9113 8.1.1", name: "content-length that is no number", send: [with_(["content-length", "+1"])], reset: INVALID },
  { rfc: "9113 8.2", name: "a name with a capital letter", send: [with_(["X-Test", "1"])], reset: INVALID },
  { rfc: "9113 8.2", name: "the same, ending the connection", options: strict, send: [with_(["X-Test", "1"])], goAway: [PROTOCOL] },
  { rfc: "9113 8.2.1", name: "an empty name", send: [with_(["", "1"])], reset: INVALID },
  { rfc: "9113 8.2.1", name: "a blank in a name", send: [with_(["a b", "1"])], reset: INVALID },
  { rfc: "9113 8.2.1", name: "a colon in a name", send: [with_(["a:b", "1"])], reset: INVALID },
  { rfc: "9113 8.2.1", name: "CR LF in a value", send: [with_(["a", "b\r\nx: y"])], reset: INVALID },
  { rfc: "9113 8.2.1", name: "LF in a value", send: [with_(["a", "b\n"])], reset: INVALID },
  { rfc: "9113 8.2.1", name: "NUL in a value", send: [with_(["a", "b\0c"])], reset: INVALID },
  { rfc: "9113 8.2.1", name: "DEL in a value", send: [with_(["a", "b\x7f"])], reset: INVALID },
  { rfc: "9113 8.2.1", name: "bytes above 0x7f in a value", send: [with_(["a", "\xe9\xff"])], sees: [["a", "\xe9\xff"]], status: ok },
  {
    rfc: "9113 8.2.1",
    name: "the same, with disallow_obs_text",
    options: { disallowObsText: true },
    send: [with_(["a", "\xe9"])],
    reset: INVALID,
  },
  { rfc: "9113 8.2.2", name: "connection", send: [with_(["connection", "keep-alive"])], reset: INVALID },
  { rfc: "9113 8.2.2", name: "keep-alive", send: [with_(["keep-alive", "timeout=5"])], reset: INVALID },
  { rfc: "9113 8.2.2", name: "proxy-connection", send: [with_(["proxy-connection", "close"])], reset: INVALID },
  { rfc: "9113 8.2.2", name: "transfer-encoding", send: [with_(["transfer-encoding", "chunked"])], reset: INVALID },
  { rfc: "9113 8.2.2", name: "upgrade", send: [with_(["upgrade", "websocket"])], reset: INVALID },
  { rfc: "9113 8.2.2", name: "te: trailers", send: [with_(["te", "trailers"])], sees: [["te", "trailers"]], status: ok },
  { rfc: "9113 8.2.2", name: "te with something else", send: [with_(["te", "trailers, deflate;q=0.5"])], reset: INVALID },
  { rfc: "9113 8.2.2", name: "connection in trailers", send: [open(), headers(1, [["connection", "close"]])], reset: INVALID },
  {
    rfc: "9113 8.2.3",
    name: "crumbs of a cookie",
    send: [with_(["cookie", "a=b"], ["x-between", "1"], ["cookie", "c=d"], ["cookie", "e=f"])],
    sees: [["cookie", "a=b; c=d; e=f"]],
    status: ok,
  },
  { rfc: "9113 8.3", name: "a pseudo header that nobody knows", send: [headers(1, [...REQUEST, [":test", "1"]])], reset: INVALID },
  { rfc: "9113 8.3", name: "one of responses", send: [headers(1, [...REQUEST, [":status", "200"]])], reset: INVALID },
  { rfc: "9113 8.3", name: "one in trailers", send: [open(), headers(1, [[":method", "GET"]])], reset: INVALID },
  {
    rfc: "9113 8.3",
    name: "one behind an ordinary header",
    send: [headers(1, [...REQUEST.slice(0, 3), ["x-a", "1"], REQUEST[3]])],
    reset: INVALID,
  },
  { rfc: "9113 8.3.1", name: "an empty :path", send: [replaced(":path", "")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "a :path without a slash", send: [replaced(":path", "index.html")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "a :path with a blank", send: [replaced(":path", "/ HTTP/1.1")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "a :path with a fragment", send: [replaced(":path", "/#x")], reset: INVALID },
  {
    rfc: "9113 8.3.1",
    name: "* of OPTIONS",
    send: [headers(1, [[":method", "OPTIONS"], ...REQUEST.slice(1, 2), [":path", "*"], REQUEST[3]])],
    sees: [[":path", "*"]],
    status: ok,
  },
  { rfc: "9113 8.3.1", name: "* of GET", send: [replaced(":path", "*")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "no :method", send: [without(":method")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "no :scheme", send: [without(":scheme")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "no :path", send: [without(":path")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "neither :authority nor host", send: [without(":authority")], reset: INVALID },
  {
    rfc: "9113 8.3.1",
    name: "host instead of :authority",
    send: [headers(1, [...REQUEST.slice(0, 3), ["host", "b.example"]])],
    sees: [[":authority", "b.example"]],
    status: ok,
  },
  {
    rfc: "9113 8.3.1",
    name: "host beside another :authority",
    send: [with_(["host", "b.example"])],
    sees: [[":authority", "a.example"]],
    status: ok,
  },
  { rfc: "9113 8.3.1", name: "host twice", send: [with_(["host", "a"], ["host", "a"])], reset: INVALID },
  { rfc: "9113 8.3.1", name: "an empty :authority", send: [replaced(":authority", "")], reset: INVALID },
  { rfc: "9113 8.3.1", name: ":authority with user information", send: [replaced(":authority", "me@a.example")], reset: INVALID },
  { rfc: "9113 8.3.1", name: ":authority with a blank", send: [replaced(":authority", "a b")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "two :method", send: [twice(":method")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "two :scheme", send: [twice(":scheme")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "two :path", send: [twice(":path")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "two :authority", send: [twice(":authority")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "a :method that is no token", send: [replaced(":method", "GE T")], reset: INVALID },
  { rfc: "9113 8.3.1", name: "a :scheme that is none", send: [replaced(":scheme", "ht tp")], reset: INVALID },
  { rfc: "9113 8.4", name: "another kind of scheme", send: [replaced(":scheme", "foo")], sees: [[":scheme", "foo"]], status: ok },
  {
    rfc: "9113 8.5",
    name: "CONNECT",
    send: [headers(1, CONNECT, F.endHeaders), data(1, "x")],
    sees: [
      [":authority", "a.example:443"],
      [":method", "CONNECT"],
    ],
  },
  { rfc: "9113 8.5", name: "CONNECT with :path", send: [headers(1, [...CONNECT, [":path", "/"]])], reset: INVALID },
  { rfc: "9113 8.5", name: "CONNECT with :scheme", send: [headers(1, [...CONNECT, [":scheme", "http"]])], reset: INVALID },
  {
    rfc: "9113 8.5",
    name: "CONNECT without :authority",
    send: [
      headers(1, [
        [":method", "CONNECT"],
        ["host", "a:1"],
      ]),
    ],
    reset: INVALID,
  },
  {
    rfc: "8441 4",
    name: "extended CONNECT",
    send: [headers(1, EXTENDED, F.endHeaders)],
    sees: [
      [":authority", "a.example"],
      [":path", "/chat"],
      [":method", "GET"],
      [":scheme", "http"],
      ["connection", "upgrade"],
      ["upgrade", "websocket"],
    ],
  },
  { rfc: "8441 4", name: ":protocol without CONNECT", send: [headers(1, [[":method", "GET"], ...EXTENDED.slice(1)])], reset: INVALID },
  {
    rfc: "8441 4",
    name: "extended CONNECT without :path",
    send: [
      headers(
        1,
        EXTENDED.filter(([name]) => name !== ":path"),
      ),
    ],
    reset: INVALID,
  },
  {
    rfc: "8441 4",
    name: "extended CONNECT that was not allowed",
    options: { allowConnect: false },
    send: [headers(1, EXTENDED)],
    reset: INVALID,
  },
];

const hpack: readonly FrameCase[] = [
  { rfc: "7541 6.1", name: "indexed fields", send: [raw(1, INDEXED)], status: ok },
  {
    rfc: "7541 6.2.1",
    name: "a literal that is indexed, and its index",
    send: [raw(1, [...INDEXED, 0x40, 1, 0x78, 1, 0x79]), raw(3, [...INDEXED, 0xbe])],
    status: { 1: "200", 3: "200" },
    sees: [["x", "y"]],
  },
  {
    rfc: "7541 6.2.2",
    name: "a literal that is not",
    send: [raw(1, [...INDEXED, 0x00, 1, 0x78, 1, 0x79])],
    sees: [["x", "y"]],
    status: ok,
  },
  {
    rfc: "7541 6.2.3",
    name: "a literal that never is",
    send: [raw(1, [...INDEXED, 0x10, 1, 0x78, 1, 0x79])],
    sees: [["x", "y"]],
    status: ok,
  },
  { rfc: "7541 6.3", name: "size updates in front", send: [raw(1, [0x20, 0x3f, 0xe1, 0x1f, ...INDEXED])], status: ok },
  {
    rfc: "7541 5.2",
    name: "Huffman codes",
    send: [raw(1, [0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff])],
    sees: [[":authority", "www.example.com"]],
    status: ok,
  },
  { rfc: "7541 2.3.3", name: "an index behind the table", send: [raw(1, [...INDEXED, 0xbe])], goAway: [COMPRESSION] },
  {
    rfc: "7541 2.3.3",
    name: "a literal with an index behind the table",
    send: [raw(1, [...INDEXED, 0x7e, 1, 0x79])],
    goAway: [COMPRESSION],
  },
  { rfc: "7541 4.2", name: "a size update behind a field", send: [raw(1, [...INDEXED, 0x20])], goAway: [COMPRESSION] },
  {
    rfc: "7541 5.1",
    name: "an integer without end",
    send: [raw(1, [...INDEXED, 0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01])],
    goAway: [COMPRESSION],
  },
  {
    rfc: "7541 5.2",
    name: "padding of more than 7 bits",
    send: [raw(1, [...INDEXED, 0x00, 0x82, 0x1f, 0xff, 1, 0x61])],
    goAway: [COMPRESSION],
  },
  { rfc: "7541 5.2", name: "padding of zeros", send: [raw(1, [...INDEXED, 0x00, 0x81, 0x18, 1, 0x61])], goAway: [COMPRESSION] },
  {
    rfc: "7541 5.2",
    name: "the end of the string inside it",
    send: [raw(1, [...INDEXED, 0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 1, 0x61])],
    goAway: [COMPRESSION],
  },
  { rfc: "7541 6.1", name: "index 0", send: [raw(1, [...INDEXED, 0x80])], goAway: [COMPRESSION] },
  { rfc: "7541 6.3", name: "a table larger than allowed", send: [raw(1, [0x3f, 0xe2, 0x1f, ...INDEXED])], goAway: [COMPRESSION] },
  {
    rfc: "7541 2.2",
    name: "a refused message counts for the table",
    send: [raw(1, [...INDEXED, 0x40, 1, 0x58, 1, 0x79]), raw(3, [...INDEXED, 0x40, 1, 0x78, 1, 0x79]), raw(5, [...INDEXED, 0xbe])],
    reset: INVALID,
    status: { 3: "200", 5: "200" },
  },
];

const limits: readonly FrameCase[] = [
  {
    rfc: "max_headers_count",
    name: "100 headers",
    send: [with_(...Array.from({ length: 96 }, (_, i) => [`x-${i}`, "1"] as const))],
    status: ok,
  },
  {
    rfc: "max_headers_count",
    name: "101 headers",
    send: [with_(...Array.from({ length: 97 }, (_, i) => [`x-${i}`, "1"] as const)), headers(3)],
    reset: { 1: INTERNAL },
    status: { 3: "200" },
  },
  {
    rfc: "max_request_headers_kb",
    name: "60 KiB of headers",
    send: [
      frame(T.headers, F.end, 1, block([...REQUEST, ["x-a", "a".repeat(16_000)]])),
      ...Array.from({ length: 3 }, (_, i) => frame(T.continuation, i === 2 ? F.endHeaders : 0, 1, block([["x-b", "b".repeat(15_200)]]))),
    ],
    reset: { 1: INTERNAL },
  },
  {
    rfc: "max_request_headers_kb",
    name: "a little less",
    send: [
      frame(T.headers, F.end, 1, block([...REQUEST, ["x-a", "a".repeat(16_000)]])),
      ...Array.from({ length: 3 }, (_, i) => frame(T.continuation, i === 2 ? F.endHeaders : 0, 1, block([["x-b", "b".repeat(14_000)]]))),
    ],
    status: ok,
  },
  {
    rfc: "bombs",
    name: "an entry of the table, 16 000 times",
    send: [
      raw(
        1,
        Buffer.concat([Buffer.from([...INDEXED, 0x40]), block([["x-bomb", "b".repeat(3900)]]).subarray(1), Buffer.alloc(10_000, 0xbe)]),
      ),
      headers(3),
    ],
    reset: { 1: INTERNAL },
    status: { 3: "200" },
  },
  {
    rfc: "bombs",
    name: "90 crumbs and 15 headers",
    send: [
      with_(
        ...Array.from({ length: 90 }, () => ["cookie", "a=b"] as const),
        ...Array.from({ length: 11 }, (_, i) => [`x-${i}`, "1"] as const),
      ),
    ],
    status: ok,
  },
  {
    rfc: "bombs",
    name: "129 crumbs",
    send: [with_(...Array.from({ length: 129 }, () => ["cookie", "a"] as const))],
    reset: { 1: INTERNAL },
  },
  { rfc: "headers_with_underscores_action", name: "ALLOW", send: [with_(["a_b", "1"])], sees: [["a_b", "1"]], status: ok },
  {
    rfc: "headers_with_underscores_action",
    name: "REJECT_REQUEST",
    options: { headersWithUnderscoresAction: "REJECT_REQUEST" },
    send: [with_(["a_b", "1"])],
    reset: { 1: INTERNAL },
  },
  {
    rfc: "headers_with_underscores_action",
    name: "DROP_HEADER",
    options: { headersWithUnderscoresAction: "DROP_HEADER" },
    send: [with_(["a_b", "1"], ["c", "2"])],
    sees: [
      ["a_b", ""],
      ["c", "2"],
    ],
    status: ok,
  },
];

export const FRAME_CASES: readonly FrameCase[] = [...starting, ...framing, ...states, ...frames, ...messages, ...hpack, ...limits];
