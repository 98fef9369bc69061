// A list of headers in the filter's own memory, and the ABI's "pairs" encoding of it:
// u32 count; then for each pair u32 name length and u32 value length; then for each pair name, NUL, value, NUL.
// A list that came from the host stays in its encoded form and is read in place.

import { ByteString } from "./bytes";

/** An ordered list of headers, for replies, calls, and copies of a header map. Names may repeat. */
export class HeaderList {
  private names: ByteString[] = [];
  private values: ByteString[] = [];

  /** Number of headers. */
  get count(): i32 {
    return this.names.length;
  }

  /** Name of the header at `index`, which must be below `count`. */
  nameAt(index: i32): ByteString {
    return this.names[index];
  }

  /** Value of the header at `index`, which must be below `count`. */
  valueAt(index: i32): ByteString {
    return this.values[index];
  }

  /** Appends a header and returns the list. Names should be lower case. */
  add(name: string, value: string): HeaderList {
    return this.addBytes(ByteString.of(name), ByteString.of(value));
  }

  /** Appends a header from bytes and returns the list. */
  addBytes(name: ByteString, value: ByteString): HeaderList {
    this.names.push(name);
    this.values.push(value);
    return this;
  }

  /** First value of a name; null if absent. No host call. */
  get(name: ByteString): ByteString | null {
    for (let i = 0; i < this.names.length; i++) {
      if (this.names[i].equals(name)) return this.values[i];
    }
    return null;
  }

  /** The ABI's pairs encoding of the list. */
  encode(): ArrayBuffer {
    const count = this.names.length;
    let size = 4;
    for (let i = 0; i < count; i++) size += 10 + this.names[i].length + this.values[i].length;
    const bytes = new ArrayBuffer(size);
    let head = changetype<usize>(bytes);
    store<u32>(head, count);
    head += 4;
    let data = head + <usize>count * 8;
    for (let i = 0; i < count; i++) {
      const name = this.names[i];
      const value = this.values[i];
      store<u32>(head, name.length);
      store<u32>(head, value.length, 4);
      head += 8;
      memory.copy(data, name.ptr, name.length);
      data += name.length + 1;
      memory.copy(data, value.ptr, value.length);
      data += value.length + 1;
    }
    return bytes;
  }

  /** Reads the pairs encoding. Stops at the first pair that does not fit, so damaged bytes yield a shorter list. */
  static decode(bytes: ArrayBuffer): HeaderList {
    const list = new HeaderList();
    const whole = ByteString.wrap(bytes);
    if (whole.length < 4) return list;
    const count = load<u32>(whole.ptr);
    let data: u64 = 4 + <u64>count * 8;
    if (data > <u64>whole.length) return list;
    for (let i: u32 = 0; i < count; i++) {
      const head = whole.ptr + 4 + <usize>i * 8;
      const nameLen = load<u32>(head);
      const valueLen = load<u32>(head, 4);
      const valueStart = data + nameLen + 1;
      const end = valueStart + valueLen + 1;
      if (end > <u64>whole.length) return list;
      list.addBytes(whole.slice(<i32>data, <i32>data + <i32>nameLen), whole.slice(<i32>valueStart, <i32>valueStart + <i32>valueLen));
      data = end;
    }
    return list;
  }
}
