// A filter chain as its listener knows it: compiled once a worker, accepts connections. A connection manager that is alone gets the
// connection itself; any other chain is walked by net/filter-manager.ts.
import type { FilterChain } from "../config/listener.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { StreamInfo } from "../http/stream-info.ts";
import type { Connection } from "../net/connection.ts";
import type { ConnectionInfo } from "../net/connection-info.ts";
import { FilterManager } from "../net/filter-manager.ts";
import type { ActiveConnection, ChainFactory } from "../net/listener.ts";
import { HttpConnectionManagerFactory } from "./http-connection-manager.ts";
import { HttpTerminalFactory } from "./network/http-terminal.ts";
import type { NetworkFilterFactory } from "./network/network-filter-factory.ts";
import { type ChainContext, createNetworkFilter } from "./network-filters.ts";

export interface FilterChainFactory extends ChainFactory {
  /** Takes over what can change without touching a connection: routes and HTTP filters. `chain` is equal but for those. */
  applyChain(chain: FilterChain, snapshot: Snapshot): void;
}

export function createFilterChain(place: ChainContext): FilterChainFactory {
  const { chain, listener, ctx, dates } = place;
  const [first] = chain.networkFilters;
  if (chain.networkFilters.length === 1 && first.kind === "http_connection_manager") {
    return new HttpConnectionManagerFactory(first.config, chain, listener, ctx, dates);
  }
  return new NetworkChainFactory(place);
}

class NetworkChainFactory implements FilterChainFactory {
  private readonly place: ChainContext;
  private readonly filters: readonly NetworkFilterFactory[];
  private readonly http: HttpConnectionManagerFactory | undefined;
  private isClosed = false;

  constructor(place: ChainContext) {
    this.place = place;
    this.filters = place.chain.networkFilters.map((filter) => createNetworkFilter(filter, place));
    const terminal = this.filters.at(-1);
    this.http = terminal instanceof HttpTerminalFactory ? terminal.manager : undefined;
  }

  applyChain(chain: FilterChain, snapshot: Snapshot): void {
    this.http?.applyChain(chain, snapshot);
  }

  accept(connection: Connection, info: ConnectionInfo, onGone: (connection: ActiveConnection) => void): ActiveConnection {
    const { clock } = this.place.ctx;
    const stream = new StreamInfo(info);
    stream.startTimeMs = clock.wallMs();
    stream.startMonotonic = clock.now;
    const manager = new FilterManager(connection, stream, onGone);
    manager.start(this.filters);
    return manager;
  }

  setDraining(): void {
    this.http?.setDraining();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const filter of this.filters) filter.close();
  }
}
