// The only file that touches the real clock, timers and randomness: everything else gets them passed in (tests pass their own).
import { randomUUID } from "node:crypto";
import type { TimeSource } from "./clock.ts";

export const systemTime: TimeSource = {
  monotonicMs: () => performance.now(),
  wallMs: () => performance.timeOrigin + performance.now(),
  setTimeout: (run, delayMs) => setTimeout(run, delayMs).unref(),
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout | undefined),
};

export interface Random {
  /** A number in [0, 1): load balancing, sampling, jitter. Never for secrets. */
  next(): number;
  /** A version 4 UUID in Envoy's x-request-id form. */
  uuid(): string;
}

class SystemRandom implements Random {
  next(): number {
    return Math.random();
  }

  uuid(): string {
    // Node draws the random bytes of 128 of them at a time.
    return randomUUID();
  }
}

export const systemRandom: Random = new SystemRandom();
