// A header block in several frames (RFC 9113 6.2, 6.10). The first may be padded and may hold a priority, which says nothing any more
// (5.3.2). Frames and bytes are bounded: a block that never ends costs its sender the connection (CVE-2024-27316).
import { ErrorCode, Flag, MAX_FRAME_BYTES } from "./frames.ts";

/** A block within the limits fits so many frames, and a few more. */
const SPARE_FRAMES = 8;
const PRIORITY_BYTES = 5;

export class HeaderFragments {
  /** The stream whose block has begun and not ended; 0: none. */
  streamId = 0;
  endStream = false;
  /** Where the fragment lies in the frame that was unwrapped last. */
  start = 0;
  end = 0;
  private readonly maxBytes: number;
  private readonly maxFrames: number;
  private parts: Buffer[] = [];
  private length = 0;

  constructor(maxHeaderBytes: number) {
    // Huffman codes and indexes make a block smaller than its fields, hardly ever larger.
    this.maxBytes = maxHeaderBytes + MAX_FRAME_BYTES;
    this.maxFrames = SPARE_FRAMES + Math.ceil(maxHeaderBytes / MAX_FRAME_BYTES);
  }

  /** Finds the fragment between the padding of a HEADERS frame. */
  unwrap(bytes: Buffer, from: number, to: number, flags: number): ErrorCode {
    const isPadded = (flags & Flag.Padded) !== 0;
    this.start = from + (isPadded ? 1 : 0) + ((flags & Flag.Priority) !== 0 ? PRIORITY_BYTES : 0);
    if (this.start > to) return ErrorCode.FrameSizeError;
    this.end = isPadded ? to - bytes[from] : to;
    return this.end < this.start ? ErrorCode.ProtocolError : ErrorCode.NoError;
  }

  /** Keeps the fragment: its rest comes in CONTINUATION frames. */
  begin(streamId: number, endStream: boolean, bytes: Buffer): void {
    this.streamId = streamId;
    this.endStream = endStream;
    this.parts = [Buffer.from(bytes.subarray(this.start, this.end))];
    this.length = this.end - this.start;
  }

  /** False when there is too much of it. */
  append(bytes: Buffer, start: number, end: number): boolean {
    this.length += end - start;
    if (this.parts.length > this.maxFrames || this.length > this.maxBytes) return false;
    this.parts.push(Buffer.from(bytes.subarray(start, end)));
    return true;
  }

  /** The whole block. */
  finish(): Buffer {
    const whole = Buffer.concat(this.parts, this.length);
    this.clear();
    return whole;
  }

  clear(): void {
    this.streamId = 0;
    this.parts = [];
    this.length = 0;
    this.start = this.end = 0;
  }
}
