// Resources with a time to live: gone when the server does not renew them in time ("xDS TTL").
import type { XdsClock } from "../clock.ts";

export class Lifetimes {
  readonly #clock: XdsClock;
  readonly #onExpired: (name: string) => void;
  readonly #timers = new Map<string, { cancel(): void }>();

  constructor(clock: XdsClock, onExpired: (name: string) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** Begins anew; undefined: it lives as long as it is not removed. */
  set(name: string, lifetimeMs: number | undefined): void {
    this.#timers.get(name)?.cancel();
    this.#timers.delete(name);
    if (lifetimeMs === undefined) return;
    const timer = this.#clock.after(lifetimeMs, () => {
      this.#timers.delete(name);
      this.#onExpired(name);
    });
    this.#timers.set(name, timer);
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }
}
