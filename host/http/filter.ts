// The HTTP filter interface: native filters and wasm filters implement the same one, with the words of Envoy's
// envoy/http/filter.h. The machine that drives it is filter-chain.ts; filters see the stream only through FilterCallbacks.
// Every callback runs synchronously on the worker that owns the stream; none may block or return a promise.
import type { MaxStreamDuration } from "../config/route.ts";
import type { HeaderMap } from "./header-map.ts";
import type { StreamInfo } from "./stream-info.ts";

export const FilterHeadersStatus = {
  /** Go on to the next filter. */
  Continue: 0,
  /** Hold the headers; data and trailers callbacks of this filter still run. */
  StopIteration: 1,
  /** Hold everything, buffer up to the limit, then 413 (request) or 500 (response). */
  StopAllIterationAndBuffer: 3,
  /** Hold everything, push back at the limit. */
  StopAllIterationAndWatermark: 4,
} as const;
export type FilterHeadersStatus = (typeof FilterHeadersStatus)[keyof typeof FilterHeadersStatus];

export const FilterDataStatus = {
  Continue: 0,
  /** Buffer this chunk (413/500 beyond the limit) and call this filter again with the next. */
  StopIterationAndBuffer: 1,
  /** Buffer with back-pressure instead of an error. */
  StopIterationAndWatermark: 2,
  /** The filter has taken the chunk: neither buffered nor passed on. */
  StopIterationNoBuffer: 3,
} as const;
export type FilterDataStatus = (typeof FilterDataStatus)[keyof typeof FilterDataStatus];

export const FilterTrailersStatus = { Continue: 0, StopIteration: 1 } as const;
export type FilterTrailersStatus = (typeof FilterTrailersStatus)[keyof typeof FilterTrailersStatus];

/** A local reply (an answer that Sluice gives itself). */
export interface LocalReply {
  status: number;
  body: string;
  /** Response code details, for example "direct_response"; blanks become "_". */
  details: string;
  /** Bits of ResponseFlag to set. */
  flags?: number;
  /** Extra headers, set before the reply passes the encoder filters. */
  headers?: readonly (readonly [string, string])[];
  /** gRPC status for a gRPC request; undefined maps the HTTP status. */
  grpcStatus?: number;
}

/** A growing body held by the chain; filters may read and edit it while they hold it back. */
export interface BodyBuffer {
  readonly length: number;
  /** The whole content as one slice; copies at most once, then cached. */
  bytes(): Uint8Array;
  /** Replaces `size` bytes at `start` (both clamped to the content) by `data`. */
  splice(start: number, size: number, data: Uint8Array): void;
}

/** The route chosen for a request, as filters may see it (router/ implements it). */
export interface RouteView {
  readonly routeName: string;
  readonly virtualHostName: string;
  /** Name of the cluster, or "" for redirects and direct responses. */
  readonly clusterName: string;
  /** false: a redirect, a direct response (what has no RouteEntry in Envoy). */
  readonly forwards: boolean;
  /** Serialized or plain metadata by namespace. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly virtualHostMetadata: Readonly<Record<string, unknown>>;
  /** Overrides of the connection manager's settings; undefined = its value, 0 = off. */
  readonly streamIdleTimeoutMs: number | undefined;
  readonly maxStreamDuration: MaxStreamDuration | undefined;
  /** Whether the route allows this upgrade type ("websocket", "connect"); undefined leaves it to the connection manager. */
  upgradeAllowed(type: string): boolean | undefined;
  /** per_request_buffer_limit_bytes. */
  readonly bufferLimitBytes: number | undefined;
  /** typed_per_filter_config, most specific first (route, virtual host, route configuration); undefined when there is none. */
  perFilterConfig(filterName: string): unknown;
  /** The same of every level that has one, most specific first: for filters that merge them. */
  perFilterConfigs(filterName: string): readonly unknown[];
  /** FilterConfig.disabled of the most specific level; undefined leaves it to the filter's own setting. */
  filterDisabled(filterName: string): boolean | undefined;
}

/** Both directions of a filter's view of its stream. `decoding` is the request path, `encoding` the response path. */
export interface FilterCallbacks {
  readonly streamId: number;
  readonly info: StreamInfo;
  requestHeaders(): HeaderMap | undefined;
  requestTrailers(): HeaderMap | undefined;
  responseHeaders(): HeaderMap | undefined;
  responseTrailers(): HeaderMap | undefined;
  /** Resumes a direction that this filter stopped; a no-op when it is not stopped. May be called at any later time. */
  continueDecoding(): void;
  continueEncoding(): void;
  /** The body this filter holds back, plus — inside a data callback — the current chunk. Undefined when there is none. */
  decodingBuffer(): BodyBuffer | undefined;
  encodingBuffer(): BodyBuffer | undefined;
  /** Adds trailers in the data callback that ends the stream. */
  addDecodedTrailers(): HeaderMap;
  addEncodedTrailers(): HeaderMap;
  /** Puts bytes behind the body, in encodeTrailers: the trailers follow them. */
  addEncodedData(data: Uint8Array): void;
  /** Answers instead of the upstream. After the response has started the stream is reset. Later calls are ignored. */
  sendLocalReply(reply: LocalReply): void;
  /** Answers with these headers and nothing else; unlike a local reply it is not mapped, and passes every filter. */
  respond(headers: HeaderMap, details: string): void;
  /** Bytes of a response that this filter took out of encodeData go on, behind this filter. */
  injectEncodedData(data: Uint8Array, endStream: boolean): void;
  /** What this filter keeps of the response is too much (true) or has become little (false): pushes back on the upstream. */
  onEncoderWatermark(above: boolean): void;
  /** Aborts the stream both ways. */
  resetStream(details: string): void;
  /** The matched route (matching it now if needed), or undefined. */
  route(): RouteView | undefined;
  clearRouteCache(): void;
  /** Bytes this filter may hold per direction before 413/500 or back-pressure. */
  bufferLimit(): number;
}

/**
 * One filter on one stream. Order: decode* in chain order, encode* in reverse, then once `onStreamComplete` in chain order
 * (all filters), then `onDestroy`. After onDestroy nothing is called any more.
 */
export interface StreamFilter {
  decodeHeaders(headers: HeaderMap, endStream: boolean): FilterHeadersStatus;
  /** `data` is the current chunk. To change it use decodingBuffer(); it must not be kept after the call. */
  decodeData(data: Uint8Array, endStream: boolean): FilterDataStatus;
  decodeTrailers(trailers: HeaderMap): FilterTrailersStatus;
  encodeHeaders(headers: HeaderMap, endStream: boolean): FilterHeadersStatus;
  encodeData(data: Uint8Array, endStream: boolean): FilterDataStatus;
  encodeTrailers(trailers: HeaderMap): FilterTrailersStatus;
  /** The stream is over and StreamInfo is final: where wasm filters get on_log. */
  onStreamComplete(): void;
  onDestroy(): void;
}

/** Made once for each filter of a connection manager on each worker. */
export interface StreamFilterFactory {
  /** The filter's name in the chain: the key of typed_per_filter_config. */
  readonly name: string;
  /** The filter does nothing to responses: its encode callbacks are never called. */
  readonly decodesOnly?: boolean;
  /** Left out of streams unless the route enables it (HttpFilter.disabled). */
  disabled?: boolean;
  /** Undefined leaves the filter out of this stream's chain (a failed plugin under FAIL_OPEN). */
  createFilter(callbacks: FilterCallbacks): StreamFilter | undefined;
  /** The chain that used this factory is gone. */
  close(): void;
}

/** What most filters extend: lets everything pass. */
export class PassThroughFilter implements StreamFilter {
  decodeHeaders(_headers: HeaderMap, _endStream: boolean): FilterHeadersStatus {
    return FilterHeadersStatus.Continue;
  }
  decodeData(_data: Uint8Array, _endStream: boolean): FilterDataStatus {
    return FilterDataStatus.Continue;
  }
  decodeTrailers(_trailers: HeaderMap): FilterTrailersStatus {
    return FilterTrailersStatus.Continue;
  }
  encodeHeaders(_headers: HeaderMap, _endStream: boolean): FilterHeadersStatus {
    return FilterHeadersStatus.Continue;
  }
  encodeData(_data: Uint8Array, _endStream: boolean): FilterDataStatus {
    return FilterDataStatus.Continue;
  }
  encodeTrailers(_trailers: HeaderMap): FilterTrailersStatus {
    return FilterTrailersStatus.Continue;
  }
  onStreamComplete(): void {}
  onDestroy(): void {}
}
