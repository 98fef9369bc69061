// envoy.filters.network.sni_cluster: the server name of TLS names the cluster of the TCP proxy.
import type { StreamInfo } from "../../http/stream-info.ts";
import { FilterStatus, type NetworkFilter, type NetworkFilterCallbacks } from "../../net/network-filter.ts";
import type { NetworkFilterFactory } from "./network-filter-factory.ts";
import { CLUSTER_KEY } from "./tcp-proxy.ts";

export class SniClusterFactory implements NetworkFilterFactory {
  createFilter(_callbacks: NetworkFilterCallbacks, info: StreamInfo): NetworkFilter {
    return {
      onNewConnection() {
        const name = info.connection.requestedServerName;
        if (name !== "") {
          info.filterState ??= new Map();
          info.filterState.set(CLUSTER_KEY, Buffer.from(name, "latin1"));
        }
        return FilterStatus.Continue;
      },
      onData: () => FilterStatus.Continue,
      onClose() {},
    };
  }

  close(): void {}
}
