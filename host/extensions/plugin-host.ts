// The plugins of one thread: joins the wasm runtime to the clusters, statistics, logs and shared memory of the worker. Filters and
// access loggers that name an equal plugin share it.
import { randomFillSync } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { levelNumber, type Logger, type LogLevel } from "../base/log.ts";
import type { PluginConfig } from "../config/plugin.ts";
import type { Node } from "../config/snapshot.ts";
import { structuralKey } from "../config/structural-key.ts";
import {
  type FilterCallbacks,
  FilterHeadersStatus,
  PassThroughFilter,
  type StreamFilter,
  type StreamFilterFactory,
} from "../http/filter.ts";
import type { NetworkFilter, NetworkFilterCallbacks } from "../net/network-filter.ts";
import type { Random } from "../base/system.ts";
import type { Histogram, StatsStore } from "../stats/store.ts";
import type { ClusterManager } from "../upstream/cluster-manager.ts";
import { MetricType } from "../wasm/abi.ts";
import type { LoadedModule } from "../wasm/module.ts";
import type { Plugin } from "../wasm/plugin.ts";
import type { PropertyValue } from "../wasm/property.ts";
import { WasmRuntime } from "../wasm/runtime.ts";
import type { MetricServices, VmServices } from "../wasm/services.ts";
import { SharedArena } from "../wasm/shared-arena.ts";
import { SharedDataStore } from "../wasm/shared-data.ts";
import { SharedQueueStore } from "../wasm/shared-queue.ts";
import { startGrpcCallout } from "./grpc-callout.ts";
import { startCallout } from "./http-callout.ts";
import type { NetworkFilterFactory } from "./network/network-filter-factory.ts";
import { resolveRootAttribute } from "./wasm/attributes.ts";
import { WasmFilterFactory } from "./wasm/http-filter.ts";
import { ClosingFilter, WasmNetworkFilterFactory } from "./wasm/network-filter.ts";
import { nodeValue } from "./wasm/struct-attributes.ts";

/** Memory that all workers and the main thread share for proxy_*_shared_data and proxy_*_shared_queue. */
export interface SharedMemory {
  readonly data: SharedArrayBuffer;
  readonly queues: SharedArrayBuffer;
}

const SHARED_DATA_BYTES = 16 * 1024 * 1024;
const SHARED_QUEUE_BYTES = 16 * 1024 * 1024;

export function createSharedMemory(): SharedMemory {
  return { data: SharedArena.create(SHARED_DATA_BYTES).buffer, queues: SharedArena.create(SHARED_QUEUE_BYTES).buffer };
}

export interface PluginHostOptions {
  /** 0 is the main thread. */
  readonly workerId: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatsStore;
  readonly logger: Logger;
  readonly node: Node;
  readonly shared: SharedMemory;
  readonly clusters: ClusterManager | undefined;
  notifyQueue(workerId: number, queueId: number): void;
}

/** Series in all that modules may define on one worker. */
const MAX_METRICS = 5000;

class Metrics implements MetricServices {
  private readonly store: StatsStore;
  private readonly handles = new Map<string, number>();
  private readonly add: ((amount: number) => void)[] = [];
  private readonly set: ((value: number) => void)[] = [];
  private readonly read: (() => number)[] = [];

  constructor(store: StatsStore) {
    this.store = store;
  }

  define(type: MetricType, name: string): number | undefined {
    const key = `${type}|${name}`;
    const known = this.handles.get(key);
    if (known !== undefined) return known;
    if (this.handles.size >= MAX_METRICS) return undefined;
    const handle = this.add.length;
    if (type === MetricType.Histogram) this.defineHistogram(this.store.histogram(name));
    else if (type === MetricType.Gauge) {
      const gauge = this.store.gauge(name);
      this.add.push((amount) => gauge.add(amount));
      this.set.push((value) => gauge.set(value));
      this.read.push(() => gauge.value);
    } else {
      const counter = this.store.counter(name);
      this.add.push((amount) => counter.add(amount));
      this.set.push((value) => counter.add(value));
      this.read.push(() => counter.value);
    }
    this.handles.set(key, handle);
    return handle;
  }

  private defineHistogram(histogram: Histogram): void {
    this.add.push((value) => histogram.record(value));
    this.set.push((value) => histogram.record(value));
    this.read.push(() => 0);
  }

  increment(handle: number, offset: number): void {
    this.add[handle](offset);
  }
  record(handle: number, value: number): void {
    this.set[handle](value);
  }
  value(handle: number): number {
    return this.read[handle]();
  }
}

const LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warning", "error", "critical"];

export function createVmServices(options: PluginHostOptions): VmServices {
  const { clock, stats, logger, clusters } = options;
  const nodeAttribute = nodeValue({ ...options.node, ...options.node.locality });
  const services: VmServices = {
    workerId: options.workerId,
    stats: { counter: (name) => stats.counter(name), gauge: (name) => stats.gauge(name) },
    metrics: new Metrics(stats),
    sharedData: new SharedDataStore(new SharedArena(options.shared.data)),
    sharedQueues: new SharedQueueStore(new SharedArena(options.shared.queues)),
    logLevel: () => {
      const at = LEVELS.findIndex((level) => logger.enabled(level, "wasm"));
      return at < 0 ? levelNumber("off") : at;
    },
    log: (level, plugin, message) =>
      logger.log(LEVELS[level] ?? "info", "wasm", plugin === "" ? `wasm log: ${message}` : `wasm log ${plugin}: ${message}`),
    wallClockNs: () => BigInt(Math.round(clock.wallMs() * 1000)) * 1000n,
    monotonicNs: () => process.hrtime.bigint(),
    monotonicMs: () => clock.now,
    random: () => options.random.next(),
    fillRandom: (bytes) => {
      randomFillSync(bytes);
    },
    startTimer: (run, delayMs) => {
      const timer = setTimeout(() => {
        clock.update();
        run();
        clock.afterTurn();
      }, delayMs);
      timer.unref();
      return { cancel: () => clearTimeout(timer) };
    },
    hasCluster: (name) => clusters?.get(name) !== undefined,
    httpCall: (request, token, receiver) => (clusters === undefined ? undefined : startCallout(clusters, clock, request, token, receiver)),
    grpcStream: (request, receiver) => (clusters === undefined ? undefined : startGrpcCallout(clusters, clock, request, receiver)),
    notifyQueue: (workerId, queueId) => options.notifyQueue(workerId, queueId),
    property: (_plugin, path) => resolveRootAttribute(nodeAttribute, undefined, path),
  };
  return services;
}

interface SharedPlugin {
  readonly plugin: Plugin;
  users: number;
}

/** What is reported of a plugin on this worker. */
export interface PluginState {
  readonly name: string;
  readonly sha256: string;
  readonly loaded: boolean;
  readonly failure: string;
}

export class PluginHost {
  private readonly options: PluginHostOptions;
  private readonly runtime: WasmRuntime;
  private readonly node: PropertyValue;
  private readonly modules = new Map<string, LoadedModule>();
  private readonly plugins = new Map<string, SharedPlugin>();

  constructor(options: PluginHostOptions) {
    this.options = options;
    this.runtime = new WasmRuntime(createVmServices(options));
    this.node = nodeValue({ ...options.node, ...options.node.locality });
  }

  addModules(modules: readonly LoadedModule[]): void {
    for (const module of modules) this.modules.set(module.sha256, module);
  }

  /** Forgets compiled modules that no configuration names any more. */
  keepModules(inUse: ReadonlySet<string>): void {
    for (const sha256 of [...this.modules.keys()]) if (!inUse.has(sha256)) this.modules.delete(sha256);
  }

  onQueueReady(queueId: number): void {
    this.runtime.onQueueReady(queueId);
  }

  private acquire(config: PluginConfig): Plugin | undefined {
    const key = structuralKey(config);
    let shared = this.plugins.get(key);
    if (shared === undefined) {
      const module = this.modules.get(config.sha256);
      if (module === undefined) return undefined;
      shared = { plugin: this.runtime.openPlugin(config, module), users: 0 };
      this.plugins.set(key, shared);
      if (shared.plugin.failure !== "") this.options.logger.log("error", "wasm", `plugin ${config.name}: ${shared.plugin.failure}`);
    }
    shared.users++;
    return shared.plugin;
  }

  private release(plugin: Plugin): void {
    const key = structuralKey(plugin.config);
    const shared = this.plugins.get(key);
    if (shared === undefined || --shared.users > 0) return;
    this.plugins.delete(key);
    this.runtime.closePlugin(plugin);
  }

  filter(filterName: string, config: PluginConfig, _direction: number): StreamFilterFactory {
    const plugin = this.acquire(config);
    // Without a compiled module there is nothing to reload either: the failure policy is all that is left.
    if (plugin === undefined) return new UnloadedFilterFactory(filterName, config);
    return new WasmFilterFactory(
      filterName,
      plugin,
      this.node,
      (released) => this.release(released),
      (name) => this.options.clusters?.get(name),
    );
  }

  networkFilter(_filterName: string, config: PluginConfig, _direction: number): NetworkFilterFactory {
    const plugin = this.acquire(config);
    if (plugin === undefined) return new UnloadedNetworkFilterFactory(config);
    return new WasmNetworkFilterFactory(
      plugin,
      this.node,
      (released) => this.release(released),
      (name) => this.options.clusters?.get(name),
    );
  }

  states(): PluginState[] {
    return [...this.plugins.values()].map(({ plugin }) => ({
      name: plugin.config.name,
      sha256: plugin.config.sha256,
      loaded: plugin.failure === "",
      failure: plugin.failure,
    }));
  }
}

class UnloadedNetworkFilterFactory implements NetworkFilterFactory {
  private readonly failsOpen: boolean;

  constructor(config: PluginConfig) {
    this.failsOpen = config.failurePolicy === "FAIL_OPEN";
  }

  createFilter(callbacks: NetworkFilterCallbacks): NetworkFilter | undefined {
    return this.failsOpen ? undefined : new ClosingFilter(callbacks);
  }

  close(): void {}
}

class UnloadedFilterFactory implements StreamFilterFactory {
  readonly name: string;
  private readonly failsOpen: boolean;

  constructor(name: string, config: PluginConfig) {
    this.name = name;
    this.failsOpen = config.failurePolicy === "FAIL_OPEN";
  }

  createFilter(callbacks: FilterCallbacks): StreamFilter | undefined {
    return this.failsOpen ? undefined : new UnloadedFilter(callbacks);
  }

  close(): void {}
}

class UnloadedFilter extends PassThroughFilter {
  private readonly callbacks: FilterCallbacks;

  constructor(callbacks: FilterCallbacks) {
    super();
    this.callbacks = callbacks;
  }

  override decodeHeaders(): FilterHeadersStatus {
    this.callbacks.sendLocalReply({ status: 503, body: "", details: "wasm_fail_stream", grpcStatus: 14 });
    return FilterHeadersStatus.StopAllIterationAndWatermark;
  }
}
