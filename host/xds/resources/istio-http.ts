// HTTP filters that only istiod sends: istio.alpn and istio.metadata_exchange.
import type { ConfigReader, HttpFilterExtension } from "../../config/extension.ts";
import type { AlpnProtocol, HeaderPropagation } from "../../config/http-filters.ts";

export const istioAlpn: HttpFilterExtension = {
  name: "istio.alpn",
  typeNames: ["istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig"],
  isTerminal: false,
  parse(reader, { name, disabled }) {
    const overrides = reader.messages("alpn_override").map((item) => ({
      upstreamProtocol: item.choice<AlpnProtocol>("upstream_protocol", "HTTP10"),
      alpn: item.texts("alpn_override"),
    }));
    return { kind: "istio_alpn", name, disabled, config: { overrides } };
  },
};

export const istioPeerMetadata: HttpFilterExtension = {
  name: "istio.metadata_exchange",
  typeNames: ["io.istio.http.peer_metadata.Config"],
  isTerminal: false,
  parse(reader, { name, disabled }) {
    // Tells upstream filters, which there are none of that would read it.
    reader.ignore("shared_with_upstream");
    return {
      kind: "istio_peer_metadata",
      name,
      disabled,
      config: {
        discoversDownstream: parseDiscovery(reader.messages("downstream_discovery")),
        discoversUpstream: parseDiscovery(reader.messages("upstream_discovery")),
        downstreamPropagation: parsePropagation(reader.messages("downstream_propagation")),
        upstreamPropagation: parsePropagation(reader.messages("upstream_propagation")),
        additionalLabels: reader.texts("additional_labels"),
      },
    };
  },
};

/** Whether the headers say who the peer is; workload_discovery finds nothing where no workloads are given, as in Istio's own proxy. */
function parseDiscovery(methods: readonly ConfigReader[]): boolean {
  let byHeaders = false;
  for (const method of methods) {
    method.ignore("workload_discovery");
    const headers = method.message("istio_headers");
    headers?.ignore("skip_external_clusters");
    byHeaders ||= headers !== undefined;
    for (const field of ["baggage", "upstream_filter_state"]) if (method.has(field)) method.refuse(field, "not implemented");
  }
  return byHeaders;
}

function parsePropagation(methods: readonly ConfigReader[]): HeaderPropagation | undefined {
  let found: HeaderPropagation | undefined;
  for (const method of methods) {
    const headers = method.message("istio_headers");
    if (headers !== undefined) found = { skipExternalClusters: headers.flag("skip_external_clusters") };
    if (method.has("baggage")) method.refuse("baggage", "not implemented");
  }
  return found;
}
