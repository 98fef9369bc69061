// Where plugins of WasmPlugin and TrafficExtension resources go in the chains of matching connection managers. Pure.
import type { HttpFilterConfig, Listener } from "../config/listener.ts";
import type { NetworkFilter } from "../config/network-filter.ts";
import type { Node } from "../config/snapshot.ts";
import { mapNetworkFilters } from "../config/wasm-filters.ts";
import { isJsonObject, type Json } from "./message.ts";
import type { PluginPhase, PluginResource } from "./plugin-resource.ts";

/** Istio: priority (higher first, unset last), then the older resource, then the name. */
export function comparePlugins(a: PluginResource, b: PluginResource): number {
  const priority = (b.priority ?? Number.NEGATIVE_INFINITY) - (a.priority ?? Number.NEGATIVE_INFINITY);
  // Both unset: the difference of two infinities is NaN.
  if (priority !== 0 && !Number.isNaN(priority)) return priority;
  if (a.createdAtMs !== b.createdAtMs) return a.createdAtMs - b.createdAtMs;
  const [left, right] = [`${a.namespace}.${a.name}`, `${b.namespace}.${b.name}`];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** By selector and namespace: a resource of Istio's root namespace holds everywhere, another in its own only. */
export function matchesNode(plugin: PluginResource, node: Node): boolean {
  const { NAMESPACE: namespace, LABELS: labels } = node.metadata as { readonly [key: string]: Json | undefined };
  // Without a namespace in the node's metadata there are no namespaces to keep apart.
  if (typeof namespace === "string" && plugin.namespace !== namespace && plugin.namespace !== "istio-system") return false;
  const has = isJsonObject(labels) ? labels : {};
  return Object.entries(plugin.matchLabels).every(([key, value]) => has[key] === value);
}

/** A listener without a direction is both a client's and a server's; its port is that of its first address. */
export function matchesListener(plugin: PluginResource, listener: Listener): boolean {
  if (plugin.match.length === 0) return true;
  const ports = listener.addresses.flatMap((address) => (address.kind === "socket" ? [address.port] : []));
  for (const chain of listener.filterChains) if (chain.match.destinationPort !== undefined) ports.push(chain.match.destinationPort);
  const direction = listener.trafficDirection;
  return plugin.match.some((match) => {
    const sameMode =
      direction === "UNSPECIFIED" || match.mode === "CLIENT_AND_SERVER" || (match.mode === "CLIENT") === (direction === "OUTBOUND");
    return sameMode && (match.ports.length === 0 || match.ports.some((port) => ports.includes(port)));
  });
}

/** The listener with the plugins that match it; the same object if there are none. `plugins` are those of this node, sorted. */
export function insertPlugins(listener: Listener, plugins: readonly PluginResource[]): Listener {
  const matching = plugins.filter((plugin) => matchesListener(plugin, listener));
  if (matching.length === 0) return listener;
  const http = matching.filter((plugin) => plugin.type === "HTTP");
  const network = matching.filter((plugin) => plugin.type === "NETWORK");
  return mapNetworkFilters(listener, (filters) =>
    insertIntoNetworkChain(
      filters.map((filter) => decorate(filter, http)),
      network,
    ),
  );
}

function decorate(filter: NetworkFilter, plugins: readonly PluginResource[]): NetworkFilter {
  if (filter.kind !== "http_connection_manager" || plugins.length === 0) return filter;
  return { ...filter, config: { ...filter.config, httpFilters: insertIntoChain(filter.config.httpFilters, plugins) } };
}

/**
 * Istio's order before a TCP proxy: what authenticates and authorizes comes before the filters that the operator configured (its rbac),
 * what observes after them.
 */
export function insertIntoNetworkChain(chain: readonly NetworkFilter[], plugins: readonly PluginResource[]): readonly NetworkFilter[] {
  const of = (phase: PluginPhase): readonly NetworkFilter[] =>
    plugins.filter((plugin) => plugin.phase === phase).map(({ filter }) => ({ kind: "wasm", name: filter.name, plugin: filter.plugin }));
  return [...of("AUTHN"), ...of("AUTHZ"), ...chain.slice(0, -1), ...of("STATS"), ...of("UNSPECIFIED"), ...chain.slice(-1)];
}

/**
 * Phases before the filters that the operator configured (what authenticates and authorizes sees a request first), unspecified
 * just before the router.
 */
export function insertIntoChain(chain: readonly HttpFilterConfig[], plugins: readonly PluginResource[]): readonly HttpFilterConfig[] {
  const of = (phase: PluginPhase): readonly HttpFilterConfig[] =>
    plugins.filter((plugin) => plugin.phase === phase).map((plugin) => plugin.filter);
  const router = chain.at(-1)?.kind === "router" ? chain.slice(-1) : [];
  const configured = chain.slice(0, chain.length - router.length);
  return [...of("AUTHN"), ...of("AUTHZ"), ...of("STATS"), ...configured, ...of("UNSPECIFIED"), ...router];
}
