// One TCP (later TLS) connection: bytes in by callback, bytes out collected per event-loop turn, watermarks on what waits to be
// written. Knows nothing of HTTP. Writes of one turn leave in one system call: codecs write heads as latin1 strings and bodies as
// slices, and the flush copies small ones into one scratch buffer instead of paying for a vectored write.
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { isVolatile, retain } from "../base/read-buffer.ts";
import { type Flusher, SCRATCH_BYTES } from "./flusher.ts";
import { type SocketReader, TlsReader } from "./socket-reader.ts";
import { transportFailure } from "./tls-errors.ts";

export interface ConnectionCallbacks {
  /** Bytes from the peer, valid until this returns: retain() what must live longer. */
  onData(data: Buffer): void;
  /** The peer will send no more (FIN). */
  onEnd(): void;
  /** The connection is gone; called exactly once. `error` is the socket's error code ("ECONNRESET") or "". */
  onClose(error: string): void;
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

export interface ConnectionStats {
  received(bytes: number): void;
  sent(bytes: number): void;
}

/** Write filters (net/filter-manager.ts): gets what is about to leave, and answers through Connection.writeThrough. */
export interface WriteInterceptor {
  /** `end`: FIN is to follow. */
  onFlush(parts: readonly (string | Uint8Array)[], end: boolean): void;
}

/** Slices of at least this size are handed to the socket as they are: copying would cost more than a second write. */
const COPY_LIMIT = 16 * 1024;

const EMPTY = Buffer.alloc(0);

/** libuv's count of bytes that a write has not handed to the kernel yet: writableLength falls only when all of a write is gone. */
interface WithQueue {
  readonly _handle: { readonly writeQueueSize: number } | null;
}

export class Connection {
  readonly socket: Socket;
  /** Below TLS, or the socket itself. */
  private readonly carrier: Socket;
  private readonly isEncrypted: boolean;
  private readonly flusher: Flusher;
  private callbacks: ConnectionCallbacks;
  private readonly stats: ConnectionStats;
  private pending: (string | Uint8Array)[] = [];
  private pendingBytes = 0;
  /** The end of what is pending, as long as it may grow: see writeBlock(). */
  private block: Buffer | undefined = undefined;
  private blockStart = 0;
  private blockEnd = 0;
  private isDirty = false;
  private readDisabled = 0;
  private aboveHighWatermark = false;
  private closed = false;
  private closing = false;
  private errorCode = "";
  highWatermark: number;
  /** See Flusher.addLate(). */
  flushesLate = false;
  /** Undefined for most connections: then nothing stands between what is written and the socket. */
  writeInterceptor: WriteInterceptor | undefined = undefined;

  /** Takes over a socket whose reader (see socket-reader.ts) has not been given to another connection. */
  constructor(reader: SocketReader, flusher: Flusher, highWatermark: number, stats: ConnectionStats, callbacks: ConnectionCallbacks) {
    const socket = reader.socket;
    this.socket = socket;
    this.carrier = reader.carrier;
    this.isEncrypted = reader instanceof TlsReader;
    this.flusher = flusher;
    this.highWatermark = highWatermark;
    this.stats = stats;
    this.callbacks = callbacks;
    reader.onBytes = (data) => this.receive(data);
    socket.on("end", () => {
      this.flusher.enter();
      if (!this.closed) this.callbacks.onEnd();
      this.flusher.leave();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.errorCode = transportFailure(error);
    });
    socket.on("close", () => this.finish());
    socket.on("drain", () => this.onDrain());
  }

  /** ALPN's result; "" without TLS or without one. */
  get alpnProtocol(): string {
    const chosen = this.isEncrypted ? (this.socket as TLSSocket).alpnProtocol : undefined;
    return typeof chosen === "string" ? chosen : "";
  }

  /** Bytes that were read before there was a connection (listener filters look at the first ones). */
  receiveEarly(data: Buffer): void {
    this.receive(data);
  }

  setCallbacks(callbacks: ConnectionCallbacks): void {
    this.callbacks = callbacks;
  }

  private receive(data: Buffer): void {
    if (this.closed || this.closing) return;
    this.flusher.enter();
    this.stats.received(data.length);
    this.callbacks.onData(data);
    this.flusher.leave();
  }

  private dropPending(): void {
    this.block = undefined;
    this.pending.length = 0;
    this.pendingBytes = 0;
  }

  private finish(): void {
    if (this.closed) return;
    this.closed = true;
    this.dropPending();
    this.flusher.enter();
    this.callbacks.onClose(this.errorCode);
    this.flusher.leave();
  }

  /** Brackets work on this connection that did not start with one of its own events. */
  enter(): void {
    this.flusher.enter();
  }

  leave(): void {
    this.flusher.leave();
  }

  /** More waits to be written than the high watermark allows; a codec begins nothing new then. */
  get isAboveHighWatermark(): boolean {
    return this.aboveHighWatermark;
  }

  get isOpen(): boolean {
    return !this.closed && !this.closing;
  }

  /** Bytes accepted from the codec and not yet taken by the kernel. */
  get bufferedBytes(): number {
    return this.pendingBytes + this.socket.writableLength;
  }

  writeString(text: string): void {
    if (this.closed || this.closing) return;
    if (this.block !== undefined) this.seal();
    this.pending.push(text);
    this.pendingBytes += text.length;
    this.markDirty();
  }

  writeBytes(data: Uint8Array): void {
    if (this.closed || this.closing || data.length === 0) return;
    if (this.block !== undefined) this.seal();
    // The read buffer is filled again before a late flush.
    this.pending.push(this.flushesLate ? retain(data) : data);
    this.pendingBytes += data.length;
    this.markDirty();
  }

  /**
   * Bytes of a block that nobody changes until they are sent: what is written directly behind them in the same block becomes one slice
   * with them. For codecs that lay many small frames side by side.
   */
  writeBlock(block: Buffer, start: number, end: number): void {
    if (this.closed || this.closing) return;
    if (this.block === block && this.blockEnd === start) this.blockEnd = end;
    else {
      if (this.block !== undefined) this.seal();
      this.block = block;
      this.blockStart = start;
      this.blockEnd = end;
    }
    this.pendingBytes += end - start;
    this.markDirty();
  }

  private seal(): void {
    const block = this.block as Buffer;
    this.block = undefined;
    this.pending.push(block.subarray(this.blockStart, this.blockEnd));
  }

  private markDirty(): void {
    if (!this.isDirty) {
      this.isDirty = true;
      if (this.flushesLate) this.flusher.addLate(this);
      else this.flusher.add(this);
    }
    if (!this.aboveHighWatermark && this.pendingBytes > 0 && this.bufferedBytes > this.highWatermark) {
      this.aboveHighWatermark = true;
      this.callbacks.onAboveWriteBufferHighWatermark();
    }
  }

  flush(): void {
    this.isDirty = false;
    if (this.block !== undefined) this.seal();
    if (this.pending.length === 0 || this.closed || this.socket.writableEnded) return;
    if (this.writeInterceptor !== undefined) {
      this.intercept(this.writeInterceptor, false);
      return;
    }
    this.flushParts();
  }

  private intercept(interceptor: WriteInterceptor, end: boolean): void {
    const parts = this.pending;
    this.pending = [];
    this.pendingBytes = 0;
    interceptor.onFlush(parts, end);
  }

  /** For the interceptor: bytes that no filter will see again, at once. */
  writeThrough(slices: readonly Uint8Array[], end: boolean): void {
    if (this.closed || this.socket.writableEnded) return;
    if (slices.length > 0) {
      const later = this.pending;
      this.pending = [...slices];
      this.pendingBytes = slices.reduce((sum, slice) => sum + slice.length, 0);
      this.flushParts();
      this.pending = later;
      this.pendingBytes = later.reduce((sum, part) => sum + part.length, 0);
    } else if (this.socket.writableLength === 0) this.afterDrain();
    if (end) this.socket.end();
  }

  private flushParts(): void {
    const socket = this.socket;
    const parts = this.pending;
    this.stats.sent(this.pendingBytes);
    if (this.isEncrypted) this.writeEncrypted(parts);
    else if (parts.length === 1 && typeof parts[0] === "string") {
      const text = parts[0];
      parts.length = 0;
      this.pendingBytes = 0;
      socket.write(text, "latin1");
    } else {
      this.pending = [];
      this.pendingBytes = 0;
      this.writeParts(parts);
    }
    if (socket.writableLength === 0) this.afterDrain();
    // Less than the socket's own limit waits: it will not say when that is gone, so a write of nothing asks.
    else if (this.aboveHighWatermark && !socket.writableNeedDrain) socket.write(EMPTY, this.onWritten);
  }

  /**
   * All of a turn in one piece, so that TLS makes as few records as it can. TLS copies what it is given, so the scratch buffer is free
   * again at once, unless a write before this one is not done and the stream keeps the piece.
   */
  private writeEncrypted(parts: (string | Uint8Array)[]): void {
    const bytes = this.pendingBytes;
    this.pending = [];
    this.pendingBytes = 0;
    const isDirect = this.socket.writableLength === 0;
    this.socket.write(this.flusher.gather(parts, bytes));
    if (!isDirect && bytes <= SCRATCH_BYTES) this.flusher.giveAwayScratch();
  }

  private readonly onWritten = (): void => {
    if (this.socket.writableLength === 0) this.onDrain();
  };

  /** Runs of small parts are gathered into one buffer, large slices go as they are. */
  private writeParts(parts: (string | Uint8Array)[]): void {
    let run: (string | Uint8Array)[] = [];
    let runBytes = 0;
    for (const part of parts) {
      if (typeof part !== "string" && part.length >= COPY_LIMIT && !isVolatile(part)) {
        this.writeRun(run, runBytes);
        run = [];
        runBytes = 0;
        this.socket.write(part);
        continue;
      }
      if (runBytes + part.length > SCRATCH_BYTES) {
        this.writeRun(run, runBytes);
        run = [];
        runBytes = 0;
      }
      run.push(part);
      runBytes += part.length;
    }
    this.writeRun(run, runBytes);
  }

  private writeRun(run: (string | Uint8Array)[], bytes: number): void {
    if (run.length === 0) return;
    this.socket.write(this.flusher.gather(run, bytes));
    if (this.socket.writableLength > 0) this.flusher.giveAwayScratch();
  }

  private onDrain(): void {
    if (this.closed) return;
    this.flusher.enter();
    this.afterDrain();
    this.flusher.leave();
  }

  private afterDrain(): void {
    if (!this.aboveHighWatermark) return;
    this.aboveHighWatermark = false;
    this.callbacks.onBelowWriteBufferLowWatermark();
  }

  /** Counted: bytes flow again when each true had its false. */
  readDisable(disable: boolean): void {
    if (disable) {
      if (this.readDisabled++ === 0) this.socket.pause();
    } else if (this.readDisabled > 0 && --this.readDisabled === 0 && !this.closed) {
      this.socket.resume();
    }
  }

  /** Sends what is pending, then FIN; bytes of the peer go on being delivered (a tunnel whose one direction has ended). */
  endWrites(): void {
    if (this.closed || this.closing) return;
    if (this.writeInterceptor !== undefined) {
      this.intercept(this.writeInterceptor, true);
      return;
    }
    this.flush();
    this.socket.end();
  }

  /** Sends what is pending and closes both directions as soon as the kernel has it (Envoy's FlushWrite). */
  closeWhenFlushed(): void {
    if (this.closed || this.closing) return;
    this.flush();
    if (this.unsentBytes === 0) {
      this.destroy();
      return;
    }
    this.closing = true;
    this.socket.destroySoon();
  }

  /** Bytes that the kernel has not taken: falls while the peer reads. */
  get unsentBytes(): number {
    const handle = (this.socket as unknown as WithQueue)._handle;
    return this.pendingBytes + this.socket.writableLength + (handle?.writeQueueSize ?? 0);
  }

  /** Sends what is pending, then FIN; the socket is destroyed when the peer has closed too or by the caller's own timer. */
  closeAfterFlush(): void {
    if (this.closed || this.closing) return;
    this.flush();
    this.closing = true;
    this.socket.end();
  }

  /** Gives up at once, pending bytes included. */
  destroy(): void {
    if (this.closed) return;
    this.closing = true;
    this.dropPending();
    this.socket.destroy();
  }

  /** RST instead of FIN: an aborted response must not look complete to a peer that reads until close. */
  reset(): void {
    if (this.closed) return;
    this.closing = true;
    this.dropPending();
    // A pipe has no RST, and TLS no handle of its own.
    if (this.carrier !== this.socket) this.socket.destroy();
    if (this.carrier.remoteFamily === undefined) this.carrier.destroy();
    else this.carrier.resetAndDestroy();
  }
}
