// Bootstraps that are refused: one change of the good one each, and every problem that is reported for it.
import type { Json } from "../../../host/xds/message.ts";
import { at, clusterJson, listenerJson, routerFilter, types } from "./support.ts";

export interface Rejection {
  readonly set: Readonly<Record<string, Json | undefined>>;
  /** "path: reason", all of them. */
  readonly problems: readonly string[];
}

const any = (type: string, fields: Readonly<Record<string, Json>> = {}): Json => ({ "@type": `type.googleapis.com/${type}`, ...fields });
const one = (path: string, value: Json | undefined, reason: string, reported = path): Rejection => ({
  set: { [path]: value },
  problems: [`${reported}: ${reason}`],
});

const { listener: L, chain: F, manager: M, table: T, host: V, route: R, action: A, cluster: C, endpoints: S, endpoint: E } = at;
const notThere = "no such field";
const not = "not implemented";
const least1 = "value length must be at least 1 characters";
const required = "value is required";
const log = `${M}.access_log[0]`;
const fileLog = (config: Readonly<Record<string, Json>>, more: Readonly<Record<string, Json>> = {}): Json => [
  { name: "f", typed_config: { "@type": types.file, path: "/dev/null", ...config }, ...more },
];
const header = (key: string, more: Readonly<Record<string, Json>> = {}): Json => [{ header: { key, value: "v" }, ...more }];
const wasm = (config: Readonly<Record<string, Json>>): Json => [{ name: "w", typed_config: { "@type": types.wasm, config } }, routerFilter];

const remotePath = `${M}.http_filters[0].typed_config.config.vm_config.code.remote`;
const remote = (source: Readonly<Record<string, Json>>, uri: Readonly<Record<string, Json>> = {}): Readonly<Record<string, Json>> => {
  const http_uri = { uri: "http://x/m.wasm", cluster: "service", timeout: "1s", ...uri };
  return { vm_config: { code: { remote: { http_uri, sha256: "0".repeat(64), ...source } } } };
};

const check = (of: object): Json => ({ timeout: "1s", interval: "1s", unhealthy_threshold: 1, healthy_threshold: 1, ...of }) as Json;

/** One HTTP filter in front of the router, and the only problem with it. */
const filter = (config: Json, path: string, reason: string): Rejection =>
  one(`${M}.http_filters`, [{ name: "f", typed_config: config }, routerFilter], reason, `${M}.http_filters[0].typed_config.${path}`);
const fault = (fields: Readonly<Record<string, Json>>): Json => any("envoy.extensions.filters.http.fault.v3.HTTPFault", fields);
const stats = (fields: Readonly<Record<string, Json>>): Json => any("stats.PluginConfig", fields);
const peers = (fields: Readonly<Record<string, Json>>): Json => any("io.istio.http.peer_metadata.Config", fields);
const cel = "not implemented: needs CEL";

export const rejections: readonly Rejection[] = [
  // Filters of a mesh
  filter(fault({ abort: { http_status: 199 } }), "abort.http_status", "value must be inside range [200, 600)"),
  filter(fault({ abort: {} }), "abort.error_type", "is required: one of http_status, grpc_status, header_abort"),
  filter(fault({ delay: {} }), "delay.fault_delay_secifier", "is required: one of fixed_delay, header_delay"),
  filter(fault({ delay: { fixed_delay: "0s" } }), "delay.fixed_delay", "value must be greater than 0s"),
  filter(
    fault({ response_rate_limit: { fixed_limit: {} } }),
    "response_rate_limit.fixed_limit.limit_kbps",
    "value must be greater than or equal to 1",
  ),
  filter(stats({ metrics: [{ dimensions: { a: "b" } }] }), "metrics[0].dimensions", cel),
  filter(stats({ metrics: [{ match: "true" }] }), "metrics[0].match", cel),
  filter(stats({ definitions: [{ name: "a" }] }), "definitions", not),
  filter(stats({ reporter: "SERVER_GATEWAY" }), "reporter", not),
  filter(peers({ upstream_discovery: [{ baggage: {} }] }), "upstream_discovery[0].baggage", not),
  filter(peers({ downstream_propagation: [{ baggage: {} }] }), "downstream_propagation[0].baggage", not),
  one(`${C}.filters`, [{ name: "x", typed_config: any("some.Filter") }], "not implemented: some.Filter", `${C}.filters[0].typed_config`),
  // Fields and types
  one("nod", {}, notThere),
  one("node.idd", "x", notThere),
  one(`${M}.foo`, 1, notThere),
  one(`${M}.statPrefx`, "x", notThere),
  one(`${A}.timeout`, "5", 'expected a duration such as "1.5s", got "5"'),
  one(`${A}.timeout`, 5, 'expected a duration such as "1.5s", got 5'),
  one(`${A}.timeout`, "-1s", "Expected positive duration: -1s"),
  one(`${V}.domains`, { a: 1 }, "expected a string, got an object", `${V}.domains[0]`),
  one(`${M}.use_remote_address`, 1, "expected true or false, got 1"),
  one("admin.address.socket_address.port_value", "x", 'expected an integer, got "x"'),
  one("admin.address.socket_address.port_value", 1.5, "expected an integer, got 1.5"),
  one("admin.address.socket_address.port_value", 65536, "value must be less than or equal to 65535"),
  one("admin.address.socket_address.port_value", -1, "integer out of range for uint32: -1"),
  one(
    "admin.address.socket_address.address",
    "localhost",
    "malformed IP address: localhost. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'",
  ),
  one("admin.address", {}, "is required: one of socket_address, pipe, envoy_internal_address", "admin.address.address"),
  one("static_resources", [], "expected an object, got a list"),
  one(`${C}.type`, "STATICS", 'unknown enum value "STATICS"; one of STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST'),
  one(`${C}.type`, 9, "value must be one of the defined enum values"),
  one(`${F}.filters[0].typed_config`, { stat_prefix: "x" }, required, `${F}.filters[0].typed_config.@type`),
  {
    set: { [`${R}.redirect`]: { path_redirect: "/" } },
    problems: [`${R}.redirect: oneof field 'action' is already set. Cannot set 'redirect'`],
  },
  { set: { [`${R}.match.path`]: "/x" }, problems: [`${R}.match.path: oneof field 'path_specifier' is already set. Cannot set 'path'`] },
  one(`${M}.statPrefix`, "again", "given twice, in snake_case and in camelCase", `${M}.stat_prefix`),
  // Listeners
  one(`${L}.address`, undefined, "error adding listener named 'in': address is necessary"),
  one(`${L}.address.socket_address.protocol`, "UDP", "UDP is not implemented"),
  one(`${L}.filter_chains`, [], "error adding listener '127.0.0.1:10000': no filter chains specified"),
  one(
    "static_resources.listeners[1]",
    listenerJson("other", { route_config: {} }),
    "error adding listener: 'other' has duplicate address '127.0.0.1:10000' as existing listener",
    "static_resources.listeners[1].address",
  ),
  one(
    `${L}.address`,
    { pipe: { path: "x".repeat(108) } },
    `Path "${"x".repeat(108)}" exceeds maximum UNIX domain socket path size of 108.`,
    `${L}.address.pipe.path`,
  ),
  one(
    `${L}.listener_filters`,
    [{ name: "s", typed_config: any("envoy.extensions.filters.listener.original_src.v3.OriginalSrc") }],
    "not implemented: connections to upstreams have this host's own address",
    `${L}.listener_filters[0].typed_config`,
  ),
  one(
    `${L}.listener_filters`,
    [
      {
        name: "i",
        typed_config: any("envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector", { enable_ja3_fingerprinting: true }),
      },
    ],
    not,
    `${L}.listener_filters[0].typed_config.enable_ja3_fingerprinting`,
  ),
  one(
    `${L}.listener_filters`,
    [
      {
        name: "p",
        typed_config: any("envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol", { tlv_location: "FILTER_STATE" }),
      },
    ],
    "not implemented: FILTER_STATE",
    `${L}.listener_filters[0].typed_config.tlv_location`,
  ),
  one(`${L}.udp_listener_config`, {}, not),
  one(`${L}.socket_options`, [{ level: 1, name: 2, int_value: 1 }], not),
  one(`${L}.api_listener`, { api_listener: any("envoy.config.cluster.v3.Cluster", { name: "x" }) }, not),
  one(`${F}.filters`, [], "no filters: a connection would be closed at once"),
  one(`${F}.use_proxy_proto`, true, "the PROXY protocol is not implemented"),
  one(`${F}.filters[0].name`, "", least1),
  one(
    `${F}.filters[0].typed_config`,
    undefined,
    "Didn't find a registered implementation for 'envoy.filters.network.http_connection_manager' with type URL: ''",
  ),
  one(
    `${F}.filter_chain_match`,
    { server_names: ["*x.com"] },
    'partial wildcards are not supported in "server_names"',
    `${F}.filter_chain_match.server_names[0]`,
  ),
  one(
    `${F}.filter_chain_match`,
    { prefix_ranges: [{ address_prefix: "10.0.0", prefix_len: 8 }] },
    "malformed IP address: 10.0.0",
    `${F}.filter_chain_match.prefix_ranges[0].address_prefix`,
  ),
  ...["prefix_ranges", "source_prefix_ranges", "direct_source_prefix_ranges"].flatMap((field) => [
    one(
      `${F}.filter_chain_match`,
      { [field]: [{ address_prefix: "10.0.0.0/8", prefix_len: 8 }] },
      "malformed IP address: 10.0.0.0/8",
      `${F}.filter_chain_match.${field}[0].address_prefix`,
    ),
    one(
      `${F}.filter_chain_match`,
      { [field]: [{ address_prefix: "10.0.0.0", prefix_len: 129 }] },
      "value must be less than or equal to 128",
      `${F}.filter_chain_match.${field}[0].prefix_len`,
    ),
  ]),
  one(
    `${M}.internal_address_config`,
    {
      cidr_ranges: [
        { address_prefix: "10.0.0.0", prefix_len: 8 },
        { address_prefix: "fe80::1%eth0", prefix_len: 64 },
      ],
    },
    "malformed IP address: fe80::1%eth0",
    `${M}.internal_address_config.cidr_ranges[1].address_prefix`,
  ),
  one(
    `${M}.internal_address_config`,
    { cidr_ranges: [{ address_prefix: "::ffff:10.0.0.0", prefix_len: 104 }] },
    "an IPv4-mapped range is not implemented: give ::ffff:10.0.0.0 as IPv4",
    `${M}.internal_address_config.cidr_ranges[0].address_prefix`,
  ),
  one(
    `${F}.filter_chain_match`,
    { destination_port: 0 },
    "value must be inside range [1, 65535]",
    `${F}.filter_chain_match.destination_port`,
  ),
  // Connection manager
  one(`${M}.stat_prefix`, undefined, least1),
  one(`${M}.route_config`, undefined, "is required: one of rds, route_config, scoped_routes", `${M}.route_specifier`),
  one(`${M}.codec_type`, "HTTP3", "HTTP3 is not implemented"),
  one(`${M}.max_request_headers_kb`, 0, "value must be inside range (0, 8192]"),
  one(`${M}.max_request_headers_kb`, 9000, "value must be inside range (0, 8192]"),
  one(`${M}.http_filters`, [], "no terminal filter configured: the router must be the last filter"),
  one(
    `${M}.http_filters`,
    [routerFilter, { ...routerFilter, name: "again" }],
    "Error: terminal filter named envoy.filters.http.router of type envoy.filters.http.router must be the last filter in a http filter chain.",
    `${M}.http_filters[0]`,
  ),
  one(
    `${M}.http_filters`,
    [{ name: "lua", typed_config: any("envoy.extensions.filters.http.lua.v3.Lua") }, routerFilter],
    "not implemented: envoy.extensions.filters.http.lua.v3.Lua",
    `${M}.http_filters[0].typed_config`,
  ),
  one(
    `${M}.http_filters`,
    [{ name: "x" }, routerFilter],
    "Didn't find a registered implementation for 'x' with type URL: ''",
    `${M}.http_filters[0].typed_config`,
  ),
  one(`${M}.tracing.provider`, { name: "z" }, "not implemented: there is no tracer"),
  one(
    `${M}.original_ip_detection_extensions`,
    [{ name: "x", typed_config: any("envoy.extensions.http.original_ip_detection.xff.v3.XffConfig") }],
    not,
  ),
  one(`${M}.request_headers_timeout`, "-1s", "value must be greater than or equal to 0s"),
  one(
    `${M}.upgrade_configs`,
    [{ upgrade_type: "websocket" }, { upgrade_type: "WebSocket" }],
    "Error: multiple upgrade configs with the same name: 'WebSocket'",
    `${M}.upgrade_configs[1].upgrade_type`,
  ),
  one(
    `${M}.common_http_protocol_options`,
    { max_headers_count: 0 },
    "value must be greater than or equal to 1",
    `${M}.common_http_protocol_options.max_headers_count`,
  ),
  one(`${M}.local_reply_config`, { mappers: [{ status_code: 503 }] }, required, `${M}.local_reply_config.mappers[0].filter`),
  one(`${M}.rds`, { config_source: { ads: {} }, route_config_name: "x" }, "oneof field 'route_specifier' is already set. Cannot set 'rds'"),
  // Access logs
  one(
    `${M}.access_log`,
    fileLog({ log_format: { text_format_source: { inline_string: "%BOGUS%" } } }),
    "Not supported field in StreamInfo: BOGUS",
    `${log}.typed_config.log_format.text_format_source`,
  ),
  one(
    `${M}.access_log`,
    fileLog({ log_format: { json_format: { a: { b: "%BOGUS%" } } } }),
    "Not supported field in StreamInfo: BOGUS",
    `${log}.typed_config.log_format.json_format.a.b`,
  ),
  one(
    `${M}.access_log`,
    fileLog({ log_format: {} }),
    "is required: one of text_format, json_format, text_format_source",
    `${log}.typed_config.log_format.format`,
  ),
  one(`${M}.access_log`, fileLog({ path: "" }), least1, `${log}.typed_config.path`),
  one(
    `${M}.access_log`,
    fileLog({}, { filter: {} }),
    "is required: one of status_code_filter, duration_filter, not_health_check_filter, traceable_filter, runtime_filter, and_filter, or_filter, header_filter, response_flag_filter, grpc_status_filter, extension_filter, metadata_filter, log_type_filter",
    `${log}.filter.filter_specifier`,
  ),
  one(
    `${M}.access_log`,
    fileLog({}, { filter: { and_filter: { filters: [{ traceable_filter: {} }] } } }),
    "value must contain at least 2 item(s)",
    `${log}.filter.and_filter.filters`,
  ),
  one(`${M}.access_log`, fileLog({}, { filter: { log_type_filter: {} } }), not, `${log}.filter.log_type_filter`),
  one(
    `${M}.access_log`,
    [{ name: "g", typed_config: any("envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig") }],
    "not implemented: envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
    `${log}.typed_config`,
  ),
  // Route tables
  one(`${V}.name`, "", least1),
  one(`${V}.domains`, ["a\nb"], "value does not match regex pattern of HTTP header values", `${V}.domains[0]`),
  one(`${M}.internal_only`, [], "no such field"),
  one(`${T}.internal_only_headers`, ["x\r"], "value does not match regex pattern of HTTP header names", `${T}.internal_only_headers[0]`),
  one(`${V}.domains`, [], "value must contain at least 1 item(s)"),
  one(
    `${T}.virtual_hosts[1]`,
    { name: "b", domains: ["*"] },
    "Only a single wildcard domain is permitted in route local",
    `${T}.virtual_hosts[1].domains[0]`,
  ),
  one(
    `${T}.virtual_hosts[1]`,
    { name: "b", domains: ["x.com", "X.com"] },
    "Only unique values for domains are permitted. Duplicate entry of domain x.com in route local",
    `${T}.virtual_hosts[1].domains[1]`,
  ),
  one(`${T}.vhds`, { config_source: { ads: {} } }, not),
  one(`${V}.rate_limits`, [{ actions: [{ remote_address: {} }] }], not),
  one(`${V}.matcher`, {}, not),
  one(`${R}.match`, undefined, required),
  one(
    `${R}.match`,
    {},
    "is required: one of prefix, path, safe_regex, connect_matcher, path_separated_prefix, path_match_policy",
    `${R}.match.path_specifier`,
  ),
  one(`${R}.match`, { safe_regex: { regex: "(?=x)" } }, "invalid perl operator: (?=", `${R}.match.safe_regex.regex`),
  one(
    `${R}.match`,
    { path_separated_prefix: "/x/" },
    'value does not match regex pattern "^[^?#]+[^?#/]$"',
    `${R}.match.path_separated_prefix`,
  ),
  one(`${R}.match`, { prefix: "/", headers: [{ name: "" }] }, least1, `${R}.match.headers[0].name`),
  one(
    `${R}.match`,
    { prefix: "/", headers: [{ name: "x", string_match: { safe_regex: { regex: "a" }, ignore_case: true } }] },
    "ignore_case has no effect for safe_regex.",
    `${R}.match.headers[0].string_match.ignore_case`,
  ),
  one(
    `${R}.match`,
    { prefix: "/", dynamic_metadata: [{ filter: "f", path: [{ key: "k" }], value: { present_match: true } }] },
    not,
    `${R}.match.dynamic_metadata`,
  ),
  one(`${R}.route`, undefined, "is required: one of route, redirect, direct_response, filter_action, non_forwarding_action", `${R}.action`),
  one(
    `${R}.request_headers_to_add`,
    header(":path"),
    ":-prefixed or host headers may not be modified",
    `${R}.request_headers_to_add[0].header.key`,
  ),
  one(
    `${R}.request_headers_to_add`,
    header("Host"),
    ":-prefixed or host headers may not be modified",
    `${R}.request_headers_to_add[0].header.key`,
  ),
  one(
    `${R}.request_headers_to_add`,
    header("x", { append: true, append_action: "ADD_IF_ABSENT" }),
    "Both append and append_action are set and it's not allowed",
    `${R}.request_headers_to_add[0].append`,
  ),
  one(
    `${R}.request_headers_to_add`,
    [{ header: { key: "x", value: "%BOGUS%" } }],
    "Not supported field in StreamInfo: BOGUS",
    `${R}.request_headers_to_add[0].header.value`,
  ),
  one(`${R}.request_headers_to_remove`, ["host"], ":-prefixed or host headers may not be removed", `${R}.request_headers_to_remove[0]`),
  one(
    `${R}.typed_per_filter_config`,
    { lua: any("envoy.extensions.filters.http.lua.v3.LuaPerRoute") },
    "Didn't find a registered implementation for type URL: 'type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute'",
    `${R}.typed_per_filter_config["lua"]`,
  ),
  // Actions
  one(`${A}.cluster`, "unknown", "route: unknown cluster 'unknown'"),
  one(`${A}.cluster`, "", least1),
  one(`${R}.route`, { weighted_clusters: { clusters: [] } }, "value must contain at least 1 item(s)", `${A}.weighted_clusters.clusters`),
  one(
    `${R}.route`,
    { weighted_clusters: { clusters: [{ name: "service", weight: 1 }, { name: "service" }] } },
    "Field 'weight' is missing",
    `${A}.weighted_clusters.clusters[1].weight`,
  ),
  one(
    `${R}.route`,
    { weighted_clusters: { clusters: [{ name: "service", weight: 0 }] } },
    "Sum of weights in the weighted_cluster must be greater than 0.",
    `${A}.weighted_clusters.clusters`,
  ),
  one(
    `${R}.route`,
    { weighted_clusters: { clusters: [{ name: "service", cluster_header: "x", weight: 1 }] } },
    "Only one of name or cluster_header can be specified",
    `${A}.weighted_clusters.clusters[0].cluster_header`,
  ),
  one(
    `${R}.route`,
    { weighted_clusters: { clusters: [{ name: "gone", weight: 1 }] } },
    "route: unknown weighted cluster 'gone'",
    `${A}.weighted_clusters.clusters[0].name`,
  ),
  one(
    `${A}.request_mirror_policies`,
    [{ cluster: "gone" }],
    "route: unknown shadow cluster 'gone'",
    `${A}.request_mirror_policies[0].cluster`,
  ),
  one(`${A}.regex_rewrite`, { substitution: "x" }, required, `${A}.regex_rewrite.pattern`),
  {
    set: { [`${A}.prefix_rewrite`]: "/x", [`${A}.regex_rewrite`]: { pattern: { regex: "a" }, substitution: "b" } },
    problems: [`${A}.regex_rewrite: Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy`],
  },
  one(`${A}.internal_redirect_policy`, {}, not),
  one(`${A}.hedge_policy`, {}, not),
  one(`${A}.retry_policy`, { retry_on: "5xx,conect-failure" }, "unknown retry condition 'conect-failure'", `${A}.retry_policy.retry_on`),
  one(
    `${A}.retry_policy`,
    { retry_back_off: { base_interval: "1s", max_interval: "0.5s" } },
    "retry_policy.max_interval must greater than or equal to the base_interval",
    `${A}.retry_policy.retry_back_off.max_interval`,
  ),
  one(`${A}.retry_policy`, { retry_back_off: {} }, required, `${A}.retry_policy.retry_back_off.base_interval`),
  one(
    `${A}.retry_policy`,
    {
      retry_host_predicate: [{ name: "x", typed_config: any("envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig") }],
    },
    "not implemented: envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig",
    `${A}.retry_policy.retry_host_predicate[0].typed_config`,
  ),
  one(
    `${A}.upgrade_configs`,
    [{ upgrade_type: "a" }, { upgrade_type: "A" }],
    "Duplicate upgrade a",
    `${A}.upgrade_configs[1].upgrade_type`,
  ),
  one(
    `${A}.cluster_not_found_response_code`,
    "TEAPOT",
    'unknown enum value "TEAPOT"; one of SERVICE_UNAVAILABLE, NOT_FOUND, INTERNAL_SERVER_ERROR',
  ),
  {
    set: { [`${R}.route`]: undefined, [`${R}.direct_response`]: { status: 99 } },
    problems: [`${R}.direct_response.status: value must be inside range [200, 600)`],
  },
  {
    set: { [`${R}.route`]: undefined, [`${R}.direct_response`]: { status: 200, body: { inline_string: "x".repeat(5000) } } },
    problems: [`${R}.direct_response.body: response body size is 5000 bytes; maximum is 4096`],
  },
  {
    set: { [`${R}.route`]: undefined, [`${R}.filter_action`]: { action: any("google.protobuf.Empty") } },
    problems: [`${R}.filter_action: ${not}`],
  },
  // Clusters
  { set: { [`${C}.name`]: undefined }, problems: [`${C}.name: ${least1}`, `${A}.cluster: route: unknown cluster 'service'`] },
  one(`${C}.connect_timeout`, "0s", "value must be greater than 0s"),
  one(`${C}.lb_policy`, "RING_HASH", "RING_HASH is not implemented"),
  one(
    `${C}.round_robin_lb_config`,
    { slow_start_config: { slow_start_window: "1s" } },
    not,
    `${C}.round_robin_lb_config.slow_start_config`,
  ),
  {
    set: { [`${C}.lb_policy`]: "LEAST_REQUEST", [`${C}.least_request_lb_config`]: { slow_start_config: { slow_start_window: "1s" } } },
    problems: [`${C}.least_request_lb_config.slow_start_config: ${not}`],
  },
  one(`${C}.type`, "ORIGINAL_DST", "ORIGINAL_DST and CLUSTER_PROVIDED come with each other alone", `${C}.lb_policy`),
  {
    set: { [`${C}.type`]: "EDS", [`${C}.load_assignment`]: undefined },
    problems: [`${C}.eds_cluster_config: cannot create an EDS cluster without an EDS config`],
  },
  one(`${C}.eds_cluster_config`, { eds_config: { path: "/x" } }, "eds_cluster_config set in a non-EDS cluster"),
  {
    set: { [`${C}.type`]: "LOGICAL_DNS", [`${S}.lb_endpoints`]: [] },
    problems: [`${C}.load_assignment: LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint`],
  },
  one(
    `${E}.endpoint.address.socket_address.address`,
    "service.local",
    "malformed IP address: service.local. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'",
  ),
  one(`${E}.load_balancing_weight`, 0, "value must be greater than or equal to 1"),
  one(`${E}.endpoint.address`, undefined, required),
  one(`${S}.priority`, 129, "value must be less than or equal to 128"),
  one(`${C}.load_assignment.cluster_name`, "", least1),
  one(
    `${C}.health_checks`,
    [check({ grpc_health_check: {} })],
    "cluster must support HTTP/2 for gRPC healthchecking",
    `${C}.health_checks[0].grpc_health_check`,
  ),
  one(
    `${C}.health_checks`,
    [check({ tcp_health_check: {} }), check({ tcp_health_check: {} })],
    "Multiple health checks per cluster are not supported",
    `${C}.health_checks[1]`,
  ),
  one(
    `${C}.health_checks`,
    [check({ tcp_health_check: { send: { text: "0g" } } })],
    "invalid hex string '0g'",
    `${C}.health_checks[0].tcp_health_check.send.text`,
  ),
  one(
    `${C}.health_checks`,
    [check({ http_health_check: { path: "/", expected_statuses: [{ start: 300, end: 200 }] } })],
    "Invalid http status range: expecting start < end, but found start=300 and end=200",
    `${C}.health_checks[0].http_health_check.expected_statuses[0]`,
  ),
  one(
    `${C}.health_checks`,
    [check({ http_health_check: { path: "/", codec_client_type: "HTTP3" } })],
    "HTTP3 is not implemented",
    `${C}.health_checks[0].http_health_check.codec_client_type`,
  ),
  one(
    `${C}.health_checks`,
    [check({ http_health_check: { path: "/", request_headers_to_add: [{ header: { key: "a", value: "%PROTOCOL%" } }] } })],
    "command operators are not implemented in health checks",
    `${C}.health_checks[0].http_health_check.request_headers_to_add[0].header`,
  ),
  one(
    `${C}.health_checks`,
    [check({ tcp_health_check: {}, event_log_path: "/log" })],
    "not implemented",
    `${C}.health_checks[0].event_log_path`,
  ),
  one(
    `${C}.health_checks`,
    [check({ custom_health_check: { name: "redis" } })],
    "not implemented",
    `${C}.health_checks[0].custom_health_check`,
  ),
  one(`${C}.outlier_detection`, {}, not),
  one(
    `${C}.typed_extension_protocol_options`,
    {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": any("envoy.extensions.upstreams.http.v3.HttpProtocolOptions", {
        explicit_http_config: { http3_protocol_options: {} },
      }),
    },
    "HTTP/3 to upstreams is not implemented",
    `${C}.typed_extension_protocol_options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"].explicit_http_config.http3_protocol_options`,
  ),
  one(`${C}.lb_subset_config`, {}, not),
  one(
    "static_resources.clusters[1]",
    clusterJson("service"),
    "cluster manager: duplicate cluster 'service'",
    "static_resources.clusters[1].name",
  ),
  // gRPC
  one(
    `${M}.http_filters`,
    [
      {
        name: "grpc_stats",
        typed_config: any("envoy.extensions.filters.http.grpc_stats.v3.FilterConfig", {
          individual_method_stats_allowlist: { services: [{ name: "", method_names: ["M"] }] },
        }),
      },
      routerFilter,
    ],
    "value length must be at least 1 characters",
    `${M}.http_filters[0].typed_config.individual_method_stats_allowlist.services[0].name`,
  ),
  // Wasm
  one(`${M}.http_filters`, wasm({}), required, `${M}.http_filters[0].typed_config.config.vm_config`),
  one(`${M}.http_filters`, wasm({ vm_config: {} }), required, `${M}.http_filters[0].typed_config.config.vm_config.code`),
  one(
    `${M}.http_filters`,
    wasm({ vm_config: { runtime: "envoy.wasm.runtime.wasmtime", code: { local: { inline_bytes: "AGFzbQEAAAA=" } } } }),
    "not implemented: envoy.wasm.runtime.wasmtime; envoy.wasm.runtime.v8 is",
    `${M}.http_filters[0].typed_config.config.vm_config.runtime`,
  ),
  one(`${M}.http_filters`, wasm(remote({})), "modules are not fetched here: http://x/m.wasm", remotePath),
  one(`${M}.http_filters`, wasm(remote({ sha256: "" })), "value length must be at least 1 characters", `${remotePath}.sha256`),
  one(`${M}.http_filters`, wasm(remote({ sha256: "a" })), "sha256 field must be 64 hexadecimal digits", `${remotePath}.sha256`),
  one(`${M}.http_filters`, wasm(remote({ sha256: "nil" })), "sha256 field must be 64 hexadecimal digits", `${remotePath}.sha256`),
  one(`${M}.http_filters`, wasm(remote({}, { uri: "m.wasm" })), "not a URL: m.wasm", `${remotePath}.http_uri.uri`),
  one(
    `${M}.http_filters`,
    wasm(remote({}, { uri: "oci://x/m" })),
    "unsupported Wasm module downloading URL scheme: oci",
    `${remotePath}.http_uri.uri`,
  ),
  one(
    `${M}.http_filters`,
    wasm(remote({ sha256: "nil" }, { uri: "oci://x/m", cluster: "_" })),
    "modules are not fetched here: oci://x/m",
    remotePath,
  ),
  one(
    `${M}.http_filters`,
    wasm({ vm_config: { code: { local: { filename: "/no/such.wasm" } } } }),
    "unable to read file: ENOENT: no such file or directory, stat '/no/such.wasm'",
    `${M}.http_filters[0].typed_config.config.vm_config.code.local.filename`,
  ),
  one(
    `${M}.http_filters`,
    wasm({ vm_config: { code: { local: { inline_string: "text" } } } }),
    "not a WebAssembly module",
    `${M}.http_filters[0].typed_config.config.vm_config.code.local.inline_string`,
  ),
  // The rest of the bootstrap
  one(
    "layered_runtime",
    {
      layers: [
        { name: "a", static_layer: {} },
        { name: "a", admin_layer: {} },
      ],
    },
    "Duplicate layer name: a",
    "layered_runtime.layers[1].name",
  ),
  one(
    "layered_runtime",
    { layers: [{ name: "a", static_layer: { x: [1] } }] },
    "Invalid runtime entry value for x",
    "layered_runtime.layers[0].static_layer",
  ),
  one("layered_runtime", { layers: [{ name: "d", disk_layer: { symlink_root: "/x" } }] }, not, "layered_runtime.layers[0].disk_layer"),
  one(
    "layered_runtime",
    { layers: [{ name: "a" }] },
    "is required: one of static_layer, disk_layer, admin_layer, rtds_layer",
    "layered_runtime.layers[0].layer_specifier",
  ),
  one("dynamic_resources", { lds_config: { ads: {} } }, "dynamic_resources.ads_config is not set", "dynamic_resources.lds_config.ads"),
  one(
    "dynamic_resources",
    { lds_config: { path: "/x", resource_api_version: "V2" } },
    "V2 (and AUTO) xDS transport protocol versions are deprecated",
    "dynamic_resources.lds_config.resource_api_version",
  ),
  one(
    "dynamic_resources",
    { ads_config: { api_type: "GRPC" } },
    "(DELTA_)GRPC must have a single gRPC service specified",
    "dynamic_resources.ads_config.grpc_services",
  ),
  one(
    "dynamic_resources",
    { cds_config: {} },
    "is required: one of path, api_config_source, ads, self, path_config_source",
    "dynamic_resources.cds_config.config_source_specifier",
  ),
  one("stats_sinks", [{ name: "s" }], not),
  one(
    "stats_config",
    { stats_tags: [{ tag_name: "x" }] },
    "No regex specified for tag specifier and no default regex for name: 'x'",
    "stats_config.stats_tags[0].regex",
  ),
  one("stats_config", { stats_matcher: { reject_all: true } }, not, "stats_config.stats_matcher"),
  one(
    "overload_manager",
    {
      resource_monitors: [
        {
          name: "envoy.resource_monitors.fixed_heap",
          typed_config: any("envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig"),
        },
      ],
    },
    "not implemented: envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
    "overload_manager.resource_monitors[0].typed_config",
  ),
  one("bootstrap_extensions", [{ name: "x", typed_config: any("envoy.extensions.bootstrap.internal_listener.v3.InternalListener") }], not),
  one("tracing", { http: { name: "z" } }, not),
  one("watchdog", { kill_timeout: "1s" }, not),
  one("watchdogs", { worker_watchdog: { miss_timeout: "1s" } }, not),
  one("hds_config", { api_type: "GRPC" }, not),
  one("static_resources.secrets", [{ name: "s" }], "value is required", "static_resources.secrets[0].tls_certificate"),
  one(
    "static_resources.secrets",
    [{ name: "s", generic_secret: { secret: { inline_string: "x" } } }],
    not,
    "static_resources.secrets[0].generic_secret",
  ),
];
