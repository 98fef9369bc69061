// Time that moves when it is told to: timers run inside advance(), in order of their deadlines.
import type { TimeSource } from "../../host/base/clock.ts";

interface Pending {
  readonly at: number;
  readonly run: () => void;
}

export class ManualTime implements TimeSource {
  private now = 1000;
  private timers: Pending[] = [];

  monotonicMs(): number {
    return this.now;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.now;
  }

  setTimeout(run: () => void, delayMs: number): unknown {
    const timer = { at: this.now + delayMs, run };
    this.timers.push(timer);
    return timer;
  }

  clearTimeout(handle: unknown): void {
    this.timers = this.timers.filter((timer) => timer !== handle);
  }

  get pendingCount(): number {
    return this.timers.length;
  }

  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      let next: Pending | undefined;
      for (const timer of this.timers) if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer;
      if (next === undefined) break;
      this.clearTimeout(next);
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = end;
  }
}
