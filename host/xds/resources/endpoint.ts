// config.endpoint.v3.ClusterLoadAssignment.
import type { Endpoint, EndpointAssignment, HealthStatus, LocalityEndpoints } from "../../config/cluster.ts";
import type { ConfigReader } from "../../config/extension.ts";
import { parseAddress } from "./address.ts";
import { parseFraction } from "./matchers.ts";
import { parseMetadata } from "./metadata.ts";
import { parseEndpointHealthCheck } from "./health-check.ts";

/** `mustBeIp`: all but the load_assignment of a cluster that resolves names. */
export function parseAssignment(reader: ConfigReader, mustBeIp: boolean): EndpointAssignment {
  const policy = reader.message("policy");
  const drops = policy?.messages("drop_overloads").map((drop) => {
    drop.ignore("category");
    const { numerator, denominator } = parseFraction(drop.message("drop_percentage"));
    return (numerator / denominator) * 1_000_000;
  });
  if (drops !== undefined && drops.length > 1)
    policy?.refuse("drop_overloads", "Cluster drop_overloads config has more than one category; only one is supported");
  const readers = reader.messages("endpoints");
  const localities = readers.map((locality) => parseLocality(locality, mustBeIp));
  refuseDuplicateLocalities(readers, localities);
  return {
    clusterName: reader.text("cluster_name"),
    localities,
    overprovisioningFactor: policy?.optionalNumber("overprovisioning_factor"),
    dropPerMillion: drops?.[0] ?? 0,
  };
}

function parseLocality(reader: ConfigReader, mustBeIp: boolean): LocalityEndpoints {
  const locality = reader.message("locality");
  const list = reader.message("load_balancer_endpoints");
  const endpoints = list?.messages("lb_endpoints") ?? reader.messages("lb_endpoints");
  return {
    region: locality?.text("region") ?? "",
    zone: locality?.text("zone") ?? "",
    subZone: locality?.text("sub_zone") ?? "",
    priority: reader.number("priority"),
    weight: reader.optionalNumber("load_balancing_weight"),
    endpoints: endpoints.flatMap((endpoint) => parseEndpoint(endpoint, mustBeIp)),
  };
}

function parseEndpoint(reader: ConfigReader, mustBeIp: boolean): readonly Endpoint[] {
  const endpoint = reader.message("endpoint");
  if (endpoint === undefined) {
    if (!reader.has("endpoint_name")) reader.refuse("endpoint", "value is required");
    return [];
  }
  const address = endpoint.message("address");
  const parsed = address === undefined ? undefined : parseAddress(address, mustBeIp);
  if (address === undefined) endpoint.refuse("address", "value is required");
  else if (parsed === undefined) address.refuse("envoy_internal_address", "not implemented");
  endpoint.ignore("observability_name");
  if (parsed === undefined) return [];
  return [
    {
      address: parsed,
      hostname: endpoint.text("hostname"),
      healthStatus: reader.choice<HealthStatus>("health_status", "UNKNOWN"),
      healthCheck: parseEndpointHealthCheck(endpoint.message("health_check_config")),
      failedActiveHealthCheck: false,
      isIgnored: false,
      weight: reader.number("load_balancing_weight", 1),
      metadata: parseMetadata(reader.message("metadata")),
    },
  ];
}

/** A locality may come once per priority. */
function refuseDuplicateLocalities(readers: readonly ConfigReader[], localities: readonly LocalityEndpoints[]): void {
  const seen = new Set<string>();
  localities.forEach(({ region, zone, subZone, priority }, index) => {
    const key = JSON.stringify([region, zone, subZone, priority]);
    // Envoy 1.40 merges the endpoints of repeated localities; an empty locality is simply not given.
    if (seen.has(key) && region + zone + subZone !== "")
      readers[index].refuse("locality", `duplicate locality '${region}/${zone}/${subZone}' with priority ${priority}`);
    seen.add(key);
  });
}
