// The iteration machine of a stream's filters (Envoy's filter_manager): which callback runs next, what is held where, and what a
// continue releases. One HalfChain walks one direction; both directions are the same machine with other callbacks.
//
// Held state is per filter and direction:
//   headersHeld   the headers stopped here (StopIteration); this filter still sees data and trailers
//   stopAll       everything stopped here; data and trailers pile up and come to this filter when it continues
//   buffer        body held back, or taken from a data callback; released as a whole
//   trailersHeld  the trailers stopped here
import { BodyBuffer } from "../base/body-buffer.ts";
import { FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus, type StreamFilter } from "./filter.ts";
import type { HeaderMap } from "./header-map.ts";

const EMPTY = Buffer.alloc(0);

/** What the chain needs from its stream. */
export interface ChainOwner {
  /** A local reply was sent or the stream is over: the walk that asked stops here. */
  readonly decodingOver: boolean;
  readonly encodingOver: boolean;
  readonly bufferLimit: number;
  /** Response headers, data and trailers past the last encoder filter. */
  sendHeaders(headers: HeaderMap, endStream: boolean): void;
  sendData(data: Uint8Array, endStream: boolean): void;
  sendTrailers(trailers: HeaderMap): void;
  /** A filter that buffers went over the limit. */
  onDecodeOverflow(): void;
  onEncodeOverflow(): void;
  /** Held data went above (true) or fell below (false) the limit: push back on its source. */
  onDecodeWatermark(above: boolean): void;
  onEncodeWatermark(above: boolean): void;
}

/** One filter's state in one direction. */
export class HalfState {
  readonly filter: StreamFilter;
  sawHeaders = false;
  headersHeld = false;
  stopAll = false;
  trailersHeld = false;
  trailersPending = false;
  /** The stream ended (headers or data with endStream) while held here. */
  ended = false;
  inData = false;
  chunkInBuffer = false;
  chunk: Uint8Array = EMPTY;
  pushBack = false;
  aboveLimit = false;
  buffer: BodyBuffer | undefined = undefined;

  constructor(filter: StreamFilter) {
    this.filter = filter;
  }

  /** The body as a filter may see and edit it now; undefined when it holds none. */
  bodyBuffer(): BodyBuffer | undefined {
    if (this.inData && !this.chunkInBuffer) {
      this.buffer ??= new BodyBuffer();
      this.buffer.append(this.chunk);
      this.chunkInBuffer = true;
    }
    return this.inData || (this.buffer !== undefined && this.buffer.length > 0) ? this.buffer : undefined;
  }

  /** Bytes of the filter's own, which go on when it lets go of what it holds. */
  addBody(data: Uint8Array): void {
    this.buffer ??= new BodyBuffer();
    this.buffer.append(data);
  }

  takeBody(): Uint8Array {
    if (this.buffer === undefined || this.buffer.length === 0) return EMPTY;
    const body = this.buffer.bytes();
    this.buffer.clear();
    return body;
  }

  get holds(): boolean {
    return this.headersHeld || this.stopAll || this.trailersHeld || (this.buffer !== undefined && this.buffer.length > 0);
  }
}

export abstract class HalfChain {
  protected readonly owner: ChainOwner;
  /** In the order of this direction. */
  readonly states: HalfState[];
  headers: HeaderMap | undefined = undefined;
  trailers: HeaderMap | undefined = undefined;
  private trailersAdded = false;

  constructor(owner: ChainOwner, states: HalfState[]) {
    this.owner = owner;
    this.states = states;
  }

  protected abstract callHeaders(filter: StreamFilter, headers: HeaderMap, endStream: boolean): FilterHeadersStatus;
  protected abstract callData(filter: StreamFilter, data: Uint8Array, endStream: boolean): FilterDataStatus;
  protected abstract callTrailers(filter: StreamFilter, trailers: HeaderMap): FilterTrailersStatus;
  protected abstract get over(): boolean;
  protected abstract skips(state: HalfState): boolean;
  protected abstract overflow(): void;
  protected abstract watermark(above: boolean): void;
  protected abstract pastHeaders(headers: HeaderMap, endStream: boolean): void;
  protected abstract pastData(data: Uint8Array, endStream: boolean): void;
  protected abstract pastTrailers(trailers: HeaderMap): void;

  startHeaders(headers: HeaderMap, endStream: boolean): void {
    this.headers = headers;
    this.headersFrom(0, endStream);
  }

  startData(data: Uint8Array, endStream: boolean): void {
    this.dataFrom(0, data, endStream);
  }

  startTrailers(trailers: HeaderMap): void {
    this.trailers = trailers;
    this.trailersFrom(0);
  }

  /** A filter asks for trailers in the data callback that ends the stream. */
  addTrailers(make: () => HeaderMap): HeaderMap {
    if (this.trailers === undefined) {
      this.trailers = make();
      this.trailersAdded = true;
    }
    return this.trailers;
  }

  private headersFrom(from: number, endStream: boolean): void {
    const headers = this.headers as HeaderMap;
    for (let i = from; i < this.states.length; i++) {
      const state = this.states[i];
      if (this.skips(state)) continue;
      state.sawHeaders = true;
      const status = this.callHeaders(state.filter, headers, endStream);
      if (this.over) return;
      if (status === FilterHeadersStatus.Continue) continue;
      state.ended = endStream;
      if (status === FilterHeadersStatus.StopIteration) state.headersHeld = true;
      else {
        state.stopAll = true;
        state.pushBack = status === FilterHeadersStatus.StopAllIterationAndWatermark;
      }
      return;
    }
    this.pastHeaders(headers, endStream);
  }

  private dataFrom(from: number, data: Uint8Array, endStream: boolean): void {
    let trailersFrom = -1;
    for (let i = from; i < this.states.length; i++) {
      const state = this.states[i];
      if (this.skips(state)) continue;
      if (state.stopAll) {
        this.hold(state, data, state.pushBack);
        state.ended = endStream;
        if (trailersFrom >= 0) this.trailersFrom(trailersFrom);
        return;
      }
      const cumulative = state.buffer !== undefined && state.buffer.length > 0;
      if (cumulative && !this.hold(state, data, state.pushBack)) return;
      state.chunk = data;
      state.chunkInBuffer = cumulative;
      state.inData = true;
      const status = this.callData(state.filter, data, endStream);
      state.inData = false;
      state.chunk = EMPTY;
      if (this.over) return;
      if (this.trailersAdded) {
        this.trailersAdded = false;
        trailersFrom = i + 1;
        endStream = false;
      }
      if (status === FilterDataStatus.Continue) {
        if (state.chunkInBuffer) {
          data = state.takeBody();
          this.released(state);
        }
        if (state.headersHeld) {
          state.headersHeld = false;
          this.headersFrom(i + 1, endStream && data.length === 0);
          if (this.over) return;
          if (endStream && data.length === 0) return;
        }
        continue;
      }
      if (status !== FilterDataStatus.StopIterationNoBuffer) {
        state.pushBack = status === FilterDataStatus.StopIterationAndWatermark;
        if (!state.chunkInBuffer) this.hold(state, data, state.pushBack);
      } else if (state.chunkInBuffer) state.buffer?.clear();
      state.ended = endStream;
      // Trailers added here wait for this filter; those that one before it added come to it like any other.
      if (trailersFrom > i) state.trailersHeld = true;
      else if (trailersFrom >= 0) this.trailersFrom(trailersFrom);
      return;
    }
    this.pastData(data, endStream);
    if (trailersFrom >= 0 && !this.over) this.trailersFrom(trailersFrom);
  }

  /** Adds to a filter's buffer; false when that broke the limit of a filter that does not push back. */
  private hold(state: HalfState, data: Uint8Array, pushBack: boolean): boolean {
    state.buffer ??= new BodyBuffer();
    state.buffer.append(data);
    if (state.buffer.length <= this.owner.bufferLimit || state.aboveLimit) return true;
    if (!pushBack) {
      this.overflow();
      return false;
    }
    state.aboveLimit = true;
    this.watermark(true);
    return true;
  }

  private released(state: HalfState): void {
    if (!state.aboveLimit) return;
    state.aboveLimit = false;
    this.watermark(false);
  }

  private trailersFrom(from: number): void {
    const trailers = this.trailers as HeaderMap;
    for (let i = from; i < this.states.length; i++) {
      const state = this.states[i];
      if (this.skips(state)) continue;
      if (state.stopAll) {
        state.trailersPending = true;
        return;
      }
      const status = this.callTrailers(state.filter, trailers);
      if (this.over) return;
      if (status === FilterTrailersStatus.StopIteration) {
        state.trailersHeld = true;
        return;
      }
      this.release(state, i, false);
      if (this.over) return;
    }
    this.pastTrailers(trailers);
  }

  /** Passes on what one filter holds: headers first, then its body. */
  private release(state: HalfState, at: number, endStream: boolean): void {
    const body = state.takeBody();
    this.released(state);
    if (state.headersHeld) {
      state.headersHeld = false;
      this.headersFrom(at + 1, endStream && body.length === 0);
      if (this.over || (endStream && body.length === 0)) return;
    }
    if (body.length > 0 || endStream) this.dataFrom(at + 1, body, endStream);
  }

  /** Bytes that the filter of `state` had taken out of the body. */
  injectBehind(state: HalfState, data: Uint8Array, endStream: boolean): void {
    if (endStream) state.ended = false;
    this.dataFrom(this.states.indexOf(state) + 1, data, endStream);
  }

  /** The filter of `state` lets go of what it stopped; nothing happens when it stopped nothing. */
  continueFrom(state: HalfState): void {
    if (!state.holds && !state.ended) return;
    const at = this.states.indexOf(state);
    const ended = state.ended;
    state.ended = false;
    if (state.stopAll) {
      state.stopAll = false;
      const body = state.takeBody();
      this.released(state);
      const headersEnd = ended && body.length === 0 && !state.trailersPending;
      this.headersFrom(at + 1, headersEnd);
      if (headersEnd || this.over) return;
      // What piled up comes to this very filter first: it has not seen it yet.
      if (body.length > 0 || ended) this.dataFrom(at, body, ended && !state.trailersPending);
      if (state.trailersPending && !this.over) {
        state.trailersPending = false;
        this.trailersFrom(at);
      }
      return;
    }
    const hadTrailers = state.trailersHeld;
    state.trailersHeld = false;
    this.release(state, at, ended && !hadTrailers);
    if (hadTrailers && !this.over) this.trailersFrom(at + 1);
  }
}

/** Requests: chain order; the last filter (the router) takes everything. */
export class DecodeChain extends HalfChain {
  protected override callHeaders(filter: StreamFilter, headers: HeaderMap, endStream: boolean): FilterHeadersStatus {
    return filter.decodeHeaders(headers, endStream);
  }
  protected override callData(filter: StreamFilter, data: Uint8Array, endStream: boolean): FilterDataStatus {
    return filter.decodeData(data, endStream);
  }
  protected override callTrailers(filter: StreamFilter, trailers: HeaderMap): FilterTrailersStatus {
    return filter.decodeTrailers(trailers);
  }
  protected override get over(): boolean {
    return this.owner.decodingOver;
  }
  protected override skips(_state: HalfState): boolean {
    return false;
  }
  protected override overflow(): void {
    this.owner.onDecodeOverflow();
  }
  protected override watermark(above: boolean): void {
    this.owner.onDecodeWatermark(above);
  }
  // The terminal filter never lets anything past it.
  protected override pastHeaders(): void {}
  protected override pastData(): void {}
  protected override pastTrailers(): void {}
}

/** Responses: reverse order, ending at the codec. */
export class EncodeChain extends HalfChain {
  /** A local reply passes only the filters that have seen the request's headers. */
  onlySeen: ((filter: StreamFilter) => boolean) | undefined = undefined;

  protected override callHeaders(filter: StreamFilter, headers: HeaderMap, endStream: boolean): FilterHeadersStatus {
    return filter.encodeHeaders(headers, endStream);
  }
  protected override callData(filter: StreamFilter, data: Uint8Array, endStream: boolean): FilterDataStatus {
    return filter.encodeData(data, endStream);
  }
  protected override callTrailers(filter: StreamFilter, trailers: HeaderMap): FilterTrailersStatus {
    return filter.encodeTrailers(trailers);
  }
  protected override get over(): boolean {
    return this.owner.encodingOver;
  }
  protected override skips(state: HalfState): boolean {
    return this.onlySeen !== undefined && !this.onlySeen(state.filter);
  }
  protected override overflow(): void {
    this.owner.onEncodeOverflow();
  }
  protected override watermark(above: boolean): void {
    this.owner.onEncodeWatermark(above);
  }
  protected override pastHeaders(headers: HeaderMap, endStream: boolean): void {
    this.owner.sendHeaders(headers, endStream);
  }
  protected override pastData(data: Uint8Array, endStream: boolean): void {
    this.owner.sendData(data, endStream);
  }
  protected override pastTrailers(trailers: HeaderMap): void {
    this.owner.sendTrailers(trailers);
  }
}
