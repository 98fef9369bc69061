// How a cluster finds its hosts: Cluster.type or Cluster.cluster_type, with its DNS settings.
import type { Cluster, OriginalDst } from "../../config/cluster.ts";
import type { ConfigReader } from "../../config/extension.ts";

interface Discovery {
  readonly type: Cluster["type"];
  readonly dns: Cluster["dns"];
}

type Family = Cluster["dns"]["lookupFamily"];

const dnsCluster = "envoy.extensions.clusters.dns.v3.DnsCluster";
const defaultRefreshMs = 5000;

export function parseDiscovery(reader: ConfigReader): Discovery {
  // Envoy: a refresh follows the record's TTL when respect_dns_ttl is set, and this rate otherwise.
  const dns = {
    refreshRateMs: reader.durationMs("dns_refresh_rate", defaultRefreshMs),
    respectDnsTtl: reader.flag("respect_dns_ttl"),
    lookupFamily: reader.choice<Family>("dns_lookup_family", "AUTO"),
  };
  const custom = reader.message("cluster_type");
  if (custom !== undefined) return parseCustom(custom, dns);
  return { type: reader.choice<Cluster["type"]>("type", "STATIC"), dns };
}

/** What an ORIGINAL_DST cluster says of itself. */
export function parseOriginalDst(reader: ConfigReader, type: Cluster["type"]): OriginalDst | undefined {
  const config = reader.message("original_dst_lb_config");
  if (config?.has("metadata_key")) config.refuse("metadata_key", "not implemented");
  const cleanupIntervalMs = reader.durationMs("cleanup_interval", 5000);
  const provided = reader.choice<string>("lb_policy", "ROUND_ROBIN") === "CLUSTER_PROVIDED";
  if ((type === "ORIGINAL_DST") !== provided && !reader.has("load_balancing_policy"))
    reader.refuse("lb_policy", "ORIGINAL_DST and CLUSTER_PROVIDED come with each other alone");
  if (config !== undefined && type !== "ORIGINAL_DST") reader.refuse("original_dst_lb_config", "the cluster is not of type ORIGINAL_DST");
  if (type !== "ORIGINAL_DST") return undefined;
  return {
    useHttpHeader: config?.flag("use_http_header") ?? false,
    httpHeaderName: (config?.text("http_header_name") || "x-envoy-original-dst-host").toLowerCase(),
    portOverride: config?.optionalNumber("upstream_port_override"),
    cleanupIntervalMs,
  };
}

function parseCustom(reader: ConfigReader, unset: Cluster["dns"]): Discovery {
  const name = reader.text("name");
  const config = reader.any("typed_config");
  const short: Readonly<Record<string, Cluster["type"]>> = {
    "envoy.cluster.static": "STATIC",
    "envoy.cluster.strict_dns": "STRICT_DNS",
    "envoy.cluster.logical_dns": "LOGICAL_DNS",
    "envoy.cluster.eds": "EDS",
  };
  if (config === undefined && Object.hasOwn(short, name)) return { type: short[name], dns: unset };
  if (config?.typeName !== dnsCluster || config.message === undefined) {
    reader.refuse("typed_config", `not implemented: ${config?.typeName ?? name}`);
    return { type: "STATIC", dns: unset };
  }
  const dns = config.message;
  dns.ignore("dns_failure_refresh_rate", "dns_jitter", "typed_dns_resolver_config", "dns_min_refresh_rate");
  const family = dns.choice<Family | "UNSPECIFIED">("dns_lookup_family", "UNSPECIFIED");
  return {
    type: dns.flag("all_addresses_in_single_endpoint") ? "LOGICAL_DNS" : "STRICT_DNS",
    dns: {
      refreshRateMs: dns.durationMs("dns_refresh_rate", defaultRefreshMs),
      respectDnsTtl: dns.flag("respect_dns_ttl"),
      lookupFamily: family === "UNSPECIFIED" ? "AUTO" : family,
    },
  };
}
