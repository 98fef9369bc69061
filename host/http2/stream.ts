// One stream (RFC 9113 5): what both sides have in common. Bytes received wait here while reading is disabled, and count against the
// window that the peer was given; bytes to be sent wait here for the peer's windows and for the socket, and count against a watermark.
import { Timer, type TimerOwner } from "../base/clock.ts";
import type { RequestDecoder, StreamResetReason } from "../http/codec.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { ByteQueue } from "./byte-queue.ts";
import type { FieldSource } from "./frame-writer.ts";
import { ErrorCode, MAX_FRAME_BYTES } from "./frames.ts";
import type { HpackEncoder } from "./hpack-encoder.ts";
import type { Http2Session } from "./session.ts";

const EMPTY = new Uint8Array(0);
const TIMER_FLUSH = 0;

export abstract class Http2Stream implements TimerOwner, FieldSource {
  readonly session: Http2Session;
  readonly streamId: number;
  readonly startedAt: number;
  /** Who is told; undefined when nobody wants to hear of this stream any more. */
  decoder: RequestDecoder | undefined = undefined;

  /** What the peer may still send, and what of it was used up and not given back yet. */
  receiveWindow: number;
  unacknowledged = 0;
  /** END_STREAM came. */
  remoteClosed = false;
  /** DATA may not come yet: the headers of a response have not. */
  awaitsHeaders = false;
  /** Bytes of the body that content-length announced and that have not come; -1: it said nothing. */
  bodyRemaining = -1;
  private readDisabled = 0;
  private held: ByteQueue | undefined = undefined;
  private heldTrailers: HeaderMap | undefined = undefined;
  private heldEnd = false;
  /** Handed on while reading was disabled from there on: given back when it is enabled. */
  private withheld = 0;
  private resumeScheduled = false;

  /** What we may still send. */
  sendWindow: number;
  /** The message that we send is complete, and may still wait. */
  localEnded = false;
  /** END_STREAM was written. */
  localClosed = false;
  /** The same for what we send: -1 when nothing was announced. */
  protected sendRemaining = -1;
  private pending: ByteQueue | undefined = undefined;
  private pendingTrailers: HeaderMap | undefined = undefined;
  /** It stands in the session's queue of streams with bytes to send. */
  isQueued = false;
  private isAbove = false;
  private flushTimer: Timer | undefined = undefined;
  /** No frame of this stream is sent or expected any more. */
  closed = false;

  constructor(session: Http2Session, streamId: number) {
    this.session = session;
    this.streamId = streamId;
    this.startedAt = session.clock.now;
    this.receiveWindow = session.windows.initial;
    this.sendWindow = session.peerInitialWindow;
  }

  /** END_STREAM was written, and the stream is not closed: the peer has not ended its side. */
  protected abstract onHalfClosed(): void;
  /** END_STREAM came, and ours was not written. */
  protected onRemoteClosed(): void {}

  // ---- receiving ----

  /** A piece of the body; `end` with the last one. */
  receiveData(bytes: Uint8Array, end: boolean): void {
    if (this.bodyRemaining >= 0) {
      this.bodyRemaining -= bytes.length;
      if (this.bodyRemaining < 0 || (end && this.bodyRemaining > 0)) {
        this.session.windows.consumeConnection(bytes.length);
        this.session.streamError(this, ErrorCode.ProtocolError, "ProtocolError", "http2.violation.of.messaging.rule");
        return;
      }
    }
    if (end) this.remoteClosed = true;
    if (this.decoder === undefined) this.session.windows.consumeConnection(bytes.length);
    else if (this.mustHold) {
      this.held ??= new ByteQueue();
      this.held.append(bytes);
      this.heldEnd = end;
    } else this.deliver(bytes, end);
    if (end) this.afterRemoteClosed();
  }

  receiveTrailers(trailers: HeaderMap): void {
    this.remoteClosed = true;
    if (this.mustHold) {
      this.heldTrailers = trailers;
      this.heldEnd = true;
    } else this.decoder?.decodeTrailers(trailers);
    this.afterRemoteClosed();
  }

  receiveHeaders(headers: HeaderMap, end: boolean): void {
    if (end) this.remoteClosed = true;
    this.decoder?.decodeHeaders(headers, end);
    if (end) this.afterRemoteClosed();
  }

  private get mustHold(): boolean {
    return this.readDisabled > 0 || this.resumeScheduled;
  }

  private deliver(bytes: Uint8Array, end: boolean): void {
    this.decoder?.decodeData(bytes, end);
    if (this.readDisabled > 0 && !this.closed) this.withheld += bytes.length;
    else this.session.windows.consume(this, bytes.length);
  }

  readDisable(disable: boolean): void {
    if (disable) this.readDisabled++;
    else if (
      this.readDisabled > 0 &&
      --this.readDisabled === 0 &&
      !this.resumeScheduled &&
      (this.withheld > 0 || this.held !== undefined || this.heldEnd)
    ) {
      this.resumeScheduled = true;
      this.session.resumeLater(this);
    }
  }

  /** Hands on what was held, until reading is disabled again; called with an empty stack. */
  resume(): void {
    this.resumeScheduled = false;
    if (this.readDisabled > 0) return;
    this.giveBack();
    const held = this.held;
    while (held !== undefined && held.length > 0) {
      if (this.readDisabled > 0 || this.decoder === undefined) return;
      const bytes = held.take(MAX_FRAME_BYTES);
      const last = held.length === 0;
      if (last) this.held = undefined;
      this.deliver(bytes, last && this.heldEnd && this.heldTrailers === undefined);
      if (last && this.heldTrailers === undefined) this.heldEnd = false;
    }
    if (!this.heldEnd || this.readDisabled > 0) return;
    this.heldEnd = false;
    const trailers = this.heldTrailers;
    this.heldTrailers = undefined;
    if (trailers === undefined) this.decoder?.decodeData(EMPTY, true);
    else this.decoder?.decodeTrailers(trailers);
  }

  /** The peer gets back the window of what was handed on. */
  private giveBack(): void {
    const withheld = this.withheld;
    this.withheld = 0;
    if (withheld > 0) this.session.windows.consume(this, withheld);
  }

  /** Nobody reads any more: what waits is thrown away, and the connection's window given back. */
  dropReceived(): void {
    this.decoder = undefined;
    const bytes = this.withheld + (this.held?.length ?? 0);
    this.withheld = 0;
    this.held = undefined;
    this.heldTrailers = undefined;
    this.heldEnd = false;
    if (bytes > 0) this.session.windows.consumeConnection(bytes);
  }

  // ---- sending ----

  /** The fields of a message as they go on the wire. */
  encodeFields(headers: HeaderMap, encoder: HpackEncoder): void {
    const { names, values } = headers;
    for (let i = 0; i < names.length; i++) encoder.field(names[i], values[i]);
  }

  get pendingBytes(): number {
    return this.pending?.length ?? 0;
  }

  /** Writes what the windows and the socket allow, and keeps the rest. */
  protected sendData(data: Uint8Array, end: boolean): void {
    if (this.closed || this.localEnded) return;
    if (this.sendRemaining >= 0) {
      this.sendRemaining -= data.length;
      // Neither more nor less than the headers said: the peer would have to refuse it.
      if (this.sendRemaining < 0 || (end && this.sendRemaining > 0)) {
        this.session.abortStream(this, this.sendRemaining < 0 ? "http2.content_length_exceeded" : "http2.content_length_unmet");
        return;
      }
    }
    if (end) this.localEnded = true;
    const session = this.session;
    const length = data.length;
    let at = 0;
    if (this.pendingBytes === 0 && session.sendQueue.isEmpty) {
      while (at < length && this.sendWindow > 0 && session.sendWindow > 0 && !session.connection.isAboveHighWatermark) {
        const next = Math.min(at + MAX_FRAME_BYTES, at + this.sendWindow, at + session.sendWindow, length);
        const isLast = end && next === length;
        session.writeData(this, at === 0 && next === length ? data : data.subarray(at, next), isLast);
        at = next;
        if (isLast || this.closed) {
          if (isLast) this.onLocalClosed();
          return;
        }
      }
    }
    if (at < length) {
      this.pending ??= new ByteQueue();
      if (this.pending.length === 0) session.waitingStreams++;
      this.pending.append(at === 0 ? data : data.subarray(at));
      session.stats.pendingSendBytes.add(length - at);
      session.sendQueue.add(this);
      this.checkWatermark();
    } else if (end && this.pendingBytes === 0) {
      session.writeData(this, EMPTY, true);
      this.onLocalClosed();
      return;
    }
    if (end) this.startFlushTimer();
  }

  protected sendTrailers(trailers: HeaderMap): void {
    if (this.closed || this.localEnded) return;
    if (this.sendRemaining > 0) {
      this.session.abortStream(this, "http2.content_length_unmet");
      return;
    }
    this.localEnded = true;
    if (this.pendingBytes > 0) {
      this.pendingTrailers = trailers;
      this.startFlushTimer();
    } else this.writeTrailers(trailers);
  }

  private writeTrailers(trailers: HeaderMap): void {
    this.session.writer.headers(this, trailers, true);
    this.onLocalClosed();
  }

  /** One frame of what waits; false when there is nothing left, or the stream's window is closed. */
  writePending(): boolean {
    const pending = this.pending;
    if (this.closed || pending === undefined || pending.length === 0 || this.sendWindow <= 0) return false;
    const bytes = pending.take(Math.min(MAX_FRAME_BYTES, this.sendWindow, this.session.sendWindow));
    this.session.stats.pendingSendBytes.add(-bytes.length);
    if (pending.length === 0) this.session.waitingStreams--;
    const isLast = pending.length === 0 && this.localEnded;
    this.session.writeData(this, bytes, isLast && this.pendingTrailers === undefined);
    if (isLast) {
      this.endFlush();
      const trailers = this.pendingTrailers;
      this.pendingTrailers = undefined;
      if (trailers === undefined) this.onLocalClosed();
      else this.writeTrailers(trailers);
      return false;
    }
    if (this.localEnded) this.startFlushTimer();
    this.checkWatermark();
    return pending.length > 0;
  }

  /** HEADERS with END_STREAM were written. */
  protected endLocally(): void {
    this.localEnded = true;
    this.onLocalClosed();
  }

  private onLocalClosed(): void {
    this.localClosed = true;
    if (!this.closeIfDone() && !this.closed) this.onHalfClosed();
  }

  private closeIfDone(): boolean {
    if (!this.localClosed || !this.remoteClosed || this.closed) return false;
    this.session.detach(this);
    return true;
  }

  private afterRemoteClosed(): void {
    if (!this.closeIfDone() && !this.closed) this.onRemoteClosed();
  }

  /** Tells the owner when the stream, or the connection below it, has more to send than it should, and when that is over. */
  checkWatermark(connectionAbove = this.session.connection.isAboveHighWatermark): void {
    if (!connectionAbove && !this.isAbove && this.pending === undefined) return;
    const limit = this.session.streamBufferLimit;
    const bytes = this.pendingBytes;
    if (!this.isAbove && (connectionAbove || bytes > limit)) {
      this.isAbove = true;
      this.decoder?.onAboveWriteBufferHighWatermark();
    } else if (this.isAbove && !connectionAbove && bytes <= limit / 2) {
      this.isAbove = false;
      this.decoder?.onBelowWriteBufferLowWatermark();
    }
  }

  private startFlushTimer(): void {
    if (this.flushTimer === undefined) {
      this.flushTimer = new Timer(this, TIMER_FLUSH);
      this.session.stats.deferredStreamClose.inc();
    }
    this.session.clock.start(this.flushTimer, this.session.options.streamFlushTimeoutMs);
  }

  private endFlush(): void {
    if (this.flushTimer === undefined) return;
    this.flushTimer.clear();
    this.flushTimer = undefined;
    this.session.stats.deferredStreamClose.dec();
  }

  /** The message is complete, and its rest could not be sent for so long: the peer opens no window. */
  onTimer(_kind: number): void {
    this.session.stats.txFlushTimeout.inc();
    this.session.abortStream(this, "http2.flush_timeout");
  }

  /** To be called once, by the session: frees what waits to be sent. */
  onClosed(): void {
    this.closed = true;
    this.endFlush();
    this.pendingTrailers = undefined;
    if (this.pending !== undefined) {
      if (this.pending.length > 0) this.session.waitingStreams--;
      this.session.stats.pendingSendBytes.add(-this.pending.length);
      this.pending = undefined;
    }
  }

  resetStream(reason: StreamResetReason): void {
    this.session.resetStream(this, reason);
  }
}
