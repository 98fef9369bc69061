// envoy.filters.network.local_ratelimit: a token bucket for new connections, on this worker. It fills all the time, by the rate that
// tokens_per_fill and fill_interval give, as Envoy's does.
import type { NetworkLocalRateLimit } from "../../config/network-filter.ts";
import { ResponseFlag, type StreamInfo } from "../../http/stream-info.ts";
import { FilterStatus, type NetworkFilter, type NetworkFilterCallbacks } from "../../net/network-filter.ts";
import type { Counter } from "../../stats/store.ts";
import type { ExtensionContext } from "../context.ts";
import type { NetworkFilterFactory } from "./network-filter-factory.ts";
import { isFeatureEnabled } from "./runtime-feature-flag.ts";

export class TokenBucket {
  private readonly maxTokens: number;
  private readonly tokensPerMs: number;
  private tokens: number;
  private filledAt: number;

  constructor(config: Pick<NetworkLocalRateLimit, "maxTokens" | "tokensPerFill" | "fillIntervalMs">, now: number) {
    this.maxTokens = config.maxTokens;
    this.tokensPerMs = config.tokensPerFill / config.fillIntervalMs;
    this.tokens = config.maxTokens;
    this.filledAt = now;
  }

  consume(now: number): boolean {
    this.tokens = Math.min(this.maxTokens, this.tokens + (now - this.filledAt) * this.tokensPerMs);
    this.filledAt = now;
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }
}

export class LocalRateLimitFactory implements NetworkFilterFactory {
  readonly config: NetworkLocalRateLimit;
  readonly ctx: ExtensionContext;
  readonly rateLimited: Counter;
  readonly bucket: TokenBucket;

  /** `bucket`: shared with other chains by share_key. */
  constructor(config: NetworkLocalRateLimit, ctx: ExtensionContext, bucket: TokenBucket) {
    this.config = config;
    this.ctx = ctx;
    this.bucket = bucket;
    this.rateLimited = ctx.stats.counter(`local_rate_limit.${config.statPrefix}.rate_limited`);
  }

  createFilter(callbacks: NetworkFilterCallbacks, info: StreamInfo): NetworkFilter {
    return new LocalRateLimitFilter(this, callbacks, info);
  }

  close(): void {}
}

class LocalRateLimitFilter implements NetworkFilter {
  private readonly factory: LocalRateLimitFactory;
  private readonly callbacks: NetworkFilterCallbacks;
  private readonly info: StreamInfo;

  constructor(factory: LocalRateLimitFactory, callbacks: NetworkFilterCallbacks, info: StreamInfo) {
    this.factory = factory;
    this.callbacks = callbacks;
    this.info = info;
  }

  onNewConnection(): FilterStatus {
    const { config, ctx, bucket, rateLimited } = this.factory;
    if (!isFeatureEnabled(config.runtimeEnabled, ctx.runtime) || bucket.consume(ctx.clock.now)) return FilterStatus.Continue;
    rateLimited.inc();
    // Envoy's choice of flag.
    this.info.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
    this.callbacks.close("NoFlush");
    return FilterStatus.StopIteration;
  }

  onData(): FilterStatus {
    return FilterStatus.Continue;
  }

  onClose(): void {}
}
