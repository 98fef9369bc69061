// envoy.filters.network.connection_limit: at most so many connections of a filter chain on this worker. One too many is closed, at once or
// after a delay, which keeps clients that come again at once from taking the whole worker.
import { Timer, type TimerOwner } from "../../base/clock.ts";
import type { ConnectionLimit } from "../../config/network-filter.ts";
import { FilterStatus, type NetworkFilter, type NetworkFilterCallbacks } from "../../net/network-filter.ts";
import type { Counter, Gauge } from "../../stats/store.ts";
import type { ExtensionContext } from "../context.ts";
import type { NetworkFilterFactory } from "./network-filter-factory.ts";
import { isFeatureEnabled } from "./runtime-feature-flag.ts";

export class ConnectionLimitFactory implements NetworkFilterFactory {
  readonly config: ConnectionLimit;
  readonly ctx: ExtensionContext;
  readonly limitedConnections: Counter;
  readonly activeConnections: Gauge;
  connections = 0;

  constructor(config: ConnectionLimit, ctx: ExtensionContext) {
    this.config = config;
    this.ctx = ctx;
    const p = `connection_limit.${config.statPrefix}.`;
    this.limitedConnections = ctx.stats.counter(`${p}limited_connections`);
    this.activeConnections = ctx.stats.gauge(`${p}active_connections`);
  }

  createFilter(callbacks: NetworkFilterCallbacks): NetworkFilter {
    return new ConnectionLimitFilter(this, callbacks);
  }

  close(): void {}
}

class ConnectionLimitFilter implements NetworkFilter, TimerOwner {
  private readonly factory: ConnectionLimitFactory;
  private readonly callbacks: NetworkFilterCallbacks;
  private isCounted = false;
  private isRejected = false;
  private delayTimer: Timer | undefined = undefined;

  constructor(factory: ConnectionLimitFactory, callbacks: NetworkFilterCallbacks) {
    this.factory = factory;
    this.callbacks = callbacks;
  }

  onNewConnection(): FilterStatus {
    const { factory } = this;
    const { config, ctx } = factory;
    if (!isFeatureEnabled(config.runtimeEnabled, ctx.runtime)) return FilterStatus.Continue;
    this.isCounted = true;
    factory.activeConnections.inc();
    if (factory.connections < config.maxConnections) {
      factory.connections++;
      return FilterStatus.Continue;
    }
    factory.limitedConnections.inc();
    this.isRejected = true;
    if (config.delayMs > 0) {
      this.delayTimer = new Timer(this, 0);
      ctx.clock.start(this.delayTimer, config.delayMs);
    } else this.callbacks.close("NoFlush");
    return FilterStatus.StopIteration;
  }

  onData(): FilterStatus {
    return this.isRejected ? FilterStatus.StopIteration : FilterStatus.Continue;
  }

  onTimer(): void {
    this.callbacks.close("NoFlush");
  }

  onClose(): void {
    this.delayTimer?.clear();
    if (!this.isCounted) return;
    this.factory.activeConnections.dec();
    if (!this.isRejected) this.factory.connections--;
  }
}
