// Bounds what one VM may write to the log: a token bucket of lines, and one line a second that says how many were dropped.
// Control characters are escaped, so that a guest cannot forge records.

export class LogLimiter {
  private readonly linesPerSecond: number;
  private readonly burst: number;
  private tokens: number;
  private lastMs: number;
  private dropped = 0;
  private lastReportMs: number;

  constructor(linesPerSecond: number, burst: number, nowMs: number) {
    this.linesPerSecond = linesPerSecond;
    this.burst = burst;
    this.tokens = burst;
    this.lastMs = nowMs;
    this.lastReportMs = nowMs;
  }

  /** True when one more line may be written. */
  take(nowMs: number): boolean {
    this.tokens = Math.min(this.burst, this.tokens + ((nowMs - this.lastMs) * this.linesPerSecond) / 1000);
    this.lastMs = nowMs;
    if (this.tokens < 1) {
      this.dropped++;
      return false;
    }
    this.tokens--;
    return true;
  }

  /** Lines dropped since the last report, at most once a second; 0 when there is nothing to say. */
  takeDropped(nowMs: number): number {
    if (this.dropped === 0 || nowMs - this.lastReportMs < 1000) return 0;
    const { dropped } = this;
    this.dropped = 0;
    this.lastReportMs = nowMs;
    return dropped;
  }
}

const CONTROL = /[\0-\x08\x0b-\x1f\x7f]/g;

/** Tabs and newlines stay: stack traces of guests have them, and the log's format quotes them. */
export function escapeControl(message: string): string {
  return message.replace(CONTROL, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
