// Configuration of the HTTP filters that need more than a flag or two, as the data plane believes it.
import type { HeaderMatcher, RuntimeFraction, StringMatcher } from "./matcher.ts";
import type { Metadata } from "./route.ts";

/** cors.v3.CorsPolicy. Undefined fields are for a wider level to say, as in Envoy. */
export interface CorsPolicy {
  readonly allowOrigins: readonly StringMatcher[];
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  readonly maxAge: string;
  readonly allowCredentials: boolean | undefined;
  readonly allowPrivateNetworkAccess: boolean | undefined;
  readonly forwardNotMatchingPreflights: boolean | undefined;
  /** Undefined: always. */
  readonly filterEnabled: RuntimeFraction | undefined;
  /** Undefined: never. */
  readonly shadowEnabled: RuntimeFraction | undefined;
}

/** type.v3.FractionalPercent: numerator of `denominator`. */
export interface Fraction {
  readonly numerator: number;
  readonly denominator: number;
}

/** fault.v3.HTTPFault, of a chain or of a route. */
export interface FaultConfig {
  readonly delay: { readonly fixedMs: number | undefined; readonly percentage: Fraction } | undefined;
  readonly abort: FaultAbort | undefined;
  /** undefined: the request's header says how fast. */
  readonly responseRateLimit: { readonly kbps: number | undefined; readonly percentage: Fraction } | undefined;
  readonly upstreamCluster: string;
  readonly headers: readonly HeaderMatcher[];
  readonly downstreamNodes: readonly string[];
  /** undefined: no limit. */
  readonly maxActiveFaults: number | undefined;
  readonly runtime: FaultRuntimeKeys;
  readonly disableDownstreamClusterStats: boolean;
  /** What a request with a fault gets as dynamic metadata, which exists even if this is empty. */
  readonly filterMetadata: Metadata[string];
}

export interface FaultAbort {
  readonly error:
    | { readonly kind: "http"; readonly status: number }
    | { readonly kind: "grpc"; readonly status: number }
    | { readonly kind: "header" };
  readonly percentage: Fraction;
  readonly responseBody: string;
}

/** Names of runtime values over those of the configuration. */
export interface FaultRuntimeKeys {
  readonly delayPercent: string;
  readonly delayDuration: string;
  readonly abortPercent: string;
  readonly abortHttpStatus: string;
  readonly abortGrpcStatus: string;
  readonly maxActiveFaults: string;
  readonly responseRateLimitPercent: string;
}

export type AlpnProtocol = "HTTP10" | "HTTP11" | "HTTP2";

/** istio.alpn. */
export interface IstioAlpnConfig {
  readonly overrides: readonly { readonly upstreamProtocol: AlpnProtocol; readonly alpn: readonly string[] }[];
}

/** istio.metadata_exchange: peer_metadata.Config as far as headers go. Undefined: not in that direction. */
export interface PeerMetadataConfig {
  readonly discoversDownstream: boolean;
  readonly discoversUpstream: boolean;
  readonly downstreamPropagation: HeaderPropagation | undefined;
  readonly upstreamPropagation: HeaderPropagation | undefined;
  readonly additionalLabels: readonly string[];
}

export interface HeaderPropagation {
  readonly skipExternalClusters: boolean;
}

/** istio.stats. */
export interface IstioStatsConfig {
  /** Default "istio". */
  readonly statPrefix: string;
  readonly disableHostHeaderFallback: boolean;
  /** How often an open connection's bytes are counted; default 5 s. */
  readonly tcpReportingMs: number;
  /** In order; "" names all. */
  readonly metrics: readonly { readonly name: string; readonly drop: boolean; readonly tagsToRemove: readonly string[] }[];
}
