// Between a snapshot and the workers: every plugin in it is compiled and tried (a canary VM that is started, configured and thrown
// away) before it reaches traffic. What fails is refused, and the version before it serves on:
//   a plugin of the plugins folder   its last good version stays in the chains
//   a listener or discovered filter  the resource's last good version stays, whole
// A first version that fails goes through as it is: the data plane then holds the plugin's failure policy.
import type { HttpFilterConfig, Listener } from "../config/listener.ts";
import type { NetworkFilter } from "../config/network-filter.ts";
import type { PluginConfig } from "../config/plugin.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { structuralKey } from "../config/structural-key.ts";
import { mapNetworkFilters, type NamedPlugin, pluginsOf } from "../config/wasm-filters.ts";
import type { LoadedModule } from "../wasm/module.ts";
import type { Deployment } from "./workers.ts";

export interface PluginGateOptions {
  bytesOf(sha256: string): Uint8Array | undefined;
  load(
    bytes: Uint8Array,
  ): Promise<{ readonly ok: true; readonly module: LoadedModule } | { readonly ok: false; readonly errors: readonly string[] }>;
  /** Why the module refuses this configuration, or undefined. */
  canary(config: PluginConfig, module: LoadedModule): string | undefined;
  /** Names of plugins that come from the plugins folder. */
  isResource(pluginName: string): boolean;
  onRefused(what: string, reason: string): void;
}

export interface PluginVerdict {
  readonly name: string;
  /** Path of the module, or "inline". */
  readonly source: string;
  readonly sha256: string;
  /** undefined: accepted. */
  readonly refusal: string | undefined;
  /** When this verdict was given. */
  readonly atMs: number;
  /** Since when the version in force is; undefined: none is. */
  readonly inForceSinceMs: number | undefined;
}

type WasmFilter = Extract<HttpFilterConfig, { kind: "wasm" }>;

export class PluginGate {
  private readonly options: PluginGateOptions;
  private readonly modules = new Map<string, LoadedModule | readonly string[]>();
  private readonly verdicts = new Map<string, string | undefined>();
  private readonly lastGoodPlugins = new Map<string, PluginConfig>();
  private readonly lastGoodListeners = new Map<string, Listener>();
  private readonly lastGoodExtensions = new Map<string, HttpFilterConfig>();
  private readonly latest = new Map<string, PluginVerdict>();
  private readonly latestKey = new Map<string, string>();
  private readonly changed = new WeakMap<Listener, Listener>();

  constructor(options: PluginGateOptions) {
    this.options = options;
  }

  /** The last verdict on each plugin by name. */
  get plugins(): readonly PluginVerdict[] {
    return [...this.latest.values()];
  }

  async admit(snapshot: Snapshot): Promise<Deployment> {
    const filters = [...snapshot.listeners.flatMap(pluginsOf), ...Object.values(snapshot.extensionConfigs).filter(isWasm)];
    const there = filters.filter(({ plugin }) => isThere(plugin));
    for (const { plugin } of there) await this.judge(plugin);
    const names = new Set(there.map((filter) => filter.plugin.name));
    for (const name of this.latest.keys()) {
      if (names.has(name)) continue;
      this.latest.delete(name);
      this.latestKey.delete(name);
    }
    const listeners = snapshot.listeners.map((listener) => this.admitListener(listener));
    const extensionConfigs: Record<string, HttpFilterConfig> = {};
    for (const [name, config] of Object.entries(snapshot.extensionConfigs)) extensionConfigs[name] = this.admitExtension(name, config);
    const admitted = { ...snapshot, listeners, extensionConfigs };
    return { snapshot: admitted, modules: this.modulesOf(admitted) };
  }

  private async judge(plugin: PluginConfig): Promise<void> {
    const key = structuralKey(plugin);
    // Also for a plugin that was judged before: its module was forgotten if nothing named it meanwhile.
    const module = await this.module(plugin.sha256);
    if (this.verdicts.has(key) && this.verdicts.get(key) !== BYTES_GONE && isLoaded(module)) {
      this.record(plugin, this.verdicts.get(key));
      return;
    }
    const refusal = isLoaded(module) ? this.options.canary(plugin, module) : module.join("; ");
    const isNews = !this.verdicts.has(key) || this.verdicts.get(key) !== refusal;
    this.verdicts.set(key, refusal);
    this.record(plugin, refusal);
    if (refusal !== undefined && isNews)
      this.options.onRefused(`plugin ${plugin.name} (${plugin.source}, sha256 ${plugin.sha256.slice(0, 12)})`, refusal);
  }

  private record(plugin: PluginConfig, refusal: string | undefined): void {
    const before = this.latest.get(plugin.name);
    const key = structuralKey(plugin);
    if (before !== undefined && this.latestKey.get(plugin.name) === key && before.refusal === refusal) return;
    this.latestKey.set(plugin.name, key);
    const atMs = Date.now();
    this.latest.set(plugin.name, {
      name: plugin.name,
      source: plugin.source,
      sha256: plugin.sha256,
      refusal,
      atMs,
      inForceSinceMs: refusal === undefined ? atMs : before?.inForceSinceMs,
    });
  }

  private async module(sha256: string): Promise<LoadedModule | readonly string[]> {
    const known = this.modules.get(sha256);
    if (known !== undefined) return known;
    const bytes = this.options.bytesOf(sha256);
    // Not remembered: they may be fetched again.
    if (bytes === undefined) return [BYTES_GONE];
    const result = await this.options.load(bytes);
    const module = result.ok ? result.module : result.errors;
    this.modules.set(sha256, module);
    return module;
  }

  private refusalOf(plugin: PluginConfig): string | undefined {
    return this.verdicts.get(structuralKey(plugin));
  }

  private admitListener(listener: Listener): Listener {
    const filters = pluginsOf(listener);
    const bad = filters.filter((filter) => this.refusalOf(filter.plugin) !== undefined);
    for (const filter of filters)
      if (isThere(filter.plugin) && this.refusalOf(filter.plugin) === undefined)
        this.lastGoodPlugins.set(placeOf(listener, filter), filter.plugin);
    if (bad.length === 0) {
      this.lastGoodListeners.set(listener.name, listener);
      return listener;
    }
    const own = bad.filter((filter) => !this.options.isResource(filter.plugin.name));
    const before = this.lastGoodListeners.get(listener.name);
    if (own.length > 0 && before !== undefined) {
      this.options.onRefused(
        `listener ${listener.name}`,
        `${own.map((filter) => `plugin ${filter.plugin.name}`).join(", ")} was refused; the version before stays in force`,
      );
      return before;
    }
    return this.replaceBad(listener);
  }

  private replaceBad(listener: Listener): Listener {
    const known = this.changed.get(listener);
    if (known !== undefined) return known;
    const goodOf = (filter: NamedPlugin): PluginConfig =>
      this.refusalOf(filter.plugin) === undefined ? filter.plugin : (this.lastGoodPlugins.get(placeOf(listener, filter)) ?? filter.plugin);
    const replaceHttp = (filter: HttpFilterConfig): HttpFilterConfig =>
      filter.kind === "wasm" ? { ...filter, plugin: goodOf({ layer: "http", name: filter.name, plugin: filter.plugin }) } : filter;
    const replace = (filter: NetworkFilter): NetworkFilter => {
      if (filter.kind === "wasm") return { ...filter, plugin: goodOf({ layer: "network", name: filter.name, plugin: filter.plugin }) };
      if (filter.kind !== "http_connection_manager") return filter;
      return { ...filter, config: { ...filter.config, httpFilters: filter.config.httpFilters.map(replaceHttp) } };
    };
    const replaced = mapNetworkFilters(listener, (filters) => filters.map(replace));
    this.changed.set(listener, replaced);
    return replaced;
  }

  private admitExtension(name: string, config: HttpFilterConfig): HttpFilterConfig {
    const refusal = config.kind === "wasm" ? this.refusalOf(config.plugin) : undefined;
    if (refusal === undefined) {
      this.lastGoodExtensions.set(name, config);
      return config;
    }
    return this.lastGoodExtensions.get(name) ?? config;
  }

  /** The compiled modules that a snapshot names; all others are forgotten. */
  private modulesOf(snapshot: Snapshot): Map<string, LoadedModule> {
    const used = new Map<string, LoadedModule>();
    const filters = [...snapshot.listeners.flatMap(pluginsOf), ...Object.values(snapshot.extensionConfigs).filter(isWasm)];
    for (const { plugin } of filters) {
      const module = this.modules.get(plugin.sha256);
      if (module !== undefined && isLoaded(module)) used.set(plugin.sha256, module);
    }
    for (const sha256 of [...this.modules.keys()]) if (!used.has(sha256)) this.modules.delete(sha256);
    if (this.verdicts.size > MAX_VERDICTS) this.verdicts.clear();
    return used;
  }
}

const BYTES_GONE = "the module's bytes are gone";

/** Verdicts on configurations that came and went; forgetting them costs another canary. */
const MAX_VERDICTS = 1000;

function isLoaded(module: LoadedModule | readonly string[]): module is LoadedModule {
  return !Array.isArray(module);
}

/** Not while its module is being fetched: the data plane holds its failure policy until then. */
function isThere(plugin: PluginConfig): boolean {
  return plugin.sha256 !== "";
}

function isWasm(filter: HttpFilterConfig): filter is WasmFilter {
  return filter.kind === "wasm";
}

/** Where a plugin stands: its version before is kept under it. */
function placeOf(listener: Listener, filter: NamedPlugin): string {
  return `${listener.name}|${filter.layer}|${filter.name}`;
}
