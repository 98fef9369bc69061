// Requests over HTTP/2 that are malformed or too large: with errors that end the connection (Envoy's default), and the stream alone.
import { block, data, F, frame, headers, type Pairs, ping, rst, settings, T, uint32, windowUpdate } from "../../support/http2-frames.ts";
import { bootstrap } from "../config.ts";
import type { GroupPorts, ParityCase, ParityGroup } from "../harness.ts";
import { begin, end, frames, get, trailers } from "../http2-client.ts";
import { http2Log, SAYS_SO } from "./http2.ts";

const config =
  (hcm: object, common: object = {}) =>
  (ports: GroupPorts): object =>
    bootstrap(ports, {
      logFormat: http2Log,
      hcm: { max_request_headers_kb: 4, common_http_protocol_options: { max_headers_count: 20, ...common }, ...hcm },
    });

const M = [":method", "GET"] as const;
const S = [":scheme", "http"] as const;
const P = [":path", "/up"] as const;
const A = [":authority", "a.example"] as const;

const MALFORMED: readonly (readonly [name: string, fields: Pairs])[] = [
  ["a name in upper case", [M, S, P, A, ["X-A", "1"]]],
  ["an empty name", [M, S, P, A, ["", "1"]]],
  ["a space in a name", [M, S, P, A, ["x a", "1"]]],
  ["a line feed in a value", [M, S, P, A, ["x-a", "1\n2"]]],
  ["a NUL in a value", [M, S, P, A, ["x-a", "1\x002"]]],
  ["a value that begins with a space", [M, S, P, A, ["x-a", " 1"]]],
  ["connection", [M, S, P, A, ["connection", "close"]]],
  ["keep-alive", [M, S, P, A, ["keep-alive", "timeout=5"]]],
  ["transfer-encoding", [M, S, P, A, ["transfer-encoding", "chunked"]]],
  ["upgrade", [M, S, P, A, ["upgrade", "foo"]]],
  ["proxy-connection", [M, S, P, A, ["proxy-connection", "close"]]],
  ["te: gzip", [M, S, P, A, ["te", "gzip"]]],
  ["no method", [S, P, A]],
  ["no scheme", [M, P, A]],
  ["no path", [M, S, A]],
  ["two methods", [M, M, S, P, A]],
  ["two paths", [M, S, P, P, A]],
  ["two authorities", [M, S, P, A, A]],
  ["an unknown pseudo-header", [M, S, P, A, [":foo", "1"]]],
  [":status in a request", [M, S, P, A, [":status", "200"]]],
  ["a pseudo-header after an ordinary one", [M, S, P, ["x-a", "1"], A]],
  ["an empty path", [M, S, [":path", ""], A]],
  ["a path without a slash", [M, S, [":path", "up"], A]],
  ["a method that is no token", [[":method", "G T"], S, P, A]],
  ["content-length that is no number", [M, S, P, A, ["content-length", "x"]]],
  ["a scheme of another kind", [M, [":scheme", "ftp"], P, A]],
  [":protocol without CONNECT", [M, S, P, A, [":protocol", "websocket"]]],
];

const codec = [
  "http2.rx_messaging_error",
  "http2.tx_reset",
  "http.parity.downstream_cx_protocol_error",
  "http.parity.downstream_rq_rx_reset",
];

const NAMED = { without: { parts: ["log"], why: "the detail names the fault here; Envoy calls it http2.remote_reset" } } as const;

const BODIES: readonly ParityCase[] = [
  {
    name: "less body than announced",
    requests: [frames([begin(1, "/up", [["content-length", "5"]]), end(1, "abc")])],
    stats: codec,
    ...NAMED,
  },
  {
    name: "more body than announced",
    requests: [frames([begin(1, "/up", [["content-length", "2"]]), end(1, "abc")])],
    stats: codec,
    ...NAMED,
  },
  { name: "no body where one is announced", requests: [frames(get(1, "/up", [["content-length", "5"]], "POST"))], stats: codec },
  {
    name: "a pseudo-header in trailers",
    requests: [frames([begin(1, "/up"), data(1, "abc"), trailers(1, [[":path", "/x"]])])],
    stats: codec,
  },
  {
    name: "trailers that are no end",
    requests: [frames([begin(1, "/up"), data(1, "abc"), headers(1, [["x-t", "1"]], F.endHeaders)])],
    stats: codec,
  },
];

export const http2Malformed: ParityGroup = {
  name: "HTTP/2, malformed requests end the connection",
  config: config({}),
  cases: [
    ...MALFORMED.map(([name, fields]) => ({ name, requests: [frames(headers(1, fields))], stats: codec, ...SAYS_SO })),
    ...BODIES.map((one) => ({ ...SAYS_SO, ...one })),
  ],
};

export const http2StreamErrors: ParityGroup = {
  name: "HTTP/2, malformed requests end their streams",
  config: config({ http2_protocol_options: { override_stream_error_on_invalid_http_message: true } }),
  cases: [
    ...MALFORMED.map(([name, fields]) => ({ name, requests: [frames(headers(1, fields), get(3, "/after"))], stats: codec })),
    ...BODIES,
  ],
};

const many = (count: number): Pairs => Array.from({ length: count }, (_, i) => [`x-h${i}`, String(i)] as const);
const overflow = ["http2.header_overflow", "http2.tx_reset", "http.parity.downstream_rq_rx_reset"];

const connectionErrors: readonly (readonly [name: string, ...frames: readonly Buffer[]])[] = [
  ["DATA on stream 0", data(0, "abc")],
  ["DATA on an idle stream", data(1, "abc")],
  ["HEADERS on an even stream", get(2, "/up")],
  ["WINDOW_UPDATE of 0", windowUpdate(0, 0)],
  ["RST_STREAM on an idle stream", rst(5)],
  ["SETTINGS of a wrong length", frame(T.settings, 0, 0, "abcd")],
  ["a PING of a wrong length", frame(T.ping, 0, 0, "abcd")],
  ["CONTINUATION without HEADERS", frame(T.continuation, F.endHeaders, 1, "")],
  ["PUSH_PROMISE of a client", frame(T.push, F.endHeaders, 1, uint32(2))],
  ["a window that overflows", windowUpdate(0, 0x7fff_ffff)],
  ["MAX_FRAME_SIZE out of range", settings([5, 1])],
  ["HPACK that is none", frame(T.headers, F.end | F.endHeaders, 1, "\xff\xff\xff\xff\xff\xff\xff")],
];

export const http2Limits: ParityGroup = {
  name: "HTTP/2, limits and connection errors",
  config: config({ http2_protocol_options: { max_concurrent_streams: 2 } }, { headers_with_underscores_action: "REJECT_REQUEST" }),
  upstream: { "/hang": "<hang>" },
  cases: [
    { name: "headers up to the limit", requests: [frames(get(1, "/up", many(16)))] },
    { name: "one header too many", requests: [frames(get(1, "/up", many(17)), get(3, "/after"))], stats: overflow },
    { name: "far too many headers", requests: [frames(get(1, "/up", many(40)), get(3, "/after"))], stats: overflow },
    { name: "headers too large", requests: [frames(get(1, "/up", [["x-a", "a".repeat(6000)]]), get(3, "/after"))], stats: overflow },
    { name: "a header under the limit of size", requests: [frames(get(1, "/up", [["x-a", "a".repeat(3900)]]))], stats: overflow },
    { name: "a path too large", requests: [frames(get(1, `/${"a".repeat(6000)}`))], stats: overflow },
    {
      name: "trailers too large",
      requests: [frames([begin(1, "/hang"), data(1, "a"), trailers(1, [["x-a", "a".repeat(6000)]])])],
      stats: overflow,
    },
    {
      name: "underscores",
      requests: [frames(get(1, "/up", [["x_a", "1"]]), get(3, "/a_b", [["x-a", "b_c"]]))],
      stats: ["http2.requests_rejected_with_underscores_in_headers", "http2.tx_reset"],
    },
    {
      name: "more streams than allowed",
      requests: [frames(get(1, "/hang"), get(3, "/hang"), get(5, "/up"))],
      stats: ["http2.stream_refused_errors", "http2.tx_reset"],
      differs: "the stream is refused here (RFC 9113 5.1.2); Envoy ends the connection",
    },
    {
      name: "PING, unknown frames, PRIORITY",
      requests: [
        frames([ping(), frame(0x42, 0, 0, "abc"), frame(T.priority, 0, 1, Buffer.concat([uint32(0), Buffer.from([1])])), get(1, "/up")]),
      ],
    },
    {
      name: "HEADERS that depend on themselves",
      requests: [
        frames(frame(T.headers, F.end | F.endHeaders | F.priority, 1, Buffer.concat([uint32(1), Buffer.from([1]), block([M, S, P, A])]))),
      ],
      differs: "priorities mean nothing here (RFC 9113 5.3.2); Envoy ends the connection",
    },
    ...connectionErrors.map(([name, ...sent]) => ({
      name,
      requests: [frames(sent)],
      stats: ["http.parity.downstream_cx_protocol_error"],
      without: { parts: ["client", "log"], why: `${SAYS_SO.without.why}; it logs a request of which it could read nothing` } as const,
    })),
  ],
};

export const http2Underscores: ParityGroup = {
  name: "HTTP/2, underscores are dropped",
  config: config({}, { headers_with_underscores_action: "DROP_HEADER" }),
  cases: [
    {
      name: "underscores",
      requests: [
        frames(
          get(1, "/up", [
            ["x_a", "1"],
            ["x-b", "2"],
            ["_", "3"],
          ]),
        ),
      ],
      stats: ["http2.dropped_headers_with_underscores"],
    },
  ],
};
