// Where wasm meets HTTP: a stream filter on one side, the services of a stream context on the other. It keeps what Envoy's
// Context keeps (which headers are still held, whether a direction waits) and translates results and failures.
import {
  type BodyBuffer,
  type FilterCallbacks,
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  PassThroughFilter,
  type RouteView,
  type StreamFilter,
  type StreamFilterFactory,
} from "../../http/filter.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { StreamInfo } from "../../http/stream-info.ts";
import { BufferType, HeadersAction, MapType, StreamType } from "../../wasm/abi.ts";
import type { Plugin } from "../../wasm/plugin.ts";
import type { PropertyValue } from "../../wasm/property.ts";
import type { RootContext } from "../../wasm/root-context.ts";
import type { BufferView, LocalResponse, StreamServices } from "../../wasm/services.ts";
import { Failed, StreamContext } from "../../wasm/stream-context.ts";
import { type AttributeSource, type ClusterView, resolveAttribute } from "./attributes.ts";

const GrpcUnavailable = 14;
const NoBytes = new Uint8Array(0);
const EmptyBuffer: BufferView = { length: 0, bytes: () => NoBytes, splice: () => {} };

type Clusters = (name: string) => ClusterView | undefined;

/** One plugin in one chain of one worker. */
export class WasmFilterFactory implements StreamFilterFactory {
  readonly name: string;
  readonly plugin: Plugin;
  readonly node: PropertyValue | undefined;
  readonly clusters: Clusters;
  private readonly release: (plugin: Plugin) => void;

  /** `release` is called once, when the chain is gone: usually WasmRuntime.closePlugin. */
  constructor(
    name: string,
    plugin: Plugin,
    node: PropertyValue | undefined,
    release: (plugin: Plugin) => void,
    clusters: Clusters = () => undefined,
  ) {
    this.name = name;
    this.plugin = plugin;
    this.node = node;
    this.release = release;
    this.clusters = clusters;
  }

  createFilter(callbacks: FilterCallbacks): StreamFilter | undefined {
    const root = this.plugin.acquire();
    if (root !== undefined) return new WasmFilter(root, this, callbacks);
    return this.plugin.failsOpen ? undefined : new FailClosedFilter(callbacks);
  }

  close(): void {
    this.release(this.plugin);
  }
}

/** Stands for a plugin without a VM under FAIL_CLOSED, and under FAIL_RELOAD during the back-off. */
class FailClosedFilter extends PassThroughFilter {
  private readonly callbacks: FilterCallbacks;

  constructor(callbacks: FilterCallbacks) {
    super();
    this.callbacks = callbacks;
  }

  override decodeHeaders(): FilterHeadersStatus {
    failStream(this.callbacks);
    return FilterHeadersStatus.StopAllIterationAndWatermark;
  }
}

function failStream(callbacks: FilterCallbacks): void {
  callbacks.sendLocalReply({ status: 503, body: "", details: "wasm_fail_stream", grpcStatus: GrpcUnavailable });
}

function isBuffering(status: FilterDataStatus): boolean {
  return status === FilterDataStatus.StopIterationAndBuffer || status === FilterDataStatus.StopIterationAndWatermark;
}

class WasmFilter implements StreamFilter, StreamServices, AttributeSource {
  readonly info: StreamInfo;
  private readonly root: RootContext;
  private readonly factory: WasmFilterFactory;
  private readonly callbacks: FilterCallbacks;
  private context: StreamContext | undefined = undefined;
  // Held here: still changeable, not yet passed on.
  private heldRequestHeaders: HeaderMap | undefined = undefined;
  private heldRequestTrailers: HeaderMap | undefined = undefined;
  private heldResponseHeaders: HeaderMap | undefined = undefined;
  private heldResponseTrailers: HeaderMap | undefined = undefined;
  private isDecodingPaused = false;
  private isEncodingPaused = false;
  /** Inside a data callback that ends its message: trailers may be added. */
  private isLastRequestData = false;
  private isLastResponseData = false;
  /** The last data callback buffered: the next one's size counts what is held. */
  private isRequestBuffered = false;
  private isResponseBuffered = false;
  private isLogging = false;
  private isFailHandled = false;

  constructor(root: RootContext, factory: WasmFilterFactory, callbacks: FilterCallbacks) {
    this.info = callbacks.info;
    this.root = root;
    this.factory = factory;
    this.callbacks = callbacks;
  }

  get node(): PropertyValue | undefined {
    return this.factory.node;
  }

  get canReply(): boolean {
    return true;
  }

  /** The guest's context is made at the first event, whatever it is. */
  private start(): StreamContext {
    this.context ??= new StreamContext(this.root, this);
    return this.context;
  }

  // ── StreamFilter ────────────────────────────────────────────────────────────────────────────────────────────────────────

  decodeHeaders(headers: HeaderMap, endStream: boolean): FilterHeadersStatus {
    this.heldRequestHeaders = headers;
    const action = this.start().onRequestHeaders(headers.names.length, endStream);
    const status = this.headersStatus(action);
    this.isDecodingPaused = status !== FilterHeadersStatus.Continue;
    if (this.isDecodingPaused) return status;
    this.heldRequestHeaders = undefined;
    return status;
  }

  decodeData(data: Uint8Array, endStream: boolean): FilterDataStatus {
    this.isLastRequestData = endStream;
    // Asked for only when there is more than the chunk: it would move the chunk into a buffer.
    const size = this.isRequestBuffered ? (this.callbacks.decodingBuffer()?.length ?? data.length) : data.length;
    const status = this.dataStatus(this.start().onRequestBody(size, endStream));
    this.isLastRequestData = false;
    this.isRequestBuffered = isBuffering(status);
    this.isDecodingPaused = status !== FilterDataStatus.Continue;
    if (!this.isDecodingPaused) this.heldRequestHeaders = undefined;
    return status;
  }

  decodeTrailers(trailers: HeaderMap): FilterTrailersStatus {
    this.heldRequestTrailers = trailers;
    const status = this.trailersStatus(this.start().onRequestTrailers(trailers.names.length));
    this.isDecodingPaused = status !== FilterTrailersStatus.Continue;
    if (!this.isDecodingPaused) this.releaseRequest();
    return status;
  }

  encodeHeaders(headers: HeaderMap, endStream: boolean): FilterHeadersStatus {
    this.heldResponseHeaders = headers;
    const status = this.headersStatus(this.start().onResponseHeaders(headers.names.length, endStream));
    this.isEncodingPaused = status !== FilterHeadersStatus.Continue;
    if (!this.isEncodingPaused) this.heldResponseHeaders = undefined;
    return status;
  }

  encodeData(data: Uint8Array, endStream: boolean): FilterDataStatus {
    this.isLastResponseData = endStream;
    const size = this.isResponseBuffered ? (this.callbacks.encodingBuffer()?.length ?? data.length) : data.length;
    const status = this.dataStatus(this.start().onResponseBody(size, endStream));
    this.isLastResponseData = false;
    this.isResponseBuffered = isBuffering(status);
    this.isEncodingPaused = status !== FilterDataStatus.Continue;
    if (!this.isEncodingPaused) this.heldResponseHeaders = undefined;
    return status;
  }

  encodeTrailers(trailers: HeaderMap): FilterTrailersStatus {
    this.heldResponseTrailers = trailers;
    const status = this.trailersStatus(this.start().onResponseTrailers(trailers.names.length));
    this.isEncodingPaused = status !== FilterTrailersStatus.Continue;
    if (!this.isEncodingPaused) this.releaseResponse();
    return status;
  }

  onStreamComplete(): void {
    this.releaseRequest();
    this.releaseResponse();
    if (this.root.vm.isFailed) return;
    this.isLogging = true;
    // A stream that ended before it came to this filter is logged all the same, as in Envoy.
    this.start().onLog();
    this.isLogging = false;
  }

  onDestroy(): void {
    this.context?.close();
  }

  private releaseRequest(): void {
    this.heldRequestHeaders = undefined;
    this.heldRequestTrailers = undefined;
  }

  private releaseResponse(): void {
    this.heldResponseHeaders = undefined;
    this.heldResponseTrailers = undefined;
  }

  // ── Results ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  private headersStatus(action: number): FilterHeadersStatus {
    switch (action) {
      case HeadersAction.Continue:
      case HeadersAction.ContinueAndEndStream:
        return FilterHeadersStatus.Continue;
      case HeadersAction.StopIteration:
        // The specification's Pause means "stop everything"; the other reading has to be asked for.
        return this.factory.plugin.config.allowOnHeadersStopIteration
          ? FilterHeadersStatus.StopIteration
          : FilterHeadersStatus.StopAllIterationAndWatermark;
      case HeadersAction.StopAllIterationAndBuffer:
        return FilterHeadersStatus.StopAllIterationAndBuffer;
      case Failed:
        return this.handleFailure() ? FilterHeadersStatus.StopAllIterationAndWatermark : FilterHeadersStatus.Continue;
      default:
        return FilterHeadersStatus.StopAllIterationAndWatermark;
    }
  }

  private dataStatus(action: number): FilterDataStatus {
    if (action === Failed) {
      return this.handleFailure() ? FilterDataStatus.StopIterationNoBuffer : FilterDataStatus.Continue;
    }
    // Both sides have the same numbers 0 to 3.
    return action as FilterDataStatus;
  }

  private trailersStatus(action: number): FilterTrailersStatus {
    if (action === Failed) {
      return this.handleFailure() ? FilterTrailersStatus.StopIteration : FilterTrailersStatus.Continue;
    }
    return action as FilterTrailersStatus;
  }

  /** True when the stream was answered and must stop; once, because the answer passes this filter too. */
  private handleFailure(): boolean {
    if (this.factory.plugin.failsOpen || this.isFailHandled) return false;
    this.isFailHandled = true;
    failStream(this.callbacks);
    return true;
  }

  // ── StreamServices ──────────────────────────────────────────────────────────────────────────────────────────────────────

  headerMap(type: MapType): HeaderMap | undefined {
    const { callbacks, info } = this;
    switch (type) {
      case MapType.HttpRequestHeaders:
        return this.heldRequestHeaders ?? (this.isLogging ? info.requestHeaders : callbacks.requestHeaders());
      case MapType.HttpRequestTrailers:
        return this.heldRequestTrailers ?? (this.isLogging ? undefined : callbacks.requestTrailers());
      case MapType.HttpResponseHeaders:
        return this.heldResponseHeaders ?? (this.isLogging ? info.responseHeaders : callbacks.responseHeaders());
      case MapType.HttpResponseTrailers:
        return this.heldResponseTrailers ?? (this.isLogging ? info.responseTrailers : callbacks.responseTrailers());
      default:
        return undefined;
    }
  }

  mutableHeaderMap(type: MapType): HeaderMap | undefined {
    switch (type) {
      case MapType.HttpRequestHeaders:
        if (this.heldRequestHeaders === undefined) return undefined;
        // A changed request chooses its route again (modules up to 0.2.1).
        this.callbacks.clearRouteCache();
        return this.heldRequestHeaders;
      case MapType.HttpRequestTrailers:
        if (this.isLastRequestData) this.heldRequestTrailers ??= this.callbacks.addDecodedTrailers();
        return this.heldRequestTrailers;
      case MapType.HttpResponseHeaders:
        return this.heldResponseHeaders;
      case MapType.HttpResponseTrailers:
        if (this.isLastResponseData) this.heldResponseTrailers ??= this.callbacks.addEncodedTrailers();
        return this.heldResponseTrailers;
      default:
        return undefined;
    }
  }

  buffer(type: BufferType): BufferView | undefined {
    if (type > BufferType.HttpResponseBody) return undefined;
    return this.mutableBuffer(type) ?? EmptyBuffer;
  }

  mutableBuffer(type: BufferType): BodyBuffer | undefined {
    if (this.isLogging) return undefined;
    if (type === BufferType.HttpRequestBody) return this.callbacks.decodingBuffer();
    return type === BufferType.HttpResponseBody ? this.callbacks.encodingBuffer() : undefined;
  }

  continueStream(type: StreamType): void {
    if (type === StreamType.HttpRequest) {
      this.isDecodingPaused = false;
      this.isRequestBuffered = false;
      this.releaseRequest();
      this.callbacks.continueDecoding();
    } else if (type === StreamType.HttpResponse) {
      this.isEncodingPaused = false;
      this.isResponseBuffered = false;
      this.releaseResponse();
      this.callbacks.continueEncoding();
    }
  }

  closeStream(type: StreamType): void {
    if (type === StreamType.HttpRequest || type === StreamType.HttpResponse) {
      // What the upstream's answer said about itself stays.
      this.callbacks.resetStream(this.info.responseCodeDetails === "" ? "wasm_close_stream" : "");
    }
  }

  sendLocalResponse(response: LocalResponse): void {
    this.callbacks.sendLocalReply(response);
  }

  clearRouteCache(): void {
    this.callbacks.clearRouteCache();
  }

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

  /** The VM is gone: what waits for it waits no longer. What is under way fails or passes at its next event. */
  onVmFailed(): void {
    if (!this.isDecodingPaused && !this.isEncodingPaused) return;
    if (this.handleFailure()) return;
    if (this.isDecodingPaused) this.continueStream(StreamType.HttpRequest);
    if (this.isEncodingPaused) this.continueStream(StreamType.HttpResponse);
  }

  // ── AttributeSource ─────────────────────────────────────────────────────────────────────────────────────────────────────

  attributeRequestHeaders(): HeaderMap | undefined {
    return this.isLogging ? this.info.requestHeaders : this.heldRequestHeaders;
  }

  attributeResponseHeaders(): HeaderMap | undefined {
    return this.isLogging ? this.info.responseHeaders : this.heldResponseHeaders;
  }

  attributeResponseTrailers(): HeaderMap | undefined {
    return this.isLogging ? this.info.responseTrailers : this.heldResponseTrailers;
  }

  route(): RouteView | undefined {
    return this.callbacks.route();
  }

  cluster(): ClusterView | undefined {
    return this.factory.clusters(this.info.clusterName || (this.route()?.clusterName ?? ""));
  }
}
