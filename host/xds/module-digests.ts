// Which modules resources name.
import { pluginsOf } from "../config/wasm-filters.ts";
import type { PluginResource } from "./plugin-resource.ts";
import type { AcceptedResource, ResourceConfigs, ResourceKind } from "./resource-kinds.ts";

type AnyResource = { readonly [K in ResourceKind]: AcceptedResource<K> }[ResourceKind];

/** "" stands for modules that have not come. */
export function digestsOf(resources: readonly AnyResource[], plugins: readonly PluginResource[]): ReadonlySet<string> {
  const digests = new Set(plugins.map(({ filter }) => filter.plugin.sha256));
  for (const { kind, config } of resources) {
    if (kind === "listener") for (const { plugin } of pluginsOf(config)) digests.add(plugin.sha256);
    if (kind === "extension_config" && isWasm(config)) digests.add(config.plugin.sha256);
  }
  return digests;
}

function isWasm(
  config: ResourceConfigs["extension_config"],
): config is Extract<ResourceConfigs["extension_config"], { readonly kind: "wasm" }> {
  return config.kind === "wasm";
}
