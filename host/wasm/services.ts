// The world as the wasm runtime sees it: everything a guest can reach goes through one of these interfaces.
// The runtime knows neither HTTP nor sockets; host/extensions/wasm implements StreamServices for each stream and
// host/server implements VmServices once for each worker. All methods run synchronously on the worker's thread.
import type { PluginConfig } from "../config/plugin.ts";
import type { BufferType, LogLevel, MapType, MetricType, StreamType } from "./abi.ts";
import type { PropertyValue } from "./property.ts";
import type { SharedDataStore } from "./shared-data.ts";
import type { SharedQueueStore } from "./shared-queue.ts";

/** Ordered, multi-valued headers: lower-case names, values as latin1 strings, one per byte. */
export interface HeaderMapView {
  readonly names: readonly string[];
  readonly values: readonly string[];
  /** First value. */
  get(name: string): string | undefined;
  set(name: string, value: string): void;
  add(name: string, value: string): void;
  /** One more value, or the one value made longer: what the map's owner does with headers that are there once. */
  append(name: string, value: string): void;
  remove(name: string): boolean;
  clear(): void;
  byteSize(): number;
}

/** Bytes that a guest may read and, when the services hand it out as mutable, edit. */
export interface BufferView {
  readonly length: number;
  bytes(): Uint8Array;
  /** Replaces `size` bytes at `start`, both clamped; takes `data` over. */
  splice(start: number, size: number, data: Uint8Array): void;
}

/** What a guest wants sent instead of the upstream's answer. */
export interface LocalResponse {
  readonly status: number;
  /** Response code details, blanks already replaced by "_". */
  readonly details: string;
  /** One character a byte. */
  readonly body: string;
  readonly headers: readonly (readonly [string, string])[];
  /** 0 to 16, or undefined. */
  readonly grpcStatus: number | undefined;
}

/** One stream, as the adapter shows it to the stream's context. */
export interface StreamServices {
  /** The map if it can be read now. */
  headerMap(type: MapType): HeaderMapView | undefined;
  /** The map if it may be changed now. */
  mutableHeaderMap(type: MapType): HeaderMapView | undefined;
  /** The body if this stream has such a buffer: an empty one counts. */
  buffer(type: BufferType): BufferView | undefined;
  /** The body if it may be edited now. */
  mutableBuffer(type: BufferType): BufferView | undefined;
  /** Both run after the outermost guest call has returned. */
  continueStream(type: StreamType): void;
  closeStream(type: StreamType): void;
  /** False: there is no protocol to answer in, and proxy_send_local_response has no effect. */
  readonly canReply: boolean;
  sendLocalResponse(response: LocalResponse): void;
  clearRouteCache(): void;
  /** `path` has its segments joined by NUL. */
  property(path: string): PropertyValue | undefined;
  /** What proxy_set_property writes is named "wasm.<path>". */
  setFilterState(name: string, value: Uint8Array): void;
  filterStateSize(): number;
  /** The VM died: a paused stream must be failed or resumed now, by the plugin's policy. */
  onVmFailed(): void;
}

/** A response of an HTTP callout, complete; undefined headers mean that there is none. */
export interface HttpCallResponse {
  readonly headers: HeaderMapView | undefined;
  readonly body: Uint8Array;
  readonly trailers: HeaderMapView | undefined;
  /** For proxy_get_status when there are no headers: "timeout", "connection_failure", "reset", "overflow". */
  readonly failure: string;
}

export interface HttpCallRequest {
  readonly cluster: string;
  /** Has :method, :path and :authority. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array;
  readonly trailers: readonly (readonly [string, string])[];
  readonly timeoutMs: number;
}

export interface HttpCallHandle {
  /** Abandons the call: its completion must not be called any more. */
  cancel(): void;
}

export interface HttpCallReceiver {
  /** Exactly once for a call that was started; also from within httpCall itself. */
  onHttpCallComplete(token: number, response: HttpCallResponse): void;
}

export interface Counter {
  add(amount: number): void;
}

export interface Gauge {
  add(amount: number): void;
}

export interface GrpcRequest {
  readonly cluster: string;
  /** "": the cluster's name. */
  readonly authority: string;
  readonly service: string;
  readonly method: string;
  readonly metadata: readonly (readonly [string, string])[];
  /** 0: none, for streams only. */
  readonly timeoutMs: number;
  /** grpc-timeout, 0 for none: what the guest asked for, which may be more than it gets. */
  readonly announcedMs: number;
  readonly skipEnvoyHeaders: boolean;
  /** A longer answer ends the call with RESOURCE_EXHAUSTED. */
  readonly maxMessageBytes: number;
  /** Bytes that may wait for a connection. Afterwards its watermark decides. */
  readonly maxBufferedBytes: number;
}

export interface GrpcHandle {
  /** False when so much waits already that nothing more is taken. */
  send(message: Uint8Array, endStream: boolean): boolean;
  /** Ends this side. */
  closeStream(): void;
  /** Resets it: the receiver hears nothing more. */
  cancel(): void;
}

/** Also called from within grpcStream and the handle's methods. */
export interface GrpcReceiver {
  onInitialMetadata(metadata: HeaderMapView): void;
  /** The message is valid during the call. */
  onMessage(message: Uint8Array): void;
  onTrailingMetadata(metadata: HeaderMapView): void;
  /** The last event. */
  onClose(status: number, message: string): void;
}

/** Counters and gauges of the runtime itself. */
export interface WasmStatsScope {
  counter(name: string): Counter;
  gauge(name: string): Gauge;
}

/** Metrics that guests define. `name` carries its prefix "wasmcustom." already. */
export interface MetricServices {
  /** A handle for the series, the same for the same type and name; undefined when no more can be had. */
  define(type: MetricType, name: string): number | undefined;
  /** Adds to a counter or a gauge. */
  increment(handle: number, offset: number): void;
  /** Sets a gauge or observes into a histogram. */
  record(handle: number, value: number): void;
  value(handle: number): number;
}

export interface TimerHandle {
  cancel(): void;
}

/** One worker, as its VMs see it. */
export interface VmServices {
  /** Names the worker for queue notifications; 0 is the main thread. */
  readonly workerId: number;
  readonly stats: WasmStatsScope;
  readonly metrics: MetricServices;
  readonly sharedData: SharedDataStore;
  readonly sharedQueues: SharedQueueStore;
  /** Messages below this level are not handed to log(). 6 is off. */
  logLevel(): number;
  /** One record; `message` is one character a byte, bounded and rate-limited by the caller. */
  log(level: LogLevel, plugin: string, message: string): void;
  /** Nanoseconds since 1970. */
  wallClockNs(): bigint;
  /** Monotonic, for WASI clock 1. */
  monotonicNs(): bigint;
  /** Monotonic milliseconds, for back-off and rate limits; may be cached per event. */
  monotonicMs(): number;
  /** In [0, 1), for jitter. */
  random(): number;
  /** Cryptographic randomness. */
  fillRandom(bytes: Uint8Array): void;
  startTimer(run: () => void, delayMs: number): TimerHandle;
  hasCluster(name: string): boolean;
  /** Undefined when the call could not be started; then no completion follows. */
  httpCall(request: HttpCallRequest, token: number, receiver: HttpCallReceiver): HttpCallHandle | undefined;
  /** Undefined when it could not be started; a close may have been told before, as in Envoy. */
  grpcStream(request: GrpcRequest, receiver: GrpcReceiver): GrpcHandle | undefined;
  /** Tells `workerId` that an item came into `queueId`; the worker passes it to WasmRuntime.onQueueReady. */
  notifyQueue(workerId: number, queueId: number): void;
  /** Attributes that do not hang on a stream: xds.node, xds.listener_*. `path` as for streams. */
  property(plugin: PluginConfig, path: string): PropertyValue | undefined;
}
