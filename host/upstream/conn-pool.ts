// Connections of one host for HTTP/1.1: one exchange at a time on each, idle ones reused last-in first-out, requests wait while
// connections open (Envoy's HTTP connection pool). Limits come from the cluster's circuit breaker.
import type { Socket } from "node:net";
import { Timer, type TimerOwner } from "../base/clock.ts";
import type { ClientConnection, ClientConnectionCallbacks, RequestEncoder, ResponseDecoder } from "../http/codec.ts";
import { Http1ClientConnection } from "../http1/client.ts";
import { Connection, type ConnectionCallbacks } from "../net/connection.ts";
import type { TlsInfo } from "../net/tls-info.ts";
import type { ClusterEntry } from "./cluster.ts";
import type { CircuitBreaker } from "./circuit-breaker.ts";
import { ANY_CONNECTION, type ConnectionKey } from "./connect.ts";
import type { Host } from "./host.ts";

export type PoolFailure = "Overflow" | "ConnectionFailure" | "ConnectionTimeout";

/** Who asked for a connection. One of onReady and onFailure is called, at once or later, unless cancelled before. */
export interface PoolCallbacks extends ResponseDecoder {
  onPoolReady(encoder: RequestEncoder, client: PooledConnection): void;
  onPoolFailure(reason: PoolFailure, details: string): void;
}

const TIMER_CONNECT = 0;
const TIMER_IDLE = 1;
const TIMER_MAX_DURATION = 2;

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
  busy = false;

  constructor(pool: ConnPool, breaker: CircuitBreaker) {
    this.pool = pool;
    this.breaker = breaker;
    const cluster = pool.cluster;
    this.startedAt = cluster.clock.now;
    const config = cluster.config;
    const reader = cluster.connector.connect(pool.host.endpoint, pool.key, (tls) => this.onConnect(tls));
    this.socket = reader.socket;
    this.connection = new Connection(reader, cluster.flusher, config.perConnectionBufferLimitBytes, cluster.connectionStats, this);
    cluster.clock.start(this.connectTimer, config.connectTimeoutMs);
    cluster.stats.upstreamCxTotal.inc();
    cluster.stats.upstreamCxActive.inc();
    cluster.stats.upstreamCxHttp1Total.inc();
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
    this.codec = new Http1ClientConnection(this.connection, this, cluster.codecOptions);
    this.pool.onConnected(this);
    this.connection.leave();
  }

  get localAddress(): string {
    const { localAddress, localPort } = this.socket;
    return localAddress === undefined ? "" : localAddress.includes(":") ? `[${localAddress}]:${localPort}` : `${localAddress}:${localPort}`;
  }

  /** True when this is not the first exchange on the connection. */
  get reused(): boolean {
    return this.requests > 1;
  }

  start(callbacks: PoolCallbacks): void {
    const codec = this.codec;
    if (codec === undefined) throw new Error("pool: a connection was handed out before it connected");
    this.idleTimer.clear();
    this.busy = true;
    this.requests++;
    const max = this.pool.cluster.config.http.maxRequestsPerConnection;
    if (max > 0 && this.requests >= max) {
      this.draining = true;
      this.pool.cluster.stats.upstreamCxMaxRequests.inc();
    }
    callbacks.onPoolReady(codec.newStream(callbacks), this);
  }

  // ---- ClientConnectionCallbacks ----

  onStreamComplete(reusable: boolean): void {
    this.busy = false;
    if (!reusable || this.draining || this.pool.draining) {
      this.close();
      return;
    }
    this.pool.cluster.clock.start(this.idleTimer, this.pool.cluster.config.http.idleTimeoutMs);
    if (this.pool.hasPending) setImmediate(this.rest);
    else this.pool.onIdle(this);
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
    this.pool.onIdle(this);
    this.connection.leave();
  };

  onGoAway(): void {}
  onMaxStreamsChanged(): void {}

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
      if (this.busy) stats.upstreamCxDestroyWithActiveRq.inc();
      if (this.closedLocally) {
        stats.upstreamCxDestroyLocal.inc();
        if (this.busy) stats.upstreamCxDestroyLocalWithActiveRq.inc();
      } else {
        stats.upstreamCxDestroyRemote.inc();
        if (this.busy) stats.upstreamCxDestroyRemoteWithActiveRq.inc();
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
      this.draining = true;
      if (!this.busy) this.close();
    }
  }

  close(): void {
    this.closedLocally = true;
    this.pool.forget(this);
    this.connection.destroy();
  }

  /** No further exchange after the present one. */
  drain(): void {
    this.draining = true;
    // One that is being made is for requests that wait: it takes its one, and goes.
    if (!this.busy && this.connected) this.close();
  }
}

export class ConnPool {
  readonly cluster: ClusterEntry;
  readonly host: Host;
  /** What its connections are for beyond the host. */
  readonly key: ConnectionKey;
  draining = false;
  private readonly breaker: CircuitBreaker;
  private readonly idle: PooledConnection[] = [];
  private readonly all = new Set<PooledConnection>();
  private readonly pending: PoolCallbacks[] = [];
  private connecting = 0;

  constructor(cluster: ClusterEntry, host: Host, breaker: CircuitBreaker, key: ConnectionKey = ANY_CONNECTION) {
    this.key = key;
    this.cluster = cluster;
    this.host = host;
    this.breaker = breaker;
  }

  newStream(callbacks: PoolCallbacks): void {
    const client = this.idle.pop();
    if (client !== undefined) {
      client.start(callbacks);
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
    if (this.connecting >= this.pending.length) return;
    if (!this.breaker.connections.canCreate) {
      this.cluster.stats.upstreamCxOverflow.inc();
      // One connection a host is always allowed, or its requests would wait for ever (as in Envoy).
      if (this.all.size > 0) return;
    }
    this.connecting++;
    this.all.add(new PooledConnection(this, this.breaker));
  }

  onConnected(client: PooledConnection): void {
    this.connecting--;
    this.onIdle(client);
  }

  onIdle(client: PooledConnection): void {
    const next = this.pending.shift();
    if (next === undefined) {
      if (this.draining) client.close();
      else this.idle.push(client);
      return;
    }
    this.leavePending();
    client.start(next);
  }

  forget(client: PooledConnection): void {
    const at = this.idle.indexOf(client);
    if (at >= 0) this.idle.splice(at, 1);
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
    for (const client of [...this.idle]) client.close();
  }
}
