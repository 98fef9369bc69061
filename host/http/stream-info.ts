// What is known of one request: the source of access logs, attributes (proxy_get_property) and stats.
// One fixed shape, filled in as the request goes; times are monotonic milliseconds with fractions unless named otherwise.
import type { ConnectionInfo } from "../net/connection-info.ts";
import type { TlsInfo } from "../net/tls-info.ts";
import type { HeaderMap } from "./header-map.ts";

export type { ConnectionInfo };

/** Envoy's core response flags (envoy/stream_info/stream_info.h): `bit` is the number that proxy-wasm's response.flags shows. */
export const ResponseFlag = {
  FailedLocalHealthCheck: 1 << 0,
  NoHealthyUpstream: 1 << 1,
  UpstreamRequestTimeout: 1 << 2,
  LocalReset: 1 << 3,
  UpstreamRemoteReset: 1 << 4,
  UpstreamConnectionFailure: 1 << 5,
  UpstreamConnectionTermination: 1 << 6,
  UpstreamOverflow: 1 << 7,
  NoRouteFound: 1 << 8,
  DelayInjected: 1 << 9,
  FaultInjected: 1 << 10,
  RateLimited: 1 << 11,
  UnauthorizedExternalService: 1 << 12,
  RateLimitServiceError: 1 << 13,
  DownstreamConnectionTermination: 1 << 14,
  UpstreamRetryLimitExceeded: 1 << 15,
  StreamIdleTimeout: 1 << 16,
  InvalidEnvoyRequestHeaders: 1 << 17,
  DownstreamProtocolError: 1 << 18,
  UpstreamMaxStreamDurationReached: 1 << 19,
  ResponseFromCacheFilter: 1 << 20,
  NoFilterConfigFound: 1 << 21,
  DurationTimeout: 1 << 22,
  UpstreamProtocolError: 1 << 23,
  NoClusterFound: 1 << 24,
  OverloadManager: 1 << 25,
  DnsResolutionFailed: 1 << 26,
  DropOverLoad: 1 << 27,
  DownstreamRemoteReset: 1 << 28,
  UnconditionalDropOverload: 1 << 29,
} as const;

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** What is offered as ALPN to the host, in place of what is configured; `key` tells two of them apart. */
export interface AlpnOverride {
  readonly key: string;
  readonly protocols: readonly string[];
}

export class StreamInfo {
  readonly connection: ConnectionInfo;
  /** Wall clock of the first byte, milliseconds since 1970. */
  startTimeMs = 0;
  /** Monotonic milliseconds. */
  startMonotonic = 0;
  protocol = "";
  requestId = "";
  /** Client address after x-forwarded-for rules: "ip:port" (port 0 when it comes from a header). */
  downstreamRemoteAddress: string;
  requestHeaders: HeaderMap | undefined = undefined;
  responseHeaders: HeaderMap | undefined = undefined;
  responseTrailers: HeaderMap | undefined = undefined;
  /** 0 until known. */
  responseCode = 0;
  responseCodeDetails = "";
  /** The client speaks gRPC-Web: its request is gRPC only behind the filter that translates, and so are answers. */
  isGrpcWeb = false;
  /** A local reply has set the details, be it to nothing: then they are empty, not absent. */
  hasDetails = false;
  /** Under which statistics count the cluster, when that is not its name. */
  clusterAltName = "";
  connectionTerminationDetails = "";
  /** %ACCESS_LOG_TYPE%: which of the times it is at which a log line is written. */
  accessLogType = "DownstreamEnd";
  responseFlags = 0;
  /** Body bytes received from and sent to the client. */
  bytesReceived = 0;
  bytesSent = 0;
  /** Header bytes as on the wire. */
  requestHeaderBytes = 0;
  responseHeaderBytes = 0;
  upstreamBytesReceived = 0;
  upstreamBytesSent = 0;
  routeName = "";
  virtualHostName = "";
  clusterName = "";
  /** Metadata by namespace of the chosen route and cluster. */
  routeMetadata: Readonly<Record<string, unknown>> | undefined = undefined;
  clusterMetadata: Readonly<Record<string, unknown>> | undefined = undefined;
  virtualHostMetadata: Readonly<Record<string, unknown>> | undefined = undefined;
  upstreamHostMetadata: Readonly<Record<string, unknown>> | undefined = undefined;
  /** Where the chosen host is; undefined before there is one. */
  upstreamLocality: Locality | undefined = undefined;
  /** "ip:port" of the chosen host, "" before. */
  upstreamHost = "";
  upstreamLocalAddress = "";
  /** "HTTP/1.1", "HTTP/2"; "" before there is a connection. */
  upstreamProtocol = "";
  /** undefined without TLS to the host. */
  upstreamTls: TlsInfo | undefined = undefined;
  upstreamAlpn: AlpnOverride | undefined = undefined;
  upstreamTransportFailureReason = "";
  upstreamRequestAttemptCount = 0;
  /** Monotonic times, 0 when it has not happened. */
  requestCompleteAt = 0;
  upstreamFirstByteSentAt = 0;
  upstreamLastByteSentAt = 0;
  upstreamFirstByteReceivedAt = 0;
  upstreamLastByteReceivedAt = 0;
  upstreamConnectionReadyAt = 0;
  responseFirstByteAt = 0;
  completeAt = 0;
  /** Answered by the health check filter: the not_health_check access log filter asks. */
  healthCheck = false;
  /** Dynamic metadata by namespace; created on first write. */
  dynamicMetadata: Record<string, Record<string, unknown>> | undefined = undefined;
  /** Filter state (name → bytes), what proxy_set_property writes; created on first write. */
  filterState: Map<string, Uint8Array> | undefined = undefined;

  constructor(connection: ConnectionInfo) {
    this.connection = connection;
    this.downstreamRemoteAddress = connection.remoteAddress;
  }

  /** The flags in the order they were set, as Envoy prints them; undefined while there is none. */
  flagOrder: number[] | undefined = undefined;

  setFlag(flag: number): void {
    if (flag === 0 || (this.responseFlags & flag) === flag) return;
    this.responseFlags |= flag;
    this.flagOrder ??= [];
    this.flagOrder.push(flag);
  }
}
