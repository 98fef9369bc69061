// Clusters and endpoints as the data plane believes them: envoy.config.cluster.v3 and endpoint.v3, defaults resolved.
import type { MetadataExchangeConfig } from "./network-filter.ts";
import type { EndpointHealthCheck, HealthCheck } from "./health-check.ts";
import type { Http2Options } from "./http2.ts";
import type { Metadata } from "./route.ts";
import type { TransportSocketMatch, UpstreamTransportSocket } from "./transport-socket.ts";

export interface Cluster {
  readonly name: string;
  readonly altStatName: string;
  readonly type: "STATIC" | "STRICT_DNS" | "LOGICAL_DNS" | "EDS" | "ORIGINAL_DST";
  /** EDS: name to ask for (service_name or the cluster's name); "" otherwise. */
  readonly edsServiceName: string;
  /** Default 5000. */
  readonly connectTimeoutMs: number;
  /** Default 1 MiB: soft limit of buffers for this cluster's connections. */
  readonly perConnectionBufferLimitBytes: number;
  readonly lbPolicy: LbPolicy;
  readonly commonLb: {
    /** healthy_panic_threshold in percent, 0 turns panic off. Default 50. */
    readonly healthyPanicThreshold: number;
    /** fail_traffic_on_panic: no host rather than any host in panic. */
    readonly failTrafficOnPanic: boolean;
    readonly ignoreNewHostsUntilFirstHealthCheck: boolean;
  };
  /** policy.overprovisioning_factor: percent, default 140. */
  readonly overprovisioningFactor: number;
  readonly circuitBreakers: { readonly default: Thresholds; readonly high: Thresholds };
  readonly http: UpstreamHttpOptions;
  readonly dns: {
    readonly refreshRateMs: number;
    readonly respectDnsTtl: boolean;
    readonly lookupFamily: "AUTO" | "V4_ONLY" | "V6_ONLY" | "V4_PREFERRED" | "ALL";
  };
  /** undefined: the type is another one than ORIGINAL_DST. */
  readonly originalDst?: OriginalDst | undefined;
  readonly upstreamBindAddress: string | undefined;
  readonly tcpKeepalive: { readonly probeStartMs: number } | undefined;
  /** Endpoints given inline (STATIC, DNS); EDS ones come by name in the snapshot. */
  readonly endpoints: readonly LocalityEndpoints[];
  /** drop_overloads: fraction dropped, in parts of a million. */
  readonly dropPerMillion: number;
  /** One at most. */
  readonly healthChecks: readonly HealthCheck[];
  readonly ignoreHealthOnHostRemoval: boolean;
  readonly metadata: Metadata;
  readonly transportSocket: UpstreamTransportSocket;
  /** The first one that fits an endpoint is used for it; else `transportSocket`. */
  /** istio.metadata_exchange among `filters`: on TCP connections that agreed on its protocol. */
  readonly metadataExchange: MetadataExchangeConfig | undefined;
  readonly transportSocketMatches: readonly TransportSocketMatch[];
  /** cluster.track_timeout_budgets and friends that change nothing here are dropped by the parser. */
}

export interface OriginalDst {
  readonly useHttpHeader: boolean;
  /** Lower case. */
  readonly httpHeaderName: string;
  readonly portOverride: number | undefined;
  /** A host that was not used for one to two of these is forgotten. */
  readonly cleanupIntervalMs: number;
}

export type LbPolicy =
  | { readonly kind: "ROUND_ROBIN" }
  | { readonly kind: "LEAST_REQUEST"; readonly choiceCount: number; readonly activeRequestBias: number }
  | { readonly kind: "RANDOM" }
  /** The cluster's own choice: ORIGINAL_DST. */
  | { readonly kind: "CLUSTER_PROVIDED" };

export interface Thresholds {
  /** Defaults 1024, 1024, 1024, 3. */
  readonly maxConnections: number;
  readonly maxPendingRequests: number;
  readonly maxRequests: number;
  readonly maxRetries: number;
  /** retry_budget: percent of active requests that may be retries, and the least number. */
  readonly retryBudget: { readonly budgetPercent: number; readonly minRetryConcurrency: number } | undefined;
  readonly maxConnectionPools: number | undefined;
  readonly trackRemaining: boolean;
}

export interface UpstreamHttpOptions {
  /** AUTO: by ALPN. DOWNSTREAM: what the client speaks. */
  readonly protocol: "HTTP1" | "HTTP2" | "AUTO" | "DOWNSTREAM";
  readonly http2: Http2Options;
  /** Default 3600000 (1 h); 0 = never. */
  readonly idleTimeoutMs: number;
  /** 0 = no limit. */
  readonly maxConnectionDurationMs: number;
  readonly maxRequestsPerConnection: number;
  readonly maxResponseHeaders: number;
  readonly maxResponseHeaderBytes: number;
  /** http_protocol_options.enable_trailers. */
  readonly enableTrailers: boolean;
  readonly acceptHttp10: boolean;
  /** upstream_http_protocol_options: SNI from the request, and a certificate that must be for it. undefined: neither. */
  readonly autoSni: { readonly header: string; readonly setsSni: boolean; readonly validatesName: boolean } | undefined;
}

export interface LocalityEndpoints {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  /** 0 is the highest. */
  readonly priority: number;
  /** undefined: no locality weighting. */
  readonly weight: number | undefined;
  readonly endpoints: readonly Endpoint[];
}

export type HealthStatus = "UNKNOWN" | "HEALTHY" | "UNHEALTHY" | "DRAINING" | "TIMEOUT" | "DEGRADED";

export interface Endpoint {
  readonly address: SocketAddress | PipeAddress;
  readonly hostname: string;
  readonly healthStatus: HealthStatus;
  /** health_check_config. */
  readonly healthCheck: EndpointHealthCheck | undefined;
  /** What active checks say: set on the main thread, which makes them. */
  readonly failedActiveHealthCheck: boolean;
  /** Not to be counted at all yet (ignore_new_hosts_until_first_hc). */
  readonly isIgnored: boolean;
  /** Default 1. */
  readonly weight: number;
  readonly metadata: Metadata;
}

export interface SocketAddress {
  readonly kind: "socket";
  /** An IP, or a DNS name in STRICT_DNS and LOGICAL_DNS clusters. */
  readonly address: string;
  readonly port: number;
}

export interface PipeAddress {
  readonly kind: "pipe";
  readonly path: string;
}

/** ClusterLoadAssignment. */
export interface EndpointAssignment {
  readonly clusterName: string;
  readonly localities: readonly LocalityEndpoints[];
  readonly overprovisioningFactor: number | undefined;
  readonly dropPerMillion: number;
}
