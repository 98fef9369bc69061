// One stream on one plugin. The guest's context is made at the first event; each callback converts what the guest answers to
// an action number of abi.ts, or to Failed when the VM died before or in it. Order at the end, as in Envoy: log, done, delete for HTTP;
// done, log, delete for TCP.
import { DataAction, FilterStatus, HeadersAction, type PeerType, StreamType, TrailersAction } from "./abi.ts";
import type { Context } from "./context.ts";
import type { GuestFunction } from "./engine.ts";
import type { RootContext } from "./root-context.ts";
import type { StreamServices } from "./services.ts";
import type { Vm } from "./vm.ts";

/** The VM is dead: the plugin's failure policy decides. */
export const Failed = -1;

export class StreamContext implements Context {
  readonly id: number;
  readonly vm: Vm;
  readonly root: RootContext;
  readonly services: StreamServices;
  isDeleted = false;
  httpCallsInFlight = 0;
  httpCallsStarted = 0;

  /** Creates the guest's side too; the VM may be failed afterwards. */
  constructor(root: RootContext, services: StreamServices) {
    const { vm } = root;
    this.id = vm.nextContextId();
    this.vm = vm;
    this.root = root;
    this.services = services;
    root.streamStarted();
    vm.addContext(this);
    const { onContextCreate } = vm.guest;
    if (onContextCreate !== undefined) {
      vm.call("proxy_on_context_create", onContextCreate, this, this.id, root.id, 0);
      vm.drain();
    }
  }

  get isFailed(): boolean {
    return this.vm.isFailed;
  }

  onRequestHeaders(count: number, endOfStream: boolean): number {
    return this.filter(
      "proxy_on_request_headers",
      this.vm.guest.onRequestHeaders,
      StreamType.HttpRequest,
      HeadersAction.StopAllIterationAndWatermark,
      count,
      endOfStream,
    );
  }

  onRequestBody(size: number, endOfStream: boolean): number {
    return this.filter(
      "proxy_on_request_body",
      this.vm.guest.onRequestBody,
      StreamType.HttpRequest,
      DataAction.StopIterationNoBuffer,
      size,
      endOfStream,
    );
  }

  onRequestTrailers(count: number): number {
    return this.filter(
      "proxy_on_request_trailers",
      this.vm.guest.onRequestTrailers,
      StreamType.HttpRequest,
      TrailersAction.StopIteration,
      count,
      true,
    );
  }

  onResponseHeaders(count: number, endOfStream: boolean): number {
    return this.filter(
      "proxy_on_response_headers",
      this.vm.guest.onResponseHeaders,
      StreamType.HttpResponse,
      HeadersAction.StopAllIterationAndWatermark,
      count,
      endOfStream,
    );
  }

  onResponseBody(size: number, endOfStream: boolean): number {
    return this.filter(
      "proxy_on_response_body",
      this.vm.guest.onResponseBody,
      StreamType.HttpResponse,
      DataAction.StopIterationNoBuffer,
      size,
      endOfStream,
    );
  }

  onResponseTrailers(count: number): number {
    return this.filter(
      "proxy_on_response_trailers",
      this.vm.guest.onResponseTrailers,
      StreamType.HttpResponse,
      TrailersAction.StopIteration,
      count,
      true,
    );
  }

  onNewConnection(): number {
    return this.filter(
      "proxy_on_new_connection",
      this.vm.guest.onNewConnection,
      StreamType.Downstream,
      FilterStatus.StopIteration,
      0,
      false,
    );
  }

  onDownstreamData(size: number, endOfStream: boolean): number {
    return this.filter(
      "proxy_on_downstream_data",
      this.vm.guest.onDownstreamData,
      StreamType.Downstream,
      FilterStatus.StopIteration,
      size,
      endOfStream,
    );
  }

  onUpstreamData(size: number, endOfStream: boolean): number {
    return this.filter(
      "proxy_on_upstream_data",
      this.vm.guest.onUpstreamData,
      StreamType.Upstream,
      FilterStatus.StopIteration,
      size,
      endOfStream,
    );
  }

  onDownstreamConnectionClose(peer: PeerType): void {
    this.event("proxy_on_downstream_connection_close", this.vm.guest.onDownstreamConnectionClose, peer);
  }

  onUpstreamConnectionClose(peer: PeerType): void {
    this.event("proxy_on_upstream_connection_close", this.vm.guest.onUpstreamConnectionClose, peer);
  }

  private event(name: string, guest: GuestFunction | undefined, value: number): void {
    const { vm } = this;
    if (vm.isFailed || guest === undefined) return;
    vm.call(name, guest, this, this.id, value, 0);
    vm.drain();
  }

  /** `stop` is both the action that a local response forces and what an unknown number means: the last of the kind. */
  private filter(
    name: string,
    guest: GuestFunction | undefined,
    direction: StreamType,
    stop: number,
    value: number,
    endOfStream: boolean,
  ): number {
    const { vm } = this;
    if (vm.isFailed) return Failed;
    if (guest === undefined) return 0;
    vm.direction = direction;
    const raw = vm.call(name, guest, this, this.id, value, endOfStream ? 1 : 0);
    if (vm.isFailed) return Failed;
    const action = vm.takeAction(raw, stop);
    vm.drain();
    return action;
  }

  onLog(): void {
    this.event("proxy_on_log", this.vm.guest.onLog, 0);
  }

  /** on_done, whose answer a stream's host ignores, then on_delete; `logsBetween`: on_log between them. */
  close(logsBetween = false): void {
    if (this.isDeleted) return;
    const { vm } = this;
    const { onDone, onDelete } = vm.guest;
    this.event("proxy_on_done", onDone, 0);
    if (logsBetween) this.onLog();
    if (!vm.isFailed && onDelete !== undefined) {
      vm.call("proxy_on_delete", onDelete, this, this.id, 0, 0);
    }
    this.isDeleted = true;
    vm.removeContext(this);
    this.root.streamEnded();
    vm.drain();
  }
}
