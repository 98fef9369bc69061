// THE table of HTTP filters: kind → how its factory is made, with status and security posture. Adding a filter is a file, a kind in
// config/listener.ts, a parser row in xds/ and a row here.
import type { HttpFilterConfig, Listener, RouterConfig } from "../config/listener.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { structuralKey } from "../config/structural-key.ts";
import type { FilterCallbacks, StreamFilter, StreamFilterFactory } from "../http/filter.ts";
import type { FilterContext } from "../http/filter-context.ts";
import { HeaderMap } from "../http/header-map.ts";
import { type RouterContext, RouterFilter } from "../router/router-filter.ts";
import type { RouterStats } from "../router/router-stats.ts";
import { MissingConfigFactory } from "./missing-config-filter.ts";
import type { ExtensionContext } from "./context.ts";
import { CorsFactory } from "./cors-filter.ts";
import { FaultFactory } from "./fault-filter.ts";
import { GrpcStatsFactory } from "./grpc-stats-filter.ts";
import { GrpcWebFactory } from "./grpc-web-filter.ts";
import { IstioAlpnFactory } from "./istio/alpn-filter.ts";
import { PeerMetadataFactory } from "./istio/peer-metadata-filter.ts";
import { IstioStatsFactory } from "./istio/stats-filter.ts";

export interface FilterContextInfo {
  readonly statPrefix: string;
  readonly routerStats: RouterStats;
  readonly listener: Listener;
}

/** A place in the chain: the configuration that is in force there and what was made of it. */
export interface FilterSlot {
  readonly config: HttpFilterConfig;
  /** Undefined: nothing discovered yet and no default. */
  readonly factory: StreamFilterFactory | undefined;
}

type KindOf<Kind extends HttpFilterConfig["kind"]> = Extract<HttpFilterConfig, { kind: Kind }>;

interface FilterRow<Kind extends HttpFilterConfig["kind"]> {
  /** As in Envoy's extension pages. */
  readonly name: string;
  readonly status: "stable" | "alpha";
  readonly securityPosture: "robust_to_untrusted_downstream_and_upstream" | "requires_trusted_downstream_and_upstream" | "unknown";
  create(config: KindOf<Kind>, info: FilterContextInfo, ctx: ExtensionContext): StreamFilterFactory;
}

const newHeaderMap = (): HeaderMap => new HeaderMap();

class RouterFactory implements StreamFilterFactory {
  readonly name: string;
  readonly decodesOnly = true;
  private readonly ctx: RouterContext;

  constructor(name: string, config: RouterConfig, stats: RouterStats, ctx: ExtensionContext) {
    this.name = name;
    this.ctx = { clusters: ctx.clusters, random: ctx.random, clock: ctx.clock, runtime: ctx.runtime, config, stats, newHeaderMap };
  }

  createFilter(callbacks: FilterCallbacks): StreamFilter {
    // The chain hands every filter the same kind of context; only the router uses all of it.
    return new RouterFilter(this.ctx, callbacks as FilterContext);
  }

  close(): void {}
}

const ROUTER: FilterRow<"router"> = {
  name: "envoy.filters.http.router",
  status: "stable",
  securityPosture: "robust_to_untrusted_downstream_and_upstream",
  create: (config, info, ctx) => new RouterFactory(config.name, config.config, info.routerStats, ctx),
};

const WASM: FilterRow<"wasm"> = {
  name: "envoy.filters.http.wasm",
  status: "alpha",
  securityPosture: "unknown",
  create: (config, info, ctx) => ctx.wasmFilter(config.name, config.plugin, directionNumber(info.listener)),
};

const GRPC_STATS: FilterRow<"grpc_stats"> = {
  name: "envoy.filters.http.grpc_stats",
  status: "stable",
  securityPosture: "unknown",
  create: (config, _info, ctx) => new GrpcStatsFactory(config.name, config.config, ctx.stats, ctx.clusters),
};

const GRPC_WEB: FilterRow<"grpc_web"> = {
  name: "envoy.filters.http.grpc_web",
  status: "stable",
  securityPosture: "robust_to_untrusted_downstream_and_upstream",
  create: (config, _info, ctx) => new GrpcWebFactory(config.name, ctx.stats, ctx.clusters),
};

const CORS: FilterRow<"cors"> = {
  name: "envoy.filters.http.cors",
  status: "stable",
  securityPosture: "robust_to_untrusted_downstream_and_upstream",
  create: (config, info, ctx) => new CorsFactory(config.name, info.statPrefix, ctx),
};

const FAULT: FilterRow<"fault"> = {
  name: "envoy.filters.http.fault",
  status: "stable",
  securityPosture: "robust_to_untrusted_downstream_and_upstream",
  create: (config, info, ctx) => new FaultFactory(config.name, config.config, info.statPrefix, ctx),
};

const ISTIO_ALPN: FilterRow<"istio_alpn"> = {
  name: "istio.alpn",
  status: "alpha",
  securityPosture: "requires_trusted_downstream_and_upstream",
  create: (config, _info, ctx) => new IstioAlpnFactory(config.name, config.config, ctx.clusters),
};

const ISTIO_PEER_METADATA: FilterRow<"istio_peer_metadata"> = {
  name: "istio.metadata_exchange",
  status: "alpha",
  securityPosture: "requires_trusted_downstream_and_upstream",
  create: (config, _info, ctx) => new PeerMetadataFactory(config.name, config.config, ctx),
};

const ISTIO_STATS: FilterRow<"istio_stats"> = {
  name: "istio.stats",
  status: "alpha",
  securityPosture: "robust_to_untrusted_downstream_and_upstream",
  create: (config, info, ctx) => new IstioStatsFactory(config.name, config.config, info.listener, ctx),
};

export const HTTP_FILTERS = {
  router: ROUTER,
  wasm: WASM,
  grpc_stats: GRPC_STATS,
  grpc_web: GRPC_WEB,
  cors: CORS,
  fault: FAULT,
  istio_alpn: ISTIO_ALPN,
  istio_peer_metadata: ISTIO_PEER_METADATA,
  istio_stats: ISTIO_STATS,
} as const;

export function directionNumber(listener: Listener): number {
  return listener.trafficDirection === "INBOUND" ? 1 : listener.trafficDirection === "OUTBOUND" ? 2 : 0;
}

function make(config: HttpFilterConfig, info: FilterContextInfo, ctx: ExtensionContext): StreamFilterFactory | undefined {
  switch (config.kind) {
    case "router":
      return ROUTER.create(config, info, ctx);
    case "wasm":
      return WASM.create(config, info, ctx);
    case "grpc_stats":
      return GRPC_STATS.create(config, info, ctx);
    case "grpc_web":
      return GRPC_WEB.create(config, info, ctx);
    case "cors":
      return CORS.create(config, info, ctx);
    case "fault":
      return FAULT.create(config, info, ctx);
    case "istio_alpn":
      return ISTIO_ALPN.create(config, info, ctx);
    case "istio_peer_metadata":
      return ISTIO_PEER_METADATA.create(config, info, ctx);
    case "istio_stats":
      return ISTIO_STATS.create(config, info, ctx);
    case "discovery":
      // Nothing came for it, and it has no default.
      return new MissingConfigFactory(config.name);
  }
}

function create(config: HttpFilterConfig, info: FilterContextInfo, ctx: ExtensionContext): StreamFilterFactory | undefined {
  const factory = make(config, info, ctx);
  if (factory !== undefined && config.kind !== "router" && config.disabled) factory.disabled = true;
  return factory;
}

/** A listener that changed elsewhere brings equal filters as new objects: their VMs go on. */
function findEqual(slots: readonly FilterSlot[], config: HttpFilterConfig): FilterSlot | undefined {
  const candidates = slots.filter((slot) => slot.config.kind === config.kind && slot.config.name === config.name);
  if (candidates.length === 0) return undefined;
  const key = structuralKey(config);
  return candidates.find((slot) => structuralKey(slot.config) === key);
}

/** Configurations that are the same as before keep their factory. */
export function createHttpFilters(
  configs: readonly HttpFilterConfig[],
  snapshot: Snapshot,
  old: readonly FilterSlot[],
  info: FilterContextInfo,
  ctx: ExtensionContext,
): FilterSlot[] {
  const slots: FilterSlot[] = [];
  for (const given of configs) {
    const config = given.kind === "discovery" ? (snapshot.extensionConfigs[given.name] ?? given.defaultConfig ?? given) : given;
    const kept = old.find((slot) => slot.config === config) ?? findEqual(old, config);
    slots.push(kept === undefined ? { config, factory: create(config, info, ctx) } : { config, factory: kept.factory });
  }
  return slots;
}
