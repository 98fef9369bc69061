// Replaces texts in a stream of bytes. A text may be cut by a chunk's border: the bytes at the end of a chunk that could be
// the start of one are reported as pending, and the caller shows them again together with what follows.

import { ByteString, JsonValue } from "sluice/sdk";

/** The replacements of one direction, in order of preference. */
export class Replacer {
  private from: ByteString[] = [];
  private to: ByteString[] = [];
  /** After `run`: how many bytes at the end of the input wait for more; they are not in the output. */
  pending: i32 = 0;
  /** After `run`: whether anything was replaced. */
  changed: bool = false;

  constructor(config: JsonValue) {
    config.allowOnly("replace");
    let item = config.get("replace").firstItem();
    while (item != null) {
      item.allowOnly("from, to");
      const from = item.get("from").bytes();
      if (from.length == 0) item.get("from").fail("must not be empty");
      if (from.length > 4096) item.get("from").fail("at most 4096 bytes");
      this.from.push(from);
      this.to.push(item.get("to").bytes());
      item = item.next;
    }
  }

  get isEmpty(): bool {
    return this.from.length == 0;
  }

  /** The input with all texts replaced, up to the pending bytes. With `endOfStream` nothing is pending. */
  run(input: ByteString, endOfStream: bool): ByteString {
    this.changed = false;
    this.pending = 0;
    const output = new Output(input.length);
    let copied = 0;
    let at = 0;
    while (at < input.length) {
      const index = this.matchAt(input, at, endOfStream);
      if (index == NO_MATCH) {
        at++;
        continue;
      }
      if (index == MAY_MATCH) {
        this.pending = input.length - at;
        break;
      }
      output.add(input, copied, at);
      output.add(this.to[index], 0, this.to[index].length);
      at += this.from[index].length;
      copied = at;
      this.changed = true;
    }
    if (!this.changed) return input.slice(0, at);
    output.add(input, copied, at);
    return output.bytes();
  }

  private matchAt(input: ByteString, at: i32, endOfStream: bool): i32 {
    const first = input.at(at);
    for (let i = 0; i < this.from.length; i++) {
      const from = this.from[i];
      if (from.at(0) != first) continue;
      if (input.hasAt(at, from)) return i;
      const rest = input.length - at;
      if (!endOfStream && rest < from.length && input.hasAt(at, from.slice(0, rest))) return MAY_MATCH;
    }
    return NO_MATCH;
  }
}

const NO_MATCH: i32 = -1;
const MAY_MATCH: i32 = -2;

/** A growing buffer. */
class Output {
  private buffer: ArrayBuffer;
  private length: i32 = 0;

  constructor(capacity: i32) {
    this.buffer = new ArrayBuffer(capacity + 256);
  }

  add(source: ByteString, from: i32, to: i32): void {
    const needed = this.length + to - from;
    if (needed > this.buffer.byteLength) {
      const larger = new ArrayBuffer(needed * 2);
      memory.copy(changetype<usize>(larger), changetype<usize>(this.buffer), this.length);
      this.buffer = larger;
    }
    memory.copy(changetype<usize>(this.buffer) + this.length, source.ptr + from, to - from);
    this.length = needed;
  }

  bytes(): ByteString {
    return ByteString.wrap(this.buffer).slice(0, this.length);
  }
}
