// stats.PluginConfig (istio.stats), as HTTP and as network filter: what may be left out of the standard metrics. Expressions need CEL.
import type { ConfigReader } from "../../config/extension.ts";
import type { IstioStatsConfig } from "../../config/http-filters.ts";

export const ISTIO_STATS = "stats.PluginConfig";

export function parseIstioStats(reader: ConfigReader): IstioStatsConfig {
  // How names are written is not a matter of configuration any more in Istio either; peers are cached where they are read.
  reader.ignore("debug", "max_peer_cache_size", "field_separator", "value_separator");
  for (const field of ["definitions", "reporter", "rotation_interval", "graceful_deletion_interval"]) {
    if (reader.has(field)) reader.refuse(field, "not implemented");
  }
  return {
    statPrefix: reader.text("stat_prefix") || "istio",
    disableHostHeaderFallback: reader.flag("disable_host_header_fallback"),
    tcpReportingMs: reader.durationMs("tcp_reporting_duration", 5000),
    metrics: reader.messages("metrics").map((metric) => {
      for (const field of ["dimensions", "match"]) if (metric.has(field)) metric.refuse(field, "not implemented: needs CEL");
      return { name: metric.text("name"), drop: metric.flag("drop"), tagsToRemove: metric.texts("tags_to_remove") };
    }),
  };
}
