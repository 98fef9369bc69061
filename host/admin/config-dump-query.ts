// The query of /config_dump: resource (one repeated field of one part), mask (fields to keep), name_regex, include_eds. Answers and
// refusals are Envoy's.
import { compileRegex } from "../base/regex.ts";
import { regexProblem } from "../stats/name-filter.ts";
import { configDump, isObject, type JsonObject } from "./config-dump.ts";
import { type AdminRequest, type AdminResponse, json, text } from "./exchange.ts";
import type { AdminViews } from "./views.ts";

/** Repeated fields of the parts and the message of their elements. */
const ELEMENTS: Readonly<Record<string, string>> = {
  static_clusters: "ClustersConfigDump.StaticCluster",
  dynamic_active_clusters: "ClustersConfigDump.DynamicCluster",
  dynamic_warming_clusters: "ClustersConfigDump.DynamicCluster",
  ecds_filters: "EcdsConfigDump.EcdsFilterConfig",
  static_endpoint_configs: "EndpointsConfigDump.StaticEndpointConfig",
  dynamic_endpoint_configs: "EndpointsConfigDump.DynamicEndpointConfig",
  static_listeners: "ListenersConfigDump.StaticListener",
  dynamic_listeners: "ListenersConfigDump.DynamicListener",
  inline_scoped_route_configs: "ScopedRoutesConfigDump.InlineScopedRouteConfigs",
  dynamic_scoped_route_configs: "ScopedRoutesConfigDump.DynamicScopedRouteConfigs",
  static_route_configs: "RoutesConfigDump.StaticRouteConfig",
  dynamic_route_configs: "RoutesConfigDump.DynamicRouteConfig",
  static_secrets: "SecretsConfigDump.StaticSecret",
  dynamic_active_secrets: "SecretsConfigDump.DynamicSecret",
  dynamic_warming_secrets: "SecretsConfigDump.DynamicSecret",
};

const SINGLE_FIELDS: ReadonlySet<string> = new Set(["bootstrap", "last_updated", "version_info"]);

/** Fields of the elements: a mask that begins with another one is refused. */
const ELEMENT_FIELDS: ReadonlySet<string> = new Set([
  "name",
  "version_info",
  "last_updated",
  "error_state",
  "client_status",
  "cluster",
  "listener",
  "route_config",
  "ecds_filter",
  "endpoint_config",
  "secret",
  "active_state",
  "warming_state",
  "draining_state",
  "scoped_route_configs",
]);

export function answerConfigDump(request: AdminRequest, views: AdminViews): AdminResponse {
  const { query } = request;
  const regex = query.get("name_regex");
  const reason = regex === undefined ? undefined : regexProblem(regex);
  if (reason !== undefined) return text(`INVALID_ARGUMENT: Error while parsing name_regex from ${regex}: ${reason}`, 400);
  const compiled = regex === undefined ? undefined : compileRegex(regex);
  const parts = configDump(views, {
    includeEndpoints: query.has("include_eds"),
    matches: compiled === undefined ? undefined : (name) => compiled.fullMatch(name),
  });
  const masks = query
    .get("mask")
    ?.split(",")
    .map((path) => path.split("."));
  const resource = query.get("resource");
  if (resource !== undefined) return answerResource(resource, masks, parts);
  if (masks === undefined) return json({ configs: parts });
  // A part without the masked fields is left out.
  const masked = parts.flatMap((part) => (masks.every(([first]) => isFieldOf(part, first)) ? [applyMasks(part, masks)] : []));
  if (masked.length === 0) return text(`FieldMask ${query.get("mask")} could not be successfully applied to any configs.`, 400);
  return json({ configs: masked });
}

function answerResource(resource: string, masks: readonly (readonly string[])[] | undefined, parts: readonly JsonObject[]): AdminResponse {
  const type = ELEMENTS[resource];
  if (type === undefined) {
    if (SINGLE_FIELDS.has(resource)) return text(`${resource} is not a repeated field. Use ?mask=${resource} to get only this field`, 400);
    return text(`${resource} not found in config dump`, 404);
  }
  const wrong = masks?.find(([first]) => !ELEMENT_FIELDS.has(first));
  if (wrong !== undefined) return text(`FieldMask paths: "${wrong.join(".")}" could not be successfully used.`, 400);
  const elements = parts.flatMap((part) => (Array.isArray(part[resource]) ? part[resource].filter(isObject) : []));
  const configs = elements.map((element) => {
    const typed = { "@type": `type.googleapis.com/envoy.admin.v3.${type}`, ...element };
    return masks === undefined ? typed : applyMasks(typed, masks);
  });
  return json(configs.length === 0 ? {} : { configs });
}

function isFieldOf(part: JsonObject, field: string): boolean {
  if (Object.hasOwn(part, field)) return true;
  const element = ELEMENTS[field];
  return element !== undefined && String(part["@type"]).endsWith(`.${element.slice(0, element.indexOf("."))}`);
}

/** google.protobuf.FieldMask; "@type" always stays, lists are kept whole at the end of a path only. */
export function applyMasks(message: JsonObject, masks: readonly (readonly string[])[]): JsonObject {
  const out: Record<string, unknown> = Object.hasOwn(message, "@type") ? { "@type": message["@type"] } : {};
  for (const key of Object.keys(message)) {
    const below = masks.filter(([first]) => first === key).map((path) => path.slice(1));
    if (below.length === 0) continue;
    const value = message[key];
    if (below.some((path) => path.length === 0)) out[key] = value;
    else if (isObject(value)) out[key] = applyMasks(value, below);
  }
  return out;
}
