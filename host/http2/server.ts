// The server side of HTTP/2 (RFC 9113): bytes of one downstream connection ↔ many requests and responses side by side.
import type { Clock } from "../base/clock.ts";
import type { Http2Options } from "../config/http2.ts";
import type { ResponseEncoder, ServerConnection, ServerConnectionCallbacks } from "../http/codec.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { parseLength } from "../http1/fields.ts";
import type { Connection } from "../net/connection.ts";
import { ErrorCode, MAX_STREAM_ID } from "./frames.ts";
import { BlockKind, Fault } from "./header-block.ts";
import { Http2Session } from "./session.ts";
import type { Http2Stats } from "./stats.ts";
import { Http2Stream } from "./stream.ts";

class ServerStream extends Http2Stream implements ResponseEncoder {
  upgrade = "";
  isHeadRequest = false;
  private headersSent = false;
  /** The status or the method says that no body comes. */
  private withoutBody = false;

  get protocol(): string {
    return "HTTP/2";
  }

  encode1xxHeaders(headers: HeaderMap): void {
    if (!this.closed && !this.headersSent) this.session.writer.headers(this, headers, false);
  }

  encodeHeaders(headers: HeaderMap, endStream: boolean): void {
    if (this.closed || this.headersSent) return;
    this.headersSent = true;
    const status = headers.get(":status") ?? "";
    this.withoutBody = this.isHeadRequest || status === "204" || status === "304";
    const isTunnel = this.upgrade !== "" && (status === "101" || this.upgrade === "connect");
    const contentLength = headers.get("content-length");
    if (contentLength !== undefined && !this.withoutBody && !isTunnel) this.sendRemaining = parseLength(contentLength);
    const sent = status === "101" && isTunnel ? withStatus(headers, "200") : headers;
    if (endStream && this.sendRemaining > 0) {
      this.session.abortStream(this, "http2.content_length_unmet");
      return;
    }
    this.session.writer.headers(this, sent, endStream);
    if (endStream) {
      this.endLocally();
      this.dropReceived();
    }
  }

  encodeData(data: Uint8Array, endStream: boolean): void {
    if (!this.headersSent) return;
    if (!this.withoutBody) this.sendData(data, endStream);
    else if (endStream) this.sendData(EMPTY, true);
    if (endStream) this.dropReceived();
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (!this.headersSent) return;
    this.sendTrailers(trailers);
    this.dropReceived();
  }

  /** An answer before the end of its request: what is still to come of that is not wanted (RFC 9113 8.1). */
  protected override onHalfClosed(): void {
    this.session.stopReading(this, ErrorCode.NoError);
  }
}

const EMPTY = new Uint8Array(0);

/** A copy: the caller's headers are logged as they are. */
function withStatus(headers: HeaderMap, status: string): HeaderMap {
  const copy = headers.clone();
  copy.set(":status", status);
  return copy;
}

export class Http2ServerConnection extends Http2Session implements ServerConnection {
  readonly multiplexed = true;
  private readonly callbacks: ServerConnectionCallbacks;
  private lastStreamId = 0;
  /** Streams above it are ignored: a final GOAWAY named it. */
  private goAwayStreamId = MAX_STREAM_ID;
  private isGoingAway = false;

  constructor(connection: Connection, callbacks: ServerConnectionCallbacks, options: Http2Options, stats: Http2Stats, clock: Clock) {
    super(connection, options, stats, clock, true);
    this.callbacks = callbacks;
    this.writer.begin(EMPTY, true);
  }

  get idle(): boolean {
    return this.streams.size === 0 && !this.hasPartialBlock;
  }

  /** The streams that the final GOAWAY let finish have finished. */
  get closeAfterAnswer(): boolean {
    return this.isGoingAway && this.streams.size === 0;
  }

  markClose(): void {}

  shutdownNotice(): void {
    if (!this.broken && !this.isGoingAway) this.writer.goAway(MAX_STREAM_ID, ErrorCode.NoError);
  }

  goAway(): void {
    if (this.broken || this.isGoingAway) return;
    this.isGoingAway = true;
    this.goAwayStreamId = this.lastStreamId;
    this.writeGoAway(this.lastStreamId, ErrorCode.NoError);
  }

  /** A client that has half-closed cannot acknowledge, reset or open windows: as in Envoy, the connection is over. */
  onEnd(): boolean {
    return false;
  }

  onClose(details: string): void {
    this.onConnectionClosed(details);
  }

  abandonHead(_status: number, details: string): void {
    this.connection.enter();
    this.fail(ErrorCode.EnhanceYourCalm, details);
    this.connection.leave();
  }

  // ---- Http2Session ----

  protected override get lastPeerStreamId(): number {
    return this.lastStreamId;
  }

  protected override get countsPeerResets(): boolean {
    return true;
  }

  protected override isIdle(streamId: number): boolean {
    return streamId > this.lastStreamId || streamId % 2 === 0;
  }

  protected override onPartialBlock(): void {
    this.callbacks.onPartialHead();
  }

  /** The client takes no pushed streams any more; we begin none. */
  protected override onPeerGoAway(): void {}

  protected override onPeerSettings(): void {}

  protected override onStreamClosed(): void {
    // The last answer may leave because a window opened, when nobody above looks whether it was the last.
    if (this.closeAfterAnswer && !this.broken) this.connection.closeAfterFlush();
  }

  protected override onBroken(details: string): void {
    this.callbacks.onConnectionError(details);
  }

  protected override onHeaderBlock(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) {
      this.block.begin(BlockKind.Trailers);
      if (!this.decodeBlock(bytes, start, end)) return;
      if (stream.remoteClosed) this.streamError(stream, ErrorCode.StreamClosed, "ProtocolError", "http2.stream_closed");
      else {
        this.stats.trailers.inc();
        this.onTrailers(stream, endStream);
      }
      return;
    }
    if (streamId % 2 === 0) {
      this.fail(ErrorCode.ProtocolError, "http2.protocol_error");
      return;
    }
    if (streamId <= this.lastStreamId) {
      // Trailers of a stream that we reset may be on the way; anything else came too late.
      if (this.wasReset(streamId)) this.decodeBlock(bytes, start, end);
      else this.fail(ErrorCode.StreamClosed, "http2.stream_closed");
      return;
    }
    this.block.begin(BlockKind.Request);
    if (!this.decodeBlock(bytes, start, end)) return;
    this.lastStreamId = streamId;
    if (streamId > this.goAwayStreamId) {
      this.stats.headersCbNoStream.inc();
      this.refuseFrame(streamId, ErrorCode.RefusedStream);
      return;
    }
    if (this.streams.size >= this.options.maxConcurrentStreams) {
      this.stats.streamRefusedErrors.inc();
      this.refuseFrame(streamId, ErrorCode.RefusedStream);
      return;
    }
    this.beginRequest(streamId, endStream);
  }

  private beginRequest(streamId: number, endStream: boolean): void {
    const block = this.block;
    block.finishRequest();
    const stream = new ServerStream(this, streamId);
    stream.upgrade = block.upgrade;
    stream.isHeadRequest = block.method === "HEAD";
    this.register(stream);
    const { fault, headers } = block;
    if (block.droppedUnderscores > 0) this.stats.droppedHeadersWithUnderscores.add(block.droppedUnderscores);
    const decoder = this.callbacks.newStream(stream);
    stream.decoder = decoder;
    if (fault !== Fault.None) {
      this.refuseMessage(stream, fault);
      return;
    }
    if (block.upgrade === "") stream.bodyRemaining = block.contentLength;
    if (endStream && stream.bodyRemaining > 0) {
      this.refuseMessage(stream, Fault.Messaging);
      return;
    }
    stream.checkWatermark();
    stream.receiveHeaders(headers, endStream);
  }
}
