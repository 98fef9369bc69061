// What a row of the table of network filters makes: one a filter chain and worker.
import type { StreamInfo } from "../../http/stream-info.ts";
import type { NetworkFilter, NetworkFilterCallbacks } from "../../net/network-filter.ts";

export interface NetworkFilterFactory {
  /** Undefined: this connection does without (a plugin that fails open). */
  createFilter(callbacks: NetworkFilterCallbacks, info: StreamInfo): NetworkFilter | undefined;
  /** The chain is gone, and its last connection too. */
  close(): void;
}
