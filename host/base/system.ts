// The only file that touches the real clock, timers and randomness: everything else gets them passed in (tests pass their own).
import { randomFillSync } from "node:crypto";
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

const HEX: string[] = [];
for (let i = 0; i < 256; i++) HEX.push(i.toString(16).padStart(2, "0"));

/** Random bytes are drawn 4 KiB at a time: one system call for 256 UUIDs. */
class SystemRandom implements Random {
  private readonly pool = new Uint8Array(4096);
  private at = 4096;

  next(): number {
    return Math.random();
  }

  uuid(): string {
    if (this.at === this.pool.length) {
      randomFillSync(this.pool);
      this.at = 0;
    }
    const p = this.pool;
    const i = this.at;
    this.at = i + 16;
    return `${HEX[p[i]]}${HEX[p[i + 1]]}${HEX[p[i + 2]]}${HEX[p[i + 3]]}-${HEX[p[i + 4]]}${HEX[p[i + 5]]}-${HEX[(p[i + 6] & 0x0f) | 0x40]}${HEX[p[i + 7]]}-${HEX[(p[i + 8] & 0x3f) | 0x80]}${HEX[p[i + 9]]}-${HEX[p[i + 10]]}${HEX[p[i + 11]]}${HEX[p[i + 12]]}${HEX[p[i + 13]]}${HEX[p[i + 14]]}${HEX[p[i + 15]]}`;
  }
}

export const systemRandom: Random = new SystemRandom();
