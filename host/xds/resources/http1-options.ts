// core.v3.Http1ProtocolOptions of downstream connections.
import type { ConfigReader } from "../../config/extension.ts";
import type { HttpConnectionManager } from "../../config/listener.ts";

const preserveCase = "envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig";

export function parseHttp1(reader: ConfigReader | undefined): HttpConnectionManager["http1"] {
  if (reader?.flag("allow_custom_methods")) {
    // Any method that RFC 9110 calls a token is accepted with and without this flag.
    reader.ignore("allow_custom_methods");
  }
  if (reader?.flag("send_fully_qualified_url")) reader.refuse("send_fully_qualified_url", "not implemented");
  reader?.ignore("use_balsa_parser");
  return {
    acceptHttp10: reader?.flag("accept_http_10") ?? false,
    defaultHostForHttp10: reader?.text("default_host_for_http_10") ?? "",
    allowAbsoluteUrl: reader?.flag("allow_absolute_url", true) ?? true,
    allowChunkedLength: reader?.flag("allow_chunked_length") ?? false,
    enableTrailers: reader?.flag("enable_trailers") ?? false,
    headerKeyFormat: parseKeyFormat(reader?.message("header_key_format")),
  };
}

function parseKeyFormat(reader: ConfigReader | undefined): HttpConnectionManager["http1"]["headerKeyFormat"] {
  if (reader === undefined) return "default";
  if (reader.message("proper_case_words") !== undefined) return "proper_case_words";
  const config = reader.message("stateful_formatter")?.any("typed_config");
  if (config?.typeName === preserveCase) {
    config.message?.ignore("formatter_type_on_envoy_headers", "forward_reason_phrase");
    return "preserve_case";
  }
  reader.refuse("stateful_formatter", `not implemented: ${config?.typeName ?? ""}`);
  return "default";
}
