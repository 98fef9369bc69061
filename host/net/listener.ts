// One listener on one worker: its sockets, its filter chains, its connections. Receives the factory of a filter chain and names no
// filter. A changed configuration keeps the socket; connections of the old filter chains drain.
import { createServer, type Server, type Socket } from "node:net";
import type { FilterChain, Listener } from "../config/listener.ts";
import { structuralKey } from "../config/structural-key.ts";
import type { Counter, StatsStore } from "../stats/store.ts";
import { Connection, type ConnectionCallbacks } from "./connection.ts";
import type { Flusher } from "./flusher.ts";
import type { ConnectionInfo } from "./connection-info.ts";
import { type AcceptedFacts, factsOf } from "./accepted-facts.ts";
import { type AcceptFailure, type AcceptOwner, AcceptedSocket } from "./accepted-socket.ts";
import { DownstreamTls } from "./downstream-tls.ts";
import { FilterChainMatcher } from "./filter-chain-match.ts";
import type { ListenerFilter } from "./listener-filters/filter.ts";
import { createListenerFilters } from "./listener-filters/index.ts";
import { loadOriginalDst } from "./listener-filters/original-dst.ts";
import { ListenerStats, listenerStatPrefix } from "./listener-stats.ts";
import { listenShared } from "./reuse-port.ts";
import { acceptReader, type SocketReader, type TlsReader } from "./socket-reader.ts";
import type { Secrets } from "./tls-context.ts";
import type { TlsInfo } from "./tls-info.ts";

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
  readonly secrets: Secrets;
  runtime(key: string): number | string | boolean | undefined;
  wallMs(): number;
  /** The listener of a restored destination; undefined: none. */
  listenerAt(ip: string, port: number): ActiveListener | undefined;
}

const noCallbacks: ConnectionCallbacks = {
  onData() {},
  onEnd() {},
  onClose() {},
  onAboveWriteBufferHighWatermark() {},
  onBelowWriteBufferLowWatermark() {},
};

/** A client that does not shake hands within this time is a burden only; Envoy waits for ever unless transport_socket_connect_timeout is set. */
const DEFAULT_HANDSHAKE_TIMEOUT_MS = 15_000;

const NO_BYTES = Buffer.alloc(0);

function refuse(socket: Socket, counter: Counter): void {
  counter.inc();
  socket.on("error", () => {}); // the peer may have gone already: nothing is left to report
  socket.destroy();
}

export class ActiveListener implements AcceptOwner {
  config: Listener;
  private readonly ctx: ListenerContext;
  private readonly stats: ListenerStats;
  private servers: Server[] = [];
  private chains = new Map<FilterChain, ChainFactory>();
  private matcher: FilterChainMatcher;
  private readonly connections = new Map<ActiveConnection, ChainFactory>();
  private filters: readonly ListenerFilter[] = [];
  private filtersKey = "";
  /** Chains with TLS; one that stays keeps its context, and its sessions. */
  private tls = new Map<FilterChain, DownstreamTls>();
  private readonly accepting = new Set<AcceptedSocket>();

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
    this.compileTls(all, config);
    // Filters that stay keep what they count (a bucket of tokens).
    const filtersKey = structuralKey([config.listenerFilters, config.useOriginalDst]);
    if (filtersKey !== this.filtersKey) {
      this.filters = createListenerFilters(config, {
        stats: this.ctx.stats,
        clock: this.ctx.flusher.clock,
        runtime: (key) => this.ctx.runtime(key),
      });
      this.filtersKey = filtersKey;
    }
    return new FilterChainMatcher(config.filterChains, config.defaultFilterChain);
  }

  /** A chain of equal TLS settings keeps its context, so that a change of routes makes no new one. */
  private compileTls(chains: readonly FilterChain[], config: Listener): void {
    const old = new Map([...this.tls].map(([chain, tls]) => [structuralKey(chain.transportSocket), tls]));
    const next = new Map<FilterChain, DownstreamTls>();
    const prefix = listenerStatPrefix(config);
    for (const chain of chains) {
      if (chain.transportSocket.kind !== "tls") continue;
      const kept = old.get(structuralKey(chain.transportSocket));
      next.set(chain, kept ?? new DownstreamTls(chain.transportSocket, this.ctx.stats, prefix, () => this.ctx.wallMs()));
    }
    this.tls = next;
    this.updateSecrets(this.ctx.secrets);
  }

  /** New connections are served with these. */
  updateSecrets(secrets: Secrets): void {
    for (const tls of this.tls.values()) tls.update(secrets);
  }

  async listen(): Promise<void> {
    if (this.filters.some((filter) => filter.asksKernel === true)) await loadOriginalDst();
    if (!this.config.bindToPort) return;
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
    if (this.config.maxConnections > 0 && this.connections.size + this.accepting.size >= this.config.maxConnections) {
      refuse(socket, stats.cxOverflow);
      return;
    }
    if (!this.ctx.admit()) {
      refuse(socket, stats.globalCxOverflow);
      return;
    }
    const facts = factsOf(socket);
    if (facts === undefined) {
      this.ctx.release();
      refuse(socket, stats.noFilterChainMatch);
      return;
    }
    this.ctx.flusher.enter();
    this.begin(new AcceptedSocket(socket, facts, this.ctx.flusher.clock, this));
    this.ctx.flusher.leave();
  }

  private begin(accepted: AcceptedSocket): void {
    if (this.filters.length === 0) {
      this.choose(accepted);
      return;
    }
    this.accepting.add(accepted);
    this.stats.preCxActive.inc();
    accepted.runFilters(this.filters, this.config.listenerFiltersTimeoutMs, this.config.continueOnListenerFiltersTimeout);
  }

  // ---- AcceptOwner ----

  onFiltersDone(accepted: AcceptedSocket): void {
    this.accepting.delete(accepted);
    this.stats.preCxActive.dec();
    const { facts } = accepted;
    const other =
      this.config.useOriginalDst && facts.isLocalAddressRestored ? this.ctx.listenerAt(facts.localIp, facts.localPort) : undefined;
    if (other === undefined || other === this) this.choose(accepted);
    else other.takeOver(accepted);
  }

  onSecure(accepted: AcceptedSocket, reader: TlsReader, info: TlsInfo): void {
    this.accepting.delete(accepted);
    const { facts } = accepted;
    // The chain may have been replaced while hands were shaken: the one in force then serves, under the identity it has shown.
    const chain = this.matcher.find(facts);
    const factory = chain === undefined ? undefined : this.chains.get(chain);
    if (chain === undefined || factory === undefined) {
      accepted.destroy();
      this.ended(this.stats.noFilterChainMatch);
      return;
    }
    const handshakeMs = this.ctx.flusher.clock.now - accepted.handshakeStartedAt;
    this.serve(facts, chain, factory, reader, NO_BYTES, info, handshakeMs);
    reader.start();
  }

  onAcceptFailed(accepted: AcceptedSocket, failure: AcceptFailure): void {
    const stats = this.stats;
    if (failure === "filters_timeout") stats.preCxTimeout.inc();
    // With continue_on_listener_filters_timeout the socket lives on.
    if (!accepted.isDestroyed) return;
    this.accepting.delete(accepted);
    if (failure === "handshake_timeout") stats.cxTransportSocketConnectTimeout.inc();
    if (failure === "handshake_timeout" || failure === "handshake_failed") {
      this.ended(undefined);
      return;
    }
    if (failure === "filters_remote_close") stats.listenerFilterRemoteClose.inc();
    if (failure === "filters_refused") stats.listenerFilterError.inc();
    stats.preCxActive.dec();
    this.ctx.release();
  }

  /** A connection that another listener has accepted for this one's address. */
  private takeOver(accepted: AcceptedSocket): void {
    const moved = new AcceptedSocket(accepted.socket, accepted.facts, this.ctx.flusher.clock, this);
    moved.giveBytes(accepted.takeBytes());
    this.begin(moved);
  }

  private choose(accepted: AcceptedSocket): void {
    const { facts, socket } = accepted;
    const chain = this.matcher.find(facts);
    const factory = chain === undefined ? undefined : this.chains.get(chain);
    if (chain === undefined || factory === undefined) {
      this.ctx.release();
      refuse(socket, this.stats.noFilterChainMatch);
      return;
    }
    this.stats.cxTotal.inc();
    this.stats.cxActive.inc();
    const tls = this.tls.get(chain);
    if (tls === undefined) {
      const early = accepted.takeBytes();
      this.serve(facts, chain, factory, acceptReader(socket), early, undefined, undefined);
      return;
    }
    this.accepting.add(accepted);
    accepted.handshake(tls, chain.transportSocketConnectTimeoutMs || DEFAULT_HANDSHAKE_TIMEOUT_MS);
  }

  private serve(
    facts: AcceptedFacts,
    chain: FilterChain,
    factory: ChainFactory,
    reader: SocketReader,
    early: Buffer,
    tls: TlsInfo | undefined,
    handshakeMs: number | undefined,
  ): void {
    const { flusher } = this.ctx;
    flusher.enter();
    const openedAt = flusher.clock.now;
    const connection = new Connection(reader, flusher, this.config.perConnectionBufferLimitBytes, this.stats, noCallbacks);
    const active = factory.accept(connection, this.connectionInfo(facts, chain, tls, handshakeMs), (gone) => {
      this.connections.delete(gone);
      this.stats.cxLengthMs.record(Math.floor(flusher.clock.now - openedAt));
      this.ended(undefined);
      if (this.unused.has(factory)) this.closeChainWhenUnused(factory);
    });
    this.connections.set(active, factory);
    if (early.length > 0) connection.receiveEarly(early);
    flusher.leave();
  }

  private ended(counter: Counter | undefined): void {
    counter?.inc();
    this.ctx.release();
    this.stats.cxActive.dec();
    this.stats.cxDestroy.inc();
  }

  private connectionInfo(
    facts: AcceptedFacts,
    chain: FilterChain,
    tls: TlsInfo | undefined,
    handshakeMs: number | undefined,
  ): ConnectionInfo {
    const join = (ip: string, port: number): string => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);
    return {
      connectionId: this.ctx.nextConnectionId(),
      remoteAddress: join(facts.remoteIp, facts.remotePort),
      remoteIp: facts.remoteIp,
      remotePort: facts.remotePort,
      localAddress: join(facts.localIp, facts.localPort),
      localIp: facts.localIp,
      localPort: facts.localPort,
      isLocalAddressRestored: facts.isLocalAddressRestored,
      directRemoteAddress: join(facts.directRemoteIp, facts.directRemotePort),
      directRemoteIp: facts.directRemoteIp,
      directLocalAddress: join(facts.directLocalIp, facts.directLocalPort),
      requestedServerName: facts.serverName,
      tlsVersion: tls?.version ?? "",
      mtls: tls?.isPeerValidated ?? false,
      tls,
      handshakeMs,
      dynamicMetadata: facts.dynamicMetadata,
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
    for (const accepted of this.accepting) {
      accepted.destroy();
      this.ctx.release();
    }
    this.accepting.clear();
    for (const factory of this.chains.values()) factory.close();
  }
}
