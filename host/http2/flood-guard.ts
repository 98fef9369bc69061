// What a peer may make us do without being answered for it: Envoy's limits on floods of frames, and limits on streams that are begun
// only to be thrown away. Each has a counter; a method that answers false ends the connection with ENHANCE_YOUR_CALM.
import type { Clock } from "../base/clock.ts";
import type { Http2Options } from "../config/http2.ts";
import type { Connection } from "../net/connection.ts";
import type { Http2Stats } from "./stats.ts";

/** Envoy's runtime keys overload.premature_reset_total_stream_count and …_min_stream_lifetime_seconds. */
const PREMATURE_RESET_TOTAL = 500;
const PREMATURE_RESET_LIFETIME_MS = 1000;
/** Streams that the peer's own errors make us reset: those cost as much as if it reset them itself. */
const PROVOKED_BURST = 100;
const PROVOKED_RATE = 33;
const WINDOW_UPDATES_FREE = 5;

/** Tokens that come back with time. */
class Bucket {
  private readonly burst: number;
  private readonly rate: number;
  private tokens: number;
  private filledAt = 0;

  constructor(burst: number, ratePerSecond: number) {
    this.burst = burst;
    this.rate = ratePerSecond;
    this.tokens = burst;
  }

  take(now: number): boolean {
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledAt) * this.rate) / 1000);
    this.filledAt = now;
    if (this.tokens < 1) return false;
    this.tokens--;
    return true;
  }
}

export class FloodGuard {
  private readonly options: Http2Options;
  private readonly stats: Http2Stats;
  private readonly clock: Clock;
  private readonly connection: Connection;
  private readonly peerResets: Bucket;
  private readonly provokedResets = new Bucket(PROVOKED_BURST, PROVOKED_RATE);
  /** Frames that wait, by halves: when the socket has taken all that was written up to `boundary`, the older half is gone. */
  private olderFrames = 0;
  private newerFrames = 0;
  private olderControl = 0;
  private newerControl = 0;
  private boundary = 0;
  private written = 0;
  private emptyFrames = 0;
  private priorityFrames = 0;
  private windowUpdateFrames = 0;
  private dataFramesSent = 0;
  private streamsBegun = 0;
  private streamsEnded = 0;
  private prematureResets = 0;

  constructor(options: Http2Options, stats: Http2Stats, clock: Clock, connection: Connection) {
    this.options = options;
    this.stats = stats;
    this.clock = clock;
    this.connection = connection;
    this.peerResets = new Bucket(options.streamResetBurst, options.streamResetRate);
  }

  /** A frame was written; `isControl`: as an answer to one of the peer's (an acknowledgement, a reset). */
  onOutboundFrame(bytes: number, isControl: boolean): boolean {
    this.written += bytes;
    this.newerFrames++;
    if (isControl) this.newerControl++;
    if (
      this.newerFrames + this.olderFrames <= this.options.maxOutboundFrames &&
      this.newerControl + this.olderControl <= this.options.maxOutboundControlFrames
    )
      return true;
    this.forgetWritten();
    if (this.newerControl + this.olderControl > this.options.maxOutboundControlFrames) this.stats.outboundControlFlood.inc();
    else if (this.newerFrames + this.olderFrames > this.options.maxOutboundFrames) this.stats.outboundFlood.inc();
    else return true;
    return false;
  }

  onDataFrameSent(): void {
    this.dataFramesSent++;
  }

  onStreamBegun(): void {
    this.streamsBegun++;
  }

  onStreamEnded(): void {
    this.streamsEnded++;
  }

  /** To be called with each read: what the socket has taken no longer waits. */
  forgetWritten(): void {
    const buffered = this.connection.bufferedBytes;
    if (buffered === 0) {
      this.olderFrames = this.newerFrames = this.olderControl = this.newerControl = 0;
    } else if (this.written - buffered >= this.boundary) {
      this.olderFrames = this.newerFrames;
      this.olderControl = this.newerControl;
      this.newerFrames = this.newerControl = 0;
      this.boundary = this.written;
    }
  }

  /** A frame that could carry something and may not even end its stream. */
  onMessageFrame(isEmpty: boolean): boolean {
    if (!isEmpty) {
      this.emptyFrames = 0;
      return true;
    }
    if (++this.emptyFrames <= this.options.maxConsecutiveInboundFramesWithEmptyPayload) return true;
    this.stats.inboundEmptyFramesFlood.inc();
    return false;
  }

  onPriorityFrame(): boolean {
    if (++this.priorityFrames <= this.options.maxInboundPriorityFramesPerStream * (1 + this.streamsBegun)) return true;
    this.stats.inboundPriorityFramesFlood.inc();
    return false;
  }

  onWindowUpdateFrame(): boolean {
    const perDataFrame = this.options.maxInboundWindowUpdateFramesPerDataFrameSent;
    const allowed = WINDOW_UPDATES_FREE + 2 * (this.streamsBegun + perDataFrame * this.dataFramesSent);
    if (++this.windowUpdateFrames <= allowed) return true;
    this.stats.inboundWindowUpdateFramesFlood.inc();
    return false;
  }

  /** The peer reset a stream that had begun at `startedAt`, before its answer was complete. */
  onPeerReset(startedAt: number): boolean {
    if (this.clock.now - startedAt < PREMATURE_RESET_LIFETIME_MS) this.prematureResets++;
    const half = Math.max(PREMATURE_RESET_TOTAL, this.streamsEnded) / 2;
    if (this.prematureResets < half && this.peerResets.take(this.clock.now)) return true;
    this.stats.prematureResetFlood.inc();
    return false;
  }

  /** The peer made us reset a stream. */
  onProvokedReset(): boolean {
    if (this.provokedResets.take(this.clock.now)) return true;
    this.stats.provokedResetFlood.inc();
    return false;
  }
}
