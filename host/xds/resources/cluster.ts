// config.cluster.v3.Cluster.
import type { Cluster } from "../../config/cluster.ts";
import type { ConfigReader } from "../../config/extension.ts";
import type { ResourceContext } from "../context.ts";
import { parseCircuitBreakers } from "./circuit-breakers.ts";
import { parseDiscovery, parseOriginalDst } from "./cluster-discovery.ts";
import { parseUpstreamHttp } from "./cluster-http.ts";
import { parseConfigSource } from "./config-source.ts";
import { parseAssignment } from "./endpoint.ts";
import { parseClusterFilters } from "./istio-network.ts";
import { parseLbPolicy } from "./lb-policy.ts";
import { parseMetadata } from "./metadata.ts";
import { parseTransportSocketMatches, parseUpstreamTransport } from "./transport-socket.ts";
import { parseHealthChecks } from "./health-check.ts";

export function parseCluster(reader: ConfigReader, ctx: ResourceContext): Cluster {
  const name = reader.text("name");
  const discovery = parseDiscovery(reader);
  const eds = reader.message("eds_cluster_config");
  const edsServiceName = eds?.text("service_name") || name;
  if (discovery.type === "EDS") {
    const source = eds?.message("eds_config");
    const from = source === undefined ? undefined : parseConfigSource(source);
    if (source === undefined) reader.refuse("eds_cluster_config", "cannot create an EDS cluster without an EDS config");
    if (from !== undefined) {
      const statPrefix = `cluster.${reader.text("alt_stat_name") || name}`;
      ctx.need({ kind: "endpoints", name: edsServiceName, source: from, isAwaited: true, statPrefix });
    }
  } else if (eds !== undefined) {
    reader.refuse("eds_cluster_config", "eds_cluster_config set in a non-EDS cluster");
  }
  const load = reader.message("load_assignment");
  if (discovery.type === "EDS" && load !== undefined) reader.refuse("load_assignment", "load_assignment set in an EDS cluster");
  const assignment = load === undefined ? undefined : parseAssignment(load, discovery.type === "STATIC");
  if (discovery.type === "LOGICAL_DNS" && (assignment === undefined || countEndpoints(assignment.localities) !== 1)) {
    reader.refuse("load_assignment", "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint");
  }
  if (reader.flag("connection_pool_per_downstream_connection"))
    reader.refuse("connection_pool_per_downstream_connection", "not implemented");
  const commonLb = reader.message("common_lb_config");
  const keepalive = reader.message("upstream_connection_options")?.message("tcp_keepalive");
  const http = parseUpstreamHttp(reader);
  return {
    name,
    altStatName: reader.text("alt_stat_name"),
    type: discovery.type,
    edsServiceName: discovery.type === "EDS" ? edsServiceName : "",
    connectTimeoutMs: reader.durationMs("connect_timeout", 5000),
    perConnectionBufferLimitBytes: reader.number("per_connection_buffer_limit_bytes", 1_048_576),
    lbPolicy: parseLbPolicy(reader),
    commonLb: {
      healthyPanicThreshold: commonLb?.message("healthy_panic_threshold")?.number("value") ?? 50,
      failTrafficOnPanic: false,
      ignoreNewHostsUntilFirstHealthCheck: commonLb?.flag("ignore_new_hosts_until_first_hc") ?? false,
    },
    overprovisioningFactor: assignment?.overprovisioningFactor ?? 140,
    circuitBreakers: parseCircuitBreakers(reader.message("circuit_breakers")),
    http,
    healthChecks: parseHealthChecks(reader.messages("health_checks"), http.protocol !== "HTTP1", ctx),
    dns: discovery.dns,
    originalDst: parseOriginalDst(reader, discovery.type),
    upstreamBindAddress: parseBindAddress(reader.message("upstream_bind_config")),
    tcpKeepalive: keepalive === undefined ? undefined : { probeStartMs: keepalive.number("keepalive_time", 7200) * 1000 },
    endpoints: assignment?.localities ?? [],
    dropPerMillion: assignment?.dropPerMillion ?? 0,
    ignoreHealthOnHostRemoval: reader.flag("ignore_health_on_host_removal"),
    metadata: parseMetadata(reader.message("metadata")),
    metadataExchange: parseClusterFilters(reader),
    transportSocket: parseUpstreamTransport(reader.message("transport_socket"), ctx),
    transportSocketMatches: parseTransportSocketMatches(reader, ctx),
  };
}

function countEndpoints(localities: Cluster["endpoints"]): number {
  return localities.reduce((count, locality) => count + locality.endpoints.length, 0);
}

function parseBindAddress(reader: ConfigReader | undefined): string | undefined {
  const source = reader?.message("source_address");
  if (source === undefined) return undefined;
  if (source.number("port_value") !== 0) source.refuse("port_value", "not implemented: connections of one cluster cannot share a port");
  return source.text("address");
}
