// Retry policy of a route, compiled, and one request's retry state (Envoy's RetryStateImpl; "x-envoy-retry-on").
import type { RetryPolicy } from "../config/route.ts";
import type { Random } from "../base/system.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { compileHeaderMatcher, type HeaderTest } from "./matchers.ts";

/** What of an attempt's end may be retried. */
export type ResetKind = "connect-failure" | "reset" | "reset-before-request" | "refused-stream" | "overflow" | "per-try-timeout";

const GRPC_TOKENS: Readonly<Record<string, number>> = {
  cancelled: 1,
  "deadline-exceeded": 4,
  "resource-exhausted": 8,
  internal: 13,
  unavailable: 14,
};

export class CompiledRetryPolicy {
  readonly config: RetryPolicy;
  readonly on: ReadonlySet<string>;
  readonly statusCodes: ReadonlySet<number>;
  readonly responseHeaders: readonly HeaderTest[];
  readonly requestHeaders: readonly HeaderTest[];

  constructor(config: RetryPolicy) {
    this.config = config;
    this.on = new Set(config.retryOn);
    this.statusCodes = new Set(config.retriableStatusCodes);
    this.responseHeaders = config.retriableHeaders.map(compileHeaderMatcher);
    this.requestHeaders = config.retriableRequestHeaders.map(compileHeaderMatcher);
  }
}

const DEFAULT_BASE_MS = 25;

export class RetryState {
  private readonly policy: CompiledRetryPolicy | undefined;
  private readonly on: Set<string>;
  private readonly statusCodes: Set<number>;
  remaining: number;
  private attempts = 0;

  /** undefined when nothing would ever be retried. */
  static create(policy: CompiledRetryPolicy | undefined, headers: HeaderMap): RetryState | undefined {
    const on = headers.get("x-envoy-retry-on");
    const grpcOn = headers.get("x-envoy-retry-grpc-on");
    if (policy === undefined && on === undefined && grpcOn === undefined) return undefined;
    const headerOn = [...tokens(on), ...tokens(grpcOn)];
    if (policy !== undefined && policy.requestHeaders.length > 0 && !policy.requestHeaders.some((test) => test(headers))) return undefined;
    const state = new RetryState(policy, headerOn, headers);
    return state.on.size === 0 ? undefined : state;
  }

  private constructor(policy: CompiledRetryPolicy | undefined, headerOn: readonly string[], headers: HeaderMap) {
    this.policy = policy;
    this.on = new Set([...(policy?.on ?? []), ...headerOn]);
    this.statusCodes = new Set(policy?.statusCodes ?? []);
    for (const code of tokens(headers.get("x-envoy-retriable-status-codes"))) {
      if (/^\d{3}$/.test(code)) this.statusCodes.add(Number(code));
    }
    this.remaining = policy?.config.numRetries ?? 1;
    const given = headers.get("x-envoy-max-retries");
    if (given !== undefined && /^\d{1,9}$/.test(given)) this.remaining = Number(given);
  }

  wantsStatus(code: number, headers: HeaderMap): boolean {
    const on = this.on;
    // A rate-limited answer is retried only when asked for by name.
    if (headers.has("x-envoy-ratelimited")) return on.has("envoy-ratelimited");
    if (code >= 500 && on.has("5xx")) return true;
    if (code >= 502 && code <= 504 && on.has("gateway-error")) return true;
    if (code === 409 && on.has("retriable-4xx")) return true;
    if (on.has("retriable-status-codes") && this.statusCodes.has(code)) return true;
    if (on.has("retriable-headers") && this.policy?.responseHeaders.some((test) => test(headers)) === true) return true;
    const grpc = headers.get("grpc-status");
    if (grpc !== undefined) {
      for (const [token, status] of Object.entries(GRPC_TOKENS)) if (on.has(token) && grpc === String(status)) return true;
    }
    return false;
  }

  wantsReset(kind: ResetKind, requestSent: boolean): boolean {
    const on = this.on;
    if (kind === "overflow") return false;
    if (on.has("reset")) return true;
    if (on.has("reset-before-request") && !requestSent) return true;
    if (kind === "connect-failure" && (on.has("connect-failure") || on.has("5xx") || on.has("gateway-error"))) return true;
    if (on.has("5xx") || on.has("gateway-error")) return true;
    return kind === "refused-stream" && on.has("refused-stream");
  }

  /** Exponential with full jitter: up to (2^n - 1) × base, at most max (default 10 × base). */
  backOffMs(random: Random): number {
    const base = this.policy?.config.backOffBaseMs ?? DEFAULT_BASE_MS;
    const max = this.policy?.config.backOffMaxMs ?? base * 10;
    this.attempts++;
    const ceiling = Math.min((2 ** Math.min(this.attempts, 30) - 1) * base, max);
    return Math.floor(random.next() * ceiling);
  }

  /** rate_limited_retry_back_off: what a reset header of the answer asks for, or undefined. */
  rateLimitedBackOffMs(headers: HeaderMap, wallMs: number, random: Random): number | undefined {
    const config = this.policy?.config.rateLimitedBackOff;
    if (config === undefined) return undefined;
    for (const { name, unixTimestamp } of config.headers) {
      const value = headers.get(name);
      if (value === undefined || !/^\d{1,15}$/.test(value)) continue;
      const ms = unixTimestamp ? Number(value) * 1000 - wallMs : Number(value) * 1000;
      if (ms <= 0 || ms > config.maxMs) continue;
      return ms + Math.floor(random.next() * ms * 0.5);
    }
    return undefined;
  }

  get avoidsPreviousHosts(): boolean {
    return this.policy?.config.previousHostsPredicate === true;
  }

  get hostSelectionAttempts(): number {
    return this.policy?.config.hostSelectionRetryMaxAttempts ?? 1;
  }
}

function tokens(value: string | undefined): string[] {
  return value === undefined
    ? []
    : value
        .split(",")
        .map((token) => token.trim())
        .filter((token) => token !== "");
}
