// The HTTP filters whose configuration is read here. The composition root may add rows of its own.
import type { HttpFilterExtension } from "../config/extension.ts";
import type { GrpcStatsConfig, RouterConfig } from "../config/listener.ts";
import { parseAccessLogs } from "./resources/access-log.ts";
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

export const builtInHttpFilters: readonly HttpFilterExtension[] = [router, wasm, grpcStats, grpcWeb];
