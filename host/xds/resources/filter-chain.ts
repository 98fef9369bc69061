// config.listener.v3.FilterChain and FilterChainMatch.
import type { ConfigReader } from "../../config/extension.ts";
import type { FilterChain, FilterChainMatch } from "../../config/listener.ts";
import type { ResourceContext } from "../context.ts";
import { parseCidrs } from "./address.ts";
import { parseMetadata } from "./metadata.ts";
import { parseNetworkFilters } from "./network-filters.ts";
import { parseDownstreamTransport } from "./transport-socket.ts";

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
