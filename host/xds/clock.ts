// The little that this folder needs of time and of a log; both are injected.

export interface XdsClock {
  nowMs(): number;
  /** Runs once, unless cancelled. */
  after(delayMs: number, run: () => void): { cancel(): void };
}

export interface XdsLog {
  info(message: string): void;
  warn(message: string): void;
}

export const systemClock: XdsClock = {
  nowMs: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
