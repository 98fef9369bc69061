// HTTP/2 to the upstream, from clients of either version.
import { data, F, frame, headers, type Pairs, rst, T, uint32 } from "../../support/http2-frames.ts";
import { bootstrap, get as get1, httpOptions, post as post1 } from "../config.ts";
import type { GroupPorts, ParityCase, ParityGroup } from "../harness.ts";
import { begin, end, frames, get, trailers } from "../http2-client.ts";
import { type AnswerStep, body, bodyEnd, type Http2Answer, status, statusEnd, trailersEnd } from "../http2-upstream.ts";
import { http2Log } from "./http2.ts";

const retry = (retry_on: string): object => ({
  retry_policy: { retry_on, num_retries: 1, retry_back_off: { base_interval: "0.001s", max_interval: "0.002s" } },
});

const reset =
  (code: number): AnswerStep =>
  (id) =>
    rst(id, code);
const goAway =
  (last: (id: number) => number, code = 0): AnswerStep =>
  (id) =>
    frame(T.goaway, 0, 0, uint32(last(id), code));
const steps = (...given: readonly AnswerStep[]): Http2Answer => ({ steps: given });
const early = (...given: readonly AnswerStep[]): Http2Answer => ({ steps: given, early: true });
const raw =
  (pairs: Pairs, flags: number = F.end | F.endHeaders): AnswerStep =>
  (id) =>
    headers(id, pairs, flags);

const CODES: readonly (readonly [name: string, code: number])[] = [
  ["NO_ERROR", 0],
  ["PROTOCOL_ERROR", 1],
  ["INTERNAL_ERROR", 2],
  ["REFUSED_STREAM", 7],
  ["CANCEL", 8],
  ["CONNECT_ERROR", 10],
  ["ENHANCE_YOUR_CALM", 11],
  ["HTTP_1_1_REQUIRED", 13],
];

/** Answers that are malformed, or ends that are no good ones. */
const BAD: Readonly<Record<string, Http2Answer>> = {
  "a name in upper case": steps(
    raw([
      [":status", "200"],
      ["X-A", "1"],
    ]),
  ),
  "no status": steps(raw([["x-a", "1"]])),
  "two statuses": steps(
    raw([
      [":status", "200"],
      [":status", "200"],
    ]),
  ),
  "a status that is no number": steps(raw([[":status", "2x0"]])),
  "a status after a header": steps(
    raw([
      ["x-a", "1"],
      [":status", "200"],
    ]),
  ),
  "a request's pseudo-header": steps(
    raw([
      [":status", "200"],
      [":path", "/"],
    ]),
  ),
  connection: steps(
    raw([
      [":status", "200"],
      ["connection", "close"],
    ]),
  ),
  "transfer-encoding": steps(
    raw([
      [":status", "200"],
      ["transfer-encoding", "chunked"],
    ]),
  ),
  "a line feed in a value": steps(
    raw([
      [":status", "200"],
      ["x-a", "a\nb"],
    ]),
  ),
  "101": steps(raw([[":status", "101"]], F.endHeaders)),
  "100 that is the end": steps(raw([[":status", "100"]])),
  "less body than announced": steps(status("200", [["content-length", "5"]]), bodyEnd("abc")),
  "more body than announced": steps(status("200", [["content-length", "2"]]), bodyEnd("abc")),
  "a length and no body": steps(statusEnd("200", [["content-length", "5"]])),
  "DATA before headers": steps(body("abc"), statusEnd("200")),
  "headers too large": steps(statusEnd("200", [["x-a", "a".repeat(70_000)]])),
  "trailers with a pseudo-header": steps(status("200"), body("abc"), trailersEnd([[":status", "200"]])),
  "a connection error": steps(() => frame(T.data, 0, 0, "abc")),
  "PING of a wrong length": steps(() => frame(T.ping, 0, 0, "abc")),
};

const answers: Readonly<Record<string, Http2Answer>> = {
  "/204": steps(statusEnd("204", [["x-a", "1"]])),
  "/304": steps(statusEnd("304", [["etag", '"a"']])),
  "/head": steps(statusEnd("200", [["content-length", "10"]])),
  "/long": steps(status("200"), body("abc"), bodyEnd("def")),
  "/empty": steps(status("200"), bodyEnd("")),
  "/trailers": steps(
    status("200"),
    body("abc"),
    trailersEnd([
      ["x-t", "1"],
      ["x-u", "2"],
    ]),
  ),
  "/no-body": steps(status("200"), trailersEnd([["x-t", "1"]])),
  "/cookies": steps(
    statusEnd("200", [
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
    ]),
  ),
  "/100": steps(status("100"), 20, status("200"), bodyEnd("ok")),
  "/103": steps(status("103", [["link", "</a>"]]), 20, status("200"), bodyEnd("ok")),
  "/early": early(status("200"), bodyEnd("early")),
  "/early-413": early(statusEnd("413")),
  "/early-reset": early(status("200"), bodyEnd("early"), reset(0)),
  "/close": steps("close"),
  "/short": steps(status("200", [["content-length", "10"]]), body("abc"), 20, "close"),
  "/hang": steps(1_000_000),
  "/late": steps(status("200"), body("abc"), 1_000_000),
  "/grpc": steps(
    statusEnd("200", [
      ["content-type", "application/grpc"],
      ["grpc-status", "5"],
    ]),
  ),
  "/grpc-long": steps(status("200", [["content-type", "application/grpc"]]), body("\0\0\0\0\0"), trailersEnd([["grpc-status", "0"]])),
  "/503": steps(statusEnd("503")),
  "/goaway-after": steps(
    status("200"),
    bodyEnd("ok"),
    goAway((id) => id),
  ),
  "/goaway-before": steps(
    goAway((id) => id),
    status("200"),
    bodyEnd("ok"),
  ),
  "/goaway-refuses": steps(goAway(() => 0)),
  "/goaway-error": steps(goAway(() => 0, 2)),
  "/goaway-close": steps(
    goAway((id) => id),
    "close",
  ),
  ...Object.fromEntries(CODES.map(([name, code]) => [`/reset/${name}`, steps(reset(code))])),
  ...Object.fromEntries(CODES.map(([name, code]) => [`/reset-later/${name}`, steps(status("200"), body("abc"), 30, reset(code))])),
  ...Object.fromEntries(Object.entries(BAD).map(([name, answer]) => [`/bad/${name.replaceAll(" ", "-")}`, answer])),
};

const config =
  (options: object) =>
  (ports: GroupPorts): object =>
    bootstrap(ports, {
      logFormat: http2Log,
      hcm: { proxy_100_continue: true, http_protocol_options: { enable_trailers: true } },
      up: httpOptions(options),
      routes: [
        ...["reset", "refused-stream", "5xx", "connect-failure", "gateway-error", "reset-before-request"].map((word) => ({
          match: { prefix: `/try-${word}/` },
          route: { cluster: "up", prefix_rewrite: "/", ...retry(word) },
        })),
        ...["/hang", "/late"].map((prefix) => ({ match: { prefix }, route: { cluster: "up", timeout: "0.2s" } })),
        { match: { prefix: "/" }, route: { cluster: "up" } },
      ],
    });

const REASON = { differs: "103 has the reason phrase Early Hints here, and Unknown in Envoy" };
const SAYS_SO = { without: { parts: ["upstream"], why: "the connection ends with a GOAWAY here, and without a word in Envoy" } } as const;

const HTTP2 = { explicit_http_config: { http2_protocol_options: {} } };
const resets = [
  "cluster.up.upstream_rq_rx_reset",
  "cluster.up.upstream_rq_tx_reset",
  "cluster.up.http2.rx_reset",
  "cluster.up.http2.tx_reset",
];
const retries = [...resets, "cluster.up.upstream_rq_retry", "cluster.up.upstream_rq_retry_success", "cluster.up.upstream_rq_total"];
const counts = [
  "cluster.up.upstream_cx_http2_total",
  "cluster.up.upstream_rq_total",
  "cluster.up.upstream_rq_2xx",
  "cluster.up.http2.trailers",
];

export const http1ToHttp2: ParityGroup = {
  name: "HTTP/1.1 to HTTP/2",
  config: config(HTTP2),
  http2Upstream: answers,
  cases: [
    { name: "GET", requests: [get1("/up?a=b", "x-a: 1", "user-agent: t", "cookie: a=1; b=2")], stats: counts },
    { name: "a second on the same connection", requests: [get1("/up")], stats: counts },
    { name: "HEAD", requests: [{ raw: "HEAD /head HTTP/1.1\r\nhost: a.example\r\n\r\n" }] },
    { name: "204 and 304", requests: [get1("/204"), get1("/304")] },
    { name: "POST", requests: [post1("/up", "abc"), post1("/up", "")] },
    {
      name: "chunked POST with trailers",
      requests: [
        {
          raw: "POST /up HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nte: trailers\r\nconnection: te\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n",
        },
      ],
    },
    { name: "hop-by-hop headers", requests: [get1("/up", "connection: keep-alive, x-b", "keep-alive: timeout=5", "x-b: 1", "te: gzip")] },
    { name: "bodies without a length", requests: [get1("/long"), get1("/empty")] },
    { name: "trailers", requests: [get1("/trailers"), get1("/no-body")], stats: counts },
    { name: "set-cookie", requests: [get1("/cookies")] },
    {
      name: "100 and 103",
      requests: [
        { ...get1("/100"), quietMs: 200 },
        { ...get1("/103"), quietMs: 200 },
      ],
      ...REASON,
    },
    { name: "HTTP/1.0", requests: [{ raw: "GET /long HTTP/1.0\r\nhost: a\r\n\r\n" }] },
    { name: "a reset before the answer", requests: CODES.map(([name]) => get1(`/reset/${name}`)), stats: resets },
    {
      name: "a malformed answer",
      requests: [get1("/bad/no-status")],
      stats: ["cluster.up.http2.rx_messaging_error", "cluster.up.upstream_cx_protocol_error"],
      ...SAYS_SO,
    },
  ],
};

const common: readonly ParityCase[] = [
  {
    name: "GET",
    requests: [
      frames(
        get(1, "/up?a=b", [
          ["x-a", "1"],
          ["cookie", "a=1"],
          ["cookie", "b=2"],
        ]),
      ),
    ],
    stats: counts,
  },
  { name: "side by side on one connection", requests: [frames([get(1, "/up"), get(3, "/long"), get(5, "/trailers")])], stats: counts },
  { name: "HEAD, 204, 304", requests: [frames(get(1, "/head", [], "HEAD"), get(3, "/204"), get(5, "/304"))] },
  {
    name: "POST",
    requests: [frames([begin(1, "/up", [["content-length", "3"]]), end(1, "abc")]), frames(begin(1, "/up"), data(1, "abc"), end(1, ""))],
  },
  {
    name: "trailers both ways",
    requests: [frames([begin(1, "/trailers", [["te", "trailers"]]), data(1, "abc"), trailers(1, [["x-q", "1"]])])],
    stats: counts,
  },
  { name: "trailers without a body", requests: [frames([begin(1, "/no-body"), trailers(1, [["x-q", "1"]])])] },
  { name: "100 and 103", requests: [frames(get(1, "/100"), get(3, "/103"))] },
  {
    name: "gRPC",
    requests: [
      frames([
        begin(1, "/grpc", [
          ["content-type", "application/grpc"],
          ["te", "trailers"],
        ]),
        end(1, "\0\0\0\0\0"),
      ]),
      frames([
        begin(1, "/grpc-long", [
          ["content-type", "application/grpc"],
          ["te", "trailers"],
        ]),
        end(1, "\0\0\0\0\0"),
      ]),
    ],
  },
];

export const http2ToHttp2: ParityGroup = {
  name: "HTTP/2 to HTTP/2",
  config: config(HTTP2),
  http2Upstream: answers,
  cases: [
    ...common,
    { name: "an answer before the request's end", requests: [frames(begin(1, "/early"), data(1, "abc"), end(1, "d"))], stats: resets },
    {
      name: "an answer without a body before the request's end",
      requests: [frames(begin(1, "/early-413"), data(1, "abc"), end(1, "d"))],
      stats: resets,
    },
    {
      name: "an answer, and NO_ERROR, before the request's end",
      requests: [frames(begin(1, "/early-reset"), data(1, "abc"), end(1, "d"))],
      // Both sides reset: whose frame is read in time is chance.
      stats: resets.filter((name) => name !== "cluster.up.http2.rx_reset"),
    },
    {
      name: "an upstream that closes",
      requests: [frames(get(1, "/close"))],
      stats: ["cluster.up.upstream_cx_destroy_remote_with_active_rq"],
    },
    { name: "an upstream that closes in the body", requests: [frames(get(1, "/short"))] },
    {
      name: "route timeouts",
      requests: [
        { ...frames(get(1, "/hang")), quietMs: 400 },
        { ...frames(get(1, "/late")), quietMs: 400 },
      ],
      stats: [...resets, "cluster.up.upstream_rq_timeout"],
    },
    { name: "the client resets", requests: [frames(get(1, "/hang"), rst(1), [])], stats: [...resets, "cluster.up.upstream_rq_cancelled"] },
    ...CODES.map(([name]) => ({ name: `reset before the answer: ${name}`, requests: [frames(get(1, `/reset/${name}`))], stats: resets })),
    ...CODES.map(([name]) => ({ name: `reset in the body: ${name}`, requests: [frames(get(1, `/reset-later/${name}`))], stats: resets })),
    { name: "a reset is retried: reset", requests: [frames(get(1, "/try-reset/reset/CANCEL"))], stats: retries },
    { name: "a refused stream is retried: reset", requests: [frames(get(1, "/try-reset/reset/REFUSED_STREAM"))], stats: retries },
    {
      name: "a refused stream is retried: refused-stream",
      requests: [frames(get(1, "/try-refused-stream/reset/REFUSED_STREAM"))],
      stats: retries,
    },
    { name: "another reset is not: refused-stream", requests: [frames(get(1, "/try-refused-stream/reset/CANCEL"))], stats: retries },
    {
      name: "a reset is retried: 5xx",
      requests: [frames(get(1, "/try-5xx/reset/INTERNAL_ERROR"), get(3, "/try-5xx/503"))],
      stats: retries,
    },
    {
      name: "a reset is not retried: gateway-error",
      requests: [frames(get(1, "/try-gateway-error/reset/INTERNAL_ERROR"))],
      stats: retries,
    },
    { name: "a refused stream: connect-failure", requests: [frames(get(1, "/try-connect-failure/reset/REFUSED_STREAM"))], stats: retries },
    {
      name: "a reset after the request: reset-before-request",
      requests: [frames(get(1, "/try-reset-before-request/reset/CANCEL"))],
      stats: retries,
    },
    {
      name: "GOAWAY after the answer",
      requests: [frames(get(1, "/goaway-after"), get(3, "/up"))],
      stats: ["cluster.up.upstream_cx_close_notify", "cluster.up.upstream_cx_total"],
    },
    {
      name: "GOAWAY that lets the stream finish",
      requests: [frames(get(1, "/goaway-before"))],
      stats: ["cluster.up.upstream_cx_close_notify"],
    },
    {
      name: "GOAWAY that does not know the stream",
      requests: [frames(get(1, "/goaway-refuses"))],
      stats: [...resets, "cluster.up.upstream_cx_close_notify"],
    },
    {
      name: "GOAWAY that does not know the stream, retried",
      requests: [frames(get(1, "/try-refused-stream/goaway-refuses"))],
      stats: retries,
    },
    { name: "GOAWAY with an error", requests: [frames(get(1, "/goaway-error"))], stats: resets },
    { name: "GOAWAY and the end", requests: [frames(get(1, "/goaway-close"))], stats: resets },
    ...Object.keys(BAD).map((name) => ({
      name: `a malformed answer: ${name}`,
      requests: [frames(get(1, `/bad/${name.replaceAll(" ", "-")}`))],
      stats: [
        "cluster.up.http2.rx_messaging_error",
        "cluster.up.upstream_cx_protocol_error",
        "cluster.up.upstream_rq_rx_reset",
        "cluster.up.upstream_rq_tx_reset",
      ],
      ...SAYS_SO,
    })),
  ],
};

export const downstreamProtocol: ParityGroup = {
  name: "HTTP/2, the upstream speaks what the client speaks",
  config: config({ use_downstream_protocol_config: { http_protocol_options: {}, http2_protocol_options: {} } }),
  http2Upstream: answers,
  cases: common,
};

export const downstreamProtocolOfHttp1: ParityGroup = {
  name: "HTTP/2, the upstream speaks HTTP/1.1 as the client does",
  config: config({ use_downstream_protocol_config: { http_protocol_options: { enable_trailers: true }, http2_protocol_options: {} } }),
  cases: [
    {
      name: "GET, POST",
      requests: [get1("/up"), post1("/up", "abc")],
      stats: ["cluster.up.upstream_cx_http1_total", "cluster.up.upstream_cx_http2_total"],
    },
  ],
};
