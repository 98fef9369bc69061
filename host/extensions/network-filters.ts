// THE table of network filters: kind → how its factory is made, with status and security posture. Adding a filter is a file under
// network/, a kind in config/network-filter.ts, a parser row in xds/extensions.ts and a row here.
import type { FilterChain, Listener } from "../config/listener.ts";
import type { NetworkFilter } from "../config/network-filter.ts";
import type { DateCache } from "../http/conn-manager-config.ts";
import type { ExtensionContext } from "./context.ts";
import { HttpConnectionManagerFactory } from "./http-connection-manager.ts";
import { directionNumber } from "./http-filters.ts";
import { ConnectionLimitFactory } from "./network/connection-limit.ts";
import { HttpTerminalFactory } from "./network/http-terminal.ts";
import { LocalRateLimitFactory } from "./network/local-ratelimit.ts";
import type { NetworkFilterFactory } from "./network/network-filter-factory.ts";
import { MetadataExchangeFactory } from "./istio/metadata-exchange.ts";
import { IstioTcpStatsFactory } from "./istio/stats-filter.ts";
import { RbacFactory } from "./network/rbac.ts";
import { SniClusterFactory } from "./network/sni-cluster.ts";
import { TcpProxyFactory } from "./network/tcp-proxy.ts";
import { DirectResponseFactory, EchoFactory } from "./network/terminal-replies.ts";

/** What a filter of the chain may need to know of where it stands. */
export interface ChainContext {
  readonly ctx: ExtensionContext;
  readonly chain: FilterChain;
  readonly listener: Listener;
  readonly dates: DateCache;
}

type KindOf<Kind extends NetworkFilter["kind"]> = Extract<NetworkFilter, { kind: Kind }>;

interface NetworkFilterRow<Kind extends NetworkFilter["kind"]> {
  /** As in Envoy's extension pages. */
  readonly name: string;
  readonly status: "stable" | "alpha";
  readonly securityPosture: "robust_to_untrusted_downstream_and_upstream" | "robust_to_untrusted_downstream" | "unknown";
  create(filter: KindOf<Kind>, place: ChainContext): NetworkFilterFactory;
}

type Table = { readonly [Kind in NetworkFilter["kind"]]: NetworkFilterRow<Kind> };

export const NETWORK_FILTERS: Table = {
  http_connection_manager: {
    name: "envoy.filters.network.http_connection_manager",
    status: "stable",
    securityPosture: "robust_to_untrusted_downstream_and_upstream",
    create: (filter, { ctx, chain, listener, dates }) =>
      new HttpTerminalFactory(new HttpConnectionManagerFactory(filter.config, chain, listener, ctx, dates)),
  },
  tcp_proxy: {
    name: "envoy.filters.network.tcp_proxy",
    status: "stable",
    securityPosture: "robust_to_untrusted_downstream_and_upstream",
    create: (filter, { ctx }) => new TcpProxyFactory(filter.config, ctx),
  },
  rbac: {
    name: "envoy.filters.network.rbac",
    status: "stable",
    securityPosture: "robust_to_untrusted_downstream_and_upstream",
    create: (filter, { ctx }) => new RbacFactory(filter.config, ctx),
  },
  local_ratelimit: {
    name: "envoy.filters.network.local_ratelimit",
    status: "stable",
    securityPosture: "robust_to_untrusted_downstream",
    create: (filter, { ctx }) => new LocalRateLimitFactory(filter.config, ctx, ctx.tokenBucket(filter.config)),
  },
  connection_limit: {
    name: "envoy.filters.network.connection_limit",
    status: "stable",
    securityPosture: "robust_to_untrusted_downstream",
    create: (filter, { ctx }) => new ConnectionLimitFactory(filter.config, ctx),
  },
  sni_cluster: {
    name: "envoy.filters.network.sni_cluster",
    status: "stable",
    securityPosture: "robust_to_untrusted_downstream_and_upstream",
    create: () => new SniClusterFactory(),
  },
  wasm: {
    name: "envoy.filters.network.wasm",
    status: "alpha",
    securityPosture: "unknown",
    create: (filter, { ctx, listener }) => ctx.wasmNetworkFilter(filter.name, filter.plugin, directionNumber(listener)),
  },
  istio_metadata_exchange: {
    name: "istio.metadata_exchange",
    status: "alpha",
    securityPosture: "robust_to_untrusted_downstream_and_upstream",
    create: (filter, { ctx }) => new MetadataExchangeFactory(filter.config, ctx.peerExchange),
  },
  istio_stats: {
    name: "istio.stats",
    status: "alpha",
    securityPosture: "robust_to_untrusted_downstream_and_upstream",
    create: (filter, { ctx, listener }) => new IstioTcpStatsFactory(filter.config, listener, ctx),
  },
  direct_response: {
    name: "envoy.filters.network.direct_response",
    status: "stable",
    securityPosture: "robust_to_untrusted_downstream",
    create: (filter) => new DirectResponseFactory(filter.response),
  },
  echo: {
    name: "envoy.filters.network.echo",
    status: "stable",
    securityPosture: "robust_to_untrusted_downstream",
    create: () => new EchoFactory(),
  },
};

/** The factory of one filter. The table's type has said that row and filter are of one kind. */
export function createNetworkFilter(filter: NetworkFilter, place: ChainContext): NetworkFilterFactory {
  const row = NETWORK_FILTERS[filter.kind] as NetworkFilterRow<NetworkFilter["kind"]>;
  return row.create(filter as never, place);
}
