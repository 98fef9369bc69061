// Where plugins stand in a listener: HTTP filters of its connection managers, and network filters.
import type { FilterChain, HttpFilterConfig, Listener } from "./listener.ts";
import type { NetworkFilter } from "./network-filter.ts";
import type { PluginConfig } from "./plugin.ts";

export interface NamedPlugin {
  readonly layer: "http" | "network";
  /** The filter's name. */
  readonly name: string;
  readonly plugin: PluginConfig;
}

function pluginOf(filter: HttpFilterConfig): NamedPlugin | undefined {
  if (filter.kind === "wasm") return { layer: "http", name: filter.name, plugin: filter.plugin };
  return filter.kind === "discovery" && filter.defaultConfig !== undefined ? pluginOf(filter.defaultConfig) : undefined;
}

export function pluginsOf(listener: Listener): NamedPlugin[] {
  const chains =
    listener.defaultFilterChain === undefined ? listener.filterChains : [...listener.filterChains, listener.defaultFilterChain];
  return chains.flatMap((chain) =>
    chain.networkFilters.flatMap((filter): readonly NamedPlugin[] => {
      if (filter.kind === "wasm") return [{ layer: "network", name: filter.name, plugin: filter.plugin }];
      if (filter.kind !== "http_connection_manager") return [];
      return filter.config.httpFilters.flatMap((http) => pluginOf(http) ?? []);
    }),
  );
}

/** The listener with other network filters in each of its chains. */
export function mapNetworkFilters(listener: Listener, change: (filters: readonly NetworkFilter[]) => readonly NetworkFilter[]): Listener {
  const mapChain = (chain: FilterChain): FilterChain => ({ ...chain, networkFilters: change(chain.networkFilters) });
  return {
    ...listener,
    filterChains: listener.filterChains.map(mapChain),
    defaultFilterChain: listener.defaultFilterChain === undefined ? undefined : mapChain(listener.defaultFilterChain),
  };
}
