// config.listener.v3.FilterChain and FilterChainMatch.
import type { ConfigReader } from "../../config/extension.ts";
import type { FilterChain, FilterChainMatch, NetworkFilter } from "../../config/listener.ts";
import type { ResourceContext } from "../context.ts";
import { parseCidrs } from "./address.ts";
import { parseConnectionManager } from "./connection-manager.ts";
import { parseMetadata } from "./metadata.ts";
import { parseDownstreamTransport } from "./transport-socket.ts";

const connectionManager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

export function parseFilterChain(reader: ConfigReader, ctx: ResourceContext): FilterChain {
  if (reader.flag("use_proxy_proto")) reader.refuse("use_proxy_proto", "the PROXY protocol is not implemented");
  return {
    name: reader.text("name"),
    match: parseMatch(reader.message("filter_chain_match")),
    networkFilters: parseNetworkFilters(reader, ctx),
    transportSocket: parseDownstreamTransport(reader, ctx),
    transportSocketConnectTimeoutMs: reader.optionalDurationMs("transport_socket_connect_timeout") ?? 0,
    metadata: parseMetadata(reader.message("metadata")),
  };
}

function parseNetworkFilters(chain: ConfigReader, ctx: ResourceContext): readonly NetworkFilter[] {
  const readers = chain.messages("filters");
  if (readers.length === 0) chain.refuse("filters", "no filters: a connection would be closed at once");
  const filters: NetworkFilter[] = [];
  readers.forEach((reader, index) => {
    const name = reader.text("name");
    const config = reader.any("typed_config");
    if (reader.has("config_discovery")) {
      reader.refuse("config_discovery", "not implemented for network filters");
    } else if (config === undefined) {
      reader.refuse("typed_config", `Didn't find a registered implementation for '${name}' with type URL: ''`);
    } else if (config.typeName !== connectionManager || config.message === undefined) {
      config.refuse(`not implemented: ${config.typeName}`);
    } else {
      if (index !== readers.length - 1) {
        reader.refuse(
          "",
          `Error: terminal filter named ${name} of type envoy.filters.network.http_connection_manager must be the last filter in a network filter chain.`,
        );
      }
      filters.push({ kind: "http_connection_manager", name, config: parseConnectionManager(config.message, ctx) });
    }
  });
  return filters;
}

function parseMatch(reader: ConfigReader | undefined): FilterChainMatch {
  const serverNames = reader?.texts("server_names") ?? [];
  serverNames.forEach((name, index) => {
    if (name.includes("*") && !/^\*\.[^*]+$/.test(name)) {
      reader?.refuse(`server_names[${index}]`, 'partial wildcards are not supported in "server_names"');
    }
  });
  if (reader?.has("address_suffix") || reader?.has("suffix_len")) reader.refuse("address_suffix", "contains unimplemented fields");
  return {
    destinationPort: reader?.optionalNumber("destination_port"),
    prefixRanges: parseCidrs(reader?.messages("prefix_ranges") ?? []),
    sourceType: reader?.choice<FilterChainMatch["sourceType"]>("source_type", "ANY") ?? "ANY",
    sourcePrefixRanges: parseCidrs(reader?.messages("source_prefix_ranges") ?? []),
    directSourcePrefixRanges: parseCidrs(reader?.messages("direct_source_prefix_ranges") ?? []),
    sourcePorts: reader?.numbers("source_ports") ?? [],
    serverNames: serverNames.map((name) => name.toLowerCase()),
    transportProtocol: reader?.text("transport_protocol") ?? "",
    applicationProtocols: reader?.texts("application_protocols") ?? [],
  };
}
