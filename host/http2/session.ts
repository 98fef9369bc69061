// One HTTP/2 connection (RFC 9113): what both sides have in common. Frames come in through the reader, are held against the limits, and
// become events of streams; frames go out one by one into the connection, which collects them for the turn. Bodies go out by turns, a
// frame from each stream that has something to send, as far as windows and socket allow.
// Longer than its siblings because every frame type ends here: they share the windows, the stream table and the one way to fail.
import { type Clock, Timer, type TimerOwner } from "../base/clock.ts";
import { IdTable } from "../base/id-table.ts";
import type { Http2Options } from "../config/http2.ts";
import type { StreamResetReason } from "../http/codec.ts";
import type { Connection } from "../net/connection.ts";
import { FloodGuard } from "./flood-guard.ts";
import { FrameReader, type FrameHandler } from "./frame-reader.ts";
import { DEFAULT_WINDOW, ErrorCode, Flag, FrameType, MAX_WINDOW, readUint32 } from "./frames.ts";
import { checkFrameHeader } from "./frame-rules.ts";
import { FrameWriter, type FrameWriterOwner } from "./frame-writer.ts";
import { HeaderFragments } from "./header-fragments.ts";
import { Fault, HeaderBlock } from "./header-block.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { Keepalive, type KeepaliveOwner } from "./keepalive.ts";
import { ReceiveWindows } from "./receive-windows.ts";
import { SendQueue } from "./send-queue.ts";
import { resetCode, resetReason } from "./reset-codes.ts";
import { PeerSettings } from "./settings.ts";
import type { Http2Stats } from "./stats.ts";
import type { Http2Stream } from "./stream.ts";

const TIMER_SETTINGS = 0;
/** RFC 9113 6.5.3: how long the peer may take to acknowledge our settings. */
const SETTINGS_TIMEOUT_MS = 30_000;
/** Streams that we reset, whose last frames may be on the way still (RFC 9113 5.4.2). */
const REMEMBERED_RESETS = 128;
/** What a stream may buffer however many there are. */
const MIN_STREAM_BUFFER = 64 * 1024;
const KEEPALIVE_PING = new Uint8Array([0x6b, 0x65, 0x65, 0x70, 0x2d, 0x75, 0x70, 0x2e]);

export abstract class Http2Session implements FrameHandler, FrameWriterOwner, KeepaliveOwner, TimerOwner {
  readonly connection: Connection;
  readonly options: Http2Options;
  readonly stats: Http2Stats;
  readonly clock: Clock;
  protected readonly streams = new IdTable<Http2Stream>();
  protected readonly block: HeaderBlock;
  protected readonly guard: FloodGuard;
  /** Nothing is read or written any more. */
  protected broken = false;
  private readonly bufferLimit: number;
  /** Streams that have bytes to send and may not. */
  waitingStreams = 0;
  protected readonly peer: PeerSettings;
  sendWindow = DEFAULT_WINDOW;

  private readonly reader: FrameReader;
  private readonly hpackDecoder: HpackDecoder;
  readonly writer: FrameWriter;
  protected readonly keepalive: Keepalive | undefined;
  private readonly settingsTimer = new Timer(this, TIMER_SETTINGS);
  private settingsAcknowledged = false;
  readonly windows: ReceiveWindows;
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

  private readonly fragments: HeaderFragments;

  readonly sendQueue = new SendQueue();
  private toResume: Http2Stream[] = [];

  constructor(connection: Connection, options: Http2Options, stats: Http2Stats, clock: Clock, isServer: boolean) {
    this.connection = connection;
    this.options = options;
    this.stats = stats;
    this.clock = clock;
    this.peer = new PeerSettings(isServer);
    this.block = new HeaderBlock(options);
    this.fragments = new HeaderFragments(options.maxHeaderBytes);
    this.guard = new FloodGuard(options, stats, clock, connection);
    this.bufferLimit = Math.min(options.initialStreamWindowSize, connection.highWatermark);
    this.reader = new FrameReader(this, isServer);
    this.hpackDecoder = new HpackDecoder(options.hpackTableSize);
    this.writer = new FrameWriter(connection, this.guard, options, this);
    this.windows = new ReceiveWindows(options, this.writer);
    this.keepalive = options.keepalive === undefined ? undefined : new Keepalive(options.keepalive, this, clock);
    clock.start(this.settingsTimer, SETTINGS_TIMEOUT_MS);
  }

  get peerInitialWindow(): number {
    return this.peer.initialWindowSize;
  }

  /** A stream with more than this to send is above its watermark: a share, or many stalled streams would add up to gigabytes. */
  get streamBufferLimit(): number {
    return Math.max(Math.min(this.bufferLimit, MIN_STREAM_BUFFER), this.bufferLimit / Math.max(1, this.waitingStreams));
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
    this.windows.stop();
    this.stop();
    this.endStreams("ConnectionTermination", details);
  }

  onAboveWriteBufferHighWatermark(): void {
    for (const stream of this.streams.all()) stream.checkWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.pump();
    if (this.connection.isAboveHighWatermark) return;
    // Everybody is told, although the first may fill the socket again at once: else it would be the only one that ever gets to write.
    for (const stream of this.streams.all()) stream.checkWatermark(false);
    if (this.connection.isAboveHighWatermark) this.onAboveWriteBufferHighWatermark();
  }

  private stop(): void {
    this.reader.stop();
    this.settingsTimer.clear();
    this.keepalive?.stop();
    this.fragments.clear();
    this.toResume.length = 0;
  }

  private endStreams(reason: StreamResetReason, details: string): void {
    const streams = this.streams.all();
    this.streams.clear();
    this.sendQueue.clear();
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
    this.windows.stop();
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
    const fault = this.isInOrder(type, flags, streamId) ? checkFrameHeader(length, type, flags, streamId) : ErrorCode.ProtocolError;
    if (fault !== ErrorCode.NoError) {
      this.fail(fault, fault === ErrorCode.FrameSizeError ? "http2.frame_size_error" : "http2.protocol_error");
      return false;
    }
    if (type === FrameType.Data) this.beginData(length, flags, streamId);
    return !this.broken;
  }

  /** SETTINGS come first (RFC 9113 3.4), and nothing comes between the frames of a header block (4.3). */
  private isInOrder(type: number, flags: number, streamId: number): boolean {
    if (!this.peer.received) return type === FrameType.Settings && (flags & Flag.Ack) === 0;
    const open = this.fragments.streamId;
    return open === 0 ? type !== FrameType.Continuation : type === FrameType.Continuation && streamId === open;
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
    if (!this.windows.receive(length)) {
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
      this.fail(ErrorCode.ProtocolError, "http2.protocol_error");
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
      if (stream === undefined) this.windows.consumeConnection(1 + padding);
      else this.windows.consume(stream, 1 + padding);
    }
    const size = Math.min(end - at, this.dataRemaining);
    this.dataRemaining -= size;
    if (stream === undefined || stream.closed) this.windows.consumeConnection(size);
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
        if ((this.frameFlags & Flag.Ack) === 0) this.writer.ping(bytes.subarray(start, end), true);
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

  private onHeadersFrame(bytes: Buffer, start: number, end: number): void {
    const { frameFlags: flags, fragments } = this;
    const fault = fragments.unwrap(bytes, start, end, flags);
    if (fault !== ErrorCode.NoError) {
      this.fail(fault, "http2.protocol_error");
      return;
    }
    const endStream = (flags & Flag.EndStream) !== 0;
    if (!this.calm(this.guard.onMessageFrame(fragments.start === fragments.end && !endStream), "http2.inbound_empty_frames_flood")) return;
    if ((flags & Flag.EndHeaders) !== 0) this.onHeaderBlock(this.frameStreamId, endStream, bytes, fragments.start, fragments.end);
    else {
      fragments.begin(this.frameStreamId, endStream, bytes);
      this.onPartialBlock();
    }
  }

  private onContinuationFrame(bytes: Buffer, start: number, end: number): void {
    const isLast = (this.frameFlags & Flag.EndHeaders) !== 0;
    if (!this.calm(this.guard.onMessageFrame(start === end && !isLast), "http2.inbound_empty_frames_flood")) return;
    if (!this.fragments.append(bytes, start, end)) {
      this.stats.headerOverflow.inc();
      this.fail(ErrorCode.EnhanceYourCalm, "http2.continuation_flood");
      return;
    }
    if (!isLast) return;
    const { streamId, endStream } = this.fragments;
    const block = this.fragments.finish();
    this.onHeaderBlock(streamId, endStream, block, 0, block.length);
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
    if (fault !== Fault.None) this.refuseMessage(stream, fault);
    else if (!endStream) this.refuseMessage(stream, Fault.Messaging);
    else if (stream.bodyRemaining > 0) this.streamError(stream, ErrorCode.ProtocolError, "ProtocolError", Fault.Messaging);
    else stream.receiveTrailers(headers);
  }

  get hasPartialBlock(): boolean {
    return this.fragments.streamId !== 0;
  }

  private onRstStreamFrame(code: number): void {
    const stream = this.streams.get(this.frameStreamId);
    if (stream === undefined) {
      if (this.isIdle(this.frameStreamId)) this.fail(ErrorCode.ProtocolError, "http2.protocol_error");
      else if (this.wasReset(this.frameStreamId)) this.stats.rxReset.inc();
      return;
    }
    this.stats.rxReset.inc();
    const decoder = stream.decoder;
    const startedAt = stream.startedAt;
    const isPremature = !stream.localEnded;
    this.remove(stream);
    decoder?.onReset(resetReason(code), code === ErrorCode.RefusedStream ? "http2.remote_refuse" : "http2.remote_reset");
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
    this.writer.encoder.setPeerLimit(peer.headerTableSize);
    const delta = peer.initialWindowSize - windowBefore;
    if (delta !== 0) {
      for (const stream of this.streams.all()) {
        stream.sendWindow += delta;
        if (stream.sendWindow > MAX_WINDOW) {
          this.fail(ErrorCode.FlowControlError, "http2.flow_control_error");
          return;
        }
        if (stream.pendingBytes > 0) this.sendQueue.add(stream);
      }
    }
    this.writer.settingsAck();
    this.pump();
    this.onPeerSettings();
  }

  private onSettingsAcknowledged(): void {
    if (this.settingsAcknowledged) return;
    this.settingsAcknowledged = true;
    this.hpackDecoder.onSettingsAcknowledged(this.options.hpackTableSize);
    this.windows.onSettingsAcknowledged(this.streams.all());
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
      this.sendQueue.add(stream);
      this.pump();
    }
  }

  // ---- what owners read ----

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
    if (fault === Fault.TooMany || fault === Fault.TooLarge || fault === Fault.Underscore) {
      if (fault === Fault.TooMany) this.stats.headerOverflow.inc();
      else if (fault === Fault.Underscore) this.stats.requestsRejectedWithUnderscores.inc();
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

  /** One DATA frame, within the windows, which the caller has looked at. */
  writeData(stream: Http2Stream, data: Uint8Array, endStream: boolean): void {
    stream.sendWindow -= data.length;
    this.sendWindow -= data.length;
    this.guard.onDataFrameSent();
    this.writer.data(stream.streamId, data, endStream);
  }

  private writeReset(streamId: number, code: ErrorCode): void {
    this.stats.txReset.inc();
    this.resets[this.resetCount++ % REMEMBERED_RESETS] = streamId;
    this.writer.uint(FrameType.RstStream, streamId, code, true);
  }

  protected writeGoAway(lastStreamId: number, code: ErrorCode): void {
    this.stats.goawaySent.inc();
    this.writer.goAway(lastStreamId, code);
  }

  onOutboundFlood(isControl: boolean): void {
    this.fail(ErrorCode.EnhanceYourCalm, isControl ? "http2.outbound_control_frames_flood" : "http2.outbound_frames_flood");
  }

  /** A frame from each stream in turn, while windows and socket take them. */
  private pump(): void {
    const queue = this.sendQueue;
    while (this.sendWindow > 0 && !this.broken && !this.connection.isAboveHighWatermark) {
      const stream = queue.next();
      if (stream === undefined) return;
      if (stream.writePending()) queue.add(stream);
    }
  }

  // ---- timers ----

  sendKeepalivePing(): void {
    this.connection.enter();
    this.writer.ping(KEEPALIVE_PING, false);
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
