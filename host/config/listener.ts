// Listeners and the HTTP connection manager as the data plane believes them: envoy.config.listener.v3 and
// extensions.filters.network.http_connection_manager.v3, defaults resolved, durations in milliseconds (0 = off).
import type { AccessLog, AccessLogFilter, LogFormat } from "./access-log.ts";
import type { PipeAddress, SocketAddress } from "./cluster.ts";
import type { FaultConfig, IstioAlpnConfig, IstioStatsConfig, PeerMetadataConfig } from "./http-filters.ts";
import type { Http2Options } from "./http2.ts";
import type { ListenerFilterConfig } from "./listener-filter.ts";
import type { NetworkFilter } from "./network-filter.ts";
import type { PluginConfig } from "./plugin.ts";
import type { DownstreamTransportSocket } from "./transport-socket.ts";
import type { HeaderToAdd, Metadata, RouteConfiguration } from "./route.ts";

export type TrafficDirection = "UNSPECIFIED" | "INBOUND" | "OUTBOUND";

export interface Listener {
  readonly name: string;
  readonly statPrefix: string;
  readonly addresses: readonly (SocketAddress | PipeAddress)[];
  readonly filterChains: readonly FilterChain[];
  readonly defaultFilterChain: FilterChain | undefined;
  /** false: it has no socket, and takes what another listener with use_original_dst hands over. */
  readonly bindToPort: boolean;
  readonly useOriginalDst: boolean;
  readonly listenerFilters: readonly ListenerFilterConfig[];
  /** Default 15000; 0 = off. */
  readonly listenerFiltersTimeoutMs: number;
  readonly continueOnListenerFiltersTimeout: boolean;
  readonly trafficDirection: TrafficDirection;
  /** Default 1 MiB: high watermark of a connection's buffers. */
  readonly perConnectionBufferLimitBytes: number;
  readonly tcpBacklogSize: number;
  readonly maxConnections: number;
  readonly drainType: "DEFAULT" | "MODIFY_ONLY";
  readonly accessLogs: readonly AccessLog[];
  readonly metadata: Metadata;
  readonly ignoreGlobalConnLimit: boolean;
}

export interface FilterChain {
  readonly name: string;
  readonly match: FilterChainMatch;
  readonly networkFilters: readonly NetworkFilter[];
  readonly transportSocket: DownstreamTransportSocket;
  /** How long a connection may take before its filter chain is served; 0 = off. */
  readonly transportSocketConnectTimeoutMs: number;
  readonly metadata: Metadata;
}

export interface FilterChainMatch {
  readonly destinationPort: number | undefined;
  /** "10.0.0.0/8" */
  readonly prefixRanges: readonly string[];
  readonly sourceType: "ANY" | "SAME_IP_OR_LOOPBACK" | "EXTERNAL";
  readonly sourcePrefixRanges: readonly string[];
  readonly directSourcePrefixRanges: readonly string[];
  readonly sourcePorts: readonly number[];
  readonly serverNames: readonly string[];
  readonly transportProtocol: string;
  readonly applicationProtocols: readonly string[];
}

export type HttpFilterConfig =
  | { readonly kind: "router"; readonly name: string; readonly disabled: boolean; readonly config: RouterConfig }
  | { readonly kind: "wasm"; readonly name: string; readonly disabled: boolean; readonly plugin: PluginConfig }
  | { readonly kind: "grpc_stats"; readonly name: string; readonly disabled: boolean; readonly config: GrpcStatsConfig }
  | { readonly kind: "grpc_web"; readonly name: string; readonly disabled: boolean }
  | { readonly kind: "cors"; readonly name: string; readonly disabled: boolean }
  | { readonly kind: "fault"; readonly name: string; readonly disabled: boolean; readonly config: FaultConfig }
  | { readonly kind: "istio_alpn"; readonly name: string; readonly disabled: boolean; readonly config: IstioAlpnConfig }
  | { readonly kind: "istio_peer_metadata"; readonly name: string; readonly disabled: boolean; readonly config: PeerMetadataConfig }
  | { readonly kind: "istio_stats"; readonly name: string; readonly disabled: boolean; readonly config: IstioStatsConfig }
  /** ECDS: the config comes by name from the snapshot's extensionConfigs. */
  | {
      readonly kind: "discovery";
      readonly name: string;
      readonly disabled: boolean;
      readonly typeUrls: readonly string[];
      readonly defaultConfig: HttpFilterConfig | undefined;
    };

export interface RouterConfig {
  readonly dynamicStats: boolean;
  readonly suppressEnvoyHeaders: boolean;
  readonly startChildSpan: boolean;
  readonly strictCheckHeaders: readonly string[];
  readonly respectExpectedRqTimeout: boolean;
  readonly upstreamLogs: readonly AccessLog[];
}

export interface GrpcStatsConfig {
  readonly emitFilterState: boolean;
  /** Which methods have statistics of their own: [service, method]. The others share some without names. */
  readonly methods: "all" | readonly (readonly [string, string])[];
  readonly enableUpstreamStats: boolean;
  /** replace_dots_in_grpc_service_name. */
  readonly replaceDots: boolean;
}

export interface HttpConnectionManager {
  readonly statPrefix: string;
  readonly codecType: "AUTO" | "HTTP1" | "HTTP2";
  readonly routes:
    | { readonly kind: "inline"; readonly config: RouteConfiguration }
    /** RDS: the table comes by name from the snapshot's routeConfigurations. */
    | { readonly kind: "rds"; readonly routeConfigName: string };
  readonly httpFilters: readonly HttpFilterConfig[];
  readonly http1: {
    readonly acceptHttp10: boolean;
    readonly defaultHostForHttp10: string;
    readonly allowAbsoluteUrl: boolean;
    readonly allowChunkedLength: boolean;
    readonly enableTrailers: boolean;
    readonly headerKeyFormat: "default" | "proper_case_words" | "preserve_case";
  };
  readonly http2: Http2Options;
  /** common_http_protocol_options. Defaults: idle 1 h, 100 headers, no duration limit. */
  readonly idleTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  readonly maxRequestsPerConnection: number;
  readonly maxHeadersCount: number;
  readonly headersWithUnderscoresAction: "ALLOW" | "REJECT_REQUEST" | "DROP_HEADER";
  /** Default 60 KiB. */
  readonly maxRequestHeadersBytes: number;
  /** Default 300000; 0 = off. */
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly maxStreamDurationMs: number;
  readonly drainTimeoutMs: number;
  readonly delayedCloseTimeoutMs: number;
  readonly serverName: string;
  readonly serverHeaderTransformation: "OVERWRITE" | "APPEND_IF_ABSENT" | "PASS_THROUGH";
  readonly useRemoteAddress: boolean;
  readonly xffNumTrustedHops: number;
  readonly skipXffAppend: boolean;
  /** internal_address_config: CIDRs; RFC 1918 and loopback are *not* internal unless listed (unix_sockets apart). */
  readonly internalCidrs: readonly string[];
  readonly internalUnixSockets: boolean;
  readonly via: string;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  readonly forwardClientCertDetails: "SANITIZE" | "FORWARD_ONLY" | "APPEND_FORWARD" | "SANITIZE_SET" | "ALWAYS_FORWARD_ONLY";
  /** set_current_client_cert_details: what x-forwarded-client-cert says beyond By and Hash. */
  readonly clientCertDetails: ClientCertDetails;
  readonly proxy100Continue: boolean;
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly pathWithEscapedSlashesAction: "KEEP_UNCHANGED" | "REJECT_REQUEST" | "UNESCAPE_AND_REDIRECT" | "UNESCAPE_AND_FORWARD";
  readonly stripMatchingHostPort: boolean;
  readonly stripAnyHostPort: boolean;
  readonly stripTrailingHostDot: boolean;
  readonly streamErrorOnInvalidHttpMessage: boolean;
  readonly schemeOverwrite: string | undefined;
  readonly appendXForwardedPort: boolean;
  readonly appendLocalOverload: boolean;
  /** upgrade type (lower case) → enabled. */
  readonly upgrades: Readonly<Record<string, boolean>>;
  readonly accessLogs: readonly AccessLog[];
  readonly flushAccessLogOnNewRequest: boolean;
  readonly accessLogFlushIntervalMs: number;
  /** undefined: whether a request is traced is not decided here. */
  readonly tracing: TraceSampling | undefined;
  readonly localReply: LocalReplyConfig | undefined;
}

/** Of requests that ask for it, of all, and of those that either way says to trace; in percent. */
export interface TraceSampling {
  readonly clientPercent: number;
  readonly randomPercent: number;
  readonly overallPercent: number;
  /** The request id says so. */
  readonly packsReason: boolean;
}

export interface ClientCertDetails {
  readonly subject: boolean;
  readonly cert: boolean;
  readonly chain: boolean;
  readonly dns: boolean;
  readonly uri: boolean;
}

export interface LocalReplyConfig {
  readonly mappers: readonly {
    readonly filter: AccessLogFilter;
    readonly statusCode: number | undefined;
    readonly body: string | undefined;
    readonly bodyFormat: LocalReplyFormat | undefined;
    readonly headersToAdd: readonly HeaderToAdd[];
  }[];
  readonly bodyFormat: LocalReplyFormat | undefined;
}

export interface LocalReplyFormat {
  readonly format: LogFormat;
  /** undefined: text/plain or application/json by the format's kind. */
  readonly contentType: string | undefined;
}
