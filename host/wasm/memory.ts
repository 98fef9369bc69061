// Guest linear memory: the only file that reads or writes it. Every range is checked in full precision (no 32-bit wrap)
// and a bad one gives `undefined` or InvalidMemoryAccess, never an exception. Views are cached and looked at anew after
// every call into the guest, because memory.grow detaches them: a detached view has length 0.
import { WasmResult } from "./abi.ts";
import { type DecodedPairs, decodePairs, encodePairs, type PairsError, pairsSize } from "./pairs.ts";

const EMPTY = new Uint8Array(0);
const NoMemory = Buffer.alloc(0);

// Header names and property paths recur on every request: short ones are looked up by their bytes, which is cheaper than making a
// string and gives the engine one object to compare by identity. One slot a hash, so a hostile guest can only miss.
const SLOTS = 1024;
const MAX_INTERNED = 64;
const interned = new Array<string>(SLOTS).fill("");
/** The same texts in lower case. */
const lowered = new Array<string>(SLOTS).fill("");

export class GuestMemory {
  private memory: WebAssembly.Memory | undefined = undefined;
  private allocator: ((size: number) => number) | undefined = undefined;
  private buf: Buffer = NoMemory;

  /** Until this is called (a start section runs earlier) every access is out of range. */
  attach(memory: WebAssembly.Memory, allocator: ((size: number) => number) | undefined): void {
    this.memory = memory;
    this.allocator = allocator;
    this.refresh();
  }

  private refresh(): void {
    this.buf = this.memory === undefined ? NoMemory : Buffer.from(this.memory.buffer);
  }

  /** Bytes of linear memory now. */
  get byteLength(): number {
    if (this.buf.length === 0) this.refresh();
    return this.buf.length;
  }

  /** True when `len` bytes at `ptr` exist; both are unsigned already. Size 0 is legal with any pointer. */
  private has(ptr: number, len: number): boolean {
    if (this.buf.length === 0) this.refresh();
    return len === 0 || ptr + len <= this.buf.length;
  }

  isRange(ptr: number, len: number): boolean {
    return this.has(ptr >>> 0, len >>> 0);
  }

  /** Text as one character a byte. */
  latin1(ptr: number, len: number): string | undefined {
    const at = ptr >>> 0;
    const size = len >>> 0;
    if (!this.has(at, size)) return undefined;
    return size === 0 ? "" : this.buf.latin1Slice(at, at + size);
  }

  /** The slot that holds this text afterwards. */
  private intern(at: number, size: number): number {
    const buf = this.buf;
    let hash = size;
    for (let i = 0; i < size; i++) hash = (Math.imul(hash, 31) + buf[at + i]) | 0;
    const slot = (hash ^ (hash >>> 13)) & (SLOTS - 1);
    const known = interned[slot];
    if (known.length === size) {
      let i = 0;
      while (i < size && known.charCodeAt(i) === buf[at + i]) i++;
      if (i === size) return slot;
    }
    interned[slot] = buf.latin1Slice(at, at + size);
    lowered[slot] = interned[slot].toLowerCase();
    return slot;
  }

  /** Text that is likely to have been seen before: latin1() without making it anew. */
  recurring(ptr: number, len: number): string | undefined {
    const at = ptr >>> 0;
    const size = len >>> 0;
    if (size > MAX_INTERNED) return this.latin1(ptr, len);
    return this.has(at, size) ? interned[this.intern(at, size)] : undefined;
  }

  /** A header name in lower case. */
  headerName(ptr: number, len: number): string | undefined {
    const at = ptr >>> 0;
    const size = len >>> 0;
    if (size > MAX_INTERNED) return this.latin1(ptr, len)?.toLowerCase();
    return this.has(at, size) ? lowered[this.intern(at, size)] : undefined;
  }

  /** A copy that outlives the call. */
  bytes(ptr: number, len: number): Uint8Array | undefined {
    const at = ptr >>> 0;
    const size = len >>> 0;
    if (!this.has(at, size)) return undefined;
    return size === 0 ? EMPTY : Uint8Array.prototype.slice.call(this.buf, at, at + size);
  }

  u32(ptr: number): number | undefined {
    const at = ptr >>> 0;
    return this.has(at, 4) ? this.buf.readUInt32LE(at) : undefined;
  }

  setU32(ptr: number, value: number): boolean {
    const at = ptr >>> 0;
    if (!this.has(at, 4)) return false;
    const buf = this.buf;
    buf[at] = value;
    buf[at + 1] = value >>> 8;
    buf[at + 2] = value >>> 16;
    buf[at + 3] = value >>> 24;
    return true;
  }

  setU8(ptr: number, value: number): boolean {
    const at = ptr >>> 0;
    if (!this.has(at, 1)) return false;
    this.buf[at] = value;
    return true;
  }

  setU64(ptr: number, value: bigint): boolean {
    const at = ptr >>> 0;
    if (!this.has(at, 8)) return false;
    this.buf.writeBigUInt64LE(BigInt.asUintN(64, value), at);
    return true;
  }

  zero(ptr: number, len: number): boolean {
    const at = ptr >>> 0;
    const size = len >>> 0;
    if (!this.has(at, size)) return false;
    this.buf.fill(0, at, at + size);
    return true;
  }

  setBytes(ptr: number, bytes: Uint8Array): boolean {
    const at = ptr >>> 0;
    if (!this.has(at, bytes.length)) return false;
    if (bytes.length > 0) this.buf.set(bytes, at);
    return true;
  }

  /** Lets `fill` write straight into guest memory. */
  fillWith(ptr: number, len: number, fill: (target: Uint8Array) => void): boolean {
    const at = ptr >>> 0;
    const size = len >>> 0;
    if (!this.has(at, size)) return false;
    if (size > 0) fill(this.buf.subarray(at, at + size));
    return true;
  }

  pairs(ptr: number, len: number, maxBytes: number, maxPairs: number): DecodedPairs | PairsError | undefined {
    const at = ptr >>> 0;
    const size = len >>> 0;
    if (!this.has(at, size)) return undefined;
    return decodePairs(this.buf, at, size, maxBytes, maxPairs);
  }

  /** True when both return slots can be written, so that nothing is allocated in vain. */
  private hasSlots(ptrSlot: number, lenSlot: number): boolean {
    return this.has(ptrSlot >>> 0, 4) && this.has(lenSlot >>> 0, 4);
  }

  /**
   * Asks the guest for `size` bytes (never 0: the Go SDK panics on that); -1 when it has none or gives a range outside
   * its memory. A trap inside the allocator passes through to the guest call that is running.
   */
  private allocate(size: number): number {
    if (this.allocator === undefined) return -1;
    const at = this.allocator(size) >>> 0;
    return at !== 0 && this.has(at, size) ? at : -1;
  }

  returnLatin1(text: string, ptrSlot: number, lenSlot: number): WasmResult {
    if (!this.hasSlots(ptrSlot, lenSlot)) return WasmResult.InvalidMemoryAccess;
    const size = text.length;
    if (size === 0) return this.returnSlots(0, 0, ptrSlot, lenSlot);
    const at = this.allocate(size);
    if (at < 0) return WasmResult.InvalidMemoryAccess;
    if (size > 20) this.buf.latin1Write(text, at, size);
    else for (let i = 0; i < size; i++) this.buf[at + i] = text.charCodeAt(i);
    return this.returnSlots(at, size, ptrSlot, lenSlot);
  }

  returnBytes(bytes: Uint8Array, ptrSlot: number, lenSlot: number): WasmResult {
    if (!this.hasSlots(ptrSlot, lenSlot)) return WasmResult.InvalidMemoryAccess;
    const size = bytes.length;
    if (size === 0) return this.returnSlots(0, 0, ptrSlot, lenSlot);
    const at = this.allocate(size);
    if (at < 0) return WasmResult.InvalidMemoryAccess;
    this.buf.set(bytes, at);
    return this.returnSlots(at, size, ptrSlot, lenSlot);
  }

  /** The whole map in the pair encoding; an empty one is pointer 0 and size 0, which every SDK understands. */
  returnPairs(names: readonly string[], values: readonly string[], ptrSlot: number, lenSlot: number): WasmResult {
    if (!this.hasSlots(ptrSlot, lenSlot)) return WasmResult.InvalidMemoryAccess;
    if (names.length === 0) return this.returnSlots(0, 0, ptrSlot, lenSlot);
    const size = pairsSize(names, values);
    const at = this.allocate(size);
    if (at < 0) return WasmResult.InvalidMemoryAccess;
    encodePairs(this.buf, at, names, values);
    return this.returnSlots(at, size, ptrSlot, lenSlot);
  }

  private returnSlots(at: number, size: number, ptrSlot: number, lenSlot: number): WasmResult {
    this.setU32(ptrSlot, at);
    this.setU32(lenSlot, size);
    return WasmResult.Ok;
  }
}
