// The kinds of resources: message name, reader, and what else a new kind must say.
import type { Cluster, EndpointAssignment } from "../config/cluster.ts";
import type { ConfigReader } from "../config/extension.ts";
import type { HttpFilterConfig, Listener } from "../config/listener.ts";
import type { RouteConfiguration } from "../config/route.ts";
import type { Secret } from "../config/transport-socket.ts";
import { createResourceContext, type Dependency, type ResourceContext, type XdsServices } from "./context.ts";
import { decodeMessage } from "./json-decode.ts";
import { isJsonObject, type Json, type Message, typeNameOf } from "./message.ts";
import { type Problem, Problems } from "./problems.ts";
import { MessageReader } from "./reader.ts";
import { parseCluster } from "./resources/cluster.ts";
import { parseAssignment } from "./resources/endpoint.ts";
import { parseFilterConfig } from "./resources/http-filters.ts";
import { parseListener } from "./resources/listener.ts";
import { parseRouteConfiguration } from "./resources/route-configuration.ts";
import { parseSecret } from "./resources/secret.ts";

export interface ResourceConfigs {
  readonly listener: Listener;
  readonly cluster: Cluster;
  readonly route_configuration: RouteConfiguration;
  readonly endpoints: EndpointAssignment;
  readonly extension_config: HttpFilterConfig;
  readonly secret: Secret;
}

export type ResourceKind = keyof ResourceConfigs;

interface KindRow<K extends ResourceKind> {
  readonly typeName: string;
  /** The field that names the resource. */
  readonly nameField: string;
  parse(reader: ConfigReader, ctx: ResourceContext): ResourceConfigs[K] | undefined;
}

export const resourceKinds: { readonly [K in ResourceKind]: KindRow<K> } = {
  cluster: { typeName: "envoy.config.cluster.v3.Cluster", nameField: "name", parse: parseCluster },
  endpoints: {
    typeName: "envoy.config.endpoint.v3.ClusterLoadAssignment",
    nameField: "cluster_name",
    parse: (reader) => parseAssignment(reader, true),
  },
  listener: { typeName: "envoy.config.listener.v3.Listener", nameField: "name", parse: parseListener },
  route_configuration: {
    typeName: "envoy.config.route.v3.RouteConfiguration",
    nameField: "name",
    // A table that came by RDS may name clusters that come later.
    parse: (reader, ctx) => parseRouteConfiguration(reader, ctx, false),
  },
  extension_config: { typeName: "envoy.config.core.v3.TypedExtensionConfig", nameField: "name", parse: parseExtensionConfig },
  secret: { typeName: "envoy.extensions.transport_sockets.tls.v3.Secret", nameField: "name", parse: parseSecret },
};

function parseExtensionConfig(reader: ConfigReader, ctx: ResourceContext): HttpFilterConfig | undefined {
  const config = reader.any("typed_config");
  return config === undefined ? undefined : parseFilterConfig(config, { name: reader.text("name"), disabled: false }, ctx, false);
}

/** The message in an accepted TypedExtensionConfig, or the one that its TypedStruct stands for. */
export function extensionTypeOf(json: Json): string {
  const config = isJsonObject(json) ? (json.typed_config ?? json.typedConfig) : undefined;
  if (!isJsonObject(config) || typeof config["@type"] !== "string") return "";
  const inner = config.type_url ?? config.typeUrl;
  const typeName = typeNameOf(config["@type"]);
  return typeName.endsWith(".TypedStruct") && typeof inner === "string" ? typeNameOf(inner) : typeName;
}

/** A resource that was read and may be used. */
export interface AcceptedResource<K extends ResourceKind> {
  readonly kind: K;
  readonly name: string;
  readonly config: ResourceConfigs[K];
  readonly dependencies: readonly Dependency[];
  /** Where modules that it names are being fetched from: it is to be read again when they have come. */
  readonly pendingModules: readonly string[];
  /** As it was given, for config_dump and to see whether a later one differs. */
  readonly json: Json;
}

export type ReadResource<K extends ResourceKind> =
  | { readonly ok: true; readonly resource: AcceptedResource<K> }
  | {
      readonly ok: false;
      readonly name: string;
      readonly problems: readonly Problem[];
      /** The resource where nothing is wrong but that its modules could not be fetched: its plugins have none. */
      readonly withoutModules: AcceptedResource<K> | undefined;
    };

/** Reads a decoded message; `problems` may hold those of decoding it, and gets those of this step. */
export function readMessage<K extends ResourceKind>(
  kind: K,
  message: Message,
  json: Json,
  path: string,
  problems: Problems,
  services: XdsServices,
  clusterNames: ReadonlySet<string> | undefined,
): AcceptedResource<K> | undefined {
  const before = problems.count;
  const row = resourceKinds[kind];
  const reader = new MessageReader(message, path, problems);
  const ctx = createResourceContext(services, clusterNames);
  const config = row.parse(reader, ctx) as ResourceConfigs[K] | undefined;
  reader.finish();
  if (config === undefined || problems.count > before) return undefined;
  for (const { path: at, reason } of ctx.fetchProblems) problems.add(at, reason);
  const name = "name" in config ? config.name : reader.text(row.nameField);
  return { kind, name, config: freeze(config), dependencies: ctx.dependencies, pendingModules: [...ctx.pendingModules], json };
}

/** Reads one resource from proto-JSON. */
export function readResource<K extends ResourceKind>(
  kind: K,
  json: Json,
  path: string,
  services: XdsServices,
  clusterNames: ReadonlySet<string> | undefined,
): ReadResource<K> {
  const problems = new Problems();
  const message = decodeMessage(resourceKinds[kind].typeName, json, path, problems);
  const isDecoded = problems.count === 0;
  const resource = readMessage(kind, message, json, path, problems, services, clusterNames);
  if (resource !== undefined && problems.count === 0) return { ok: true, resource };
  const name = message.fields.get(resourceKinds[kind].nameField);
  return {
    ok: false,
    name: typeof name === "string" ? name : "",
    problems: problems.list(),
    withoutModules: isDecoded ? resource : undefined,
  };
}

/** Plain data is frozen through and through; bytes cannot be, and are never written. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
