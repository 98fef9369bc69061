// Connections without HTTP: the TCP proxy and the network filters before it. Requests look like HTTP only because the recording upstream
// answers by path; both proxies see bytes.
import { tcpBootstrap, tcpFilter } from "../config.ts";
import type { ParityCase, ParityGroup } from "../harness.ts";

const UPSTREAM = {
  "/a": "answer a",
  "/close": "bye<close>",
  "/late": "one<delay:60>two",
};
const say = (path: string): string => `GET ${path} x\r\n\r\n`;
const TCP_STATS = [
  "tcp.t.downstream_cx_total",
  "tcp.t.downstream_cx_no_route",
  "tcp.t.downstream_cx_rx_bytes_total",
  "tcp.t.downstream_cx_tx_bytes_total",
  "tcp.t.idle_timeout",
  "tcp.t.max_downstream_connection_duration",
  "tcp.t.early_data_received_count_total",
];
const CLUSTER_STATS = ["up", "dead", "none"].flatMap((cluster) =>
  [
    "upstream_cx_total",
    "upstream_cx_connect_fail",
    "upstream_cx_connect_attempts_exceeded",
    "upstream_cx_none_healthy",
    "upstream_cx_destroy",
    "upstream_cx_destroy_local",
    "upstream_cx_destroy_remote",
    "upstream_cx_destroy_with_active_rq",
    "upstream_cx_overflow",
    "upstream_cx_rx_bytes_total",
    "upstream_cx_tx_bytes_total",
    "upstream_rq_total",
    "upstream_rq_pending_total",
    "upstream_rq_pending_overflow",
    "upstream_rq_pending_failure_eject",
  ].map((name) => `cluster.${cluster}.${name}`),
);
const stats = [...TCP_STATS, ...CLUSTER_STATS];

function proxy(
  name: string,
  fields: object,
  cases: readonly ParityCase[],
  before: readonly object[] = [],
  clusters: readonly object[] = [],
): ParityGroup {
  return {
    name: `tcp: ${name}`,
    upstream: UPSTREAM,
    config: (ports) => tcpBootstrap(ports, [...before, tcpFilter(ports, fields)], clusters),
    cases: cases.map((one) => ({ stats, ...one })),
  };
}

const once = (name: string, path = "/a", more: Partial<ParityCase> = {}): ParityCase => ({
  name,
  requests: [{ raw: say(path), halfClose: true, end: true }],
  ...more,
});

const rbac = (rules: object, more: object = {}): object => ({
  name: "rbac",
  typed_config: {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC",
    stat_prefix: "tcp.",
    rules,
    ...more,
  },
});
const policy = (permission: object, principal: object = { any: true }): object => ({
  policies: { p: { permissions: [permission], principals: [principal] } },
});
const loopback = { address_prefix: "127.0.0.0", prefix_len: 8 };
const RBAC_STATS = [
  "tcp.rbac.allowed",
  "tcp.rbac.denied",
  "tcp.rbac.shadow_allowed",
  "tcp.rbac.shadow_denied",
  "tcp.rbac.x_.shadow_denied",
];

const rbacGroups = [
  rbac(policy({ any: true }, { source_ip: loopback })),
  rbac(policy({ any: true }, { not_id: { remote_ip: loopback } })),
  rbac({ action: "DENY", ...policy({ destination_port_range: { start: 1, end: 65535 } }, { direct_remote_ip: loopback }) }),
  rbac({ action: "LOG", ...policy({ destination_ip: loopback }) }),
  rbac(policy({ and_rules: { rules: [{ destination_ip: loopback }, { not_rule: { destination_port: 1 } }] } })),
  rbac(policy({ or_rules: { rules: [{ destination_port: 1 }, { requested_server_name: { exact: "a" } }] } })),
  rbac(policy({ any: true }, { authenticated: {} })),
  rbac(policy({ url_path: { path: { exact: "/a" } } })),
  rbac(policy({ any: true }), { enforcement_type: "CONTINUOUS" }),
  rbac(policy({ any: true }), { shadow_rules: policy({ destination_port: 1 }), shadow_rules_stat_prefix: "x_" }),
  rbac({ action: "DENY", ...policy({ any: true }) }, { shadow_rules: policy({ any: true }), delay_deny: "0.1s" }),
].map((filter, index) =>
  proxy(
    `rbac ${index + 1}`,
    { cluster: "up" },
    [
      {
        name: "two pieces",
        requests: [{ raw: say("/a"), later: [say("/late"), ""], end: true, halfClose: true }],
        stats: [...RBAC_STATS, ...TCP_STATS.slice(0, 2)],
      },
    ],
    [filter],
  ),
);

const typed = (name: string, type: string, fields: object): object => ({
  name,
  typed_config: { "@type": `type.googleapis.com/envoy.extensions.filters.network.${type}`, ...fields },
});

export const tcpGroups: readonly ParityGroup[] = [
  proxy("proxy", { cluster: "up" }, [
    once("an answer, then the client ends"),
    once("the upstream ends first", "/close"),
    { name: "the client stays", requests: [{ raw: say("/a"), later: [say("/late"), say("/a")], quietMs: 200 }] },
    { name: "nothing is sent but the end", requests: [{ raw: "", halfClose: true, end: true }] },
  ]),
  proxy("dead upstream", { cluster: "dead", max_connect_attempts: 3 }, [once("three attempts", "/a", anyEnd())]),
  proxy("dead upstream with back-off", { cluster: "dead", max_connect_attempts: 2, backoff_options: { base_interval: "0.02s" } }, [
    once("two attempts", "/a", anyEnd()),
  ]),
  proxy("no host", { cluster: "none" }, [once("no host", "/a", anyEnd())]),
  proxy("no cluster", { cluster: "nowhere" }, [once("no cluster", "/a", anyEnd())]),
  proxy("idle timeout", { cluster: "up", idle_timeout: "0.2s" }, [{ name: "silence", requests: [{ raw: say("/a"), end: true }] }]),
  proxy("maximum duration", { cluster: "up", max_downstream_connection_duration: "0.2s" }, [
    { name: "too long", requests: [{ raw: say("/a"), end: true }] },
  ]),
  proxy("early data", { cluster: "up", upstream_connect_mode: "ON_DOWNSTREAM_DATA", max_early_data_bytes: 8 }, [
    once("connects with data"),
  ]),
  proxy("log options", { cluster: "up", access_log_options: { flush_access_log_on_connected: true, flush_access_log_on_start: true } }, [
    once("three lines"),
  ]),
  ...rbacGroups,
  proxy(
    "local rate limit",
    { cluster: "up" },
    [
      {
        name: "two of three",
        requests: Array.from({ length: 3 }, () => ({ raw: say("/a"), halfClose: true, end: true })),
        stats: ["local_rate_limit.r.rate_limited", "tcp.t.downstream_cx_total"],
        ...anyEnd(),
      },
    ],
    [typed("rate", "local_ratelimit.v3.LocalRateLimit", { stat_prefix: "r", token_bucket: { max_tokens: 2, fill_interval: "100s" } })],
  ),
  proxy(
    "connection limit",
    { cluster: "up" },
    [once("one at a time", "/a", { stats: ["connection_limit.c.limited_connections", "connection_limit.c.active_connections"] })],
    [typed("limit", "connection_limit.v3.ConnectionLimit", { stat_prefix: "c", max_connections: 1, delay: "0.05s" })],
  ),
  proxy("sni_cluster without TLS", { cluster: "up" }, [once("the configured cluster")], [typed("sni", "sni_cluster.v3.SniCluster", {})]),
  {
    name: "tcp: direct response",
    config: (ports) => tcpBootstrap(ports, [typed("direct", "direct_response.v3.Config", { response: { inline_string: "no\n" } })]),
    cases: [{ name: "says it and closes", requests: [{ raw: "", end: true }] }],
  },
  {
    name: "tcp: echo",
    config: (ports) => tcpBootstrap(ports, [typed("echo", "echo.v3.Echo", {})]),
    cases: [{ name: "what came goes back", requests: [{ raw: "abc", later: ["def"] }] }],
  },
];

/** Whether unread bytes make the end an RST depends on when they arrive. */
function anyEnd(): Pick<ParityCase, "without"> {
  return { without: { parts: ["client"], why: "the end is an RST or a FIN by what the kernel has not given the proxy yet" } };
}
