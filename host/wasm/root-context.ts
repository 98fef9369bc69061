// The root context of a plugin in one VM: start and configuration, timer, callouts, queues, and its end.
//
//   created ── start() ──> started ── close() ──> donePending ── proxy_done ──> deleted
//                             └──────── close(), on_done true ─────────────────^
import type { PluginConfig } from "../config/plugin.ts";
import { WasmResult } from "./abi.ts";
import type { Context } from "./context.ts";
import { DeferredKind } from "./deferred.ts";
import { GrpcCalls } from "./grpc-calls.ts";
import type { HttpCallHandle, HttpCallReceiver, HttpCallRequest, HttpCallResponse, TimerHandle } from "./services.ts";
import type { Vm } from "./vm.ts";

interface PendingHttpCall {
  readonly ctx: Context;
  readonly handle: HttpCallHandle | undefined;
}

type RootState = "created" | "started" | "donePending" | "deleted";

export class RootContext implements Context, HttpCallReceiver {
  readonly id: number;
  readonly vm: Vm;
  readonly plugin: PluginConfig;
  readonly root: RootContext;
  readonly services: undefined = undefined;
  isDeleted = false;
  httpCallsInFlight = 0;
  httpCallsStarted = 0;
  private streams = 0;
  private isClosing = false;
  lastStatus: number = WasmResult.Ok;
  lastStatusMessage = "";
  private state: RootState = "created";
  private readonly httpCalls = new Map<number, PendingHttpCall>();
  readonly grpcCalls = new GrpcCalls(this);
  private tickPeriodMs = 0;
  private tickTimer: TimerHandle | undefined = undefined;
  /** By name: what the foreign function declare_property said of them. */
  readonly declaredProperties = new Map<string, { readonly readonly: boolean }>();

  constructor(id: number, vm: Vm, plugin: PluginConfig) {
    this.id = id;
    this.vm = vm;
    this.plugin = plugin;
    this.root = this;
  }

  /** Context creation, vm_start and configure; why it failed, or undefined. Runs under the start timeout. */
  start(): string | undefined {
    const { vm, plugin } = this;
    const { guest } = vm;
    const vmConfigBytes = plugin.vmConfiguration?.length ?? 0;
    const configBytes = plugin.configuration?.length ?? 0;
    if (guest.onContextCreate !== undefined) {
      vm.timedCall("proxy_on_context_create", guest.onContextCreate, this, this.id, 0);
    }
    let accepted = 1;
    if (!vm.isFailed && guest.onVmStart !== undefined) {
      accepted = vm.timedCall("proxy_on_vm_start", guest.onVmStart, this, this.id, vmConfigBytes);
      if (!vm.isFailed && accepted === 0) return "proxy_on_vm_start returned false";
    }
    if (!vm.isFailed && guest.onConfigure !== undefined) {
      vm.isConfiguring = true;
      accepted = vm.timedCall("proxy_on_configure", guest.onConfigure, this, this.id, configBytes);
      vm.isConfiguring = false;
      if (!vm.isFailed && accepted === 0) return "proxy_on_configure returned false";
    }
    if (vm.isFailed) return vm.failure;
    this.state = "started";
    vm.drain();
    return vm.isFailed ? vm.failure : undefined;
  }

  setTickPeriod(periodMs: number): void {
    this.tickTimer?.cancel();
    this.tickTimer = undefined;
    this.tickPeriodMs = periodMs === 0 ? 0 : Math.max(periodMs, this.vm.limits.minTickPeriodMs);
    this.armTick();
  }

  /** Armed again after each callback has returned, so that ticks never overlap. */
  private armTick(): void {
    if (this.tickPeriodMs === 0 || this.isDeleted || this.vm.isFailed || this.tickTimer !== undefined) return;
    this.tickTimer = this.vm.services.startTimer(this.tick, this.tickPeriodMs);
  }

  private readonly tick = (): void => {
    this.tickTimer = undefined;
    const { vm } = this;
    if (this.isDeleted || vm.isFailed) return;
    const { onTick } = vm.guest;
    if (onTick !== undefined) {
      vm.call("proxy_on_tick", onTick, this, this.id, 0, 0);
      vm.drain();
    }
    this.armTick();
  };

  onQueueReady(queueId: number): void {
    const { vm } = this;
    if (this.isDeleted || vm.isFailed) return;
    if (vm.isRunning) {
      vm.services.startTimer(() => this.onQueueReady(queueId), 0);
      return;
    }
    const { onQueueReady } = vm.guest;
    if (onQueueReady === undefined) return;
    vm.call("proxy_on_queue_ready", onQueueReady, this, this.id, queueId, 0);
    vm.drain();
  }

  get pendingHttpCalls(): number {
    return this.httpCalls.size;
  }

  /** The token, or undefined when the call could not be started. */
  startHttpCall(ctx: Context, request: HttpCallRequest): number | undefined {
    const token = this.vm.nextHttpCallToken();
    // Known before it is started: a call may end at once.
    this.httpCalls.set(token, { ctx, handle: undefined });
    const handle = this.vm.services.httpCall(request, token, this);
    if (handle === undefined) {
      this.httpCalls.delete(token);
      return undefined;
    }
    ctx.httpCallsInFlight++;
    ctx.httpCallsStarted++;
    if (this.httpCalls.has(token)) this.httpCalls.set(token, { ctx, handle });
    return token;
  }

  onHttpCallComplete(token: number, response: HttpCallResponse): void {
    // In a later turn, not after the running call: a guest that calls again from the answer would never let go of the thread.
    if (this.vm.isRunning) this.vm.services.startTimer(() => this.deliverHttpCall(token, response), 0);
    else this.deliverHttpCall(token, response);
  }

  private deliverHttpCall(token: number, response: HttpCallResponse): void {
    const { vm } = this;
    const call = this.httpCalls.get(token);
    if (call === undefined || vm.isFailed) return;
    this.httpCalls.delete(token);
    call.ctx.httpCallsInFlight--;
    const failed = response.headers === undefined;
    this.lastStatus = failed ? WasmResult.BrokenConnection : WasmResult.Ok;
    this.lastStatusMessage = failed ? response.failure : "";
    const { onHttpCallResponse } = vm.guest;
    if (onHttpCallResponse === undefined) return;
    const outer = vm.httpCallResponse;
    vm.httpCallResponse = response;
    vm.call(
      "proxy_on_http_call_response",
      onHttpCallResponse,
      this,
      this.id,
      token,
      response.headers?.names.length ?? 0,
      response.body.length,
      response.trailers?.names.length ?? 0,
    );
    // The answer stays readable until what the callback asked for has been done.
    vm.drain();
    vm.httpCallResponse = outer;
  }

  streamStarted(): void {
    this.streams++;
  }

  streamEnded(): void {
    this.streams--;
    if (this.isClosing) this.close();
  }

  /** The plugin is finished with this context; streams that are still alive keep it until they end. */
  close(): void {
    if (this.isDeleted || this.state === "donePending") return;
    this.isClosing = true;
    if (this.streams > 0 && !this.vm.isFailed) return;
    const { vm } = this;
    if (vm.isFailed) {
      this.dispose();
      return;
    }
    const { onDone } = vm.guest;
    const isDone = onDone === undefined || this.state !== "started" || this.callDone();
    this.state = "donePending";
    if (vm.isFailed) {
      this.dispose();
      return;
    }
    if (isDone) this.finishDone();
    vm.drain();
  }

  private callDone(): boolean {
    const { onDone } = this.vm.guest;
    return onDone === undefined || this.vm.timedCall("proxy_on_done", onDone, this, this.id, 0) !== 0;
  }

  /** proxy_done: false when nothing is pending. The deletion follows after the running guest call. */
  finishDone(): boolean {
    if (this.state !== "donePending") return false;
    this.vm.defer(DeferredKind.RootDelete, this, 0, undefined);
    return true;
  }

  deleteNow(): void {
    const { onDelete } = this.vm.guest;
    if (!this.vm.isFailed && onDelete !== undefined) {
      this.vm.call("proxy_on_delete", onDelete, this, this.id, 0, 0);
    }
    this.dispose();
  }

  /** Lets go of everything outside the VM; no guest call. */
  dispose(): void {
    if (this.isDeleted) return;
    this.isDeleted = true;
    this.state = "deleted";
    this.tickTimer?.cancel();
    this.tickTimer = undefined;
    for (const call of this.httpCalls.values()) call.handle?.cancel();
    this.httpCalls.clear();
    this.grpcCalls.dispose();
    this.vm.forgetRoot(this);
  }
}
