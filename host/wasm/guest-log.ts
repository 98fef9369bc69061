// What one VM says: its guest's lines, rate-limited and escaped, and the runtime's own remarks about it.
import type { LogLevel } from "./abi.ts";
import { LogLevel as Level } from "./abi.ts";
import type { WasmLimits } from "./limits.ts";
import { escapeControl, LogLimiter } from "./log-limiter.ts";
import type { VmServices } from "./services.ts";

export class GuestLog {
  private readonly services: VmServices;
  private readonly limiter: LogLimiter;

  constructor(services: VmServices, limits: WasmLimits) {
    this.services = services;
    this.limiter = new LogLimiter(limits.logLinesPerSecond, limits.logBurst, services.monotonicMs());
  }

  /** A line that a guest can cause. */
  guest(level: LogLevel, plugin: string, message: string): void {
    const { services, limiter } = this;
    if (level < services.logLevel()) return;
    const now = services.monotonicMs();
    const dropped = limiter.takeDropped(now);
    if (dropped > 0) {
      services.stats.counter("wasm.log_dropped").add(dropped);
      this.host(Level.Warn, plugin, `${dropped} log lines dropped`);
    }
    if (limiter.take(now)) this.host(level, plugin, escapeControl(message));
  }

  /** A line of the runtime, never dropped: rare by construction. */
  host(level: LogLevel, plugin: string, message: string): void {
    if (level >= this.services.logLevel()) this.services.log(level, plugin, message);
  }
}
