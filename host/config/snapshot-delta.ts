// Structured clone makes new objects of everything it copies. So the main thread posts what changed, and the worker puts it into
// what it has: a resource that did not change stays the same object there, which is how the data plane knows.
import type { RouteConfiguration, VirtualHost } from "./route.ts";
import type { Snapshot } from "./snapshot.ts";

type Named = { readonly name: string };

export interface SnapshotDelta {
  readonly version: number;
  readonly listeners: ListDelta;
  readonly clusters: ListDelta;
  readonly routeConfigurations: RecordDelta;
  readonly endpoints: RecordDelta;
  readonly extensionConfigs: RecordDelta;
  readonly secrets: RecordDelta;
  readonly runtime: Snapshot["runtime"];
}

interface ListDelta {
  readonly changed: readonly Named[];
  /** All names, in order. */
  readonly order: readonly string[];
}

interface RecordDelta {
  readonly changed: Readonly<Record<string, unknown>>;
  readonly removed: readonly string[];
}

export const EMPTY_SNAPSHOT: Snapshot = {
  version: 0,
  listeners: [],
  clusters: [],
  routeConfigurations: {},
  endpoints: {},
  extensionConfigs: {},
  secrets: {},
  runtime: {},
};

function listDelta(before: readonly Named[], after: readonly Named[]): ListDelta {
  const old = new Map(before.map((item) => [item.name, item]));
  return { changed: after.filter((item) => old.get(item.name) !== item), order: after.map((item) => item.name) };
}

function recordDelta(before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>): RecordDelta {
  const changed: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(after)) if (before[name] !== value) changed[name] = value;
  return { changed, removed: Object.keys(before).filter((name) => !Object.hasOwn(after, name)) };
}

export function diffSnapshots(before: Snapshot, after: Snapshot): SnapshotDelta {
  return {
    version: after.version,
    listeners: listDelta(before.listeners, after.listeners),
    clusters: listDelta(before.clusters, after.clusters),
    routeConfigurations: recordDelta(before.routeConfigurations, after.routeConfigurations),
    endpoints: recordDelta(before.endpoints, after.endpoints),
    extensionConfigs: recordDelta(before.extensionConfigs, after.extensionConfigs),
    secrets: recordDelta(before.secrets, after.secrets),
    runtime: after.runtime,
  };
}

// A worker that takes over ten thousand clusters at once does nothing else for a third of a second. So what is large goes in parts, one
// after the other as the worker asks for them, and takes effect with the last.

/** Some of what changed. */
export interface SnapshotPart {
  readonly clusters: readonly Named[];
  readonly endpoints: Readonly<Record<string, unknown>>;
  readonly routes: RoutesPart | undefined;
}

/** Some virtual hosts of one table. */
interface RoutesPart {
  readonly table: string;
  readonly virtualHosts: readonly VirtualHost[];
  /** The first has more routes of the last one before. */
  readonly isContinued: boolean;
}

/** Cloning so many clusters or assignments takes a worker a few milliseconds. */
const PART_ITEMS = 150;

/** A delta without what the parts hold. */
export function splitDelta(delta: SnapshotDelta): { readonly parts: readonly SnapshotPart[]; readonly rest: SnapshotDelta } {
  const clusters = delta.clusters.changed;
  const endpoints = Object.entries(delta.endpoints.changed);
  const tables = Object.values(delta.routeConfigurations.changed) as readonly RouteConfiguration[];
  const routes = tables.reduce((sum, table) => sum + countRoutes(table), 0);
  if (clusters.length + endpoints.length + routes <= PART_ITEMS) return { parts: [], rest: delta };
  const parts: SnapshotPart[] = [];
  const add = (part: Partial<SnapshotPart>): number => parts.push({ clusters: [], endpoints: {}, routes: undefined, ...part });
  for (let at = 0; at < clusters.length; at += PART_ITEMS) add({ clusters: clusters.slice(at, at + PART_ITEMS) });
  for (let at = 0; at < endpoints.length; at += PART_ITEMS) add({ endpoints: Object.fromEntries(endpoints.slice(at, at + PART_ITEMS)) });
  for (const table of tables) for (const part of splitTable(table)) add({ routes: part });
  const changed = Object.fromEntries(tables.map((table) => [table.name, { ...table, virtualHosts: [] }]));
  const rest = {
    ...delta,
    clusters: { ...delta.clusters, changed: [] },
    endpoints: { ...delta.endpoints, changed: {} },
    routeConfigurations: { ...delta.routeConfigurations, changed },
  };
  return { parts, rest };
}

function countRoutes(table: RouteConfiguration): number {
  return table.virtualHosts.reduce((sum, { routes }) => sum + routes.length + 1, 0);
}

function* splitTable({ name, virtualHosts }: RouteConfiguration): Generator<RoutesPart> {
  let hosts: VirtualHost[] = [];
  let room = PART_ITEMS;
  let isContinued = false;
  for (const host of virtualHosts) {
    let at = 0;
    do {
      const routes = host.routes.slice(at, at + room);
      hosts.push({ ...host, routes });
      at += routes.length;
      room -= routes.length + 1;
      if (room > 0) continue;
      yield { table: name, virtualHosts: hosts, isContinued };
      hosts = [];
      room = PART_ITEMS;
      isContinued = at < host.routes.length;
    } while (at < host.routes.length);
  }
  if (hosts.length > 0) yield { table: name, virtualHosts: hosts, isContinued };
}

/** The virtual hosts of each table, in order. */
function joinTables(parts: readonly SnapshotPart[]): ReadonlyMap<string, readonly VirtualHost[]> {
  const tables = new Map<string, VirtualHost[]>();
  for (const { routes } of parts) {
    if (routes === undefined) continue;
    const hosts = tables.get(routes.table) ?? [];
    tables.set(routes.table, hosts);
    const [first, ...others] = routes.virtualHosts;
    const last = hosts.at(-1);
    if (routes.isContinued && last !== undefined) hosts[hosts.length - 1] = { ...last, routes: [...last.routes, ...first.routes] };
    else hosts.push(first);
    hosts.push(...others);
  }
  return tables;
}

/** The delta that was split. */
export function joinDelta(rest: SnapshotDelta, parts: readonly SnapshotPart[]): SnapshotDelta {
  if (parts.length === 0) return rest;
  const changed: Record<string, unknown> = { ...rest.endpoints.changed };
  for (const part of parts) Object.assign(changed, part.endpoints);
  const tables: Record<string, unknown> = { ...rest.routeConfigurations.changed };
  for (const [name, virtualHosts] of joinTables(parts)) tables[name] = { ...(tables[name] as RouteConfiguration), virtualHosts };
  return {
    ...rest,
    clusters: { ...rest.clusters, changed: [...parts.flatMap((part) => part.clusters), ...rest.clusters.changed] },
    endpoints: { ...rest.endpoints, changed },
    routeConfigurations: { ...rest.routeConfigurations, changed: tables },
  };
}

function applyList<Item extends Named>(before: readonly Item[], delta: ListDelta): Item[] {
  const items = new Map<string, Named>(before.map((item) => [item.name, item]));
  for (const item of delta.changed) items.set(item.name, item);
  // The delta was made from items of this very type.
  return delta.order.map((name) => items.get(name) as Item);
}

function applyRecord<Value>(before: Readonly<Record<string, Value>>, delta: RecordDelta): Record<string, Value> {
  const out: Record<string, Value> = { ...before, ...(delta.changed as Record<string, Value>) };
  for (const name of delta.removed) delete out[name];
  return out;
}

export function applyDelta(before: Snapshot, delta: SnapshotDelta): Snapshot {
  return {
    version: delta.version,
    listeners: applyList(before.listeners, delta.listeners),
    clusters: applyList(before.clusters, delta.clusters),
    routeConfigurations: applyRecord(before.routeConfigurations, delta.routeConfigurations),
    endpoints: applyRecord(before.endpoints, delta.endpoints),
    extensionConfigs: applyRecord(before.extensionConfigs, delta.extensionConfigs),
    secrets: applyRecord(before.secrets, delta.secrets),
    runtime: delta.runtime,
  };
}
