// The chain of network filters of one connection (Envoy's FilterManagerImpl). Read filters are walked in order with one buffer; a
// filter that stops leaves the bytes in it, and reading from the socket stops while it holds more than the connection's limit. Write
// filters are walked in reverse, when the connection flushes. A chain without write filters writes straight to the connection.
import { BodyBuffer } from "../base/body-buffer.ts";
import type { Connection, ConnectionCallbacks, WriteInterceptor } from "./connection.ts";
import type { ActiveConnection } from "./listener.ts";
import {
  type ByteAccount,
  type ConnectionCloseType,
  type ConnectionEvent,
  FilterStatus,
  type NetworkFilter,
  type NetworkFilterCallbacks,
} from "./network-filter.ts";

/** Makes one filter of the chain; undefined: there is none for this connection (a plugin that fails open). */
export interface NetworkFilterMaker<Account> {
  createFilter(callbacks: NetworkFilterCallbacks, account: Account): NetworkFilter | undefined;
}

/** Counters of a stat_prefix; the terminal filter gives them. */
export interface ByteCounters {
  readonly received: { add(bytes: number): void };
  readonly sent: { add(bytes: number): void };
}

/** A place in the chain, and what its filter sees of it. */
class Slot implements NetworkFilterCallbacks {
  readonly manager: FilterManager<ByteAccount>;
  readonly index: number;
  filter: NetworkFilter | undefined = undefined;
  isInitialized = false;

  constructor(manager: FilterManager<ByteAccount>, index: number) {
    this.manager = manager;
    this.index = index;
  }

  get connection(): Connection {
    return this.manager.connection;
  }

  get isOpen(): boolean {
    return this.manager.connection.isOpen;
  }

  get hasEnded(): boolean {
    return this.manager.hasEnded;
  }

  enableHalfClose(): void {
    this.manager.isHalfCloseEnabled = true;
  }

  countBytes(counters: ByteCounters): void {
    this.manager.counters = counters;
  }

  takeEvents(): void {
    this.manager.connection.setCallbacks(this.manager);
  }

  continueReading(): void {
    this.manager.continueReading(this.index + 1);
  }

  injectReadData(data: Uint8Array, endStream: boolean): void {
    this.manager.injectReadData(this.index + 1, data, endStream);
  }

  write(data: Uint8Array, endStream: boolean): void {
    this.manager.write(data, endStream);
  }

  close(type: ConnectionCloseType): void {
    this.manager.close(type);
  }
}

export class FilterManager<Account extends ByteAccount> implements ConnectionCallbacks, ActiveConnection, WriteInterceptor {
  readonly connection: Connection;
  isHalfCloseEnabled = false;
  counters: ByteCounters | undefined = undefined;
  private readonly account: Account;
  private readonly onGone: (connection: ActiveConnection) => void;
  private readonly slots: Slot[] = [];
  private readonly buffer = new BodyBuffer();
  /** Bytes that write filters hold; undefined: there are no write filters. */
  private writeBuffer: BodyBuffer | undefined = undefined;
  private hasReadEnded = false;
  private hasWriteEnded = false;
  private isReadDisabled = false;
  private isAboveWriteLimit = false;
  private isSocketAbove = false;
  private isClosedLocally = false;
  /** Which side's end came last: with both, the connection is over. */
  private lastEnd: ConnectionEvent = "RemoteClose";

  constructor(connection: Connection, account: Account, onGone: (connection: ActiveConnection) => void) {
    this.connection = connection;
    this.account = account;
    this.onGone = onGone;
  }

  /** Makes the filters and begins; the connection's owner knows it afterwards, so nothing may close it before. */
  start(makers: readonly NetworkFilterMaker<Account>[]): void {
    this.connection.setCallbacks(this);
    for (const maker of makers) {
      const slot = new Slot(this, this.slots.length);
      slot.filter = maker.createFilter(slot, this.account);
      if (slot.filter === undefined) continue;
      this.slots.push(slot);
      if (slot.filter.onWrite !== undefined) this.writeBuffer ??= new BodyBuffer();
    }
    if (this.writeBuffer !== undefined) this.connection.writeInterceptor = this;
    this.iterate(0, this.buffer, false);
  }

  // ---- reading ----

  onData(data: Buffer): void {
    this.counters?.received.add(data.length);
    this.buffer.appendVolatile(data);
    this.account.bytesReceived += this.buffer.length;
    this.iterate(0, this.buffer, false);
    this.afterRead();
  }

  onEnd(): void {
    this.lastEnd = "RemoteClose";
    if (!this.isHalfCloseEnabled) {
      this.connection.destroy();
      return;
    }
    this.hasReadEnded = true;
    this.account.bytesReceived += this.buffer.length;
    this.iterate(0, this.buffer, true);
    this.afterRead();
  }

  continueReading(from: number): void {
    if (!this.connection.isOpen) return;
    this.connection.enter();
    this.iterate(from, this.buffer, this.hasReadEnded);
    this.afterRead();
    this.connection.leave();
  }

  injectReadData(from: number, data: Uint8Array, endStream: boolean): void {
    if (!this.connection.isOpen) return;
    const injected = new BodyBuffer();
    injected.append(data);
    this.connection.enter();
    this.iterate(from, injected, endStream);
    this.connection.leave();
  }

  private iterate(from: number, data: BodyBuffer, endStream: boolean): void {
    const { slots, connection } = this;
    for (let i = from; i < slots.length; i++) {
      const slot = slots[i];
      const filter = slot.filter;
      if (filter === undefined) continue;
      if (!slot.isInitialized) {
        slot.isInitialized = true;
        if (filter.onNewConnection() === FilterStatus.StopIteration || !connection.isOpen) return;
      }
      if (data.length > 0 || endStream) {
        if (filter.onData(data, endStream) === FilterStatus.StopIteration || !connection.isOpen) return;
      }
    }
  }

  /** What stays in the buffer is kept, and pushes back when it is too much. */
  private afterRead(): void {
    const { buffer, connection } = this;
    if (buffer.length > 0) buffer.retainAll();
    const limit = connection.highWatermark;
    if (!this.isReadDisabled && buffer.length > limit) {
      this.isReadDisabled = true;
      connection.readDisable(true);
    } else if (this.isReadDisabled && buffer.length <= limit / 2) {
      this.isReadDisabled = false;
      connection.readDisable(false);
    }
  }

  // ---- writing ----

  write(data: Uint8Array, endStream: boolean): void {
    if (data.length > 0) {
      if (this.writeBuffer === undefined) this.countSent(data.length);
      this.connection.writeBytes(data);
    }
    if (!endStream) return;
    if (this.writeBuffer === undefined) this.markWriteEnd();
    this.connection.endWrites();
  }

  private countSent(bytes: number): void {
    this.account.bytesSent += bytes;
    this.counters?.sent.add(bytes);
  }

  private markWriteEnd(): void {
    this.hasWriteEnded = true;
    this.lastEnd = "LocalClose";
  }

  onFlush(parts: readonly (string | Uint8Array)[], end: boolean): void {
    const held = this.writeBuffer;
    if (held === undefined) throw new Error("filter manager: a flush was intercepted without a write filter");
    for (const part of parts) held.appendVolatile(typeof part === "string" ? Buffer.from(part, "latin1") : part);
    for (let i = this.slots.length - 1; i >= 0; i--) {
      const filter = this.slots[i].filter;
      if (filter?.onWrite === undefined) continue;
      const status = filter.onWrite(held, end);
      if (!this.connection.isOpen) return;
      if (status === FilterStatus.StopIteration) {
        held.retainAll();
        this.checkWriteLimit();
        return;
      }
    }
    this.countSent(held.length);
    if (end) this.markWriteEnd();
    this.connection.writeThrough(held.takeSlices(), end);
    this.checkWriteLimit();
  }

  /** What write filters hold counts against the connection's limit as what its socket holds does. */
  private checkWriteLimit(): void {
    this.setAbove(this.isSocketAbove, (this.writeBuffer?.length ?? 0) > this.connection.highWatermark);
  }

  private setAbove(socket: boolean, held: boolean): void {
    const before = this.isSocketAbove || this.isAboveWriteLimit;
    this.isSocketAbove = socket;
    this.isAboveWriteLimit = held;
    const after = socket || held;
    if (before === after) return;
    const terminal = this.slots.at(-1)?.filter;
    if (after) terminal?.onAboveWriteBufferHighWatermark?.();
    else terminal?.onBelowWriteBufferLowWatermark?.();
  }

  onAboveWriteBufferHighWatermark(): void {
    this.setAbove(true, this.isAboveWriteLimit);
  }

  onBelowWriteBufferLowWatermark(): void {
    this.setAbove(false, this.isAboveWriteLimit);
  }

  // ---- the end ----

  /** Both directions have ended: the connection closes by itself when everything has been written. */
  get hasEnded(): boolean {
    return this.hasReadEnded && this.hasWriteEnded;
  }

  close(type: ConnectionCloseType): void {
    if (!this.connection.isOpen) return;
    this.isClosedLocally = true;
    switch (type) {
      case "FlushWrite":
        this.connection.closeWhenFlushed();
        return;
      case "NoFlush":
        this.connection.destroy();
        return;
      case "AbortReset":
        this.connection.reset();
        return;
    }
  }

  onClose(error: string): void {
    const event = this.isClosedLocally ? "LocalClose" : error === "" ? this.lastEnd : "RemoteClose";
    const reset = !this.isClosedLocally && error === "ECONNRESET";
    for (const slot of this.slots) slot.filter?.onClose(event, reset, error);
    this.buffer.clear();
    this.writeBuffer?.clear();
    this.onGone(this);
  }

  // ---- ActiveConnection: bytes have no requests between which a connection could be closed without loss ----

  readonly idle = false;

  drain(now: boolean): void {
    this.slots.at(-1)?.filter?.drain?.(now);
  }

  /** Also one that still flushes to a client which does not read. */
  destroy(): void {
    this.isClosedLocally = true;
    this.connection.destroy();
  }
}
