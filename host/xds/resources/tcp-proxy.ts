// extensions.filters.network.tcp_proxy.v3.TcpProxy.
import type { ConfigReader } from "../../config/extension.ts";
import type { TcpProxy } from "../../config/network-filter.ts";
import type { ResourceContext } from "../context.ts";
import { parseAccessLogs } from "./access-log.ts";

const notImplemented = ["tunneling_config", "on_demand", "proxy_protocol_tlvs", "proxy_protocol_tlv_merge_policy"] as const;

export function parseTcpProxy(reader: ConfigReader, ctx: ResourceContext): TcpProxy {
  for (const field of notImplemented) if (reader.has(field)) reader.refuse(field, "not implemented");
  if (reader.flag("check_drain_close")) reader.refuse("check_drain_close", "not implemented: connections end with their listener");
  const clusters = parseClusters(reader);
  const totalWeight = clusters.reduce((sum, cluster) => sum + cluster.weight, 0);
  if (totalWeight > 4_294_967_295) {
    reader.refuse("weighted_clusters", "The sum of weights of all weighted clusters of tcp_proxy exceeds 4294967295");
  }
  const mode = reader.choice<"IMMEDIATE" | "ON_DOWNSTREAM_DATA" | "ON_DOWNSTREAM_TLS_HANDSHAKE">("upstream_connect_mode", "IMMEDIATE");
  const maxEarlyDataBytes = reader.optionalNumber("max_early_data_bytes");
  if (mode === "ON_DOWNSTREAM_TLS_HANDSHAKE") reader.refuse("upstream_connect_mode", `${mode} is not implemented`);
  if (mode !== "IMMEDIATE" && maxEarlyDataBytes === undefined) {
    reader.refuse("max_early_data_bytes", "max_early_data_bytes must be set when upstream_connect_mode is not IMMEDIATE");
  }
  return {
    statPrefix: reader.text("stat_prefix"),
    clusters,
    totalWeight,
    idleTimeoutMs: reader.optionalDurationMs("idle_timeout") ?? 3_600_000,
    maxConnectAttempts: reader.number("max_connect_attempts", 1),
    backoff: parseBackoff(reader.message("backoff_options")),
    maxDownstreamConnectionDurationMs: reader.optionalDurationMs("max_downstream_connection_duration") ?? 0,
    maxDownstreamConnectionDurationJitter: reader.message("max_downstream_connection_duration_jitter_percentage")?.number("value") ?? 0,
    connectsOnData: mode === "ON_DOWNSTREAM_DATA",
    maxEarlyDataBytes,
    accessLogs: parseAccessLogs(reader.messages("access_log"), ctx),
    ...parseLogOptions(reader),
  };
}

function parseClusters(reader: ConfigReader): TcpProxy["clusters"] {
  const weighted = reader.message("weighted_clusters");
  if (weighted === undefined) return [{ name: reader.text("cluster"), weight: 1 }];
  return weighted.messages("clusters").map((cluster) => ({ name: cluster.text("name"), weight: cluster.number("weight") }));
}

function parseBackoff(reader: ConfigReader | undefined): TcpProxy["backoff"] {
  if (reader === undefined) return undefined;
  const baseIntervalMs = reader.optionalDurationMs("base_interval") ?? 0;
  const maxIntervalMs = reader.optionalDurationMs("max_interval") ?? baseIntervalMs * 10;
  if (maxIntervalMs < baseIntervalMs) {
    reader.refuse("max_interval", "max_backoff_interval must be greater or equal to base_backoff_interval");
  }
  return { baseIntervalMs, maxIntervalMs };
}

function parseLogOptions(
  reader: ConfigReader,
): Pick<TcpProxy, "accessLogFlushIntervalMs" | "flushAccessLogOnConnected" | "flushAccessLogOnStart"> {
  const options = reader.message("access_log_options");
  const oldInterval = reader.optionalDurationMs("access_log_flush_interval");
  const oldConnected = reader.flag("flush_access_log_on_connected");
  if (options !== undefined && oldInterval !== undefined) {
    reader.refuse("access_log_options", "Only one of access_log_flush_interval or access_log_options can be specified.");
  }
  if (options !== undefined && oldConnected) {
    reader.refuse("access_log_options", "Only one of flush_access_log_on_connected or access_log_options can be specified.");
  }
  return {
    accessLogFlushIntervalMs: options?.optionalDurationMs("access_log_flush_interval") ?? oldInterval ?? 0,
    flushAccessLogOnConnected: options?.flag("flush_access_log_on_connected") ?? oldConnected,
    flushAccessLogOnStart: options?.flag("flush_access_log_on_start") ?? false,
  };
}
