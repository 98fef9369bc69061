// extensions.filters.network.local_ratelimit.v3.LocalRateLimit and connection_limit.v3.ConnectionLimit.
import type { ConfigReader } from "../../config/extension.ts";
import type { ConnectionLimit, NetworkLocalRateLimit, RuntimeFeatureFlag } from "../../config/network-filter.ts";

export function parseNetworkLocalRateLimit(reader: ConfigReader): NetworkLocalRateLimit {
  const bucket = reader.message("token_bucket");
  const fillIntervalMs = bucket?.optionalDurationMs("fill_interval") ?? 0;
  if (bucket !== undefined && fillIntervalMs > 0 && fillIntervalMs < 50) {
    bucket.refuse("fill_interval", "local rate limit token bucket fill timer must be >= 50ms");
  }
  return {
    statPrefix: reader.text("stat_prefix"),
    maxTokens: bucket?.number("max_tokens") ?? 0,
    tokensPerFill: bucket?.number("tokens_per_fill", 1) ?? 1,
    fillIntervalMs,
    runtimeEnabled: parseRuntimeFeatureFlag(reader.message("runtime_enabled")),
    shareKey: reader.text("share_key"),
  };
}

export function parseConnectionLimit(reader: ConfigReader): ConnectionLimit {
  return {
    statPrefix: reader.text("stat_prefix"),
    maxConnections: reader.number("max_connections"),
    delayMs: reader.optionalDurationMs("delay") ?? 0,
    runtimeEnabled: parseRuntimeFeatureFlag(reader.message("runtime_enabled")),
  };
}

function parseRuntimeFeatureFlag(reader: ConfigReader | undefined): RuntimeFeatureFlag {
  if (reader === undefined) return { defaultValue: true, runtimeKey: "" };
  return { defaultValue: reader.flag("default_value"), runtimeKey: reader.text("runtime_key") };
}
