// istio.metadata_exchange as a network filter: the server's side of the TCP exchange. Its own frame goes out with the client's first
// bytes; the client's is taken out of them before other filters see them. net/peer-exchange.ts has the frames.
import type { MetadataExchangeConfig } from "../../config/network-filter.ts";
import type { StreamInfo } from "../../http/stream-info.ts";
import { FilterStatus, type NetworkFilter, type NetworkFilterCallbacks } from "../../net/network-filter.ts";
import { type PeerExchange, readPeerFrame } from "../../net/peer-exchange.ts";
import type { BodyBuffer } from "../../base/body-buffer.ts";
import type { NetworkFilterFactory } from "../network/network-filter-factory.ts";
import { setStreamPeer } from "./peers.ts";

const NOTHING = new Uint8Array(0);

export class MetadataExchangeFactory implements NetworkFilterFactory {
  readonly config: MetadataExchangeConfig;
  readonly exchange: PeerExchange;

  constructor(config: MetadataExchangeConfig, exchange: PeerExchange) {
    this.config = config;
    this.exchange = exchange;
  }

  createFilter(callbacks: NetworkFilterCallbacks, info: StreamInfo): NetworkFilter {
    return new MetadataExchangeFilter(this, callbacks, info);
  }

  close(): void {}
}

class MetadataExchangeFilter implements NetworkFilter {
  private readonly factory: MetadataExchangeFactory;
  private readonly callbacks: NetworkFilterCallbacks;
  private readonly info: StreamInfo;
  private hasSent = false;
  private isOver = false;

  constructor(factory: MetadataExchangeFactory, callbacks: NetworkFilterCallbacks, info: StreamInfo) {
    this.factory = factory;
    this.callbacks = callbacks;
    this.info = info;
  }

  onNewConnection(): FilterStatus {
    return FilterStatus.Continue;
  }

  onData(data: BodyBuffer, endStream: boolean): FilterStatus {
    if (this.isOver) return FilterStatus.Continue;
    if (!this.hasSent && !this.begin()) return FilterStatus.Continue;
    const frame = readPeerFrame(data.bytes());
    // What ends before it is a frame was none.
    if (frame.kind === "more" && !endStream) return FilterStatus.StopIteration;
    this.isOver = true;
    this.factory.exchange.count(frame.kind === "more" ? { kind: "none" } : frame);
    if (frame.kind === "too_long") {
      this.info.connectionTerminationDetails = "metadata_exchange_frame_too_long";
      this.callbacks.close("NoFlush");
      return FilterStatus.StopIteration;
    }
    if (frame.kind !== "frame") return FilterStatus.Continue;
    data.splice(0, frame.size, NOTHING);
    if (frame.workload !== undefined) setStreamPeer(this.info, "downstream", frame.workload);
    return data.length === 0 && !endStream ? FilterStatus.StopIteration : FilterStatus.Continue;
  }

  private begin(): boolean {
    const { config, exchange } = this.factory;
    if (this.info.connection.tls?.alpnProtocol !== config.protocol) {
      exchange.protocolNotFound.inc();
      this.isOver = true;
      return false;
    }
    exchange.protocolFound.inc();
    this.hasSent = true;
    this.callbacks.write(exchange.frame, false);
    return true;
  }

  onClose(): void {}
}
