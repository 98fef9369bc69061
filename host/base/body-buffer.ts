// A body held in memory: a list of slices without copying, flattened only when somebody asks for contiguous bytes.

import { retain } from "./read-buffer.ts";

const EMPTY = new Uint8Array(0);

export class BodyBuffer {
  private slices: Uint8Array[] = [];
  length = 0;

  /** Takes the slice over: the caller must not write to it any more. Bytes just read from a socket are copied. */
  append(slice: Uint8Array): void {
    if (slice.length === 0) return;
    this.slices.push(retain(slice));
    this.length += slice.length;
  }

  /** The whole content as one slice; copies at most once. */
  bytes(): Uint8Array {
    if (this.slices.length === 0) return EMPTY;
    if (this.slices.length > 1) this.slices = [Buffer.concat(this.slices, this.length)];
    return this.slices[0];
  }

  /** Replaces `size` bytes at `start` (both clamped) by `data`, whose bytes the buffer takes over. */
  splice(start: number, size: number, data: Uint8Array): void {
    const from = Math.min(start, this.length);
    const to = Math.min(from + size, this.length);
    if (from === 0 && to === this.length) {
      this.slices = data.length === 0 ? [] : [data];
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
    this.length = from + data.length + (whole.length - to);
  }

  /** Empties the buffer and returns what it held, in order. */
  takeSlices(): Uint8Array[] {
    const taken = this.slices;
    this.slices = [];
    this.length = 0;
    return taken;
  }

  clear(): void {
    this.slices = [];
    this.length = 0;
  }
}
