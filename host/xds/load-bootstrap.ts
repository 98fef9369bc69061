// A bootstrap's text → plain configuration and its static resources, or every problem in it.
import type { Bootstrap } from "../config/snapshot.ts";
import type { Secret } from "../config/transport-socket.ts";
import type { XdsServices } from "./context.ts";
import { decodeMessage } from "./json-decode.ts";
import { takeAddresses } from "./listener-addresses.ts";
import { isJsonObject, isMessage, type Json, type Message } from "./message.ts";
import { mergeProtoJson } from "./merge.ts";
import { joinIndex, type Problem, Problems } from "./problems.ts";
import { MessageReader } from "./reader.ts";
import { type AcceptedResource, readMessage } from "./resource-kinds.ts";
import { type DynamicSources, parseBootstrap } from "./resources/bootstrap.ts";
import { readDocument } from "./yaml-source.ts";

const bootstrapType = "envoy.config.bootstrap.v3.Bootstrap";

export interface BootstrapText {
  /** Content of the file of -c; undefined: only --config-yaml was given. */
  readonly file: string | undefined;
  /** --config-yaml; merged over the file. */
  readonly configYaml?: string;
  /** --service-node, --service-cluster, --service-zone: used where the bootstrap names none. */
  readonly nodeId?: string;
  readonly nodeCluster?: string;
  readonly nodeZone?: string;
}

export interface LoadedBootstrap {
  readonly bootstrap: Bootstrap;
  readonly sources: DynamicSources;
  readonly clusters: readonly AcceptedResource<"cluster">[];
  readonly listeners: readonly AcceptedResource<"listener">[];
  readonly secrets: ReadonlyMap<string, Secret>;
  /** After merging; for config_dump. */
  readonly json: Json;
}

export type LoadResult =
  | { readonly ok: true; readonly value: LoadedBootstrap }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export function loadBootstrap(text: BootstrapText, given: XdsServices): LoadResult {
  const read = readText(text);
  if (!read.ok) return read;
  const problems = new Problems();
  const message = decodeMessage(bootstrapType, read.json, "", problems);
  const reader = new MessageReader(message, "", problems);
  const { bootstrap, sources } = parseBootstrap(reader, given);
  const statics = reader.message("static_resources");
  statics?.ignore("clusters", "listeners", "secrets");
  reader.finish();

  const secrets = new Map(readStatic("secret", message, read.json, problems, given, undefined).map(({ name, config }) => [name, config]));
  const services = { ...given, staticSecrets: secrets };
  const clusters = readStatic("cluster", message, read.json, problems, services, undefined);
  const names = new Set(clusters.map((cluster) => cluster.name));
  const listeners = readStatic("listener", message, read.json, problems, services, namesOf(message, names));
  refuseDuplicates(message, "clusters", (name) => `cluster manager: duplicate cluster '${name}'`, problems);
  refuseDuplicates(message, "listeners", (name) => `error adding listener: duplicate listener name '${name}'`, problems);

  refuseSharedAddresses(listeners, problems);

  if (problems.count > 0) return { ok: false, problems: problems.list().map(read.locate) };
  return { ok: true, value: { bootstrap: withNode(bootstrap, text), sources, clusters, listeners, secrets, json: read.json } };
}

type ReadText =
  | { readonly ok: true; readonly json: Json; locate(problem: Problem): Problem }
  | { readonly ok: false; readonly problems: readonly Problem[] };

function readText(text: BootstrapText): ReadText {
  let json: Json = {};
  let locate = (problem: Problem): Problem => problem;
  if (text.file !== undefined) {
    const file = readDocument(text.file);
    if (!file.ok) return file;
    // An empty file is an empty bootstrap.
    json = file.documents[0]?.value ?? {};
    locate = (problem) => file.documents[0]?.locate(problem) ?? problem;
  }
  if (text.configYaml === undefined) return { ok: true, json, locate };
  const flag = readDocument(text.configYaml);
  if (!flag.ok)
    return { ok: false, problems: flag.problems.map((problem) => ({ ...problem, reason: `--config-yaml: ${problem.reason}` })) };
  return { ok: true, json: mergeProtoJson(bootstrapType, json, flag.documents[0]?.value ?? {}), locate };
}

const listField = { cluster: "clusters", listener: "listeners", secret: "secrets" } as const;

function readStatic<K extends "cluster" | "listener" | "secret">(
  kind: K,
  bootstrap: Message,
  json: Json,
  problems: Problems,
  services: XdsServices,
  clusterNames: ReadonlySet<string> | undefined,
): readonly AcceptedResource<K>[] {
  const path = `static_resources.${listField[kind]}`;
  return staticMessages(bootstrap, listField[kind]).flatMap((message, index) => {
    const resource = readMessage(
      kind,
      message,
      staticJson(json, listField[kind], index),
      joinIndex(path, index),
      problems,
      services,
      clusterNames,
    );
    return resource ?? [];
  });
}

function staticMessages(bootstrap: Message, field: string): readonly Message[] {
  const statics = bootstrap.fields.get("static_resources");
  const list = isMessage(statics) ? statics.fields.get(field) : undefined;
  return Array.isArray(list) ? list.filter(isMessage) : [];
}

function staticJson(json: Json, field: string, index: number): Json {
  const statics = isJsonObject(json) ? (json.static_resources ?? json.staticResources) : undefined;
  const list = isJsonObject(statics) ? statics[field] : undefined;
  return Array.isArray(list) ? (list[index] as Json) : null;
}

/** A cluster that was refused has a problem of its own; routes to it do not need another. */
function namesOf(bootstrap: Message, accepted: ReadonlySet<string>): ReadonlySet<string> {
  const names = new Set(accepted);
  for (const message of staticMessages(bootstrap, "clusters")) {
    const name = message.fields.get("name");
    if (typeof name === "string") names.add(name);
  }
  return names;
}

function refuseDuplicates(bootstrap: Message, field: "clusters" | "listeners", reason: (name: string) => string, problems: Problems): void {
  const seen = new Set<string>();
  staticMessages(bootstrap, field).forEach((message, index) => {
    const name = message.fields.get("name");
    if (typeof name !== "string") return;
    if (seen.has(name)) problems.add(`static_resources.${field}[${index}].name`, reason(name));
    seen.add(name);
  });
}

function refuseSharedAddresses(listeners: readonly AcceptedResource<"listener">[], problems: Problems): void {
  const taken = new Set<string>();
  listeners.forEach(({ config }, index) => {
    const reason = takeAddresses(config, taken);
    if (reason !== undefined) problems.add(`static_resources.listeners[${index}].address`, reason);
  });
}

function withNode(bootstrap: Bootstrap, text: BootstrapText): Bootstrap {
  const { node } = bootstrap;
  return {
    ...bootstrap,
    node: {
      ...node,
      id: node.id || (text.nodeId ?? ""),
      cluster: node.cluster || (text.nodeCluster ?? ""),
      locality: { ...node.locality, zone: node.locality.zone || (text.nodeZone ?? "") },
    },
  };
}
