// envoy.filters.network.http_connection_manager: a filter chain that ends in HTTP. Compiles the configuration once a worker and
// makes a ConnectionManager for each connection; routes and filters are replaced in place.
import type { FilterChain, HttpConnectionManager, Listener } from "../config/listener.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { type CodecFactory, ConnectionManager } from "../http/conn-manager.ts";
import type { ConnManagerConfig, DateCache } from "../http/conn-manager-config.ts";
import { ConnManagerStats } from "../http/conn-manager-stats.ts";
import type { StreamFilterFactory } from "../http/filter.ts";
import { CidrSet } from "../net/cidr.ts";
import type { Connection } from "../net/connection.ts";
import type { ConnectionInfo } from "../net/connection-info.ts";
import type { ActiveConnection, ChainFactory } from "../net/listener.ts";
import { listenerStatPrefix } from "../net/listener-stats.ts";
import { RouterStats } from "../router/router-stats.ts";
import { AccessLogs } from "./access-loggers.ts";
import type { ExtensionContext } from "./context.ts";
import { createHttpFilters, type FilterSlot } from "./http-filters.ts";
import { serverCodecs } from "./server-codecs.ts";
import { compileLocalReply } from "./local-reply.ts";

export class HttpConnectionManagerFactory implements ChainFactory {
  private readonly ctx: ExtensionContext;
  private readonly filterCtx: { readonly statPrefix: string; readonly routerStats: RouterStats; readonly listener: Listener };
  private readonly accessLogs: AccessLogs;
  private readonly compiled: ConnManagerConfig;
  private readonly codecs: CodecFactory;
  private config: HttpConnectionManager;
  private filters: FilterSlot[] = [];
  private closed = false;

  constructor(config: HttpConnectionManager, chain: FilterChain, listener: Listener, ctx: ExtensionContext, dates: DateCache) {
    this.ctx = ctx;
    this.config = config;
    this.filterCtx = { statPrefix: config.statPrefix, routerStats: new RouterStats(ctx.stats, config.statPrefix), listener };
    this.codecs = serverCodecs(ctx.stats);
    this.accessLogs = new AccessLogs(config.accessLogs, ctx);
    this.compiled = {
      config,
      stats: new ConnManagerStats(ctx.stats, config.statPrefix, listenerStatPrefix(listener)),
      clock: ctx.clock,
      random: ctx.random,
      internal: new CidrSet(config.internalCidrs),
      accessLogs: this.accessLogs.loggers,
      localReply: config.localReply === undefined ? undefined : compileLocalReply(config.localReply, ctx.random, ctx.runtime),
      localIp: ctx.localIp,
      filters: [],
      routes: undefined,
      draining: false,
      date: () => dates.get(),
    };
    void chain;
  }

  /** Takes over what the snapshot says about routes and filters; unchanged parts (the same objects) are kept. */
  apply(config: HttpConnectionManager, snapshot: Snapshot): void {
    this.config = config;
    const wanted = config.routes.kind === "inline" ? config.routes.config : snapshot.routeConfigurations[config.routes.routeConfigName];
    if (wanted !== undefined) this.compiled.routes = this.ctx.routeTable(wanted);
    const next = createHttpFilters(config.httpFilters, snapshot, this.filters, this.filterCtx, this.ctx);
    const kept = new Set(next.map((slot) => slot.factory));
    const old = this.filters;
    this.filters = next;
    this.compiled.filters = next.map((slot) => slot.factory).filter((factory): factory is StreamFilterFactory => factory !== undefined);
    for (const slot of old) if (slot.factory !== undefined && !kept.has(slot.factory)) slot.factory.close();
  }

  applyChain(chain: FilterChain, snapshot: Snapshot): void {
    const terminal = chain.networkFilters.at(-1);
    if (terminal?.kind === "http_connection_manager") this.apply(terminal.config, snapshot);
  }

  get statPrefix(): string {
    return this.config.statPrefix;
  }

  accept(connection: Connection, info: ConnectionInfo, onGone: (connection: ActiveConnection) => void): ConnectionManager {
    return new ConnectionManager(connection, info, this.compiled, this.codecs, onGone);
  }

  setDraining(): void {
    this.compiled.draining = true;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const slot of this.filters) slot.factory?.close();
    this.accessLogs.close();
  }
}
