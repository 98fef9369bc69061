// istio.alpn: says for each request what is offered as ALPN to the host that gets it, by the protocol that the cluster speaks. Peers of a
// mesh know each other by "istio" names in that list, which a server matches its filter chains by and never selects.
// https://github.com/istio/proxy/tree/release-1.30/source/extensions/filters/http/alpn
import type { Cluster } from "../../config/cluster.ts";
import type { AlpnProtocol, IstioAlpnConfig } from "../../config/http-filters.ts";
import { FilterHeadersStatus, PassThroughFilter } from "../../http/filter.ts";
import type { FilterCallbacks, StreamFilter, StreamFilterFactory } from "../../http/filter.ts";
import type { AlpnOverride } from "../../http/stream-info.ts";
import type { ClusterManager } from "../../upstream/cluster-manager.ts";

class IstioAlpnFilter extends PassThroughFilter {
  private readonly factory: IstioAlpnFactory;
  private readonly callbacks: FilterCallbacks;

  constructor(factory: IstioAlpnFactory, callbacks: FilterCallbacks) {
    super();
    this.factory = factory;
    this.callbacks = callbacks;
  }

  override decodeHeaders(): FilterHeadersStatus {
    const { info } = this.callbacks;
    const route = this.callbacks.route();
    if (route?.forwards === true) info.upstreamAlpn = this.factory.overrideFor(route.clusterName, info.protocol) ?? info.upstreamAlpn;
    return FilterHeadersStatus.Continue;
  }
}

export class IstioAlpnFactory implements StreamFilterFactory {
  readonly name: string;
  readonly decodesOnly = true;
  private readonly clusters: ClusterManager;
  private readonly overrides: ReadonlyMap<AlpnProtocol, AlpnOverride>;

  constructor(name: string, config: IstioAlpnConfig, clusters: ClusterManager) {
    this.name = name;
    this.clusters = clusters;
    this.overrides = new Map(
      config.overrides
        .filter(({ alpn }) => alpn.length > 0)
        .map(({ upstreamProtocol, alpn }) => [upstreamProtocol, { key: alpn.join(","), protocols: alpn }] as const),
    );
  }

  overrideFor(clusterName: string, downstreamProtocol: string): AlpnOverride | undefined {
    const cluster = this.clusters.get(clusterName)?.config;
    // A DestinationRule with TLS of its own says so in the cluster's metadata.
    if (cluster === undefined || cluster.metadata.istio?.alpn_override === "false") return undefined;
    return this.overrides.get(protocolOf(cluster, downstreamProtocol));
  }

  createFilter(callbacks: FilterCallbacks): StreamFilter {
    return new IstioAlpnFilter(this, callbacks);
  }

  close(): void {}
}

function protocolOf({ http }: Cluster, downstreamProtocol: string): AlpnProtocol {
  switch (http.protocol) {
    case "HTTP1":
      return "HTTP11";
    case "HTTP2":
    case "AUTO":
      return "HTTP2";
    case "DOWNSTREAM":
      if (downstreamProtocol === "HTTP/2") return "HTTP2";
      return downstreamProtocol === "HTTP/1.0" ? "HTTP10" : "HTTP11";
  }
}
