// Bytes that wait: for a window, for a socket, for a reader. Small pieces are copied together into blocks, as a peer may send a body in
// pieces of one byte and each slice of its own costs a hundred; large pieces are kept as they are, unless they lie in the read buffer.
import { isVolatile } from "../base/read-buffer.ts";

const BLOCK_BYTES = 4096;
const SMALL = 2048;

export class ByteQueue {
  private slices: Uint8Array[] = [];
  private first = 0;
  /** The block at the end that still has room, and how much of it is used. */
  private block: Buffer | undefined = undefined;
  private blockUsed = 0;
  length = 0;

  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.length += bytes.length;
    if (bytes.length > SMALL) {
      this.block = undefined;
      this.slices.push(isVolatile(bytes) ? Buffer.from(bytes) : bytes);
      return;
    }
    if (this.block === undefined || this.blockUsed + bytes.length > BLOCK_BYTES) {
      this.block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.blockUsed = 0;
      this.slices.push(this.block.subarray(0, 0));
    }
    this.block.set(bytes, this.blockUsed);
    const last = this.slices[this.slices.length - 1];
    const start = this.blockUsed - last.length;
    this.blockUsed += bytes.length;
    this.slices[this.slices.length - 1] = this.block.subarray(start, this.blockUsed);
  }

  /** At most `max` bytes from the front, in one piece; the queue must not be empty. */
  take(max: number): Uint8Array {
    const front = this.slices[this.first];
    if (front.length > max) {
      this.slices[this.first] = front.subarray(max);
      this.length -= max;
      return front.subarray(0, max);
    }
    this.slices[this.first++] = EMPTY;
    if (this.first === this.slices.length) {
      // The taker has the block now: it is written to no more.
      this.slices.length = 0;
      this.first = 0;
      this.block = undefined;
    } else if (this.first >= 64 && this.first * 2 >= this.slices.length) {
      this.slices.splice(0, this.first);
      this.first = 0;
    }
    this.length -= front.length;
    return front;
  }

  clear(): void {
    this.slices.length = 0;
    this.first = 0;
    this.block = undefined;
    this.length = 0;
  }
}

const EMPTY = new Uint8Array(0);
