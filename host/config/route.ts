// Route configuration as the data plane believes it: envoy.config.route.v3, defaults resolved, durations in milliseconds.
import type { HeaderMatcher, QueryParameterMatcher, RegexRewrite, RuntimeFraction } from "./matcher.ts";

export interface RouteConfiguration {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHost[];
  readonly internalOnlyHeaders: readonly string[];
  readonly mutations: HeaderMutations;
  /** true: the most specific level is applied last and wins. */
  readonly mostSpecificHeaderMutationsWins: boolean;
  readonly ignorePortInHostMatching: boolean;
  readonly maxDirectResponseBodyBytes: number;
  readonly requestMirrorPolicies: readonly MirrorPolicy[];
  readonly perFilterConfig: PerFilterConfig;
  readonly metadata: Metadata;
}

/** metadata.filter_metadata: plain JSON by namespace. */
export type Metadata = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** typed_per_filter_config by filter name. */
export type PerFilterConfig = Readonly<Record<string, PerFilterOverride>>;

export interface PerFilterOverride {
  /** route.v3.FilterConfig.disabled: turns the filter off (true) or on (false) here; undefined: as the chain says. */
  readonly disabled: boolean | undefined;
  /** Plain data from the extension's own parser; undefined: only `disabled` was given. */
  readonly config: unknown;
}

export interface HeaderMutations {
  readonly requestToAdd: readonly HeaderToAdd[];
  readonly requestToRemove: readonly string[];
  readonly responseToAdd: readonly HeaderToAdd[];
  readonly responseToRemove: readonly string[];
}

export type AppendAction = "APPEND_IF_EXISTS_OR_ADD" | "ADD_IF_ABSENT" | "OVERWRITE_IF_EXISTS_OR_ADD" | "OVERWRITE_IF_EXISTS";

export interface HeaderToAdd {
  /** Lower case. */
  readonly name: string;
  /** A format string with command operators; compiled where it is used. */
  readonly value: string;
  readonly appendAction: AppendAction;
  readonly keepEmptyValue: boolean;
}

export interface VirtualHost {
  readonly name: string;
  /** Lower case: exact, "*.suffix", "prefix.*" or "*". */
  readonly domains: readonly string[];
  readonly routes: readonly Route[];
  readonly requireTls: "NONE" | "EXTERNAL_ONLY" | "ALL";
  readonly mutations: HeaderMutations;
  readonly retryPolicy: RetryPolicy | undefined;
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly perRequestBufferLimitBytes: number | undefined;
  readonly requestMirrorPolicies: readonly MirrorPolicy[];
  readonly perFilterConfig: PerFilterConfig;
  readonly metadata: Metadata;
}

export interface Route {
  readonly name: string;
  readonly match: RouteMatch;
  readonly action: RouteAction | RedirectAction | DirectResponseAction | { readonly kind: "none" };
  readonly mutations: HeaderMutations;
  readonly perRequestBufferLimitBytes: number | undefined;
  readonly perFilterConfig: PerFilterConfig;
  readonly metadata: Metadata;
}

export interface RouteMatch {
  readonly path:
    | { readonly kind: "prefix"; readonly value: string }
    | { readonly kind: "path"; readonly value: string }
    | { readonly kind: "path_separated_prefix"; readonly value: string }
    | { readonly kind: "safe_regex"; readonly regex: string }
    | { readonly kind: "connect_matcher" };
  readonly caseSensitive: boolean;
  readonly headers: readonly HeaderMatcher[];
  readonly queryParameters: readonly QueryParameterMatcher[];
  readonly runtimeFraction: RuntimeFraction | undefined;
  /** grpc: {} — only requests whose content-type is gRPC. */
  readonly grpc: boolean;
}

/** How long a whole stream may take. */
export interface MaxStreamDuration {
  /** undefined: the connection manager's; 0: no limit. */
  readonly maxStreamDurationMs: number | undefined;
  /** Given: grpc-timeout counts instead, up to so much (0: any). */
  readonly grpcTimeoutHeaderMaxMs: number | undefined;
  readonly grpcTimeoutHeaderOffsetMs: number;
}

export interface RouteAction {
  readonly kind: "route";
  readonly cluster:
    | { readonly kind: "cluster"; readonly name: string }
    | { readonly kind: "cluster_header"; readonly header: string }
    | {
        readonly kind: "weighted";
        readonly clusters: readonly WeightedCluster[];
        readonly totalWeight: number;
        readonly headerName: string;
      };
  readonly clusterNotFoundResponseCode: number;
  /** undefined: keep. */
  readonly prefixRewrite: string | undefined;
  readonly regexRewrite: RegexRewrite | undefined;
  readonly hostRewrite:
    | { readonly kind: "literal"; readonly value: string }
    | { readonly kind: "header"; readonly header: string }
    | { readonly kind: "auto" }
    | { readonly kind: "path_regex"; readonly rewrite: RegexRewrite }
    | undefined;
  readonly appendXForwardedHost: boolean;
  /** Response must be complete within; 0 = none. Default 15000. */
  readonly timeoutMs: number;
  /** Overrides the connection manager's stream idle timeout; undefined = its value, 0 = none. */
  readonly idleTimeoutMs: number | undefined;
  /** max_grpc_timeout and grpc_timeout_offset (deprecated): the route timeout of gRPC requests comes from grpc-timeout. 0: no limit. */
  readonly maxGrpcTimeoutMs: number | undefined;
  readonly grpcTimeoutOffsetMs: number;
  readonly maxStreamDuration: MaxStreamDuration | undefined;
  readonly retryPolicy: RetryPolicy | undefined;
  readonly requestMirrorPolicies: readonly MirrorPolicy[];
  readonly priority: "DEFAULT" | "HIGH";
  /** Lower-case upgrade type ("websocket", "connect") → enabled; overrides the connection manager's. */
  readonly upgrades: Readonly<Record<string, boolean>>;
  readonly metadataMatch: Metadata;
  readonly includeVirtualHostRateLimits: boolean;
  readonly maxInternalRedirects: number;
}

export interface WeightedCluster {
  /** Exactly one of `name` and `clusterHeader` is set ("" otherwise). */
  readonly name: string;
  readonly clusterHeader: string;
  readonly weight: number;
  readonly mutations: HeaderMutations;
  readonly hostRewriteLiteral: string | undefined;
  readonly perFilterConfig: PerFilterConfig;
  readonly metadataMatch: Metadata;
}

export interface MirrorPolicy {
  readonly cluster: string;
  readonly clusterHeader: string;
  readonly fraction: RuntimeFraction | undefined;
  readonly disableShadowHostSuffixAppend: boolean;
}

export interface RetryPolicy {
  /** Tokens of retry_on, for example "5xx", "connect-failure", "reset", "retriable-status-codes". */
  readonly retryOn: readonly string[];
  readonly numRetries: number;
  readonly perTryTimeoutMs: number | undefined;
  readonly perTryIdleTimeoutMs: number | undefined;
  readonly previousHostsPredicate: boolean;
  readonly hostSelectionRetryMaxAttempts: number;
  readonly retriableStatusCodes: readonly number[];
  readonly retriableHeaders: readonly HeaderMatcher[];
  readonly retriableRequestHeaders: readonly HeaderMatcher[];
  readonly backOffBaseMs: number;
  readonly backOffMaxMs: number;
  /** rate_limited_retry_back_off: reset headers in order. */
  readonly rateLimitedBackOff:
    | { readonly headers: readonly { readonly name: string; readonly unixTimestamp: boolean }[]; readonly maxMs: number }
    | undefined;
}

export interface RedirectAction {
  readonly kind: "redirect";
  readonly httpsRedirect: boolean;
  readonly schemeRedirect: string;
  readonly hostRedirect: string;
  readonly portRedirect: number;
  readonly pathRedirect: string | undefined;
  readonly prefixRewrite: string | undefined;
  readonly regexRewrite: RegexRewrite | undefined;
  readonly responseCode: 301 | 302 | 303 | 307 | 308;
  readonly stripQuery: boolean;
}

export interface DirectResponseAction {
  readonly kind: "direct_response";
  readonly status: number;
  /** latin1 bytes as a string. */
  readonly body: string;
}
