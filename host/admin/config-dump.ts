// GET /config_dump: the configuration in Envoy's shape (envoy.admin.v3.ConfigDump), resources as they came in. istioctl reads it.
import type { Node } from "../config/snapshot.ts";
import { endpointsDump } from "./endpoints-dump.ts";
import { inlineRouteConfigurations } from "./inline-routes.ts";
import { redact } from "./redact.ts";
import { formatTimestamp } from "./timestamp.ts";
import type { AdminResource, AdminResourceKind, AdminViews } from "./views.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export interface DumpOptions {
  readonly includeEndpoints: boolean;
  /** name_regex; undefined: every name. */
  readonly matches: ((name: string) => boolean) | undefined;
}

const ADMIN = "type.googleapis.com/envoy.admin.v3.";

const RESOURCE_TYPES: Readonly<Record<AdminResourceKind, string>> = {
  listener: "envoy.config.listener.v3.Listener",
  cluster: "envoy.config.cluster.v3.Cluster",
  route_configuration: "envoy.config.route.v3.RouteConfiguration",
  endpoints: "envoy.config.endpoint.v3.ClusterLoadAssignment",
  extension_config: "envoy.config.core.v3.TypedExtensionConfig",
  secret: "envoy.extensions.transport_sockets.tls.v3.Secret",
};

/** One message for each part, in Envoy's order. Secrets are redacted. */
export function configDump(views: AdminViews, options: DumpOptions): readonly JsonObject[] {
  const matches = options.matches ?? (() => true);
  const all = views.resources();
  const resources = all.filter(({ name }) => matches(name));
  const of = (kind: AdminResourceKind): readonly AdminResource[] => resources.filter((resource) => resource.kind === kind);
  const parts: JsonObject[] = [bootstrapDump(views), clustersDump(of("cluster"))];
  // Envoy shows this part only where some filter config came by discovery.
  if (all.some(({ kind }) => kind === "extension_config")) parts.push(ecdsDump(of("extension_config")));
  if (options.includeEndpoints) parts.push(dump("EndpointsConfigDump", endpointsDump(views.clusters(), matches)));
  parts.push(
    listenersDump(of("listener")),
    dump("ScopedRoutesConfigDump", {}),
    routesDump(all, of("route_configuration"), matches),
    secretsDump(views.bootstrapJson, of("secret"), matches),
  );
  return parts.map((part) => redact(part) as JsonObject);
}

/** Empty lists are left out, as proto-JSON does. */
function dump(name: string, fields: JsonObject): JsonObject {
  const set = Object.entries(fields).filter(
    ([, value]) => value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0),
  );
  return { "@type": `${ADMIN}${name}`, ...Object.fromEntries(set) };
}

function timestamp(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : formatTimestamp(ms);
}

function message(kind: AdminResourceKind, json: unknown): JsonObject {
  return { "@type": `type.googleapis.com/${RESOURCE_TYPES[kind]}`, ...(isObject(json) ? json : {}) };
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bootstrapDump({ bootstrapJson, node, startedAtMs }: AdminViews): JsonObject {
  const json = isObject(bootstrapJson) ? bootstrapJson : {};
  const { node: written, ...rest } = json;
  return dump("BootstrapConfigDump", {
    bootstrap: { node: { ...(isObject(written) ? written : {}), ...nodeJson(node) }, ...rest },
    last_updated: timestamp(startedAtMs),
  });
}

/** envoy.config.core.v3.Node with what is set. */
export function nodeJson({ id, cluster, metadata, locality, userAgentName, userAgentVersion }: Node): JsonObject {
  const place = { region: locality.region, zone: locality.zone, sub_zone: locality.subZone };
  const isPlaced = Object.values(place).some((part) => part !== "");
  return {
    ...(id === "" ? {} : { id }),
    ...(cluster === "" ? {} : { cluster }),
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    ...(isPlaced ? { locality: Object.fromEntries(Object.entries(place).filter(([, part]) => part !== "")) } : {}),
    ...(userAgentName === "" ? {} : { user_agent_name: userAgentName }),
    ...(userAgentVersion === "" ? {} : { user_agent_version: userAgentVersion }),
  };
}

const isStatic = ({ source }: AdminResource): boolean => source === "static";
const isWarming = ({ state }: AdminResource): boolean => state === "warming" || state === "replacing";

function lastVersion(resources: readonly AdminResource[]): string {
  return resources.find((resource) => !isStatic(resource) && resource.versionInfo !== "")?.versionInfo ?? "";
}

/** UpdateFailureState */
function errorState(resource: AdminResource): JsonObject | undefined {
  const { error } = resource;
  if (error === undefined) return undefined;
  const details = error.problems
    .map(({ path, reason, line }) => `${line === undefined ? "" : `line ${line}: `}${path === "" ? "" : `${path}: `}${reason}`)
    .join("\n");
  return {
    ...(resource.state === "refused" && resource.json !== undefined ? { failed_configuration: message(resource.kind, resource.json) } : {}),
    last_update_attempt: timestamp(error.atMs),
    details,
    ...(error.versionInfo === "" ? {} : { version_info: error.versionInfo }),
  };
}

function versioned(resource: AdminResource, field: string): JsonObject {
  const version = resource.versionInfo === "" || isStatic(resource) ? {} : { version_info: resource.versionInfo };
  return { ...version, [field]: message(resource.kind, resource.json), last_updated: timestamp(resource.lastUpdatedMs) };
}

function clustersDump(resources: readonly AdminResource[]): JsonObject {
  const dynamic = resources.filter((resource) => !isStatic(resource));
  const entry = (resource: AdminResource): JsonObject =>
    resource.state === "refused"
      ? { cluster: { "@type": `type.googleapis.com/${RESOURCE_TYPES.cluster}`, name: resource.name }, error_state: errorState(resource) }
      : { ...versioned(resource, "cluster"), ...(resource.error === undefined ? {} : { error_state: errorState(resource) }) };
  return dump("ClustersConfigDump", {
    version_info: lastVersion(resources),
    static_clusters: resources.filter(isStatic).map((resource) => versioned(resource, "cluster")),
    dynamic_active_clusters: dynamic.filter((resource) => !isWarming(resource) && resource.state !== "refused").map(entry),
    dynamic_warming_clusters: dynamic.filter((resource) => isWarming(resource) || resource.state === "refused").map(entry),
  });
}

function listenersDump(resources: readonly AdminResource[]): JsonObject {
  return dump("ListenersConfigDump", {
    version_info: lastVersion(resources),
    static_listeners: resources.filter(isStatic).map((resource) => versioned(resource, "listener")),
    dynamic_listeners: resources
      .filter((resource) => !isStatic(resource))
      .map((resource) => {
        const state = resource.state === "active" ? "active_state" : resource.state === "draining" ? "draining_state" : "warming_state";
        return {
          name: resource.name,
          ...(resource.state === "refused" ? {} : { [state]: versioned(resource, "listener") }),
          ...(resource.error === undefined ? {} : { error_state: errorState(resource) }),
        };
      }),
  });
}

function routesDump(all: readonly AdminResource[], dynamic: readonly AdminResource[], matches: (name: string) => boolean): JsonObject {
  const inline = all
    .filter(({ kind, state }) => kind === "listener" && state !== "refused")
    .flatMap((listener) =>
      inlineRouteConfigurations(listener.json)
        .filter(({ name }) => matches(name))
        .map(({ json }) => ({ route_config: message("route_configuration", json), last_updated: timestamp(listener.lastUpdatedMs) })),
    );
  return dump("RoutesConfigDump", {
    static_route_configs: inline,
    dynamic_route_configs: dynamic
      .filter(({ state }) => state !== "refused")
      .map((resource) => ({
        ...versioned(resource, "route_config"),
        ...(resource.error === undefined ? {} : { error_state: errorState(resource) }),
      })),
  });
}

function ecdsDump(resources: readonly AdminResource[]): JsonObject {
  return dump("EcdsConfigDump", {
    ecds_filters: resources.map((resource) =>
      resource.state === "refused"
        ? {
            ecds_filter: { "@type": `type.googleapis.com/${RESOURCE_TYPES.extension_config}`, name: resource.name },
            error_state: errorState(resource),
          }
        : { ...versioned(resource, "ecds_filter"), ...(resource.error === undefined ? {} : { error_state: errorState(resource) }) },
    ),
  });
}

function secretsDump(bootstrap: unknown, resources: readonly AdminResource[], matches: (name: string) => boolean): JsonObject {
  const statics = isObject(bootstrap) ? (bootstrap.static_resources ?? bootstrap.staticResources) : undefined;
  const list = isObject(statics) && Array.isArray(statics.secrets) ? statics.secrets.filter(isObject) : [];
  const entry = (resource: AdminResource): JsonObject => ({ name: resource.name, ...versioned(resource, "secret") });
  return dump("SecretsConfigDump", {
    static_secrets: list.filter(({ name }) => matches(String(name))).map((json) => ({ name: json.name, secret: message("secret", json) })),
    dynamic_active_secrets: resources.filter((resource) => !isWarming(resource) && resource.state !== "refused").map(entry),
    dynamic_warming_secrets: resources.filter(isWarming).map(entry),
  });
}
