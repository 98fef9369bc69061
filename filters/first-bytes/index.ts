// Chooses the cluster of a TCP connection by what the client sends first. README.md has the schema.

export * from "sluice/sdk/core";
export { proxy_on_downstream_data, proxy_on_new_connection } from "sluice/sdk/exports";

import { ByteString, FilterStatus, JsonDocument, registerRootContext, RootContext, setEnvoyFilterState, TcpContext } from "sluice/sdk";
import { FirstBytesConfig } from "./config";

class FirstBytesRoot extends RootContext {
  config: FirstBytesConfig | null = null;

  override onConfigure(configurationSize: u32): bool {
    const document = JsonDocument.parseBytes(this.configuration());
    const config = new FirstBytesConfig(document.root);
    if (!document.accepted("first-bytes")) return false;
    this.config = config;
    return true;
  }

  override createTcpContext(id: u32): TcpContext | null {
    return new FirstBytes(id, this);
  }
}

class FirstBytes extends TcpContext {
  private isDecided: bool = false;

  /** The TCP proxy behind must not choose before the bytes are here. */
  override onNewConnection(): FilterStatus {
    return FilterStatus.StopIteration;
  }

  override onDownstreamData(size: usize, endOfStream: bool): FilterStatus {
    const config = (this.root as FirstBytesRoot).config;
    if (this.isDecided || config == null) return FilterStatus.Continue;
    const bytes = this.downstreamData.get(0, config.longest);
    const route = config.find(bytes);
    if (route == null && !endOfStream && config.mayFit(bytes)) return FilterStatus.StopIteration;
    this.isDecided = true;
    if (route != null) return this.send(route.cluster);
    if (config.fallback.length > 0) return this.send(config.fallback);
    if (config.closesUnknown) {
      this.close();
      return FilterStatus.StopIteration;
    }
    return FilterStatus.Continue;
  }

  private send(cluster: ByteString): FilterStatus {
    if (setEnvoyFilterState("envoy.tcp_proxy.cluster", cluster)) return FilterStatus.Continue;
    // Elsewhere than it belongs is worse than nowhere.
    this.close();
    return FilterStatus.StopIteration;
  }
}

registerRootContext((id: u32): RootContext => new FirstBytesRoot(id));
