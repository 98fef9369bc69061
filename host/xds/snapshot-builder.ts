// Accepted resources, static and from files → the next consistent Snapshot. A cluster joins when its endpoints are there, a
// listener when its route tables and filter configs are (or the initial fetch timed out); until then the version before it
// stays. Objects that did not change are the same objects in the next snapshot.
import type { Cluster, EndpointAssignment } from "../config/cluster.ts";
import type { HttpFilterConfig, Listener } from "../config/listener.ts";
import type { RouteConfiguration } from "../config/route.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { Secret } from "../config/transport-socket.ts";
import type { XdsClock } from "./clock.ts";
import { type Dependency, secretKey } from "./context.ts";
import type { AcceptedResource } from "./resource-kinds.ts";

/** What a snapshot is made of; the source of truth is elsewhere (control.ts). */
export interface BuilderInput {
  readonly clusters: readonly AcceptedResource<"cluster">[];
  readonly listeners: readonly AcceptedResource<"listener">[];
  routeConfiguration(dependency: Dependency): RouteConfiguration | undefined;
  endpoints(dependency: Dependency): EndpointAssignment | undefined;
  extensionConfig(dependency: Dependency): HttpFilterConfig | undefined;
  secret(dependency: Dependency): Secret | undefined;
  /** Its source says that there is none: waiting would be in vain. */
  isAbsent(dependency: Dependency): boolean;
  readonly runtime: Snapshot["runtime"];
  /** Puts plugins into the chains; returns the same object for the same listener and plugins. */
  decorate(listener: Listener): Listener;
}

export interface SnapshotBuilderOptions {
  readonly clock: XdsClock;
  onSnapshot(snapshot: Snapshot): void;
  /** A fetch timed out: whoever holds the input is to call update() again. */
  onTimeout(dependency: Dependency): void;
}

export type WarmingState = "active" | "warming" | "replacing";

interface Waiting {
  readonly timer: { cancel(): void } | undefined;
  timedOut: boolean;
}

export class SnapshotBuilder {
  readonly #options: SnapshotBuilderOptions;
  readonly #activeClusters = new Map<string, AcceptedResource<"cluster">>();
  readonly #activeListeners = new Map<string, AcceptedResource<"listener">>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #states = new Map<object, WarmingState>();
  #snapshot: Snapshot | undefined;

  constructor(options: SnapshotBuilderOptions) {
    this.#options = options;
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** What the last snapshot was made of; old versions that stay keep what they depend on. */
  get active(): readonly (AcceptedResource<"cluster"> | AcceptedResource<"listener">)[] {
    return [...this.#activeClusters.values(), ...this.#activeListeners.values()];
  }

  /** "replacing": it waits while the version before it serves. undefined: not a resource of the last input. */
  stateOf(resource: AcceptedResource<"cluster"> | AcceptedResource<"listener">): WarmingState | undefined {
    return this.#states.get(resource);
  }

  update(input: BuilderInput): void {
    this.#states.clear();
    this.#forgetWaiting([...input.clusters, ...input.listeners]);
    this.#warm(input.clusters, this.#activeClusters, input);
    this.#warm(input.listeners, this.#activeListeners, input);
    const next: Omit<Snapshot, "version"> = {
      clusters: this.#keepList(
        this.#snapshot?.clusters,
        [...this.#activeClusters.values()].map((resource): Cluster => resource.config),
      ),
      listeners: this.#keepList(
        this.#snapshot?.listeners,
        [...this.#activeListeners.values()].map((resource) => input.decorate(resource.config)),
      ),
      routeConfigurations: keepRecord(
        this.#snapshot?.routeConfigurations,
        collect(this.#activeListeners, "route_configuration", (need) => input.routeConfiguration(need)),
      ),
      endpoints: keepRecord(
        this.#snapshot?.endpoints,
        collect(this.#activeClusters, "endpoints", (need) => input.endpoints(need)),
      ),
      extensionConfigs: keepRecord(
        this.#snapshot?.extensionConfigs,
        collect(this.#activeListeners, "extension_config", (need) => input.extensionConfig(need)),
      ),
      secrets: keepRecord(
        this.#snapshot?.secrets,
        collect(
          new Map<string, AcceptedResource<"cluster"> | AcceptedResource<"listener">>([
            ...[...this.#activeClusters].map(([name, resource]) => [`cluster ${name}`, resource] as const),
            ...[...this.#activeListeners].map(([name, resource]) => [`listener ${name}`, resource] as const),
          ]),
          "secret",
          (need) => input.secret(need),
          (need) => secretKey(need.source, need.name),
        ),
      ),
      runtime: input.runtime,
    };
    if (this.#snapshot !== undefined && isSame(this.#snapshot, next)) return;
    this.#snapshot = Object.freeze({ version: (this.#snapshot?.version ?? 0) + 1, ...next });
    this.#options.onSnapshot(this.#snapshot);
  }

  close(): void {
    for (const waiting of this.#waiting.values()) waiting.timer?.cancel();
    this.#waiting.clear();
  }

  /** Makes `active` hold what of `wanted` is complete, and of the rest what was active before. */
  #warm<K extends "cluster" | "listener">(
    wanted: readonly AcceptedResource<K>[],
    active: Map<string, AcceptedResource<K>>,
    input: BuilderInput,
  ): void {
    const before = new Map(active);
    active.clear();
    for (const resource of wanted) {
      const old = before.get(resource.name);
      // Every dependency is looked at, so that all their timers run at the same time.
      const isComplete = resource.dependencies.map((need) => this.#isThere(need, input)).every(Boolean);
      if (isComplete) active.set(resource.name, resource);
      else if (old !== undefined) active.set(resource.name, old);
      this.#states.set(resource, isComplete || old === resource ? "active" : old === undefined ? "warming" : "replacing");
    }
  }

  #isThere(need: Dependency, input: BuilderInput): boolean {
    if (!need.isAwaited) return true;
    const key = keyOf(need);
    const found = find(need, input) !== undefined || input.isAbsent(need);
    const waiting = this.#waiting.get(key);
    if (found) {
      waiting?.timer?.cancel();
      this.#waiting.delete(key);
      return true;
    }
    if (waiting !== undefined) return waiting.timedOut;
    const { initialFetchTimeoutMs } = need.source;
    const entry: Waiting = {
      timedOut: false,
      timer: initialFetchTimeoutMs === 0 ? undefined : this.#startTimer(key, need, initialFetchTimeoutMs),
    };
    this.#waiting.set(key, entry);
    return false;
  }

  #startTimer(key: string, need: Dependency, delayMs: number): { cancel(): void } {
    return this.#options.clock.after(delayMs, () => {
      const waiting = this.#waiting.get(key);
      if (waiting !== undefined) waiting.timedOut = true;
      this.#options.onTimeout(need);
    });
  }

  #forgetWaiting(resources: readonly { readonly dependencies: readonly Dependency[] }[]): void {
    const needed = new Set(resources.flatMap((resource) => resource.dependencies.map(keyOf)));
    for (const [key, waiting] of this.#waiting) {
      if (needed.has(key)) continue;
      waiting.timer?.cancel();
      this.#waiting.delete(key);
    }
  }

  #keepList<T>(before: readonly T[] | undefined, after: readonly T[]): readonly T[] {
    const isSameList = before !== undefined && before.length === after.length && after.every((item, index) => item === before[index]);
    return isSameList ? before : Object.freeze(after);
  }
}

export function keyOf(need: Dependency): string {
  return `${need.kind}\n${need.name}\n${need.source.key}`;
}

function find(need: Dependency, input: BuilderInput): unknown {
  switch (need.kind) {
    case "route_configuration":
      return input.routeConfiguration(need);
    case "endpoints":
      return input.endpoints(need);
    case "extension_config":
      return input.extensionConfig(need);
    case "secret":
      return input.secret(need);
  }
}

function collect<T>(
  active: ReadonlyMap<string, { readonly dependencies: readonly Dependency[] }>,
  kind: Dependency["kind"],
  get: (need: Dependency) => T | undefined,
  key: (need: Dependency) => string = (need) => need.name,
): Readonly<Record<string, T>> {
  const record: Record<string, T> = {};
  for (const resource of active.values()) {
    for (const need of resource.dependencies) {
      const value = need.kind === kind ? get(need) : undefined;
      if (value !== undefined) record[key(need)] = value;
    }
  }
  return record;
}

function keepRecord<T>(before: Readonly<Record<string, T>> | undefined, after: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  if (before === undefined) return Object.freeze(after);
  const keys = Object.keys(after);
  const isSameRecord =
    keys.length === Object.keys(before).length && keys.every((key) => Object.hasOwn(before, key) && before[key] === after[key]);
  return isSameRecord ? before : Object.freeze(after);
}

function isSame(before: Snapshot, after: Omit<Snapshot, "version">): boolean {
  return (
    before.clusters === after.clusters &&
    before.listeners === after.listeners &&
    before.routeConfigurations === after.routeConfigurations &&
    before.endpoints === after.endpoints &&
    before.extensionConfigs === after.extensionConfigs &&
    before.secrets === after.secrets &&
    before.runtime === after.runtime
  );
}
