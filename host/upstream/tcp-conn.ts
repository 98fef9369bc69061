// One upstream connection that carries bytes for one downstream connection (Envoy's TcpConnPool, which never shares a connection
// either): circuit breakers, connect timeout, statistics of cluster and host. What is sent before it is connected waits in the socket.
import { Timer, type TimerOwner } from "../base/clock.ts";
import { Connection, type ConnectionCallbacks } from "../net/connection.ts";
import type { TlsInfo } from "../net/tls-info.ts";
import type { Workload } from "../net/workload.ts";
import type { ConnectionEvent } from "../net/network-filter.ts";
import type { CircuitBreaker } from "./circuit-breaker.ts";
import type { ClusterEntry } from "./cluster.ts";
import { ANY_CONNECTION } from "./connect.ts";
import type { Host } from "./host.ts";
import { UpstreamExchange } from "./peer-exchange.ts";

export type TcpConnFailure = "ConnectionFailure" | "ConnectionTimeout";

export interface TcpConnCallbacks {
  onUpstreamConnected(): void;
  /** The host has said who it is. */
  onUpstreamPeer(workload: Workload): void;
  /** It never was connected; nothing follows. `error` is the socket's error code. */
  onUpstreamConnectFailure(reason: TcpConnFailure, error: string): void;
  /** Valid until this returns. */
  onUpstreamData(data: Buffer): void;
  onUpstreamEnd(): void;
  /** It is gone after it was connected. */
  onUpstreamClose(reset: boolean): void;
  onUpstreamAboveWriteBufferHighWatermark(): void;
  onUpstreamBelowWriteBufferLowWatermark(): void;
}

/** A protocol is the filter's own business. */
const NOTHING = new Uint8Array(0);

const NO_ALPN = { protocols: [], overrides: false };

/** Undefined: the circuit breaker has no room for one that is being made (upstream_rq_pending_overflow). */
export function connectTcp(cluster: ClusterEntry, host: Host, callbacks: TcpConnCallbacks): TcpConn | undefined {
  const breaker = cluster.breaker("DEFAULT");
  if (breaker.pendingRequests.canCreate) return new TcpConn(cluster, host, breaker, callbacks);
  cluster.stats.upstreamRqPendingOverflow.inc();
  return undefined;
}

export class TcpConn implements ConnectionCallbacks, TimerOwner {
  readonly host: Host;
  private readonly connection: Connection;
  private readonly cluster: ClusterEntry;
  private readonly breaker: CircuitBreaker;
  private readonly callbacks: TcpConnCallbacks;
  private readonly connectTimer: Timer;
  private readonly startedAt: number;
  /** While the server's frame has not come. */
  private exchange: UpstreamExchange | undefined = undefined;
  private isConnected = false;
  private isTimedOut = false;
  private isClosedLocally = false;
  private hasReadEnded = false;
  private hasWriteEnded = false;
  /** Whose end came last: with both, the connection is over, and that side closed it. */
  private lastEnd: ConnectionEvent = "RemoteClose";

  constructor(cluster: ClusterEntry, host: Host, breaker: CircuitBreaker, callbacks: TcpConnCallbacks) {
    this.cluster = cluster;
    this.host = host;
    this.breaker = breaker;
    this.callbacks = callbacks;
    this.startedAt = cluster.clock.now;
    this.connectTimer = new Timer(this, 0);
    const { stats, config } = cluster;
    const reader = cluster.connector.connect(host.endpoint, ANY_CONNECTION, NO_ALPN, (tls) => this.onConnect(tls));
    this.connection = new Connection(reader, cluster.flusher, config.perConnectionBufferLimitBytes, cluster.connectionStats, this);
    cluster.clock.start(this.connectTimer, config.connectTimeoutMs);
    stats.upstreamCxTotal.inc();
    stats.upstreamCxActive.inc();
    stats.upstreamRqPendingTotal.inc();
    stats.upstreamRqPendingActive.inc();
    host.stats.cxTotal.inc();
    host.stats.cxActive.inc();
    breaker.connections.inc();
    breaker.pendingRequests.inc();
  }

  private onConnect(tls: TlsInfo | undefined): void {
    if (!this.connection.isOpen) return;
    const { stats, clock } = this.cluster;
    this.connection.enter();
    this.connectTimer.clear();
    this.isConnected = true;
    this.leavePending();
    stats.upstreamCxConnectMs.record(Math.floor(clock.now - this.startedAt));
    stats.upstreamRqTotal.inc();
    stats.upstreamRqActive.inc();
    this.breaker.requests.inc();
    this.host.requestStarted();
    this.beginExchange(tls);
    this.callbacks.onUpstreamConnected();
    this.connection.leave();
  }

  private beginExchange(tls: TlsInfo | undefined): void {
    const { config } = this.cluster;
    if (config.metadataExchange === undefined) return;
    const { peerExchange } = this.cluster;
    if (tls?.alpnProtocol !== config.metadataExchange.protocol) {
      peerExchange.protocolNotFound.inc();
      return;
    }
    peerExchange.protocolFound.inc();
    this.exchange = new UpstreamExchange(peerExchange);
    this.connection.writeBytes(peerExchange.frame);
  }

  /** true: the exchange has had these bytes, and what was not its own has been passed on. */
  private takeForExchange(data: Uint8Array, endStream: boolean): boolean {
    if (this.exchange === undefined) return false;
    const end = this.exchange.push(data, endStream);
    if (end === undefined) return true;
    this.exchange = undefined;
    if (end.isRefused) {
      this.destroy();
      return true;
    }
    if (end.workload !== undefined) this.callbacks.onUpstreamPeer(end.workload);
    if (end.rest.length > 0) this.callbacks.onUpstreamData(Buffer.from(end.rest));
    return true;
  }

  private leavePending(): void {
    this.cluster.stats.upstreamRqPendingActive.dec();
    this.breaker.pendingRequests.dec();
  }

  get localAddress(): string {
    const { localAddress, localPort } = this.connection.socket;
    return localAddress === undefined ? "" : localAddress.includes(":") ? `[${localAddress}]:${localPort}` : `${localAddress}:${localPort}`;
  }

  writeBytes(data: Uint8Array): void {
    this.connection.writeBytes(data);
  }

  endWrites(): void {
    this.lastEnd = "LocalClose";
    this.hasWriteEnded = true;
    this.connection.endWrites();
  }

  /** The other side cannot take more; true and false in turns. */
  pauseReading(pause: boolean): void {
    if (pause) this.cluster.stats.upstreamFlowControlPaused.inc();
    else this.cluster.stats.upstreamFlowControlResumed.inc();
    this.connection.readDisable(pause);
  }

  /** Bytes that have not left yet. */
  get hasUnsent(): boolean {
    return this.connection.unsentBytes > 0;
  }

  closeWhenFlushed(): void {
    this.markClosed();
    this.connection.closeWhenFlushed();
  }

  destroy(): void {
    this.markClosed();
    this.connection.destroy();
  }

  reset(): void {
    this.markClosed();
    this.connection.reset();
  }

  private markClosed(): void {
    if (!(this.hasReadEnded && this.hasWriteEnded)) this.isClosedLocally = true;
  }

  // ---- ConnectionCallbacks ----

  onData(data: Buffer): void {
    if (!this.takeForExchange(data, false)) this.callbacks.onUpstreamData(data);
  }

  onEnd(): void {
    this.takeForExchange(NOTHING, true);
    this.lastEnd = "RemoteClose";
    this.hasReadEnded = true;
    this.callbacks.onUpstreamEnd();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.callbacks.onUpstreamAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.callbacks.onUpstreamBelowWriteBufferLowWatermark();
  }

  onClose(error: string): void {
    const { stats, clock } = this.cluster;
    const isLocal = this.isClosedLocally ? !this.isTimedOut : error === "" && this.lastEnd === "LocalClose";
    this.connectTimer.clear();
    stats.upstreamCxActive.dec();
    this.host.stats.cxActive.dec();
    this.breaker.connections.dec();
    stats.upstreamCxDestroy.inc();
    if (isLocal) stats.upstreamCxDestroyLocal.inc();
    else stats.upstreamCxDestroyRemote.inc();
    if (!this.isConnected) {
      this.onConnectClose(error, isLocal);
      return;
    }
    stats.upstreamCxLengthMs.record(Math.floor(clock.now - this.startedAt));
    stats.upstreamCxDestroyWithActiveRq.inc();
    if (isLocal) stats.upstreamCxDestroyLocalWithActiveRq.inc();
    else stats.upstreamCxDestroyRemoteWithActiveRq.inc();
    stats.upstreamRqActive.dec();
    this.breaker.requests.dec();
    this.host.requestEnded();
    this.callbacks.onUpstreamClose(!this.isClosedLocally && error === "ECONNRESET");
  }

  /** Given up by its owner, it has none to tell. */
  private onConnectClose(error: string, isLocal: boolean): void {
    const { stats } = this.cluster;
    this.leavePending();
    if (isLocal) {
      stats.upstreamRqCancelled.inc();
      return;
    }
    stats.upstreamCxConnectFail.inc();
    this.host.stats.cxConnectFail.inc();
    stats.upstreamRqPendingFailureEject.inc();
    this.callbacks.onUpstreamConnectFailure(this.isTimedOut ? "ConnectionTimeout" : "ConnectionFailure", error);
  }

  onTimer(): void {
    this.cluster.stats.upstreamCxConnectTimeout.inc();
    this.isTimedOut = true;
    this.destroy();
  }
}
