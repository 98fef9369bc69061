// One cluster on one worker: configuration, hosts, circuit breakers, statistics and the pools of its hosts. A changed cluster or
// membership is taken over in place; hosts that stay keep their connections.
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/system.ts";
import type { Cluster, EndpointAssignment, LocalityEndpoints } from "../config/cluster.ts";
import type { ConnectionInfo } from "../net/connection-info.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { AlpnOverride } from "../http/stream-info.ts";
import type { Http1ClientOptions } from "../http1/client.ts";
import { Http2Stats } from "../http2/stats.ts";
import type { ConnectionStats } from "../net/connection.ts";
import type { Flusher } from "../net/flusher.ts";
import type { Secrets } from "../net/tls-context.ts";
import type { PeerExchange } from "../net/peer-exchange.ts";
import type { StatsStore } from "../stats/store.ts";
import { formatAddress } from "./address.ts";
import { CircuitBreaker } from "./circuit-breaker.ts";
import { ClusterStats } from "./cluster-stats.ts";
import { ANY_CONNECTION, type ConnectionKey, UpstreamConnector } from "./connect.ts";
import { ConnPool, PoolProtocol } from "./conn-pool.ts";
import { Host } from "./host.ts";
import { OriginalDstHosts } from "./original-dst-hosts.ts";
import { HostSet } from "./host-set.ts";
import { MAX_SERVER_NAMES, ServerNames } from "./server-name.ts";

export interface ClusterContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly flusher: Flusher;
  readonly stats: StatsStore;
  peerExchange(): PeerExchange;
}

export type Priority = "DEFAULT" | "HIGH";

interface HostPools {
  /** By protocol and priority: see pool(). */
  readonly plain: (ConnPool | undefined)[];
  /** By priority, server name and ALPN; empty without auto_sni and a filter that says what is offered. */
  readonly named: Map<string, ConnPool>;
}

function drain({ plain, named }: HostPools): void {
  for (const pool of plain) pool?.drain();
  for (const pool of named.values()) pool.drain();
}

export class ClusterEntry {
  config: Cluster;
  readonly stats: ClusterStats;
  readonly clock: Clock;
  readonly flusher: Flusher;
  readonly connectionStats: ConnectionStats;
  codecOptions: Http1ClientOptions;
  private http2: Http2Stats | undefined = undefined;
  private readonly ctx: ClusterContext;
  private breakers: { DEFAULT: CircuitBreaker; HIGH: CircuitBreaker };
  private hostSet: HostSet;
  private originalDst: OriginalDstHosts | undefined;
  private readonly pools = new Map<Host, HostPools>();
  private serverNames: ServerNames | undefined;
  readonly connector: UpstreamConnector;
  private assignment: EndpointAssignment | undefined = undefined;

  constructor(config: Cluster, ctx: ClusterContext) {
    this.config = config;
    this.ctx = ctx;
    this.clock = ctx.clock;
    this.flusher = ctx.flusher;
    this.stats = new ClusterStats(ctx.stats, config.altStatName || config.name);
    this.connectionStats = {
      received: (bytes) => this.stats.upstreamCxRxBytesTotal.add(bytes),
      sent: (bytes) => this.stats.upstreamCxTxBytesTotal.add(bytes),
    };
    this.codecOptions = codecOptions(config);
    this.serverNames = serverNames(config);
    this.connector = new UpstreamConnector(config, ctx.stats, () => ctx.clock.wallMs());
    this.breakers = this.makeBreakers();
    this.hostSet = new HostSet(config, config.overprovisioningFactor, [], ctx.random, this.stats);
    this.originalDst = this.makeOriginalDst();
  }

  private makeBreakers(): { DEFAULT: CircuitBreaker; HIGH: CircuitBreaker } {
    const name = this.config.altStatName || this.config.name;
    return {
      DEFAULT: new CircuitBreaker(this.config.circuitBreakers.default, this.ctx.stats, name, "default"),
      HIGH: new CircuitBreaker(this.config.circuitBreakers.high, this.ctx.stats, name, "high"),
    };
  }

  /** Takes over a new configuration and membership; `assignment` is undefined for endpoints given inline. */
  update(config: Cluster, assignment: EndpointAssignment | undefined, secrets: Secrets): void {
    // New secrets are for new connections: those that exist go on.
    if (this.connector.update(config, secrets)) this.drainPools();
    const configChanged = config !== this.config;
    if (!configChanged && assignment === this.assignment && this.hostSet.hosts.length > 0) return;
    if (configChanged) {
      const connectionsAffected =
        JSON.stringify([config.http, config.upstreamBindAddress]) !== JSON.stringify([this.config.http, this.config.upstreamBindAddress]);
      const breakersAffected = JSON.stringify(config.circuitBreakers) !== JSON.stringify(this.config.circuitBreakers);
      this.config = config;
      this.codecOptions = codecOptions(config);
      this.serverNames = serverNames(config);
      if (breakersAffected) this.breakers = this.makeBreakers();
      if (connectionsAffected || breakersAffected) this.drainPools();
      this.originalDst = this.makeOriginalDst();
    }
    if (this.originalDst !== undefined) return;
    this.assignment = assignment;
    const localities = assignment?.localities ?? config.endpoints;
    this.setHosts(localities, assignment?.overprovisioningFactor ?? config.overprovisioningFactor);
  }

  private setHosts(localities: readonly LocalityEndpoints[], factor: number): void {
    const old = new Map<string, Host>();
    for (const host of this.hostSet.hosts) old.set(host.address, host);
    const hosts: Host[] = [];
    let changed = false;
    const seen = new Set<string>();
    for (const locality of localities) {
      for (const endpoint of locality.endpoints) {
        const address = formatAddress(endpoint.address);
        if (seen.has(address)) continue;
        seen.add(address);
        const kept = old.get(address);
        if (kept !== undefined) {
          kept.endpoint = endpoint;
          kept.locality = locality;
          old.delete(address);
          hosts.push(kept);
        } else {
          changed = true;
          hosts.push(new Host(endpoint, locality, this.ctx.stats, this.config.altStatName || this.config.name));
        }
      }
    }
    for (const gone of old.values()) {
      changed = true;
      this.forgetPools(gone);
    }
    this.hostSet = new HostSet(this.config, factor, hosts, this.ctx.random, this.stats);
    if (changed) this.stats.membershipChange.inc();
    this.stats.membershipTotal.set(hosts.length);
    this.stats.membershipHealthy.set(hosts.filter((host) => host.health === "healthy").length);
    this.stats.membershipDegraded.set(hosts.filter((host) => host.health === "degraded").length);
    this.stats.membershipExcluded.set(hosts.filter((host) => host.excluded).length);
  }

  get hosts(): readonly Host[] {
    return this.originalDst?.hosts ?? this.hostSet.hosts;
  }

  /** `connection` and `headers` may say where the client meant to go. */
  chooseHost(connection?: ConnectionInfo, headers?: HeaderMap): Host | undefined {
    return this.originalDst === undefined ? this.hostSet.choose() : this.originalDst.choose(connection, headers);
  }

  private makeOriginalDst(): OriginalDstHosts | undefined {
    const { originalDst, altStatName, name } = this.config;
    if (originalDst === undefined) return undefined;
    return new OriginalDstHosts(originalDst, altStatName || name, {
      stats: this.ctx.stats,
      now: () => this.clock.now,
      onForgotten: (host) => this.forgetPools(host),
      onChange: () => {
        this.stats.membershipChange.inc();
        this.stats.membershipTotal.set(this.hosts.length);
        this.stats.membershipHealthy.set(this.hosts.length);
      },
    });
  }

  private forgetPools(host: Host): void {
    const pools = this.pools.get(host);
    if (pools !== undefined) drain(pools);
    this.pools.delete(host);
  }

  get peerExchange(): PeerExchange {
    return this.ctx.peerExchange();
  }

  /** drop_overloads of the endpoint assignment, in parts of a million. */
  get dropPerMillion(): number {
    return this.assignment?.dropPerMillion ?? this.config.dropPerMillion;
  }

  breaker(priority: Priority): CircuitBreaker {
    return this.breakers[priority];
  }

  /**
   * `downstreamProtocol` is what the client speaks, for clusters that speak the same (use_downstream_protocol_config); `headers` are
   * the request's, whose host may name the server (auto_sni). `alpn` is what a filter wants to be offered.
   */
  pool(host: Host, priority: Priority, downstreamProtocol: string, headers: HeaderMap, alpn?: AlpnOverride): ConnPool {
    let pools = this.pools.get(host);
    if (pools === undefined) {
      pools = { plain: new Array<ConnPool | undefined>(6).fill(undefined), named: new Map() };
      this.pools.set(host, pools);
    }
    const protocol = this.poolProtocol(downstreamProtocol);
    if (this.serverNames !== undefined || alpn !== undefined) {
      return this.namedPool(pools.named, host, priority, protocol, this.serverNames?.keyFor(headers) ?? ANY_CONNECTION, alpn);
    }
    const index = protocol + (priority === "HIGH" ? 3 : 0);
    let pool = pools.plain[index];
    if (pool === undefined) {
      pool = new ConnPool(this, host, this.breakers[priority], protocol);
      pools.plain[index] = pool;
    }
    return pool;
  }

  /** Made when the first connection speaks it. */
  get http2Stats(): Http2Stats {
    this.http2 ??= new Http2Stats(this.ctx.stats, `cluster.${this.config.altStatName || this.config.name}.`);
    return this.http2;
  }

  private poolProtocol(downstreamProtocol: string): PoolProtocol {
    switch (this.config.http.protocol) {
      case "HTTP1":
        return PoolProtocol.Http1;
      case "HTTP2":
        return PoolProtocol.Http2;
      case "AUTO":
        return PoolProtocol.Auto;
      case "DOWNSTREAM":
        return downstreamProtocol === "HTTP/2" ? PoolProtocol.Http2 : PoolProtocol.Http1;
    }
  }

  private namedPool(
    named: Map<string, ConnPool>,
    host: Host,
    priority: Priority,
    protocol: PoolProtocol,
    serverKey: ConnectionKey,
    alpn: AlpnOverride | undefined,
  ): ConnPool {
    const name = `${priority} ${protocol} ${serverKey.serverName} ${alpn?.key ?? ""}`;
    let pool = named.get(name);
    if (pool === undefined) {
      const key = alpn === undefined ? serverKey : { ...serverKey, alpn: alpn.protocols };
      pool = new ConnPool(this, host, this.breakers[priority], protocol, key);
      named.set(name, pool);
      for (const [oldest, forgotten] of named) {
        if (named.size <= MAX_SERVER_NAMES) break;
        named.delete(oldest);
        forgotten.drain();
      }
    }
    return pool;
  }

  private drainPools(): void {
    for (const pools of this.pools.values()) drain(pools);
    this.pools.clear();
  }

  /** The cluster was removed: exchanges in progress finish, nothing new begins. */
  close(): void {
    this.drainPools();
    this.stats.membershipTotal.set(0);
    this.stats.membershipHealthy.set(0);
  }
}

function serverNames({ http }: Cluster): ServerNames | undefined {
  return http.autoSni === undefined ? undefined : new ServerNames(http.autoSni);
}

function codecOptions(config: Cluster): Http1ClientOptions {
  return {
    maxHeaderBytes: config.http.maxResponseHeaderBytes,
    maxHeaders: config.http.maxResponseHeaders,
    headerCase: "default",
    enableTrailers: config.http.enableTrailers,
  };
}
