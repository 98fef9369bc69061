// Network filters that only istiod sends, of filter chains and of clusters.
import type { ConfigReader } from "../../config/extension.ts";
import type { MetadataExchangeConfig } from "../../config/network-filter.ts";

export const METADATA_EXCHANGE = "envoy.tcp.metadataexchange.config.MetadataExchange";

export function parseMetadataExchange(reader: ConfigReader): MetadataExchangeConfig {
  // Turns on a look-up in workloads that are not given here; without them it finds nothing in Istio's proxy either.
  reader.ignore("enable_discovery");
  return { protocol: reader.text("protocol") };
}

/** Cluster.filters: the exchange is the one upstream network filter there is. */
export function parseClusterFilters(reader: ConfigReader): MetadataExchangeConfig | undefined {
  let exchange: MetadataExchangeConfig | undefined;
  for (const filter of reader.messages("filters")) {
    filter.ignore("name");
    if (filter.has("config_discovery")) filter.refuse("config_discovery", "not implemented");
    const config = filter.any("typed_config");
    if (config === undefined) continue;
    if (config.typeName === METADATA_EXCHANGE && config.message !== undefined && exchange === undefined) {
      exchange = parseMetadataExchange(config.message);
    } else config.refuse(exchange === undefined ? `not implemented: ${config.typeName}` : "not implemented: more than one filter");
  }
  return exchange;
}
