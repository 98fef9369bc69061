// Network filters that are refused: their place in the chain, and one change of a good configuration each.
import type { Json } from "../../../host/xds/message.ts";
import type { Rejection } from "./rejections.ts";
import { at } from "./support.ts";

type Fields = Readonly<Record<string, Json>>;

const filters = `${at.chain}.filters`;
const typed = `${filters}[0].typed_config`;

function filter(name: string, type: string, fields: Fields): Json {
  return { name, typed_config: { "@type": `type.googleapis.com/envoy.extensions.filters.network.${type}`, ...fields } };
}

const tcpProxy = (fields: Fields = {}): Json =>
  filter("tcp", "tcp_proxy.v3.TcpProxy", {
    stat_prefix: "t",
    ...(fields.weighted_clusters === undefined ? { cluster: "a" } : {}),
    ...fields,
  });
const echo: Json = filter("echo", "echo.v3.Echo", {});
const rateLimit = (bucket: Fields): Json =>
  filter("rate", "local_ratelimit.v3.LocalRateLimit", {
    stat_prefix: "r",
    token_bucket: { max_tokens: 1, fill_interval: "1s", ...bucket },
  });
const rbac = (permission: Json, principal: Json = { any: true }, more: Fields = {}): Json =>
  filter("rbac", "rbac.v3.RBAC", {
    stat_prefix: "r",
    rules: { policies: { p: { permissions: [permission], principals: [principal] } } },
    ...more,
  });

const chain = (list: readonly Json[], ...problems: readonly string[]): Rejection => ({ set: { [filters]: list }, problems });
const proxy = (fields: Fields, path: string, reason: string): Rejection => chain([tcpProxy(fields)], `${typed}.${path}: ${reason}`);
const policy = `${typed}.rules.policies["p"]`;
const rule = (permission: Json, path: string, reason: string): Rejection =>
  chain([rbac(permission), tcpProxy()], `${policy}.permissions[0].${path}: ${reason}`);
const identity = (principal: Json, path: string, reason: string): Rejection =>
  chain([rbac({ any: true }, principal), tcpProxy()], `${policy}.principals[0].${path}: ${reason}`);

/** Rules in rules, one deeper than is followed. */
const nested = (depth: number): Json => (depth === 0 ? { any: true } : { not_rule: nested(depth - 1) });

const terminal = (name: string, type: string): string =>
  `Error: terminal filter named ${name} of type envoy.filters.network.${type} must be the last filter in a network filter chain.`;

export const networkFilterRejections: readonly Rejection[] = [
  chain(
    [filter("m", "mongo_proxy.v3.MongoProxy", {})],
    `${typed}: not implemented: envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy`,
  ),
  chain([tcpProxy(), tcpProxy()], `${filters}[0]: ${terminal("tcp", "tcp_proxy")}`),
  chain([echo, tcpProxy()], `${filters}[0]: ${terminal("echo", "echo")}`),
  chain([filter("d", "direct_response.v3.Config", {}), tcpProxy()], `${filters}[0]: ${terminal("d", "direct_response")}`),
  chain(
    [rateLimit({})],
    `${filters}[0]: Error: non-terminal filter named rate of type envoy.filters.network.local_ratelimit is the last filter in a network filter chain.`,
  ),
  // TcpProxy
  chain([tcpProxy({ stat_prefix: "" })], `${typed}.stat_prefix: value length must be at least 1 characters`),
  proxy({ weighted_clusters: { clusters: [] } }, "weighted_clusters.clusters", "value must contain at least 1 item(s)"),
  proxy(
    {
      weighted_clusters: {
        clusters: [
          { name: "a", weight: 4294967295 },
          { name: "b", weight: 1 },
        ],
      },
    },
    "weighted_clusters",
    "The sum of weights of all weighted clusters of tcp_proxy exceeds 4294967295",
  ),
  proxy({ tunneling_config: { hostname: "h" } }, "tunneling_config", "not implemented"),
  proxy({ on_demand: {} }, "on_demand", "not implemented"),
  proxy({ proxy_protocol_tlvs: [{ type: 1, value: "YQ==" }] }, "proxy_protocol_tlvs", "not implemented"),
  proxy({ check_drain_close: true }, "check_drain_close", "not implemented: connections end with their listener"),
  proxy({ max_connect_attempts: 0 }, "max_connect_attempts", "value must be greater than or equal to 1"),
  proxy(
    { backoff_options: { base_interval: "1s", max_interval: "0.5s" } },
    "backoff_options.max_interval",
    "max_backoff_interval must be greater or equal to base_backoff_interval",
  ),
  proxy(
    { upstream_connect_mode: "ON_DOWNSTREAM_DATA" },
    "max_early_data_bytes",
    "max_early_data_bytes must be set when upstream_connect_mode is not IMMEDIATE",
  ),
  proxy(
    { upstream_connect_mode: "ON_DOWNSTREAM_TLS_HANDSHAKE", max_early_data_bytes: 1 },
    "upstream_connect_mode",
    "ON_DOWNSTREAM_TLS_HANDSHAKE is not implemented",
  ),
  proxy(
    { access_log_flush_interval: "1s", access_log_options: { access_log_flush_interval: "1s" } },
    "access_log_options",
    "Only one of access_log_flush_interval or access_log_options can be specified.",
  ),
  // Limits
  chain(
    [rateLimit({ fill_interval: "0.01s" }), tcpProxy()],
    `${typed}.token_bucket.fill_interval: local rate limit token bucket fill timer must be >= 50ms`,
  ),
  chain(
    [filter("c", "connection_limit.v3.ConnectionLimit", { stat_prefix: "c", max_connections: 0 }), tcpProxy()],
    `${typed}.max_connections: value must be greater than or equal to 1`,
  ),
  // RBAC
  rule({ header: { name: "a", present_match: true } }, "header", "Found header rule,not supported by RBAC network filter"),
  rule(
    { sourced_metadata: { metadata_matcher: { filter: "f", path: [{ key: "k" }], value: { null_match: {} } } } },
    "sourced_metadata",
    "not implemented for the RBAC network filter",
  ),
  rule({ destination_ip: { address_prefix: "10.0.0", prefix_len: 8 } }, "destination_ip.address_prefix", "malformed IP address: 10.0.0"),
  rule(nested(33), `${"not_rule.".repeat(32)}not_rule`, "rules are nested deeper than 32"),
  identity({ header: { name: "a", present_match: true } }, "header", "Found header rule,not supported by RBAC network filter"),
  identity({ filter_state: { key: "k", string_match: { exact: "v" } } }, "filter_state", "not implemented for the RBAC network filter"),
  chain([rbac({ any: true }, { any: true }, { matcher: {} }), tcpProxy()], `${typed}.matcher: not implemented: give rules`),
  chain([filter("w", "wasm.v3.Wasm", {}), tcpProxy()], `${typed}.config: value is required`),
];
