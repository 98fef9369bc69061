// extensions.wasm.v3.PluginConfig and VmConfig.
import type { AnyReader, ConfigReader, ParseContext } from "../../config/extension.ts";
import type { FailurePolicy, PluginConfig } from "../../config/plugin.ts";
import { isAgentVariable, parseRemoteCode } from "./remote-code.ts";

/** undefined after a refusal. */
export function parsePluginConfig(reader: ConfigReader, ctx: ParseContext): PluginConfig | undefined {
  const vm = reader.message("vm_config");
  if (vm === undefined) {
    reader.refuse("vm_config", "value is required");
    return undefined;
  }
  checkRuntime(vm);
  const code = vm.message("code");
  if (code === undefined) vm.refuse("code", "value is required");
  const module = code === undefined ? undefined : resolveCode(code, vm, reader.text("name"), ctx);
  const capabilities = vm.message("capability_restriction_config") ?? reader.message("capability_restriction_config");
  const allowed = capabilities?.messageMap("allowed_capabilities").map(([name]) => name);
  const backOff = reader.message("reload_config")?.message("backoff");
  // Only the interval between attempts has a meaning: a plugin is reloaded when a request asks for it.
  backOff?.ignore("max_interval");
  return {
    name: reader.text("name"),
    rootId: reader.text("root_id"),
    vmId: vm.text("vm_id"),
    sha256: module?.sha256 ?? "",
    source: module?.source ?? "",
    vmConfiguration: configurationBytes(vm.any("configuration")),
    configuration: configurationBytes(reader.any("configuration")),
    environment: parseEnvironment(vm.message("environment_variables"), ctx),
    failurePolicy: parseFailurePolicy(reader),
    reloadBaseIntervalMs: backOff?.optionalDurationMs("base_interval") ?? 1000,
    // An empty map restricts nothing, as in Envoy.
    allowedCapabilities: allowed === undefined || allowed.length === 0 ? undefined : allowed,
    allowOnHeadersStopIteration: reader.flag("allow_on_headers_stop_iteration"),
  };
}

/** V8 is the engine here as it is in Envoy's default build; a name says nothing more. */
function checkRuntime(vm: ConfigReader): void {
  const runtime = vm.text("runtime");
  if (runtime !== "" && runtime !== "envoy.wasm.runtime.v8") vm.refuse("runtime", `not implemented: ${runtime}; envoy.wasm.runtime.v8 is`);
}

function resolveCode(
  code: ConfigReader,
  vm: ConfigReader,
  resource: string,
  ctx: ParseContext,
): { readonly sha256: string; readonly source: string } | undefined {
  const remote = code.message("remote");
  if (remote !== undefined) return resolveRemote(remote, vm.message("environment_variables"), resource, ctx);
  const local = code.message("local");
  if (local === undefined) return undefined;
  const kind = local.which("specifier") ?? "";
  const filename = local.optionalText("filename");
  const inline = local.bytes("inline_bytes") ?? toBytes(local.optionalText("inline_string"));
  if (filename === undefined && inline === undefined) {
    local.refuse(kind, "not implemented: give filename or inline_bytes");
    return undefined;
  }
  const resolved = ctx.modules.resolve(
    filename === undefined ? { kind: "inline", bytes: inline ?? new Uint8Array(0) } : { kind: "file", path: filename, sha256: undefined },
  );
  if ("pending" in resolved) return { sha256: "", source: resolved.pending };
  if (!("problem" in resolved)) return resolved;
  local.refuse(kind, resolved.problem);
  return undefined;
}

function resolveRemote(
  reader: ConfigReader,
  variables: ConfigReader | undefined,
  resource: string,
  ctx: ParseContext,
): { readonly sha256: string; readonly source: string } | undefined {
  const code = parseRemoteCode(reader, variables, resource);
  if (code === undefined) return undefined;
  const resolved = ctx.modules.resolve(code, reader.path);
  if ("pending" in resolved) return { sha256: "", source: resolved.pending };
  if (!("problem" in resolved)) return resolved;
  reader.refuse("", resolved.problem);
  return undefined;
}

function toBytes(text: string | undefined): Uint8Array | undefined {
  return text === undefined ? undefined : Buffer.from(text);
}

/** What the module reads: StringValue and BytesValue give their value, every other message its serialized bytes. */
function configurationBytes(any: AnyReader | undefined): Uint8Array | undefined {
  if (any === undefined) return undefined;
  if (any.typeName === "google.protobuf.StringValue") return Buffer.from(any.message?.text("value") ?? "");
  if (any.typeName === "google.protobuf.BytesValue") return any.message?.bytes("value") ?? new Uint8Array(0);
  const bytes = any.serialize();
  if (bytes === undefined) any.refuse(`not implemented: ${any.typeName}`);
  return bytes;
}

function parseEnvironment(reader: ConfigReader | undefined, ctx: ParseContext): PluginConfig["environment"] {
  if (reader === undefined) return [];
  const variables = new Map<string, string>();
  for (const key of reader.texts("host_env_keys")) {
    const value = ctx.environment[key];
    if (value !== undefined && !isAgentVariable(key)) variables.set(key, value);
  }
  for (const [key, value] of reader.textMap("key_values")) {
    if (reader.texts("host_env_keys").includes(key)) {
      reader.refuse(
        "key_values",
        `Key ${key} is duplicated in envoy.extensions.wasm.v3.VmConfig.environment_variables. All the keys must be unique.`,
      );
    }
    // What istiod tells its agent about image pulls is not for modules.
    if (!isAgentVariable(key)) variables.set(key, value);
  }
  return [...variables];
}

function parseFailurePolicy(reader: ConfigReader): FailurePolicy {
  const isOpen = reader.flag("fail_open");
  const policy = reader.choice<FailurePolicy | "UNSPECIFIED">("failure_policy", "UNSPECIFIED");
  if (isOpen && policy !== "UNSPECIFIED") reader.refuse("fail_open", "only one of fail_open or failure_policy can be set");
  if (policy !== "UNSPECIFIED") return policy;
  return isOpen ? "FAIL_OPEN" : "FAIL_CLOSED";
}
