// HttpConnectionManager.tracing as far as there is no tracer: the decision whether a request is traced, which goes on in its id.
import type { ConfigReader } from "../../config/extension.ts";
import type { TraceSampling } from "../../config/listener.ts";

const UUID_REQUEST_ID = "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig";

/** undefined: no decision is made. */
export function parseTracing(manager: ConfigReader): TraceSampling | undefined {
  const requestId = parseRequestIdExtension(manager);
  const tracing = manager.message("tracing");
  if (tracing === undefined) return undefined;
  // All of them are about spans, which only a provider would make.
  tracing.ignore("verbose", "max_path_tag_length", "custom_tags", "spawn_upstream_span", "operation", "upstream_operation");
  tracing.ignore("no_context_propagation");
  if (tracing.has("provider")) tracing.refuse("provider", "not implemented: there is no tracer");
  const percent = (field: string): number => tracing.message(field)?.number("value") ?? 100;
  const sampling = {
    clientPercent: percent("client_sampling"),
    randomPercent: percent("random_sampling"),
    overallPercent: percent("overall_sampling"),
    packsReason: requestId.packsReason,
  };
  return requestId.decides ? sampling : undefined;
}

function parseRequestIdExtension(manager: ConfigReader): { readonly packsReason: boolean; readonly decides: boolean } {
  const config = manager.message("request_id_extension")?.any("typed_config");
  if (config === undefined) return { packsReason: true, decides: true };
  if (config.typeName !== UUID_REQUEST_ID || config.message === undefined) {
    config.refuse(`not implemented: ${config.typeName}`);
    return { packsReason: true, decides: true };
  }
  return {
    packsReason: config.message.flag("pack_trace_reason", true),
    decides: config.message.flag("use_request_id_for_trace_sampling", true),
  };
}
