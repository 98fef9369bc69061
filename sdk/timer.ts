// Wall clock, and several timers on the one tick the ABI gives a root context. A root that uses timers calls
// `timers.run()` in its `onTick`; the tick period follows the shortest timer.

import { WasmResult } from "./abi";
import { proxy_get_current_time_nanoseconds, proxy_set_tick_period_milliseconds } from "./env";
import { NUMBER_SLOT } from "./memory";

/** Nanoseconds since 1970; 0 if the host has no clock. 1 host call. */
export function nowNs(): u64 {
  store<u64>(NUMBER_SLOT, 0);
  return proxy_get_current_time_nanoseconds(NUMBER_SLOT) == WasmResult.Ok ? load<u64>(NUMBER_SLOT) : 0;
}

/** Something to do again and again. Extend it and pass it to `Timers.add`. */
export abstract class Timer {
  /** When it is due next, in nanoseconds since 1970. */
  dueNs: u64 = 0;

  constructor(
    /** Milliseconds between two runs, at least 1. */
    readonly periodMs: u32,
  ) {}

  /** The period is over. */
  abstract onTimer(): void;
}

/** The timers of one root context. */
export class Timers {
  private all: Timer[] = [];
  private tickMs: u32 = 0;

  /** Adds a timer whose first run is one period away. 1 to 2 host calls. */
  add(timer: Timer): void {
    timer.dueNs = nowNs() + periodNs(timer);
    this.all.push(timer);
    this.adjust();
  }

  /** Removes a timer. 0 to 1 host calls. */
  remove(timer: Timer): void {
    const index = this.all.indexOf(timer);
    if (index >= 0) this.all.splice(index, 1);
    this.adjust();
  }

  /** Runs what is due; call it in `onTick`. A timer that missed periods runs once. 1 host call and those of the timers. */
  run(): void {
    const now = nowNs();
    const due = this.all.slice();
    for (let i = 0; i < due.length; i++) {
      const timer = due[i];
      if (now < timer.dueNs) continue;
      timer.dueNs = now + periodNs(timer);
      timer.onTimer();
    }
  }

  private adjust(): void {
    let shortest: u32 = 0;
    for (let i = 0; i < this.all.length; i++) {
      const period = max<u32>(this.all[i].periodMs, 1);
      if (shortest == 0 || period < shortest) shortest = period;
    }
    if (shortest == this.tickMs) return;
    this.tickMs = shortest;
    proxy_set_tick_period_milliseconds(shortest);
  }
}

function periodNs(timer: Timer): u64 {
  return <u64>max<u32>(timer.periodMs, 1) * 1_000_000;
}
