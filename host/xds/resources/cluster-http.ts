// extensions.upstreams.http.v3.HttpProtocolOptions, and the deprecated fields of Cluster that it replaces.
import type { UpstreamHttpOptions } from "../../config/cluster.ts";
import type { ConfigReader } from "../../config/extension.ts";
import { parseHttp2Options } from "./http2-options.ts";

const extension = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

export function parseUpstreamHttp(reader: ConfigReader): UpstreamHttpOptions {
  let options: ConfigReader | undefined;
  for (const [name, any] of reader.anyMap("typed_extension_protocol_options")) {
    if (name === extension && any.typeName === extension) options = any.message;
    else any.refuse(`not implemented: ${any.typeName}`);
  }
  if (options === undefined) {
    const selection = reader.choice<string>("protocol_selection", "USE_CONFIGURED_PROTOCOL");
    const http2 = reader.message("http2_protocol_options");
    const configured = http2 === undefined ? "HTTP1" : "HTTP2";
    return parseOptions(selection === "USE_DOWNSTREAM_PROTOCOL" ? "DOWNSTREAM" : configured, {
      common: reader.message("common_http_protocol_options"),
      http1: reader.message("http_protocol_options"),
      http2,
      oldMaxRequests: reader.optionalNumber("max_requests_per_connection"),
    });
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
  const which = options.which("upstream_protocol_options");
  const chosen = which === undefined ? undefined : options.message(which);
  // HTTP/3 is refused where it would be used, and has nothing to say beside other protocols.
  if (chosen?.has("http3_protocol_options")) {
    if (which === "use_downstream_protocol_config") chosen.ignore("http3_protocol_options");
    else chosen.refuse("http3_protocol_options", "HTTP/3 to upstreams is not implemented");
  }
  const parts = { common, http1: chosen?.message("http_protocol_options"), http2: chosen?.message("http2_protocol_options") };
  return { ...parseOptions(protocolOf(which, parts.http2 !== undefined), parts), autoSni };
}

function protocolOf(which: string | undefined, hasHttp2: boolean): UpstreamHttpOptions["protocol"] {
  switch (which) {
    case "explicit_http_config":
      return hasHttp2 ? "HTTP2" : "HTTP1";
    case "use_downstream_protocol_config":
      return "DOWNSTREAM";
    case "auto_config":
      return "AUTO";
    default:
      return "HTTP1";
  }
}

function parseAutoSni(reader: ConfigReader | undefined): UpstreamHttpOptions["autoSni"] {
  const header = reader?.text("override_auto_sni_header").toLowerCase() || ":authority";
  const isOn = reader?.flag("auto_sni") ?? false;
  const validatesName = reader?.flag("auto_san_validation") ?? false;
  return isOn || validatesName ? { header, setsSni: isOn, validatesName } : undefined;
}

interface OptionParts {
  readonly common: ConfigReader | undefined;
  readonly http1: ConfigReader | undefined;
  readonly http2: ConfigReader | undefined;
  readonly oldMaxRequests?: number | undefined;
}

function parseOptions(
  protocol: UpstreamHttpOptions["protocol"],
  { common, http1, http2, oldMaxRequests }: OptionParts,
): UpstreamHttpOptions {
  const maxHeaderKb = common?.optionalNumber("max_response_headers_kb");
  const maxHeaderBytes = (maxHeaderKb ?? 60) * 1024;
  const maxHeaders = common?.number("max_headers_count", 100) ?? 100;
  http1?.ignore("allow_chunked_length", "default_host_for_http_10", "override_stream_error_on_invalid_http_message");
  if (http1?.flag("send_fully_qualified_url")) http1.refuse("send_fully_qualified_url", "not implemented");
  if (http1?.has("header_key_format")) http1.refuse("header_key_format", "not implemented for upstream connections");
  http1?.ignore("use_balsa_parser", "allow_custom_methods");
  return {
    protocol,
    http2: parseHttp2Options(http2, {
      maxHeaderBytes,
      maxHeaders,
      headersWithUnderscoresAction: "ALLOW",
      streamErrorOnInvalidHttpMessage: false,
      streamFlushTimeoutMs: 0,
    }),
    idleTimeoutMs: common?.optionalDurationMs("idle_timeout") ?? 3_600_000,
    maxConnectionDurationMs: common?.optionalDurationMs("max_connection_duration") ?? 0,
    maxRequestsPerConnection: common?.optionalNumber("max_requests_per_connection") ?? oldMaxRequests ?? 0,
    maxResponseHeaders: maxHeaders,
    maxResponseHeaderBytes: maxHeaderBytes,
    acceptHttp10: http1?.flag("accept_http_10") ?? false,
    autoSni: undefined,
    enableTrailers: http1?.flag("enable_trailers") ?? false,
  };
}
