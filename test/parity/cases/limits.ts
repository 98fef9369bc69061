// Limits of the connection manager, and connections that become tunnels.
import { bootstrap, get, post } from "../config.ts";
import type { ParityGroup } from "../harness.ts";

const lines = (count: number): string[] => Array.from({ length: count }, (_, i) => `x-h${i}: ${i}`);

export const limits: ParityGroup = {
  name: "limits",
  config: (ports) =>
    bootstrap(ports, {
      hcm: {
        common_http_protocol_options: {
          max_headers_count: 20,
          headers_with_underscores_action: "REJECT_REQUEST",
          max_requests_per_connection: 3,
        },
        max_request_headers_kb: 4,
        path_with_escaped_slashes_action: "REJECT_REQUEST",
        normalize_path: true,
      },
    }),
  cases: [
    { name: "headers up to the limit", requests: [get("/up", ...lines(15))] },
    { name: "too many headers", requests: [{ ...get("/up", ...lines(40)), end: true }], stats: ["http.parity.downstream_cx_destroy"] },
    { name: "headers too large", requests: [{ ...get("/up", `x-a: ${"a".repeat(6000)}`), end: true }] },
    {
      name: "underscores",
      requests: [get("/up", "x_a: 1"), get("/up_a?b_c", "x-a: b_c")],
      without: { parts: ["log"], why: "the request line is logged here; Envoy's codec refuses before it has one" },
    },
    { name: "escaped slashes", requests: [get("/a%2fb"), get("/a%5cb"), get("/a?b=%2f")] },
    {
      name: "requests on one connection",
      requests: [{ raw: Array.from({ length: 5 }, (_, i) => `GET /${i} HTTP/1.1\r\nhost: a\r\n\r\n`).join(""), end: true }],
    },
  ],
};

export const keptLimits: ParityGroup = {
  name: "limits, the milder way",
  config: (ports) =>
    bootstrap(ports, {
      hcm: {
        common_http_protocol_options: { headers_with_underscores_action: "DROP_HEADER" },
        path_with_escaped_slashes_action: "KEEP_UNCHANGED",
        normalize_path: true,
        merge_slashes: true,
      },
    }),
  cases: [
    { name: "underscores", requests: [get("/up", "x_a: 1", "x-b: 2", "_: 3")] },
    { name: "escaped slashes", requests: [get("/a%2Fb/../c"), get("/a%5cb//d"), get("/%2e%2e%2fa")] },
    { name: "other escapes", requests: [get("/a%3fb%23c%3b"), get("/a%3Fb%3B"), get("/%c0%ae%c0%ae/x"), get("/%c3%a9/%41")] },
  ],
};

export const unescapedLimits: ParityGroup = {
  name: "limits, unescaped slashes",
  config: (ports) =>
    bootstrap(ports, { hcm: { path_with_escaped_slashes_action: "UNESCAPE_AND_FORWARD", normalize_path: true, merge_slashes: true } }),
  cases: [{ name: "escaped slashes", requests: [get("/a%2Fb/../c"), get("/a%5cb//d"), get("/a%2f%2e%2e%2fb?c=%2f")] }],
};

export const timeouts: ParityGroup = {
  name: "timeouts of the connection manager",
  config: (ports) =>
    bootstrap(ports, {
      hcm: { request_headers_timeout: "0.2s", request_timeout: "0.3s", stream_idle_timeout: "0.4s" },
      routes: [
        { match: { prefix: "/short" }, route: { cluster: "up", idle_timeout: "0.1s", timeout: "0s" } },
        { match: { prefix: "/never" }, route: { cluster: "up", timeout: "0s" } },
        { match: { prefix: "/brief" }, route: { cluster: "up", timeout: "0s", max_stream_duration: { max_stream_duration: "0.15s" } } },
        { match: { prefix: "/" }, route: { cluster: "up" } },
      ],
    }),
  upstream: {
    "/never": "<hang>",
    "/short": "<hang>",
    "/brief": "<hang>",
    "/short/body": "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
    "/brief/body": "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
  },
  cases: [
    { name: "headers that never end", requests: [{ raw: "GET /up HTTP/1.1\r\nhost: a\r\n", quietMs: 600 }] },
    {
      name: "a request that never ends",
      requests: [{ raw: "POST /up HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc", quietMs: 600 }],
      without: { parts: ["upstream"], why: "a request that is broken off" },
    },
    { name: "an idle stream", requests: [{ ...get("/never"), quietMs: 700 }], stats: ["http.parity.downstream_rq_idle_timeout"] },
    {
      name: "an idle timeout of the route",
      requests: [
        { ...get("/short"), quietMs: 400 },
        { ...get("/short/body"), end: true },
      ],
    },
    {
      name: "a stream that lasts too long",
      requests: [
        { ...get("/brief"), quietMs: 400 },
        { ...get("/brief/body"), end: true },
      ],
      stats: ["http.parity.downstream_rq_max_duration_reached"],
    },
    { name: "in time", requests: [get("/up"), post("/up", "abc")] },
  ],
};

const WEBSOCKET = ["connection: Upgrade", "upgrade: websocket", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version: 13"];
/** A tunnel that was closed side by side ended in good order here (no flag); Envoy knows no half-closed tunnel: DC or UC. */
const ENDS = { parts: ["log"], why: "how a tunnel ends: each side for itself here" } as const;
const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";

export const tunnels: ParityGroup = {
  name: "tunnels",
  config: (ports) =>
    bootstrap(ports, {
      hcm: { upgrade_configs: [{ upgrade_type: "websocket" }, { upgrade_type: "CONNECT" }] },
      routes: [
        { match: { connect_matcher: {} }, route: { cluster: "up", upgrade_configs: [{ upgrade_type: "CONNECT" }] } },
        { match: { prefix: "/off" }, route: { cluster: "up", upgrade_configs: [{ upgrade_type: "websocket", enabled: false }] } },
        { match: { prefix: "/" }, route: { cluster: "up" } },
      ],
    }),
  upstream: {
    "/ws": SWITCHED,
    "/refused": "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
    "a.example:443": "HTTP/1.1 200 OK\r\n\r\n",
    // What comes after the switch is no HTTP; the recording upstream takes bytes up to an empty line for one message all the same.
    frame: "pong",
    bye: "gone<close>",
  },
  cases: [
    {
      name: "websocket, both ways",
      requests: [{ ...get("/ws", ...WEBSOCKET), later: ["one frame \r\n\r\n", "two frame \r\n\r\n"], quietMs: 200 }],
      stats: ["http.parity.downstream_cx_upgrades_total"],
      without: ENDS,
    },
    {
      name: "the upstream ends the tunnel",
      requests: [{ ...get("/ws", ...WEBSOCKET), later: ["say bye \r\n\r\n"], end: true }],
      without: ENDS,
    },
    {
      name: "the client ends its side",
      requests: [{ ...get("/ws", ...WEBSOCKET), later: ["one frame \r\n\r\n"], halfClose: true, end: true }],
      differs: "the end of one side is passed on, and the other side goes on until it ends; Envoy closes both",
    },
    {
      name: "an upgrade that the upstream refuses",
      requests: [get("/refused", ...WEBSOCKET)],
      differs: "the connection goes on here, as RFC 9110 7.8 has it; Envoy closes it",
    },
    { name: "an upgrade that the route does not allow", requests: [get("/off", ...WEBSOCKET)] },
    { name: "an upgrade of another kind", requests: [get("/ws", "connection: upgrade", "upgrade: other")] },
    { name: "upgrade without connection", requests: [get("/up", "upgrade: websocket")] },
    {
      name: "CONNECT",
      requests: [{ raw: "CONNECT a.example:443 HTTP/1.1\r\nhost: a.example:443\r\n\r\n", later: ["one frame \r\n\r\n"], quietMs: 200 }],
      without: ENDS,
    },
  ],
};
