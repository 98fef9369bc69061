// envoy.filters.listener.local_ratelimit: how many connections a listener may take in a time, by a bucket of tokens. Tokens come by the
// clock when one is asked for, so that an idle listener costs nothing.
import type { Clock } from "../../base/clock.ts";
import type { LocalRateLimit } from "../../config/listener-filter.ts";
import type { Counter, StatsStore } from "../../stats/store.ts";
import type { ListenerFilter, ListenerFilterStatus } from "./filter.ts";

export class LocalRateLimitFilter implements ListenerFilter {
  readonly maxReadBytes = 0;
  private readonly config: LocalRateLimit;
  private readonly clock: Clock;
  private readonly runtime: (key: string) => number | string | boolean | undefined;
  private readonly rateLimited: Counter;
  private tokens: number;
  private filledAt: number;

  constructor(config: LocalRateLimit, store: StatsStore, clock: Clock, runtime: (key: string) => number | string | boolean | undefined) {
    this.config = config;
    this.clock = clock;
    this.runtime = runtime;
    this.rateLimited = store.counter(`listener_local_ratelimit.${config.statPrefix}.rate_limited`);
    this.tokens = config.maxTokens;
    this.filledAt = clock.now;
  }

  onAccept(): ListenerFilterStatus {
    const { config } = this;
    const enabled = this.runtime(config.runtimeKey) ?? config.enabledByDefault;
    if (enabled !== true && enabled !== "true") return "continue";
    const fills = Math.floor((this.clock.now - this.filledAt) / config.fillIntervalMs);
    if (fills > 0) {
      this.filledAt += fills * config.fillIntervalMs;
      this.tokens = Math.min(config.maxTokens, this.tokens + fills * config.tokensPerFill);
    }
    if (this.tokens > 0) {
      this.tokens--;
      return "continue";
    }
    this.rateLimited.inc();
    return "close";
  }

  onData(): ListenerFilterStatus {
    return "continue";
  }
}
