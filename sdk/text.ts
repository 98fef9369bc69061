// Texts on their way to the host: AssemblyScript strings are UTF-16, the ABI wants UTF-8 bytes.
// A TextSlot is reused for every call, so passing a string allocates nothing once the slot has grown to its size.

/** Slots larger than this are given back after use, so that one long value does not keep its memory for ever. */
const KEEP_BYTES: i32 = 16384;

/** A reusable place for the UTF-8 bytes of one text. */
export class TextSlot {
  private buffer: ArrayBuffer = new ArrayBuffer(0);
  /** Size of the last text in bytes. */
  len: u32 = 0;

  /** Encodes a text; the address stays valid until the next `put`. */
  put(text: string): usize {
    const needed = text.length * 3;
    if (this.buffer.byteLength < needed || this.buffer.byteLength > KEEP_BYTES) {
      this.buffer = new ArrayBuffer(needed);
    }
    const ptr = changetype<usize>(this.buffer);
    this.len = <u32>String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, ptr);
    return ptr;
  }
}

/** For the first text of a host call: a header name, a key, a path. */
export const KEY_TEXT = new TextSlot();
/** For the second text: a header value, a reply's body. */
export const VALUE_TEXT = new TextSlot();
