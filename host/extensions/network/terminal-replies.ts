// Terminal filters that answer by themselves: envoy.filters.network.direct_response and envoy.filters.network.echo.
import type { BodyBuffer } from "../../base/body-buffer.ts";
import type { StreamInfo } from "../../http/stream-info.ts";
import { FilterStatus, type NetworkFilter, type NetworkFilterCallbacks } from "../../net/network-filter.ts";
import type { NetworkFilterFactory } from "./network-filter-factory.ts";

const NO_BYTES = new Uint8Array(0);

/** Sends the same bytes to everyone and closes. */
export class DirectResponseFactory implements NetworkFilterFactory {
  private readonly response: Uint8Array;

  constructor(response: Uint8Array) {
    this.response = response;
  }

  createFilter(callbacks: NetworkFilterCallbacks, info: StreamInfo): NetworkFilter {
    const { response } = this;
    return {
      onNewConnection() {
        info.responseCodeDetails = "direct_response";
        if (response.length > 0) callbacks.write(response, false);
        callbacks.close("FlushWrite");
        return FilterStatus.StopIteration;
      },
      onData: () => FilterStatus.StopIteration,
      onClose() {},
    };
  }

  close(): void {}
}

/** Sends back what it gets, and reads no more than the client takes. */
class EchoFilter implements NetworkFilter {
  private readonly callbacks: NetworkFilterCallbacks;

  constructor(callbacks: NetworkFilterCallbacks) {
    this.callbacks = callbacks;
  }

  onNewConnection(): FilterStatus {
    return FilterStatus.Continue;
  }

  onData(data: BodyBuffer, endStream: boolean): FilterStatus {
    for (const slice of data.takeSlices()) this.callbacks.write(slice, false);
    if (endStream) this.callbacks.write(NO_BYTES, true);
    return FilterStatus.StopIteration;
  }

  onClose(): void {}

  onAboveWriteBufferHighWatermark(): void {
    this.callbacks.connection.readDisable(true);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.callbacks.connection.readDisable(false);
  }
}

export class EchoFactory implements NetworkFilterFactory {
  createFilter(callbacks: NetworkFilterCallbacks): NetworkFilter {
    return new EchoFilter(callbacks);
  }

  close(): void {}
}
