// Local replies, timeouts, retries, mirrors: what happens when something goes wrong.
import { bootstrap, get, post, staticCluster } from "../config.ts";
import type { ParityGroup } from "../harness.ts";

const retry = (retry_on: string, more: object = {}): object => ({
  retry_policy: { retry_on, num_retries: 2, retry_back_off: { base_interval: "0.001s", max_interval: "0.002s" }, ...more },
});

export const failures: ParityGroup = {
  name: "failures",
  config: (ports) =>
    bootstrap(ports, {
      routes: [
        { match: { prefix: "/dead" }, route: { cluster: "dead" } },
        { match: { prefix: "/none" }, route: { cluster: "none" } },
        { match: { prefix: "/hang" }, route: { cluster: "up", timeout: "0.2s" } },
        { match: { prefix: "/late" }, route: { cluster: "up", timeout: "0.2s" } },
        { match: { prefix: "/try-dead" }, route: { cluster: "mixed", ...retry("connect-failure", { num_retries: 5 }) } },
        { match: { prefix: "/try-5xx" }, route: { cluster: "up", prefix_rewrite: "/500", ...retry("5xx") } },
        { match: { prefix: "/try-gw" }, route: { cluster: "up", prefix_rewrite: "/503", ...retry("gateway-error") } },
        {
          match: { prefix: "/try-codes" },
          route: { cluster: "up", prefix_rewrite: "/418", ...retry("retriable-status-codes", { retriable_status_codes: [418] }) },
        },
        { match: { prefix: "/try-409" }, route: { cluster: "up", prefix_rewrite: "/409", ...retry("retriable-4xx") } },
        {
          match: { prefix: "/try-hdr" },
          route: {
            cluster: "up",
            prefix_rewrite: "/retry-me",
            ...retry("retriable-headers", { retriable_headers: [{ name: "x-retry", present_match: true }] }),
          },
        },
        { match: { prefix: "/try-reset" }, route: { cluster: "up", prefix_rewrite: "/cut", ...retry("reset") } },
        {
          match: { prefix: "/try-slow" },
          route: { cluster: "up", prefix_rewrite: "/hang", timeout: "2s", ...retry("5xx", { num_retries: 1, per_try_timeout: "0.1s" }) },
        },
        { match: { prefix: "/no-try" }, route: { cluster: "up", prefix_rewrite: "/500" } },
        { match: { prefix: "/mirror" }, route: { cluster: "up", request_mirror_policies: [{ cluster: "up" }] } },
        { match: { prefix: "/" }, route: { cluster: "up" } },
      ],
      clusters: [staticCluster("mixed", [ports.dead, ports.dead, ports.upstream])],
    }),
  upstream: {
    "/hang": "<hang>",
    "/late": "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
    "/500": "HTTP/1.1 500 Oops\r\ncontent-length: 3\r\n\r\nbad",
    "/503": "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n",
    "/418": "HTTP/1.1 418 Pot\r\ncontent-length: 0\r\n\r\n",
    "/409": "HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n",
    "/retry-me": "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-retry: 1\r\n\r\n",
    "/cut": "<close>",
    "/garbage": "NONSENSE\r\n\r\n",
    "/short": "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc<close>",
    "/two-lengths": "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
    "/both": "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
  },
  cases: [
    {
      name: "connection refused",
      requests: [get("/dead")],
      stats: ["cluster.dead.upstream_cx_connect_fail", "cluster.dead.upstream_rq_503", "http.parity.downstream_rq_5xx"],
    },
    { name: "connection refused, POST and HEAD", requests: [post("/dead", "abc"), { raw: "HEAD /dead HTTP/1.1\r\nhost: a\r\n\r\n" }] },
    {
      name: "no healthy upstream",
      requests: [get("/none")],
      stats: ["cluster.none.upstream_cx_none_healthy", "cluster.none.upstream_rq_503"],
    },
    {
      name: "route timeout",
      requests: [{ ...get("/hang"), quietMs: 400 }],
      stats: ["cluster.up.upstream_rq_timeout", "cluster.up.upstream_rq_504"],
    },
    { name: "route timeout after headers", requests: [{ ...get("/late"), end: true }] },
    { name: "upstream closes before headers", requests: [get("/cut")] },
    {
      name: "upstream closes in the body",
      requests: [{ ...get("/short"), end: true }],
      without: {
        parts: ["log"],
        why: "Envoy counts a body that ends early as a protocol error of its parser (UPE); here it is what it is, a connection that ended (UC)",
      },
    },
    {
      name: "garbage from upstream",
      requests: [get("/garbage")],
      stats: ["cluster.up.upstream_cx_protocol_error", "cluster.up.upstream_rq_502"],
    },
    { name: "two content-lengths from upstream", requests: [get("/two-lengths")] },
    { name: "content-length and chunked from upstream", requests: [get("/both")] },
    {
      name: "gRPC request gets a gRPC status",
      requests: [get("/dead", "content-type: application/grpc"), get("/none", "content-type: application/grpc")],
    },
    {
      name: "retry on connect failure",
      requests: [get("/try-dead"), get("/try-dead"), get("/try-dead")],
      without: { parts: ["log"], why: "which host is tried first is drawn by lot" },
    },
    {
      name: "retry on 5xx",
      requests: [get("/try-5xx")],
      stats: ["cluster.up.upstream_rq_retry", "cluster.up.upstream_rq_retry_limit_exceeded", "cluster.up.upstream_rq_500"],
    },
    { name: "retry sends the body again", requests: [post("/try-5xx", "payload")] },
    { name: "retry on gateway-error", requests: [get("/try-gw")] },
    { name: "retry on status codes", requests: [get("/try-codes")] },
    { name: "retry on 409", requests: [get("/try-409")] },
    { name: "retry on headers", requests: [get("/try-hdr")] },
    { name: "retry on reset", requests: [get("/try-reset")] },
    { name: "per try timeout", requests: [{ ...get("/try-slow"), quietMs: 600 }], stats: ["cluster.up.upstream_rq_per_try_timeout"] },
    { name: "no retry without a policy", requests: [get("/no-try")] },
    {
      name: "mirror",
      requests: [post("/mirror?q", "abc")],
      without: { parts: ["upstream"], why: "the copy and the original arrive in either order" },
    },
    { name: "low version", requests: [{ raw: "GET / HTTP/1.0\r\nhost: a\r\n\r\n" }] },
    {
      name: "no host",
      requests: [{ raw: "GET / HTTP/1.1\r\n\r\n" }],
      differs: "refused by the codec here: flag DPE and a body, and no stream in Envoy's words",
    },
    { name: "upgrade that is not allowed", requests: [get("/", "connection: upgrade", "upgrade: websocket")] },
    { name: "CONNECT without a route", requests: [{ raw: "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n" }] },
    {
      name: "two lengths in a request",
      requests: [{ raw: "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc" }],
      without: { parts: ["log"], why: "the detail names the fault here, Envoy says http1.codec_error for all" },
    },
    {
      name: "answer before the request is complete",
      requests: [{ raw: "POST /none HTTP/1.1\r\nhost: a\r\ncontent-length: 30\r\n\r\nabc", quietMs: 400 }],
    },
  ],
};
