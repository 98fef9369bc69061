// One filter's view of its stream: implements FilterCallbacks for native and wasm filters alike, and the few more calls that the
// router needs as the terminal filter.
import type { FilterCallbacks, LocalReply, RouteView, StreamFilter } from "./filter.ts";
import type { ActiveStream } from "./active-stream.ts";
import { HalfState } from "./filter-chain.ts";
import type { BodyBuffer } from "../base/body-buffer.ts";
import { HeaderMap } from "./header-map.ts";
import type { StreamInfo } from "./stream-info.ts";

/** Told when the client reads too slowly (true) or has caught up (false). */
export interface DownstreamWatermarkCallbacks {
  onDownstreamWatermark(above: boolean): void;
}

const newHeaderMap = (): HeaderMap => new HeaderMap();

export class FilterContext implements FilterCallbacks {
  readonly stream: ActiveStream;
  decodeState!: HalfState;
  encodeState: HalfState | undefined = undefined;

  constructor(stream: ActiveStream) {
    this.stream = stream;
  }

  bind(filter: StreamFilter, decodesOnly: boolean): void {
    this.decodeState = new HalfState(filter);
    if (!decodesOnly) this.encodeState = new HalfState(filter);
  }

  get streamId(): number {
    return this.stream.id;
  }
  get info(): StreamInfo {
    return this.stream.info;
  }
  requestHeaders(): HeaderMap | undefined {
    return this.stream.decode.headers;
  }
  requestTrailers(): HeaderMap | undefined {
    return this.stream.decode.trailers;
  }
  responseHeaders(): HeaderMap | undefined {
    return this.stream.encode.headers;
  }
  responseTrailers(): HeaderMap | undefined {
    return this.stream.encode.trailers;
  }
  continueDecoding(): void {
    this.stream.continueDecoding(this.decodeState);
  }
  continueEncoding(): void {
    if (this.encodeState !== undefined) this.stream.continueEncoding(this.encodeState);
  }
  decodingBuffer(): BodyBuffer | undefined {
    return this.decodeState.bodyBuffer();
  }
  encodingBuffer(): BodyBuffer | undefined {
    return this.encodeState?.bodyBuffer();
  }
  addDecodedTrailers(): HeaderMap {
    return this.stream.decode.addTrailers(newHeaderMap);
  }
  addEncodedTrailers(): HeaderMap {
    return this.stream.encode.addTrailers(newHeaderMap);
  }
  addEncodedData(data: Uint8Array): void {
    this.encodeState?.addBody(data);
  }
  respond(headers: HeaderMap, details: string): void {
    this.stream.info.responseCodeDetails = details;
    this.stream.info.hasDetails = true;
    this.stream.encodeUpstreamHeaders(headers, true);
  }
  injectEncodedData(data: Uint8Array, endStream: boolean): void {
    if (this.encodeState !== undefined) this.stream.injectEncodedData(this.encodeState, data, endStream);
  }
  onEncoderWatermark(above: boolean): void {
    this.stream.onEncodeWatermark(above);
  }
  sendLocalReply(reply: LocalReply): void {
    this.stream.sendLocalReply(reply);
  }
  resetStream(details: string): void {
    this.stream.resetByFilter(details);
  }
  route(): RouteView | undefined {
    return this.stream.route();
  }
  clearRouteCache(): void {
    this.stream.clearRouteCache();
  }
  bufferLimit(): number {
    return this.stream.bufferLimit;
  }

  // ---- for the router ----

  encode1xxHeaders(headers: HeaderMap): void {
    this.stream.encode1xxHeaders(headers);
  }
  encodeHeaders(headers: HeaderMap, endStream: boolean): void {
    this.stream.encodeUpstreamHeaders(headers, endStream);
  }
  encodeData(data: Uint8Array, endStream: boolean): void {
    this.stream.encodeUpstreamData(data, endStream);
  }
  encodeTrailers(trailers: HeaderMap): void {
    this.stream.encodeUpstreamTrailers(trailers);
  }
  /** The upstream reads too slowly (true) or has caught up: counted. */
  onDecoderWatermark(above: boolean): void {
    this.stream.onDecodeWatermark(above);
  }
  setDownstreamWatermarkCallbacks(callbacks: DownstreamWatermarkCallbacks | undefined): void {
    this.stream.setDownstreamWatermarkCallbacks(callbacks);
  }
}
