// config.route.v3.RetryPolicy.
import type { ConfigReader, ParseContext } from "../../config/extension.ts";
import type { RetryPolicy } from "../../config/route.ts";
import { parseHeaderMatcher } from "./matchers.ts";

/** Tokens of retry_on. Envoy skips unknown ones in silence; a misspelt condition is refused here. */
const conditions = new Set([
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "envoy-ratelimited",
  "retriable-4xx",
  "refused-stream",
  "retriable-status-codes",
  "retriable-headers",
  "http3-post-connect-failure",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
]);

const previousHosts = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";

export function parseRetryPolicy(reader: ConfigReader, ctx: ParseContext): RetryPolicy {
  const retryOn = reader
    .text("retry_on")
    .split(",")
    .map((token) => token.trim())
    .filter((token) => token !== "");
  for (const token of retryOn) {
    // Istio passes plain status codes through; they name retriable_status_codes.
    if (!conditions.has(token) && !/^[1-5]\d\d$/.test(token)) reader.refuse("retry_on", `unknown retry condition '${token}'`);
  }
  const backOff = reader.message("retry_back_off");
  const baseMs = Math.max(backOff?.optionalDurationMs("base_interval") ?? 25, 1);
  const maxMs = backOff?.optionalDurationMs("max_interval") ?? baseMs * 10;
  if (maxMs < baseMs) backOff?.refuse("max_interval", "retry_policy.max_interval must greater than or equal to the base_interval");
  return {
    retryOn,
    numRetries: reader.number("num_retries", 1),
    perTryTimeoutMs: reader.optionalDurationMs("per_try_timeout"),
    perTryIdleTimeoutMs: reader.optionalDurationMs("per_try_idle_timeout"),
    previousHostsPredicate: parseHostPredicates(reader),
    hostSelectionRetryMaxAttempts: reader.number("host_selection_retry_max_attempts", 1),
    retriableStatusCodes: reader.numbers("retriable_status_codes"),
    retriableHeaders: reader.messages("retriable_headers").map((matcher) => parseHeaderMatcher(matcher, ctx)),
    retriableRequestHeaders: reader.messages("retriable_request_headers").map((matcher) => parseHeaderMatcher(matcher, ctx)),
    backOffBaseMs: baseMs,
    backOffMaxMs: maxMs,
    rateLimitedBackOff: parseRateLimitedBackOff(reader.message("rate_limited_retry_back_off")),
  };
}

function parseHostPredicates(reader: ConfigReader): boolean {
  let found = false;
  for (const predicate of reader.messages("retry_host_predicate")) {
    const name = predicate.text("name");
    const config = predicate.any("typed_config");
    const typeName = config?.typeName ?? (name === "envoy.retry_host_predicates.previous_hosts" ? previousHosts : name);
    if (typeName === previousHosts) found = true;
    else predicate.refuse("typed_config", `not implemented: ${typeName}`);
  }
  return found;
}

function parseRateLimitedBackOff(reader: ConfigReader | undefined): RetryPolicy["rateLimitedBackOff"] {
  if (reader === undefined) return undefined;
  const headers = reader.messages("reset_headers").map((header) => ({
    name: header.text("name").toLowerCase(),
    unixTimestamp: header.choice<"SECONDS" | "UNIX_TIMESTAMP">("format", "SECONDS") === "UNIX_TIMESTAMP",
  }));
  return { headers, maxMs: reader.optionalDurationMs("max_interval") ?? 300_000 };
}
