// One HTTP/2 connection (RFC 9113): what both sides have in common. Frames come in through the reader, are held against the limits, and
// become events of streams; frames go out one by one into the connection, which collects them for the turn. Bodies go out by turns, a
// frame from each stream that has something to send, as far as windows and socket allow.
// Longer than its siblings because every frame type ends here: they share the windows, the stream table and the one way to fail.
import { type Clock, Timer, type TimerOwner } from "../base/clock.ts";
import type { Http2Options } from "../config/http2.ts";
import type { StreamResetReason } from "../http/codec.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { Connection } from "../net/connection.ts";
import { FloodGuard } from "./flood-guard.ts";
import { FrameReader, type FrameHandler } from "./frame-reader.ts";
import {
  DEFAULT_WINDOW,
  ErrorCode,
  FRAME_HEADER_BYTES,
  Flag,
  FrameType,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  output,
  readUint32,
  reserve,
  writeFrameHeader,
  writeUint32,
} from "./frames.ts";
import { Fault, HeaderBlock } from "./header-block.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import { Keepalive, type KeepaliveOwner } from "./keepalive.ts";
import { PeerSettings, writeLocalSettings } from "./settings.ts";
import type { Http2Stats } from "./stats.ts";
import type { Http2Stream } from "./stream.ts";

const TIMER_SETTINGS = 0;
/** RFC 9113 6.5.3: how long the peer may take to acknowledge our settings. */
const SETTINGS_TIMEOUT_MS = 30_000;
/** Bodies shorter than this are copied behind their frame header: one slice less for the connection. */
const COPY_BYTES = 1024;
/** Streams that we reset, whose last frames may be on the way still (RFC 9113 5.4.2). */
const REMEMBERED_RESETS = 128;
/** A block within the limits fits so many frames, and a few more. */
const SPARE_CONTINUATIONS = 8;
const KEEPALIVE_PING = new Uint8Array([0x6b, 0x65, 0x65, 0x70, 0x2d, 0x75, 0x70, 0x2e]);
const EMPTY = Buffer.alloc(0);

export abstract class Http2Session implements FrameHandler, KeepaliveOwner, TimerOwner {
  readonly connection: Connection;
  readonly options: Http2Options;
  readonly stats: Http2Stats;
  readonly clock: Clock;
  protected readonly streams = new Map<number, Http2Stream>();
  protected readonly block: HeaderBlock;
  protected readonly guard: FloodGuard;
  /** Nothing is read or written any more. */
  protected broken = false;
  /** A stream with more than this to send is above its watermark. */
  readonly streamBufferLimit: number;
  protected readonly peer: PeerSettings;
  sendWindow = DEFAULT_WINDOW;

  private readonly reader: FrameReader;
  private readonly hpackDecoder: HpackDecoder;
  private readonly encoder: HpackEncoder;
  protected readonly keepalive: Keepalive | undefined;
  private readonly settingsTimer = new Timer(this, TIMER_SETTINGS);
  private settingsAcknowledged = false;
  private receiveWindow: number;
  /** A smaller window than the default holds from the acknowledgement on (RFC 9113 6.9.3). */
  localInitialWindow: number;
  private unacknowledged = 0;
  private readonly resets = new Uint32Array(REMEMBERED_RESETS);
  private resetCount = 0;

  // The frame being read.
  private frameLength = 0;
  private frameType = 0;
  private frameFlags = 0;
  private frameStreamId = 0;
  private dataStream: Http2Stream | undefined = undefined;
  /** Bytes of the body that this DATA frame still brings; -1: the length of the padding comes first. */
  private dataRemaining = 0;

  // A header block that goes on in CONTINUATION.
  private blockStreamId = 0;
  private blockEndStream = false;
  private blockBytes: Buffer = EMPTY;
  private continuations = 0;

  /** Streams that have something to send, in turn. */
  private sendQueue: Http2Stream[] = [];
  private sendHead = 0;
  private toResume: Http2Stream[] = [];

  constructor(connection: Connection, options: Http2Options, stats: Http2Stats, clock: Clock, isServer: boolean) {
    this.connection = connection;
    this.options = options;
    this.stats = stats;
    this.clock = clock;
    this.peer = new PeerSettings(isServer);
    this.block = new HeaderBlock(options);
    this.guard = new FloodGuard(options, stats, clock, connection);
    this.streamBufferLimit = Math.min(options.initialStreamWindowSize, connection.highWatermark);
    this.receiveWindow = options.initialConnectionWindowSize;
    this.localInitialWindow = Math.max(options.initialStreamWindowSize, DEFAULT_WINDOW);
    this.reader = new FrameReader(this, isServer);
    this.hpackDecoder = new HpackDecoder(options.hpackTableSize);
    this.encoder = new HpackEncoder(options.hpackTableSize, options.enableHuffmanEncoding);
    this.keepalive = options.keepalive === undefined ? undefined : new Keepalive(options.keepalive, this, clock);
    clock.start(this.settingsTimer, SETTINGS_TIMEOUT_MS);
  }

  get peerInitialWindow(): number {
    return this.peer.initialWindowSize;
  }

  /** The streams' turn is over as soon as the queue is empty: then a body need not wait for another. */
  get mayWriteNow(): boolean {
    return this.sendHead === this.sendQueue.length;
  }

  // ---- what the sides differ in ----

  /** A whole header block: decode it by decodeBlock(), whatever becomes of it. */
  protected abstract onHeaderBlock(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void;
  /** The stream was never begun, as opposed to closed. */
  protected abstract isIdle(streamId: number): boolean;
  protected abstract onPartialBlock(): void;
  protected abstract onPeerGoAway(lastStreamId: number, code: number): void;
  protected abstract onPeerSettings(): void;
  protected abstract onStreamClosed(stream: Http2Stream): void;
  /** Everything was said and all streams told: end the connection. */
  protected abstract onBroken(details: string): void;
  /** What a GOAWAY of ours names. */
  protected abstract get lastPeerStreamId(): number;

  // ---- connection events ----

  onData(chunk: Buffer): void {
    if (this.broken) return;
    this.guard.forgetWritten();
    this.keepalive?.onReceived();
    this.reader.feed(chunk);
  }

  protected onConnectionClosed(details: string): void {
    this.broken = true;
    this.stop();
    this.endStreams("ConnectionTermination", details);
  }

  onAboveWriteBufferHighWatermark(): void {
    for (const stream of this.streams.values()) stream.checkWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.pump();
    if (this.connection.isAboveHighWatermark) return;
    // Everybody is told, although the first may fill the socket again at once: else it would be the only one that ever gets to write.
    for (const stream of this.streams.values()) stream.checkWatermark(false);
    if (this.connection.isAboveHighWatermark) this.onAboveWriteBufferHighWatermark();
  }

  private stop(): void {
    this.reader.stop();
    this.settingsTimer.clear();
    this.keepalive?.stop();
    this.blockBytes = EMPTY;
    this.toResume.length = 0;
  }

  private endStreams(reason: StreamResetReason, details: string): void {
    const streams = [...this.streams.values()];
    this.streams.clear();
    this.sendQueue.length = 0;
    this.sendHead = 0;
    for (const stream of streams) {
      this.stats.streamsActive.dec();
      const decoder = stream.decoder;
      stream.onClosed();
      stream.dropReceived();
      decoder?.onReset(reason, details);
    }
  }

  /** A connection error (RFC 9113 5.4.1). */
  protected fail(code: ErrorCode, details: string): void {
    if (this.broken) return;
    this.writeGoAway(this.lastPeerStreamId, code);
    this.broken = true;
    this.stop();
    this.endStreams("ProtocolError", details);
    this.onBroken(details);
  }

  protected calm(good: boolean, details: string): boolean {
    if (!good) this.fail(ErrorCode.EnhanceYourCalm, details);
    return good;
  }

  // ---- frames in ----

  onBadPreface(): void {
    this.fail(ErrorCode.ProtocolError, "http2.bad_preface");
  }

  onFrameHeader(length: number, type: number, flags: number, streamId: number): boolean {
    this.frameLength = length;
    this.frameType = type;
    this.frameFlags = flags;
    this.frameStreamId = streamId;
    const fault = this.checkFrame(length, type, flags, streamId);
    if (fault !== ErrorCode.NoError) {
      this.fail(fault, fault === ErrorCode.FrameSizeError ? "http2.frame_size_error" : "http2.protocol_error");
      return false;
    }
    if (type === FrameType.Data) this.beginData(length, flags, streamId);
    return !this.broken;
  }

  /** What the header alone says; ErrorCode.NoError when it may come here. */
  private checkFrame(length: number, type: number, flags: number, streamId: number): ErrorCode {
    if (length > MAX_FRAME_BYTES) return ErrorCode.FrameSizeError;
    if (!this.peer.received && (type !== FrameType.Settings || (flags & Flag.Ack) !== 0)) return ErrorCode.ProtocolError;
    if (this.blockStreamId !== 0) {
      if (type !== FrameType.Continuation || streamId !== this.blockStreamId) return ErrorCode.ProtocolError;
    }
    switch (type) {
      case FrameType.Data:
      case FrameType.Headers:
        return streamId === 0 ? ErrorCode.ProtocolError : ErrorCode.NoError;
      case FrameType.Continuation:
        return this.blockStreamId === 0 ? ErrorCode.ProtocolError : ErrorCode.NoError;
      case FrameType.Priority:
        return streamId === 0 ? ErrorCode.ProtocolError : length !== 5 ? ErrorCode.FrameSizeError : ErrorCode.NoError;
      case FrameType.RstStream:
        return streamId === 0 ? ErrorCode.ProtocolError : length !== 4 ? ErrorCode.FrameSizeError : ErrorCode.NoError;
      case FrameType.Settings:
        if (streamId !== 0) return ErrorCode.ProtocolError;
        return ((flags & Flag.Ack) !== 0 ? length !== 0 : length % 6 !== 0) ? ErrorCode.FrameSizeError : ErrorCode.NoError;
      case FrameType.PushPromise:
        // We never allow it (RFC 9113 6.6, 8.4).
        return ErrorCode.ProtocolError;
      case FrameType.Ping:
        return streamId !== 0 ? ErrorCode.ProtocolError : length !== 8 ? ErrorCode.FrameSizeError : ErrorCode.NoError;
      case FrameType.GoAway:
        return streamId !== 0 ? ErrorCode.ProtocolError : length < 8 ? ErrorCode.FrameSizeError : ErrorCode.NoError;
      case FrameType.WindowUpdate:
        return length !== 4 ? ErrorCode.FrameSizeError : ErrorCode.NoError;
      default:
        return ErrorCode.NoError;
    }
  }

  private beginData(length: number, flags: number, streamId: number): void {
    const padded = (flags & Flag.Padded) !== 0;
    this.dataStream = undefined;
    this.dataRemaining = padded ? -1 : length;
    if (padded && length === 0) {
      this.fail(ErrorCode.FrameSizeError, "http2.frame_size_error");
      return;
    }
    if (!this.calm(this.guard.onMessageFrame(length === 0 && (flags & Flag.EndStream) === 0), "http2.inbound_empty_frames_flood")) return;
    this.receiveWindow -= length;
    if (this.receiveWindow < 0) {
      this.fail(ErrorCode.FlowControlError, "http2.flow_control_error");
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId)) this.fail(ErrorCode.ProtocolError, "http2.protocol_error");
      else if (!this.wasReset(streamId)) this.refuseFrame(streamId, ErrorCode.StreamClosed);
      return;
    }
    if (stream.remoteClosed) {
      this.streamError(stream, ErrorCode.StreamClosed, "ProtocolError", "http2.stream_closed");
      return;
    }
    if (stream.awaitsHeaders) {
      this.refuseMessage(stream, Fault.Messaging);
      return;
    }
    stream.receiveWindow -= length;
    if (stream.receiveWindow < 0) this.streamError(stream, ErrorCode.FlowControlError, "ProtocolError", "http2.flow_control_error");
    else this.dataStream = stream;
  }

  onDataPayload(bytes: Buffer, start: number, end: number, last: boolean): boolean {
    if (this.broken) return false;
    const stream = this.dataStream;
    let at = start;
    if (this.dataRemaining < 0 && at < end) {
      const padding = bytes[at++];
      this.dataRemaining = this.frameLength - 1 - padding;
      if (this.dataRemaining < 0) {
        this.fail(ErrorCode.ProtocolError, "http2.protocol_error");
        return false;
      }
      if (stream === undefined) this.consumeConnection(1 + padding);
      else this.consume(stream, 1 + padding);
    }
    const size = Math.min(end - at, this.dataRemaining);
    this.dataRemaining -= size;
    if (stream === undefined || stream.closed) this.consumeConnection(size);
    else {
      const ends = last && (this.frameFlags & Flag.EndStream) !== 0;
      if (size > 0 || ends) stream.receiveData(bytes.subarray(at, at + size), ends);
    }
    return !this.broken;
  }

  onPayload(bytes: Buffer, start: number, end: number): boolean {
    switch (this.frameType) {
      case FrameType.Headers:
        this.onHeadersFrame(bytes, start, end);
        break;
      case FrameType.Continuation:
        this.onContinuationFrame(bytes, start, end);
        break;
      case FrameType.Priority:
        // Deprecated (RFC 9113 5.3.2): counted, and of no effect.
        this.calm(this.guard.onPriorityFrame(), "http2.inbound_priority_frames_flood");
        break;
      case FrameType.RstStream:
        this.onRstStreamFrame(readUint32(bytes, start));
        break;
      case FrameType.Settings:
        this.onSettingsFrame(bytes, start, end);
        break;
      case FrameType.Ping:
        if ((this.frameFlags & Flag.Ack) === 0) this.writePing(bytes.subarray(start, end), true);
        else this.keepalive?.onAnswer();
        break;
      case FrameType.GoAway:
        this.onPeerGoAway(readUint32(bytes, start) & 0x7fff_ffff, readUint32(bytes, start + 4));
        break;
      case FrameType.WindowUpdate:
        this.onWindowUpdateFrame(readUint32(bytes, start) & 0x7fff_ffff);
        break;
      default:
      // Extensions are ignored (RFC 9113 4.1).
    }
    return !this.broken;
  }

  private onHeadersFrame(bytes: Buffer, from: number, to: number): void {
    let start = from;
    let end = to;
    const flags = this.frameFlags;
    const fixed = ((flags & Flag.Padded) !== 0 ? 1 : 0) + ((flags & Flag.Priority) !== 0 ? 5 : 0);
    if (end - start < fixed) {
      this.fail(ErrorCode.FrameSizeError, "http2.frame_size_error");
      return;
    }
    if ((flags & Flag.Padded) !== 0) end -= bytes[start];
    start += fixed;
    if (end < start) {
      this.fail(ErrorCode.ProtocolError, "http2.protocol_error");
      return;
    }
    const endStream = (flags & Flag.EndStream) !== 0;
    if (!this.calm(this.guard.onMessageFrame(start === end && !endStream), "http2.inbound_empty_frames_flood")) return;
    if ((flags & Flag.EndHeaders) !== 0) {
      this.onHeaderBlock(this.frameStreamId, endStream, bytes, start, end);
      return;
    }
    this.blockStreamId = this.frameStreamId;
    this.blockEndStream = endStream;
    this.continuations = 0;
    this.blockBytes = Buffer.from(bytes.subarray(start, end));
    this.onPartialBlock();
  }

  private onContinuationFrame(bytes: Buffer, start: number, end: number): void {
    const isLast = (this.frameFlags & Flag.EndHeaders) !== 0;
    if (!this.calm(this.guard.onMessageFrame(start === end && !isLast), "http2.inbound_empty_frames_flood")) return;
    // Huffman codes and indexes make a block smaller than its fields, hardly ever larger.
    const maxBytes = this.options.maxHeaderBytes + MAX_FRAME_BYTES;
    const maxFrames = SPARE_CONTINUATIONS + Math.ceil(this.options.maxHeaderBytes / MAX_FRAME_BYTES);
    if (++this.continuations > maxFrames || this.blockBytes.length + end - start > maxBytes) {
      this.stats.headerOverflow.inc();
      this.fail(ErrorCode.EnhanceYourCalm, "http2.continuation_flood");
      return;
    }
    const whole = Buffer.concat([this.blockBytes, bytes.subarray(start, end)]);
    this.blockBytes = whole;
    if (!isLast) return;
    const streamId = this.blockStreamId;
    this.blockStreamId = 0;
    this.blockBytes = EMPTY;
    this.onHeaderBlock(streamId, this.blockEndStream, whole, 0, whole.length);
  }

  /** To the sink; false when the connection is broken now. */
  protected decodeBlock(bytes: Buffer, start: number, end: number): boolean {
    if (this.hpackDecoder.decode(bytes, start, end, this.block)) return true;
    this.fail(ErrorCode.CompressionError, "http2.compression_error");
    return false;
  }

  /** A block that was decoded as trailers, for a stream that may get some. */
  protected onTrailers(stream: Http2Stream, endStream: boolean): void {
    const { fault, headers } = this.block;
    this.stats.trailers.inc();
    if (fault !== Fault.None) this.refuseMessage(stream, fault);
    else if (!endStream) this.refuseMessage(stream, Fault.Messaging);
    else if (stream.bodyRemaining > 0) this.streamError(stream, ErrorCode.ProtocolError, "RemoteReset", Fault.Messaging);
    else stream.receiveTrailers(headers);
  }

  get hasPartialBlock(): boolean {
    return this.blockStreamId !== 0;
  }

  private onRstStreamFrame(code: number): void {
    const stream = this.streams.get(this.frameStreamId);
    if (stream === undefined) {
      if (this.isIdle(this.frameStreamId)) this.fail(ErrorCode.ProtocolError, "http2.protocol_error");
      return;
    }
    this.stats.rxReset.inc();
    const decoder = stream.decoder;
    const startedAt = stream.startedAt;
    const isPremature = !stream.localEnded;
    this.remove(stream);
    if (code === ErrorCode.RefusedStream) decoder?.onReset("RemoteRefusedStreamReset", "http2.remote_refuse");
    else decoder?.onReset("RemoteReset", "http2.remote_reset");
    if (isPremature && this.countsPeerResets) this.calm(this.guard.onPeerReset(startedAt), "http2.premature_reset_flood");
  }

  /** A server's resets end work that we asked for; a client's end work that it made us begin. */
  protected abstract get countsPeerResets(): boolean;

  private onSettingsFrame(bytes: Buffer, start: number, end: number): void {
    if ((this.frameFlags & Flag.Ack) !== 0) {
      this.settingsTimer.clear();
      this.onSettingsAcknowledged();
      return;
    }
    const peer = this.peer;
    const windowBefore = peer.initialWindowSize;
    const fault = peer.read(bytes, start, end);
    if (fault !== ErrorCode.NoError) {
      this.fail(fault, "http2.settings_error");
      return;
    }
    this.encoder.setPeerLimit(peer.headerTableSize);
    const delta = peer.initialWindowSize - windowBefore;
    if (delta !== 0) {
      for (const stream of this.streams.values()) {
        stream.sendWindow += delta;
        if (stream.sendWindow > MAX_WINDOW) {
          this.fail(ErrorCode.FlowControlError, "http2.flow_control_error");
          return;
        }
        if (stream.pendingBytes > 0) this.enqueue(stream);
      }
    }
    this.writeEmpty(FrameType.Settings, Flag.Ack, 0, true);
    this.pump();
    this.onPeerSettings();
  }

  private onSettingsAcknowledged(): void {
    if (this.settingsAcknowledged) return;
    this.settingsAcknowledged = true;
    this.hpackDecoder.onSettingsAcknowledged(this.options.hpackTableSize);
    const delta = this.options.initialStreamWindowSize - this.localInitialWindow;
    if (delta === 0) return;
    this.localInitialWindow += delta;
    for (const stream of this.streams.values()) stream.receiveWindow += delta;
  }

  private onWindowUpdateFrame(increment: number): void {
    const streamId = this.frameStreamId;
    if (!this.calm(this.guard.onWindowUpdateFrame(), "http2.inbound_window_update_frames_flood")) return;
    if (streamId === 0) {
      this.sendWindow += increment;
      if (increment === 0) this.fail(ErrorCode.ProtocolError, "http2.protocol_error");
      else if (this.sendWindow > MAX_WINDOW) this.fail(ErrorCode.FlowControlError, "http2.flow_control_error");
      else this.pump();
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      if (this.isIdle(streamId)) this.fail(ErrorCode.ProtocolError, "http2.protocol_error");
      return;
    }
    stream.sendWindow += increment;
    if (increment === 0) this.streamError(stream, ErrorCode.ProtocolError, "ProtocolError", "http2.protocol_error");
    else if (stream.sendWindow > MAX_WINDOW)
      this.streamError(stream, ErrorCode.FlowControlError, "ProtocolError", "http2.flow_control_error");
    else if (stream.pendingBytes > 0) {
      this.enqueue(stream);
      this.pump();
    }
  }

  // ---- receive windows ----

  consume(stream: Http2Stream, bytes: number): void {
    this.consumeConnection(bytes);
    if (stream.closed || stream.remoteClosed || this.broken) return;
    stream.unacknowledged += bytes;
    if (stream.unacknowledged * 2 < this.options.initialStreamWindowSize) return;
    stream.receiveWindow += stream.unacknowledged;
    this.writeUint(FrameType.WindowUpdate, stream.streamId, stream.unacknowledged, false);
    stream.unacknowledged = 0;
  }

  consumeConnection(bytes: number): void {
    this.unacknowledged += bytes;
    if (this.unacknowledged * 2 < this.options.initialConnectionWindowSize || this.broken) return;
    this.receiveWindow += this.unacknowledged;
    this.writeUint(FrameType.WindowUpdate, 0, this.unacknowledged, false);
    this.unacknowledged = 0;
  }

  resumeLater(stream: Http2Stream): void {
    if (this.toResume.push(stream) === 1) queueMicrotask(this.resumeAll);
  }

  private readonly resumeAll = (): void => {
    const streams = this.toResume;
    this.toResume = [];
    this.connection.enter();
    for (const stream of streams) stream.resume();
    this.connection.leave();
  };

  // ---- the ends of streams ----

  protected register(stream: Http2Stream): void {
    this.streams.set(stream.streamId, stream);
    this.stats.streamsActive.inc();
    this.guard.onStreamBegun();
  }

  /** No more frames of this stream; what its decoder has not read yet it still gets. */
  detach(stream: Http2Stream): void {
    if (stream.closed) return;
    this.streams.delete(stream.streamId);
    this.stats.streamsActive.dec();
    this.guard.onStreamEnded();
    stream.onClosed();
    this.onStreamClosed(stream);
  }

  /** The stream is over before its time. */
  protected remove(stream: Http2Stream): void {
    stream.dropReceived();
    this.detach(stream);
  }

  private rememberReset(streamId: number): void {
    this.resets[this.resetCount++ % REMEMBERED_RESETS] = streamId;
  }

  protected wasReset(streamId: number): boolean {
    return this.resets.includes(streamId);
  }

  /** A stream error (RFC 9113 5.4.2), of the peer's making. */
  streamError(stream: Http2Stream, code: ErrorCode, reason: StreamResetReason, details: string): void {
    const decoder = stream.decoder;
    this.writeReset(stream.streamId, code);
    this.remove(stream);
    decoder?.onReset(reason, details);
    this.calm(this.guard.onProvokedReset(), "http2.provoked_reset_flood");
  }

  /** A frame for a stream that is no more, or never will be. */
  protected refuseFrame(streamId: number, code: ErrorCode): void {
    this.writeReset(streamId, code);
    this.calm(this.guard.onProvokedReset(), "http2.provoked_reset_flood");
  }

  /** A malformed message, by its fault. */
  protected refuseMessage(stream: Http2Stream, fault: Fault): void {
    if (fault === Fault.TooMany || fault === Fault.Underscore) {
      if (fault === Fault.TooMany) this.stats.headerOverflow.inc();
      else this.stats.requestsRejectedWithUnderscores.inc();
      this.streamError(stream, ErrorCode.InternalError, "RemoteReset", fault);
      return;
    }
    this.stats.rxMessagingError.inc();
    if (this.options.streamErrorOnInvalidHttpMessage) this.streamError(stream, ErrorCode.ProtocolError, "ProtocolError", fault);
    else this.fail(ErrorCode.ProtocolError, fault);
  }

  /** The owner gives the stream up: it is not told. */
  resetStream(stream: Http2Stream, reason: StreamResetReason): void {
    if (stream.closed) {
      stream.dropReceived();
      return;
    }
    if (!this.broken) this.writeReset(stream.streamId, resetCode(reason));
    this.remove(stream);
  }

  /** The stream went wrong in here: the owner is told. */
  abortStream(stream: Http2Stream, details: string): void {
    const decoder = stream.decoder;
    this.resetStream(stream, "LocalReset");
    decoder?.onReset("LocalReset", details);
  }

  /** Our message is over, and the peer's is not wanted any more (RFC 9113 8.1). */
  stopReading(stream: Http2Stream, code: ErrorCode): void {
    this.writeReset(stream.streamId, code);
    this.remove(stream);
  }

  /** The peer's message is over, and ours is not wanted any more. */
  stopWriting(stream: Http2Stream, code: ErrorCode): void {
    this.writeReset(stream.streamId, code);
    this.detach(stream);
  }

  // ---- frames out ----

  /** Puts `bytes` of the output block, from output.used on, on their way. */
  private commit(bytes: number, isControl: boolean): void {
    const at = output.used;
    output.used = at + bytes;
    this.connection.writeBytes(output.bytes.subarray(at, at + bytes));
    if (this.guard.onOutboundFrame(bytes, isControl)) return;
    this.fail(ErrorCode.EnhanceYourCalm, isControl ? "http2.outbound_control_frames_flood" : "http2.outbound_frames_flood");
  }

  protected writePreface(preface: Uint8Array): void {
    this.connection.writeBytes(preface);
    this.writeSettings();
  }

  protected writeSettings(): void {
    const length = writeLocalSettings(this.options, this.peer.isServer);
    this.commit(length, false);
    const grow = this.options.initialConnectionWindowSize - DEFAULT_WINDOW;
    if (grow > 0) this.writeUint(FrameType.WindowUpdate, 0, grow, false);
  }

  private writeEmpty(type: number, flags: number, streamId: number, isControl: boolean): void {
    reserve(FRAME_HEADER_BYTES);
    writeFrameHeader(output.bytes, output.used, 0, type, flags, streamId);
    this.commit(FRAME_HEADER_BYTES, isControl);
  }

  private writeUint(type: number, streamId: number, value: number, isControl: boolean): void {
    reserve(FRAME_HEADER_BYTES + 4);
    writeFrameHeader(output.bytes, output.used, 4, type, 0, streamId);
    writeUint32(output.bytes, output.used + FRAME_HEADER_BYTES, value);
    this.commit(FRAME_HEADER_BYTES + 4, isControl);
  }

  private writeReset(streamId: number, code: ErrorCode): void {
    this.stats.txReset.inc();
    this.rememberReset(streamId);
    this.writeUint(FrameType.RstStream, streamId, code, true);
  }

  private writePing(data: Uint8Array, isAnswer: boolean): void {
    reserve(FRAME_HEADER_BYTES + 8);
    writeFrameHeader(output.bytes, output.used, 8, FrameType.Ping, isAnswer ? Flag.Ack : 0, 0);
    output.bytes.set(data, output.used + FRAME_HEADER_BYTES);
    this.commit(FRAME_HEADER_BYTES + 8, isAnswer);
  }

  protected writeGoAway(lastStreamId: number, code: ErrorCode): void {
    this.stats.goawaySent.inc();
    reserve(FRAME_HEADER_BYTES + 8);
    writeFrameHeader(output.bytes, output.used, 8, FrameType.GoAway, 0, 0);
    writeUint32(output.bytes, output.used + FRAME_HEADER_BYTES, lastStreamId);
    writeUint32(output.bytes, output.used + FRAME_HEADER_BYTES + 4, code);
    const at = output.used;
    output.used = at + FRAME_HEADER_BYTES + 8;
    this.connection.writeBytes(output.bytes.subarray(at, output.used));
  }

  /** HEADERS, and CONTINUATION for what does not fit one frame. */
  writeHeaders(stream: Http2Stream, headers: HeaderMap, endStream: boolean): void {
    const encoder = this.encoder;
    reserve(FRAME_HEADER_BYTES + encoder.bound(headers));
    const bytes = output.bytes;
    const at = output.used;
    encoder.begin(bytes, at + FRAME_HEADER_BYTES);
    this.encodeFields(stream, headers, encoder);
    const length = encoder.end() - at - FRAME_HEADER_BYTES;
    const flags = endStream ? Flag.EndStream : 0;
    if (length <= MAX_FRAME_BYTES) {
      writeFrameHeader(bytes, at, length, FrameType.Headers, flags | Flag.EndHeaders, stream.streamId);
      this.commit(FRAME_HEADER_BYTES + length, false);
      return;
    }
    const block = Buffer.from(bytes.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + length));
    for (let from = 0; from < length; from += MAX_FRAME_BYTES) {
      const part = block.subarray(from, from + MAX_FRAME_BYTES);
      const last = from + MAX_FRAME_BYTES >= length ? Flag.EndHeaders : 0;
      reserve(FRAME_HEADER_BYTES + part.length);
      const type = from === 0 ? FrameType.Headers : FrameType.Continuation;
      writeFrameHeader(output.bytes, output.used, part.length, type, (from === 0 ? flags : 0) | last, stream.streamId);
      output.bytes.set(part, output.used + FRAME_HEADER_BYTES);
      this.commit(FRAME_HEADER_BYTES + part.length, false);
    }
  }

  /** The fields of a message as they go on the wire. */
  protected encodeFields(_stream: Http2Stream, headers: HeaderMap, encoder: HpackEncoder): void {
    const { names, values } = headers;
    for (let i = 0; i < names.length; i++) encoder.field(names[i], values[i]);
  }

  /** One DATA frame, within the windows, which the caller has looked at. */
  writeData(stream: Http2Stream, data: Uint8Array, endStream: boolean): void {
    const length = data.length;
    stream.sendWindow -= length;
    this.sendWindow -= length;
    this.guard.onDataFrameSent();
    const small = length <= COPY_BYTES;
    reserve(FRAME_HEADER_BYTES + (small ? length : 0));
    writeFrameHeader(output.bytes, output.used, length, FrameType.Data, endStream ? Flag.EndStream : 0, stream.streamId);
    if (small) {
      output.bytes.set(data, output.used + FRAME_HEADER_BYTES);
      this.commit(FRAME_HEADER_BYTES + length, false);
      return;
    }
    this.commit(FRAME_HEADER_BYTES, false);
    this.connection.writeBytes(data);
  }

  enqueue(stream: Http2Stream): void {
    if (stream.isQueued) return;
    stream.isQueued = true;
    this.sendQueue.push(stream);
  }

  /** A frame from each stream in turn, while windows and socket take them. */
  private pump(): void {
    while (this.sendHead < this.sendQueue.length && this.sendWindow > 0 && !this.broken && !this.connection.isAboveHighWatermark) {
      const stream = this.sendQueue[this.sendHead++];
      stream.isQueued = false;
      if (stream.writePending()) this.enqueue(stream);
      if (this.sendHead === this.sendQueue.length) {
        this.sendQueue.length = 0;
        this.sendHead = 0;
      } else if (this.sendHead >= 1024) {
        this.sendQueue.splice(0, this.sendHead);
        this.sendHead = 0;
      }
    }
  }

  // ---- timers ----

  sendKeepalivePing(): void {
    this.connection.enter();
    this.writePing(KEEPALIVE_PING, false);
    this.connection.leave();
  }

  onKeepaliveTimeout(): void {
    this.stats.keepaliveTimeout.inc();
    this.connection.destroy();
  }

  onTimer(_kind: number): void {
    this.stats.settingsTimeout.inc();
    this.connection.enter();
    this.fail(ErrorCode.SettingsTimeout, "http2.settings_timeout");
    this.connection.leave();
  }
}

/** What the peer is told (Envoy's reset_with_error). */
function resetCode(reason: StreamResetReason): ErrorCode {
  switch (reason) {
    case "LocalRefusedStreamReset":
      return ErrorCode.RefusedStream;
    case "ConnectionFailure":
      return ErrorCode.ConnectError;
    case "ProtocolError":
      return ErrorCode.ProtocolError;
    default:
      return ErrorCode.InternalError;
  }
}
