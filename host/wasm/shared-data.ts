// Shared data (proxy-wasm 0.2.1, "Shared Key-Value Store"): one namespace for each vm_id, seen by all workers at once.
// Every set gives the key a new number from one counter; a set with a number succeeds when it is the key's, or when the key is
// not there. A namespace goes away with the last VM of its id.
import { WasmResult } from "./abi.ts";
import type { SharedArena } from "./shared-arena.ts";

export interface SharedDataLimits {
  readonly maxKeyBytes: number;
  readonly maxValueBytes: number;
  readonly maxNamespaceBytes: number;
}

export const DefaultSharedDataLimits: SharedDataLimits = Object.freeze({
  maxKeyBytes: 256,
  maxValueBytes: 64 << 10,
  maxNamespaceBytes: 1 << 20,
});

// Roots in the arena's user ints.
const CasAt = 0;
const NamespacesAt = 1;
const BucketsAt = 2;
const Buckets = 1024;
const TableBytes = Buckets * 4;

// A namespace block, in ints from its start: next, references, bytes used, name length, then the name.
const NsNext = 0;
const NsReferences = 1;
const NsUsed = 2;
const NsNameLen = 3;
const NsHeaderBytes = 16;

// An entry block: next in bucket, hash, namespace, key length, value length, cas, block size; then key, then value.
const Next = 0;
const Hash = 1;
const Namespace = 2;
const KeyLen = 3;
const ValueLen = 4;
const Cas = 5;
const Size = 6;
const EntryHeaderBytes = 28;

export class SharedDataStore {
  readonly arena: SharedArena;
  private readonly limits: SharedDataLimits;

  constructor(arena: SharedArena, limits: SharedDataLimits = DefaultSharedDataLimits) {
    this.arena = arena;
    this.limits = limits;
  }

  /** A VM of this id came up. */
  open(vmId: string): void {
    this.arena.lock();
    const namespace = this.namespaceOf(vmId, true);
    if (namespace !== 0) this.arena.ints[(namespace >> 2) + NsReferences]++;
    this.arena.unlock();
  }

  /** A VM of this id is gone; its namespace goes with the last one. */
  close(vmId: string): void {
    const { arena } = this;
    arena.lock();
    const namespace = this.namespaceOf(vmId, false);
    if (namespace !== 0 && --arena.ints[(namespace >> 2) + NsReferences] <= 0) this.dropNamespace(namespace, vmId);
    arena.unlock();
  }

  /** The value is a copy. */
  get(vmId: string, key: string): { value: Uint8Array; cas: number } | undefined {
    const { arena } = this;
    arena.lock();
    const namespace = this.namespaceOf(vmId, false);
    const entry = namespace === 0 ? 0 : this.findEntry(namespace, key, hashOf(key));
    let found: { value: Uint8Array; cas: number } | undefined;
    if (entry !== 0) {
      const at = entry >> 2;
      const value = arena.copy(entry + EntryHeaderBytes + arena.ints[at + KeyLen], arena.ints[at + ValueLen]);
      found = { value, cas: arena.ints[at + Cas] >>> 0 };
    }
    arena.unlock();
    return found;
  }

  /** Ok, CasMismatch, or InternalFailure when a limit is reached. `cas` 0 is unconditional. */
  set(vmId: string, key: string, value: Uint8Array, cas: number): WasmResult {
    const { limits } = this;
    if (key.length > limits.maxKeyBytes || value.length > limits.maxValueBytes) return WasmResult.InternalFailure;
    this.arena.lock();
    const result = this.setLocked(vmId, key, value, cas);
    this.arena.unlock();
    return result;
  }

  private setLocked(vmId: string, key: string, value: Uint8Array, cas: number): WasmResult {
    const { arena, limits } = this;
    const { ints } = arena;
    const namespace = this.namespaceOf(vmId, true);
    if (namespace === 0) return WasmResult.InternalFailure;
    const hash = hashOf(key);
    const old = this.findEntry(namespace, key, hash);
    if (old !== 0 && cas !== 0 && ints[(old >> 2) + Cas] >>> 0 !== cas) return WasmResult.CasMismatch;
    const size = EntryHeaderBytes + key.length + value.length;
    const oldSize = old === 0 ? 0 : ints[(old >> 2) + Size];
    const used = ints[(namespace >> 2) + NsUsed] - oldSize + size;
    if (used > limits.maxNamespaceBytes) return WasmResult.InternalFailure;
    const entry = arena.allocate(size);
    if (entry === 0) return WasmResult.InternalFailure;
    if (old !== 0) this.unlink(old);
    const at = entry >> 2;
    const bucket = this.bucketOf(hash);
    ints[at + Next] = ints[bucket];
    ints[at + Hash] = hash;
    ints[at + Namespace] = namespace;
    ints[at + KeyLen] = key.length;
    ints[at + ValueLen] = value.length;
    ints[at + Cas] = this.nextCas();
    ints[at + Size] = size;
    arena.writeLatin1(entry + EntryHeaderBytes, key);
    arena.bytes.set(value, entry + EntryHeaderBytes + key.length);
    ints[bucket] = entry;
    ints[(namespace >> 2) + NsUsed] = used;
    return WasmResult.Ok;
  }

  /** From 1; 0 is left out on wrap, because it means "unconditional". */
  private nextCas(): number {
    const next = (this.arena.user(CasAt) + 1) | 0;
    this.arena.setUser(CasAt, next === 0 ? 1 : next);
    return this.arena.user(CasAt);
  }

  /** Index of the bucket's head in `ints`; the table is made on first use. */
  private bucketOf(hash: number): number {
    const { arena } = this;
    if (arena.user(BucketsAt) === 0) {
      const table = arena.allocate(TableBytes);
      arena.ints.fill(0, table >> 2, (table + TableBytes) >> 2);
      arena.setUser(BucketsAt, table);
    }
    return (arena.user(BucketsAt) >> 2) + ((hash >>> 0) % Buckets);
  }

  private findEntry(namespace: number, key: string, hash: number): number {
    const { arena } = this;
    const { ints } = arena;
    let entry = ints[this.bucketOf(hash)];
    while (entry !== 0) {
      const at = entry >> 2;
      const isSame = ints[at + Hash] === hash && ints[at + Namespace] === namespace && ints[at + KeyLen] === key.length;
      if (isSame && arena.equalsLatin1(entry + EntryHeaderBytes, key)) return entry;
      entry = ints[at + Next];
    }
    return 0;
  }

  private unlink(entry: number): void {
    const { ints } = this.arena;
    let link = this.bucketOf(ints[(entry >> 2) + Hash]);
    while (ints[link] !== entry) link = (ints[link] >> 2) + Next;
    ints[link] = ints[(entry >> 2) + Next];
    this.arena.free(entry, ints[(entry >> 2) + Size]);
  }

  private namespaceOf(vmId: string, create: boolean): number {
    const { arena } = this;
    const { ints } = arena;
    let namespace = arena.user(NamespacesAt);
    while (namespace !== 0) {
      const at = namespace >> 2;
      if (ints[at + NsNameLen] === vmId.length && arena.equalsLatin1(namespace + NsHeaderBytes, vmId)) return namespace;
      namespace = ints[at + NsNext];
    }
    if (!create) return 0;
    const made = arena.allocate(NsHeaderBytes + vmId.length);
    if (made === 0) return 0;
    ints[(made >> 2) + NsNext] = arena.user(NamespacesAt);
    ints[(made >> 2) + NsReferences] = 0;
    ints[(made >> 2) + NsUsed] = 0;
    ints[(made >> 2) + NsNameLen] = vmId.length;
    arena.writeLatin1(made + NsHeaderBytes, vmId);
    arena.setUser(NamespacesAt, made);
    return made;
  }

  private dropNamespace(namespace: number, vmId: string): void {
    const { arena } = this;
    const { ints } = arena;
    const table = arena.user(BucketsAt) >> 2;
    for (let bucket = 0; table !== 0 && bucket < Buckets; bucket++) {
      let entry = ints[table + bucket];
      while (entry !== 0) {
        const next = ints[(entry >> 2) + Next];
        if (ints[(entry >> 2) + Namespace] === namespace) this.unlink(entry);
        entry = next;
      }
    }
    const next = ints[(namespace >> 2) + NsNext];
    if (arena.user(NamespacesAt) === namespace) arena.setUser(NamespacesAt, next);
    else {
      let at = arena.user(NamespacesAt);
      while (ints[(at >> 2) + NsNext] !== namespace) at = ints[(at >> 2) + NsNext];
      ints[(at >> 2) + NsNext] = next;
    }
    arena.free(namespace, NsHeaderBytes + vmId.length);
  }
}

/** FNV-1a over the bytes. */
export function hashOf(key: string): number {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ (key.charCodeAt(i) & 0xff), 0x01000193);
  return hash;
}
