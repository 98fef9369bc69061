// How long to wait before the next stream: 0.5 s doubling to 30 s with full jitter, as Envoy's gRPC streams, counted for each cause by
// itself. A message that arrives shows that connecting works; it shows nothing of the next message's size, so causes that lie in the
// messages go on counting until a stream has lived for a while.
import type { EndCause } from "./transport.ts";

const BASE_MS = 500;
const MAX_MS = 30_000;

/** After so long a stream counts as sound. */
const SOUND_MS = 60_000;

interface CauseRule {
  readonly baseMs: number;
  /** A response on the stream starts the doubling anew. */
  readonly isEndedByMessage: boolean;
}

const RULES: Readonly<Record<EndCause, CauseRule>> = {
  connect: { baseMs: BASE_MS, isEndedByMessage: true },
  closed: { baseMs: BASE_MS, isEndedByMessage: true },
  // Asking again at once changes no mind.
  refused: { baseMs: 2 * BASE_MS, isEndedByMessage: true },
  busy: { baseMs: 2 * BASE_MS, isEndedByMessage: true },
  too_large: { baseMs: 2 * BASE_MS, isEndedByMessage: false },
  broken: { baseMs: 2 * BASE_MS, isEndedByMessage: false },
  overflow: { baseMs: 2 * BASE_MS, isEndedByMessage: false },
};

export class BackOff {
  readonly #random: () => number;
  readonly #counts = new Map<EndCause, number>();

  constructor(random: () => number) {
    this.#random = random;
  }

  /** For a stream that ended: how long it lived, and whether anything came on it. */
  delayMs(cause: EndCause, livedMs: number, hadMessage: boolean): number {
    for (const known of this.#counts.keys())
      if (livedMs >= SOUND_MS || (hadMessage && RULES[known].isEndedByMessage)) this.#counts.delete(known);
    const count = this.#counts.get(cause) ?? 0;
    this.#counts.set(cause, count + 1);
    return this.#random() * Math.min(MAX_MS, RULES[cause].baseMs * 2 ** count);
  }
}
