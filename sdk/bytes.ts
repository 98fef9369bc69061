// Byte strings: what headers, bodies and properties really are. A ByteString is an immutable view of an ArrayBuffer;
// comparing and searching work on bytes in linear memory, and text is decoded only when someone asks for it.

import { newBuffer } from "./memory";
import { LINE } from "./text";

/** An immutable sequence of bytes. Slices share memory with their source. */
export class ByteString {
  private constructor(
    private buffer: ArrayBuffer,
    private start: u32,
    /** Length in bytes. */
    readonly length: i32,
  ) {}

  /** No bytes. */
  static readonly EMPTY: ByteString = ByteString.copy(0, 0);

  /** The UTF-8 bytes of a text. Do this once, at start or configure time, for names and constants. */
  static of(text: string): ByteString {
    LINE.put(text);
    return ByteString.copy(LINE.ptr, LINE.len);
  }

  /** The bytes at an address, copied. */
  static copy(ptr: usize, length: u32): ByteString {
    const buffer = newBuffer(length);
    memory.copy(changetype<usize>(buffer), ptr, length);
    return ByteString.wrap(buffer);
  }

  /** A view of a whole buffer, without a copy. The buffer must not change afterwards. */
  static wrap(buffer: ArrayBuffer): ByteString {
    return new ByteString(buffer, 0, buffer.byteLength);
  }

  /** Address of the first byte, for host calls. Valid as long as this object is reachable. */
  get ptr(): usize {
    return changetype<usize>(this.buffer) + this.start;
  }

  /** The byte at `index`; -1 outside the string. */
  at(index: i32): i32 {
    if (<u32>index >= <u32>this.length) return -1;
    return load<u8>(this.ptr + index);
  }

  /** Whether both hold the same bytes. */
  equals(other: ByteString): bool {
    return this.length == other.length && memory.compare(this.ptr, other.ptr, this.length) == 0;
  }

  /** Whether the bytes at `offset` are those of `other`. */
  hasAt(offset: i32, other: ByteString): bool {
    if (offset < 0 || offset + other.length > this.length) return false;
    return memory.compare(this.ptr + offset, other.ptr, other.length) == 0;
  }

  startsWith(prefix: ByteString): bool {
    return this.hasAt(0, prefix);
  }

  endsWith(suffix: ByteString): bool {
    return this.hasAt(this.length - suffix.length, suffix);
  }

  /** First position of `needle` at or after `from`; -1 if there is none. An empty needle is found at `from`. */
  indexOf(needle: ByteString, from: i32 = 0): i32 {
    const last = this.length - needle.length;
    for (let i = from; i <= last; i++) {
      if (memory.compare(this.ptr + i, needle.ptr, needle.length) == 0) return i;
    }
    return -1;
  }

  /** First position of a byte at or after `from`; -1 if there is none. */
  indexOfByte(byte: i32, from: i32 = 0): i32 {
    const ptr = this.ptr;
    for (let i = from; i < this.length; i++) {
      if (load<u8>(ptr + i) == byte) return i;
    }
    return -1;
  }

  /** The bytes in [from, to), clamped to the string. Shares memory. */
  slice(from: i32, to: i32 = i32.MAX_VALUE): ByteString {
    const end = min(to, this.length);
    const begin = min(max(from, 0), max(end, 0));
    return new ByteString(this.buffer, this.start + begin, max(end - begin, 0));
  }

  /** The same bytes with A-Z in lower case. Returns itself when there is nothing to change. */
  toLowerCase(): ByteString {
    let i = 0;
    while (i < this.length && !isUpper(load<u8>(this.ptr + i))) i++;
    if (i == this.length) return this;
    const copy = newBuffer(this.length);
    const ptr = changetype<usize>(copy);
    for (i = 0; i < this.length; i++) {
      const byte = load<u8>(this.ptr + i);
      store<u8>(ptr + i, isUpper(byte) ? byte | 0x20 : byte);
    }
    return ByteString.wrap(copy);
  }

  /** A copy of the bytes with a buffer of its own. */
  toBuffer(): ArrayBuffer {
    return this.buffer.slice(this.start, this.start + this.length);
  }

  /** The text, decoded as UTF-8. */
  toString(): string {
    return String.UTF8.decodeUnsafe(this.ptr, this.length);
  }
}

function isUpper(byte: u8): bool {
  return byte >= 0x41 && byte <= 0x5a;
}
