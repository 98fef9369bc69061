// Structured clone makes new objects of everything it copies. So the main thread posts what changed, and the worker puts it into
// what it has: a resource that did not change stays the same object there, which is how the data plane knows.
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
}

/** Cloning so many clusters or assignments takes a worker a few milliseconds. */
const PART_ITEMS = 150;

/** A delta without what the parts hold. */
export function splitDelta(delta: SnapshotDelta): { readonly parts: readonly SnapshotPart[]; readonly rest: SnapshotDelta } {
  const clusters = delta.clusters.changed;
  const endpoints = Object.entries(delta.endpoints.changed);
  if (clusters.length + endpoints.length <= PART_ITEMS) return { parts: [], rest: delta };
  const parts: SnapshotPart[] = [];
  for (let at = 0; at < clusters.length; at += PART_ITEMS) parts.push({ clusters: clusters.slice(at, at + PART_ITEMS), endpoints: {} });
  for (let at = 0; at < endpoints.length; at += PART_ITEMS)
    parts.push({ clusters: [], endpoints: Object.fromEntries(endpoints.slice(at, at + PART_ITEMS)) });
  return { parts, rest: { ...delta, clusters: { ...delta.clusters, changed: [] }, endpoints: { ...delta.endpoints, changed: {} } } };
}

/** The delta that was split. */
export function joinDelta(rest: SnapshotDelta, parts: readonly SnapshotPart[]): SnapshotDelta {
  if (parts.length === 0) return rest;
  const changed: Record<string, unknown> = { ...rest.endpoints.changed };
  for (const part of parts) Object.assign(changed, part.endpoints);
  return {
    ...rest,
    clusters: { ...rest.clusters, changed: [...parts.flatMap((part) => part.clusters), ...rest.clusters.changed] },
    endpoints: { ...rest.endpoints, changed },
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
