// The classes a filter extends. The host knows contexts by number: a root context for each plugin configuration,
// and a stream context under it for each request or TCP connection (ABI "Contexts"). Base methods do nothing and let traffic pass.

import { FilterDataStatus, FilterHeadersStatus, FilterStatus, FilterTrailersStatus, PeerType, StreamType, WasmResult } from "./abi";
import { Body, downstreamData, pluginConfiguration, requestBody, responseBody, upstreamData, vmConfiguration } from "./body";
import { ByteString } from "./bytes";
import {
  proxy_close_stream,
  proxy_continue_stream,
  proxy_done,
  proxy_set_effective_context,
  proxy_set_tick_period_milliseconds,
} from "./env";
import { Headers, requestHeaders, requestTrailers, responseHeaders, responseTrailers } from "./headers";
import { Entry } from "./id-table";

/** What a context stands for. */
export const enum ContextKind {
  Root,
  Http,
  Tcp,
}

/** What root and stream contexts have in common. */
export abstract class Context extends Entry {
  /** Set when the host has deleted the context; answers of calls that come later are dropped. */
  isDeleted: bool = false;

  constructor(
    /** The host's number of this context; unique in the VM. */
    readonly id: u32,
    /** The plugin itself, one request, or one TCP connection. */
    readonly kind: ContextKind,
  ) {
    super();
  }

  /** Whether this is one request or connection, rather than the plugin itself. */
  get isStream(): bool {
    return this.kind != ContextKind.Root;
  }

  /**
   * The host is finished with the context. A root context may answer false to stay alive for pending work and call
   * `done()` later; for a stream the answer is ignored. Needs the export `proxy_on_done`.
   */
  onDone(): bool {
    return true;
  }

  /** The final record of the stream; headers and properties of both directions are readable. Needs the export `proxy_on_log`. */
  onLog(): void {}

  /** The host forgets the context; nothing is called on it afterwards. */
  onDelete(): void {}

  /** Makes later host calls of the running callback act on this context. False if the host no longer knows it. 1 host call. */
  makeEffective(): bool {
    return proxy_set_effective_context(this.id) == WasmResult.Ok;
  }
}

/** One plugin configuration in one VM. Hosts run one VM per worker thread and one more to check a configuration, so every method here runs several times. */
export abstract class RootContext extends Context {
  constructor(id: u32) {
    super(id, ContextKind.Root);
  }

  /** The VM has started. False refuses the plugin. */
  onVmStart(configurationSize: u32): bool {
    return true;
  }

  /** A configuration has come, the first or a new one. False refuses it; log the reason first. */
  onConfigure(configurationSize: u32): bool {
    return true;
  }

  /** The period set with `setTickPeriod` is over. Needs the export `proxy_on_tick`. */
  onTick(): void {}

  /** An item came into a queue that this context registered. Needs the export `proxy_on_queue_ready`. */
  onQueueReady(queueId: u32): void {}

  /** The context of a new request; null leaves the request alone. */
  createHttpContext(id: u32): HttpContext | null {
    return null;
  }

  /**
   * The context of a new TCP connection, in a chain of network filters; null leaves the connection alone. Asked only where
   * `createHttpContext` gave null: the host does not say which of the two it needs.
   */
  createTcpContext(id: u32): TcpContext | null {
    return null;
  }

  /** The plugin configuration; readable in `onConfigure` only, empty otherwise. 1 host call. */
  configuration(): ByteString {
    return pluginConfiguration.get();
  }

  /** The VM configuration. 1 host call. */
  vmConfiguration(): ByteString {
    return vmConfiguration.get();
  }

  /** Calls `onTick` every `periodMs` milliseconds; 0 stops. 1 host call. */
  setTickPeriod(periodMs: u32): bool {
    return proxy_set_tick_period_milliseconds(periodMs) == WasmResult.Ok;
  }

  /** Ends the pending state that `onDone` = false began. 1 host call. */
  done(): bool {
    return proxy_done() == WasmResult.Ok;
  }
}

/** One HTTP request and its response. */
export abstract class HttpContext extends Context {
  constructor(
    id: u32,
    /** The plugin configuration that the request belongs to. */
    readonly root: RootContext,
  ) {
    super(id, ContextKind.Http);
  }

  /** Request headers are here. `count` counts pseudo headers too; `endOfStream` means there is neither body nor trailers. */
  onRequestHeaders(count: u32, endOfStream: bool): FilterHeadersStatus {
    return FilterHeadersStatus.Continue;
  }

  /** Request body bytes are here. `size` is the size of `requestBody` in bytes. */
  onRequestBody(size: usize, endOfStream: bool): FilterDataStatus {
    return FilterDataStatus.Continue;
  }

  /** Request trailers are here; the body callbacks before had `endOfStream` false. */
  onRequestTrailers(count: u32): FilterTrailersStatus {
    return FilterTrailersStatus.Continue;
  }

  /** Response headers are here, also those of a reply made by the host or by this filter. */
  onResponseHeaders(count: u32, endOfStream: bool): FilterHeadersStatus {
    return FilterHeadersStatus.Continue;
  }

  /** Response body bytes are here. */
  onResponseBody(size: usize, endOfStream: bool): FilterDataStatus {
    return FilterDataStatus.Continue;
  }

  /** Response trailers are here. */
  onResponseTrailers(count: u32): FilterTrailersStatus {
    return FilterTrailersStatus.Continue;
  }

  get requestHeaders(): Headers {
    return requestHeaders;
  }

  get requestTrailers(): Headers {
    return requestTrailers;
  }

  get responseHeaders(): Headers {
    return responseHeaders;
  }

  get responseTrailers(): Headers {
    return responseTrailers;
  }

  get requestBody(): Body {
    return requestBody;
  }

  get responseBody(): Body {
    return responseBody;
  }

  /** Resumes a request this filter holds, after the running callback. 1 host call. */
  continueRequest(): bool {
    return proxy_continue_stream(StreamType.HttpRequest) == WasmResult.Ok;
  }

  /** Resumes a response this filter holds, after the running callback. 1 host call. */
  continueResponse(): bool {
    return proxy_continue_stream(StreamType.HttpResponse) == WasmResult.Ok;
  }

  /** Resets the stream after the running callback. 1 host call. */
  closeRequest(): bool {
    return proxy_close_stream(StreamType.HttpRequest) == WasmResult.Ok;
  }

  /** Resets the stream from the response side after the running callback. 1 host call. */
  closeResponse(): bool {
    return proxy_close_stream(StreamType.HttpResponse) == WasmResult.Ok;
  }
}

/** One TCP connection of a client and what the upstream sends back on it. */
export abstract class TcpContext extends Context {
  constructor(
    id: u32,
    /** The plugin configuration that the connection belongs to. */
    readonly root: RootContext,
  ) {
    super(id, ContextKind.Tcp);
  }

  /**
   * A client has connected. StopIteration holds back the filters behind, so that a TCP proxy does not choose its cluster yet;
   * bytes come to this filter all the same, where the proxy reads before it is connected (`max_early_data_bytes`).
   */
  onNewConnection(): FilterStatus {
    return FilterStatus.Continue;
  }

  /** Bytes from the client are here. `size` is the size of `downstreamData`, which holds all that has not been passed on. */
  onDownstreamData(size: usize, endOfStream: bool): FilterStatus {
    return FilterStatus.Continue;
  }

  /** Bytes from the upstream are here. `size` is the size of `upstreamData`. Nothing resumes a held direction but its next bytes. */
  onUpstreamData(size: usize, endOfStream: bool): FilterStatus {
    return FilterStatus.Continue;
  }

  /** The connection is gone; `onDone`, `onLog` and `onDelete` follow. */
  onDownstreamConnectionClose(peer: PeerType): void {}

  /** The upstream sends no more. Envoy's word for who ended it is always Unknown. */
  onUpstreamConnectionClose(peer: PeerType): void {}

  get downstreamData(): Body {
    return downstreamData;
  }

  get upstreamData(): Body {
    return upstreamData;
  }

  /** Lets the filters behind go on with what is held, after the running callback. 1 host call. */
  continueDownstream(): bool {
    return proxy_continue_stream(StreamType.Downstream) == WasmResult.Ok;
  }

  /** Closes the connection after the running callback, once what waits to be written is written. 1 host call. */
  close(): bool {
    return proxy_close_stream(StreamType.Downstream) == WasmResult.Ok;
  }
}
