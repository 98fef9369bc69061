// One listener on one worker: its sockets, its filter chains, its connections. Receives the factory of a filter chain and names no
// filter. A changed configuration keeps the socket; connections of the old filter chains drain.
import { createServer, type Server, type Socket } from "node:net";
import type { FilterChain, Listener } from "../config/listener.ts";
import type { Counter, Gauge, Histogram, StatsStore } from "../stats/store.ts";
import { Connection, type ConnectionCallbacks, type ConnectionStats, type Flusher } from "./connection.ts";
import type { ConnectionInfo } from "./connection-info.ts";
import { type ConnectionFacts, FilterChainMatcher } from "./filter-chain-match.ts";
import { listenShared } from "./reuse-port.ts";
import { acceptReader } from "./socket-reader.ts";

/** A connection as its listener sees it: made by a filter chain, told to drain. */
export interface ActiveConnection {
  drain(now: boolean): void;
  destroy(): void;
  readonly idle: boolean;
}

/** The last network filter of a chain (the connection manager), compiled. */
export interface ChainFactory {
  accept(connection: Connection, info: ConnectionInfo, onGone: (connection: ActiveConnection) => void): ActiveConnection;
  /** New connections do not come any more: answers say "connection: close". */
  setDraining(): void;
  close(): void;
}

export interface ListenerContext {
  readonly flusher: Flusher;
  readonly stats: StatsStore;
  makeChain(chain: FilterChain, listener: Listener): ChainFactory;
  /** Equal for two chains whose connections need not be told apart. */
  chainKey(chain: FilterChain, listener: Listener): string;
  /** False when the global limit is reached. */
  admit(): boolean;
  release(): void;
  /** Counts connections of the whole worker. */
  nextConnectionId(): number;
}

class ListenerStats implements ConnectionStats {
  readonly cxTotal: Counter;
  readonly cxActive: Gauge;
  readonly cxDestroy: Counter;
  readonly cxOverflow: Counter;
  readonly globalCxOverflow: Counter;
  readonly noFilterChainMatch: Counter;
  readonly cxLengthMs: Histogram;

  constructor(store: StatsStore, prefix: string) {
    this.cxTotal = store.counter(`${prefix}downstream_cx_total`);
    this.cxActive = store.gauge(`${prefix}downstream_cx_active`);
    this.cxDestroy = store.counter(`${prefix}downstream_cx_destroy`);
    this.cxOverflow = store.counter(`${prefix}downstream_cx_overflow`);
    this.globalCxOverflow = store.counter(`${prefix}downstream_global_cx_overflow`);
    this.noFilterChainMatch = store.counter(`${prefix}no_filter_chain_match`);
    this.cxLengthMs = store.histogram(`${prefix}downstream_cx_length_ms`);
  }

  // Bytes are counted by the connection manager, under its own prefix.
  received(): void {}
  sent(): void {}
}

/** "127.0.0.1:10000" → "127.0.0.1_10000": how Envoy writes an address into a stat name. */
export function listenerStatPrefix(listener: Listener): string {
  const address = listener.addresses[0];
  const text =
    address.kind === "pipe"
      ? address.path
      : address.address.includes(":")
        ? `[${address.address}]_${address.port}`
        : `${address.address}_${address.port}`;
  return `listener.${listener.statPrefix || text.replaceAll(":", "_")}.`;
}

const noCallbacks: ConnectionCallbacks = {
  onData() {},
  onEnd() {},
  onClose() {},
  onAboveWriteBufferHighWatermark() {},
  onBelowWriteBufferLowWatermark() {},
};

export class ActiveListener {
  config: Listener;
  private readonly ctx: ListenerContext;
  private readonly stats: ListenerStats;
  private servers: Server[] = [];
  private chains = new Map<FilterChain, ChainFactory>();
  private matcher: FilterChainMatcher;
  private readonly connections = new Map<ActiveConnection, ChainFactory>();

  constructor(config: Listener, ctx: ListenerContext) {
    this.config = config;
    this.ctx = ctx;
    this.stats = new ListenerStats(ctx.stats, listenerStatPrefix(config));
    this.matcher = this.compile(config);
  }

  /** Chains that are equal but for what can be replaced in place (routes, HTTP filters) keep their factory and connections. */
  private compile(config: Listener): FilterChainMatcher {
    const chains = new Map<FilterChain, ChainFactory>();
    const all = config.defaultFilterChain === undefined ? config.filterChains : [...config.filterChains, config.defaultFilterChain];
    const old = new Map<string, ChainFactory>();
    for (const [chain, factory] of this.chains) old.set(this.ctx.chainKey(chain, this.config), factory);
    for (const chain of all) {
      const key = this.ctx.chainKey(chain, config);
      const kept = old.get(key);
      old.delete(key);
      chains.set(chain, kept ?? this.ctx.makeChain(chain, config));
    }
    this.chains = chains;
    return new FilterChainMatcher(config.filterChains, config.defaultFilterChain);
  }

  async listen(): Promise<void> {
    for (const address of this.config.addresses) {
      const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => this.accept(socket));
      if (address.kind === "pipe") {
        await new Promise<void>((resolve, reject) => {
          server.once("error", reject);
          server.listen({ path: address.path, backlog: this.config.tcpBacklogSize }, () => resolve());
        });
      } else await listenShared(server, { address: address.address, port: address.port, backlog: this.config.tcpBacklogSize });
      this.servers.push(server);
    }
  }

  /** Takes over a configuration with the same addresses; chains that stay (the same objects) keep their connections. */
  update(config: Listener): void {
    const old = this.chains;
    this.matcher = this.compile(config);
    this.config = config;
    const kept = new Set(this.chains.values());
    for (const factory of old.values()) {
      if (kept.has(factory)) continue;
      factory.setDraining();
      this.drainConnections(factory, false);
      this.closeChainWhenUnused(factory);
    }
  }

  private readonly unused = new Set<ChainFactory>();

  private closeChainWhenUnused(factory: ChainFactory): void {
    for (const used of this.connections.values()) {
      if (used === factory) {
        this.unused.add(factory);
        return;
      }
    }
    this.unused.delete(factory);
    factory.close();
  }

  private drainConnections(factory: ChainFactory | undefined, now: boolean): void {
    for (const [connection, owner] of [...this.connections]) if (factory === undefined || owner === factory) connection.drain(now);
  }

  private accept(socket: Socket): void {
    const stats = this.stats;
    const refuse = (counter: Counter): void => {
      counter.inc();
      socket.on("error", () => {}); // the peer may have gone already: nothing is left to report
      socket.destroy();
    };
    if (this.config.maxConnections > 0 && this.connections.size >= this.config.maxConnections) {
      refuse(stats.cxOverflow);
      return;
    }
    if (!this.ctx.admit()) {
      refuse(stats.globalCxOverflow);
      return;
    }
    const facts = factsOf(socket);
    const chain = facts === undefined ? undefined : this.matcher.find(facts);
    const factory = chain === undefined ? undefined : this.chains.get(chain);
    if (facts === undefined || chain === undefined || factory === undefined) {
      this.ctx.release();
      refuse(stats.noFilterChainMatch);
      return;
    }
    const flusher = this.ctx.flusher;
    flusher.enter();
    const openedAt = flusher.clock.now;
    stats.cxTotal.inc();
    stats.cxActive.inc();
    const connection = new Connection(acceptReader(socket), flusher, this.config.perConnectionBufferLimitBytes, stats, noCallbacks);
    const active = factory.accept(connection, this.connectionInfo(facts, chain), (gone) => {
      this.connections.delete(gone);
      this.ctx.release();
      stats.cxActive.dec();
      stats.cxDestroy.inc();
      stats.cxLengthMs.record(Math.floor(flusher.clock.now - openedAt));
      if (this.unused.has(factory)) this.closeChainWhenUnused(factory);
    });
    this.connections.set(active, factory);
    flusher.leave();
  }

  private connectionInfo(facts: ConnectionFacts, chain: FilterChain): ConnectionInfo {
    const join = (ip: string, port: number): string => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);
    return {
      connectionId: this.ctx.nextConnectionId(),
      remoteAddress: join(facts.remoteIp, facts.remotePort),
      remoteIp: facts.remoteIp,
      remotePort: facts.remotePort,
      localAddress: join(facts.localIp, facts.localPort),
      localIp: facts.localIp,
      localPort: facts.localPort,
      requestedServerName: "",
      tlsVersion: "",
      mtls: false,
      direction: this.config.trafficDirection === "INBOUND" ? 1 : this.config.trafficDirection === "OUTBOUND" ? 2 : 0,
      listenerName: this.config.name,
      filterChainName: chain.name,
      listenerMetadata: this.config.metadata,
    };
  }

  /** The chains in force with their configuration. */
  get activeChains(): ReadonlyMap<FilterChain, ChainFactory> {
    return this.chains;
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  /** Accepts nothing more; requests in progress finish, each answer closes its connection. */
  stopAccepting(): void {
    for (const server of this.servers) server.close();
    this.servers = [];
    for (const factory of this.chains.values()) factory.setDraining();
    this.drainConnections(undefined, false);
  }

  /** Closes what has no request in progress. */
  closeIdle(): void {
    this.drainConnections(undefined, true);
  }

  destroy(): void {
    for (const connection of [...this.connections.keys()]) connection.destroy();
    for (const factory of this.chains.values()) factory.close();
  }
}

function plainIp(ip: string): string {
  return ip.startsWith("::ffff:") ? ip.slice(7) : ip;
}

function factsOf(socket: Socket): ConnectionFacts | undefined {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  if (localAddress === undefined) {
    // A pipe has no IP addresses; a TCP socket whose peer is gone already has lost them.
    return socket.remoteFamily === undefined && localPort === undefined && !socket.destroyed
      ? {
          localIp: "",
          localPort: 0,
          remoteIp: "",
          remotePort: 0,
          serverName: "",
          transportProtocol: "raw_buffer",
          applicationProtocols: [],
        }
      : undefined;
  }
  if (remoteAddress === undefined || remotePort === undefined || localPort === undefined) return undefined;
  return {
    localIp: plainIp(localAddress),
    localPort,
    remoteIp: plainIp(remoteAddress),
    remotePort,
    serverName: "",
    transportProtocol: "raw_buffer",
    applicationProtocols: [],
  };
}
