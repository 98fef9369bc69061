// The client's side of the TCP exchange of Istio's peers (istio.metadata_exchange in Cluster.filters): a frame goes out before the
// first bytes, the server's is taken out of what comes. net/peer-exchange.ts has the frames.
import { BodyBuffer } from "../base/body-buffer.ts";
import { type PeerExchange, readPeerFrame } from "../net/peer-exchange.ts";
import type { Workload } from "../net/workload.ts";

const NOTHING = new Uint8Array(0);

/** undefined: more is needed. */
export type ExchangeEnd = { readonly rest: Uint8Array; readonly workload: Workload | undefined; readonly isRefused: boolean };

export class UpstreamExchange {
  private readonly exchange: PeerExchange;
  private readonly held = new BodyBuffer();

  constructor(exchange: PeerExchange) {
    this.exchange = exchange;
  }

  /** `endStream`: nothing follows, and what there is was no frame. */
  push(data: Uint8Array, endStream: boolean): ExchangeEnd | undefined {
    this.held.append(data);
    const frame = readPeerFrame(this.held.bytes());
    if (frame.kind === "more" && !endStream) return undefined;
    this.exchange.count(frame.kind === "more" ? { kind: "none" } : frame);
    const isRefused = frame.kind === "too_long";
    if (frame.kind !== "frame") return { rest: this.held.bytes(), workload: undefined, isRefused };
    this.held.splice(0, frame.size, NOTHING);
    return { rest: this.held.bytes(), workload: frame.workload, isRefused };
  }
}
