// Rate limits by token buckets that all workers share. README.md has the schema.

export * from "sluice/sdk/core";
export { proxy_on_request_headers, proxy_on_response_headers } from "sluice/sdk/exports";

import { Counter, FilterHeadersStatus, HttpContext, JsonDocument, LocalReply, nowNs, registerRootContext, RootContext } from "sluice/sdk";
import { Limit } from "./limit";

class RateLimitRoot extends RootContext {
  limits: Limit[] = [];
  sendHeaders: bool = false;
  status: u32 = 429;
  limited: Counter | null = null;
  passed: Counter | null = null;

  override onConfigure(configurationSize: u32): bool {
    const document = JsonDocument.parseBytes(this.configuration());
    const config = document.root;
    config.allowOnly("limits, headers, status");
    const limits: Limit[] = [];
    const items = config.get("limits").array();
    for (let i = 0; i < items.length; i++) limits.push(new Limit(items[i]));
    const status = config.get("status").integer(429, 400, 599);
    const sendHeaders = config.get("headers").bool(false);
    if (!document.accepted("rate-limit")) return false;
    this.limits = limits;
    this.status = <u32>status;
    this.sendHeaders = sendHeaders;
    this.limited = new Counter("rate_limit.limited");
    this.passed = new Counter("rate_limit.passed");
    return true;
  }

  override createHttpContext(id: u32): HttpContext | null {
    return new RateLimitFilter(id, this);
  }
}

class RateLimitFilter extends HttpContext {
  /** The limit that left the fewest tokens; -1 if none applied. */
  private limit: i64 = -1;
  private remaining: i64 = 0;
  private resetSeconds: u64 = 0;
  private isAnswered: bool = false;

  override onRequestHeaders(count: u32, endOfStream: bool): FilterHeadersStatus {
    const root = this.root as RateLimitRoot;
    const now = nowNs();
    for (let i = 0; i < root.limits.length; i++) {
      const limit = root.limits[i];
      const take = limit.take(now);
      if (take == null) continue;
      if (this.limit < 0 || take.remaining < this.remaining || !take.allowed) {
        this.limit = limit.tokens;
        this.remaining = take.remaining;
        this.resetSeconds = (take.resetNs + 999_999_999) / 1_000_000_000;
      }
      if (!take.allowed) return this.refuse(root);
    }
    const passed = root.passed;
    if (passed != null) passed.increment();
    return FilterHeadersStatus.Continue;
  }

  override onResponseHeaders(count: u32, endOfStream: bool): FilterHeadersStatus {
    if (this.limit >= 0 && (this.root as RateLimitRoot).sendHeaders && !this.isAnswered) {
      this.responseHeaders.set("x-ratelimit-limit", this.limit.toString());
      this.responseHeaders.set("x-ratelimit-remaining", this.remaining.toString());
      this.responseHeaders.set("x-ratelimit-reset", this.resetSeconds.toString());
    }
    return FilterHeadersStatus.Continue;
  }

  private refuse(root: RateLimitRoot): FilterHeadersStatus {
    const limited = root.limited;
    if (limited != null) limited.increment();
    const reply = new LocalReply(root.status).body("rate limited").details("rate_limited");
    if (root.sendHeaders) {
      reply
        .header("x-ratelimit-limit", this.limit.toString())
        .header("x-ratelimit-remaining", "0")
        .header("x-ratelimit-reset", this.resetSeconds.toString());
    }
    this.isAnswered = true;
    reply.send();
    return FilterHeadersStatus.StopIteration;
  }
}

registerRootContext((id: u32): RootContext => new RateLimitRoot(id));
