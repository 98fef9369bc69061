// The main thread's configuration: static resources, subscriptions to files, the plugins folder, and the snapshots they
// make. Everything happens on a change of a file; a change is read in the order clusters, endpoints, listeners, the rest, so
// that what a listener names is known before it is read ("xDS protocol: eventual consistency considerations").
import type { EndpointAssignment } from "../config/cluster.ts";
import type { HttpFilterConfig, Listener } from "../config/listener.ts";
import type { RouteConfiguration } from "../config/route.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { Secret } from "../config/transport-socket.ts";
import type { XdsClock, XdsLog } from "./clock.ts";
import { createResourceContext, type Dependency, type FileConfigSource, type XdsServices } from "./context.ts";
import { DirectoryWatch, type WatchOptions } from "./directory-watch.ts";
import { FileSubscription, type FileSubscriptionOptions, sameData, type SubscriptionStatus } from "./file-source.ts";
import { takeAddresses } from "./listener-addresses.ts";
import type { LoadedBootstrap } from "./load-bootstrap.ts";
import type { FileModuleSource } from "./module-source.ts";
import { comparePlugins, insertPlugins, matchesNode } from "./plugin-chain.ts";
import type { PluginResource } from "./plugin-resource.ts";
import { PluginFolder, type PluginStatus } from "./plugin-resources.ts";
import { formatProblems, type Problem } from "./problems.ts";
import { type AcceptedResource, extensionTypeOf, readResource, type ResourceKind } from "./resource-kinds.ts";
import { describeResources, type ResourceStatus } from "./resource-status.ts";
import { SnapshotBuilder } from "./snapshot-builder.ts";

export interface ConfigControlOptions {
  readonly loaded: LoadedBootstrap;
  readonly services: XdsServices & { readonly modules: FileModuleSource };
  /** --plugins DIR */
  readonly pluginsDirectory?: string;
  readonly clock: XdsClock;
  readonly log: XdsLog;
  /** Called from start() and after every change that made a difference; never twice for the same state. */
  onSnapshot(snapshot: Snapshot): void;
  /** undefined: files are read at start and on refresh() only. */
  readonly watch: Omit<WatchOptions, "onChange"> | undefined;
}

type AnySubscription = { readonly [K in ResourceKind]: FileSubscription<K> }[ResourceKind];

export class ConfigControl {
  readonly #options: ConfigControlOptions;
  readonly #builder: SnapshotBuilder;
  readonly #plugins: PluginFolder | undefined;
  readonly #watch: DirectoryWatch | undefined;
  readonly #subscriptions = new Map<string, { readonly subscription: AnySubscription; readonly source: FileConfigSource }>();
  readonly #lds: FileSubscription<"listener"> | undefined;
  readonly #cds: FileSubscription<"cluster"> | undefined;
  readonly #startedAtMs: number;
  #staticListeners: readonly AcceptedResource<"listener">[];
  #nodePlugins: readonly PluginResource[] = [];
  #decorated = new WeakMap<Listener, Listener>();
  /** Filter configs of a type that the filter which asked for them does not take, and why. */
  readonly #mismatches = new Map<AcceptedResource<ResourceKind>, string>();
  #namesBefore = "";
  #reported = new Map<string, string>();

  constructor(options: ConfigControlOptions) {
    this.#options = { ...options, services: { ...options.services, staticSecrets: options.loaded.secrets } };
    const { loaded, services, clock } = this.#options;
    this.#startedAtMs = clock.nowMs();
    this.#staticListeners = loaded.listeners;
    const { lds, cds } = loaded.sources;
    this.#cds = cds === undefined ? undefined : this.#subscribe("cluster", cds, undefined);
    this.#lds = lds === undefined ? undefined : this.#subscribe("listener", lds, () => this.#startAddressCheck());
    const directory = options.pluginsDirectory;
    const ctx = createResourceContext(services, undefined);
    this.#plugins = directory === undefined ? undefined : new PluginFolder({ directory, ctx, nowMs: () => clock.nowMs() });
    this.#builder = new SnapshotBuilder({ clock, onSnapshot: options.onSnapshot, onTimeout: () => this.#build() });
    if (options.watch !== undefined) this.#watch = new DirectoryWatch({ ...options.watch, onChange: () => this.refresh() });
  }

  /** Reads everything and emits the first snapshot before it returns. */
  start(): void {
    this.refresh();
  }

  close(): void {
    this.#watch?.close();
    this.#builder.close();
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

  /** One for each file of resources. */
  get subscriptions(): readonly SubscriptionStatus[] {
    const fixed = [this.#cds, this.#lds].flatMap((subscription) => subscription?.status ?? []);
    return [...fixed, ...[...this.#subscriptions.values()].map((entry) => entry.subscription.status)];
  }

  get pluginStatuses(): readonly PluginStatus[] {
    return this.#plugins?.statuses ?? [];
  }

  /** Every resource, static ones included, with its proto-JSON: what config_dump and the status pages are made of. */
  get resources(): readonly ResourceStatus[] {
    const fixed = [this.#cds, this.#lds].flatMap((subscription) => subscription ?? []);
    return describeResources({
      static: [...this.#options.loaded.clusters, ...this.#staticListeners],
      startedAtMs: this.#startedAtMs,
      subscriptions: [...fixed, ...[...this.#subscriptions.values()].map((entry) => entry.subscription)],
      stateOf: (resource) => this.#builder.stateOf(resource),
      mismatchOf: (resource) => this.#mismatches.get(resource),
    });
  }

  #subscribe<K extends ResourceKind>(
    kind: K,
    source: FileConfigSource,
    startCheck: FileSubscriptionOptions<K>["startCheck"],
  ): FileSubscription<K> {
    const { services, clock } = this.#options;
    return new FileSubscription({
      kind,
      path: source.path,
      services,
      nowMs: () => clock.nowMs(),
      clusterNames: () => this.#clusterNames(),
      ...(startCheck === undefined ? {} : { startCheck }),
    });
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
      return sameData(before.config, result.resource.config) ? before : result.resource;
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
    this.#follow([...clusters, ...listeners, ...this.#builder.active]);
    this.#mismatches.clear();
    this.#builder.update({
      clusters,
      listeners,
      routeConfiguration: (need) => this.#find("route_configuration", need)?.config as RouteConfiguration | undefined,
      endpoints: (need) => this.#find("endpoints", need)?.config as EndpointAssignment | undefined,
      extensionConfig: (need) => this.#findExtension(need)?.config as HttpFilterConfig | undefined,
      secret: (need) => this.#find("secret", need)?.config as Secret | undefined,
      runtime: bootstrap.layeredRuntime,
      decorate: (listener) => this.#decorate(listener),
    });
    this.#watchAll();
  }

  /** A static resource cannot be replaced from a file: Envoy drops such an update. */
  #dynamic<K extends ResourceKind>(
    subscription: FileSubscription<K> | undefined,
    statics: readonly { readonly name: string }[],
  ): readonly AcceptedResource<K>[] {
    const names = new Set(statics.map((resource) => resource.name));
    return [...(subscription?.resources.values() ?? [])].filter((resource) => !names.has(resource.name));
  }

  /** Opens subscriptions that are needed and drops those that no longer are. */
  #follow(resources: readonly { readonly dependencies: readonly Dependency[] }[]): void {
    const needed = new Set<string>();
    for (const need of resources.flatMap((resource) => resource.dependencies)) {
      const key = `${need.kind} ${need.source.path}`;
      needed.add(key);
      if (this.#subscriptions.has(key)) continue;
      const subscription = this.#subscribe(need.kind, need.source, undefined) as AnySubscription;
      subscription.refresh(false);
      this.#subscriptions.set(key, { subscription, source: need.source });
    }
    for (const key of this.#subscriptions.keys()) if (!needed.has(key)) this.#subscriptions.delete(key);
  }

  #find(kind: ResourceKind, need: Dependency): AcceptedResource<ResourceKind> | undefined {
    return this.#subscriptions.get(`${kind} ${need.source.path}`)?.subscription.resources.get(need.name);
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
    const sources = [lds, cds, ...[...this.#subscriptions.values()].map((entry) => entry.source)].flatMap((source) => source ?? []);
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
    for (const [what, reason] of now) if (this.#reported.get(what) !== reason) this.#options.log.warn(`${what} refused: ${reason}`);
    for (const what of this.#reported.keys()) if (!now.has(what)) this.#options.log.info(`${what} accepted`);
    this.#reported = now;
  }
}
