// CONNECT and extended CONNECT (RFC 9113 8.5, RFC 8441), which Envoy's filters and HTTP/1.1 know as upgrades.
import { data, F, headers, type Pairs, rst } from "../../support/http2-frames.ts";
import { bootstrap, get as get1, httpOptions } from "../config.ts";
import type { GroupPorts, ParityCase, ParityGroup } from "../harness.ts";
import { frames } from "../http2-client.ts";
import { bodyEnd, type Http2Answer, status, statusEnd } from "../http2-upstream.ts";
import { http2Log } from "./http2.ts";

const extended = (path: string, protocol = "websocket", more: Pairs = []): Buffer =>
  headers(
    1,
    [
      [":method", "CONNECT"],
      [":protocol", protocol],
      [":scheme", "http"],
      [":path", path],
      [":authority", "a.example"],
      ["sec-websocket-version", "13"],
      ...more,
    ],
    F.endHeaders,
  );
const connect = (...fields: Pairs): Buffer => headers(1, [[":method", "CONNECT"], ...fields], F.endHeaders);

const config =
  (up: object) =>
  (ports: GroupPorts): object =>
    bootstrap(ports, {
      logFormat: http2Log,
      hcm: {
        http2_protocol_options: { allow_connect: true },
        upgrade_configs: [{ upgrade_type: "websocket" }, { upgrade_type: "CONNECT" }],
      },
      up,
      routes: [
        { match: { connect_matcher: {} }, route: { cluster: "up", upgrade_configs: [{ upgrade_type: "CONNECT" }] } },
        { match: { prefix: "/off" }, route: { cluster: "up", upgrade_configs: [{ upgrade_type: "websocket", enabled: false }] } },
        { match: { prefix: "/idle" }, route: { cluster: "up", idle_timeout: "0.2s", timeout: "0s" } },
        { match: { prefix: "/" }, route: { cluster: "up" } },
      ],
    });

const upgrades = [
  "http.parity.downstream_cx_upgrades_total",
  "http.parity.downstream_rq_ws_on_non_ws_route",
  "http2.rx_reset",
  "http2.tx_reset",
];
/** A tunnel that was closed side by side ended in good order here (no flag); Envoy knows no half-closed tunnel. */
const ENDS = { parts: ["log"], why: "how a tunnel ends: each side for itself here" } as const;
const STAYS = { differs: "the connection goes on here; Envoy drains it after an upgrade that it refused" };
const BOTH_ENDS = {
  parts: ["upstream", "log"],
  why: "the end of one side is passed on, and the other side goes on until it ends; Envoy resets both",
} as const;

const SWITCHED = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n\r\n";

const cases: readonly ParityCase[] = [
  {
    name: "a websocket, both ways",
    requests: [frames(extended("/ws"), data(1, "one frame \r\n\r\n"), data(1, "two frame \r\n\r\n"))],
    stats: upgrades,
    without: ENDS,
  },
  { name: "the upstream refuses", requests: [frames(extended("/refused"))], stats: upgrades, without: ENDS },
  { name: "the route does not allow it", requests: [frames(extended("/off"))], stats: upgrades, ...STAYS },
  { name: "another protocol", requests: [frames(extended("/ws", "other"))], stats: upgrades, ...STAYS },
  {
    name: "the client resets",
    requests: [frames(extended("/ws"), data(1, "one frame \r\n\r\n"), rst(1), [])],
    stats: upgrades,
    without: ENDS,
  },
  {
    name: "an idle tunnel",
    requests: [{ ...frames(extended("/idle")), quietMs: 400 }],
    stats: ["http.parity.downstream_rq_idle_timeout", ...upgrades],
  },
  {
    name: "a path that is not there",
    requests: [
      frames(
        headers(
          1,
          [
            [":method", "CONNECT"],
            [":protocol", "websocket"],
            [":scheme", "http"],
            [":authority", "a.example"],
          ],
          F.endHeaders,
        ),
      ),
    ],
    without: { parts: ["client", "log"], why: "malformed: a GOAWAY says so here" },
  },
  {
    name: "CONNECT",
    requests: [frames(connect([":authority", "a.example:443"]), data(1, "one frame \r\n\r\n"))],
    stats: upgrades,
    without: ENDS,
  },
  {
    name: "CONNECT with a path",
    requests: [frames(connect([":authority", "a.example:443"], [":path", "/"], [":scheme", "http"]))],
    without: { parts: ["client", "log"], why: "malformed: a GOAWAY says so here" },
  },
];

export const tunnelsToHttp1: ParityGroup = {
  name: "HTTP/2 tunnels to HTTP/1.1",
  config: config({}),
  upstream: {
    "/ws": SWITCHED,
    "/idle": SWITCHED,
    "/refused": "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
    "a.example:443": "HTTP/1.1 200 OK\r\n\r\n",
    frame: "pong",
    bye: "gone<close>",
  },
  cases: [
    ...cases,
    {
      name: "the upstream ends the tunnel",
      requests: [frames(extended("/ws"), data(1, "say bye \r\n\r\n"))],
      differs: "the end is passed on here; Envoy resets the stream with CONNECT_ERROR",
    },
  ],
};

const answers: Readonly<Record<string, Http2Answer>> = {
  "/ws": { steps: [status("200", [["sec-websocket-accept", "x"]])] },
  "/idle": { steps: [status("200")] },
  "/refused": { steps: [status("403"), bodyEnd("no")] },
  "/empty": { steps: [statusEnd("403")] },
  "/over": { steps: [status("200"), bodyEnd("gone")] },
  "a.example:443": { steps: [status("200")] },
};

export const tunnelsToHttp2: ParityGroup = {
  name: "HTTP/2 tunnels to HTTP/2",
  config: config(httpOptions({ explicit_http_config: { http2_protocol_options: { allow_connect: true } } })),
  http2Upstream: answers,
  cases: [
    ...cases,
    { name: "refused without a body", requests: [frames(extended("/empty"))], without: ENDS },
    {
      name: "a websocket over HTTP/1.1",
      requests: [
        { ...get1("/ws", "connection: Upgrade", "upgrade: websocket", "sec-websocket-version: 13"), later: ["frame"], quietMs: 200 },
      ],
      stats: ["http.parity.downstream_cx_upgrades_total"],
      without: BOTH_ENDS,
    },
    { name: "the upstream ends the tunnel", requests: [frames(extended("/over"), [])], without: BOTH_ENDS },
  ],
};

export const tunnelsOff: ParityGroup = {
  name: "HTTP/2 tunnels, not allowed",
  config: (ports) => bootstrap(ports, { logFormat: http2Log, hcm: { http2_protocol_options: { allow_connect: false } } }),
  cases: [
    {
      name: "extended CONNECT that was not offered",
      requests: [frames(extended("/ws"))],
      without: { parts: ["client"], why: "malformed: a GOAWAY says so here" },
    },
    { name: "CONNECT without a route", requests: [frames(connect([":authority", "a.example:443"]))] },
  ],
};
