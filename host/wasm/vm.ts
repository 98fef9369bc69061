// One instance of a module on one worker, shared by the plugins with the same VM key.
//
//   created ── start() ──> serving ── last root gone ──> closed
//      └───────── trap, timeout, exit ──> failed <──┘ (never called again; paused streams are told at once)
//
// Longer than its siblings because every host call reads these fields, and one object of one shape keeps that cheap.
// All state of a running guest call lives here: whose call it is (current), on whose behalf it acts (effective), and what it
// asked to be done afterwards (deferred). Guest calls of one VM never nest; nothing calls the guest from inside a host call
// except its allocator.
import type { PluginConfig } from "../config/plugin.ts";
import { type AbiVersion, BufferType, LogLevel, MapType, TokenKind, TokenStep, WasmResult } from "./abi.ts";
import type { Context } from "./context.ts";
import { type DeferredAction, type DeferredKind, runDeferred } from "./deferred.ts";
import type { Engine, GuestFunction } from "./engine.ts";
import { type GuestCalls, resolveGuestCalls } from "./guest-calls.ts";
import { GuestLog } from "./guest-log.ts";
import { AllowedIn } from "./host-calls/host-call.ts";
import { instantiate } from "./instantiate.ts";
import type { WasmLimits } from "./limits.ts";
import { GuestMemory } from "./memory.ts";
import { VmMetrics } from "./metrics.ts";
import { IdTable } from "../base/id-table.ts";
import type { LoadedModule } from "./module.ts";
import { type PropertyValue, splitPath } from "./property.ts";
import { RootContext } from "./root-context.ts";
import type { BufferView, HeaderMapView, HttpCallResponse, LocalResponse, VmServices } from "./services.ts";
import type { StreamContext } from "./stream-context.ts";
import { describeTrap, GuestExit, isStackOverflow } from "./trap.ts";

type VmState = "created" | "serving" | "failed" | "closed";

/** What the owner of VMs does for them. */
export interface VmOwner {
  onVmFailed(vm: Vm): void;
  onVmClosed(vm: Vm): void;
  /** The queue's id, or undefined when there is no room; `root` gets its notifications from now on. */
  registerQueue(root: RootContext, name: string): number | undefined;
}

const NoBytes = new Uint8Array(0);
const NoGuestCalls: GuestCalls = resolveGuestCalls({ exportedFunction: () => undefined, exportedMemory: () => undefined }, () => false);

export class Vm {
  readonly key: string;
  readonly vmId: string;
  readonly abiVersion: AbiVersion;
  readonly services: VmServices;
  readonly limits: WasmLimits;
  readonly memory = new GuestMemory();
  readonly metrics: VmMetrics;
  /** "K=V" and NUL, as WASI hands them out. */
  readonly environment: readonly Uint8Array[];
  guest: GuestCalls = NoGuestCalls;
  failure = "";
  isFailed = false;
  /** Inside proxy_on_configure: the only time when the plugin configuration can be read. */
  isConfiguring = false;
  httpCallResponse: HttpCallResponse | undefined = undefined;
  grpcInitialMetadata: HeaderMapView | undefined = undefined;
  grpcMessage: Uint8Array | undefined = undefined;
  grpcTrailingMetadata: HeaderMapView | undefined = undefined;

  // The running guest call.
  current: Context | undefined = undefined;
  effective: Context | undefined = undefined;
  isRunning = false;
  /** Stream type of the running HTTP callback, -1 in others. */
  direction = -1;
  /** A bit of AllowedIn while start code or the allocator runs, else 0. */
  phase: number = AllowedIn.Callbacks;
  continueRequested = false;
  localResponseSent = false;

  private state: VmState = "created";
  private readonly module: LoadedModule;
  private readonly engine: Engine;
  private readonly owner: VmOwner;
  private readonly allowed: ReadonlySet<string> | undefined;
  private readonly log: GuestLog;
  private readonly contexts = new IdTable<Context>();
  private readonly roots = new Set<RootContext>();
  private readonly bootContext: RootContext;
  private deferred: DeferredAction[] = [];
  private lastContextId = 0;
  private lastToken = 0;
  private lastGrpcCall: number = TokenKind.GrpcCall;
  private lastGrpcStream: number = TokenKind.GrpcStream;
  /** The guest is being left; nothing it does on the way out counts. */
  private isPoisoned = false;
  private guestAllocator: GuestFunction | undefined = undefined;

  constructor(
    key: string,
    module: LoadedModule,
    plugin: PluginConfig,
    services: VmServices,
    engine: Engine,
    limits: WasmLimits,
    owner: VmOwner,
  ) {
    this.key = key;
    this.vmId = plugin.vmId;
    this.abiVersion = module.abiVersion;
    this.services = services;
    this.limits = limits;
    this.metrics = new VmMetrics(services.metrics, limits);
    this.environment = plugin.environment.map(([name, value]) => Buffer.from(`${name}=${value}\0`, "utf8"));
    this.module = module;
    this.engine = engine;
    this.owner = owner;
    this.allowed = plugin.allowedCapabilities === undefined ? undefined : new Set(plugin.allowedCapabilities);
    this.log = new GuestLog(services, limits);
    this.bootContext = new RootContext(0, this, plugin);
  }

  // ── Life cycle ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Instantiates and runs the module's own start functions; why it failed, or undefined. */
  start(): string | undefined {
    this.services.sharedData.open(this.vmId);
    this.services.stats.counter("wasm.envoy.wasm.runtime.v8.created").add(1);
    this.services.stats.gauge("wasm.envoy.wasm.runtime.v8.active").add(1);
    const boot = this.bootContext;
    this.phase = AllowedIn.Start;
    this.timed("start", boot, () => this.instantiate());
    this.phase = AllowedIn.Callbacks;
    if (this.isFailed) return this.failure;
    this.state = "serving";
    this.drain();
    return undefined;
  }

  private instantiate(): number {
    instantiate(this, this.module, this.engine, (instance, memory) => {
      this.guestAllocator = instance.exportedFunction(this.module.allocator);
      this.memory.attach(memory, this.allocate);
      this.guest = resolveGuestCalls(instance, (name) => this.allows(name));
    });
    return 0;
  }

  private readonly allocate = (size: number): number => {
    const { guestAllocator, phase } = this;
    if (guestAllocator === undefined) return 0;
    this.phase = AllowedIn.Allocator;
    try {
      return guestAllocator(size);
    } finally {
      this.phase = phase;
    }
  };

  /** A new root context for a plugin, not yet started. */
  createRoot(plugin: PluginConfig): RootContext {
    const root = new RootContext(this.nextContextId(), this, plugin);
    this.contexts.set(root.id, root);
    this.roots.add(root);
    return root;
  }

  forgetRoot(root: RootContext): void {
    this.contexts.delete(root.id);
    if (this.roots.delete(root) && this.roots.size === 0) this.close();
  }

  private close(): void {
    if (this.state === "closed" || this.isFailed) return;
    this.state = "closed";
    this.release();
    this.owner.onVmClosed(this);
  }

  private release(): void {
    this.services.stats.gauge("wasm.envoy.wasm.runtime.v8.active").add(-1);
    this.services.sharedData.close(this.vmId);
  }

  /** The VM must not be used any more, though nothing was wrong with its guest (a canary, a start that was refused). */
  discard(): void {
    if (this.state === "closed" || this.isFailed) return;
    this.state = "closed";
    this.isFailed = true;
    this.failure = "discarded";
    for (const root of [...this.roots]) root.dispose();
    this.release();
  }

  /** Tells every stream but the one whose callback trapped: that one's caller sees Failed. */
  private fail(reason: string, except: Context | undefined): void {
    if (this.isFailed) return;
    this.isFailed = true;
    this.state = "failed";
    this.failure = reason;
    this.deferred = [];
    this.continueRequested = false;
    this.localResponseSent = false;
    const { plugin } = (except ?? this.bootContext).root;
    this.log.host(LogLevel.Critical, plugin.name, reason);
    this.release();
    const streams = this.contexts.all().filter((ctx) => ctx.services !== undefined && ctx !== except);
    for (const root of [...this.roots]) root.dispose();
    this.owner.onVmFailed(this);
    for (const stream of streams) if (!stream.isDeleted) stream.services?.onVmFailed();
  }

  // ── Guest calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The guest-call boundary: traps end here. Callers look at isFailed before they use the result, and drain afterwards. */
  call(name: string, fn: GuestFunction, ctx: Context, a: number, b: number, c: number, d = 0, e = 0): number {
    this.current = ctx;
    this.effective = undefined;
    this.isRunning = true;
    let result = 0;
    try {
      result = fn(a, b, c, d, e);
    } catch (error) {
      this.leave();
      this.fail(describeTrap(name, error), ctx);
      return 0;
    }
    this.leave();
    if (this.isPoisoned) this.fail(`Function: ${name} failed: the guest went on after it was ended`, ctx);
    return result;
  }

  /** The same under the start timeout, for the rare calls. */
  timedCall(name: string, fn: GuestFunction, ctx: Context, a: number, b: number): number {
    return this.timed(name, ctx, () => fn(a, b));
  }

  private timed(name: string, ctx: Context, run: () => number): number {
    this.current = ctx;
    this.effective = undefined;
    this.isRunning = true;
    let result = 0;
    try {
      this.engine.runWithTimeout(() => {
        result = run();
      }, this.limits.startTimeoutMs);
    } catch (error) {
      this.leave();
      this.fail(describeTrap(name, error), ctx);
      return 0;
    }
    this.leave();
    if (this.isPoisoned) this.fail(`Function: ${name} failed: the guest went on after it was ended`, ctx);
    return result;
  }

  private leave(): void {
    this.current = undefined;
    this.effective = undefined;
    this.isRunning = false;
    this.direction = -1;
  }

  /** The action that holds: a local response stops, a continue in the same direction continues, an unknown number stops. */
  takeAction(raw: number, stop: number): number {
    if (this.localResponseSent) {
      this.localResponseSent = false;
      this.continueRequested = false;
      return stop;
    }
    if (this.continueRequested) {
      this.continueRequested = false;
      return 0;
    }
    return raw >>> 0 > stop ? stop : raw;
  }

  defer(kind: DeferredKind, ctx: Context, value: number, payload: LocalResponse | undefined): void {
    this.deferred.push({ kind, ctx, value, payload });
  }

  /** Runs what was deferred, in order; actions may call the guest, which adds to the same queue. */
  drain(): void {
    if (this.deferred.length === 0 || this.isRunning) return;
    this.localResponseSent = false;
    this.continueRequested = false;
    let action = this.deferred.shift();
    while (action !== undefined) {
      runDeferred(action);
      action = this.deferred.shift();
    }
  }

  // ── The import boundary ─────────────────────────────────────────────────────────────────────────────────────────────────

  refuseInPhase(name: string): never {
    const when = this.phase === AllowedIn.Start ? "start" : "memory allocation";
    return this.exitGuest(`restricted callback: ${name} during ${when}`);
  }

  exitGuest(reason: string): never {
    this.isPoisoned = true;
    throw new GuestExit(reason);
  }

  /** A trap of the guest (in its allocator) or the end of its stack goes on up; anything else is a defect of a handler. */
  onHandlerError(name: string, error: unknown): number {
    if (this.isPoisoned || error instanceof WebAssembly.RuntimeError || isStackOverflow(error)) {
      this.isPoisoned = true;
      throw error;
    }
    this.services.stats.counter("wasm.host_call_error").add(1);
    const message = error instanceof Error ? error.message : String(error);
    this.log.host(LogLevel.Error, this.context.root.plugin.name, `host call ${name} failed: ${message}`);
    return WasmResult.InternalFailure;
  }

  allows(name: string): boolean {
    return this.allowed === undefined || this.allowed.has(name);
  }

  // ── What host calls act on ──────────────────────────────────────────────────────────────────────────────────────────────

  get context(): Context {
    return this.effective ?? this.current ?? this.bootContext;
  }

  findContext(id: number): Context | undefined {
    return this.contexts.get(id);
  }

  nextContextId(): number {
    return ++this.lastContextId;
  }

  nextHttpCallToken(): number {
    this.lastToken += TokenStep;
    return this.lastToken;
  }

  nextGrpcToken(isStream: boolean): number {
    if (isStream) {
      this.lastGrpcStream += TokenStep;
      return this.lastGrpcStream;
    }
    this.lastGrpcCall += TokenStep;
    return this.lastGrpcCall;
  }

  addContext(ctx: StreamContext): void {
    this.contexts.set(ctx.id, ctx);
  }

  removeContext(ctx: StreamContext): void {
    this.contexts.delete(ctx.id);
  }

  headerMap(type: MapType): HeaderMapView | undefined {
    if (type < MapType.GrpcInitialMetadata) return this.context.services?.headerMap(type);
    switch (type) {
      case MapType.GrpcInitialMetadata:
        return this.grpcInitialMetadata;
      case MapType.GrpcTrailingMetadata:
        return this.grpcTrailingMetadata;
      case MapType.HttpCallResponseHeaders:
        return this.httpCallResponse?.headers;
      case MapType.HttpCallResponseTrailers:
        return this.httpCallResponse?.trailers;
      default:
        return undefined;
    }
  }

  mutableHeaderMap(type: MapType): HeaderMapView | undefined {
    return type < MapType.GrpcInitialMetadata ? this.context.services?.mutableHeaderMap(type) : undefined;
  }

  /** BadArgument as in Envoy, with a line in the log: a Rust guest traps on it. */
  refuseMapWrite(type: number): WasmResult {
    this.warn(`header map ${type} cannot be changed now`);
    return WasmResult.BadArgument;
  }

  buffer(type: BufferType): BufferView | undefined {
    switch (type) {
      case BufferType.VmConfiguration:
        return configurationView(this.context.root.plugin.vmConfiguration ?? NoBytes);
      case BufferType.PluginConfiguration:
        return this.isConfiguring ? configurationView(this.context.root.plugin.configuration ?? NoBytes) : undefined;
      case BufferType.HttpCallResponseBody: {
        const answer = this.httpCallResponse;
        // An empty body is there all the same; a call that failed has none.
        return answer?.headers === undefined ? undefined : configurationView(answer.body);
      }
      case BufferType.GrpcReceive:
        // Outside of its callback there is an empty one, as in Envoy.
        return configurationView(this.grpcMessage ?? NoBytes);
      case BufferType.ForeignFunctionArguments:
        return configurationView(NoBytes);
      default: {
        const { services } = this.context;
        if (services !== undefined) return services.buffer(type);
        return type <= BufferType.HttpResponseBody ? configurationView(NoBytes) : undefined;
      }
    }
  }

  mutableBuffer(type: BufferType): BufferView | undefined {
    return this.context.services?.mutableBuffer(type);
  }

  property(path: string): PropertyValue | undefined {
    const { root, services } = this.context;
    switch (path) {
      case "plugin_name":
        return root.plugin.name;
      case "plugin_root_id":
        return root.plugin.rootId;
      case "plugin_vm_id":
        return root.plugin.vmId;
      default:
        return services === undefined ? this.services.property(root.plugin, path) : services.property(path);
    }
  }

  setProperty(path: string, value: Uint8Array): WasmResult {
    const { root, services } = this.context;
    if (services === undefined) return WasmResult.NotFound;
    const declared = root.declaredProperties.get(path);
    if (declared?.readonly === true && services.property(splitPath(path)[0]) !== undefined) {
      return WasmResult.BadArgument;
    }
    return this.setFilterState(`wasm.${path}`, value);
  }

  setFilterState(name: string, value: Uint8Array): WasmResult {
    const { services } = this.context;
    if (services === undefined) return WasmResult.NotFound;
    if (value.length > this.limits.maxFilterStateBytes || services.filterStateSize() >= this.limits.maxFilterState) {
      this.countOverflow("filter_state_overflow");
      return WasmResult.BadArgument;
    }
    services.setFilterState(name, value);
    return WasmResult.Ok;
  }

  registerQueue(root: RootContext, name: string): number | undefined {
    return this.owner.registerQueue(root, name);
  }

  notifyQueue(id: number): void {
    const worker = this.services.sharedQueues.owner(id);
    if (worker !== undefined) this.services.notifyQueue(worker, id);
  }

  // ── Log and stats ───────────────────────────────────────────────────────────────────────────────────────────────────────

  logGuest(level: LogLevel, message: string): void {
    this.log.guest(level, logPrefix(this.context.root.plugin), message);
  }

  warn(message: string): void {
    this.logGuest(LogLevel.Warn, message);
  }

  countOverflow(name: string): void {
    this.services.stats.counter(`wasm.${name}`).add(1);
    this.warn(`limit reached: ${name}`);
  }
}

/** Envoy's words: name, root id and VM id, as far as they are given. */
function logPrefix({ name, rootId, vmId }: PluginConfig): string {
  if (rootId === "" && vmId === "") return name;
  return [name, rootId, vmId].filter((part) => part !== "").join(" ");
}

/** A read-only view: nothing hands it out as mutable. */
function configurationView(bytes: Uint8Array | undefined): BufferView | undefined {
  if (bytes === undefined) return undefined;
  return { length: bytes.length, bytes: () => bytes, splice: () => {} };
}
