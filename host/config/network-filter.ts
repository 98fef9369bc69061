// Network filters as the data plane believes them: envoy.extensions.filters.network.*.v3, defaults resolved, durations in
// milliseconds (0 = off). The table of extensions in extensions/network-filters.ts says what each kind does.
import type { IstioStatsConfig } from "./http-filters.ts";
import type { AccessLog } from "./access-log.ts";
import type { HttpConnectionManager } from "./listener.ts";
import type { StringMatcher } from "./matcher.ts";
import type { PluginConfig } from "./plugin.ts";

export type NetworkFilter =
  | { readonly kind: "http_connection_manager"; readonly name: string; readonly config: HttpConnectionManager }
  | { readonly kind: "tcp_proxy"; readonly name: string; readonly config: TcpProxy }
  | { readonly kind: "rbac"; readonly name: string; readonly config: NetworkRbac }
  | { readonly kind: "local_ratelimit"; readonly name: string; readonly config: NetworkLocalRateLimit }
  | { readonly kind: "connection_limit"; readonly name: string; readonly config: ConnectionLimit }
  | { readonly kind: "sni_cluster"; readonly name: string }
  | { readonly kind: "wasm"; readonly name: string; readonly plugin: PluginConfig }
  | { readonly kind: "direct_response"; readonly name: string; readonly response: Uint8Array }
  | { readonly kind: "echo"; readonly name: string }
  | { readonly kind: "istio_metadata_exchange"; readonly name: string; readonly config: MetadataExchangeConfig }
  | { readonly kind: "istio_stats"; readonly name: string; readonly config: IstioStatsConfig };

/** istio.metadata_exchange: where TLS agreed on `protocol`, peers say who they are. */
export interface MetadataExchangeConfig {
  readonly protocol: string;
}

/** tcp_proxy.v3.TcpProxy. */
export interface TcpProxy {
  readonly statPrefix: string;
  /** One, or several that are drawn by weight. */
  readonly clusters: readonly { readonly name: string; readonly weight: number }[];
  readonly totalWeight: number;
  /** Default 1 h. */
  readonly idleTimeoutMs: number;
  /** Default 1. */
  readonly maxConnectAttempts: number;
  /** undefined: the next attempt follows at once. */
  readonly backoff: { readonly baseIntervalMs: number; readonly maxIntervalMs: number } | undefined;
  readonly maxDownstreamConnectionDurationMs: number;
  /** Of the duration, in percent, added at random. */
  readonly maxDownstreamConnectionDurationJitter: number;
  readonly connectsOnData: boolean;
  /** undefined: nothing is read before the upstream is connected. */
  readonly maxEarlyDataBytes: number | undefined;
  readonly accessLogs: readonly AccessLog[];
  readonly accessLogFlushIntervalMs: number;
  readonly flushAccessLogOnConnected: boolean;
  readonly flushAccessLogOnStart: boolean;
}

/** connection_limit.v3.ConnectionLimit. */
export interface ConnectionLimit {
  readonly statPrefix: string;
  readonly maxConnections: number;
  /** How long a refused connection is kept before it is closed. */
  readonly delayMs: number;
  readonly runtimeEnabled: RuntimeFeatureFlag;
}

/** local_ratelimit.v3.LocalRateLimit. */
export interface NetworkLocalRateLimit {
  readonly statPrefix: string;
  readonly maxTokens: number;
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
  readonly runtimeEnabled: RuntimeFeatureFlag;
  /** Equal keys share one bucket; "" is a bucket of its own. */
  readonly shareKey: string;
}

export interface RuntimeFeatureFlag {
  readonly defaultValue: boolean;
  readonly runtimeKey: string;
}

/** rbac.v3.RBAC. */
export interface NetworkRbac {
  readonly statPrefix: string;
  readonly shadowRulesStatPrefix: string;
  readonly rules: RbacRules | undefined;
  readonly shadowRules: RbacRules | undefined;
  readonly isContinuous: boolean;
  readonly delayDenyMs: number;
}

/** config.rbac.v3.RBAC; policies in the order of their names. */
export interface RbacRules {
  readonly action: "ALLOW" | "DENY" | "LOG";
  readonly policies: readonly RbacPolicy[];
}

export interface RbacPolicy {
  readonly name: string;
  /** Any of them. */
  readonly permissions: readonly RbacRule[];
  readonly principals: readonly RbacRule[];
}

/** A permission or a principal, as far as a connection without a protocol can meet one. */
export type RbacRule =
  | { readonly kind: "any" }
  /** What only HTTP has: no connection meets it. */
  | { readonly kind: "never" }
  | { readonly kind: "and" | "or"; readonly rules: readonly RbacRule[] }
  | { readonly kind: "not"; readonly rule: RbacRule }
  | { readonly kind: "destination_ip" | "source_ip" | "direct_remote_ip" | "remote_ip"; readonly cidr: string }
  /** [start, end) */
  | { readonly kind: "destination_port"; readonly start: number; readonly end: number }
  | { readonly kind: "requested_server_name"; readonly matcher: StringMatcher }
  /** undefined: any name, as long as the peer has shown a certificate. */
  | { readonly kind: "authenticated"; readonly principalName: StringMatcher | undefined };
