// The gRPC calls and streams of one plugin (ABI: "gRPC calls"), as cpp-host and Envoy tell a module of them:
//
//   call     one of: receive, close
//   stream   receive_initial_metadata, receive*, receive_trailing_metadata, close
//
// A stream is remembered until both sides closed it or it is cancelled. Callbacks go to the root context; SDKs find the stream context.
import { WasmResult } from "./abi.ts";
import type { Context } from "./context.ts";
import type { RootContext } from "./root-context.ts";
import type { GrpcHandle, GrpcReceiver, GrpcRequest, HeaderMapView } from "./services.ts";

const GRPC_OK = 0;
const GRPC_INTERNAL = 13;

const EventKind = { InitialMetadata: 0, Message: 1, TrailingMetadata: 2, Close: 3 } as const;
type EventKind = (typeof EventKind)[keyof typeof EventKind];

class GrpcCall implements GrpcReceiver {
  readonly token: number;
  readonly isStream: boolean;
  /** Who is charged for it. */
  readonly ctx: Context;
  handle: GrpcHandle | undefined = undefined;
  localClosed = false;
  remoteClosed = false;
  isForgotten = false;
  /** What a call was answered; its status decides whether the guest sees it. */
  response: Uint8Array | undefined = undefined;
  private readonly calls: GrpcCalls;

  constructor(calls: GrpcCalls, token: number, isStream: boolean, ctx: Context) {
    this.calls = calls;
    this.token = token;
    this.isStream = isStream;
    this.ctx = ctx;
  }

  onInitialMetadata(metadata: HeaderMapView): void {
    if (this.isStream) this.calls.tell(this, EventKind.InitialMetadata, metadata, undefined, 0, "");
  }

  onMessage(message: Uint8Array): void {
    if (this.isStream) this.calls.tell(this, EventKind.Message, undefined, message, 0, "");
    // A second answer replaces the first, as in Envoy.
    else this.response = Buffer.from(message);
  }

  onTrailingMetadata(metadata: HeaderMapView): void {
    if (this.isStream) this.calls.tell(this, EventKind.TrailingMetadata, metadata, undefined, 0, "");
  }

  onClose(status: number, message: string): void {
    if (this.isStream || status !== GRPC_OK) this.calls.tell(this, EventKind.Close, undefined, undefined, status, message);
    else if (this.response === undefined) this.calls.tell(this, EventKind.Close, undefined, undefined, GRPC_INTERNAL, "");
    else this.calls.tell(this, EventKind.Message, undefined, this.response, 0, "");
  }
}

export class GrpcCalls {
  private readonly root: RootContext;
  private readonly calls = new Map<number, GrpcCall>();

  constructor(root: RootContext) {
    this.root = root;
  }

  get size(): number {
    return this.calls.size;
  }

  /** The token, or undefined when it could not be started; a stream that ends at once tells the guest why all the same. */
  start(ctx: Context, request: GrpcRequest, message: Uint8Array | undefined): number | undefined {
    const { vm } = this.root;
    const isStream = message === undefined;
    const call = new GrpcCall(this, vm.nextGrpcToken(isStream), isStream, ctx);
    this.calls.set(call.token, call);
    ctx.httpCallsInFlight++;
    ctx.httpCallsStarted++;
    const handle = vm.services.grpcStream(request, call);
    call.handle = handle;
    if (handle === undefined) {
      this.forget(call);
      return undefined;
    }
    if (message !== undefined) handle.send(message, true);
    return call.token;
  }

  send(token: number, message: Uint8Array, endStream: boolean): WasmResult {
    const call = this.calls.get(token);
    if (call === undefined) return WasmResult.NotFound;
    // Nobody listens any more: Envoy takes such a message and drops it.
    if (call.remoteClosed || call.localClosed || call.handle === undefined) return WasmResult.Ok;
    if (!call.handle.send(message, endStream)) {
      this.root.vm.countOverflow("grpc_send_overflow");
      return WasmResult.InternalFailure;
    }
    return WasmResult.Ok;
  }

  /** proxy_grpc_close: ends a call, and this side of a stream. */
  close(token: number): WasmResult {
    const call = this.calls.get(token);
    if (call === undefined) return WasmResult.NotFound;
    if (!call.isStream) return this.cancel(token);
    if (!call.localClosed && !call.remoteClosed) call.handle?.closeStream();
    call.localClosed = true;
    if (call.remoteClosed) this.forget(call);
    return WasmResult.Ok;
  }

  /** proxy_grpc_cancel: no callback follows. */
  cancel(token: number): WasmResult {
    const call = this.calls.get(token);
    if (call === undefined) return WasmResult.NotFound;
    this.forget(call);
    call.handle?.cancel();
    return WasmResult.Ok;
  }

  /** The VM or the plugin is gone. */
  dispose(): void {
    for (const call of this.calls.values()) {
      call.isForgotten = true;
      call.handle?.cancel();
    }
    this.calls.clear();
  }

  private forget(call: GrpcCall): void {
    if (call.isForgotten) return;
    call.isForgotten = true;
    this.calls.delete(call.token);
    call.ctx.httpCallsInFlight--;
  }

  /** Gives one event to the guest; in a later turn when it comes out of a host call of the guest itself. */
  tell(call: GrpcCall, kind: EventKind, map: HeaderMapView | undefined, bytes: Uint8Array | undefined, status: number, text: string): void {
    const { vm } = this.root;
    if (!vm.isRunning) {
      this.deliver(call, kind, map, bytes, status, text);
      return;
    }
    const kept = bytes === undefined ? undefined : Buffer.from(bytes);
    vm.services.startTimer(() => this.deliver(call, kind, map, kept, status, text), 0);
  }

  private deliver(
    call: GrpcCall,
    kind: EventKind,
    map: HeaderMapView | undefined,
    bytes: Uint8Array | undefined,
    status: number,
    text: string,
  ): void {
    const { root } = this;
    const { vm } = root;
    if (call.isForgotten || vm.isFailed) return;
    const { guest } = vm;
    const { token } = call;
    switch (kind) {
      case EventKind.InitialMetadata:
        if (guest.onGrpcReceiveInitialMetadata === undefined) return;
        vm.grpcInitialMetadata = map;
        vm.call("proxy_on_grpc_receive_initial_metadata", guest.onGrpcReceiveInitialMetadata, root, root.id, token, map?.names.length ?? 0);
        vm.drain();
        vm.grpcInitialMetadata = undefined;
        return;
      case EventKind.Message:
        if (!call.isStream) this.forget(call);
        if (guest.onGrpcReceive === undefined) return;
        vm.grpcMessage = bytes;
        vm.call("proxy_on_grpc_receive", guest.onGrpcReceive, root, root.id, token, bytes?.length ?? 0);
        vm.drain();
        vm.grpcMessage = undefined;
        return;
      case EventKind.TrailingMetadata:
        if (guest.onGrpcReceiveTrailingMetadata === undefined) return;
        vm.grpcTrailingMetadata = map;
        vm.call(
          "proxy_on_grpc_receive_trailing_metadata",
          guest.onGrpcReceiveTrailingMetadata,
          root,
          root.id,
          token,
          map?.names.length ?? 0,
        );
        vm.drain();
        vm.grpcTrailingMetadata = undefined;
        return;
      case EventKind.Close:
        call.remoteClosed = true;
        if (guest.onGrpcClose !== undefined) {
          root.lastStatus = status;
          root.lastStatusMessage = text;
          vm.call("proxy_on_grpc_close", guest.onGrpcClose, root, root.id, token, status);
          vm.drain();
          // The code stays until the next callout ends, as in Envoy.
          root.lastStatusMessage = "";
        }
        // A stream whose own side is open stays known until the guest closes it too.
        if (!call.isStream || call.localClosed) this.forget(call);
        return;
    }
  }
}
