// A socket on its way from accept to its filter chain: listener filters look at its first bytes, the filter chain is chosen, TLS shakes
// hands. Each step has a time limit, and whatever ends the socket on the way ends this with it. A listener without listener filters
// and TLS never makes one of these.
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type Clock, Timer, type TimerOwner } from "../base/clock.ts";
import type { AcceptedFacts } from "./accepted-facts.ts";
import type { DownstreamTls, HandshakeCallbacks } from "./downstream-tls.ts";
import type { ListenerFilter } from "./listener-filters/filter.ts";
import { SERVER_NAME_PEEK } from "./server-name-peek.ts";
import type { TlsReader } from "./socket-reader.ts";
import type { TlsInfo } from "./tls-info.ts";

const EMPTY = Buffer.alloc(0);
const PEEK: readonly ListenerFilter[] = [SERVER_NAME_PEEK];
const TIMER_FILTERS = 0;
const TIMER_HANDSHAKE = 1;

/** How a socket got no further; each has a statistic of its listener. */
export type AcceptFailure = "filters_timeout" | "filters_remote_close" | "filters_refused" | "handshake_timeout" | "handshake_failed";

export interface AcceptOwner {
  /** Listener filters are done. Answers with serve(), handshake() or refuse() of the socket. */
  onFiltersDone(accepted: AcceptedSocket): void;
  onSecure(accepted: AcceptedSocket, reader: TlsReader, info: TlsInfo): void;
  onAcceptFailed(accepted: AcceptedSocket, failure: AcceptFailure): void;
}

export class AcceptedSocket implements TimerOwner, HandshakeCallbacks {
  readonly socket: Socket;
  readonly facts: AcceptedFacts;
  handshakeStartedAt = 0;
  private readonly owner: AcceptOwner;
  private readonly clock: Clock;
  private readonly timer = new Timer(this, TIMER_FILTERS);
  private readonly handshakeTimer = new Timer(this, TIMER_HANDSHAKE);
  private filters: readonly ListenerFilter[] = [];
  private continuesOnTimeout = false;
  private next = 0;
  private bytes: Buffer = EMPTY;
  private isReading = false;
  private isOver = false;
  /** The handshake that waits for the name of the server. */
  private peekFor: DownstreamTls | undefined = undefined;
  private secure: TLSSocket | undefined = undefined;

  constructor(socket: Socket, facts: AcceptedFacts, clock: Clock, owner: AcceptOwner) {
    this.socket = socket;
    this.facts = facts;
    this.clock = clock;
    this.owner = owner;
  }

  /** `timeoutMs` 0: no limit. */
  runFilters(filters: readonly ListenerFilter[], timeoutMs: number, continuesOnTimeout: boolean): void {
    this.filters = filters;
    this.next = 0;
    this.continuesOnTimeout = continuesOnTimeout;
    this.clock.start(this.timer, timeoutMs);
    this.run(true);
  }

  /** `isFresh`: the filter has not been told of the connection yet. */
  private run(isFresh: boolean): void {
    let asks = isFresh;
    while (this.next < this.filters.length) {
      const filter = this.filters[this.next];
      let status = asks ? filter.onAccept(this.facts) : "wait";
      if (status === "wait" && this.bytes.length > 0) {
        status = filter.onData(this.bytes, this.facts);
        // A filter gets no more than it asked for: what is undecided with all of it is decided.
        if (status === "wait" && this.bytes.length >= filter.maxReadBytes) status = "continue";
      }
      if (status === "close") {
        this.fail("filters_refused");
        return;
      }
      if (status === "wait") {
        this.read();
        return;
      }
      if (this.facts.consumed > 0) {
        this.bytes = this.bytes.subarray(this.facts.consumed);
        this.facts.consumed = 0;
      }
      this.next++;
      asks = true;
    }
    this.finishFilters();
  }

  private read(): void {
    if (this.isReading) return;
    this.isReading = true;
    this.socket.on("data", this.onData);
    this.socket.on("end", this.onEnd);
    this.socket.on("error", this.onError);
    this.socket.on("close", this.onEnd);
    this.socket.resume();
  }

  private readonly onData = (data: Buffer): void => {
    this.clock.update();
    this.bytes = this.bytes.length === 0 ? data : Buffer.concat([this.bytes, data]);
    this.run(false);
  };

  private readonly onEnd = (): void => this.fail(this.peekFor === undefined ? "filters_remote_close" : "handshake_failed");
  private readonly onError = this.onEnd;

  private finishFilters(): void {
    this.timer.clear();
    this.stopReading();
    const { peekFor } = this;
    this.peekFor = undefined;
    if (peekFor === undefined) this.owner.onFiltersDone(this);
    else this.shake(peekFor);
  }

  private stopReading(): void {
    if (!this.isReading) return;
    this.isReading = false;
    this.socket.pause();
    this.socket.off("data", this.onData);
    this.socket.off("end", this.onEnd);
    this.socket.off("error", this.onError);
    this.socket.off("close", this.onEnd);
  }

  /** Bytes that another listener has read. */
  giveBytes(bytes: Buffer): void {
    this.bytes = bytes;
  }

  /** Bytes that were read and belong to whoever comes next. */
  takeBytes(): Buffer {
    const late = this.socket.readableLength === 0 ? null : (this.socket.read() as Buffer | null);
    const bytes = late === null ? this.bytes : Buffer.concat([this.bytes, late]);
    this.bytes = EMPTY;
    return bytes;
  }

  handshake(tls: DownstreamTls, timeoutMs: number): void {
    this.handshakeStartedAt = this.clock.now;
    this.clock.start(this.handshakeTimer, timeoutMs);
    if (tls.choosesByName && this.facts.helloServerName === undefined) {
      this.peekFor = tls;
      this.filters = PEEK;
      this.next = 0;
      this.run(true);
    } else this.shake(tls);
  }

  private shake(tls: DownstreamTls): void {
    const bytes = this.takeBytes();
    if (bytes.length > 0) this.socket.unshift(bytes);
    this.secure = tls.accept(this.socket, this.facts.helloServerName ?? "", this);
    if (this.secure === undefined) this.fail("handshake_failed");
  }

  onSecure(reader: TlsReader, info: TlsInfo): void {
    this.handshakeTimer.clear();
    this.isOver = true;
    this.clock.update();
    this.owner.onSecure(this, reader, info);
  }

  onHandshakeFailed(): void {
    this.clock.update();
    this.fail("handshake_failed");
  }

  onTimer(kind: number): void {
    if (kind === TIMER_HANDSHAKE) {
      this.fail("handshake_timeout");
    } else if (this.continuesOnTimeout) {
      this.owner.onAcceptFailed(this, "filters_timeout");
      this.next = this.filters.length;
      this.finishFilters();
    } else {
      this.fail("filters_timeout");
    }
  }

  private fail(failure: AcceptFailure): void {
    if (this.isOver) return;
    this.destroy();
    this.owner.onAcceptFailed(this, failure);
  }

  /** Ends it without a word. */
  destroy(): void {
    this.isOver = true;
    this.timer.clear();
    this.handshakeTimer.clear();
    this.stopReading();
    // The peer may have gone already: nothing is left to report.
    this.socket.on("error", () => {});
    this.secure?.destroy();
    this.socket.destroy();
  }

  get isDestroyed(): boolean {
    return this.isOver;
  }
}
