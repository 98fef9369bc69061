// Texts on their way to the host: AssemblyScript strings are UTF-16, the ABI wants UTF-8 bytes.
// A TextSlot is reused for every call, so passing a string allocates nothing once the slot has grown to its size.
// The standard library's encoder is not used: its checks and error texts are larger than this file.
// The file imports nothing, because start code of every other one may abort, and that needs a slot.

/** Slots larger than this are given back before the next use, so that one long value does not keep its memory for ever. */
const KEEP_BYTES: u32 = 16384;

/**
 * A reusable place for the UTF-8 bytes of one text, to be put there at once or to be composed. It lies in static memory,
 * outside the collected heap, so a slot that a filter does not use costs it nothing.
 */
@unmanaged
export class TextSlot {
  /** Address of the text. */
  ptr: usize;
  private capacity: u32;
  /** Size of the text in bytes. */
  len: u32;

  /** Makes this the text; the address stays valid until the slot is used again. */
  put(text: string): usize {
    this.clear();
    this.add(text);
    return this.ptr;
  }

  /** Makes the text empty. */
  clear(): void {
    this.len = 0;
    if (this.capacity > KEEP_BYTES) this.move(0);
  }

  /** Appends a text and returns the slot. */
  add(text: string): TextSlot {
    const units = text.length;
    this.reserve(units * 3);
    const start = this.ptr + this.len;
    let to = start;
    let before: u32 = 0;
    for (let i = 0; i < units; i++) {
      const unit: u32 = load<u16>(changetype<usize>(text) + ((<usize>i) << 1));
      if (unit < 0x80) store<u8>(to++, unit);
      else to = putUnit(to, unit, before);
      before = unit;
    }
    this.len += <u32>(to - start);
    return this;
  }

  /** Appends one ASCII character and returns the slot. */
  addCode(code: u32): TextSlot {
    this.reserve(1);
    store<u8>(this.ptr + this.len++, code);
    return this;
  }

  /** Appends bytes and returns the slot. */
  addBytes(ptr: usize, length: u32): TextSlot {
    this.reserve(length);
    memory.copy(this.ptr + this.len, ptr, length);
    this.len += length;
    return this;
  }

  /** Appends a number in decimal digits and returns the slot. */
  addNumber(number: u32): TextSlot {
    if (number >= 10) this.addNumber(number / 10);
    return this.addCode(0x30 + (number % 10));
  }

  private reserve(more: u32): void {
    const needed = this.len + more;
    if (needed > this.capacity) this.move(needed * 2);
  }

  private move(capacity: u32): void {
    const ptr = heap.alloc(capacity);
    memory.copy(ptr, this.ptr, this.len);
    // Does nothing for the pointer 0 of a slot that is new.
    heap.free(this.ptr);
    this.ptr = ptr;
    this.capacity = capacity;
  }
}

/**
 * Writes one UTF-16 unit as UTF-8 and answers where the next one goes. `before` is the unit written just before: a pair of
 * surrogates becomes one character, a lonely one is kept as it is, as in WTF-8.
 */
export function putUnit(to: usize, unit: u32, before: u32): usize {
  if (unit < 0x80) {
    store<u8>(to, unit);
    return to + 1;
  }
  if (unit < 0x800) {
    store<u8>(to, (unit >> 6) | 0xc0);
    store<u8>(to, (unit & 0x3f) | 0x80, 1);
    return to + 2;
  }
  if ((unit & 0xfc00) == 0xdc00 && (before & 0xfc00) == 0xd800) {
    // The first half stands there as three bytes; four replace it.
    to -= 3;
    unit += 0x10000 - 0xdc00 + ((before & 0x3ff) << 10);
    store<u8>(to, (unit >> 18) | 0xf0);
    store<u8>(to, ((unit >> 12) & 0x3f) | 0x80, 1);
    to++;
  } else {
    store<u8>(to, (unit >> 12) | 0xe0);
  }
  store<u8>(to, ((unit >> 6) & 0x3f) | 0x80, 1);
  store<u8>(to, (unit & 0x3f) | 0x80, 2);
  return to + 3;
}

/** For the first text of a host call: a header name, a key, a path. */
export const KEY_TEXT = changetype<TextSlot>(memory.data(offsetof<TextSlot>()));
/** For the second text: a header value, a reply's body. */
export const VALUE_TEXT = changetype<TextSlot>(memory.data(offsetof<TextSlot>()));
/** For texts that are composed: log lines of the SDK, mistakes in a configuration, and `ByteString.of`. */
export const LINE = changetype<TextSlot>(memory.data(offsetof<TextSlot>()));
