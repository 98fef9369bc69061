// Statistics of the process itself: server.*, listener_manager.*, cluster_manager.* under Envoy's names.
import type { Snapshot } from "../config/snapshot.ts";
import type { Counter, Gauge, StatsStore } from "../stats/store.ts";
import type { Lifecycle, ServerState } from "./lifecycle.ts";

/** Envoy's ServerInfo.State numbers. */
const STATE_NUMBER: Readonly<Record<ServerState, number>> = { LIVE: 0, DRAINING: 1, PRE_INITIALIZING: 2, INITIALIZING: 3 };

export class ServerStats {
  private readonly lifecycle: Lifecycle;
  private readonly uptime: Gauge;
  private readonly live: Gauge;
  private readonly state: Gauge;
  private readonly memoryAllocated: Gauge;
  private readonly memoryHeapSize: Gauge;
  private readonly memoryPhysicalSize: Gauge;
  private readonly totalConnections: Gauge;
  private readonly listenersActive: Gauge;
  private readonly clustersActive: Gauge;
  private readonly listenersAdded: Counter;
  private readonly listenersModified: Counter;
  private readonly listenersRemoved: Counter;
  private readonly clustersAdded: Counter;
  private readonly clustersModified: Counter;
  private readonly clustersRemoved: Counter;
  readonly listenerCreateFailure: Counter;
  readonly pluginRefused: Counter;
  private before: Snapshot | undefined = undefined;

  constructor(store: StatsStore, concurrency: number, lifecycle: Lifecycle) {
    this.lifecycle = lifecycle;
    this.uptime = store.gauge("server.uptime");
    this.live = store.gauge("server.live");
    this.state = store.gauge("server.state");
    this.memoryAllocated = store.gauge("server.memory_allocated");
    this.memoryHeapSize = store.gauge("server.memory_heap_size");
    this.memoryPhysicalSize = store.gauge("server.memory_physical_size");
    this.totalConnections = store.gauge("server.total_connections");
    this.listenersActive = store.gauge("listener_manager.total_listeners_active");
    this.clustersActive = store.gauge("cluster_manager.active_clusters");
    this.listenersAdded = store.counter("listener_manager.listener_added");
    this.listenersModified = store.counter("listener_manager.listener_modified");
    this.listenersRemoved = store.counter("listener_manager.listener_removed");
    this.clustersAdded = store.counter("cluster_manager.cluster_added");
    this.clustersModified = store.counter("cluster_manager.cluster_modified");
    this.clustersRemoved = store.counter("cluster_manager.cluster_removed");
    this.listenerCreateFailure = store.counter("listener_manager.listener_create_failure");
    this.pluginRefused = store.counter("wasm.plugin_refused");
    store.gauge("server.concurrency").set(concurrency);
    store.gauge("server.hot_restart_epoch").set(0);
    store.gauge("listener_manager.workers_started").set(1);
  }

  onDeployed(snapshot: Snapshot): void {
    const { before } = this;
    this.before = snapshot;
    count(before?.listeners ?? [], snapshot.listeners, this.listenersAdded, this.listenersModified, this.listenersRemoved);
    count(before?.clusters ?? [], snapshot.clusters, this.clustersAdded, this.clustersModified, this.clustersRemoved);
    this.listenersActive.set(snapshot.listeners.length);
    this.clustersActive.set(snapshot.clusters.length);
  }

  /** Brings the gauges up to date; called before statistics are shown. */
  refresh(connections: number): void {
    const memory = process.memoryUsage();
    this.uptime.set(Math.floor((Date.now() - this.lifecycle.startedAtMs) / 1000));
    this.live.set(this.lifecycle.state === "LIVE" ? 1 : 0);
    this.state.set(STATE_NUMBER[this.lifecycle.state]);
    this.memoryAllocated.set(memory.heapUsed + memory.external);
    this.memoryHeapSize.set(memory.heapTotal);
    this.memoryPhysicalSize.set(memory.rss);
    this.totalConnections.set(connections);
  }
}

function count(
  before: readonly { readonly name: string }[],
  after: readonly { readonly name: string }[],
  added: Counter,
  modified: Counter,
  removed: Counter,
): void {
  const old = new Map(before.map((item) => [item.name, item]));
  for (const item of after) {
    const known = old.get(item.name);
    old.delete(item.name);
    if (known === undefined) added.inc();
    else if (known !== item) modified.inc();
  }
  removed.add(old.size);
}
