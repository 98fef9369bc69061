// What the peers of a stream or connection said of themselves, where filters of one chain leave it for one another: the filter state
// under Istio's names, which logs and modules read, and the object itself for the metrics.
import type { ConnectionInfo } from "../../net/connection-info.ts";
import type { StreamInfo } from "../../http/stream-info.ts";
import { describeWorkload, type Workload } from "../../net/workload.ts";

export const DOWNSTREAM_PEER = "downstream_peer";
export const UPSTREAM_PEER = "upstream_peer";

interface Peers {
  downstream: Workload | undefined;
  upstream: Workload | undefined;
}

const known = new WeakMap<StreamInfo | ConnectionInfo, Peers>();

export function peersOf(owner: StreamInfo | ConnectionInfo): Readonly<Peers> | undefined {
  return known.get(owner);
}

/** The first who says it is believed, as with filter state that may not be replaced. */
export function setPeer(owner: StreamInfo | ConnectionInfo, side: keyof Peers, workload: Workload): boolean {
  let peers = known.get(owner);
  if (peers === undefined) {
    peers = { downstream: undefined, upstream: undefined };
    known.set(owner, peers);
  }
  if (peers[side] !== undefined) return false;
  peers[side] = workload;
  return true;
}

export function setStreamPeer(info: StreamInfo, side: keyof Peers, workload: Workload): void {
  if (!setPeer(info, side, workload)) return;
  info.filterState ??= new Map();
  info.filterState.set(side === "downstream" ? DOWNSTREAM_PEER : UPSTREAM_PEER, Buffer.from(describeWorkload(workload)));
}
