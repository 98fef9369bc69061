// config.cluster.v3.CircuitBreakers: the first thresholds of each priority count, as in Envoy.
import type { Cluster, Thresholds } from "../../config/cluster.ts";
import type { ConfigReader } from "../../config/extension.ts";

const defaults: Thresholds = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  retryBudget: undefined,
  maxConnectionPools: undefined,
  trackRemaining: false,
};

export function parseCircuitBreakers(reader: ConfigReader | undefined): Cluster["circuitBreakers"] {
  const found: { DEFAULT?: Thresholds; HIGH?: Thresholds } = {};
  for (const thresholds of reader?.messages("thresholds") ?? []) {
    const priority = thresholds.choice<"DEFAULT" | "HIGH">("priority", "DEFAULT");
    const parsed = parseThresholds(thresholds);
    found[priority] ??= parsed;
  }
  return { default: found.DEFAULT ?? defaults, high: found.HIGH ?? defaults };
}

function parseThresholds(reader: ConfigReader): Thresholds {
  const budget = reader.message("retry_budget");
  return {
    maxConnections: reader.number("max_connections", defaults.maxConnections),
    maxPendingRequests: reader.number("max_pending_requests", defaults.maxPendingRequests),
    maxRequests: reader.number("max_requests", defaults.maxRequests),
    maxRetries: reader.number("max_retries", defaults.maxRetries),
    retryBudget:
      budget === undefined
        ? undefined
        : {
            budgetPercent: budget.message("budget_percent")?.number("value") ?? 20,
            minRetryConcurrency: budget.number("min_retry_concurrency", 3),
          },
    maxConnectionPools: reader.optionalNumber("max_connection_pools"),
    trackRemaining: reader.flag("track_remaining"),
  };
}
