// Floods of HTTP/2 frames (RFC 9113 10.5): what a client may send in great number, which limit ends the connection, and how many do no
// harm. The GOAWAY code is always ENHANCE_YOUR_CALM.
import type { Http2Options } from "../../host/config/http2.ts";
import type { Http2Stats } from "../../host/http2/stats.ts";
import {
  block,
  data,
  F,
  frame,
  headers,
  type Pairs,
  ping,
  post,
  REQUEST,
  rst,
  settings,
  T,
  windowUpdate,
} from "../support/http2-frames.ts";

/** Streams that a client may begin and reset at once. */
const PREMATURE_LIMIT = 250;
const PROVOKED_LIMIT = 100;

type CounterName = { readonly [Key in keyof Http2Stats]: Http2Stats[Key] extends { inc(): void } ? Key : never }[keyof Http2Stats];

export interface Flood {
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

export const id = (i: number): number => 2 * i + 1;
const wait: Pairs = REQUEST.map((pair) => (pair[0] === ":path" ? [":path", "/wait"] : pair));
export const begin = (i: number): Buffer => headers(id(i), wait);
const open = (i: number, more: Pairs = []): Buffer => headers(id(i), post(more), F.endHeaders);

export const FLOODS: readonly Flood[] = [
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
