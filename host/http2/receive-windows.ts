// What the peer may send us (RFC 9113 5.2, 6.9): the window of the connection, and the rules for those of streams. Bytes count from their
// arrival, and are given back when their owner has read them; half a window at a time, so that few WINDOW_UPDATE frames do.
import type { Http2Options } from "../config/http2.ts";
import { DEFAULT_WINDOW, FrameType } from "./frames.ts";
import type { FrameWriter } from "./frame-writer.ts";
import type { Http2Stream } from "./stream.ts";

export class ReceiveWindows {
  /** Of a new stream. A smaller window than the default holds from the acknowledgement of our SETTINGS on (6.9.3). */
  initial: number;
  private readonly options: Http2Options;
  private readonly writer: FrameWriter;
  private connection: number;
  private unacknowledged = 0;
  private stopped = false;

  constructor(options: Http2Options, writer: FrameWriter) {
    this.options = options;
    this.writer = writer;
    this.initial = Math.max(options.initialStreamWindowSize, DEFAULT_WINDOW);
    this.connection = Math.max(options.initialConnectionWindowSize, DEFAULT_WINDOW);
  }

  /** Nothing more is written. */
  stop(): void {
    this.stopped = true;
  }

  onSettingsAcknowledged(streams: Iterable<Http2Stream>): void {
    const delta = this.options.initialStreamWindowSize - this.initial;
    this.initial += delta;
    if (delta !== 0) for (const stream of streams) stream.receiveWindow += delta;
  }

  /** DATA of so many bytes came; false when the connection's window does not allow it. */
  receive(bytes: number): boolean {
    this.connection -= bytes;
    return this.connection >= 0;
  }

  /** Bytes of a stream were read. */
  consume(stream: Http2Stream, bytes: number): void {
    this.consumeConnection(bytes);
    if (stream.closed || stream.remoteClosed || this.stopped) return;
    stream.unacknowledged += bytes;
    if (stream.unacknowledged * 2 < this.options.initialStreamWindowSize) return;
    stream.receiveWindow += stream.unacknowledged;
    this.writer.uint(FrameType.WindowUpdate, stream.streamId, stream.unacknowledged, false);
    stream.unacknowledged = 0;
  }

  /** Bytes were read, or thrown away, of a stream that needs no window any more. */
  consumeConnection(bytes: number): void {
    this.unacknowledged += bytes;
    if (this.unacknowledged * 2 < this.options.initialConnectionWindowSize || this.stopped) return;
    const given = this.unacknowledged;
    this.unacknowledged = 0;
    this.connection += given;
    this.writer.uint(FrameType.WindowUpdate, 0, given, false);
  }
}
