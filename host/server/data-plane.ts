// A data plane on one thread: clock, clusters, listeners, plugins; takes over snapshots. Knows nothing of threads or messages, so
// tests run it in process.
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/system.ts";
import type { FilterChain, Listener } from "../config/listener.ts";
import type { NetworkFilter, NetworkLocalRateLimit } from "../config/network-filter.ts";
import type { PluginConfig } from "../config/plugin.ts";
import type { RouteConfiguration } from "../config/route.ts";
import type { Node, Snapshot } from "../config/snapshot.ts";
import { EMPTY_SNAPSHOT } from "../config/snapshot-delta.ts";
import { structuralKey } from "../config/structural-key.ts";
import type { ExtensionContext } from "../extensions/context.ts";
import { LogFiles } from "../extensions/log-file.ts";
import { TokenBucket } from "../extensions/network/local-ratelimit.ts";
import type { NetworkFilterFactory } from "../extensions/network/network-filter-factory.ts";
import { createFilterChain, type FilterChainFactory } from "../extensions/network-chain.ts";
import { DateCache, type RouteTable } from "../http/conn-manager-config.ts";
import type { StreamFilterFactory } from "../http/filter.ts";
import { Flusher } from "../net/flusher.ts";
import { ActiveListener, type ChainFactory, type ListenerContext } from "../net/listener.ts";
import { CompiledRouteTable } from "../router/route-table.ts";
import { PeerExchange } from "../net/peer-exchange.ts";
import type { StatsStore } from "../stats/store.ts";
import { ClusterManager } from "../upstream/cluster-manager.ts";

/** What the data plane asks of the plugin host (wasm), so that it can be made without one. */
export interface PluginHost {
  filter(filterName: string, plugin: PluginConfig, direction: number): StreamFilterFactory;
  networkFilter(filterName: string, plugin: PluginConfig, direction: number): NetworkFilterFactory;
}

export interface DataPlaneOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatsStore;
  readonly logger: Logger;
  readonly localIp: string;
  readonly node: Node;
  /** Connections that this worker may hold; the process-wide limit divided by the workers. */
  readonly maxConnections: number;
  /** How long connections of a replaced or removed listener may take to end. */
  readonly drainTimeMs: number;
  readonly fileFlushIntervalMs?: number;
  /** Called once with the finished data plane; the plugin host needs its clusters. */
  pluginHost(dataPlane: DataPlane): PluginHost;
}

export interface ListenerFailure {
  readonly listener: string;
  readonly error: string;
}

export class DataPlane implements ExtensionContext, ListenerContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatsStore;
  readonly logger: Logger;
  readonly localIp: string;
  readonly node: Node;
  private exchange: PeerExchange | undefined = undefined;
  readonly flusher: Flusher;
  readonly clusters: ClusterManager;
  readonly logFiles: LogFiles;
  private readonly options: DataPlaneOptions;
  private readonly plugins: PluginHost;
  private readonly dates: DateCache;
  private readonly listeners = new Map<string, ActiveListener>();
  private readonly draining = new Set<ActiveListener>();
  private readonly tables = new WeakMap<RouteConfiguration, CompiledRouteTable>();
  private readonly factories = new WeakMap<ChainFactory, FilterChainFactory>();
  private readonly buckets = new Map<string, TokenBucket>();
  private snapshot: Snapshot = EMPTY_SNAPSHOT;
  private connections = 0;
  private connectionIds = 0;

  constructor(options: DataPlaneOptions) {
    this.options = options;
    this.clock = options.clock;
    this.random = options.random;
    this.stats = options.stats;
    this.logger = options.logger;
    this.localIp = options.localIp;
    this.node = options.node;
    this.flusher = new Flusher(options.clock);
    this.clusters = new ClusterManager({
      clock: options.clock,
      random: options.random,
      flusher: this.flusher,
      stats: options.stats,
      peerExchange: () => this.peerExchange,
    });
    this.logFiles = new LogFiles(options.clock, options.stats, options.logger, options.fileFlushIntervalMs);
    this.dates = new DateCache(options.clock);
    this.plugins = options.pluginHost(this);
  }

  /** Made when a configuration asks for it, and its statistics with it. */
  get peerExchange(): PeerExchange {
    this.exchange ??= new PeerExchange(this.node, this.stats);
    return this.exchange;
  }

  /** Takes over a snapshot: clusters first, then what routes to them. Resolves when new listeners accept connections. */
  async apply(snapshot: Snapshot): Promise<readonly ListenerFailure[]> {
    this.clock.update();
    this.snapshot = snapshot;
    this.clusters.apply(snapshot);
    for (const listener of this.listeners.values()) listener.updateSecrets(snapshot.secrets);
    const failures: ListenerFailure[] = [];
    const gone = new Set(this.listeners.keys());
    const opening: Promise<void>[] = [];
    for (const config of snapshot.listeners) {
      gone.delete(config.name);
      opening.push(this.applyListener(config, failures));
    }
    for (const name of gone) this.remove(name);
    await Promise.all(opening);
    return failures;
  }

  private async applyListener(config: Listener, failures: ListenerFailure[]): Promise<void> {
    const current = this.listeners.get(config.name);
    if (current !== undefined && structuralKey(current.config.addresses) === structuralKey(config.addresses)) {
      if (current.config !== config) current.update(config);
      this.applyChains(current);
      return;
    }
    const listener = new ActiveListener(config, this);
    this.applyChains(listener);
    try {
      await listener.listen();
    } catch (error) {
      listener.destroy();
      failures.push({ listener: config.name, error: error instanceof Error ? error.message : String(error) });
      return;
    }
    // The old address is given up only now that the new one takes connections.
    if (current !== undefined) this.remove(config.name);
    this.listeners.set(config.name, listener);
  }

  private applyChains(listener: ActiveListener): void {
    for (const [chain, factory] of listener.activeChains) this.factories.get(factory)?.applyChain(chain, this.snapshot);
  }

  private remove(name: string): void {
    const listener = this.listeners.get(name);
    if (listener === undefined) return;
    this.listeners.delete(name);
    this.drain(listener);
  }

  private drain(listener: ActiveListener): void {
    listener.stopAccepting();
    this.draining.add(listener);
    setTimeout(() => {
      listener.destroy();
      this.draining.delete(listener);
    }, this.options.drainTimeMs).unref();
  }

  // ---- ListenerContext ----

  makeChain(chain: FilterChain, listener: Listener): ChainFactory {
    const factory = createFilterChain({ chain, listener, ctx: this, dates: this.dates });
    this.factories.set(factory, factory);
    return factory;
  }

  private readonly chainKeys = new WeakMap<FilterChain, string>();

  chainKey(chain: FilterChain, listener: Listener): string {
    let key = this.chainKeys.get(chain);
    if (key === undefined) {
      const networkFilters = chain.networkFilters.map(keyOfFilter);
      key = structuralKey([
        { ...chain, networkFilters },
        listener.trafficDirection,
        listener.statPrefix,
        listener.perConnectionBufferLimitBytes,
      ]);
      this.chainKeys.set(chain, key);
    }
    return key;
  }

  admit(): boolean {
    if (this.connections >= this.options.maxConnections) return false;
    this.connections++;
    return true;
  }

  release(): void {
    this.connections--;
  }

  get secrets(): Snapshot["secrets"] {
    return this.snapshot.secrets;
  }

  wallMs(): number {
    return this.clock.wallMs();
  }

  /** By address, then by the port alone of one that listens everywhere. */
  listenerAt(ip: string, port: number): ActiveListener | undefined {
    let wildcard: ActiveListener | undefined;
    for (const listener of this.listeners.values()) {
      for (const address of listener.config.addresses) {
        if (address.kind !== "socket" || address.port !== port) continue;
        if (address.address === ip) return listener;
        if (address.address === "0.0.0.0" || address.address === "::") wildcard = listener;
      }
    }
    return wildcard;
  }

  nextConnectionId(): number {
    return ++this.connectionIds;
  }

  get connectionCount(): number {
    return this.connections;
  }

  // ---- ExtensionContext ----

  readonly runtime = (key: string): number | string | boolean | undefined =>
    Object.hasOwn(this.snapshot.runtime, key) ? this.snapshot.runtime[key] : undefined;

  routeTable(config: RouteConfiguration): RouteTable {
    let table = this.tables.get(config);
    if (table === undefined) {
      table = new CompiledRouteTable(config, this.runtime);
      this.tables.set(config, table);
    }
    return table;
  }

  wasmFilter(filterName: string, plugin: PluginConfig, direction: number): StreamFilterFactory {
    return this.plugins.filter(filterName, plugin, direction);
  }

  wasmNetworkFilter(filterName: string, plugin: PluginConfig, direction: number): NetworkFilterFactory {
    return this.plugins.networkFilter(filterName, plugin, direction);
  }

  tokenBucket(config: NetworkLocalRateLimit): TokenBucket {
    if (config.shareKey === "") return new TokenBucket(config, this.clock.now);
    // Equal keys with other numbers are other buckets, as in Envoy.
    const key = structuralKey([config.shareKey, config.maxTokens, config.tokensPerFill, config.fillIntervalMs]);
    let bucket = this.buckets.get(key);
    if (bucket === undefined) {
      bucket = new TokenBucket(config, this.clock.now);
      this.buckets.set(key, bucket);
    }
    return bucket;
  }

  // ---- shutting down ----

  /** No new connections; `direction` limits it to listeners of that traffic direction. */
  drainListeners(inboundOnly: boolean): void {
    for (const [name, listener] of [...this.listeners]) {
      if (inboundOnly && listener.config.trafficDirection !== "INBOUND") continue;
      this.listeners.delete(name);
      this.drain(listener);
    }
  }

  /** Connections without a request in progress close now. */
  closeIdle(): void {
    for (const listener of this.draining) listener.closeIdle();
  }

  async stop(): Promise<void> {
    for (const listener of [...this.listeners.values(), ...this.draining]) {
      listener.stopAccepting();
      listener.destroy();
    }
    this.listeners.clear();
    this.draining.clear();
    await this.logFiles.flush();
  }
}

/** What of a filter cannot be changed without other connections. */
function keyOfFilter(filter: NetworkFilter): unknown {
  if (filter.kind !== "http_connection_manager") return filter;
  return { ...filter, config: { ...filter.config, httpFilters: undefined, routes: filter.config.routes.kind } };
}
