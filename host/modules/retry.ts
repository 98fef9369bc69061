// Attempts with a growing pause between them, until one succeeds, none can, or the time is up.
import type { RetryTimes } from "../config/module-code.ts";
import { FetchError, type ModuleClock } from "./contract.ts";

export interface RetryOptions {
  readonly times: RetryTimes;
  readonly timeoutMs: number;
  readonly clock: ModuleClock;
  /** Ends everything. */
  readonly signal: AbortSignal;
  /** In [0, 1). */
  random(): number;
}

/** `attempt` gets the signal that ends when all attempts together took too long. */
export async function withRetries<T>(options: RetryOptions, attempt: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { times, timeoutMs, clock, signal } = options;
  const deadline = clock.nowMs() + timeoutMs;
  const controller = new AbortController();
  let last: FetchError | undefined;
  const abort = (): void => controller.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  const timer = clock.after(timeoutMs, () => controller.abort(timeoutError(timeoutMs, last)));
  try {
    for (let count = 0; ; count++) {
      try {
        return await attempt(controller.signal);
      } catch (error) {
        if (!(error instanceof FetchError) || !error.isTransient || controller.signal.aborted || count >= times.count) throw error;
        last = error;
      }
      const pauseMs = pauseAfter(count, times, last.retryAfterMs, options.random());
      // No use in waiting for an attempt that has no time left.
      if (clock.nowMs() + pauseMs >= deadline) throw last;
      await new Promise<void>((resolve) => {
        clock.after(pauseMs, resolve);
      });
    }
  } finally {
    timer.cancel();
    signal.removeEventListener("abort", abort);
  }
}

/** Between half of the interval and all of it, so that many proxies do not come back at the same time. */
function pauseAfter(count: number, times: RetryTimes, retryAfterMs: number | undefined, random: number): number {
  const interval = Math.min(times.baseIntervalMs * 2 ** count, times.maxIntervalMs);
  return Math.max(interval * (0.5 + random / 2), retryAfterMs ?? 0);
}

function timeoutError(timeoutMs: number, last: FetchError | undefined): FetchError {
  const before = last === undefined ? "" : `; before: ${last.message}`;
  return new FetchError(`not fetched within ${timeoutMs / 1000} s${before}`);
}
