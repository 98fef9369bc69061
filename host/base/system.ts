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

// Node's randomUUID joins some twenty strings, and each request has an id: here it is one piece of 36 bytes.
const POOL = Buffer.alloc(4096);
let drawn = POOL.length;
const HEX = Buffer.from("0123456789abcdef", "latin1");
const UUID = Buffer.from("00000000-0000-0000-0000-000000000000", "latin1");

class SystemRandom implements Random {
  next(): number {
    return Math.random();
  }

  uuid(): string {
    if (drawn === POOL.length) {
      randomFillSync(POOL);
      drawn = 0;
    }
    const text = UUID;
    for (let i = 0, at = 0; i < 16; i++) {
      let byte = POOL[drawn++];
      // RFC 9562 5.4: version 4, variant 10.
      if (i === 6) byte = (byte & 0x0f) | 0x40;
      else if (i === 8) byte = (byte & 0x3f) | 0x80;
      if (i === 4 || i === 6 || i === 8 || i === 10) at++;
      text[at++] = HEX[byte >>> 4];
      text[at++] = HEX[byte & 0xf];
    }
    return text.latin1Slice(0, 36);
  }
}

export const systemRandom: Random = new SystemRandom();
