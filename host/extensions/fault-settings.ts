// What a fault configuration means for one request: how long it waits, what it is answered, how fast the response goes. Values come
// from the configuration, from the request's headers where it says so, and from the runtime, whose keys may name the caller's cluster.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/fault_filter
import type { Random } from "../base/system.ts";
import type { FaultConfig, Fraction } from "../config/http-filters.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { compileHeaderMatcher, type HeaderTest, type RuntimeReader } from "../router/matchers.ts";

/** An answer in place of the upstream's; `grpcStatus` given: the status of the call, under HTTP 200. */
export interface Abort {
  readonly status: number;
  readonly grpcStatus: number | undefined;
}

export class FaultSettings {
  readonly config: FaultConfig;
  private readonly headerTests: readonly HeaderTest[];
  private readonly nodes: ReadonlySet<string>;
  private readonly runtime: RuntimeReader;
  private readonly random: Random;

  constructor(config: FaultConfig, runtime: RuntimeReader, random: Random) {
    this.config = config;
    this.headerTests = config.headers.map(compileHeaderMatcher);
    this.nodes = new Set(config.downstreamNodes);
    this.runtime = runtime;
    this.random = random;
  }

  applies(headers: HeaderMap, clusterName: string | undefined): boolean {
    const { upstreamCluster } = this.config;
    if (upstreamCluster !== "" && clusterName !== upstreamCluster) return false;
    if (this.nodes.size > 0 && !this.nodes.has(headers.get("x-envoy-downstream-service-node") ?? "")) return false;
    return this.headerTests.every((test) => test(headers));
  }

  /** 0: none. `cluster` is the caller's, "" when it does not say. */
  delayMs(headers: HeaderMap, cluster: string): number {
    const { delay, runtime } = this.config;
    if (delay === undefined) return 0;
    const isHeader = delay.fixedMs === undefined;
    const percentage = isHeader ? limited(delay.percentage, headers.get("x-envoy-fault-delay-request-percentage")) : delay.percentage;
    const key = cluster === "" ? runtime.delayPercent : `fault.http.${cluster}.delay.fixed_delay_percent`;
    if (!this.draws(key, percentage)) return 0;
    const ms = delay.fixedMs ?? unsigned(headers.get("x-envoy-fault-delay-request"));
    if (ms === undefined) return 0;
    const general = this.runtime(runtime.delayDuration);
    return this.integer("", cluster, "delay.fixed_duration_ms", typeof general === "number" ? general : Math.floor(ms));
  }

  abort(headers: HeaderMap, cluster: string): Abort | undefined {
    const { abort, runtime } = this.config;
    if (abort === undefined) return undefined;
    const isHeader = abort.error.kind === "header";
    const percentage = isHeader ? limited(abort.percentage, headers.get("x-envoy-fault-abort-request-percentage")) : abort.percentage;
    const key = cluster === "" ? runtime.abortPercent : `fault.http.${cluster}.abort.abort_percent`;
    if (!this.draws(key, percentage)) return undefined;
    const http = abort.error.kind === "http" ? abort.error.status : isHeader ? httpStatus(headers) : undefined;
    if (http !== undefined) {
      const status = this.integer(runtime.abortHttpStatus, cluster, "abort.http_status", http);
      return { status: isHttpStatus(status) ? status : http, grpcStatus: undefined };
    }
    const grpc = abort.error.kind === "grpc" ? abort.error.status : unsigned(headers.get("x-envoy-fault-abort-grpc-request"));
    if (grpc === undefined) return undefined;
    return { status: 200, grpcStatus: this.integer(runtime.abortGrpcStatus, cluster, "abort.grpc_status", grpc) };
  }

  /** undefined: not limited. */
  responseKbps(headers: HeaderMap): number | undefined {
    const limit = this.config.responseRateLimit;
    if (limit === undefined) return undefined;
    const isHeader = limit.kbps === undefined;
    const given = headers.get("x-envoy-fault-throughput-response-percentage");
    const percentage = isHeader ? limited(limit.percentage, given) : limit.percentage;
    if (!this.draws(this.config.runtime.responseRateLimitPercent, percentage)) return undefined;
    const kbps = limit.kbps ?? unsigned(headers.get("x-envoy-fault-throughput-response"));
    return kbps === 0 ? undefined : kbps;
  }

  maxActiveFaults(): number {
    const value = this.runtime(this.config.runtime.maxActiveFaults);
    return typeof value === "number" ? value : (this.config.maxActiveFaults ?? Number.POSITIVE_INFINITY);
  }

  private draws(key: string, { numerator, denominator }: Fraction): boolean {
    const percent = this.runtime(key);
    if (typeof percent === "number") return this.random.next() * 100 < percent;
    return this.random.next() * denominator < numerator;
  }

  /** A caller's own key stands for the general one, which is not asked then (of a delay it is, before). */
  private integer(key: string, cluster: string, clusterKey: string, unset: number): number {
    const value = this.runtime(cluster === "" ? key : `fault.http.${cluster}.${clusterKey}`);
    return typeof value === "number" ? value : unset;
  }
}

/** A request may ask for less than the configured share, never for more. */
function limited(configured: Fraction, given: string | undefined): Fraction {
  const numerator = unsigned(given);
  return numerator === undefined
    ? configured
    : { numerator: Math.min(numerator, configured.numerator), denominator: configured.denominator };
}

function unsigned(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function isHttpStatus(status: number): boolean {
  return Number.isInteger(status) && status >= 200 && status < 600;
}

function httpStatus(headers: HeaderMap): number | undefined {
  const status = unsigned(headers.get("x-envoy-fault-abort-request"));
  return status !== undefined && isHttpStatus(status) ? status : undefined;
}
