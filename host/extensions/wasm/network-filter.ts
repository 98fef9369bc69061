// Where wasm meets a connection: a network filter on one side, the services of a stream context on the other (Envoy's Context as a
// Network::Filter). One context sees both directions; what a direction holds is readable and writable while the guest stops it.
import type { BodyBuffer } from "../../base/body-buffer.ts";
import type { StreamInfo } from "../../http/stream-info.ts";
import { type ConnectionEvent, FilterStatus, type NetworkFilter, type NetworkFilterCallbacks } from "../../net/network-filter.ts";
import { BufferType, PeerType, StreamType } from "../../wasm/abi.ts";
import type { Plugin } from "../../wasm/plugin.ts";
import type { PropertyValue } from "../../wasm/property.ts";
import type { RootContext } from "../../wasm/root-context.ts";
import type { BufferView, StreamServices } from "../../wasm/services.ts";
import { Failed, StreamContext } from "../../wasm/stream-context.ts";
import type { NetworkFilterFactory } from "../network/network-filter-factory.ts";
import { type AttributeSource, type ClusterView, resolveAttribute } from "./attributes.ts";

type Clusters = (name: string) => ClusterView | undefined;

const NoBytes = new Uint8Array(0);
const EmptyBuffer: BufferView = { length: 0, bytes: () => NoBytes, splice: () => {} };

/** One plugin in one filter chain of one worker. */
export class WasmNetworkFilterFactory implements NetworkFilterFactory {
  private readonly plugin: Plugin;
  private readonly node: PropertyValue | undefined;
  private readonly release: (plugin: Plugin) => void;
  private readonly clusters: Clusters;

  constructor(plugin: Plugin, node: PropertyValue | undefined, release: (plugin: Plugin) => void, clusters: Clusters = () => undefined) {
    this.plugin = plugin;
    this.node = node;
    this.release = release;
    this.clusters = clusters;
  }

  createFilter(callbacks: NetworkFilterCallbacks, info: StreamInfo): NetworkFilter | undefined {
    const root = this.plugin.acquire();
    if (root !== undefined) return new WasmNetworkFilter(root, this.plugin, this.node, callbacks, info, this.clusters);
    return this.plugin.failsOpen ? undefined : new ClosingFilter(callbacks);
  }

  close(): void {
    this.release(this.plugin);
  }
}

/** Stands for a plugin without a VM under FAIL_CLOSED, and under FAIL_RELOAD during the back-off. */
export class ClosingFilter implements NetworkFilter {
  private readonly callbacks: NetworkFilterCallbacks;

  constructor(callbacks: NetworkFilterCallbacks) {
    this.callbacks = callbacks;
  }

  onNewConnection(): FilterStatus {
    this.callbacks.close("FlushWrite");
    return FilterStatus.StopIteration;
  }

  onData(): FilterStatus {
    return FilterStatus.StopIteration;
  }

  onClose(): void {}
}

class WasmNetworkFilter implements NetworkFilter, StreamServices, AttributeSource {
  readonly info: StreamInfo;
  readonly node: PropertyValue | undefined;
  private readonly clusters: Clusters;
  readonly canReply = false;
  private readonly root: RootContext;
  private readonly plugin: Plugin;
  private readonly callbacks: NetworkFilterCallbacks;
  private context: StreamContext | undefined = undefined;
  private downstreamData: BodyBuffer | undefined = undefined;
  private upstreamData: BodyBuffer | undefined = undefined;
  private isPaused = false;

  constructor(
    root: RootContext,
    plugin: Plugin,
    node: PropertyValue | undefined,
    callbacks: NetworkFilterCallbacks,
    info: StreamInfo,
    clusters: Clusters,
  ) {
    this.info = info;
    this.node = node;
    this.clusters = clusters;
    this.root = root;
    this.plugin = plugin;
    this.callbacks = callbacks;
  }

  // ── NetworkFilter ───────────────────────────────────────────────────────────────────────────────────────────────────────

  onNewConnection(): FilterStatus {
    this.context = new StreamContext(this.root, this);
    return this.readStatus(this.context.onNewConnection());
  }

  onData(data: BodyBuffer, endStream: boolean): FilterStatus {
    if (this.context === undefined) return FilterStatus.Continue;
    this.downstreamData = data;
    const status = this.readStatus(this.context.onDownstreamData(data.length, endStream));
    if (status === FilterStatus.Continue) this.downstreamData = undefined;
    return status;
  }

  onWrite(data: BodyBuffer, endStream: boolean): FilterStatus {
    const { context } = this;
    if (context === undefined) return FilterStatus.Continue;
    this.upstreamData = data;
    const status = this.status(context.onUpstreamData(data.length, endStream));
    if (status === FilterStatus.Continue) this.upstreamData = undefined;
    // Envoy has no other sign of the upstream's end here, and does not know who ended it.
    if (endStream) context.onUpstreamConnectionClose(PeerType.Unknown);
    return status;
  }

  onClose(event: ConnectionEvent): void {
    const { context } = this;
    this.downstreamData = undefined;
    this.upstreamData = undefined;
    if (context === undefined) return;
    context.onDownstreamConnectionClose(event === "LocalClose" ? PeerType.Local : PeerType.Remote);
    context.close(true);
  }

  private readStatus(action: number): FilterStatus {
    const status = this.status(action);
    this.isPaused = status === FilterStatus.StopIteration;
    return status;
  }

  private status(action: number): FilterStatus {
    if (action !== Failed) return action === 0 ? FilterStatus.Continue : FilterStatus.StopIteration;
    if (this.plugin.failsOpen) return FilterStatus.Continue;
    this.callbacks.close("FlushWrite");
    return FilterStatus.StopIteration;
  }

  // ── StreamServices ──────────────────────────────────────────────────────────────────────────────────────────────────────

  headerMap(): undefined {}

  mutableHeaderMap(): undefined {}

  buffer(type: BufferType): BufferView | undefined {
    return this.mutableBuffer(type) ?? EmptyBuffer;
  }

  mutableBuffer(type: BufferType): BodyBuffer | undefined {
    if (type === BufferType.DownstreamData) return this.downstreamData;
    return type === BufferType.UpstreamData ? this.upstreamData : undefined;
  }

  continueStream(type: StreamType): void {
    if (type !== StreamType.Downstream) return;
    this.isPaused = false;
    this.callbacks.continueReading();
  }

  /** Either direction: there is one connection to close. */
  closeStream(type: StreamType): void {
    if (type === StreamType.Downstream || type === StreamType.Upstream) this.callbacks.close("FlushWrite");
  }

  sendLocalResponse(): void {}

  clearRouteCache(): void {}

  property(path: string): PropertyValue | undefined {
    return resolveAttribute(this, path);
  }

  setFilterState(name: string, value: Uint8Array): void {
    this.info.filterState ??= new Map();
    this.info.filterState.set(name, value);
  }

  filterStateSize(): number {
    return this.info.filterState?.size ?? 0;
  }

  /** The VM is gone: a connection that waits for it waits no longer. */
  onVmFailed(): void {
    if (!this.isPaused) return;
    if (this.plugin.failsOpen) this.continueStream(StreamType.Downstream);
    else this.callbacks.close("FlushWrite");
  }

  // ── AttributeSource: what only HTTP has is absent ───────────────────────────────────────────────────────────────────────

  attributeRequestHeaders(): undefined {}

  attributeResponseHeaders(): undefined {}

  attributeResponseTrailers(): undefined {}

  route(): undefined {}

  cluster(): ClusterView | undefined {
    return this.clusters(this.info.clusterName);
  }
}
