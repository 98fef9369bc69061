// Compiles the plugins of a static configuration and tries them (a canary), for `sluice validate` and at start.
import { Clock } from "../base/clock.ts";
import { levelNumber, type Logger } from "../base/log.ts";
import { systemRandom, systemTime } from "../base/system.ts";
import type { LiveModuleSource } from "../config/extension.ts";
import type { PluginConfig } from "../config/plugin.ts";
import type { Node } from "../config/snapshot.ts";
import { pluginsOf } from "../config/wasm-filters.ts";
import { createSharedMemory, createVmServices } from "../extensions/plugin-host.ts";
import { StatsStore } from "../stats/store.ts";
import { loadModule } from "../wasm/module.ts";
import { canaryPlugin } from "../wasm/runtime.ts";
import type { LoadedBootstrap } from "../xds/load-bootstrap.ts";

/** Why plugins are refused, a line each. */
export async function tryPlugins(loaded: LoadedBootstrap, services: { readonly modules: LiveModuleSource }): Promise<string[]> {
  const silent: Logger = { log() {}, enabled: () => false };
  const canary = createCanary(loaded.bootstrap.node, silent);
  const refusals: string[] = [];
  for (const { config: listener } of loaded.listeners) {
    for (const { plugin } of pluginsOf(listener)) {
      const bytes = services.modules.bytesOf(plugin.sha256);
      if (bytes === undefined) continue;
      const module = await loadModule(bytes);
      const refusal = module.ok ? canary(plugin, module.module) : module.errors.join("; ");
      if (refusal !== undefined) refusals.push(`listener ${listener.name}: plugin ${plugin.name} (${plugin.source}): ${refusal}`);
    }
  }
  return refusals;
}

/** What the main thread runs before a plugin reaches the workers; its statistics go nowhere, its last complaint becomes the reason. */
export function createCanary(
  node: Node,
  logger: Logger,
): (plugin: PluginConfig, module: Parameters<typeof canaryPlugin>[1]) => string | undefined {
  let complaint = "";
  const listening: Logger = {
    enabled: (level, component) => levelNumber(level) >= levelNumber("warning") || logger.enabled(level, component),
    log: (level, component, message) => {
      if (levelNumber(level) >= levelNumber("warning")) complaint = message;
      logger.log(level, component, message);
    },
  };
  const services = createVmServices({
    workerId: 0,
    clock: new Clock(systemTime),
    random: systemRandom,
    stats: new StatsStore(() => {}),
    logger: listening,
    node,
    shared: createSharedMemory(),
    clusters: undefined,
    notifyQueue: () => {},
  });
  return (plugin, module) => {
    complaint = "";
    const refusal = canaryPlugin(plugin, module, services);
    if (refusal === undefined || complaint === "") return refusal;
    return `${refusal} (${complaint.replace(/^wasm log [^:]*: /, "")})`;
  };
}
