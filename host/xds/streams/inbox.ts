// What waits for a watcher that is still busy with the update before: everything merged into one, so that a server which sends faster
// than its client reads costs the memory of the newest state and no more. Each response keeps its nonce, as each gets its answer.
import type { ReceivedResource } from "./messages.ts";

/** One response in a merged update. */
export interface Arrival {
  readonly nonce: string;
  readonly versionInfo: string;
  /** The stream that it came on; an answer on another one would mean nothing. */
  readonly stream: number;
  /** The keys of its resources that no later response replaced. */
  readonly keys: Set<string>;
}

export interface Delivery {
  versionInfo: string;
  isWholeState: boolean;
  /** By name; those without one by their place. */
  readonly resources: Map<string, ReceivedResource>;
  readonly removed: Set<string>;
  readonly arrivals: Arrival[];
  bytes: number;
}

export function newDelivery(versionInfo: string, isWholeState: boolean): Delivery {
  return { versionInfo, isWholeState, resources: new Map(), removed: new Set(), arrivals: [], bytes: 0 };
}

/** Adds one response; `older` then stands for both. */
export function merge(older: Delivery, newer: Delivery): void {
  if (newer.isWholeState) {
    older.resources.clear();
    older.removed.clear();
    older.bytes = 0;
    older.isWholeState = true;
    for (const arrival of older.arrivals) arrival.keys.clear();
  }
  for (const name of newer.removed) {
    dropResource(older, name);
    older.removed.add(name);
  }
  for (const [key, resource] of newer.resources) {
    dropResource(older, key);
    older.removed.delete(key);
    older.resources.set(key, resource);
  }
  older.bytes += newer.bytes;
  older.arrivals.push(...newer.arrivals);
  // What runs out has no version of its own.
  if (newer.arrivals.length > 0) older.versionInfo = newer.versionInfo;
}

function dropResource(delivery: Delivery, key: string): void {
  const resource = delivery.resources.get(key);
  if (resource === undefined) return;
  delivery.resources.delete(key);
  delivery.bytes -= resource.bytes?.length ?? 0;
  for (const arrival of delivery.arrivals) arrival.keys.delete(key);
}
