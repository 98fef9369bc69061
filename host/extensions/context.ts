// What an extension gets to work with on a worker.
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Random } from "../base/system.ts";
import type { NetworkLocalRateLimit } from "../config/network-filter.ts";
import type { PluginConfig } from "../config/plugin.ts";
import type { RouteConfiguration } from "../config/route.ts";
import type { RouteTable } from "../http/conn-manager-config.ts";
import type { Node } from "../config/snapshot.ts";
import type { StreamFilterFactory } from "../http/filter.ts";
import type { PeerExchange } from "../net/peer-exchange.ts";
import type { RuntimeReader } from "../router/matchers.ts";
import type { StatsStore } from "../stats/store.ts";
import type { ClusterManager } from "../upstream/cluster-manager.ts";
import type { LogFiles } from "./log-file.ts";
import type { TokenBucket } from "./network/local-ratelimit.ts";
import type { NetworkFilterFactory } from "./network/network-filter-factory.ts";

export interface ExtensionContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatsStore;
  readonly clusters: ClusterManager;
  readonly runtime: RuntimeReader;
  readonly logger: Logger;
  readonly logFiles: LogFiles;
  /** Who this proxy is, for filters that tell peers. */
  readonly node: Node;
  readonly peerExchange: PeerExchange;
  /** The proxy's own address (Envoy's local_info address). */
  readonly localIp: string;
  /** Compiled route tables are shared by all connection managers that use the same configuration. */
  routeTable(config: RouteConfiguration): RouteTable;
  /** A filter of this plugin; the plugin's VM is shared and counted. */
  wasmFilter(filterName: string, plugin: PluginConfig, direction: number): StreamFilterFactory;
  wasmNetworkFilter(filterName: string, plugin: PluginConfig, direction: number): NetworkFilterFactory;
  /** The bucket of a share_key, or a new one. */
  tokenBucket(config: NetworkLocalRateLimit): TokenBucket;
}
