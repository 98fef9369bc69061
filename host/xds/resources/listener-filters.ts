// extensions.filters.listener.*: one row for each filter that there is, and the reason for each that there is not.
import type { ConfigReader } from "../../config/extension.ts";
import type { ListenerFilterConfig, ListenerFilterPredicate, ProxyProtocol } from "../../config/listener-filter.ts";

const prefix = "envoy.extensions.filters.listener.";

type Parsed = ListenerFilterConfig extends infer Config
  ? Config extends unknown
    ? Omit<Config, "name" | "filterDisabled">
    : never
  : never;

const filters: Readonly<Record<string, (reader: ConfigReader) => Parsed>> = {
  [`${prefix}tls_inspector.v3.TlsInspector`]: parseTlsInspector,
  [`${prefix}http_inspector.v3.HttpInspector`]: () => ({ kind: "http_inspector" }),
  [`${prefix}original_dst.v3.OriginalDst`]: () => ({ kind: "original_dst" }),
  [`${prefix}proxy_protocol.v3.ProxyProtocol`]: parseProxyProtocol,
  [`${prefix}local_ratelimit.v3.LocalRateLimit`]: parseLocalRateLimit,
};

const reasons: Readonly<Record<string, string>> = {
  [`${prefix}original_src.v3.OriginalSrc`]: "not implemented: connections to upstreams have this host's own address",
};

export function parseListenerFilters(listener: ConfigReader): readonly ListenerFilterConfig[] {
  return listener.messages("listener_filters").flatMap((reader) => {
    const name = reader.text("name");
    const config = reader.any("typed_config");
    const predicate = reader.message("filter_disabled");
    const filterDisabled = predicate === undefined ? undefined : parsePredicate(predicate);
    if (reader.has("config_discovery")) {
      reader.refuse("config_discovery", "not implemented for listener filters");
      return [];
    }
    if (config === undefined) {
      reader.refuse("typed_config", `Didn't find a registered implementation for '${name}' with type URL: ''`);
      return [];
    }
    const parse = Object.hasOwn(filters, config.typeName) ? filters[config.typeName] : undefined;
    if (parse === undefined || config.message === undefined) {
      config.refuse(reasons[config.typeName] ?? `not implemented: ${config.typeName}`);
      return [];
    }
    return [{ name, filterDisabled, ...parse(config.message) }];
  });
}

/** How deep rules may stand in rules. */
const maxDepth = 16;

function parsePredicate(reader: ConfigReader, depth = 0): ListenerFilterPredicate {
  if (depth > maxDepth) {
    reader.refuse("", "rules stand too deep in rules");
    return { kind: "any" };
  }
  const kind = reader.which("rule");
  if (kind === "or_match" || kind === "and_match") {
    const rules = (reader.message(kind)?.messages("rules") ?? []).map((rule) => parsePredicate(rule, depth + 1));
    return { kind: kind === "or_match" ? "or" : "and", rules };
  }
  if (kind === "not_match") {
    const rule = reader.message("not_match");
    return { kind: "not", rule: rule === undefined ? { kind: "any" } : parsePredicate(rule, depth + 1) };
  }
  if (kind === "destination_port_range") {
    const range = reader.message("destination_port_range");
    return { kind: "destination_port", start: range?.number("start") ?? 0, end: range?.number("end") ?? 0 };
  }
  reader.flag("any_match");
  return { kind: "any" };
}

function parseTlsInspector(reader: ConfigReader): Parsed {
  for (const field of ["enable_ja3_fingerprinting", "enable_ja4_fingerprinting"]) {
    if (reader.flag(field)) reader.refuse(field, "not implemented");
  }
  // Bytes are read as they come; there is no buffer to begin with.
  reader.ignore("initial_read_buffer_size");
  return {
    kind: "tls_inspector",
    maxClientHelloBytes: reader.number("max_client_hello_size", 16_384),
    closesOnError: reader.flag("close_connection_on_client_hello_parsing_errors"),
  };
}

function parseProxyProtocol(reader: ConfigReader): Parsed {
  if (reader.has("pass_through_tlvs")) reader.refuse("pass_through_tlvs", "not implemented: nothing passes them on");
  if (reader.choice("tlv_location", "DYNAMIC_METADATA") !== "DYNAMIC_METADATA")
    reader.refuse("tlv_location", "not implemented: FILTER_STATE");
  const rules = reader.messages("rules").flatMap((rule): ProxyProtocol["rules"][number][] => {
    const pair = rule.message("on_tlv_present");
    const tlvType = rule.number("tlv_type");
    if (pair === undefined) return [];
    const encoding = pair.choice<"UNSPECIFIED" | "SANITIZED_UTF8" | "BASE64">("value_string_encoding", "UNSPECIFIED");
    return [
      {
        tlvType,
        namespace: pair.text("metadata_namespace") || "envoy.filters.listener.proxy_protocol",
        key: pair.text("key"),
        encoding: encoding === "BASE64" ? "BASE64" : "SANITIZED_UTF8",
      },
    ];
  });
  return {
    kind: "proxy_protocol",
    allowRequestsWithoutProxyProtocol: reader.flag("allow_requests_without_proxy_protocol"),
    disallowedVersions: reader.texts("disallowed_versions") as readonly ("V1" | "V2")[],
    statPrefix: reader.text("stat_prefix"),
    rules,
  };
}

function parseLocalRateLimit(reader: ConfigReader): Parsed {
  const bucket = reader.message("token_bucket");
  const enabled = reader.message("runtime_enabled");
  const fillIntervalMs = bucket?.durationMs("fill_interval") ?? 0;
  if (bucket !== undefined && fillIntervalMs < 50)
    bucket.refuse("fill_interval", "local rate limit token bucket fill timer must be >= 50ms");
  return {
    kind: "local_ratelimit",
    statPrefix: reader.text("stat_prefix"),
    maxTokens: bucket?.number("max_tokens") ?? 0,
    tokensPerFill: bucket?.number("tokens_per_fill", 1) ?? 1,
    fillIntervalMs,
    runtimeKey: enabled?.text("runtime_key") ?? "",
    enabledByDefault: enabled?.flag("default_value", true) ?? true,
  };
}
