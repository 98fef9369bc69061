// The HTTP and network filters whose configuration is read here. The composition root may add rows of its own.
import type { ExtensionTable, HttpFilterExtension, NetworkFilterExtension } from "../config/extension.ts";
import type { GrpcStatsConfig, RouterConfig } from "../config/listener.ts";
import { parseAccessLogs } from "./resources/access-log.ts";
import { parseConnectionManager } from "./resources/connection-manager.ts";
import { cors } from "./resources/cors.ts";
import { readDataSource } from "./resources/data-source.ts";
import { fault } from "./resources/fault.ts";
import { istioAlpn, istioPeerMetadata } from "./resources/istio-http.ts";
import { METADATA_EXCHANGE, parseMetadataExchange } from "./resources/istio-network.ts";
import { ISTIO_STATS, parseIstioStats } from "./resources/istio-stats.ts";
import { parseConnectionLimit, parseNetworkLocalRateLimit } from "./resources/network-limits.ts";
import { parseNetworkRbac } from "./resources/network-rbac.ts";
import { parseTcpProxy } from "./resources/tcp-proxy.ts";
import { parsePluginConfig } from "./resources/wasm-plugin.ts";

const strictHeaders: readonly string[] = [];

const router: HttpFilterExtension = {
  name: "envoy.filters.http.router",
  typeNames: ["envoy.extensions.filters.http.router.v3.Router"],
  isTerminal: true,
  parse(reader, { name, disabled }, ctx) {
    const config: RouterConfig = {
      dynamicStats: reader.flag("dynamic_stats", true),
      suppressEnvoyHeaders: reader.flag("suppress_envoy_headers"),
      startChildSpan: reader.flag("start_child_span"),
      strictCheckHeaders: reader.has("strict_check_headers") ? reader.texts("strict_check_headers") : strictHeaders,
      respectExpectedRqTimeout: reader.flag("respect_expected_rq_timeout"),
      upstreamLogs: parseAccessLogs(reader.messages("upstream_log"), ctx),
    };
    if (disabled) reader.refuse("", "the router filter can not be disabled");
    return { kind: "router", name, disabled, config };
  },
};

const wasm: HttpFilterExtension = {
  name: "envoy.filters.http.wasm",
  typeNames: ["envoy.extensions.filters.http.wasm.v3.Wasm"],
  isTerminal: false,
  parse(reader, { name, disabled }, ctx) {
    const config = reader.message("config");
    if (config === undefined) reader.refuse("config", "value is required");
    const plugin = config === undefined ? undefined : parsePluginConfig(config, ctx);
    return plugin === undefined ? undefined : { kind: "wasm", name, disabled, plugin };
  },
};

const grpcStats: HttpFilterExtension = {
  name: "envoy.filters.http.grpc_stats",
  typeNames: ["envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"],
  isTerminal: false,
  parse(reader, { name, disabled }) {
    const services = reader.message("individual_method_stats_allowlist")?.messages("services") ?? [];
    const listed = services.flatMap((service) => service.texts("method_names").map((method) => [service.text("name"), method] as const));
    const config: GrpcStatsConfig = {
      emitFilterState: reader.flag("emit_filter_state"),
      methods: reader.flag("stats_for_all_methods") ? "all" : listed,
      enableUpstreamStats: reader.flag("enable_upstream_stats"),
      replaceDots: reader.flag("replace_dots_in_grpc_service_name"),
    };
    return { kind: "grpc_stats", name, disabled, config };
  },
};

const grpcWeb: HttpFilterExtension = {
  name: "envoy.filters.http.grpc_web",
  typeNames: ["envoy.extensions.filters.http.grpc_web.v3.GrpcWeb"],
  isTerminal: false,
  parse: (_reader, { name, disabled }) => ({ kind: "grpc_web", name, disabled }),
};

const istioStats: HttpFilterExtension = {
  name: "istio.stats",
  typeNames: [ISTIO_STATS],
  isTerminal: false,
  parse: (reader, { name, disabled }) => ({ kind: "istio_stats", name, disabled, config: parseIstioStats(reader) }),
};

const networkFilter = (
  name: string,
  typeName: string,
  isTerminal: boolean,
  parse: NetworkFilterExtension["parse"],
): NetworkFilterExtension => ({
  name: `envoy.filters.network.${name}`,
  typeNames: [`envoy.extensions.filters.network.${typeName}`],
  isTerminal,
  parse,
});

const networkFilters: readonly NetworkFilterExtension[] = [
  networkFilter("http_connection_manager", "http_connection_manager.v3.HttpConnectionManager", true, (reader, name, ctx) => ({
    kind: "http_connection_manager",
    name,
    config: parseConnectionManager(reader, ctx),
  })),
  networkFilter("tcp_proxy", "tcp_proxy.v3.TcpProxy", true, (reader, name, ctx) => ({
    kind: "tcp_proxy",
    name,
    config: parseTcpProxy(reader, ctx),
  })),
  networkFilter("direct_response", "direct_response.v3.Config", true, (reader, name, ctx) => {
    const response = reader.message("response");
    return {
      kind: "direct_response",
      name,
      response: response === undefined ? new Uint8Array(0) : (readDataSource(response, ctx) ?? new Uint8Array(0)),
    };
  }),
  networkFilter("echo", "echo.v3.Echo", true, (_reader, name) => ({ kind: "echo", name })),
  networkFilter("rbac", "rbac.v3.RBAC", false, (reader, name, ctx) => ({ kind: "rbac", name, config: parseNetworkRbac(reader, ctx) })),
  networkFilter("local_ratelimit", "local_ratelimit.v3.LocalRateLimit", false, (reader, name) => ({
    kind: "local_ratelimit",
    name,
    config: parseNetworkLocalRateLimit(reader),
  })),
  networkFilter("connection_limit", "connection_limit.v3.ConnectionLimit", false, (reader, name) => ({
    kind: "connection_limit",
    name,
    config: parseConnectionLimit(reader),
  })),
  networkFilter("sni_cluster", "sni_cluster.v3.SniCluster", false, (_reader, name) => ({ kind: "sni_cluster", name })),
  {
    name: "istio.metadata_exchange",
    typeNames: [METADATA_EXCHANGE],
    isTerminal: false,
    parse: (reader, name) => ({ kind: "istio_metadata_exchange", name, config: parseMetadataExchange(reader) }),
  },
  {
    name: "istio.stats",
    typeNames: [ISTIO_STATS],
    isTerminal: false,
    parse: (reader, name) => ({ kind: "istio_stats", name, config: parseIstioStats(reader) }),
  },
  networkFilter("wasm", "wasm.v3.Wasm", false, (reader, name, ctx) => {
    const config = reader.message("config");
    if (config === undefined) reader.refuse("config", "value is required");
    const plugin = config === undefined ? undefined : parsePluginConfig(config, ctx);
    return plugin === undefined ? undefined : { kind: "wasm", name, plugin };
  }),
];

export const builtInExtensions: ExtensionTable = {
  httpFilters: [router, wasm, grpcStats, grpcWeb, cors, fault, istioAlpn, istioPeerMetadata, istioStats],
  networkFilters,
};
