// A token bucket in shared data: 8 bytes of tokens, 8 bytes of the time of the last fill. Every worker of the VM id takes
// from the same bucket, without a lock: a take that was overtaken is computed again from the newer state.

import { ByteString, SharedUpdate } from "sluice/sdk";

/** Takes one token. The fields after the first line are the result of the last attempt. */
export class Take extends SharedUpdate {
  allowed: bool = false;
  remaining: i64 = 0;
  /** Until the next fill, in nanoseconds. */
  resetNs: u64 = 0;

  constructor(
    private maxTokens: i64,
    private tokensPerFill: i64,
    private intervalNs: u64,
    private nowNs: u64,
  ) {
    super();
  }

  override next(current: ByteString | null): ByteString | null {
    let tokens = this.maxTokens;
    let filledNs = this.nowNs;
    if (current != null && current.length == 16) {
      tokens = load<i64>(current.ptr);
      filledNs = load<u64>(current.ptr, 8);
      // Another worker's clock may be ahead by a little; time never runs backwards for the bucket.
      const fills = this.nowNs > filledNs ? (this.nowNs - filledNs) / this.intervalNs : 0;
      filledNs += fills * this.intervalNs;
      const needed = (this.maxTokens - tokens + this.tokensPerFill - 1) / this.tokensPerFill;
      tokens = fills >= <u64>max<i64>(needed, 0) ? this.maxTokens : tokens + <i64>fills * this.tokensPerFill;
    }
    this.allowed = tokens > 0;
    this.resetNs = this.nowNs > filledNs ? this.intervalNs - (this.nowNs - filledNs) : this.intervalNs;
    this.remaining = this.allowed ? tokens - 1 : 0;
    // An empty bucket is not written: refused requests must not compete with those that could pass.
    if (!this.allowed) return null;
    const state = new ArrayBuffer(16);
    store<i64>(changetype<usize>(state), this.remaining);
    store<u64>(changetype<usize>(state), filledNs, 8);
    return ByteString.wrap(state);
  }
}
