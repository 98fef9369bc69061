// extensions.filters.network.http_connection_manager.v3.HttpConnectionManager. The limits' defaults are Envoy's.
import type { ConfigReader } from "../../config/extension.ts";
import type { ClientCertDetails, HttpConnectionManager } from "../../config/listener.ts";
import type { RouteConfiguration } from "../../config/route.ts";
import type { ResourceContext } from "../context.ts";
import { parseAccessLogs } from "./access-log.ts";
import { parseCidrs } from "./address.ts";
import { parseConfigSource } from "./config-source.ts";
import { parseHttp1 } from "./http1-options.ts";
import { parseHttp2Options } from "./http2-options.ts";
import { parseHttpFilters } from "./http-filters.ts";
import { parseLocalReply } from "./local-reply.ts";
import { parseRouteConfiguration } from "./route-configuration.ts";
import { parseTracing } from "./tracing.ts";

/** Stands in where the constraints, or finish() for scoped_routes, have refused the message. */
const emptyTable: RouteConfiguration = {
  name: "",
  virtualHosts: [],
  internalOnlyHeaders: [],
  mutations: { requestToAdd: [], requestToRemove: [], responseToAdd: [], responseToRemove: [] },
  mostSpecificHeaderMutationsWins: false,
  ignorePortInHostMatching: false,
  maxDirectResponseBodyBytes: 4096,
  requestMirrorPolicies: [],
  perFilterConfig: {},
  metadata: {},
};

export function parseConnectionManager(reader: ConfigReader, ctx: ResourceContext): HttpConnectionManager {
  const codec = reader.choice<string>("codec_type", "AUTO");
  if (codec !== "AUTO" && codec !== "HTTP1" && codec !== "HTTP2") reader.refuse("codec_type", `${codec} is not implemented`);
  const common = reader.message("common_http_protocol_options");
  common?.ignore("max_response_headers_kb");
  const underscores =
    common?.choice<HttpConnectionManager["headersWithUnderscoresAction"]>("headers_with_underscores_action", "ALLOW") ?? "ALLOW";
  const internal = reader.message("internal_address_config");
  const localReply = reader.message("local_reply_config");
  const logOptions = reader.message("access_log_options");
  const oldFlush = reader.optionalDurationMs("access_log_flush_interval");
  const oldFlushNew = reader.flag("flush_access_log_on_new_request");
  if (logOptions !== undefined && (oldFlush !== undefined || oldFlushNew)) {
    reader.refuse("access_log_options", "Only one of access_log_options and the deprecated access log fields can be set");
  }
  checkPorts(reader);
  return {
    statPrefix: reader.text("stat_prefix"),
    codecType: codec === "HTTP1" || codec === "HTTP2" ? codec : "AUTO",
    routes: parseRoutes(reader, ctx),
    httpFilters: parseHttpFilters(reader, ctx),
    http1: parseHttp1(reader.message("http_protocol_options")),
    http2: parseHttp2Options(reader.message("http2_protocol_options"), {
      maxHeaderBytes: reader.number("max_request_headers_kb", 60) * 1024,
      maxHeaders: common?.number("max_headers_count", 100) ?? 100,
      headersWithUnderscoresAction: underscores,
      streamErrorOnInvalidHttpMessage: reader.flag("stream_error_on_invalid_http_message"),
      streamFlushTimeoutMs: reader.optionalDurationMs("stream_idle_timeout") ?? 300_000,
    }),
    idleTimeoutMs: common?.optionalDurationMs("idle_timeout") ?? 3_600_000,
    maxConnectionDurationMs: common?.optionalDurationMs("max_connection_duration") ?? 0,
    maxRequestsPerConnection: common?.number("max_requests_per_connection") ?? 0,
    maxHeadersCount: common?.number("max_headers_count", 100) ?? 100,
    headersWithUnderscoresAction: underscores,
    maxRequestHeadersBytes: reader.number("max_request_headers_kb", 60) * 1024,
    streamIdleTimeoutMs: reader.optionalDurationMs("stream_idle_timeout") ?? 300_000,
    requestTimeoutMs: reader.optionalDurationMs("request_timeout") ?? 0,
    requestHeadersTimeoutMs: reader.optionalDurationMs("request_headers_timeout") ?? 0,
    maxStreamDurationMs: common?.optionalDurationMs("max_stream_duration") ?? 0,
    drainTimeoutMs: reader.optionalDurationMs("drain_timeout") ?? 5000,
    delayedCloseTimeoutMs: reader.optionalDurationMs("delayed_close_timeout") ?? 1000,
    serverName: reader.text("server_name") || "envoy",
    serverHeaderTransformation: reader.choice<HttpConnectionManager["serverHeaderTransformation"]>(
      "server_header_transformation",
      "OVERWRITE",
    ),
    useRemoteAddress: reader.flag("use_remote_address"),
    xffNumTrustedHops: reader.number("xff_num_trusted_hops"),
    skipXffAppend: reader.flag("skip_xff_append"),
    internalCidrs: parseCidrs(internal?.messages("cidr_ranges") ?? []),
    internalUnixSockets: internal?.flag("unix_sockets") ?? false,
    via: reader.text("via"),
    generateRequestId: reader.flag("generate_request_id", true),
    preserveExternalRequestId: reader.flag("preserve_external_request_id"),
    alwaysSetRequestIdInResponse: reader.flag("always_set_request_id_in_response"),
    forwardClientCertDetails: parseForwardClientCert(reader),
    clientCertDetails: parseClientCertDetails(reader.message("set_current_client_cert_details")),
    proxy100Continue: reader.flag("proxy_100_continue"),
    normalizePath: reader.flag("normalize_path"),
    mergeSlashes: reader.flag("merge_slashes"),
    pathWithEscapedSlashesAction: parseEscapedSlashes(reader),
    stripMatchingHostPort: reader.flag("strip_matching_host_port"),
    stripAnyHostPort: reader.flag("strip_any_host_port"),
    stripTrailingHostDot: reader.flag("strip_trailing_host_dot"),
    streamErrorOnInvalidHttpMessage: reader.flag("stream_error_on_invalid_http_message"),
    schemeOverwrite: parseScheme(reader.message("scheme_header_transformation")),
    appendXForwardedPort: reader.flag("append_x_forwarded_port"),
    appendLocalOverload: reader.flag("append_local_overload"),
    upgrades: parseUpgrades(reader),
    accessLogs: parseAccessLogs(reader.messages("access_log"), ctx),
    flushAccessLogOnNewRequest: logOptions?.flag("flush_access_log_on_new_request") ?? oldFlushNew,
    accessLogFlushIntervalMs: logOptions?.optionalDurationMs("access_log_flush_interval") ?? oldFlush ?? 0,
    tracing: parseTracing(reader),
    localReply: localReply === undefined ? undefined : parseLocalReply(localReply, ctx),
  };
}

function parseRoutes(reader: ConfigReader, ctx: ResourceContext): HttpConnectionManager["routes"] {
  const rds = reader.message("rds");
  if (rds === undefined) {
    const table = reader.message("route_config");
    return { kind: "inline", config: table === undefined ? emptyTable : parseRouteConfiguration(table, ctx, true) };
  }
  const routeConfigName = rds.text("route_config_name");
  if (routeConfigName === "") rds.refuse("route_config_name", "value length must be at least 1 characters");
  const source = rds.message("config_source");
  const from = source === undefined ? undefined : parseConfigSource(source);
  if (from !== undefined) {
    const statPrefix = `http.${reader.text("stat_prefix")}.rds.${routeConfigName}`;
    ctx.need({ kind: "route_configuration", name: routeConfigName, source: from, isAwaited: true, statPrefix });
  }
  return { kind: "rds", routeConfigName };
}

function checkPorts(reader: ConfigReader): void {
  if (reader.flag("strip_matching_host_port") && reader.flag("strip_any_host_port")) {
    reader.refuse("strip_any_host_port", "Error: Only one of `strip_matching_host_port` or `strip_any_host_port` can be set.");
  }
}

function parseForwardClientCert(reader: ConfigReader): HttpConnectionManager["forwardClientCertDetails"] {
  return reader.choice<HttpConnectionManager["forwardClientCertDetails"]>("forward_client_cert_details", "SANITIZE");
}

function parseClientCertDetails(reader: ConfigReader | undefined): ClientCertDetails {
  return {
    subject: reader?.flag("subject") ?? false,
    cert: reader?.flag("cert") ?? false,
    chain: reader?.flag("chain") ?? false,
    dns: reader?.flag("dns") ?? false,
    uri: reader?.flag("uri") ?? false,
  };
}

function parseEscapedSlashes(reader: ConfigReader): HttpConnectionManager["pathWithEscapedSlashesAction"] {
  const action = reader.choice<HttpConnectionManager["pathWithEscapedSlashesAction"] | "IMPLEMENTATION_SPECIFIC_DEFAULT">(
    "path_with_escaped_slashes_action",
    "IMPLEMENTATION_SPECIFIC_DEFAULT",
  );
  return action === "IMPLEMENTATION_SPECIFIC_DEFAULT" ? "KEEP_UNCHANGED" : action;
}

function parseScheme(reader: ConfigReader | undefined): string | undefined {
  if (reader?.flag("match_upstream")) reader.refuse("match_upstream", "not implemented");
  return reader?.optionalText("scheme_to_overwrite");
}

function parseUpgrades(reader: ConfigReader): HttpConnectionManager["upgrades"] {
  const upgrades: Record<string, boolean> = {};
  for (const upgrade of reader.messages("upgrade_configs")) {
    const type = upgrade.text("upgrade_type").toLowerCase();
    if (Object.hasOwn(upgrades, type))
      upgrade.refuse("upgrade_type", `Error: multiple upgrade configs with the same name: '${upgrade.text("upgrade_type")}'`);
    if (upgrade.has("filters")) upgrade.refuse("filters", "a filter chain for upgrades alone is not implemented");
    upgrades[type] = upgrade.flag("enabled", true);
  }
  return upgrades;
}
