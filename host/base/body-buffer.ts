// A body held in memory: a list of slices without copying, flattened only when somebody asks for contiguous bytes.

import { retain } from "./read-buffer.ts";

/** Where bytes go that a buffer lets go of. */
export interface ByteSink {
  writeBytes(data: Uint8Array): void;
}

const EMPTY = new Uint8Array(0);

export class BodyBuffer {
  private slices: Uint8Array[] = [];
  /** Slices before this one are known not to lie in the read buffer. */
  private volatileFrom = 0;
  length = 0;

  /** Takes the slice over: the caller must not write to it any more. Bytes just read from a socket are copied. */
  append(slice: Uint8Array): void {
    if (slice.length === 0) return;
    this.slices.push(retain(slice));
    this.length += slice.length;
  }

  /** The same without the copy: until the event that brought the bytes is over, they must have left or be kept by retainAll(). */
  appendVolatile(slice: Uint8Array): void {
    if (slice.length === 0) return;
    this.slices.push(slice);
    this.length += slice.length;
  }

  /** Copies what is left of the bytes of this event. */
  retainAll(): void {
    for (let i = this.volatileFrom; i < this.slices.length; i++) this.slices[i] = retain(this.slices[i]);
    this.volatileFrom = this.slices.length;
  }

  /** Empties the buffer into another place; the volatile stay so. */
  drainTo(sink: ByteSink): void {
    for (let i = 0; i < this.slices.length; i++) sink.writeBytes(this.slices[i]);
    this.slices.length = 0;
    this.volatileFrom = 0;
    this.length = 0;
  }

  /** The whole content as one slice; copies at most once. */
  bytes(): Uint8Array {
    if (this.slices.length === 0) return EMPTY;
    if (this.slices.length > 1) {
      this.slices = [Buffer.concat(this.slices, this.length)];
      this.volatileFrom = 1;
    }
    return this.slices[0];
  }

  /** Replaces `size` bytes at `start` (both clamped) by `data`, whose bytes the buffer takes over. */
  splice(start: number, size: number, data: Uint8Array): void {
    const from = Math.min(start, this.length);
    const to = Math.min(from + size, this.length);
    if (from === 0 && to === this.length) {
      this.slices = data.length === 0 ? [] : [data];
      this.volatileFrom = 0;
      this.length = data.length;
      return;
    }
    if (from === to && from === this.length) {
      this.append(data);
      return;
    }
    const whole = this.bytes();
    const parts = [whole.subarray(0, from), data, whole.subarray(to)];
    this.slices = parts.filter((part) => part.length > 0);
    this.volatileFrom = 0;
    this.length = from + data.length + (whole.length - to);
  }

  /** Empties the buffer and returns what it held, in order. */
  takeSlices(): Uint8Array[] {
    const taken = this.slices;
    this.slices = [];
    this.volatileFrom = 0;
    this.length = 0;
    return taken;
  }

  clear(): void {
    this.slices = [];
    this.volatileFrom = 0;
    this.length = 0;
  }
}
