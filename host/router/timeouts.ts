// The timeouts that hold for one request: the route's, as request headers may override them (Envoy: FilterUtility::finalTimeout).
import type { RouterConfig } from "../config/listener.ts";
import type { RetryPolicy, RouteAction } from "../config/route.ts";
import { formatGrpcTimeout, isGrpcRequest, parseGrpcTimeout } from "../http/grpc.ts";
import type { HeaderMap } from "../http/header-map.ts";

export interface RequestTimeouts {
  /** 0 = none. */
  readonly routeMs: number;
  readonly perTryMs: number;
  readonly perTryIdleMs: number;
  /** 504, or 204 by x-envoy-upstream-rq-timeout-alt-response. */
  readonly timeoutStatus: number;
}

/** Headers that steer the router and go no further. */
const CONSUMED = [
  "x-envoy-upstream-rq-timeout-ms",
  "x-envoy-upstream-rq-per-try-timeout-ms",
  "x-envoy-upstream-rq-timeout-alt-response",
  "x-envoy-retry-on",
  "x-envoy-retry-grpc-on",
  "x-envoy-max-retries",
  "x-envoy-retriable-status-codes",
  "x-envoy-retriable-header-names",
  "x-envoy-hedge-on-per-try-timeout",
  "x-envoy-upstream-alt-stat-name",
];

function milliseconds(value: string | undefined): number | undefined {
  return value !== undefined && /^\d{1,12}$/.test(value) ? Number(value) : undefined;
}

function hasEnvoyHeader(names: readonly string[]): boolean {
  // "x-e": the first characters tell nearly all others apart.
  for (let i = 0; i < names.length; i++) if (names[i].charCodeAt(2) === 0x65 && names[i].startsWith("x-envoy-")) return true;
  return false;
}

export function finalTimeouts(
  action: RouteAction,
  retry: RetryPolicy | undefined,
  headers: HeaderMap,
  router: RouterConfig,
): RequestTimeouts {
  const byHeader = action.maxStreamDuration === undefined && action.maxGrpcTimeoutMs !== undefined && isGrpcRequest(headers);
  let routeMs = byHeader ? grpcTimeoutMs(action, headers) : action.timeoutMs;
  let perTryMs = retry?.perTryTimeoutMs ?? 0;
  let timeoutStatus = 504;
  // One look decides whether any of these headers is there: usually none is.
  if (hasEnvoyHeader(headers.names)) {
    routeMs = milliseconds(headers.get("x-envoy-upstream-rq-timeout-ms")) ?? routeMs;
    if (router.respectExpectedRqTimeout) routeMs = milliseconds(headers.get("x-envoy-expected-rq-timeout-ms")) ?? routeMs;
    perTryMs = milliseconds(headers.get("x-envoy-upstream-rq-per-try-timeout-ms")) ?? perTryMs;
    if (headers.has("x-envoy-upstream-rq-timeout-alt-response")) timeoutStatus = 204;
    for (const name of CONSUMED) headers.remove(name);
  }
  if (routeMs > 0 && perTryMs >= routeMs) perTryMs = 0;
  const expected = perTryMs > 0 ? perTryMs : routeMs;
  if (expected > 0 && !router.suppressEnvoyHeaders) headers.set("x-envoy-expected-rq-timeout-ms", String(expected));
  // The upstream is told what really holds, the time for one try included.
  if (expected > 0 && byHeader) headers.set("grpc-timeout", formatGrpcTimeout(expected));
  return { routeMs, perTryMs, perTryIdleMs: retry?.perTryIdleTimeoutMs ?? 0, timeoutStatus };
}

/** max_grpc_timeout: the client's own limit, less an offset that leaves some of it, and at most so much. 0 is no limit, on both sides. */
function grpcTimeoutMs(action: RouteAction, headers: HeaderMap): number {
  const maxMs = action.maxGrpcTimeoutMs ?? 0;
  let askedMs = parseGrpcTimeout(headers.get("grpc-timeout")) ?? 0;
  if (action.grpcTimeoutOffsetMs < askedMs) askedMs -= action.grpcTimeoutOffsetMs;
  return maxMs > 0 && (askedMs === 0 || askedMs > maxMs) ? maxMs : askedMs;
}
