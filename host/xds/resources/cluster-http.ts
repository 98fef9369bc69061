// extensions.upstreams.http.v3.HttpProtocolOptions, and the deprecated fields of Cluster that it replaces.
import type { UpstreamHttpOptions } from "../../config/cluster.ts";
import type { ConfigReader } from "../../config/extension.ts";

const extension = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

export function parseUpstreamHttp(reader: ConfigReader): UpstreamHttpOptions {
  let options: ConfigReader | undefined;
  for (const [name, any] of reader.anyMap("typed_extension_protocol_options")) {
    if (name === extension && any.typeName === extension) options = any.message;
    else any.refuse(`not implemented: ${any.typeName}`);
  }
  if (options === undefined) {
    if (reader.has("http2_protocol_options")) reader.refuse("http2_protocol_options", "HTTP/2 to upstreams is not implemented");
    if (reader.choice("protocol_selection", "USE_CONFIGURED_PROTOCOL") !== "USE_CONFIGURED_PROTOCOL") {
      reader.refuse("protocol_selection", "HTTP/2 to upstreams is not implemented");
    }
    const old = reader.message("common_http_protocol_options");
    return parseOptions(old, reader.message("http_protocol_options"), reader.optionalNumber("max_requests_per_connection"));
  }
  // The deprecated fields do not count beside the extension, as in Envoy.
  reader.ignore(
    "common_http_protocol_options",
    "http_protocol_options",
    "http2_protocol_options",
    "max_requests_per_connection",
    "protocol_selection",
  );
  const common = options.message("common_http_protocol_options");
  const autoSni = parseAutoSni(options.message("upstream_http_protocol_options"));
  const explicit = options.message("explicit_http_config");
  if (explicit !== undefined) {
    for (const field of ["http2_protocol_options", "http3_protocol_options"]) {
      if (explicit.has(field))
        explicit.refuse(field, `${field === "http2_protocol_options" ? "HTTP/2" : "HTTP/3"} to upstreams is not implemented`);
    }
    return { ...parseOptions(common, explicit.message("http_protocol_options"), undefined), autoSni };
  }
  const downstream = options.message("use_downstream_protocol_config");
  if (downstream !== undefined) {
    // Downstream connections are HTTP/1.1 here, so what is said of the other protocols is never reached.
    downstream.ignore("http2_protocol_options", "http3_protocol_options");
    return { ...parseOptions(common, downstream.message("http_protocol_options"), undefined), autoSni };
  }
  if (options.has("auto_config")) options.refuse("auto_config", "choosing the protocol by ALPN is not implemented");
  return { ...parseOptions(common, undefined, undefined), autoSni };
}

function parseAutoSni(reader: ConfigReader | undefined): UpstreamHttpOptions["autoSni"] {
  const header = reader?.text("override_auto_sni_header").toLowerCase() || ":authority";
  const isOn = reader?.flag("auto_sni") ?? false;
  const validatesName = reader?.flag("auto_san_validation") ?? false;
  return isOn || validatesName ? { header, setsSni: isOn, validatesName } : undefined;
}

function parseOptions(
  common: ConfigReader | undefined,
  http1: ConfigReader | undefined,
  oldMaxRequests: number | undefined,
): UpstreamHttpOptions {
  const maxHeaderKb = common?.optionalNumber("max_response_headers_kb");
  http1?.ignore("allow_chunked_length", "default_host_for_http_10", "override_stream_error_on_invalid_http_message");
  if (http1?.flag("send_fully_qualified_url")) http1.refuse("send_fully_qualified_url", "not implemented");
  if (http1?.has("header_key_format")) http1.refuse("header_key_format", "not implemented for upstream connections");
  http1?.ignore("use_balsa_parser", "allow_custom_methods");
  return {
    protocol: "HTTP1",
    idleTimeoutMs: common?.optionalDurationMs("idle_timeout") ?? 3_600_000,
    maxConnectionDurationMs: common?.optionalDurationMs("max_connection_duration") ?? 0,
    maxRequestsPerConnection: common?.optionalNumber("max_requests_per_connection") ?? oldMaxRequests ?? 0,
    maxResponseHeaders: common?.number("max_headers_count", 100) ?? 100,
    maxResponseHeaderBytes: (maxHeaderKb ?? 60) * 1024,
    acceptHttp10: http1?.flag("accept_http_10") ?? false,
    autoSni: undefined,
    enableTrailers: http1?.flag("enable_trailers") ?? false,
  };
}
