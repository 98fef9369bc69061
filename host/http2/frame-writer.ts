// Frames out: each is laid into the output block and handed to the connection, which sends what a turn has written in one piece.
import type { Http2Options } from "../config/http2.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { Connection } from "../net/connection.ts";
import type { FloodGuard } from "./flood-guard.ts";
import {
  DEFAULT_WINDOW,
  type ErrorCode,
  FRAME_HEADER_BYTES,
  Flag,
  FrameType,
  MAX_FRAME_BYTES,
  output,
  reserve,
  writeFrameHeader,
  writeUint32,
} from "./frames.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import { writeLocalSettings } from "./settings.ts";

/** Bodies shorter than this are copied behind their frame header: one slice less for the connection. */
const COPY_BYTES = 1024;

export interface FrameWriterOwner {
  /** Too many frames wait to be written; `isControl`: too many of those that answer the peer's. */
  onOutboundFlood(isControl: boolean): void;
}

/** Who knows how the fields of a message go on the wire. */
export interface FieldSource {
  readonly streamId: number;
  encodeFields(headers: HeaderMap, encoder: HpackEncoder): void;
}

export class FrameWriter {
  readonly encoder: HpackEncoder;
  private readonly connection: Connection;
  private readonly guard: FloodGuard;
  private readonly options: Http2Options;
  private readonly owner: FrameWriterOwner;

  constructor(connection: Connection, guard: FloodGuard, options: Http2Options, owner: FrameWriterOwner) {
    this.connection = connection;
    this.guard = guard;
    this.options = options;
    this.owner = owner;
    this.encoder = new HpackEncoder(options.hpackTableSize, options.enableHuffmanEncoding);
  }

  /** Puts `bytes` of the output block, from output.used on, on their way. */
  private commit(bytes: number, isControl: boolean): void {
    this.write(bytes);
    this.count(bytes, isControl);
  }

  private count(bytes: number, isControl: boolean): void {
    if (!this.guard.onOutboundFrame(bytes, isControl)) this.owner.onOutboundFlood(isControl);
  }

  private write(bytes: number): void {
    const at = output.used;
    // First of all: writing may call back, and what is called may write.
    output.used = at + bytes;
    this.connection.writeBlock(output.bytes, at, at + bytes);
  }

  /** The first bytes of a connection; a client begins with the preface. */
  begin(preface: Uint8Array, isServer: boolean): void {
    this.connection.writeBytes(preface);
    this.commit(writeLocalSettings(this.options, isServer), false);
    const grow = this.options.initialConnectionWindowSize - DEFAULT_WINDOW;
    if (grow > 0) this.uint(FrameType.WindowUpdate, 0, grow, false);
  }

  settingsAck(): void {
    reserve(FRAME_HEADER_BYTES);
    writeFrameHeader(output.bytes, output.used, 0, FrameType.Settings, Flag.Ack, 0);
    this.commit(FRAME_HEADER_BYTES, true);
  }

  /** A frame whose payload is one number: RST_STREAM, WINDOW_UPDATE. */
  uint(type: number, streamId: number, value: number, isControl: boolean): void {
    reserve(FRAME_HEADER_BYTES + 4);
    writeFrameHeader(output.bytes, output.used, 4, type, 0, streamId);
    writeUint32(output.bytes, output.used + FRAME_HEADER_BYTES, value);
    this.commit(FRAME_HEADER_BYTES + 4, isControl);
  }

  ping(data: Uint8Array, isAnswer: boolean): void {
    reserve(FRAME_HEADER_BYTES + 8);
    writeFrameHeader(output.bytes, output.used, 8, FrameType.Ping, isAnswer ? Flag.Ack : 0, 0);
    output.bytes.set(data, output.used + FRAME_HEADER_BYTES);
    this.commit(FRAME_HEADER_BYTES + 8, isAnswer);
  }

  /** Counts for no flood: it may be what ends one. */
  goAway(lastStreamId: number, code: ErrorCode): void {
    reserve(FRAME_HEADER_BYTES + 8);
    writeFrameHeader(output.bytes, output.used, 8, FrameType.GoAway, 0, 0);
    writeUint32(output.bytes, output.used + FRAME_HEADER_BYTES, lastStreamId);
    writeUint32(output.bytes, output.used + FRAME_HEADER_BYTES + 4, code);
    this.write(FRAME_HEADER_BYTES + 8);
  }

  /** HEADERS, and CONTINUATION for what does not fit one frame. */
  headers(source: FieldSource, headers: HeaderMap, endStream: boolean): void {
    const encoder = this.encoder;
    reserve(FRAME_HEADER_BYTES + encoder.bound(headers));
    const bytes = output.bytes;
    const at = output.used;
    encoder.begin(bytes, at + FRAME_HEADER_BYTES);
    source.encodeFields(headers, encoder);
    const length = encoder.end() - at - FRAME_HEADER_BYTES;
    const flags = endStream ? Flag.EndStream : 0;
    if (length <= MAX_FRAME_BYTES) {
      writeFrameHeader(bytes, at, length, FrameType.Headers, flags | Flag.EndHeaders, source.streamId);
      this.commit(FRAME_HEADER_BYTES + length, false);
      return;
    }
    const block = Buffer.from(bytes.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + length));
    for (let from = 0; from < length; from += MAX_FRAME_BYTES) {
      const part = block.subarray(from, from + MAX_FRAME_BYTES);
      const last = from + MAX_FRAME_BYTES >= length ? Flag.EndHeaders : 0;
      reserve(FRAME_HEADER_BYTES + part.length);
      const type = from === 0 ? FrameType.Headers : FrameType.Continuation;
      writeFrameHeader(output.bytes, output.used, part.length, type, (from === 0 ? flags : 0) | last, source.streamId);
      output.bytes.set(part, output.used + FRAME_HEADER_BYTES);
      this.commit(FRAME_HEADER_BYTES + part.length, false);
    }
  }

  data(streamId: number, data: Uint8Array, endStream: boolean): void {
    const length = data.length;
    const isSmall = length <= COPY_BYTES;
    reserve(FRAME_HEADER_BYTES + (isSmall ? length : 0));
    writeFrameHeader(output.bytes, output.used, length, FrameType.Data, endStream ? Flag.EndStream : 0, streamId);
    if (isSmall) {
      output.bytes.set(data, output.used + FRAME_HEADER_BYTES);
      this.commit(FRAME_HEADER_BYTES + length, false);
      return;
    }
    this.write(FRAME_HEADER_BYTES);
    this.connection.writeBytes(data);
    this.count(FRAME_HEADER_BYTES + length, false);
  }
}
