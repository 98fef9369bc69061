// envoy.filters.http.fault: makes requests wait, answers them with an error, slows responses down, as asked, to test how callers cope.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/fault_filter
import { type Clock, Timer, type TimerOwner } from "../base/clock.ts";
import type { Random } from "../base/system.ts";
import type { FaultConfig } from "../config/http-filters.ts";
import { FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus, PassThroughFilter } from "../http/filter.ts";
import type { FilterCallbacks, StreamFilter, StreamFilterFactory } from "../http/filter.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { ResponseFlag } from "../http/stream-info.ts";
import type { RuntimeReader } from "../router/matchers.ts";
import type { Counter, Gauge, StatsStore } from "../stats/store.ts";
import type { ExtensionContext } from "./context.ts";
import { FaultSettings } from "./fault-settings.ts";
import { ResponseLimiter } from "./response-limiter.ts";

const METADATA_NAMESPACE = "envoy.filters.http.fault";
/** A caller names its cluster itself (x-envoy-downstream-service-cluster): more of them than this have no statistics of their own. */
const MAX_CALLERS = 100;
const MAX_CALLER_LENGTH = 128;

class FaultFilter extends PassThroughFilter implements TimerOwner {
  private readonly factory: FaultFactory;
  private readonly callbacks: FilterCallbacks;
  private settings: FaultSettings | undefined = undefined;
  private headers: HeaderMap | undefined = undefined;
  private cluster = "";
  private readonly delay = new Timer(this, 0);
  private isActive = false;
  private limiter: ResponseLimiter | undefined = undefined;

  constructor(factory: FaultFactory, callbacks: FilterCallbacks) {
    super();
    this.factory = factory;
    this.callbacks = callbacks;
  }

  override decodeHeaders(headers: HeaderMap): FilterHeadersStatus {
    const route = this.callbacks.route();
    const settings = this.factory.settingsOf(route?.perFilterConfig(this.factory.name));
    if (!settings.applies(headers, route?.forwards === true ? route.clusterName : undefined)) return FilterHeadersStatus.Continue;
    this.settings = settings;
    this.headers = headers;
    this.cluster = headers.get("x-envoy-downstream-service-cluster") ?? "";
    this.limitResponse(settings, headers);
    const delayMs = settings.delayMs(headers, this.cluster);
    if (delayMs > 0 && this.becomeActive(settings)) {
      this.factory.clock.start(this.delay, delayMs);
      this.factory.delaysInjected.inc();
      this.callerCounter(settings, "delays_injected")?.inc();
      this.callbacks.info.setFlag(ResponseFlag.DelayInjected);
      this.setMetadata(settings);
      return FilterHeadersStatus.StopIteration;
    }
    return this.abort(settings, headers) ? FilterHeadersStatus.StopIteration : FilterHeadersStatus.Continue;
  }

  override decodeData(): FilterDataStatus {
    return this.delay.armed ? FilterDataStatus.StopIterationAndWatermark : FilterDataStatus.Continue;
  }

  override decodeTrailers(): FilterTrailersStatus {
    return this.delay.armed ? FilterTrailersStatus.StopIteration : FilterTrailersStatus.Continue;
  }

  /** The delay is over: an abort may follow it. */
  onTimer(): void {
    if (this.settings === undefined || this.headers === undefined) return;
    if (!this.abort(this.settings, this.headers)) this.callbacks.continueDecoding();
  }

  override encodeData(data: Uint8Array, endStream: boolean): FilterDataStatus {
    if (this.limiter === undefined) return FilterDataStatus.Continue;
    this.limiter.write(data, endStream);
    return FilterDataStatus.StopIterationNoBuffer;
  }

  override encodeTrailers(): FilterTrailersStatus {
    return this.limiter?.holdsTrailers() === true ? FilterTrailersStatus.StopIteration : FilterTrailersStatus.Continue;
  }

  override onDestroy(): void {
    this.delay.clear();
    this.limiter?.stop();
    if (this.isActive) this.factory.activeFaults.dec();
    this.isActive = false;
  }

  private limitResponse(settings: FaultSettings, headers: HeaderMap): void {
    const kbps = settings.responseKbps(headers);
    if (kbps === undefined || !this.becomeActive(settings)) return;
    this.factory.responseRlInjected.inc();
    this.limiter = new ResponseLimiter(kbps, this.factory.clock, this.callbacks);
  }

  private abort(settings: FaultSettings, headers: HeaderMap): boolean {
    const abort = settings.abort(headers, this.cluster);
    if (abort === undefined || !this.becomeActive(settings)) return false;
    this.factory.abortsInjected.inc();
    this.callerCounter(settings, "aborts_injected")?.inc();
    this.setMetadata(settings);
    this.callbacks.sendLocalReply({
      status: abort.status,
      body: settings.config.abort?.responseBody || "fault filter abort",
      details: "fault_filter_abort",
      flags: ResponseFlag.FaultInjected,
      ...(abort.grpcStatus === undefined ? {} : { grpcStatus: abort.grpcStatus }),
    });
    return true;
  }

  /** A request counts once, however many faults it has. */
  private becomeActive(settings: FaultSettings): boolean {
    if (this.isActive) return true;
    if (this.factory.activeFaults.value >= settings.maxActiveFaults()) {
      this.factory.faultsOverflow.inc();
      return false;
    }
    this.factory.activeFaults.inc();
    this.isActive = true;
    return true;
  }

  private callerCounter(settings: FaultSettings, name: "delays_injected" | "aborts_injected"): Counter | undefined {
    if (this.cluster === "" || settings.config.disableDownstreamClusterStats) return undefined;
    return this.factory.callerCounter(this.cluster, name);
  }

  private setMetadata({ config }: FaultSettings): void {
    const { info } = this.callbacks;
    info.dynamicMetadata ??= {};
    info.dynamicMetadata[METADATA_NAMESPACE] = { ...info.dynamicMetadata[METADATA_NAMESPACE], ...config.filterMetadata };
  }
}

export class FaultFactory implements StreamFilterFactory {
  readonly name: string;
  readonly clock: Clock;
  readonly delaysInjected: Counter;
  readonly abortsInjected: Counter;
  readonly responseRlInjected: Counter;
  readonly faultsOverflow: Counter;
  readonly activeFaults: Gauge;
  private readonly stats: StatsStore;
  private readonly statPrefix: string;
  private readonly runtime: RuntimeReader;
  private readonly random: Random;
  private readonly own: FaultSettings;
  private readonly compiled = new WeakMap<FaultConfig, FaultSettings>();
  private readonly callers = new Set<string>();

  constructor(name: string, config: FaultConfig, statPrefix: string, ctx: ExtensionContext) {
    this.name = name;
    this.clock = ctx.clock;
    this.stats = ctx.stats;
    this.statPrefix = statPrefix;
    this.runtime = ctx.runtime;
    this.random = ctx.random;
    this.own = new FaultSettings(config, ctx.runtime, ctx.random);
    this.delaysInjected = ctx.stats.counter(`http.${statPrefix}.fault.delays_injected`);
    this.abortsInjected = ctx.stats.counter(`http.${statPrefix}.fault.aborts_injected`);
    this.responseRlInjected = ctx.stats.counter(`http.${statPrefix}.fault.response_rl_injected`);
    this.faultsOverflow = ctx.stats.counter(`http.${statPrefix}.fault.faults_overflow`);
    this.activeFaults = ctx.stats.gauge(`http.${statPrefix}.fault.active_faults`);
  }

  /** What the route's own parser made, or the chain's. */
  settingsOf(override: unknown): FaultSettings {
    if (override === undefined) return this.own;
    const config = override as FaultConfig;
    let settings = this.compiled.get(config);
    if (settings === undefined) {
      settings = new FaultSettings(config, this.runtime, this.random);
      this.compiled.set(config, settings);
    }
    return settings;
  }

  callerCounter(cluster: string, name: "delays_injected" | "aborts_injected"): Counter | undefined {
    if (!this.callers.has(cluster)) {
      if (this.callers.size >= MAX_CALLERS || cluster.length > MAX_CALLER_LENGTH) return undefined;
      this.callers.add(cluster);
    }
    return this.stats.counter(`http.${this.statPrefix}.fault.${cluster}.${name}`);
  }

  createFilter(callbacks: FilterCallbacks): StreamFilter {
    return new FaultFilter(this, callbacks);
  }

  close(): void {}
}
