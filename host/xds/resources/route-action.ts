// config.route.v3.RouteAction: to which cluster, rewritten how, for how long.
import type { ConfigReader } from "../../config/extension.ts";
import type { MirrorPolicy, RouteAction, WeightedCluster } from "../../config/route.ts";
import type { ResourceContext } from "../context.ts";
import { parseMutations } from "./headers.ts";
import { parseRegexRewrite, parseRuntimeFraction } from "./matchers.ts";
import { parseMetadata } from "./metadata.ts";
import { parsePerFilterConfig } from "./per-filter-config.ts";
import { parseRetryPolicy } from "./retry-policy.ts";

const notFoundCodes = { SERVICE_UNAVAILABLE: 503, NOT_FOUND: 404, INTERNAL_SERVER_ERROR: 500 } as const;

/** `isKnown` undefined: clusters are not validated. */
export function parseRouteAction(
  reader: ConfigReader,
  ctx: ResourceContext,
  isKnown: ((cluster: string) => boolean) | undefined,
): RouteAction {
  const maxDuration = reader.message("max_stream_duration");
  const regexRewrite = reader.message("regex_rewrite");
  const retryPolicy = reader.message("retry_policy");
  if (reader.has("prefix_rewrite") && regexRewrite !== undefined) {
    reader.refuse("regex_rewrite", "Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy");
  }
  return {
    kind: "route",
    cluster: parseCluster(reader, ctx, isKnown),
    clusterNotFoundResponseCode:
      notFoundCodes[reader.choice<keyof typeof notFoundCodes>("cluster_not_found_response_code", "SERVICE_UNAVAILABLE")],
    prefixRewrite: reader.optionalText("prefix_rewrite"),
    regexRewrite: regexRewrite === undefined ? undefined : parseRegexRewrite(regexRewrite, ctx),
    hostRewrite: parseHostRewrite(reader, ctx),
    appendXForwardedHost: reader.flag("append_x_forwarded_host"),
    timeoutMs: reader.optionalDurationMs("timeout") ?? 15_000,
    idleTimeoutMs: reader.optionalDurationMs("idle_timeout"),
    maxGrpcTimeoutMs: reader.optionalDurationMs("max_grpc_timeout"),
    grpcTimeoutOffsetMs: reader.optionalDurationMs("grpc_timeout_offset") ?? 0,
    maxStreamDuration:
      maxDuration === undefined
        ? undefined
        : {
            maxStreamDurationMs: maxDuration.optionalDurationMs("max_stream_duration"),
            grpcTimeoutHeaderMaxMs: maxDuration.optionalDurationMs("grpc_timeout_header_max"),
            grpcTimeoutHeaderOffsetMs: maxDuration.optionalDurationMs("grpc_timeout_header_offset") ?? 0,
          },
    retryPolicy: retryPolicy === undefined ? undefined : parseRetryPolicy(retryPolicy, ctx),
    requestMirrorPolicies: parseMirrorPolicies(reader, isKnown),
    priority: reader.choice<"DEFAULT" | "HIGH">("priority", "DEFAULT"),
    upgrades: parseUpgrades(reader),
    metadataMatch: parseMetadata(reader.message("metadata_match")),
    includeVirtualHostRateLimits: reader.flag("include_vh_rate_limits"),
    maxInternalRedirects: refuseInternalRedirects(reader),
  };
}

/** Internal redirects are refused unless they are off, which is what an old PASS_THROUGH says. */
function refuseInternalRedirects(reader: ConfigReader): number {
  if (reader.choice("internal_redirect_action", "PASS_THROUGH_INTERNAL_REDIRECT") !== "PASS_THROUGH_INTERNAL_REDIRECT") {
    reader.refuse("internal_redirect_action", "internal redirects are not implemented");
  }
  return 0;
}

function parseCluster(
  reader: ConfigReader,
  ctx: ResourceContext,
  isKnown: ((cluster: string) => boolean) | undefined,
): RouteAction["cluster"] {
  const header = reader.optionalText("cluster_header");
  if (header !== undefined) return { kind: "cluster_header", header: header.toLowerCase() };
  const weighted = reader.message("weighted_clusters");
  if (weighted !== undefined) return parseWeighted(weighted, ctx, isKnown);
  const name = reader.text("cluster");
  if (name !== "" && isKnown?.(name) === false) reader.refuse("cluster", `route: unknown cluster '${name}'`);
  return { kind: "cluster", name };
}

function parseWeighted(
  reader: ConfigReader,
  ctx: ResourceContext,
  isKnown: ((cluster: string) => boolean) | undefined,
): RouteAction["cluster"] {
  const clusters = reader.messages("clusters").map((cluster) => parseWeightedCluster(cluster, ctx, isKnown));
  const sum = clusters.reduce((total, cluster) => total + cluster.weight, 0);
  if (sum > 4294967295) reader.refuse("clusters", "The sum of weights of all weighted clusters of route exceeds 4294967295");
  if (sum === 0 && clusters.length > 0) reader.refuse("clusters", "Sum of weights in the weighted_cluster must be greater than 0.");
  // The prefix of runtime keys that override weights; runtime comes from static layers only, and names none of them.
  // total_weight has had no effect in Envoy since it became deprecated: the sum is what counts.
  reader.ignore("runtime_key_prefix", "total_weight");
  return { kind: "weighted", clusters, totalWeight: sum, headerName: reader.text("header_name").toLowerCase() };
}

function parseWeightedCluster(
  reader: ConfigReader,
  ctx: ResourceContext,
  isKnown: ((cluster: string) => boolean) | undefined,
): WeightedCluster {
  const name = reader.text("name");
  const clusterHeader = reader.text("cluster_header");
  if (name !== "" && clusterHeader !== "") reader.refuse("cluster_header", "Only one of name or cluster_header can be specified");
  if (name === "" && clusterHeader === "") reader.refuse("name", "At least one of name or cluster_header need to be specified");
  if (!reader.has("weight")) reader.refuse("weight", "Field 'weight' is missing");
  if (name !== "" && isKnown?.(name) === false) reader.refuse("name", `route: unknown weighted cluster '${name}'`);
  return {
    name,
    clusterHeader: clusterHeader.toLowerCase(),
    weight: reader.number("weight"),
    mutations: parseMutations(reader, ctx),
    hostRewriteLiteral: reader.optionalText("host_rewrite_literal"),
    perFilterConfig: parsePerFilterConfig(reader, ctx),
    metadataMatch: parseMetadata(reader.message("metadata_match")),
  };
}

function parseHostRewrite(reader: ConfigReader, ctx: ResourceContext): RouteAction["hostRewrite"] {
  switch (reader.which("host_rewrite_specifier")) {
    case "host_rewrite_literal":
      return { kind: "literal", value: reader.text("host_rewrite_literal") };
    case "host_rewrite_header":
      return { kind: "header", header: reader.text("host_rewrite_header").toLowerCase() };
    case "auto_host_rewrite":
      return reader.flag("auto_host_rewrite") ? { kind: "auto" } : undefined;
    case "host_rewrite_path_regex": {
      const rewrite = reader.message("host_rewrite_path_regex");
      return rewrite === undefined ? undefined : { kind: "path_regex", rewrite: parseRegexRewrite(rewrite, ctx) };
    }
    default:
      return undefined;
  }
}

export function parseMirrorPolicies(reader: ConfigReader, isKnown?: (cluster: string) => boolean): readonly MirrorPolicy[] {
  return reader.messages("request_mirror_policies").map((policy) => {
    const cluster = policy.text("cluster");
    const clusterHeader = policy.text("cluster_header");
    if (cluster !== "" && clusterHeader !== "") policy.refuse("cluster_header", "Only one of cluster or cluster_header can be specified");
    if (cluster === "" && clusterHeader === "") policy.refuse("cluster", "Exactly one of cluster or cluster_header needs to be specified");
    if (cluster !== "" && isKnown?.(cluster) === false) policy.refuse("cluster", `route: unknown shadow cluster '${cluster}'`);
    policy.ignore("trace_sampled");
    const fraction = policy.message("runtime_fraction");
    return {
      cluster,
      clusterHeader: clusterHeader.toLowerCase(),
      fraction: fraction === undefined ? undefined : parseRuntimeFraction(fraction),
      disableShadowHostSuffixAppend: policy.flag("disable_shadow_host_suffix_append"),
    };
  });
}

function parseUpgrades(reader: ConfigReader): RouteAction["upgrades"] {
  const upgrades: Record<string, boolean> = {};
  for (const upgrade of reader.messages("upgrade_configs")) {
    const type = upgrade.text("upgrade_type").toLowerCase();
    if (type in upgrades) upgrade.refuse("upgrade_type", `Duplicate upgrade ${type}`);
    upgrades[type] = upgrade.flag("enabled", true);
  }
  return upgrades;
}
