// A worker for wasm tests: everything a VM can reach, recorded, with a clock and timers that the test moves by hand.
import type { PluginConfig } from "../../../host/config/plugin.ts";
import type { LogLevel, MetricType } from "../../../host/wasm/abi.ts";
import { type Engine, type EngineInstance, v8Engine } from "../../../host/wasm/engine.ts";
import type { PropertyValue } from "../../../host/wasm/property.ts";
import type {
  GrpcHandle,
  GrpcReceiver,
  GrpcRequest,
  HttpCallReceiver,
  HttpCallRequest,
  HttpCallResponse,
  VmServices,
} from "../../../host/wasm/services.ts";
import { SharedArena } from "../../../host/wasm/shared-arena.ts";
import { SharedDataStore } from "../../../host/wasm/shared-data.ts";
import { SharedQueueStore } from "../../../host/wasm/shared-queue.ts";

interface FakeTimer {
  readonly run: () => void;
  readonly atMs: number;
}

export interface FakeHttpCall {
  readonly request: HttpCallRequest;
  readonly token: number;
  isCancelled: boolean;
  complete(response: Partial<HttpCallResponse>): void;
}

/** A gRPC stream of the test: what the guest did is recorded, and the receiver is there to be told things. */
export interface FakeGrpcStream {
  readonly request: GrpcRequest;
  readonly receiver: GrpcReceiver;
  /** "send <bytes> <endStream>", "close", "cancel". */
  readonly done: string[];
}

export class FakeServices implements VmServices {
  readonly workerId: number;
  readonly sharedData: SharedDataStore;
  readonly sharedQueues: SharedQueueStore;
  readonly lines: string[] = [];
  readonly counters = new Map<string, number>();
  readonly series = new Map<string, { type: MetricType; value: number; observed: number[] }>();
  readonly httpCalls: FakeHttpCall[] = [];
  readonly grpcStreams: FakeGrpcStream[] = [];
  /** The handle takes no more messages. */
  grpcIsFull = false;
  /** What happens to a stream before grpcStream returns. */
  grpcAtOnce: ((receiver: GrpcReceiver) => void) | undefined = undefined;
  readonly notified: { worker: number; queue: number }[] = [];
  clusters = ["web"];
  level = 0;
  nowMs = 1000;
  /** Answers a call before httpCall returns. */
  answerAtOnce: Partial<HttpCallResponse> | undefined = undefined;
  refuseCalls = false;
  properties = new Map<string, PropertyValue>();
  private timers: FakeTimer[] = [];

  constructor(workerId = 1, arenas?: { data: SharedArena; queues: SharedArena }) {
    this.workerId = workerId;
    this.sharedData = new SharedDataStore(arenas?.data ?? SharedArena.create(2 << 20));
    this.sharedQueues = new SharedQueueStore(arenas?.queues ?? SharedArena.create(2 << 20));
  }

  readonly stats = {
    counter: (name: string) => ({ add: (amount: number) => this.count(name, amount) }),
    gauge: (name: string) => ({ add: (amount: number) => this.count(name, amount) }),
  };

  private count(name: string, amount: number): void {
    this.counters.set(name, (this.counters.get(name) ?? 0) + amount);
  }

  private readonly handles: string[] = [];
  readonly metrics = {
    define: (type: MetricType, name: string): number | undefined => {
      if (!this.series.has(name)) {
        this.series.set(name, { type, value: 0, observed: [] });
        this.handles.push(name);
      }
      return this.handles.indexOf(name);
    },
    increment: (handle: number, offset: number): void => {
      const series = this.series.get(this.handles[handle]);
      if (series !== undefined) series.value += offset;
    },
    record: (handle: number, value: number): void => {
      const series = this.series.get(this.handles[handle]);
      if (series === undefined) return;
      series.value = value;
      series.observed.push(value);
    },
    value: (handle: number): number => this.series.get(this.handles[handle])?.value ?? 0,
  };

  logLevel(): number {
    return this.level;
  }

  log(level: LogLevel, plugin: string, message: string): void {
    // The root id and the VM id stand behind the name.
    this.lines.push(`${level} ${plugin.split(" ")[0]}: ${message}`);
  }

  wallClockNs(): bigint {
    return 1_700_000_000_000_000_000n + BigInt(Math.round(this.nowMs * 1e6));
  }

  monotonicNs(): bigint {
    // Language runtimes wait by reading the clock: it must move.
    this.nowMs += 0.001;
    return BigInt(Math.round(this.nowMs * 1e6));
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  random(): number {
    return 0.5;
  }

  fillRandom(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 37 + 11) & 0xff;
  }

  startTimer(run: () => void, delayMs: number): { cancel(): void } {
    const timer = { run, atMs: this.nowMs + Math.max(1, delayMs) };
    this.timers.push(timer);
    return {
      cancel: () => {
        this.timers = this.timers.filter((other) => other !== timer);
      },
    };
  }

  get armedTimers(): number {
    return this.timers.length;
  }

  /** Moves the clock and runs what is due, in order. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const due = this.timers.filter((timer) => timer.atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== due);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.run();
    }
    this.nowMs = end;
  }

  hasCluster(name: string): boolean {
    return this.clusters.includes(name);
  }

  httpCall(request: HttpCallRequest, token: number, receiver: HttpCallReceiver): { cancel(): void } | undefined {
    if (this.refuseCalls) return undefined;
    const call: FakeHttpCall = {
      request,
      token,
      isCancelled: false,
      complete: (response) => {
        const whole = { headers: undefined, body: new Uint8Array(0), trailers: undefined, failure: "", ...response };
        if (!call.isCancelled) receiver.onHttpCallComplete(token, whole);
      },
    };
    this.httpCalls.push(call);
    if (this.answerAtOnce !== undefined) call.complete(this.answerAtOnce);
    return {
      cancel: () => {
        call.isCancelled = true;
      },
    };
  }

  grpcStream(request: GrpcRequest, receiver: GrpcReceiver): GrpcHandle | undefined {
    this.grpcAtOnce?.(receiver);
    if (this.refuseCalls) return undefined;
    const done: string[] = [];
    this.grpcStreams.push({ request, receiver, done });
    return {
      send: (message, endStream) => {
        if (this.grpcIsFull) return false;
        done.push(`send ${Buffer.from(message).toString()} ${endStream}`);
        return true;
      },
      closeStream: () => void done.push("close"),
      cancel: () => void done.push("cancel"),
    };
  }

  notifyQueue(worker: number, queue: number): void {
    this.notified.push({ worker, queue });
  }

  property(_plugin: PluginConfig, path: string): PropertyValue | undefined {
    return this.properties.get(path);
  }
}

/** Lets a test look into the memory of the last instance. */
export class LookingEngine implements Engine {
  readonly name = "looking";
  instances: EngineInstance[] = [];

  compile = (bytes: Uint8Array): Promise<WebAssembly.Module> => v8Engine.compile(bytes);

  instantiate: Engine["instantiate"] = (module, imports) => {
    const instance = v8Engine.instantiate(module, imports);
    this.instances.push(instance);
    return instance;
  };

  createMemory: Engine["createMemory"] = (initial, maximum) => v8Engine.createMemory(initial, maximum);

  runWithTimeout: Engine["runWithTimeout"] = (run, timeoutMs) => v8Engine.runWithTimeout(run, timeoutMs);

  /** A fresh view: the guest may have grown its memory. */
  get view(): DataView {
    const memory = this.instances.at(-1)?.exportedMemory();
    return new DataView(memory?.buffer ?? new ArrayBuffer(0));
  }
}

export function pluginConfig(overrides: Partial<PluginConfig> = {}): PluginConfig {
  return {
    name: "test",
    rootId: "root",
    vmId: "vm",
    sha256: "00",
    source: "test.wasm",
    vmConfiguration: undefined,
    configuration: undefined,
    environment: [],
    failurePolicy: "FAIL_CLOSED",
    reloadBaseIntervalMs: 1000,
    allowedCapabilities: undefined,
    allowOnHeadersStopIteration: false,
    ...overrides,
  };
}

export function grpcRequest(overrides: Partial<GrpcRequest> = {}): GrpcRequest {
  return {
    cluster: "web",
    authority: "",
    service: "svc.S",
    method: "M",
    metadata: [],
    timeoutMs: 0,
    announcedMs: 0,
    skipEnvoyHeaders: false,
    maxMessageBytes: 1000,
    maxBufferedBytes: 1000,
    ...overrides,
  };
}
