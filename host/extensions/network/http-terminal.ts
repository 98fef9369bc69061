// envoy.filters.network.http_connection_manager behind other network filters: the connection manager as the terminal filter of a
// chain. Alone in its chain it has the connection to itself (network-chain.ts).
import type { BodyBuffer } from "../../base/body-buffer.ts";
import type { ConnectionManager } from "../../http/conn-manager.ts";
import type { StreamInfo } from "../../http/stream-info.ts";
import { FilterStatus, type NetworkFilter, type NetworkFilterCallbacks } from "../../net/network-filter.ts";
import type { HttpConnectionManagerFactory } from "../http-connection-manager.ts";
import type { NetworkFilterFactory } from "./network-filter-factory.ts";

export class HttpTerminalFactory implements NetworkFilterFactory {
  readonly manager: HttpConnectionManagerFactory;

  constructor(manager: HttpConnectionManagerFactory) {
    this.manager = manager;
  }

  createFilter(callbacks: NetworkFilterCallbacks, info: StreamInfo): NetworkFilter {
    return new HttpTerminal(this.manager, callbacks, info);
  }

  close(): void {
    this.manager.close();
  }
}

class HttpTerminal implements NetworkFilter {
  private readonly factory: HttpConnectionManagerFactory;
  private readonly callbacks: NetworkFilterCallbacks;
  private readonly info: StreamInfo;
  private manager: ConnectionManager | undefined = undefined;

  constructor(factory: HttpConnectionManagerFactory, callbacks: NetworkFilterCallbacks, info: StreamInfo) {
    this.factory = factory;
    this.callbacks = callbacks;
    this.info = info;
    // A client that has sent its request may close its side: the connection manager decides what that means.
    callbacks.enableHalfClose();
  }

  onNewConnection(): FilterStatus {
    this.manager = this.factory.accept(this.callbacks.connection, this.info.connection, () => {});
    this.callbacks.takeEvents();
    return FilterStatus.Continue;
  }

  onData(data: BodyBuffer, endStream: boolean): FilterStatus {
    for (const slice of data.takeSlices()) this.manager?.onData(asBuffer(slice));
    if (endStream) this.manager?.onEnd();
    return FilterStatus.StopIteration;
  }

  onClose(_event: unknown, _reset: boolean, error: string): void {
    this.manager?.onClose(error);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.manager?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.manager?.onBelowWriteBufferLowWatermark();
  }

  drain(now: boolean): void {
    this.manager?.drain(now);
  }
}

function asBuffer(slice: Uint8Array): Buffer {
  return Buffer.isBuffer(slice) ? slice : Buffer.from(slice.buffer, slice.byteOffset, slice.length);
}
