// Resources that run out unless the server says again that they live ("xDS protocol: TTL"). One timer, for the first to go.
import type { XdsClock } from "../clock.ts";

/** What a timer of Node takes; a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export class Lifetimes {
  readonly #clock: XdsClock;
  readonly #onExpired: (names: readonly string[]) => void;
  readonly #ends = new Map<string, number>();
  #timer: { cancel(): void } | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;

  constructor(clock: XdsClock, onExpired: (names: readonly string[]) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** undefined: it lives until it is removed. */
  set(name: string, ttlMs: number | undefined): void {
    if (ttlMs === undefined) {
      this.#ends.delete(name);
      return;
    }
    const end = this.#clock.nowMs() + ttlMs;
    this.#ends.set(name, end);
    if (end < this.#timerAtMs) this.#arm(end);
  }

  clear(): void {
    this.#ends.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
  }

  /** A timer that fires early finds nothing and is set again: lengthening a life moves no timer. */
  #arm(at: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = at;
    const delayMs = Math.min(MAX_DELAY_MS, Math.max(0, at - this.#clock.nowMs()));
    this.#timer = this.#clock.after(delayMs, () => this.#fire());
  }

  #fire(): void {
    const now = this.#clock.nowMs();
    const expired: string[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const [name, end] of this.#ends) {
      if (end <= now) expired.push(name);
      else next = Math.min(next, end);
    }
    for (const name of expired) this.#ends.delete(name);
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    if (next !== Number.POSITIVE_INFINITY) this.#arm(next);
    if (expired.length > 0) this.#onExpired(expired);
  }
}
