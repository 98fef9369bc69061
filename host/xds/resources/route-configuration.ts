// config.route.v3.RouteConfiguration and VirtualHost.
import type { ConfigReader } from "../../config/extension.ts";
import type { RouteConfiguration, VirtualHost } from "../../config/route.ts";
import type { ResourceContext } from "../context.ts";
import { parseMutations } from "./headers.ts";
import { parseMetadata } from "./metadata.ts";
import { parsePerFilterConfig } from "./per-filter-config.ts";
import { parseRetryPolicy } from "./retry-policy.ts";
import { parseBufferLimit, parseRoute, type RouteTableSettings } from "./route.ts";
import { parseMirrorPolicies } from "./route-action.ts";

/** `validateByDefault`: true for a table inside a listener, false for one that came by RDS, as in Envoy. */
export function parseRouteConfiguration(reader: ConfigReader, ctx: ResourceContext, validateByDefault: boolean): RouteConfiguration {
  const names = reader.flag("validate_clusters", validateByDefault) ? ctx.clusterNames : undefined;
  const table: RouteTableSettings = {
    isKnownCluster: names === undefined ? undefined : (cluster) => names.has(cluster),
    maxDirectResponseBodyBytes: reader.number("max_direct_response_body_size_bytes", 4096),
  };
  const readers = reader.messages("virtual_hosts");
  const virtualHosts = readers.map((host) => parseVirtualHost(host, ctx, table));
  refuseDuplicates(reader, readers, virtualHosts);
  return {
    name: reader.text("name"),
    virtualHosts,
    internalOnlyHeaders: reader.texts("internal_only_headers").map((name) => name.toLowerCase()),
    mutations: parseMutations(reader, ctx),
    mostSpecificHeaderMutationsWins: reader.flag("most_specific_header_mutations_wins"),
    ignorePortInHostMatching: reader.flag("ignore_port_in_host_matching"),
    maxDirectResponseBodyBytes: table.maxDirectResponseBodyBytes,
    requestMirrorPolicies: parseMirrorPolicies(reader, table.isKnownCluster),
    perFilterConfig: parsePerFilterConfig(reader, ctx),
    metadata: parseMetadata(reader.message("metadata")),
  };
}

function parseVirtualHost(reader: ConfigReader, ctx: ResourceContext, table: RouteTableSettings): VirtualHost {
  const retryPolicy = reader.message("retry_policy");
  return {
    name: reader.text("name"),
    domains: reader.texts("domains").map((domain) => domain.toLowerCase()),
    routes: reader.messages("routes").map((route) => parseRoute(route, ctx, table)),
    requireTls: reader.choice<VirtualHost["requireTls"]>("require_tls", "NONE"),
    mutations: parseMutations(reader, ctx),
    retryPolicy: retryPolicy === undefined ? undefined : parseRetryPolicy(retryPolicy, ctx),
    includeRequestAttemptCount: reader.flag("include_request_attempt_count"),
    includeAttemptCountInResponse: reader.flag("include_attempt_count_in_response"),
    perRequestBufferLimitBytes: parseBufferLimit(reader),
    requestMirrorPolicies: parseMirrorPolicies(reader, table.isKnownCluster),
    perFilterConfig: parsePerFilterConfig(reader, ctx),
    metadata: parseMetadata(reader.message("metadata")),
  };
}

/** Domains are unique over the whole table: a request has one virtual host. (Their names need not be.) */
function refuseDuplicates(table: ConfigReader, readers: readonly ConfigReader[], hosts: readonly VirtualHost[]): void {
  const domains = new Set<string>();
  hosts.forEach((host, index) => {
    const reader = readers[index];
    host.domains.forEach((domain, at) => {
      if (domain === "*" && domains.has(domain))
        reader.refuse(`domains[${at}]`, `Only a single wildcard domain is permitted in route ${table.text("name")}`);
      else if (domains.has(domain)) {
        reader.refuse(
          `domains[${at}]`,
          `Only unique values for domains are permitted. Duplicate entry of domain ${domain} in route ${table.text("name")}`,
        );
      }
      domains.add(domain);
    });
  });
}
