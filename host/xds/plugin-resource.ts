// One Istio resource, WasmPlugin or the wasm half of TrafficExtension (extensions.istio.io/v1alpha1), as it stands in a
// file of the plugins folder. Istio's schema, nothing added: the same file can be given to a cluster.
import type { ConfigReader, ParseContext } from "../config/extension.ts";
import type { HttpFilterConfig } from "../config/listener.ts";
import { shownUrl } from "../config/module-code.ts";
import type { FailurePolicy, PluginConfig } from "../config/plugin.ts";
import { decodeMessage } from "./json-decode.ts";
import { readModuleCode } from "./plugin-module.ts";
import { isAgentVariable } from "./resources/remote-code.ts";
import { isJsonObject, type Json } from "./message.ts";
import { joinField, type Problem, Problems } from "./problems.ts";
import { MessageReader } from "./reader.ts";

export type PluginPhase = "AUTHN" | "AUTHZ" | "STATS" | "UNSPECIFIED";

export type PluginType = "HTTP" | "NETWORK";

export interface PluginResource {
  readonly kind: "WasmPlugin" | "TrafficExtension";
  readonly namespace: string;
  readonly name: string;
  /** NETWORK: a filter of the connection, before the terminal one. */
  readonly type: PluginType;
  readonly phase: PluginPhase;
  /** Higher first; undefined is lower than any. */
  readonly priority: number | undefined;
  /** metadata.creationTimestamp; 0 where the file gives none. */
  readonly createdAtMs: number;
  readonly matchLabels: Readonly<Record<string, string>>;
  /** Empty: matches every listener. */
  readonly match: readonly TrafficMatch[];
  readonly filter: HttpFilterConfig & { readonly kind: "wasm" };
}

export interface TrafficMatch {
  readonly mode: "CLIENT" | "SERVER" | "CLIENT_AND_SERVER";
  /** Empty: every port. */
  readonly ports: readonly number[];
}

export type ReadPlugin =
  /** `fetchProblem`: its module could not be fetched; all else of it is good. */
  | { readonly ok: true; readonly plugin: PluginResource; readonly fetchProblem: Problem | undefined }
  | { readonly ok: false; readonly name: string; readonly problems: readonly Problem[] };

const apiVersion = "extensions.istio.io/v1alpha1";
const topFields = new Set(["apiVersion", "kind", "metadata", "spec", "status"]);
const specTypes = {
  WasmPlugin: "istio.extensions.v1alpha1.WasmPlugin",
  TrafficExtension: "istio.extensions.v1alpha1.TrafficExtension",
} as const;

/** `file` is where the document is from: relative module paths start there. */
export function readPlugin(json: Json, file: string, ctx: ParseContext): ReadPlugin {
  const problems = new Problems();
  if (!isJsonObject(json))
    return { ok: false, name: "", problems: [{ path: "", reason: "expected a resource with apiVersion, kind, metadata and spec" }] };
  const metadata = readMetadata(json.metadata, problems);
  const id = `${metadata.namespace}.${metadata.name}`;
  for (const key of Object.keys(json)) if (!topFields.has(key)) problems.add(key, "no such field");
  if (json.apiVersion !== apiVersion) problems.add("apiVersion", `expected ${apiVersion}, got ${JSON.stringify(json.apiVersion ?? null)}`);
  const { kind } = json;
  if (kind !== "WasmPlugin" && kind !== "TrafficExtension") {
    problems.add("kind", `not implemented: ${JSON.stringify(kind ?? null)}; WasmPlugin and TrafficExtension are`);
    return { ok: false, name: id, problems: problems.list() };
  }
  const reader = new MessageReader(decodeMessage(specTypes[kind], json.spec ?? {}, "spec", problems), "spec", problems);
  const typed = kind === "WasmPlugin" ? readWasmPlugin(reader, id, file, ctx) : readTrafficExtension(reader, id, file, ctx);
  const common = readCommon(reader);
  reader.finish();
  if (problems.count > 0 || typed === undefined) return { ok: false, name: id, problems: problems.list() };
  const filterName = `extensions.istio.io/${kind.toLowerCase()}/${id}`;
  const { type, plugin, fetchProblem } = typed;
  const filter = { kind: "wasm", name: filterName, disabled: false, plugin } as const;
  return { ok: true, plugin: { kind, ...metadata, ...common, type, filter }, fetchProblem };
}

function readMetadata(json: Json | undefined, problems: Problems): Pick<PluginResource, "namespace" | "name" | "createdAtMs"> {
  const metadata = isJsonObject(json) ? json : {};
  const { name, namespace = "default", creationTimestamp } = metadata;
  // Kubernetes adds fields of its own here; only these three have a meaning outside of it.
  if (typeof name !== "string" || name === "") problems.add("metadata.name", "value is required");
  if (typeof namespace !== "string") problems.add("metadata.namespace", "expected a string");
  const createdAtMs = typeof creationTimestamp === "string" ? Date.parse(creationTimestamp) : 0;
  if (Number.isNaN(createdAtMs)) problems.add("metadata.creationTimestamp", "expected a time such as 2026-01-31T12:00:00Z");
  return { name: String(name ?? ""), namespace: String(namespace), createdAtMs };
}

function readCommon(reader: ConfigReader): Pick<PluginResource, "phase" | "priority" | "matchLabels" | "match"> {
  for (const field of ["targetRef", "targetRefs"]) if (reader.has(field)) reader.refuse(field, "not implemented: give selector");
  const phase = reader.choice<PluginPhase | "UNSPECIFIED_PHASE">("phase", "UNSPECIFIED");
  const selector = reader.message("selector");
  return {
    phase: phase === "UNSPECIFIED_PHASE" ? "UNSPECIFIED" : phase,
    priority: reader.optionalNumber("priority"),
    matchLabels: Object.fromEntries(selector?.textMap("match_labels") ?? []),
    match: reader.messages("match").map((match) => {
      const mode = match.choice<TrafficMatch["mode"] | "UNDEFINED">("mode", "UNDEFINED");
      const ports = match.messages("ports").map((port) => port.number("number"));
      // Istio: undefined is both.
      return { mode: mode === "UNDEFINED" ? "CLIENT_AND_SERVER" : mode, ports };
    }),
  };
}

function readTrafficExtension(reader: ConfigReader, id: string, file: string, ctx: ParseContext): TypedPlugin | undefined {
  if (reader.has("lua")) reader.refuse("lua", "not implemented: give wasm");
  const wasm = reader.message("wasm");
  if (wasm === undefined && !reader.has("lua")) reader.refuse("wasm", "value is required");
  return wasm === undefined ? undefined : readWasmPlugin(wasm, id, file, ctx);
}

interface TypedPlugin {
  readonly type: PluginType;
  readonly plugin: PluginConfig;
  readonly fetchProblem: Problem | undefined;
}

function readWasmPlugin(reader: ConfigReader, id: string, file: string, ctx: ParseContext): TypedPlugin | undefined {
  const type = reader.choice<"HTTP" | "NETWORK" | "UNSPECIFIED_PLUGIN_TYPE">("type", "HTTP");
  const module = resolveModule(reader, id, file, ctx);
  const config = reader.json("plugin_config");
  const environment = readEnvironment(reader.message("vm_config"), ctx);
  const rootId = reader.text("plugin_name");
  const failurePolicy = failurePolicies[reader.choice<keyof typeof failurePolicies>("fail_strategy", "FAIL_CLOSE")];
  if (module === undefined) return undefined;
  const fetchProblem = module.problem === undefined ? undefined : { path: joinField(reader.path, "url"), reason: module.problem };
  const read: PluginConfig = {
    name: id,
    rootId,
    vmId: "",
    sha256: module.sha256,
    source: module.source,
    vmConfiguration: undefined,
    configuration: config === undefined ? undefined : new Uint8Array(Buffer.from(JSON.stringify(config))),
    environment,
    failurePolicy,
    reloadBaseIntervalMs: 1000,
    allowedCapabilities: undefined,
    allowOnHeadersStopIteration: false,
  };
  return { type: type === "NETWORK" ? "NETWORK" : "HTTP", plugin: read, fetchProblem };
}

const failurePolicies = { FAIL_CLOSE: "FAIL_CLOSED", FAIL_OPEN: "FAIL_OPEN", FAIL_RELOAD: "FAIL_RELOAD" } as const satisfies Record<
  string,
  FailurePolicy
>;

function resolveModule(
  reader: ConfigReader,
  id: string,
  file: string,
  ctx: ParseContext,
): { readonly sha256: string; readonly source: string; readonly problem?: string } | undefined {
  const code = readModuleCode(reader, id, file);
  if (code === undefined) return undefined;
  const resolved = ctx.modules.resolve(code);
  if ("pending" in resolved) return { sha256: "", source: resolved.pending };
  if (!("problem" in resolved)) return resolved;
  // What is wrong is not the resource: the plugin is there, without a module, with its failure policy.
  if (code.kind === "remote") return { sha256: "", source: shownUrl(code.url), problem: resolved.problem };
  reader.refuse(resolved.problem.startsWith("module has sha256") ? "sha256" : "url", resolved.problem);
  return undefined;
}

function readEnvironment(reader: ConfigReader | undefined, ctx: ParseContext): PluginConfig["environment"] {
  const variables = new Map<string, string>();
  for (const variable of reader?.messages("env") ?? []) {
    const name = variable.text("name");
    const value = variable.text("value");
    const fromHost = variable.choice<"INLINE" | "HOST">("value_from", "INLINE") === "HOST";
    if (name === "") variable.refuse("name", "spec.vmConfig.env invalid");
    if (variables.has(name)) variable.refuse("name", "duplicate env");
    if (fromHost && value !== "") variable.refuse("value", "value may only be set when valueFrom is INLINE");
    const given = fromHost ? ctx.environment[name] : value;
    // As in what istiod makes of the resource: these would be the agent's.
    if (given !== undefined && !isAgentVariable(name)) variables.set(name, given);
  }
  return [...variables];
}
