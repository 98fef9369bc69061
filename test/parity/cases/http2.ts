// HTTP/2 to HTTP/1.1: ordinary messages, and what differs between the two versions.
import { data, F, headers, rst } from "../../support/http2-frames.ts";
import { bootstrap, httpOptions } from "../config.ts";
import type { ParityGroup } from "../harness.ts";
import { begin, end, frames, get, trailers } from "../http2-client.ts";

export const HTTP2_LOG =
  "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %UPSTREAM_PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% " +
  "%BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_TRANSPORT_FAILURE_REASON% %REQ(:AUTHORITY)%\n";
export const http2Log = { text_format_source: { inline_string: HTTP2_LOG } };

/** Of cases in which the connection ends with an error. */
export const SAYS_SO = {
  without: { parts: ["client"], why: "the connection ends with a GOAWAY here, and without a word in Envoy" },
} as const;

const RESETS = ["cluster.up.upstream_rq_rx_reset", "cluster.up.upstream_rq_tx_reset", "cluster.up.upstream_cx_protocol_error"];

const answer = (...lines: readonly string[]): string => `HTTP/1.1 ${lines.join("\r\n")}\r\n\r\n`;
const chunked = (head: string, ...more: readonly string[]): string =>
  `${answer("200 OK", "transfer-encoding: chunked", ...more)}3\r\nabc\r\n0\r\n${head}\r\n`;

const fields = (...pairs: readonly (readonly [string, string])[]): Buffer =>
  headers(1, [[":method", "GET"], [":scheme", "http"], [":path", "/up"], ...pairs]);

export const http2ToHttp1: ParityGroup = {
  name: "HTTP/2 to HTTP/1.1",
  config: (ports) =>
    bootstrap(ports, {
      logFormat: http2Log,
      hcm: { codec_type: "AUTO", proxy_100_continue: true, http_protocol_options: { enable_trailers: true } },
      up: httpOptions({ explicit_http_config: { http_protocol_options: { enable_trailers: true } } }),
      routes: [
        { match: { prefix: "/direct" }, direct_response: { status: 403, body: { inline_string: "no" } } },
        { match: { prefix: "/redirect" }, redirect: { path_redirect: "/to" } },
        { match: { prefix: "/dead" }, route: { cluster: "dead" } },
        { match: { prefix: "/none" }, route: { cluster: "none" } },
        { match: { prefix: "/hang" }, route: { cluster: "up", timeout: "0.2s" } },
        { match: { prefix: "/late" }, route: { cluster: "up", timeout: "0.2s" } },
        { match: { prefix: "/" }, route: { cluster: "up" } },
      ],
    }),
  upstream: {
    "/204": answer("204 No Content", "x-a: 1"),
    "/304": answer("304 Not Modified", 'etag: "a"'),
    "/head": answer("200 OK", "content-length: 10"),
    "/chunked": chunked(""),
    "/trailers": chunked("x-t: 1\r\nX-U: 2\r\n"),
    "/hop": answer("200 OK", "content-length: 0", "connection: keep-alive, x-b", "keep-alive: timeout=5", "x-a: 1", "x-b: 2"),
    "/hop2": answer("200 OK", "content-length: 0", "proxy-connection: close", "upgrade: foo", "x-a: 1"),
    "/te": answer("200 OK", "content-length: 0", "te: gzip"),
    "/case": answer("200 OK", "Content-Length: 0", "X-Upper: 1", "Set-Cookie: a=1", "Set-Cookie: b=2"),
    "/close": `${answer("200 OK")}until the end<close>`,
    "/100": `${answer("100 Continue")}<delay:20>${answer("200 OK", "content-length: 2")}ok`,
    "/103": `${answer("103 Early Hints", "link: </a>; rel=preload")}<delay:20>${answer("200 OK", "content-length: 2")}ok`,
    "/102": `${answer("102 Processing")}<delay:20>${answer("200 OK", "content-length: 2")}ok`,
    "/cut": "<close>",
    "/short": `${answer("200 OK", "content-length: 10")}abc<close>`,
    "/garbage": "NONSENSE\r\n\r\n",
    "/hang": "<hang>",
    "/late": `${answer("200 OK", "content-length: 10")}abc`,
    "/reason": answer("599 Own words", "content-length: 0"),
    "/grpc": answer("200 OK", "content-type: application/grpc", "grpc-status: 5", "content-length: 0"),
    "/grpc-long": chunked("grpc-status: 0\r\n", "content-type: application/grpc"),
  },
  cases: [
    {
      name: "GET",
      requests: [
        frames(
          get(1, "/up?a=b", [
            ["x-a", "1"],
            ["user-agent", "t"],
          ]),
        ),
      ],
      stats: [
        "http.parity.downstream_rq_http2_total",
        "http.parity.downstream_rq_total",
        "http.parity.downstream_cx_http2_total",
        "http.parity.downstream_rq_2xx",
        "http2.trailers",
      ],
    },
    { name: "three requests on one connection", requests: [frames(get(1, "/a"), get(3, "/b"), get(5, "/c"))] },
    { name: "HEAD", requests: [frames(get(1, "/head", [], "HEAD"))] },
    { name: "204 and 304", requests: [frames(get(1, "/204"), get(3, "/304"))] },
    { name: "POST with a length", requests: [frames([begin(1, "/up", [["content-length", "3"]]), end(1, "abc")])] },
    { name: "POST without a length", requests: [frames(begin(1, "/up"), data(1, "abc"), end(1, "def"))] },
    {
      name: "POST of nothing",
      requests: [
        frames(get(1, "/up", [], "POST")),
        frames([begin(1, "/up"), end(1, "")]),
        frames(get(1, "/up", [["content-length", "0"]], "POST")),
      ],
    },
    { name: "GET with a body", requests: [frames([begin(1, "/up", [], "GET"), end(1, "abc")])] },
    { name: "padded DATA", requests: [frames([begin(1, "/up"), data(1, "\x03abc\0\0\0", F.padded | F.end)])] },
    {
      name: "request trailers",
      requests: [frames([begin(1, "/up"), data(1, "abc"), trailers(1, [["x-t", "1"]])])],
      stats: ["http2.trailers"],
    },
    {
      name: "request trailers, with te",
      requests: [
        frames([
          begin(1, "/up", [
            ["te", "trailers"],
            ["trailer", "x-t"],
          ]),
          data(1, "abc"),
          trailers(1, [["x-t", "1"]]),
        ]),
      ],
    },
    { name: "request trailers without a body", requests: [frames([begin(1, "/up"), trailers(1, [["x-t", "1"]])])] },
    { name: "chunked answer", requests: [frames(get(1, "/chunked"))] },
    { name: "answer trailers", requests: [frames(get(1, "/trailers"))] },
    {
      name: "hop-by-hop headers of the answer",
      requests: [frames(get(1, "/hop"))],
      differs: "what Connection nominates goes no further here (RFC 9110 7.6.1)",
    },
    { name: "more hop-by-hop headers of the answer", requests: [frames(get(1, "/hop2"))] },
    {
      name: "te of the answer",
      requests: [frames(get(1, "/te"))],
      differs: "it goes no further here: only requests may have it (RFC 9113 8.2.2)",
    },
    { name: "names in upper case, two cookies", requests: [frames(get(1, "/case"))] },
    { name: "an answer until the connection ends", requests: [frames(get(1, "/close"))] },
    { name: "status without a reason", requests: [frames(get(1, "/reason"))] },
    {
      name: "expect: 100-continue",
      requests: [
        frames(
          begin(1, "/100", [
            ["expect", "100-continue"],
            ["content-length", "3"],
          ]),
          end(1, "abc"),
        ),
      ],
    },
    { name: "103 is passed on", requests: [frames(get(1, "/103"))] },
    { name: "102 is passed on", requests: [frames(get(1, "/102"))] },
    {
      name: "cookies in crumbs",
      requests: [
        frames(
          get(1, "/up", [
            ["cookie", "a=1"],
            ["x-a", "1"],
            ["cookie", "b=2"],
            ["cookie", ""],
          ]),
        ),
      ],
    },
    { name: "te: trailers", requests: [frames(get(1, "/up", [["te", "trailers"]]))] },
    {
      name: "te in upper case",
      requests: [frames(get(1, "/up", [["te", "Trailers"]]))],
      differs: "the keyword is known in any case here (RFC 9110 10.1.4)",
    },
    { name: "host beside :authority, equal", requests: [frames(get(1, "/up", [["host", "a.example"]]))] },
    { name: "host beside :authority, another", requests: [frames(get(1, "/up", [["host", "b.example"]]))] },
    { name: "host alone", requests: [frames(fields(["host", "b.example"]))] },
    { name: "authority with a port", requests: [frames(fields([":authority", "b.example:8080"]))] },
    { name: "neither host nor authority", requests: [frames(fields())], ...SAYS_SO },
    { name: "an empty authority", requests: [frames(fields([":authority", ""]))], ...SAYS_SO },
    { name: "asterisk form", requests: [frames(get(1, "*", [], "OPTIONS"))] },
    {
      name: "pseudo-headers in another order",
      requests: [
        frames(
          headers(1, [
            [":path", "/up"],
            [":authority", "a.example"],
            [":scheme", "https"],
            [":method", "GET"],
          ]),
        ),
      ],
    },
    {
      name: "empty values and spaces",
      requests: [
        frames(
          get(1, "/up", [
            ["x-e", ""],
            ["x-many", "a"],
            ["x-many", "b"],
          ]),
        ),
      ],
    },
    { name: "a direct response, a redirect", requests: [frames(get(1, "/direct"), get(3, "/redirect"))] },
    { name: "local replies", requests: [frames(get(1, "/dead"), get(3, "/none"))] },
    {
      name: "a local reply before the request's end",
      requests: [frames(begin(1, "/direct"), data(1, "abc"), end(1, "def"))],
      stats: ["http2.tx_reset"],
    },
    { name: "an upstream that closes", requests: [frames(get(1, "/cut"))], stats: RESETS },
    {
      name: "an upstream that closes in the body",
      requests: [frames(get(1, "/short"))],
      without: { parts: ["log"], why: "as over HTTP/1.1: UC here, UPE in Envoy" },
    },
    { name: "garbage from upstream", requests: [frames(get(1, "/garbage"))], stats: RESETS },
    { name: "a route timeout", requests: [{ ...frames(get(1, "/hang")), quietMs: 400 }], stats: RESETS },
    { name: "a route timeout after headers", requests: [{ ...frames(get(1, "/late")), quietMs: 400 }], stats: ["http2.tx_reset"] },
    {
      name: "the client resets",
      requests: [frames(get(1, "/hang"), rst(1), [])],
      stats: ["http2.rx_reset", "http.parity.downstream_rq_rx_reset", "cluster.up.upstream_rq_cancelled"],
    },
    {
      name: "the client resets, with other codes",
      requests: [1, 2, 7, 10].map((code) => frames(get(1, "/hang"), rst(1, code), [])),
      stats: ["http2.rx_reset", "http.parity.downstream_rq_rx_reset", ...RESETS],
    },
    {
      name: "the client resets without an error",
      requests: [frames(get(1, "/hang"), rst(1, 0), [])],
      differs: "logged as any other reset here; Envoy gives it neither flag nor detail",
    },
    {
      name: "the client closes",
      requests: [frames(get(1, "/hang"))].map((one) => ({ ...one, quietMs: 60 })),
      stats: ["http.parity.downstream_cx_destroy_remote_active_rq"],
    },
    {
      name: "gRPC, trailers only",
      requests: [
        frames([
          begin(1, "/grpc", [
            ["content-type", "application/grpc"],
            ["te", "trailers"],
          ]),
          end(1, "\0\0\0\0\0"),
        ]),
      ],
    },
    {
      name: "gRPC with trailers",
      requests: [
        frames([
          begin(1, "/grpc-long", [
            ["content-type", "application/grpc"],
            ["te", "trailers"],
          ]),
          end(1, "\0\0\0\0\0"),
        ]),
      ],
    },
    { name: "gRPC, local reply", requests: [frames(get(1, "/none", [["content-type", "application/grpc"]], "POST"))] },
    {
      name: "HTTP/1.1 on the same listener",
      requests: [{ raw: "GET /up HTTP/1.1\r\nhost: a.example\r\n\r\n" }],
      stats: ["http.parity.downstream_rq_http1_total"],
    },
  ],
};
