// GET /server_info, /memory, /runtime and /init_dump: the process in Envoy's JSON.
import { isObject, type JsonObject, nodeJson } from "./config-dump.ts";
import { redact, redactYaml } from "./redact.ts";
import type { AdminMemory, AdminViews } from "./views.ts";

export function serverInfoJson(views: AdminViews, nowMs: number): unknown {
  const uptime = `${Math.max(0, Math.floor((nowMs - views.startedAtMs) / 1000))}s`;
  return redact({
    // Five parts, as tools split it; Envoy has its TLS library last.
    version: `sluice/${views.version}/Clean/RELEASE/V8`,
    state: views.state(),
    uptime_current_epoch: uptime,
    uptime_all_epochs: uptime,
    hot_restart_version: "disabled",
    command_line_options: commandLineOptions(views),
    node: { ...nodeJson(views.node), user_agent_name: "sluice", user_agent_version: views.version },
    hot_restart_initializing: false,
  });
}

/** How a flag is shown where it is not its text. */
const FLAG_FORMS: Readonly<Record<string, readonly [field: string, form: (text: string) => unknown]>> = {
  concurrency: ["concurrency", Number],
  "drain-time-s": ["drain_time", (text) => `${text}s`],
  "parent-shutdown-time-s": ["parent_shutdown_time", (text) => `${text}s`],
  "file-flush-interval-msec": ["file_flush_interval", (text) => `${Number(text) / 1000}s`],
  "restart-epoch": ["restart_epoch", Number],
  mode: ["mode", (text) => (text === "validate" ? "Validate" : "Serve")],
  "config-yaml": ["config_yaml", redactYaml],
};

/** envoy.admin.v3.CommandLineOptions: what was given over Envoy's defaults. */
function commandLineOptions({ commandLine, concurrency }: AdminViews): JsonObject {
  const options: Record<string, unknown> = {
    concurrency,
    config_path: "",
    config_yaml: "",
    log_level: "info",
    service_cluster: "",
    service_node: "",
    service_zone: "",
    file_flush_interval: "10s",
    drain_time: "600s",
    parent_shutdown_time: "900s",
    mode: "Serve",
    disable_hot_restart: true,
    restart_epoch: 0,
  };
  for (const [flag, value] of Object.entries(commandLine)) {
    const known = FLAG_FORMS[flag];
    if (known !== undefined && typeof value === "string") options[known[0]] = known[1](value);
    else options[flag.replaceAll("-", "_")] = value;
  }
  // 0 threads or none named means one a core: what there is counts.
  options.concurrency = concurrency;
  return options;
}

/** envoy.admin.v3.Memory; there is no page heap to unmap and no cache of threads here. */
export function memoryJson(memory: AdminMemory): unknown {
  return {
    allocated: String(memory.allocatedBytes),
    heap_size: String(memory.heapSizeBytes),
    pageheap_unmapped: "0",
    pageheap_free: String(memory.heapFreeBytes),
    total_thread_cache: "0",
    total_physical_bytes: String(memory.physicalBytes),
  };
}

/** The layers of layered_runtime with what each says; layers of other kinds than static ones say nothing here. */
export function runtimeJson(views: AdminViews): unknown {
  const bootstrap = isObject(views.bootstrapJson) ? views.bootstrapJson : {};
  const runtime = bootstrap.layered_runtime ?? bootstrap.layeredRuntime;
  const layers = isObject(runtime) && Array.isArray(runtime.layers) ? runtime.layers.filter(isObject) : [];
  const values = layers.map((layer) => flatten(layer.static_layer ?? layer.staticLayer));
  const inForce = views.runtime();
  const keys = [...new Set([...values.flatMap((layer) => [...layer.keys()]), ...Object.keys(inForce)])].sort();
  return {
    entries: Object.fromEntries(
      keys.map((key) => {
        const layerValues = values.map((layer) => layer.get(key) ?? "");
        return [
          key,
          { final_value: String(inForce[key] ?? layerValues.findLast((value) => value !== "") ?? ""), layer_values: layerValues },
        ];
      }),
    ),
    layers: layers.map(({ name }) => String(name)),
  };
}

/** {"a": {"b": 1}} and {"a.b": 1} are the same key. */
function flatten(value: unknown, prefix = "", into = new Map<string, string>()): Map<string, string> {
  if (!isObject(value)) return into;
  for (const [key, item] of Object.entries(value)) {
    if (isObject(item)) flatten(item, `${prefix}${key}.`, into);
    else into.set(prefix + key, String(item));
  }
  return into;
}

/** envoy.admin.v3.UnreadyTargetsDumps: what still waits for something before it can serve. */
export function initDumpJson(views: AdminViews, only: string | undefined): unknown {
  const waiting = views
    .resources()
    .filter(({ state, kind }) => (state === "warming" || state === "replacing") && (only === undefined || kind === only));
  if (waiting.length === 0) return {};
  const kinds = [...new Set(waiting.map(({ kind }) => kind))];
  return {
    unready_targets_dumps: kinds.map((kind) => ({
      name: `init manager ${kind}`,
      target_names: waiting.filter((resource) => resource.kind === kind).map(({ name }) => `${kind} ${name}`),
    })),
  };
}
