// Shared queues (proxy-wasm 0.2.1): named by (vm_id, name), numbered over the process from 1, first in first out. A queue
// belongs to the worker whose plugin registered it last: that one is told of each item. Bounded by items and bytes.
import type { SharedArena } from "./shared-arena.ts";

export const QueueResult = { Ok: 0, NotFound: 1, Empty: 2, Full: 3 } as const;
export type QueueResult = (typeof QueueResult)[keyof typeof QueueResult];

export interface SharedQueueLimits {
  readonly maxQueues: number;
  readonly maxItems: number;
  readonly maxBytes: number;
  readonly maxNameBytes: number;
}

export const DefaultSharedQueueLimits: SharedQueueLimits = Object.freeze({
  maxQueues: 256,
  maxItems: 1024,
  maxBytes: 1 << 20,
  maxNameBytes: 256,
});

// Roots in the arena's user ints.
const QueuesAt = 0;
const LastIdAt = 1;

// A queue block, in ints: next, id, owner + 1, head, tail, items, bytes, vm_id length, name length; then both names.
const Next = 0;
const Id = 1;
const Owner = 2;
const Head = 3;
const Tail = 4;
const Items = 5;
const Bytes = 6;
const VmIdLen = 7;
const NameLen = 8;
const QueueHeaderBytes = 36;

// An item block: next, length; then the bytes.
const ItemNext = 0;
const ItemLen = 1;
const ItemHeaderBytes = 8;

export class SharedQueueStore {
  readonly arena: SharedArena;
  private readonly limits: SharedQueueLimits;

  constructor(arena: SharedArena, limits: SharedQueueLimits = DefaultSharedQueueLimits) {
    this.arena = arena;
    this.limits = limits;
  }

  /** Creates or opens; `worker` becomes the owner, undefined leaves it as it is. Undefined when there is no room. */
  register(vmId: string, name: string, worker: number | undefined): number | undefined {
    if (vmId.length + name.length > this.limits.maxNameBytes) return undefined;
    const { arena } = this;
    arena.lock();
    let queue = this.findByName(vmId, name);
    if (queue === 0) queue = this.create(vmId, name);
    let id: number | undefined;
    if (queue !== 0) {
      id = arena.ints[(queue >> 2) + Id];
      if (worker !== undefined) arena.ints[(queue >> 2) + Owner] = worker + 1;
    }
    arena.unlock();
    return id;
  }

  resolve(vmId: string, name: string): number | undefined {
    const { arena } = this;
    arena.lock();
    const queue = this.findByName(vmId, name);
    const id = queue === 0 ? undefined : arena.ints[(queue >> 2) + Id];
    arena.unlock();
    return id;
  }

  /** The worker to be told of new items. */
  owner(id: number): number | undefined {
    const { arena } = this;
    arena.lock();
    const queue = this.findById(id);
    const owner = queue === 0 ? 0 : arena.ints[(queue >> 2) + Owner];
    arena.unlock();
    return owner === 0 ? undefined : owner - 1;
  }

  enqueue(id: number, item: Uint8Array): QueueResult {
    const { arena } = this;
    arena.lock();
    const result = this.enqueueLocked(id, item);
    arena.unlock();
    return result;
  }

  private enqueueLocked(id: number, item: Uint8Array): QueueResult {
    const { arena, limits } = this;
    const { ints } = arena;
    const queue = this.findById(id);
    if (queue === 0) return QueueResult.NotFound;
    const at = queue >> 2;
    if (ints[at + Items] >= limits.maxItems || ints[at + Bytes] + item.length > limits.maxBytes) {
      return QueueResult.Full;
    }
    const block = arena.allocate(ItemHeaderBytes + item.length);
    if (block === 0) return QueueResult.Full;
    ints[(block >> 2) + ItemNext] = 0;
    ints[(block >> 2) + ItemLen] = item.length;
    arena.bytes.set(item, block + ItemHeaderBytes);
    if (ints[at + Head] === 0) ints[at + Head] = block;
    else ints[(ints[at + Tail] >> 2) + ItemNext] = block;
    ints[at + Tail] = block;
    ints[at + Items]++;
    ints[at + Bytes] += item.length;
    return QueueResult.Ok;
  }

  /** The oldest item, a copy. */
  dequeue(id: number): Uint8Array | typeof QueueResult.NotFound | typeof QueueResult.Empty {
    const { arena } = this;
    const { ints } = arena;
    arena.lock();
    const queue = this.findById(id);
    const at = queue >> 2;
    const block = queue === 0 ? 0 : ints[at + Head];
    let item: Uint8Array | undefined;
    if (block !== 0) {
      const len = ints[(block >> 2) + ItemLen];
      item = arena.copy(block + ItemHeaderBytes, len);
      ints[at + Head] = ints[(block >> 2) + ItemNext];
      ints[at + Items]--;
      ints[at + Bytes] -= len;
      arena.free(block, ItemHeaderBytes + len);
    }
    arena.unlock();
    if (item !== undefined) return item;
    return queue === 0 ? QueueResult.NotFound : QueueResult.Empty;
  }

  private create(vmId: string, name: string): number {
    const { arena, limits } = this;
    const { ints } = arena;
    const id = arena.user(LastIdAt) + 1;
    if (id > limits.maxQueues) return 0;
    const queue = arena.allocate(QueueHeaderBytes + vmId.length + name.length);
    if (queue === 0) return 0;
    const at = queue >> 2;
    ints[at + Next] = arena.user(QueuesAt);
    ints[at + Id] = id;
    ints[at + VmIdLen] = vmId.length;
    ints[at + NameLen] = name.length;
    arena.writeLatin1(queue + QueueHeaderBytes, vmId + name);
    arena.setUser(QueuesAt, queue);
    arena.setUser(LastIdAt, id);
    return queue;
  }

  private findById(id: number): number {
    const { ints } = this.arena;
    let queue = this.arena.user(QueuesAt);
    while (queue !== 0 && ints[(queue >> 2) + Id] !== id) queue = ints[(queue >> 2) + Next];
    return queue;
  }

  private findByName(vmId: string, name: string): number {
    const { arena } = this;
    const { ints } = arena;
    let queue = arena.user(QueuesAt);
    while (queue !== 0) {
      const at = queue >> 2;
      const isSame = ints[at + VmIdLen] === vmId.length && ints[at + NameLen] === name.length;
      if (isSame && arena.equalsLatin1(queue + QueueHeaderBytes, vmId + name)) return queue;
      queue = ints[at + Next];
    }
    return 0;
  }
}
