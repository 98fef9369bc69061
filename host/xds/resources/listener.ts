// config.listener.v3.Listener.
import { createHash } from "node:crypto";
import type { PipeAddress, SocketAddress } from "../../config/cluster.ts";
import type { ConfigReader } from "../../config/extension.ts";
import type { Listener, TrafficDirection } from "../../config/listener.ts";
import type { ResourceContext } from "../context.ts";
import { parseAccessLogs } from "./access-log.ts";
import { parseAddress } from "./address.ts";
import { parseFilterChain } from "./filter-chain.ts";
import { parseListenerFilters } from "./listener-filters.ts";
import { parseMetadata } from "./metadata.ts";

export function parseListener(reader: ConfigReader, ctx: ResourceContext): Listener {
  refuseModes(reader);
  const addresses = parseAddresses(reader);
  const chains = reader.messages("filter_chains");
  const filterChains = chains.map((chain) => parseFilterChain(chain, ctx));
  const fallback = reader.message("default_filter_chain");
  if (chains.length === 0 && fallback === undefined)
    reader.refuse("filter_chains", `error adding listener '${describeAddress(addresses)}': no filter chains specified`);
  refuseEqualMatches(chains, filterChains);
  return {
    name: reader.text("name") || nameOf(addresses),
    statPrefix: reader.text("stat_prefix"),
    addresses,
    filterChains,
    defaultFilterChain: fallback === undefined ? undefined : parseFilterChain(fallback, ctx),
    trafficDirection: reader.choice<TrafficDirection>("traffic_direction", "UNSPECIFIED"),
    perConnectionBufferLimitBytes: reader.number("per_connection_buffer_limit_bytes", 1_048_576),
    tcpBacklogSize: reader.number("tcp_backlog_size", 128),
    maxConnections: 0,
    bindToPort: reader.flag("bind_to_port", bindsByDefault(reader)),
    useOriginalDst: reader.flag("use_original_dst"),
    listenerFilters: parseListenerFilters(reader),
    listenerFiltersTimeoutMs: reader.optionalDurationMs("listener_filters_timeout") ?? 15_000,
    continueOnListenerFiltersTimeout: reader.flag("continue_on_listener_filters_timeout"),
    drainType: reader.choice<"DEFAULT" | "MODIFY_ONLY">("drain_type", "DEFAULT"),
    accessLogs: parseAccessLogs(reader.messages("access_log"), ctx),
    metadata: parseMetadata(reader.message("metadata")),
    ignoreGlobalConnLimit: reader.flag("ignore_global_conn_limit"),
  };
}

/** What a listener may be that this host is not yet; each false is what it is. */
function refuseModes(reader: ConfigReader): void {
  const notImplemented: Readonly<Record<string, string>> = {
    transparent: "not implemented",
    freebind: "not implemented",
  };
  for (const [field, reason] of Object.entries(notImplemented)) if (reader.flag(field)) reader.refuse(field, reason);
}

/** A field of the first API that Istio still writes. */
function bindsByDefault(reader: ConfigReader): boolean {
  return reader.message("deprecated_v1")?.optionalFlag("bind_to_port") ?? true;
}

function parseAddresses(reader: ConfigReader): readonly (SocketAddress | PipeAddress)[] {
  const first = reader.message("address");
  if (first === undefined) {
    reader.refuse("address", `error adding listener named '${reader.text("name")}': address is necessary`);
    return [];
  }
  const additional = reader.messages("additional_addresses").flatMap((item) => item.message("address") ?? []);
  return [first, ...additional].flatMap((address) => {
    const parsed = parseAddress(address, true);
    if (parsed === undefined && address.which("address") !== undefined) address.refuse("envoy_internal_address", "not implemented");
    return parsed ?? [];
  });
}

function describeAddress(addresses: readonly (SocketAddress | PipeAddress)[]): string {
  const [first] = addresses;
  if (first === undefined) return "";
  return first.kind === "pipe" ? first.path : `${first.address}:${first.port}`;
}

/** Envoy gives nameless listeners a UUID; a name from the address stays the same over restarts. */
function nameOf(addresses: readonly (SocketAddress | PipeAddress)[]): string {
  return createHash("sha256").update(JSON.stringify(addresses)).digest("hex").slice(0, 32);
}

function refuseEqualMatches(readers: readonly ConfigReader[], chains: readonly { readonly match: object; readonly name: string }[]): void {
  const matches = new Map<string, string>();
  chains.forEach((chain, index) => {
    const key = JSON.stringify(chain.match);
    const other = matches.get(key);
    if (other !== undefined) {
      readers[index].refuse(
        "filter_chain_match",
        `error adding listener: filter chain '${chain.name}' has the same matching rules defined as '${other}'`,
      );
    }
    matches.set(key, chain.name);
  });
}
