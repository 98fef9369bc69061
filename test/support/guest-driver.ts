// A small proxy-wasm host in memory, for tests of filters and of the SDK: it implements the imports that the SDK uses as
// the ABI 0.2.1 describes them, drives the callbacks, and records what the guest did. It has no streams and no time of its
// own: a test says what arrives, when a call is answered, and what the clock shows.

import { readFileSync } from "node:fs";
import "../../host/wasm/webassembly.ts";

export type Header = [name: string, value: string];
export type Bytes = Uint8Array<ArrayBufferLike>;

/** A property's value as the ABI encodes it: texts as they are, numbers in 8 bytes, booleans in one, lists as pairs. */
export type PropertyValue = string | number | boolean | string[];

export interface LocalReply {
  readonly status: number;
  readonly details: string;
  readonly headers: Header[];
  readonly body: string;
  readonly grpcStatus: number;
}

export interface Callout {
  readonly token: number;
  readonly cluster: string;
  readonly headers: Header[];
  readonly body: string;
  readonly timeoutMs: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The ABI's pairs encoding. */
export function encodePairs(pairs: readonly Header[]): Bytes {
  const parts = pairs.map(([name, value]) => [encoder.encode(name), encoder.encode(value)] as const);
  const size = parts.reduce((sum, [name, value]) => sum + 10 + name.length + value.length, 4);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, parts.length, true);
  let data = 4 + 8 * parts.length;
  parts.forEach(([name, value], index) => {
    view.setUint32(4 + 8 * index, name.length, true);
    view.setUint32(8 + 8 * index, value.length, true);
    bytes.set(name, data);
    bytes.set(value, data + name.length + 1);
    data += name.length + value.length + 2;
  });
  return bytes;
}

/** Reads the pairs encoding; an empty input is the empty list. */
export function decodePairs(bytes: Bytes): Header[] {
  if (bytes.length < 4) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pairs: Header[] = [];
  let data = 4 + 8 * view.getUint32(0, true);
  for (let index = 0; index < view.getUint32(0, true); index++) {
    const nameLen = view.getUint32(4 + 8 * index, true);
    const valueLen = view.getUint32(8 + 8 * index, true);
    const valueAt = data + nameLen + 1;
    pairs.push([decoder.decode(bytes.subarray(data, data + nameLen)), decoder.decode(bytes.subarray(valueAt, valueAt + valueLen))]);
    data = valueAt + valueLen + 1;
  }
  return pairs;
}

function encodeProperty(value: PropertyValue): Bytes {
  if (typeof value === "string") return encoder.encode(value);
  if (typeof value === "boolean") return Uint8Array.of(value ? 1 : 0);
  if (Array.isArray(value)) return encodePairs(value.map((item): Header => [item, ""]));
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(value), true);
  return bytes;
}

const Status = { Ok: 0, NotFound: 1, BadArgument: 2, Empty: 7, CasMismatch: 8, Unimplemented: 12 } as const;

/** State that several VMs of one vm_id share. */
export class SharedState {
  readonly data = new Map<string, { value: Bytes; cas: number }>();
  readonly metrics = new Map<string, bigint>();
  readonly metricIds: string[] = [""];
  readonly queues: { name: string; items: Bytes[] }[] = [{ name: "", items: [] }];
  cas = 0;
}

/** One VM with one plugin. */
export class Guest {
  readonly maps: (Header[] | undefined)[] = [];
  readonly buffers: (Bytes | undefined)[] = [];
  readonly properties = new Map<string, PropertyValue>();
  readonly logs: { level: number; message: string }[] = [];
  readonly callouts: Callout[] = [];
  readonly replies: LocalReply[] = [];
  readonly continued: number[] = [];
  /** Host calls by name since the last `countCalls`. */
  readonly calls = new Map<string, number>();
  readonly setProperties = new Map<string, string>();
  readonly clusters = new Set<string>();
  /** Contexts the host still knows; `proxy_set_effective_context` refuses others. */
  readonly live = new Set<number>();
  /** Runs before each write of shared data, so that a test can let another VM write first. */
  beforeSharedWrite: (() => void) | undefined;
  /** Whether `request.headers.<name>` exists, as in Envoy; not every host has it. */
  offersHeaderProperties = true;
  nowNs = 1_700_000_000_000_000_000n;
  logLevel = 2;
  tickPeriodMs = 0;
  effective = 0;
  status: { code: number; message: string } = { code: 0, message: "" };
  readonly memory: WebAssembly.Memory;
  private readonly exports: Record<string, unknown>;
  private nextToken = 4;
  private nextId = 1;
  readonly rootId: number;
  readonly shared: SharedState;

  constructor(wasm: Uint8Array, shared: SharedState = new SharedState()) {
    this.shared = shared;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm), { env: this.imports() });
    this.exports = instance.exports;
    this.memory = instance.exports.memory as WebAssembly.Memory;
    this.call("_initialize");
    this.rootId = this.nextId++;
    this.live.add(this.rootId);
  }

  /** Loads a built filter of this package. */
  static load(name: string, shared?: SharedState): Guest {
    return new Guest(readFileSync(new URL(`../../filters/${name}.wasm`, import.meta.url)), shared);
  }

  /** Starts the plugin with a configuration; whether it accepted. */
  start(configuration: unknown, rootName = ""): boolean {
    this.properties.set("plugin_root_id", rootName);
    const bytes = typeof configuration === "string" ? configuration : JSON.stringify(configuration);
    this.call("proxy_on_context_create", this.rootId, 0);
    if (this.call("proxy_on_vm_start", this.rootId, 0) !== 1) return false;
    return this.configure(bytes);
  }

  /** Gives the plugin a configuration; whether it accepted. */
  configure(text: string): boolean {
    this.buffers[7] = encoder.encode(text);
    const accepted = this.call("proxy_on_configure", this.rootId, this.buffers[7].length) === 1;
    this.buffers[7] = undefined;
    return accepted;
  }

  /** Creates a stream context. */
  stream(): number {
    const id = this.nextId++;
    this.live.add(id);
    this.call("proxy_on_context_create", id, this.rootId);
    return id;
  }

  requestHeaders(id: number, headers: Header[], endOfStream = true): number {
    this.maps[0] = headers;
    return this.call("proxy_on_request_headers", id, headers.length, endOfStream ? 1 : 0) ?? 0;
  }

  responseHeaders(id: number, headers: Header[], endOfStream = false): number {
    this.maps[2] = headers;
    return this.call("proxy_on_response_headers", id, headers.length, endOfStream ? 1 : 0) ?? 0;
  }

  /** Delivers a body chunk; the action and what the buffer holds afterwards. */
  body(id: number, direction: "request" | "response", text: string, endOfStream: boolean): { action: number; text: string } {
    const type = direction === "request" ? 0 : 1;
    this.buffers[type] = encoder.encode(text);
    const action = this.call(`proxy_on_${direction}_body`, id, this.buffers[type].length, endOfStream ? 1 : 0) ?? 0;
    return { action, text: decoder.decode(this.buffers[type]) };
  }

  /** Ends a stream as Envoy does. */
  end(id: number): void {
    this.call("proxy_on_log", id);
    this.call("proxy_on_done", id);
    this.call("proxy_on_delete", id);
    this.live.delete(id);
  }

  /** Answers a callout; no headers means that it failed. */
  answer(callout: Callout, headers: Header[], body = "", trailers: Header[] = []): void {
    this.maps[6] = headers;
    this.maps[7] = trailers;
    this.buffers[4] = encoder.encode(body);
    this.call("proxy_on_http_call_response", this.rootId, callout.token, headers.length, body.length, trailers.length);
    this.maps[6] = undefined;
    this.maps[7] = undefined;
    this.buffers[4] = undefined;
  }

  tick(): void {
    this.call("proxy_on_tick", this.rootId);
  }

  /** Runs something and returns how many host calls it took. */
  countCalls(run: () => void): number {
    this.calls.clear();
    run();
    return [...this.calls.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Calls an export; undefined if the module does not have it. */
  call(name: string, ...args: number[]): number | undefined {
    const entry = this.exports[name];
    this.effective = args[0] ?? 0;
    return typeof entry === "function" ? (entry as (...args: number[]) => number | undefined)(...args) : undefined;
  }

  private bytes(ptr: number, size: number): Bytes {
    return new Uint8Array(this.memory.buffer, ptr >>> 0, size >>> 0).slice();
  }

  private text(ptr: number, size: number): string {
    return decoder.decode(this.bytes(ptr, size));
  }

  private writeNumber(slot: number, value: number): number {
    new DataView(this.memory.buffer).setUint32(slot >>> 0, value, true);
    return Status.Ok;
  }

  private writeLong(slot: number, value: bigint): number {
    new DataView(this.memory.buffer).setBigUint64(slot >>> 0, BigInt.asUintN(64, value), true);
    return Status.Ok;
  }

  private give(value: Bytes, ptrSlot: number, sizeSlot: number): number {
    let ptr = 0;
    if (value.length > 0) {
      ptr = (this.exports.proxy_on_memory_allocate as (size: number) => number)(value.length) >>> 0;
      new Uint8Array(this.memory.buffer, ptr, value.length).set(value);
    }
    this.writeNumber(ptrSlot, ptr);
    return this.writeNumber(sizeSlot, value.length);
  }

  private property(path: string): PropertyValue | undefined {
    const known = this.properties.get(path);
    if (known !== undefined || !this.offersHeaderProperties || !path.startsWith("request\0headers\0")) return known;
    const name = path.slice("request\0headers\0".length);
    const values = (this.maps[0] ?? []).filter(([key]) => key === name).map(([, value]) => value);
    return values.length === 0 ? undefined : values.join(",");
  }

  private splice(type: number, start: number, length: number, data: Bytes): number {
    const old = this.buffers[type];
    if (old === undefined) return Status.NotFound;
    const from = start >>> 0;
    // Envoy's rule: a start strictly inside the buffer is refused.
    if (from > 0 && from < old.length) return Status.BadArgument;
    const tail = from === 0 ? old.subarray(Math.min(length >>> 0, old.length)) : new Uint8Array(0);
    this.buffers[type] = from === 0 ? Buffer.concat([data, tail]) : Buffer.concat([old, data]);
    return Status.Ok;
  }

  private imports(): Record<string, (...args: never[]) => number> {
    const functions: Record<string, (...args: number[]) => number> = {
      proxy_log: (level, ptr, size) => {
        this.logs.push({ level, message: this.text(ptr, size) });
        return Status.Ok;
      },
      proxy_get_log_level: (slot) => this.writeNumber(slot, this.logLevel),
      proxy_get_current_time_nanoseconds: (slot) => this.writeLong(slot, this.nowNs),
      proxy_set_tick_period_milliseconds: (period) => {
        this.tickPeriodMs = period;
        return Status.Ok;
      },
      proxy_get_status: (codeSlot, ptrSlot, sizeSlot) => {
        this.writeNumber(codeSlot, this.status.code);
        return this.give(encoder.encode(this.status.message), ptrSlot, sizeSlot);
      },
      proxy_set_effective_context: (id) => {
        if (!this.live.has(id)) return Status.BadArgument;
        this.effective = id;
        return Status.Ok;
      },
      proxy_done: () => Status.NotFound,
      proxy_call_foreign_function: () => Status.NotFound,
      proxy_get_property: (ptr, size, ptrSlot, sizeSlot) => {
        const value = this.property(this.text(ptr, size));
        return value === undefined ? Status.NotFound : this.give(encodeProperty(value), ptrSlot, sizeSlot);
      },
      proxy_set_property: (ptr, size, valuePtr, valueSize) => {
        this.setProperties.set(this.text(ptr, size), this.text(valuePtr, valueSize));
        return Status.Ok;
      },
      proxy_get_buffer_bytes: (type, start, max, ptrSlot, sizeSlot) => {
        const buffer = this.buffers[type];
        if (buffer === undefined) return Status.NotFound;
        return this.give(buffer.subarray(start >>> 0, Math.min((start >>> 0) + (max >>> 0), buffer.length)), ptrSlot, sizeSlot);
      },
      proxy_get_buffer_status: (type, lengthSlot, flagsSlot) => {
        const buffer = this.buffers[type];
        if (buffer === undefined) return Status.NotFound;
        this.writeNumber(flagsSlot, 0);
        return this.writeNumber(lengthSlot, buffer.length);
      },
      proxy_set_buffer_bytes: (type, start, length, ptr, size) => this.splice(type, start, length, this.bytes(ptr, size)),
      proxy_get_header_map_pairs: (type, ptrSlot, sizeSlot) => this.give(encodePairs(this.maps[type] ?? []), ptrSlot, sizeSlot),
      proxy_set_header_map_pairs: (type, ptr, size) => {
        this.maps[type] = decodePairs(this.bytes(ptr, size));
        return Status.Ok;
      },
      proxy_get_header_map_value: (type, ptr, size, ptrSlot, sizeSlot) => {
        const name = this.text(ptr, size);
        const found = this.maps[type]?.find(([key]) => key === name);
        return found === undefined ? Status.NotFound : this.give(encoder.encode(found[1]), ptrSlot, sizeSlot);
      },
      proxy_add_header_map_value: (type, ptr, size, valuePtr, valueSize) =>
        this.changeMap(type, (map) => [...map, [this.text(ptr, size), this.text(valuePtr, valueSize)]]),
      proxy_replace_header_map_value: (type, ptr, size, valuePtr, valueSize) => {
        const name = this.text(ptr, size);
        return this.changeMap(type, (map) => [...map.filter(([key]) => key !== name), [name, this.text(valuePtr, valueSize)]]);
      },
      proxy_remove_header_map_value: (type, ptr, size) => {
        const name = this.text(ptr, size);
        return this.changeMap(type, (map) => map.filter(([key]) => key !== name));
      },
      proxy_continue_stream: (type) => {
        this.continued.push(type);
        return Status.Ok;
      },
      proxy_close_stream: () => Status.Ok,
      proxy_send_local_response: (status, detailsPtr, detailsSize, bodyPtr, bodySize, ptr, size, grpcStatus) => {
        const headers = decodePairs(this.bytes(ptr, size));
        const details = this.text(detailsPtr, detailsSize);
        this.replies.push({ status, details, headers, body: this.text(bodyPtr, bodySize), grpcStatus });
        return Status.Ok;
      },
      proxy_http_call: (ptr, size, headersPtr, headersSize, bodyPtr, bodySize, _trailers, _trailersSize, timeoutMs, slot) => {
        const cluster = this.text(ptr, size);
        if (!this.clusters.has(cluster)) return Status.BadArgument;
        const token = this.nextToken;
        this.nextToken += 4;
        const headers = decodePairs(this.bytes(headersPtr, headersSize));
        this.callouts.push({ token, cluster, headers, body: this.text(bodyPtr, bodySize), timeoutMs });
        return this.writeNumber(slot, token);
      },
      // No test of a filter calls by gRPC; the names are there so that modules link.
      proxy_grpc_call: () => Status.Unimplemented,
      proxy_grpc_stream: () => Status.Unimplemented,
      proxy_grpc_send: () => Status.Unimplemented,
      proxy_grpc_cancel: () => Status.Unimplemented,
      proxy_grpc_close: () => Status.Unimplemented,
      ...this.sharedImports(),
    };
    const counted: Record<string, (...args: never[]) => number> = {};
    for (const [name, run] of Object.entries(functions)) {
      counted[name] = (...args: never[]) => {
        this.calls.set(name, (this.calls.get(name) ?? 0) + 1);
        return run(...args);
      };
    }
    return counted;
  }

  private changeMap(type: number, change: (map: Header[]) => Header[]): number {
    const map = this.maps[type];
    if (map === undefined) return Status.BadArgument;
    this.maps[type] = change(map);
    return Status.Ok;
  }

  private sharedImports(): Record<string, (...args: number[]) => number> {
    const shared = this.shared;
    const metric = (id: number): string | undefined => shared.metricIds[id];
    return {
      proxy_get_shared_data: (ptr, size, ptrSlot, sizeSlot, casSlot) => {
        const entry = shared.data.get(this.text(ptr, size));
        if (entry === undefined) return Status.NotFound;
        this.writeNumber(casSlot, entry.cas);
        return this.give(entry.value, ptrSlot, sizeSlot);
      },
      proxy_set_shared_data: (ptr, size, valuePtr, valueSize, cas) => {
        this.beforeSharedWrite?.();
        const key = this.text(ptr, size);
        const entry = shared.data.get(key);
        if (cas !== 0 && entry !== undefined && entry.cas !== cas >>> 0) return Status.CasMismatch;
        shared.data.set(key, { value: this.bytes(valuePtr, valueSize), cas: ++shared.cas });
        return Status.Ok;
      },
      proxy_register_shared_queue: (ptr, size, slot) => {
        const name = this.text(ptr, size);
        let id = shared.queues.findIndex((queue) => queue.name === name);
        if (id < 0) id = shared.queues.push({ name, items: [] }) - 1;
        return this.writeNumber(slot, id);
      },
      proxy_resolve_shared_queue: (_vmPtr, _vmSize, ptr, size, slot) => {
        const id = shared.queues.findIndex((queue) => queue.name === this.text(ptr, size));
        return id <= 0 ? Status.NotFound : this.writeNumber(slot, id);
      },
      proxy_enqueue_shared_queue: (id, ptr, size) => {
        if (id === 0 || shared.queues[id] === undefined) return Status.NotFound;
        shared.queues[id].items.push(this.bytes(ptr, size));
        return Status.Ok;
      },
      proxy_dequeue_shared_queue: (id, ptrSlot, sizeSlot) => {
        if (id === 0 || shared.queues[id] === undefined) return Status.NotFound;
        const item = shared.queues[id].items.shift();
        return item === undefined ? Status.Empty : this.give(item, ptrSlot, sizeSlot);
      },
      proxy_define_metric: (_type, ptr, size, slot) => this.writeNumber(slot, shared.metricIds.push(this.text(ptr, size)) - 1),
      proxy_increment_metric: (id, offset) => {
        const name = metric(id);
        if (!name) return Status.NotFound;
        shared.metrics.set(name, (shared.metrics.get(name) ?? 0n) + BigInt(offset));
        return Status.Ok;
      },
      proxy_record_metric: (id, value) => {
        const name = metric(id);
        if (!name) return Status.NotFound;
        shared.metrics.set(name, BigInt(value));
        return Status.Ok;
      },
      proxy_get_metric: (id, slot) => {
        const name = metric(id);
        return name ? this.writeLong(slot, shared.metrics.get(name) ?? 0n) : Status.NotFound;
      },
    };
  }
}
