// The timeouts that hold for one request: the route's, as request headers may override them (Envoy: FilterUtility::finalTimeout).
import type { RouterConfig } from "../config/listener.ts";
import type { RetryPolicy, RouteAction } from "../config/route.ts";
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

const GRPC_UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 };

/** grpc-timeout in milliseconds, rounded up; undefined when absent or malformed. */
export function parseGrpcTimeout(value: string | undefined): number | undefined {
  const form = value === undefined ? null : /^(\d{1,8})([HMSmun])$/.exec(value);
  return form === null ? undefined : Math.ceil(Number(form[1]) * GRPC_UNITS[form[2]]);
}

export function finalTimeouts(
  action: RouteAction,
  retry: RetryPolicy | undefined,
  headers: HeaderMap,
  router: RouterConfig,
): RequestTimeouts {
  let routeMs = action.timeoutMs;
  const grpcMax = action.grpcTimeoutHeaderMaxMs;
  if (grpcMax !== undefined) {
    const asked = parseGrpcTimeout(headers.get("grpc-timeout"));
    if (asked !== undefined) {
      routeMs = grpcMax > 0 ? Math.min(asked, grpcMax) : asked;
      if (action.grpcTimeoutHeaderOffsetMs > 0) routeMs = Math.max(1, routeMs - action.grpcTimeoutHeaderOffsetMs);
    }
  }
  let perTryMs = retry?.perTryTimeoutMs ?? 0;
  let timeoutStatus = 504;
  // One look decides whether any of these headers is there: usually none is.
  if (headers.names.some((name) => name.startsWith("x-envoy-"))) {
    routeMs = milliseconds(headers.get("x-envoy-upstream-rq-timeout-ms")) ?? routeMs;
    if (router.respectExpectedRqTimeout) routeMs = milliseconds(headers.get("x-envoy-expected-rq-timeout-ms")) ?? routeMs;
    perTryMs = milliseconds(headers.get("x-envoy-upstream-rq-per-try-timeout-ms")) ?? perTryMs;
    if (headers.has("x-envoy-upstream-rq-timeout-alt-response")) timeoutStatus = 204;
    for (const name of CONSUMED) headers.remove(name);
  }
  if (routeMs > 0 && perTryMs >= routeMs) perTryMs = 0;
  const expected = perTryMs > 0 ? perTryMs : routeMs;
  if (expected > 0 && !router.suppressEnvoyHeaders) headers.set("x-envoy-expected-rq-timeout-ms", String(expected));
  return { routeMs, perTryMs, perTryIdleMs: retry?.perTryIdleTimeoutMs ?? 0, timeoutStatus };
}
