// Sends a response's body at a given rate (Envoy's StreamRateLimiter): a token bucket of 20 slices a second that begins with one
// token, so that the first second is no burst; what has no token waits here, and pushes back on the upstream above the limit.
import { BodyBuffer } from "../base/body-buffer.ts";
import { type Clock, Timer, type TimerOwner } from "../base/clock.ts";
import type { FilterCallbacks } from "../http/filter.ts";

const SLICE_MS = 50;
const SLICES_A_SECOND = 1000 / SLICE_MS;

export class ResponseLimiter implements TimerOwner {
  private readonly clock: Clock;
  private readonly callbacks: FilterCallbacks;
  private readonly bytesPerSlice: number;
  private readonly timer = new Timer(this, 0);
  private readonly buffer = new BodyBuffer();
  private tokens = 1;
  private filledAt: number;
  private isAboveLimit = false;
  private sawEnd = false;
  private sawTrailers = false;

  constructor(kbps: number, clock: Clock, callbacks: FilterCallbacks) {
    this.clock = clock;
    this.callbacks = callbacks;
    this.bytesPerSlice = Math.max(1, Math.floor((kbps * 1024) / SLICES_A_SECOND));
    this.filledAt = clock.now;
  }

  write(data: Uint8Array, endStream: boolean): void {
    this.buffer.append(data);
    this.sawEnd ||= endStream;
    this.watch();
    // The next turn sends: a token that is there already is not worth a second path.
    if (!this.timer.armed) this.clock.start(this.timer, 1);
  }

  /** true: trailers have to wait for the body. */
  holdsTrailers(): boolean {
    this.sawTrailers = true;
    return this.buffer.length > 0 || this.timer.armed;
  }

  onTimer(): void {
    this.fill();
    const wanted = Math.ceil(this.buffer.length / this.bytesPerSlice);
    const tokens = Math.min(wanted, Math.floor(this.tokens));
    this.tokens -= tokens;
    const size = Math.min(tokens * this.bytesPerSlice, this.buffer.length);
    const data = this.buffer.bytes().subarray(0, size);
    this.buffer.splice(0, size, new Uint8Array(0));
    this.watch();
    const isEmpty = this.buffer.length === 0;
    if (!isEmpty) this.clock.start(this.timer, SLICE_MS);
    const endsHere = isEmpty && this.sawEnd && !this.sawTrailers;
    if (size > 0 || endsHere) this.callbacks.injectEncodedData(data, endsHere);
    if (isEmpty && this.sawTrailers) this.callbacks.continueEncoding();
  }

  stop(): void {
    this.timer.clear();
  }

  private fill(): void {
    const slices = (this.clock.now - this.filledAt) / SLICE_MS;
    this.filledAt = this.clock.now;
    this.tokens = Math.min(SLICES_A_SECOND, this.tokens + slices);
  }

  private watch(): void {
    const isAbove = this.isAboveLimit
      ? this.buffer.length > this.callbacks.bufferLimit() / 2
      : this.buffer.length > this.callbacks.bufferLimit();
    if (isAbove === this.isAboveLimit) return;
    this.isAboveLimit = isAbove;
    this.callbacks.onEncoderWatermark(isAbove);
  }
}
