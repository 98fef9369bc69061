// Memory that all workers share: a block allocator and a lock over one SharedArrayBuffer. Shared data and shared queues are
// built on it. Blocks come in powers of two with one free list a size, so that freeing and reusing are two stores.
// A worker that dies while it holds the lock may leave a half-done change: whoever waited for the lock too long empties the
// arena before going on.

const HeaderInts = 64;
const LockAt = 0;
const BumpAt = 1;
const GenerationAt = 2;
/** Free-list heads for blocks of 2^6 to 2^20 bytes. */
const FreeAt = 8;
const MinBlockBits = 6;
const MaxBlockBits = 20;
const DefaultLockTimeoutMs = 5000;

/** Ints at the front of the arena that its user may keep roots in. */
export const UserInts = 32;
const UserAt = HeaderInts - UserInts;

export class SharedArena {
  readonly buffer: SharedArrayBuffer;
  readonly ints: Int32Array;
  readonly bytes: Uint8Array;
  private readonly lockTimeoutMs: number;

  /** Pass the buffer of another thread's arena to share it. */
  constructor(buffer: SharedArrayBuffer, lockTimeoutMs = DefaultLockTimeoutMs) {
    this.buffer = buffer;
    this.lockTimeoutMs = lockTimeoutMs;
    this.ints = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    Atomics.compareExchange(this.ints, BumpAt, 0, HeaderInts * 4);
  }

  static create(maxBytes: number, lockTimeoutMs = DefaultLockTimeoutMs): SharedArena {
    return new SharedArena(new SharedArrayBuffer(Math.max(maxBytes, HeaderInts * 4) & ~63), lockTimeoutMs);
  }

  /** Counts how often the arena was emptied: caches of offsets are void when it changes. */
  get generation(): number {
    return Atomics.load(this.ints, GenerationAt);
  }

  user(slot: number): number {
    return this.ints[UserAt + slot];
  }

  setUser(slot: number, value: number): void {
    this.ints[UserAt + slot] = value;
  }

  /** Critical sections are short and never call out. */
  lock(): void {
    const { ints } = this;
    // 0 free, 1 held, 2 held and waited for.
    if (Atomics.compareExchange(ints, LockAt, 0, 1) === 0) return;
    while (Atomics.exchange(ints, LockAt, 2) !== 0) {
      if (Atomics.wait(ints, LockAt, 2, this.lockTimeoutMs) === "timed-out") {
        this.reset();
        return;
      }
    }
  }

  unlock(): void {
    if (Atomics.exchange(this.ints, LockAt, 0) === 2) Atomics.notify(this.ints, LockAt, 1);
  }

  private reset(): void {
    this.ints.fill(0, FreeAt, HeaderInts);
    this.ints[BumpAt] = HeaderInts * 4;
    Atomics.add(this.ints, GenerationAt, 1);
  }

  /** Offset of a block with room for `size` bytes, zero-filled in its first 64; 0 when there is none. */
  allocate(size: number): number {
    const bits = blockBits(size);
    if (bits > MaxBlockBits) return 0;
    const list = FreeAt + bits - MinBlockBits;
    const free = this.ints[list];
    if (free !== 0) {
      this.ints[list] = this.ints[free >> 2];
      this.bytes.fill(0, free, free + (1 << MinBlockBits));
      return free;
    }
    const at = this.ints[BumpAt];
    const end = at + (1 << bits);
    if (end > this.buffer.byteLength) return 0;
    this.ints[BumpAt] = end;
    this.bytes.fill(0, at, at + (1 << MinBlockBits));
    return at;
  }

  /** `size` is what the block was allocated with. */
  free(at: number, size: number): void {
    const list = FreeAt + blockBits(size) - MinBlockBits;
    this.ints[at >> 2] = this.ints[list];
    this.ints[list] = at;
  }

  /** True when `text`, one character a byte, stands at `at`. */
  equalsLatin1(at: number, text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.bytes[at + i] !== (text.charCodeAt(i) & 0xff)) return false;
    return true;
  }

  writeLatin1(at: number, text: string): void {
    for (let i = 0; i < text.length; i++) this.bytes[at + i] = text.charCodeAt(i);
  }

  /** A copy outside shared memory. */
  copy(at: number, size: number): Uint8Array {
    return this.bytes.slice(at, at + size);
  }
}

function blockBits(size: number): number {
  return Math.max(MinBlockBits, 32 - Math.clz32(size - 1));
}
