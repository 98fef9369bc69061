// How long an HTTP/2 connection lasts, on either side: numbers of requests, durations, idle times, GOAWAY.
import { data, frame, rst, T, uint32 } from "../../support/http2-frames.ts";
import { bootstrap, httpOptions } from "../config.ts";
import type { GroupPorts, ParityGroup } from "../harness.ts";
import { begin, end, frames, get } from "../http2-client.ts";
import { http2Log } from "./http2.ts";

const config =
  (common: object, hcm: object = {}, up: object = {}) =>
  (ports: GroupPorts): object =>
    bootstrap(ports, {
      logFormat: http2Log,
      hcm: { drain_timeout: "0.1s", common_http_protocol_options: common, ...hcm },
      up,
      routes: [
        { match: { prefix: "/short" }, route: { cluster: "up", idle_timeout: "0.2s", timeout: "0s" } },
        { match: { prefix: "/brief" }, route: { cluster: "up", timeout: "0s", max_stream_duration: { max_stream_duration: "0.15s" } } },
        { match: { prefix: "/" }, route: { cluster: "up" } },
      ],
    });

const cx = [
  "http.parity.downstream_cx_max_requests_reached",
  "http.parity.downstream_cx_max_duration_reached",
  "http.parity.downstream_cx_idle_timeout",
  "http.parity.downstream_cx_drain_close",
  "http2.goaway_sent",
];
const part = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";

export const connectionRequests: ParityGroup = {
  name: "HTTP/2 connections, number of requests",
  config: config({ max_requests_per_connection: 2 }),
  cases: [
    { name: "GOAWAY with the last one", requests: [{ ...frames(get(1, "/a"), get(3, "/b")), end: true }], stats: cx },
    { name: "one more while it drains", requests: [{ ...frames(get(1, "/a"), get(3, "/b"), get(5, "/c")), end: true }], stats: cx },
  ],
};

export const connectionDuration: ParityGroup = {
  name: "HTTP/2 connections, duration",
  config: config({ max_connection_duration: "0.3s" }),
  upstream: { "/late": `<delay:700>HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok` },
  cases: [
    { name: "nothing in progress", requests: [{ ...frames(get(1, "/a")), end: true }], stats: cx },
    { name: "a request in progress", requests: [{ ...frames(get(1, "/late")), end: true }], stats: cx },
  ],
};

export const connectionIdle: ParityGroup = {
  name: "HTTP/2 connections, idle",
  config: config({ idle_timeout: "0.3s" }, { stream_idle_timeout: "0.4s", request_timeout: "0.3s" }),
  upstream: { "/hang": "<hang>", "/short": "<hang>", "/short/body": part, "/brief": "<hang>", "/brief/body": part },
  cases: [
    { name: "no request at all", requests: [{ ...frames([]), end: true }], stats: cx },
    { name: "after a request", requests: [{ ...frames(get(1, "/a")), end: true }], stats: cx },
    { name: "an idle stream", requests: [{ ...frames(get(1, "/hang")), quietMs: 600 }], stats: ["http.parity.downstream_rq_idle_timeout"] },
    {
      name: "an idle stream of the route",
      requests: [
        { ...frames(get(1, "/short")), quietMs: 400 },
        { ...frames(get(1, "/short/body")), quietMs: 400 },
      ],
      stats: ["http.parity.downstream_rq_idle_timeout", "http2.tx_reset"],
    },
    {
      name: "a stream that lasts too long",
      requests: [
        { ...frames(get(1, "/brief")), quietMs: 400 },
        { ...frames(get(1, "/brief/body")), quietMs: 400 },
      ],
      stats: ["http.parity.downstream_rq_max_duration_reached", "http2.tx_reset"],
    },
    {
      name: "a request that never ends",
      requests: [{ ...frames([begin(1, "/up"), data(1, "abc")]), quietMs: 600 }],
      stats: ["http.parity.downstream_rq_timeout", "http2.tx_reset"],
      without: { parts: ["upstream"], why: "a request that is broken off" },
    },
    {
      name: "a client's GOAWAY",
      requests: [frames(get(1, "/a"), frame(T.goaway, 0, 0, uint32(0, 0)), get(3, "/b"))],
      differs: "a client's GOAWAY is about streams of the server (RFC 9113 6.8); Envoy never answers what the client asks after it",
    },
    { name: "a reset after the answer", requests: [frames(get(1, "/a"), rst(1), get(3, "/b"))], stats: ["http2.rx_reset"] },
    {
      name: "DATA after the end",
      requests: [frames([begin(1, "/up"), end(1, "a")], get(3, "/hang"), [])],
      stats: ["http.parity.downstream_cx_protocol_error"],
    },
  ],
};

export const upstreamConnections: ParityGroup = {
  name: "HTTP/2 connections to the upstream",
  config: config(
    {},
    {},
    httpOptions({
      explicit_http_config: { http2_protocol_options: {} },
      common_http_protocol_options: { max_requests_per_connection: 2, idle_timeout: "0.3s" },
    }),
  ),
  http2Upstream: {},
  cases: [
    {
      name: "number of requests, then idle",
      requests: [{ ...frames(get(1, "/a"), get(3, "/b"), get(5, "/c")), quietMs: 600 }],
      stats: [
        "cluster.up.upstream_cx_total",
        "cluster.up.upstream_cx_max_requests",
        "cluster.up.upstream_cx_idle_timeout",
        "cluster.up.upstream_cx_destroy_local",
        "cluster.up.http2.goaway_sent",
      ],
    },
  ],
};
