// envoy.filters.network.rbac: may this connection be? Asked with its first bytes, or with all of them (enforcement_type). Shadow rules
// only count and leave dynamic metadata.
import { Timer, type TimerOwner } from "../../base/clock.ts";
import type { NetworkRbac } from "../../config/network-filter.ts";
import type { StreamInfo } from "../../http/stream-info.ts";
import { FilterStatus, type NetworkFilter, type NetworkFilterCallbacks } from "../../net/network-filter.ts";
import type { Counter } from "../../stats/store.ts";
import type { ExtensionContext } from "../context.ts";
import type { NetworkFilterFactory } from "./network-filter-factory.ts";
import { RbacEngine } from "./rbac-rules.ts";

const NAMESPACE = "envoy.filters.network.rbac";

export class RbacFactory implements NetworkFilterFactory {
  readonly config: NetworkRbac;
  readonly ctx: ExtensionContext;
  readonly engine: RbacEngine | undefined;
  readonly shadowEngine: RbacEngine | undefined;
  readonly allowed: Counter;
  readonly denied: Counter;
  readonly shadowAllowed: Counter;
  readonly shadowDenied: Counter;

  constructor(config: NetworkRbac, ctx: ExtensionContext) {
    this.config = config;
    this.ctx = ctx;
    this.engine = config.rules === undefined ? undefined : new RbacEngine(config.rules);
    this.shadowEngine = config.shadowRules === undefined ? undefined : new RbacEngine(config.shadowRules);
    const p = `${config.statPrefix}rbac.`;
    this.allowed = ctx.stats.counter(`${p}allowed`);
    this.denied = ctx.stats.counter(`${p}denied`);
    // In stat names the shadow prefix gets a dot of its own, in metadata none.
    const shadow = config.shadowRulesStatPrefix === "" ? p : `${p}${config.shadowRulesStatPrefix.replace(/\.$/, "")}.`;
    this.shadowAllowed = ctx.stats.counter(`${shadow}shadow_allowed`);
    this.shadowDenied = ctx.stats.counter(`${shadow}shadow_denied`);
  }

  createFilter(callbacks: NetworkFilterCallbacks, info: StreamInfo): NetworkFilter {
    return new RbacFilter(this, callbacks, info);
  }

  close(): void {}
}

class RbacFilter implements NetworkFilter, TimerOwner {
  private readonly factory: RbacFactory;
  private readonly callbacks: NetworkFilterCallbacks;
  private readonly info: StreamInfo;
  private isChecked = false;
  private isDenied = false;
  private delayTimer: Timer | undefined = undefined;

  constructor(factory: RbacFactory, callbacks: NetworkFilterCallbacks, info: StreamInfo) {
    this.factory = factory;
    this.callbacks = callbacks;
    this.info = info;
  }

  onNewConnection(): FilterStatus {
    return FilterStatus.Continue;
  }

  onData(): FilterStatus {
    if (this.isDenied) return FilterStatus.StopIteration;
    if (this.isChecked && !this.factory.config.isContinuous) return FilterStatus.Continue;
    this.isChecked = true;
    this.checkShadow();
    return this.check() ? FilterStatus.Continue : FilterStatus.StopIteration;
  }

  private checkShadow(): void {
    const { shadowEngine, shadowAllowed, shadowDenied, config } = this.factory;
    if (shadowEngine === undefined) return;
    const { allowed, policy } = shadowEngine.decide(this.info.connection);
    if (allowed) shadowAllowed.inc();
    else shadowDenied.inc();
    const prefix = config.shadowRulesStatPrefix;
    const metadata: Record<string, unknown> = { [`${prefix}shadow_engine_result`]: allowed ? "allowed" : "denied" };
    if (policy !== "") metadata[`${prefix}shadow_effective_policy_id`] = policy;
    this.setMetadata(NAMESPACE, metadata);
    if (shadowEngine.action === "LOG") this.setMetadata("envoy.common", { access_log_hint: policy !== "" });
  }

  private check(): boolean {
    const { engine, allowed, denied, config, ctx } = this.factory;
    if (engine === undefined) return true;
    const decision = engine.decide(this.info.connection);
    if (engine.action === "LOG") this.setMetadata("envoy.common", { access_log_hint: decision.policy !== "" });
    if (decision.allowed) {
      allowed.inc();
      return true;
    }
    denied.inc();
    this.isDenied = true;
    this.info.connectionTerminationDetails = `rbac_access_denied_matched_policy[${decision.policy === "" ? "none" : decision.policy}]`;
    if (config.delayDenyMs > 0) {
      this.callbacks.connection.readDisable(true);
      this.delayTimer = new Timer(this, 0);
      ctx.clock.start(this.delayTimer, config.delayDenyMs);
    } else this.callbacks.close("NoFlush");
    return false;
  }

  private setMetadata(namespace: string, values: Record<string, unknown>): void {
    this.info.dynamicMetadata ??= {};
    this.info.dynamicMetadata[namespace] = { ...this.info.dynamicMetadata[namespace], ...values };
  }

  onTimer(): void {
    this.callbacks.close("NoFlush");
  }

  onClose(): void {
    this.delayTimer?.clear();
  }
}
