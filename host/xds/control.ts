// The main thread's configuration: static resources, subscriptions to files and streams, the plugins folder, and the snapshots they
// make. A change of files is read in the order clusters, endpoints, listeners, the rest, so that what a listener names is known
// before it is read ("xDS protocol: eventual consistency considerations"). A stream's listeners are asked for when its clusters
// have come and are warm, as Envoy does.
import type { EndpointAssignment } from "../config/cluster.ts";
import type { HttpFilterConfig, Listener } from "../config/listener.ts";
import type { ConfigSource, LiveModuleSource } from "../config/extension.ts";
import type { RouteConfiguration } from "../config/route.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { Secret } from "../config/transport-socket.ts";
import type { XdsClock, XdsLog } from "./clock.ts";
import type { Dependency, XdsServices } from "./context.ts";
import { DirectoryWatch, type WatchOptions } from "./directory-watch.ts";
import { FileSubscription, sameData } from "./file-source.ts";
import { takeAddresses } from "./listener-addresses.ts";
import type { LoadedBootstrap } from "./load-bootstrap.ts";
import { comparePlugins, insertPlugins, matchesNode } from "./plugin-chain.ts";
import type { PluginResource } from "./plugin-resource.ts";
import { PluginFolder, type PluginStatus } from "./plugin-resources.ts";
import { formatProblems, type Problem } from "./problems.ts";
import { type AcceptedResource, extensionTypeOf, readResource, type ResourceKind } from "./resource-kinds.ts";
import { describeResources, type ResourceStatus } from "./resource-status.ts";
import { SnapshotBuilder } from "./snapshot-builder.ts";
import { RefusalLog } from "./refusal-log.ts";
import { digestsOf } from "./module-digests.ts";
import { StartupOrder } from "./startup-order.ts";
import { nameOf, type StreamSource, type Streams } from "./streams-of.ts";
import { StreamSubscription } from "./stream-source.ts";
import type { ResourceSubscription, SubscriptionStatus } from "./subscription.ts";
import { SubscriptionStats } from "./subscription-stats.ts";

export interface ConfigControlOptions {
  readonly loaded: LoadedBootstrap;
  readonly services: XdsServices & { readonly modules: LiveModuleSource };
  /** --plugins DIR */
  readonly pluginsDirectory?: string;
  readonly clock: XdsClock;
  readonly log: XdsLog;
  /** undefined: there are no streams here (validation). */
  readonly streams?: Streams;
  /** Called from start() and after every change that made a difference; never twice for the same state. */
  onSnapshot(snapshot: Snapshot): void;
  /** Clusters and listeners have come, or were waited for long enough; called once. */
  onInitialized?(): void;
  /** undefined: files are read at start and on refresh() only. */
  readonly watch: Omit<WatchOptions, "onChange"> | undefined;
}

type AnySubscription = { readonly [K in ResourceKind]: ResourceSubscription<K> }[ResourceKind];

type StartCheck<K extends ResourceKind> = (() => (resource: AcceptedResource<K>) => Problem | undefined) | undefined;

const wildcards: Partial<Record<ResourceKind, string>> = { cluster: "cluster_manager.cds", listener: "listener_manager.lds" };

export class ConfigControl {
  readonly #options: ConfigControlOptions;
  readonly #builder: SnapshotBuilder;
  readonly #plugins: PluginFolder | undefined;
  readonly #watch: DirectoryWatch | undefined;
  readonly #subscriptions = new Map<string, { readonly subscription: AnySubscription; readonly source: ConfigSource }>();
  readonly #lds: ResourceSubscription<"listener"> | undefined;
  readonly #cds: ResourceSubscription<"cluster"> | undefined;
  readonly #startedAtMs: number;
  #staticListeners: readonly AcceptedResource<"listener">[];
  #nodePlugins: readonly PluginResource[] = [];
  #decorated = new WeakMap<Listener, Listener>();
  /** Filter configs of a type that the filter which asked for them does not take, and why. */
  readonly #mismatches = new Map<AcceptedResource<ResourceKind>, string>();
  readonly #order: StartupOrder;
  readonly #stopListening: () => void;
  #isBuildDue = false;
  #isRefreshDue = false;
  #namesBefore = "";
  readonly #refusals: RefusalLog;

  constructor(options: ConfigControlOptions) {
    this.#options = { ...options, services: { ...options.services, staticSecrets: options.loaded.secrets } };
    const { loaded, services, clock } = this.#options;
    this.#startedAtMs = clock.nowMs();
    this.#refusals = new RefusalLog(options.log);
    this.#staticListeners = loaded.listeners;
    const { lds, cds } = loaded.sources;
    this.#cds = cds === undefined ? undefined : this.#subscribe("cluster", cds, undefined);
    this.#lds = lds === undefined ? undefined : this.#subscribe("listener", lds, () => this.#startAddressCheck());
    const directory = options.pluginsDirectory;
    this.#plugins = directory === undefined ? undefined : new PluginFolder({ directory, ctx: services, nowMs: () => clock.nowMs() });
    this.#builder = new SnapshotBuilder({ clock, onSnapshot: options.onSnapshot, onTimeout: (need) => this.#onFetchTimeout(need) });
    this.#order = new StartupOrder({
      cds: cds === undefined || this.#cds === undefined ? undefined : { subscription: this.#cds, source: cds },
      lds: lds === undefined || this.#lds === undefined ? undefined : { subscription: this.#lds, source: lds },
      clock,
      isWarming: (resource) => this.#builder.stateOf(resource) === "warming",
      onTimeout: () => this.#build(),
      onInitialized: () => options.onInitialized?.(),
    });
    this.#stopListening = services.modules.onChange(() => this.#onModuleChange());
    if (options.watch !== undefined) this.#watch = new DirectoryWatch({ ...options.watch, onChange: () => this.refresh() });
  }

  /** Reads everything and emits the first snapshot before it returns. */
  start(): void {
    this.refresh();
    this.#order.start();
  }

  close(): void {
    this.#stopListening();
    this.#watch?.close();
    this.#order.close();
    for (const subscription of this.#all) subscription.close();
    this.#builder.close();
  }

  get isInitialized(): boolean {
    return this.#order.isInitialized;
  }

  get snapshot(): Snapshot | undefined {
    return this.#builder.snapshot;
  }

  /** Reads every file whose content or modules changed. */
  refresh(): void {
    const isModuleChanged = this.#options.services.modules.refresh();
    this.#cds?.refresh(isModuleChanged);
    this.#refreshKind("endpoints", isModuleChanged);
    // Always: the text of a secret may only name the files that changed.
    this.#refreshKind("secret", true);
    const staticOnes = isModuleChanged ? this.#rereadStatic() : this.#staticListeners;
    this.#staticListeners = staticOnes;
    // Listeners refused for a cluster that was unknown get another chance whenever clusters change.
    const names = [...this.#clusterNames()].join("\n");
    this.#lds?.refresh(isModuleChanged || (this.#lds.status.rejected !== undefined && names !== this.#namesBefore));
    this.#namesBefore = names;
    this.#refreshKind("route_configuration", isModuleChanged);
    this.#refreshKind("extension_config", isModuleChanged);
    if (this.#plugins?.refresh(isModuleChanged)) this.#sortPlugins(this.#plugins.plugins);
    this.#build();
    this.#report();
  }

  /** Digests of the modules that resources name, in force or waiting: their bytes are still wanted. */
  get moduleDigests(): ReadonlySet<string> {
    const listeners = [...this.#staticListeners, ...(this.#lds?.resources.values() ?? []), ...this.#builder.active];
    const extensions = this.#all.flatMap((subscription) => [...subscription.resources.values()]);
    return digestsOf([...listeners, ...extensions], this.#plugins?.plugins ?? []);
  }

  /** One for each file of resources. */
  get subscriptions(): readonly SubscriptionStatus[] {
    return this.#all.map((subscription) => subscription.status);
  }

  get #all(): readonly AnySubscription[] {
    const fixed = [this.#cds, this.#lds].flatMap((subscription) => subscription ?? []);
    return [...fixed, ...[...this.#subscriptions.values()].map((entry) => entry.subscription)];
  }

  get pluginStatuses(): readonly PluginStatus[] {
    return this.#plugins?.statuses ?? [];
  }

  /** Every resource, static ones included, with its proto-JSON: what config_dump and the status pages are made of. */
  get resources(): readonly ResourceStatus[] {
    return describeResources({
      static: [...this.#options.loaded.clusters, ...this.#staticListeners],
      startedAtMs: this.#startedAtMs,
      subscriptions: this.#all,
      stateOf: (resource) => this.#builder.stateOf(resource),
      mismatchOf: (resource) => this.#mismatches.get(resource),
    });
  }

  #subscribe<K extends ResourceKind>(kind: K, source: ConfigSource, startCheck: StartCheck<K>): ResourceSubscription<K> {
    const { services, clock } = this.#options;
    if (source.kind !== "path") return this.#subscribeToStream(kind, source, startCheck);
    return new FileSubscription({
      kind,
      path: source.path,
      services,
      nowMs: () => clock.nowMs(),
      clusterNames: () => this.#clusterNames(),
      ...(startCheck === undefined ? {} : { startCheck }),
    });
  }

  #subscribeToStream<K extends ResourceKind>(kind: K, source: StreamSource, startCheck: StartCheck<K>): ResourceSubscription<K> {
    const { services, clock, streams } = this.#options;
    if (streams === undefined) throw new Error("there are no streams here");
    return new StreamSubscription({
      kind,
      path: nameOf(source),
      client: streams.client(source, kind),
      isWildcard: wildcards[kind] !== undefined,
      services,
      codecs: () => streams.codecs,
      nowMs: () => clock.nowMs(),
      monotonicMs: streams.monotonicMs,
      clusterNames: () => this.#clusterNames(),
      stats: (prefix) => new SubscriptionStats(streams.stats, prefix),
      statPrefix: wildcards[kind] ?? kind,
      defer: (run) => void clock.after(0, run),
      onChange: () => this.#onStreamChange(),
      ...(startCheck === undefined ? {} : { startCheck }),
    });
  }

  /** Several streams may answer in one turn: they make one snapshot. */
  #onStreamChange(): void {
    if (this.#isBuildDue) return;
    this.#isBuildDue = true;
    this.#options.clock.after(0, () => {
      this.#isBuildDue = false;
      this.#build();
      this.#report();
    });
  }

  /** Several fetches may end in one turn: what names their modules is read again once. */
  #onModuleChange(): void {
    if (this.#isRefreshDue) return;
    this.#isRefreshDue = true;
    this.#options.clock.after(0, () => {
      this.#isRefreshDue = false;
      this.refresh();
    });
  }

  #onFetchTimeout(need: Dependency): void {
    this.#subscriptionOf(need)?.onFetchTimeout(need.name);
    this.#build();
  }

  /** A listener of a file may not have the address of another one; one that a static listener stands in for has none. */
  #startAddressCheck(): (resource: AcceptedResource<"listener">) => Problem | undefined {
    const taken = new Set<string>();
    const names = new Set(this.#staticListeners.map((resource) => resource.name));
    for (const { config } of this.#staticListeners) takeAddresses(config, taken);
    return ({ name, config }) => {
      const reason = names.has(name) ? undefined : takeAddresses(config, taken);
      return reason === undefined ? undefined : { path: "address", reason };
    };
  }

  #clusterNames(): ReadonlySet<string> {
    const names = new Set(this.#cds?.resources.keys());
    for (const cluster of this.#options.loaded.clusters) names.add(cluster.name);
    return names;
  }

  #refreshKind(kind: ResourceKind, force: boolean): void {
    for (const { subscription } of this.#subscriptions.values()) if (subscription.kind === kind) subscription.refresh(force);
  }

  /** Static listeners again, for a module behind them that changed; one that is wrong now stays as it was. */
  #rereadStatic(): readonly AcceptedResource<"listener">[] {
    const { services, log } = this.#options;
    return this.#staticListeners.map((before) => {
      const result = readResource("listener", before.json, "", services, undefined);
      if (!result.ok) {
        log.warn(`listener ${before.name} stays as it was: ${formatProblems(result.problems)}`);
        return before;
      }
      const isIncomplete = result.resource.pendingModules.length > before.pendingModules.length;
      return isIncomplete || sameData(before.config, result.resource.config) ? before : result.resource;
    });
  }

  #sortPlugins(all: readonly PluginResource[]): void {
    const { node } = this.#options.loaded.bootstrap;
    this.#nodePlugins = all.filter((plugin) => matchesNode(plugin, node)).sort(comparePlugins);
    this.#decorated = new WeakMap();
  }

  #build(): void {
    const listeners = [...this.#staticListeners, ...this.#dynamic(this.#lds, this.#staticListeners)];
    const { clusters: staticClusters, bootstrap } = this.#options.loaded;
    const clusters = [...staticClusters, ...this.#dynamic(this.#cds, staticClusters)];
    const before = this.#builder.active;
    this.#follow([...clusters, ...listeners, ...before]);
    this.#mismatches.clear();
    this.#builder.update({
      clusters,
      listeners,
      routeConfiguration: (need) => this.#find("route_configuration", need)?.config as RouteConfiguration | undefined,
      endpoints: (need) => this.#find("endpoints", need)?.config as EndpointAssignment | undefined,
      extensionConfig: (need) => this.#findExtension(need)?.config as HttpFilterConfig | undefined,
      secret: (need) => this.#find("secret", need)?.config as Secret | undefined,
      isAbsent: (need) => this.#subscriptionOf(need)?.isAbsent(need.name) ?? false,
      runtime: bootstrap.layeredRuntime,
      decorate: (listener) => this.#decorate(listener),
    });
    // What only the version before depended on must not wait for the next change to be forgotten: its name may mean something else then.
    const after = new Set(this.#builder.active);
    if (before.some((resource) => !after.has(resource))) this.#follow([...clusters, ...listeners, ...after]);
    this.#watchAll();
    this.#order.update();
  }

  /** A static resource cannot be replaced from a file: Envoy drops such an update. */
  #dynamic<K extends ResourceKind>(
    subscription: ResourceSubscription<K> | undefined,
    statics: readonly { readonly name: string }[],
  ): readonly AcceptedResource<K>[] {
    const names = new Set(statics.map((resource) => resource.name));
    return [...(subscription?.resources.values() ?? [])].filter((resource) => !names.has(resource.name));
  }

  /** Opens subscriptions that are needed and drops those that no longer are. */
  #follow(resources: readonly { readonly dependencies: readonly Dependency[] }[]): void {
    const needed = new Map<string, Map<string, string>>();
    for (const need of resources.flatMap((resource) => resource.dependencies)) {
      const key = `${need.kind} ${need.source.key}`;
      const names = needed.get(key);
      if (names !== undefined) names.set(need.name, need.statPrefix);
      else needed.set(key, new Map([[need.name, need.statPrefix]]));
      if (this.#subscriptions.has(key)) continue;
      const subscription = this.#subscribe(need.kind, need.source, undefined) as AnySubscription;
      subscription.refresh(false);
      this.#subscriptions.set(key, { subscription, source: need.source });
    }
    for (const [key, { subscription }] of this.#subscriptions) {
      const names = needed.get(key);
      if (names !== undefined) {
        subscription.setNames(names);
        continue;
      }
      this.#subscriptions.delete(key);
      subscription.close();
    }
  }

  #subscriptionOf(need: Dependency): AnySubscription | undefined {
    return this.#subscriptions.get(`${need.kind} ${need.source.key}`)?.subscription;
  }

  #find(kind: ResourceKind, need: Dependency): AcceptedResource<ResourceKind> | undefined {
    return this.#subscriptions.get(`${kind} ${need.source.key}`)?.subscription.resources.get(need.name);
  }

  /** A filter takes only the types that it said; another one is as if it had not come. */
  #findExtension(need: Dependency): AcceptedResource<ResourceKind> | undefined {
    const resource = this.#find("extension_config", need);
    if (resource === undefined || need.typeNames === undefined) return resource;
    const typeName = extensionTypeOf(resource.json);
    if (need.typeNames.includes(typeName)) return resource;
    this.#mismatches.set(resource, `Error: filter config has type URL ${typeName} but expect ${need.typeNames.join(", ")}.`);
    return undefined;
  }

  #decorate(listener: Listener): Listener {
    if (this.#nodePlugins.length === 0) return listener;
    const before = this.#decorated.get(listener);
    const decorated = before ?? insertPlugins(listener, this.#nodePlugins);
    if (before === undefined) this.#decorated.set(listener, decorated);
    return decorated;
  }

  #watchAll(): void {
    const { lds, cds } = this.#options.loaded.sources;
    const sources = [lds, cds, ...[...this.#subscriptions.values()].map((entry) => entry.source)].flatMap((source) =>
      source?.kind === "path" ? source : [],
    );
    const files = [...sources.map((source) => source.path), ...this.#options.services.modules.files];
    const secrets = [...this.#subscriptions.values()].flatMap(({ subscription }) =>
      subscription.kind === "secret" ? [...subscription.resources.values()].map(({ config }) => config.watch) : [],
    );
    for (const watch of secrets) files.push(...watch.files);
    const folders = sources.flatMap((source) => source.watchedDirectory ?? []);
    for (const watch of secrets) folders.push(...watch.directories);
    if (this.#plugins !== undefined) {
      folders.push(this.#plugins.directory);
      for (const status of this.#plugins.statuses) if (status.file !== this.#plugins.directory) files.push(status.file);
    }
    this.#watch?.watch(files, folders);
  }

  /** Says each refusal once, and its end. */
  #report(): void {
    const now = new Map<string, string>();
    for (const { kind, path, rejected } of this.subscriptions)
      if (rejected !== undefined) now.set(`${kind} ${path}`, formatProblems(rejected.problems));
    for (const { id, file, rejected } of this.pluginStatuses)
      if (rejected !== undefined) now.set(`${file} ${id}`, formatProblems(rejected.problems));
    for (const [{ name }, reason] of this.#mismatches) now.set(`filter config ${name}`, reason);
    this.#refusals.update(now);
  }
}
