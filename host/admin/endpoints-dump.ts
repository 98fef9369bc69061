// EndpointsConfigDump (/config_dump?include_eds): the endpoints of each cluster as they are in force.
import type { Endpoint, HealthStatus, LocalityEndpoints } from "../config/cluster.ts";
import { addressJson } from "./address.ts";
import type { AdminCluster } from "./views.ts";

const TYPE = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

export function endpointsDump(clusters: readonly AdminCluster[], matches: (name: string) => boolean): Readonly<Record<string, unknown>> {
  const entries = (addedViaApi: boolean): unknown[] =>
    clusters
      .filter((cluster) => cluster.addedViaApi === addedViaApi)
      .map((cluster) => ({ name: cluster.config.edsServiceName || cluster.config.name, cluster }))
      .filter(({ name }) => matches(name))
      .map(({ name, cluster }) => ({ endpoint_config: assignmentJson(name, cluster) }));
  return { static_endpoint_configs: entries(false), dynamic_endpoint_configs: entries(true) };
}

export function localitiesOf({ config, assignment }: AdminCluster): readonly LocalityEndpoints[] {
  return assignment?.localities ?? config.endpoints;
}

function assignmentJson(clusterName: string, cluster: AdminCluster): unknown {
  return {
    "@type": TYPE,
    cluster_name: clusterName,
    endpoints: localitiesOf(cluster).map((locality) => ({
      locality: localityJson(locality),
      lb_endpoints: locality.endpoints.map(endpointJson),
      load_balancing_weight: locality.weight ?? 0,
      ...(locality.priority === 0 ? {} : { priority: locality.priority }),
    })),
    policy: { overprovisioning_factor: cluster.assignment?.overprovisioningFactor ?? cluster.config.overprovisioningFactor },
  };
}

export function localityJson({ region, zone, subZone }: LocalityEndpoints): unknown {
  return { ...(region === "" ? {} : { region }), ...(zone === "" ? {} : { zone }), ...(subZone === "" ? {} : { sub_zone: subZone }) };
}

function endpointJson({ address, hostname, healthStatus, weight, metadata }: Endpoint): unknown {
  return {
    endpoint: { address: addressJson(address), health_check_config: {}, ...(hostname === "" ? {} : { hostname }) },
    health_status: coarseHealth(healthStatus),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata: { filter_metadata: metadata } }),
    load_balancing_weight: weight,
  };
}

/** The dump knows three states only. */
function coarseHealth(status: HealthStatus): string {
  switch (status) {
    case "UNKNOWN":
    case "HEALTHY":
      return "HEALTHY";
    case "DEGRADED":
      return "DEGRADED";
    case "UNHEALTHY":
    case "DRAINING":
    case "TIMEOUT":
      return "UNHEALTHY";
  }
}
