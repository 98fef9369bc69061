// Data and queues shared by every VM with the same vm_id, across worker threads (ABI "Shared key-value store" and "Shared
// queues"). There is no lock: an update reads a value with its version and writes it back if the version still stands.

import { WasmResult } from "./abi";
import { ByteString } from "./bytes";
import {
  proxy_dequeue_shared_queue,
  proxy_enqueue_shared_queue,
  proxy_get_shared_data,
  proxy_register_shared_queue,
  proxy_resolve_shared_queue,
  proxy_set_shared_data,
} from "./env";
import { clearSlots, LEN_SLOT, NUMBER_SLOT, PTR_SLOT, takeBuffer } from "./memory";
import { KEY_TEXT, VALUE_TEXT } from "./text";

/** A version that no value has. The ABI lets a write with a version pass when the key is missing, and refuses it otherwise. */
const NOT_THERE: u32 = u32.MAX_VALUE;

/** A key of the shared store, encoded once. */
export class SharedValue {
  private key: ByteString;
  /** Version of the value that the last `get` returned; 0 when it was absent. */
  version: u32 = 0;

  constructor(key: ByteString) {
    this.key = key;
  }

  /** The value; null if absent. Remembers its version. 1 host call. */
  get(): ByteString | null {
    const key = this.key;
    clearSlots();
    store<u32>(NUMBER_SLOT, 0);
    this.version = 0;
    const status = proxy_get_shared_data(key.ptr, key.length, PTR_SLOT, LEN_SLOT, NUMBER_SLOT);
    if (status != WasmResult.Ok) return null;
    this.version = load<u32>(NUMBER_SLOT);
    return ByteString.wrap(takeBuffer());
  }

  /**
   * Writes the value: whatever is there when `version` is 0, otherwise only if that version still stands (CasMismatch if
   * not). A first write with version 0 may overwrite a value that appeared in between. 1 host call.
   */
  set(value: ByteString, version: u32 = 0): WasmResult {
    const key = this.key;
    return proxy_set_shared_data(key.ptr, key.length, value.ptr, value.length, version);
  }

  /**
   * Reads, lets `change` compute the new value, and writes it, again and again until no other VM wrote in between, at most
   * `attempts` times. Answers the last status. 2 host calls an attempt.
   */
  update(change: SharedUpdate, attempts: i32 = 32): WasmResult {
    let status: WasmResult = WasmResult.CasMismatch;
    for (let i = 0; i < attempts && status == WasmResult.CasMismatch; i++) {
      const next = change.next(this.get());
      if (next == null) return WasmResult.Ok;
      status = this.set(next, this.version == 0 ? NOT_THERE : this.version);
    }
    return status;
  }
}

/** Computes the next value of a shared key. A class instead of a function, because it carries its own input and result. */
export abstract class SharedUpdate {
  /** The value to write; null to leave the key alone. May run several times for one update. */
  abstract next(current: ByteString | null): ByteString | null;
}

/** A queue of byte strings, first in, first out. */
export class SharedQueue {
  private constructor(
    /** The host's number of the queue, as in `onQueueReady`. */
    readonly id: u32,
  ) {}

  /** A queue of known number, as `onQueueReady` gives it. No host call. */
  static of(id: u32): SharedQueue {
    return new SharedQueue(id);
  }

  /** Opens or creates a queue and asks for `onQueueReady` on this root; null if the host refuses. 1 host call. */
  static register(name: string): SharedQueue | null {
    const ptr = KEY_TEXT.put(name);
    store<u32>(NUMBER_SLOT, 0);
    if (proxy_register_shared_queue(ptr, KEY_TEXT.len, NUMBER_SLOT) != WasmResult.Ok) return null;
    return new SharedQueue(load<u32>(NUMBER_SLOT));
  }

  /** Finds a queue of a VM id; null if nobody has registered it yet. 1 host call. */
  static resolve(vmId: string, name: string): SharedQueue | null {
    const vmIdPtr = KEY_TEXT.put(vmId);
    const ptr = VALUE_TEXT.put(name);
    store<u32>(NUMBER_SLOT, 0);
    const status = proxy_resolve_shared_queue(vmIdPtr, KEY_TEXT.len, ptr, VALUE_TEXT.len, NUMBER_SLOT);
    return status == WasmResult.Ok ? new SharedQueue(load<u32>(NUMBER_SLOT)) : null;
  }

  /** Appends an item. False if the queue is gone. 1 host call. */
  enqueue(item: ByteString): bool {
    return proxy_enqueue_shared_queue(this.id, item.ptr, item.length) == WasmResult.Ok;
  }

  /** Takes the first item; null if there is none. 1 host call. */
  dequeue(): ByteString | null {
    clearSlots();
    if (proxy_dequeue_shared_queue(this.id, PTR_SLOT, LEN_SLOT) != WasmResult.Ok) return null;
    return ByteString.wrap(takeBuffer());
  }
}
