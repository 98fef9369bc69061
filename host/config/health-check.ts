// Active health checks of a cluster: envoy.config.core.v3.HealthCheck, defaults resolved, durations in milliseconds.
import type { StringMatcher } from "./matcher.ts";
import type { HeaderToAdd } from "./route.ts";

/** [start, end). */
export type StatusRange = readonly [start: number, end: number];

export type HealthProbe =
  | {
      readonly kind: "http";
      readonly protocol: "HTTP1" | "HTTP2";
      /** "": the cluster's name. */
      readonly host: string;
      readonly path: string;
      readonly method: string;
      readonly headersToAdd: readonly HeaderToAdd[];
      readonly headersToRemove: readonly string[];
      readonly expectedStatuses: readonly StatusRange[];
      readonly retriableStatuses: readonly StatusRange[];
      /** x-envoy-upstream-healthchecked-cluster of the answer must match. */
      readonly serviceName: StringMatcher | undefined;
    }
  | {
      readonly kind: "grpc";
      readonly serviceName: string;
      readonly authority: string;
      readonly metadata: readonly HeaderToAdd[];
    }
  /** Bytes to send (none: the connection itself is the check), and what must come back, in this order, with anything between. */
  | { readonly kind: "tcp"; readonly send: Uint8Array; readonly receive: readonly Uint8Array[] };

export interface HealthCheck {
  readonly probe: HealthProbe;
  readonly timeoutMs: number;
  readonly intervalMs: number;
  readonly initialJitterMs: number;
  readonly intervalJitterMs: number;
  readonly intervalJitterPercent: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  readonly reuseConnection: boolean;
  /** While the cluster has had no traffic. Default 60 s; the second while the host is healthy. */
  readonly noTrafficIntervalMs: number;
  readonly noTrafficHealthyIntervalMs: number;
  readonly unhealthyIntervalMs: number;
  readonly unhealthyEdgeIntervalMs: number;
  readonly healthyEdgeIntervalMs: number;
}

/** health_check_config of an endpoint. */
export interface EndpointHealthCheck {
  /** 0: the endpoint's own. */
  readonly port: number;
  readonly hostname: string;
  readonly disabled: boolean;
}
