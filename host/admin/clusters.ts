// GET /clusters: each cluster, its circuit breakers and its hosts with their statistics, in Envoy's text and JSON.
import type { Endpoint, HealthStatus, LocalityEndpoints, Thresholds } from "../config/cluster.ts";
import { hostStatName } from "../stats/host-stats.ts";
import { compileNameFilter } from "../stats/name-filter.ts";
import { addressJson, formatAddress } from "./address.ts";
import { localitiesOf, localityJson } from "./endpoints-dump.ts";
import { type AdminRequest, type AdminResponse, json, text } from "./exchange.ts";
import type { AdminCluster, AdminViews } from "./views.ts";

const COUNTERS = ["cx_connect_fail", "cx_total", "rq_error", "rq_success", "rq_timeout", "rq_total"] as const;
const GAUGES = ["cx_active", "rq_active", "rq_pending_active"] as const;
const SORTED = [...COUNTERS, ...GAUGES].sort();

export function answerClusters(request: AdminRequest, views: AdminViews): AdminResponse {
  const source = request.query.get("filter");
  const filter = source === undefined ? undefined : compileNameFilter(source);
  if (filter !== undefined && !filter.ok) return text(`Invalid re2 regex: ${filter.reason}`, 400);
  const clusters = views.clusters().filter(({ config }) => filter === undefined || filter.matches(config.name));
  if (request.query.get("format") === "json") return json({ cluster_statuses: clusters.map((cluster) => clusterJson(cluster, views)) });
  return text(clusters.map((cluster) => clusterText(cluster, views)).join(""));
}

interface HostView {
  readonly endpoint: Endpoint;
  readonly locality: LocalityEndpoints;
  readonly address: string;
  stat(name: string): number;
}

function hostsOf(cluster: AdminCluster, views: AdminViews): readonly HostView[] {
  const statName = cluster.config.altStatName || cluster.config.name;
  return localitiesOf(cluster).flatMap((locality) =>
    locality.endpoints.map((endpoint) => {
      const address = formatAddress(endpoint.address);
      return { endpoint, locality, address, stat: (name: string) => views.stats.value(hostStatName(statName, address, name)) ?? 0 };
    }),
  );
}

function clusterText(cluster: AdminCluster, views: AdminViews): string {
  const { config, addedViaApi } = cluster;
  const p = `${config.name}::`;
  let out = `${p}observability_name::${config.altStatName || config.name}\n`;
  for (const [priority, thresholds] of [
    ["default", config.circuitBreakers.default],
    ["high", config.circuitBreakers.high],
  ] as const) {
    for (const [name, limit] of limits(thresholds)) out += `${p}${priority}_priority::${name}::${limit}\n`;
  }
  out += `${p}added_via_api::${addedViaApi}\n`;
  if (config.edsServiceName !== "") out += `${p}eds_service_name::${config.edsServiceName}\n`;
  for (const host of hostsOf(cluster, views)) out += hostText(`${p}${host.address}::`, host);
  return out;
}

function limits({ maxConnections, maxPendingRequests, maxRequests, maxRetries }: Thresholds): readonly (readonly [string, number])[] {
  return [
    ["max_connections", maxConnections],
    ["max_pending_requests", maxPendingRequests],
    ["max_requests", maxRequests],
    ["max_retries", maxRetries],
  ];
}

function hostText(p: string, { endpoint, locality, stat }: HostView): string {
  const facts: readonly (readonly [string, string | number | boolean])[] = [
    ...SORTED.map((name) => [name, stat(name)] as const),
    ["hostname", endpoint.hostname],
    ["health_flags", healthFlags(endpoint)],
    ["weight", endpoint.weight],
    ["region", locality.region],
    ["zone", locality.zone],
    ["sub_zone", locality.subZone],
    ["canary", endpoint.metadata["envoy.lb"]?.canary === true],
    ["priority", locality.priority],
    // -1: no outlier detection has computed one.
    ["success_rate", -1],
    ["local_origin_success_rate", -1],
  ];
  return facts.map(([name, value]) => `${p}${name}::${value}\n`).join("");
}

function healthFlags({ healthStatus, failedActiveHealthCheck }: Endpoint): string {
  const flags = `${failedActiveHealthCheck ? "/failed_active_hc" : ""}${edsFlag(healthStatus)}`;
  return flags === "" ? "healthy" : flags;
}

function edsFlag(status: HealthStatus): string {
  switch (status) {
    case "UNKNOWN":
    case "HEALTHY":
      return "";
    case "DEGRADED":
      return "/degraded_eds_health";
    case "DRAINING":
      return "/eds_status_draining";
    case "UNHEALTHY":
    case "TIMEOUT":
      return "/failed_eds_health";
  }
}

/** Zeros are left out, 64-bit numbers are text: proto-JSON. */
function statJson(name: string, value: number, isGauge: boolean): unknown {
  return { ...(isGauge ? { type: "GAUGE" } : {}), ...(value === 0 ? {} : { value: String(value) }), name };
}

function clusterJson(cluster: AdminCluster, views: AdminViews): unknown {
  const { config, addedViaApi } = cluster;
  return {
    name: config.name,
    ...(addedViaApi ? { added_via_api: true } : {}),
    host_statuses: hostsOf(cluster, views).map(({ endpoint, locality, stat }) => ({
      address: addressJson(endpoint.address),
      stats: [...COUNTERS.map((name) => statJson(name, stat(name), false)), ...GAUGES.map((name) => statJson(name, stat(name), true))],
      health_status: {
        ...(endpoint.failedActiveHealthCheck ? { failed_active_health_check: true } : {}),
        eds_health_status: endpoint.healthStatus === "UNKNOWN" ? "HEALTHY" : endpoint.healthStatus,
      },
      weight: endpoint.weight,
      ...(endpoint.hostname === "" ? {} : { hostname: endpoint.hostname }),
      ...(locality.priority === 0 ? {} : { priority: locality.priority }),
      locality: localityJson(locality),
    })),
    circuit_breakers: {
      thresholds: [
        Object.fromEntries(limits(config.circuitBreakers.default)),
        { priority: "HIGH", ...Object.fromEntries(limits(config.circuitBreakers.high)) },
      ],
    },
    observability_name: config.altStatName || config.name,
    ...(config.edsServiceName === "" ? {} : { eds_service_name: config.edsServiceName }),
  };
}
