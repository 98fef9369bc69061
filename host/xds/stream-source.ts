// One subscription to resources that come on a stream. Each resource stands alone: one whose bytes did not change is not read again,
// a good one applies, a bad one keeps the version before it and is named in the NACK. Reading is done in slices, so that ten thousand
// resources do not hold up whatever else the main thread has to do; the next response waits until this one has its answer.
import type { XdsClient, XdsSubscription, XdsUpdate, XdsVerdict } from "./streams/contract.ts";
import type { XdsServices } from "./context.ts";
import { sameData } from "./file-source.ts";
import type { Problem } from "./problems.ts";
import { detailOf, withoutRefusal } from "./rejection.ts";
import { type AcceptedResource, readResource, type ResourceKind, resourceKinds } from "./resource-kinds.ts";
import type { Codecs } from "./protos.ts";
import type { SubscriptionStats } from "./subscription-stats.ts";
import type { Rejection, ResourceSubscription, ResourceVersion, SubscriptionStatus } from "./subscription.ts";
import { wireToJson } from "./wire.ts";

/** How long the main thread reads before it lets others have their turn. */
const SLICE_MS = 8;

export interface StreamSubscriptionOptions<K extends ResourceKind> {
  readonly kind: K;
  /** For messages and config_dump. */
  readonly path: string;
  readonly client: XdsClient;
  /** Everything of this kind is wanted (LDS, CDS); else what setNames() says. */
  readonly isWildcard: boolean;
  readonly services: XdsServices;
  codecs(): Codecs;
  nowMs(): number;
  /** Does not go backwards. */
  monotonicMs(): number;
  clusterNames(): ReadonlySet<string> | undefined;
  startCheck?(): (resource: AcceptedResource<K>) => Problem | undefined;
  /** Made at the first update of a resource, or of the subscription where it is a wildcard's. */
  stats(prefix: string): SubscriptionStats;
  /** The prefix of the stats of a wildcard's subscription. */
  readonly statPrefix: string;
  /** Runs later, when others have had their turn. */
  defer(run: () => void): void;
  /** `resources`, isAbsent() or the status are others now. */
  onChange(): void;
}

interface Entry<K extends ResourceKind> {
  readonly resource: AcceptedResource<K>;
  readonly bytes: Uint8Array;
  readonly version: ResourceVersion;
  /** It was refused, as its modules could not be fetched, and is in force without them: there was none before it. */
  readonly isRefused: boolean;
}

interface Work<K extends ResourceKind> {
  readonly update: XdsUpdate;
  readonly done: (verdict: XdsVerdict) => void;
  readonly startedMs: number;
  readonly accepted: Map<string, Entry<K>>;
  readonly wrong: Map<string, readonly Problem[]>;
  /** Of those the ones whose modules could not be fetched. */
  readonly unfetched: Map<string, Entry<K>>;
  /** Where their modules are being fetched. */
  readonly pending: Set<string>;
  readonly check: ((resource: AcceptedResource<K>) => Problem | undefined) | undefined;
  /** Once for all of them: there may be ten thousand. */
  readonly clusterNames: ReadonlySet<string> | undefined;
  next: number;
}

export class StreamSubscription<K extends ResourceKind> implements ResourceSubscription<K> {
  readonly kind: K;
  readonly path: string;
  readonly #options: StreamSubscriptionOptions<K>;
  readonly #entries = new Map<string, Entry<K>>();
  #resources: ReadonlyMap<string, AcceptedResource<K>> = new Map();
  readonly #absent = new Set<string>();
  /** Refused as their modules could not be fetched, while the version before serves: they apply when the modules have come. */
  readonly #unfetched = new Map<string, Entry<K>>();
  #names: ReadonlyMap<string, string> = new Map();
  readonly #stats = new Map<string, SubscriptionStats>();
  #subscription: XdsSubscription | undefined;
  #work: Work<K> | undefined;
  #status: SubscriptionStatus;
  #isClosed = false;

  constructor(options: StreamSubscriptionOptions<K>) {
    this.#options = options;
    this.kind = options.kind;
    this.path = options.path;
    this.#status = { kind: options.kind, path: options.path, versionInfo: "", acceptedAtMs: undefined, rejected: undefined };
  }

  get resources(): ReadonlyMap<string, AcceptedResource<K>> {
    return this.#resources;
  }

  get status(): SubscriptionStatus {
    return this.#status;
  }

  /** Some update has been answered. */
  get hasAnswered(): boolean {
    return this.#status.acceptedAtMs !== undefined || this.#status.rejected !== undefined;
  }

  /** Begins to ask for everything. */
  start(): void {
    if (this.#subscription !== undefined) return;
    this.#statsOf("").attempt();
    this.#subscribe("wildcard");
  }

  #subscribe(names: ReadonlySet<string> | "wildcard"): void {
    const typeUrl = `type.googleapis.com/${resourceKinds[this.kind].typeName}`;
    this.#subscription = this.#options.client.subscribe(typeUrl, names, {
      onUpdate: (update, done) => this.#begin(update, done),
      onFailure: () => {
        for (const stats of this.#stats.values()) stats.failure();
      },
      onRefused: (reason) => this.#refuse(reason),
    });
  }

  setNames(names: ReadonlyMap<string, string>): void {
    if (this.#options.isWildcard) return;
    const isSame = names.size === this.#names.size && [...names.keys()].every((name) => this.#names.has(name));
    const before = this.#names;
    this.#names = names;
    if (isSame) return;
    for (const name of before.keys()) {
      if (names.has(name)) continue;
      this.#entries.delete(name);
      this.#absent.delete(name);
      this.#unfetched.delete(name);
      this.#stats.delete(name);
    }
    this.#resources = resourcesOf(this.#entries);
    for (const name of names.keys()) if (!before.has(name)) this.#statsOf(name).attempt();
    const wanted = new Set(names.keys());
    if (this.#subscription === undefined) this.#subscribe(wanted);
    else this.#subscription.setNames(wanted);
  }

  isAbsent(name: string): boolean {
    return this.#absent.has(name);
  }

  onFetchTimeout(name: string): void {
    this.#statsOf(name).fetchTimeout();
  }

  versionOf(name: string): ResourceVersion {
    return this.#entries.get(name)?.version ?? { versionInfo: "", updatedAtMs: undefined };
  }

  close(): void {
    this.#isClosed = true;
    this.#subscription?.close();
    this.#work = undefined;
  }

  #statsOf(name: string): SubscriptionStats {
    const key = this.#options.isWildcard ? "" : name;
    let stats = this.#stats.get(key);
    if (stats === undefined) {
      stats = this.#options.stats(key === "" ? this.#options.statPrefix : (this.#names.get(key) ?? this.#options.statPrefix));
      this.#stats.set(key, stats);
    }
    return stats;
  }

  // ── An update ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #begin(update: XdsUpdate, done: (verdict: XdsVerdict) => void): void {
    this.#work = {
      update,
      done,
      startedMs: this.#options.monotonicMs(),
      accepted: new Map(),
      wrong: new Map(),
      unfetched: new Map(),
      pending: new Set(),
      check: this.#options.startCheck?.(),
      clusterNames: this.#options.clusterNames(),
      next: 0,
    };
    this.#checkUnchanged(this.#work);
    this.#step(this.#work);
  }

  /** What stays as it is comes first: a new listener does not take the address of one that is there. */
  #checkUnchanged({ update, check }: Work<K>): void {
    if (check === undefined) return;
    const given = new Map(update.resources.map(({ name, bytes }) => [name, bytes]));
    const removed = new Set(update.removed);
    for (const [name, { resource, bytes }] of this.#entries) {
      const next = given.get(name);
      const stays = next === undefined ? !update.isWholeState && !removed.has(name) : Buffer.compare(next, bytes) === 0;
      // It was found good when it came.
      if (stays) check(resource);
    }
  }

  #step(work: Work<K>): void {
    if (this.#work !== work) return;
    const until = this.#options.monotonicMs() + SLICE_MS;
    const { resources } = work.update;
    while (work.next < resources.length) {
      if (this.#options.monotonicMs() > until) {
        this.#options.defer(() => this.#step(work));
        return;
      }
      this.#readOne(work, resources[work.next++]);
    }
    if (work.pending.size === 0) this.#finish(work);
  }

  #readOne(work: Work<K>, given: XdsUpdate["resources"][number]): void {
    const { name } = given;
    const before = this.#entries.get(name);
    const version = { versionInfo: given.version || work.update.versionInfo, updatedAtMs: this.#options.nowMs() };
    if (before?.isRefused === false && Buffer.compare(before.bytes, given.bytes) === 0) {
      work.accepted.set(name, { ...before, version: { ...before.version, versionInfo: version.versionInfo } });
      return;
    }
    const result = this.#decode(given.typeName, given.bytes, work.clusterNames);
    if (!result.ok) {
      work.wrong.set(result.name || name, result.problems);
      const { withoutModules: resource } = result;
      if (resource !== undefined) work.unfetched.set(resource.name, { resource, bytes: given.bytes, version, isRefused: true });
      return;
    }
    const { resource } = result;
    const problem = work.check?.(resource);
    if (problem !== undefined) work.wrong.set(resource.name, [problem]);
    else {
      work.accepted.set(resource.name, { resource, bytes: given.bytes, version, isRefused: false });
      if (resource.pendingModules.length > 0) work.pending.add(resource.name);
    }
  }

  #decode(typeName: string, bytes: Uint8Array, clusterNames: ReadonlySet<string> | undefined): ReturnType<typeof readResource<K>> {
    const { kind } = this;
    const { services } = this.#options;
    const wanted = resourceKinds[kind].typeName;
    if (typeName !== wanted) {
      const reason = `expected type.googleapis.com/${wanted}, got ${typeName === "" ? "no type" : typeName}`;
      return { ok: false, name: "", problems: [{ path: "@type", reason }], withoutModules: undefined };
    }
    const json = wireToJson(this.#options.codecs(), typeName, bytes);
    if (!json.ok) return { ok: false, name: "", problems: [{ path: "", reason: json.reason }], withoutModules: undefined };
    const result = readResource(kind, json.json, "", services, clusterNames);
    if (result.ok) return { ok: true, resource: this.#withoutJson(result.resource, bytes) };
    const { withoutModules } = result;
    return { ...result, withoutModules: withoutModules === undefined ? undefined : this.#withoutJson(withoutModules, bytes) };
  }

  /** Its JSON is made again when someone asks (config_dump): for thousands of resources it would be most of the memory. */
  #withoutJson(resource: AcceptedResource<K>, bytes: Uint8Array): AcceptedResource<K> {
    const { codecs } = this.#options;
    const { kind, name, config, dependencies, pendingModules } = resource;
    return {
      kind,
      name,
      config,
      dependencies,
      pendingModules,
      get json() {
        const result = wireToJson(codecs(), resourceKinds[kind].typeName, bytes);
        return result.ok ? result.json : null;
      },
    };
  }

  #finish(work: Work<K>): void {
    this.#work = undefined;
    const { update, accepted, wrong } = work;
    if (update.isWholeState) {
      for (const name of [...this.#entries.keys()]) if (!accepted.has(name) && !wrong.has(name)) this.#entries.delete(name);
      for (const name of [...this.#unfetched.keys()]) if (!wrong.has(name)) this.#unfetched.delete(name);
    }
    for (const [name, entry] of accepted) {
      if (!this.#options.isWildcard && !this.#names.has(name)) continue;
      this.#entries.set(name, entry);
      this.#absent.delete(name);
      this.#unfetched.delete(name);
    }
    for (const name of wrong.keys()) this.#unfetched.delete(name);
    for (const [name, entry] of work.unfetched) this.#keepUnfetched(name, entry);
    for (const name of update.removed) {
      this.#entries.delete(name);
      this.#unfetched.delete(name);
      if (this.#names.has(name)) this.#absent.add(name);
    }
    const before = this.#resources;
    const after = resourcesOf(this.#entries);
    const isChanged = before.size !== after.size || [...after].some(([name, resource]) => before.get(name) !== resource);
    if (isChanged) this.#resources = after;
    this.#status = this.#statusAfter(work);
    this.#count(work);
    this.#options.onChange();
    work.done(wrong.size === 0 ? { ok: true } : { ok: false, errorDetail: detailOf(this.kind, wrong), rejected: new Set(wrong.keys()) });
  }

  /** A first version is in force all the same, for its plugins' failure policies; a later one waits behind that before it. */
  #keepUnfetched(name: string, entry: Entry<K>): void {
    if (!this.#options.isWildcard && !this.#names.has(name)) return;
    if (this.#entries.get(name)?.isRefused === false) {
      this.#unfetched.set(name, entry);
      return;
    }
    this.#entries.set(name, entry);
    this.#absent.delete(name);
  }

  /** A response that was refused as a whole. */
  #refuse(reason: string): void {
    const problems = [{ path: "", reason }];
    this.#status = { ...this.#status, rejected: { versionInfo: "", atMs: this.#options.nowMs(), problems, resources: new Map() } };
    for (const stats of this.#stats.values()) stats.rejected();
    this.#options.onChange();
  }

  #statusAfter({ update, wrong }: Work<K>): SubscriptionStatus {
    const atMs = this.#options.nowMs();
    const { versionInfo } = update;
    if (wrong.size === 0) return { ...this.#status, versionInfo, acceptedAtMs: atMs, rejected: undefined };
    const problems = [...wrong].flatMap(([name, list]) => list.map((problem) => ({ ...problem, path: `${name}: ${problem.path}` })));
    const rejected: Rejection = { versionInfo, atMs, problems, resources: wrong };
    return { ...this.#status, rejected };
  }

  #count({ update, accepted, wrong, startedMs }: Work<K>): void {
    const tookMs = this.#options.monotonicMs() - startedMs;
    if (this.#options.isWildcard) {
      const stats = this.#statsOf("");
      if (wrong.size > 0) stats.rejected();
      else stats.success(update.versionInfo, this.#options.nowMs(), tookMs);
      return;
    }
    for (const [name, { version }] of accepted)
      if (this.#names.has(name)) this.#statsOf(name).success(version.versionInfo, this.#options.nowMs(), tookMs);
    for (const name of wrong.keys()) if (this.#names.has(name)) this.#statsOf(name).rejected();
  }

  /** A module came or failed: what waits for one is looked at again, and what is in force if the module behind it is another. */
  refresh(force: boolean): boolean {
    if (!force || this.#isClosed) return false;
    this.#retryPending();
    if (this.kind !== "listener" && this.kind !== "extension_config") return false;
    const clusterNames = this.#options.clusterNames();
    let isChanged = false;
    for (const [name, entry] of this.#entries) {
      const resource = this.#readAgain(entry, clusterNames);
      if (resource === undefined || (!entry.isRefused && sameData(resource.config, entry.resource.config))) continue;
      this.#apply(name, entry, resource);
      isChanged = true;
    }
    for (const [name, entry] of this.#unfetched) {
      const resource = this.#readAgain(entry, clusterNames);
      if (resource === undefined) continue;
      this.#unfetched.delete(name);
      this.#apply(name, entry, resource);
      isChanged = true;
    }
    if (isChanged) this.#resources = resourcesOf(this.#entries);
    return isChanged;
  }

  /** undefined: its modules have not come; what is in force stays until they have. */
  #readAgain({ bytes }: Entry<K>, clusterNames: ReadonlySet<string> | undefined): AcceptedResource<K> | undefined {
    const result = this.#decode(resourceKinds[this.kind].typeName, bytes, clusterNames);
    return result.ok && result.resource.pendingModules.length === 0 ? result.resource : undefined;
  }

  #apply(name: string, entry: Entry<K>, resource: AcceptedResource<K>): void {
    if (entry.isRefused) this.#status = withoutRefusal(this.#status, name);
    this.#entries.set(name, { ...entry, resource, isRefused: false });
  }

  #retryPending(): void {
    const work = this.#work;
    if (work === undefined || work.pending.size === 0 || work.next < work.update.resources.length) return;
    for (const given of work.update.resources) {
      const { name } = given;
      if (!work.pending.delete(name)) continue;
      work.accepted.delete(name);
      this.#readOne(work, given);
    }
    if (work.pending.size === 0) this.#finish(work);
  }
}

function resourcesOf<K extends ResourceKind>(entries: ReadonlyMap<string, Entry<K>>): ReadonlyMap<string, AcceptedResource<K>> {
  return new Map([...entries].map(([name, { resource }]) => [name, resource]));
}
