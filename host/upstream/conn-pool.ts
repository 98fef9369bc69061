// Connections of one host for one protocol: over HTTP/1.1 one exchange at a time on each, over HTTP/2 as many as the peer allows.
// Those with room are used last-in first-out, requests wait while connections open (Envoy's HTTP connection pools). Limits come from
// the cluster's circuit breaker.
import type { Socket } from "node:net";
import { Timer, type TimerOwner } from "../base/clock.ts";
import type { ClientConnection, ClientConnectionCallbacks, RequestEncoder, ResponseDecoder } from "../http/codec.ts";
import { Http1ClientConnection } from "../http1/client.ts";
import { Http2ClientConnection } from "../http2/client.ts";
import { Connection, type ConnectionCallbacks } from "../net/connection.ts";
import type { TlsInfo } from "../net/tls-info.ts";
import type { ClusterEntry } from "./cluster.ts";
import type { CircuitBreaker } from "./circuit-breaker.ts";
import { ANY_CONNECTION, type ConnectionKey } from "./connect.ts";
import type { Host } from "./host.ts";
import type { Alpn } from "./upstream-tls.ts";

export type PoolFailure = "Overflow" | "ConnectionFailure" | "ConnectionTimeout";

/** Who asked for a connection. One of onReady and onFailure is called, at once or later, unless cancelled before. */
export interface PoolCallbacks extends ResponseDecoder {
  onPoolReady(encoder: RequestEncoder, client: PooledConnection): void;
  onPoolFailure(reason: PoolFailure, details: string): void;
}

/** What connections of a pool speak. */
export const PoolProtocol = {
  Http1: 0,
  Http2: 1,
  /** By the ALPN answer. */
  Auto: 2,
} as const;
export type PoolProtocol = (typeof PoolProtocol)[keyof typeof PoolProtocol];

const TIMER_CONNECT = 0;
const TIMER_IDLE = 1;
const TIMER_MAX_DURATION = 2;

function addressOf({ localAddress, localPort }: Socket): string {
  return localAddress === undefined ? "" : localAddress.includes(":") ? `[${localAddress}]:${localPort}` : `${localAddress}:${localPort}`;
}

/** Envoy offers what the cluster speaks where no list is configured; auto_config is nothing else than a choice between the two. */
const ALPN: Readonly<Record<PoolProtocol, Alpn>> = {
  [PoolProtocol.Http1]: { protocols: ["http/1.1"], overrides: false },
  [PoolProtocol.Http2]: { protocols: ["h2"], overrides: false },
  [PoolProtocol.Auto]: { protocols: ["h2", "http/1.1"], overrides: true },
};

export class PooledConnection implements ClientConnectionCallbacks, ConnectionCallbacks, TimerOwner {
  private readonly pool: ConnPool;
  private readonly breaker: CircuitBreaker;
  readonly connection: Connection;
  private readonly socket: Socket;
  /** undefined without TLS. */
  tls: TlsInfo | undefined = undefined;
  private codec: ClientConnection | undefined = undefined;
  private readonly connectTimer = new Timer(this, TIMER_CONNECT);
  private readonly idleTimer = new Timer(this, TIMER_IDLE);
  private readonly durationTimer = new Timer(this, TIMER_MAX_DURATION);
  private readonly startedAt: number;
  private requests = 0;
  private draining = false;
  private connected = false;
  private timedOut = false;
  private closedLocally = false;
  private ownAddress: string | undefined = undefined;
  /** Exchanges in progress. */
  private active = 0;
  /** In the pool's list of those with room. */
  isReady = false;

  constructor(pool: ConnPool, breaker: CircuitBreaker) {
    this.pool = pool;
    this.breaker = breaker;
    const cluster = pool.cluster;
    this.startedAt = cluster.clock.now;
    const config = cluster.config;
    const reader = cluster.connector.connect(pool.host.endpoint, pool.key, ALPN[pool.protocol], (tls) => this.onConnect(tls));
    this.socket = reader.socket;
    this.connection = new Connection(reader, cluster.flusher, config.perConnectionBufferLimitBytes, cluster.connectionStats, this);
    cluster.clock.start(this.connectTimer, config.connectTimeoutMs);
    cluster.stats.upstreamCxTotal.inc();
    cluster.stats.upstreamCxActive.inc();
    pool.host.stats.cxTotal.inc();
    pool.host.stats.cxActive.inc();
    breaker.connections.inc();
  }

  private onConnect(tls: TlsInfo | undefined): void {
    const cluster = this.pool.cluster;
    this.tls = tls;
    this.connection.enter();
    this.connectTimer.clear();
    this.connected = true;
    cluster.stats.upstreamCxConnectMs.record(Math.floor(cluster.clock.now - this.startedAt));
    cluster.clock.start(this.durationTimer, cluster.config.http.maxConnectionDurationMs);
    this.codec = this.pool.makeCodec(this.connection, this);
    (this.codec.multiplexed ? cluster.stats.upstreamCxHttp2Total : cluster.stats.upstreamCxHttp1Total).inc();
    this.pool.onConnected(this);
    this.connection.leave();
  }

  get localAddress(): string {
    this.ownAddress ??= addressOf(this.socket);
    return this.ownAddress;
  }

  /** As logs write it. */
  get protocol(): string {
    return this.codec?.protocol ?? "";
  }

  /** Another exchange may begin now. */
  get hasRoom(): boolean {
    return this.codec !== undefined && !this.draining && this.connection.isOpen && this.active < this.codec.maxConcurrentStreams;
  }

  get idle(): boolean {
    return this.active === 0;
  }

  start(callbacks: PoolCallbacks): void {
    const codec = this.codec;
    if (codec === undefined) throw new Error("pool: a connection was handed out before it connected");
    this.idleTimer.clear();
    this.active++;
    this.requests++;
    const max = this.pool.cluster.config.http.maxRequestsPerConnection;
    if (max > 0 && this.requests >= max) {
      this.draining = true;
      this.pool.cluster.stats.upstreamCxMaxRequests.inc();
    }
    callbacks.onPoolReady(codec.newStream(callbacks), this);
  }

  get isMultiplexed(): boolean {
    return this.codec?.multiplexed === true;
  }

  // ---- ClientConnectionCallbacks ----

  onStreamComplete(reusable: boolean): void {
    this.active--;
    if (!reusable || this.draining || this.pool.draining) {
      if (this.active === 0) this.close();
      return;
    }
    if (this.active === 0) this.pool.cluster.clock.start(this.idleTimer, this.pool.cluster.config.http.idleTimeoutMs);
    if (this.pool.hasPending && !this.isMultiplexed) setImmediate(this.rest);
    else this.pool.onRoom(this);
  }

  /**
   * Before it takes a request that waits, the connection rests for a whole turn of the loop: bytes that came behind the last answer
   * are found to be unasked for, and not taken for the answer to that request (response queue poisoning).
   */
  private readonly rest = (): void => {
    setImmediate(this.onRested);
  };

  private readonly onRested = (): void => {
    if (!this.connection.isOpen) return;
    this.connection.enter();
    this.pool.onRoom(this);
    this.connection.leave();
  };

  onGoAway(): void {
    this.pool.cluster.stats.upstreamCxCloseNotify.inc();
    this.drain();
    this.pool.onRoomGone();
  }

  onProtocolError(): void {
    this.pool.cluster.stats.upstreamCxProtocolError.inc();
  }

  onMaxStreamsChanged(): void {
    if (this.hasRoom) this.pool.onRoom(this);
    else this.pool.forget(this);
  }

  // ---- ConnectionCallbacks: the codec takes over after the connection is made; onClose comes from either ----

  onData(): void {}
  onEnd(): void {
    this.connection.destroy();
  }
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}

  onClose(error: string): void {
    const cluster = this.pool.cluster;
    for (const timer of [this.connectTimer, this.idleTimer, this.durationTimer]) timer.clear();
    cluster.stats.upstreamCxActive.dec();
    this.pool.host.stats.cxActive.dec();
    this.breaker.connections.dec();
    if (this.connected) {
      const stats = cluster.stats;
      stats.upstreamCxDestroy.inc();
      stats.upstreamCxLengthMs.record(Math.floor(cluster.clock.now - this.startedAt));
      const hasActive = this.active > 0;
      if (hasActive) stats.upstreamCxDestroyWithActiveRq.inc();
      if (this.closedLocally) {
        stats.upstreamCxDestroyLocal.inc();
        if (hasActive) stats.upstreamCxDestroyLocalWithActiveRq.inc();
      } else {
        stats.upstreamCxDestroyRemote.inc();
        if (hasActive) stats.upstreamCxDestroyRemoteWithActiveRq.inc();
      }
    } else if (!this.closedLocally || this.timedOut) {
      cluster.stats.upstreamCxConnectFail.inc();
      this.pool.host.stats.cxConnectFail.inc();
    }
    this.pool.onClosed(this, this.connected, this.timedOut, error);
  }

  onTimer(kind: number): void {
    const stats = this.pool.cluster.stats;
    if (kind === TIMER_CONNECT) {
      stats.upstreamCxConnectTimeout.inc();
      this.timedOut = true;
      this.close();
    } else if (kind === TIMER_IDLE) {
      stats.upstreamCxIdleTimeout.inc();
      this.close();
    } else {
      stats.upstreamCxMaxDurationReached.inc();
      this.drain();
    }
  }

  close(): void {
    this.closedLocally = true;
    this.pool.forget(this);
    this.connection.destroy();
  }

  /** No further exchange after those in progress. */
  drain(): void {
    // One that is being made is for requests that wait: it takes them, and goes.
    if (!this.connected) return;
    this.draining = true;
    this.pool.forget(this);
    if (this.active === 0) this.close();
  }
}

export class ConnPool {
  readonly cluster: ClusterEntry;
  readonly host: Host;
  /** What its connections are for beyond the host. */
  readonly key: ConnectionKey;
  draining = false;
  readonly protocol: PoolProtocol;
  private readonly breaker: CircuitBreaker;
  /** Those with room. */
  private readonly ready: PooledConnection[] = [];
  private readonly all = new Set<PooledConnection>();
  private readonly pending: PoolCallbacks[] = [];
  private connecting = 0;

  constructor(cluster: ClusterEntry, host: Host, breaker: CircuitBreaker, protocol: PoolProtocol, key: ConnectionKey = ANY_CONNECTION) {
    this.key = key;
    this.cluster = cluster;
    this.host = host;
    this.breaker = breaker;
    this.protocol = protocol;
  }

  makeCodec(connection: Connection, client: PooledConnection): ClientConnection {
    const { cluster, protocol } = this;
    if (protocol === PoolProtocol.Http2 || (protocol === PoolProtocol.Auto && connection.alpnProtocol === "h2"))
      return new Http2ClientConnection(connection, client, cluster.config.http.http2, cluster.http2Stats, cluster.clock);
    return new Http1ClientConnection(connection, client, cluster.codecOptions);
  }

  newStream(callbacks: PoolCallbacks): void {
    if (this.ready.length > 0) {
      this.startOn(this.ready[this.ready.length - 1], callbacks);
      return;
    }
    const stats = this.cluster.stats;
    if (!this.breaker.pendingRequests.canCreate) {
      stats.upstreamRqPendingOverflow.inc();
      callbacks.onPoolFailure("Overflow", "");
      return;
    }
    stats.upstreamRqPendingTotal.inc();
    stats.upstreamRqPendingActive.inc();
    this.breaker.pendingRequests.inc();
    this.pending.push(callbacks);
    this.connectIfNeeded();
  }

  private startOn(client: PooledConnection, callbacks: PoolCallbacks): void {
    client.start(callbacks);
    if (client.isReady && !client.hasRoom) this.forget(client);
  }

  get hasPending(): boolean {
    return this.pending.length > 0;
  }

  /** Withdraws a waiting request; false when it is not waiting any more. */
  cancel(callbacks: PoolCallbacks): boolean {
    const at = this.pending.indexOf(callbacks);
    if (at < 0) return false;
    this.pending.splice(at, 1);
    this.leavePending();
    this.cluster.stats.upstreamRqCancelled.inc();
    return true;
  }

  private leavePending(): void {
    this.cluster.stats.upstreamRqPendingActive.dec();
    this.breaker.pendingRequests.dec();
  }

  private connectIfNeeded(): void {
    if (this.connecting * this.streamsPerConnection >= this.pending.length) return;
    if (!this.breaker.connections.canCreate) {
      this.cluster.stats.upstreamCxOverflow.inc();
      // One connection a host is always allowed, or its requests would wait for ever (as in Envoy).
      if (this.all.size > 0) return;
    }
    this.connecting++;
    this.all.add(new PooledConnection(this, this.breaker));
  }

  /** What a connection that is being made can be expected to carry; its peer has the last word. */
  private get streamsPerConnection(): number {
    return this.protocol === PoolProtocol.Http2 ? this.cluster.config.http.http2.maxConcurrentStreams : 1;
  }

  onConnected(client: PooledConnection): void {
    this.connecting--;
    this.onRoom(client);
  }

  /** A connection can carry more: requests that wait come first. */
  onRoom(client: PooledConnection): void {
    while (this.pending.length > 0 && client.hasRoom) {
      const next = this.pending.shift() as PoolCallbacks;
      this.leavePending();
      client.start(next);
    }
    if (!client.hasRoom) return;
    if (this.draining) {
      if (client.idle) client.close();
    } else if (!client.isReady) {
      client.isReady = true;
      this.ready.push(client);
    }
  }

  /** A connection that was counted on takes nothing more. */
  onRoomGone(): void {
    this.connectIfNeeded();
  }

  forget(client: PooledConnection): void {
    if (!client.isReady) return;
    client.isReady = false;
    if (this.ready[this.ready.length - 1] === client) this.ready.pop();
    else this.ready.splice(this.ready.indexOf(client), 1);
  }

  onClosed(client: PooledConnection, connected: boolean, timedOut: boolean, error: string): void {
    this.forget(client);
    this.all.delete(client);
    if (!connected) {
      this.connecting--;
      this.failPending(timedOut ? "ConnectionTimeout" : "ConnectionFailure", error);
      return;
    }
    this.connectIfNeeded();
  }

  /** A connection could not be made: everything that waited for this host fails with it, as in Envoy. */
  private failPending(reason: PoolFailure, details: string): void {
    const waiting = this.pending.splice(0);
    for (const callbacks of waiting) {
      this.leavePending();
      this.cluster.stats.upstreamRqPendingFailureEject.inc();
      callbacks.onPoolFailure(reason, details);
    }
  }

  /** The host left the cluster: connections end with their present exchange. */
  drain(): void {
    this.draining = true;
    for (const client of [...this.all]) client.drain();
  }

  closeIdle(): void {
    for (const client of [...this.ready]) if (client.idle) client.close();
  }
}
