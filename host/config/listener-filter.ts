// Listener filters as the data plane believes them (envoy.extensions.filters.listener.*).

export type ListenerFilterPredicate =
  | { readonly kind: "any" }
  | { readonly kind: "not"; readonly rule: ListenerFilterPredicate }
  | { readonly kind: "and" | "or"; readonly rules: readonly ListenerFilterPredicate[] }
  /** [start, end) */
  | { readonly kind: "destination_port"; readonly start: number; readonly end: number };

export type ListenerFilterConfig = {
  readonly name: string;
  /** For which connections it is left out; undefined: for none. */
  readonly filterDisabled: ListenerFilterPredicate | undefined;
} & (TlsInspector | { readonly kind: "http_inspector" } | { readonly kind: "original_dst" } | ProxyProtocol | LocalRateLimit);

export interface TlsInspector {
  readonly kind: "tls_inspector";
  /** Default 16384. */
  readonly maxClientHelloBytes: number;
  readonly closesOnError: boolean;
}

export interface ProxyProtocol {
  readonly kind: "proxy_protocol";
  readonly allowRequestsWithoutProxyProtocol: boolean;
  readonly disallowedVersions: readonly ("V1" | "V2")[];
  readonly statPrefix: string;
  readonly rules: readonly {
    readonly tlvType: number;
    readonly namespace: string;
    readonly key: string;
    readonly encoding: "SANITIZED_UTF8" | "BASE64";
  }[];
}

export interface LocalRateLimit {
  readonly kind: "local_ratelimit";
  readonly statPrefix: string;
  readonly maxTokens: number;
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
  readonly runtimeKey: string;
  readonly enabledByDefault: boolean;
}
