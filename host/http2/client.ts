// The client side of HTTP/2 (RFC 9113): one upstream connection, many requests side by side. A response is hostile input: what is
// malformed ends its stream or the connection, and never becomes the answer to another request.
import type { Clock } from "../base/clock.ts";
import type { Http2Options } from "../config/http2.ts";
import type { ClientConnection, ClientConnectionCallbacks, RequestEncoder, ResponseDecoder } from "../http/codec.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { parseLength } from "../http1/fields.ts";
import type { Connection, ConnectionCallbacks } from "../net/connection.ts";
import { ErrorCode, MAX_STREAM_ID, PREFACE } from "./frames.ts";
import { BlockKind, Fault } from "./header-block.ts";
import type { HpackEncoder } from "./hpack-encoder.ts";
import { Http2Session } from "./session.ts";
import type { Http2Stats } from "./stats.ts";
import { Http2Stream } from "./stream.ts";

const MAX_INFORMATIONAL = 8;

class ClientStream extends Http2Stream implements RequestEncoder {
  readonly responseDecoder: ResponseDecoder;
  /** What the request asks to switch to, as the upgrade field has it; "connect" for CONNECT, "" for an ordinary request. */
  upgrade = "";
  isHeadRequest = false;
  isTunnel = false;
  informational = 0;
  private headersSent = false;

  constructor(session: Http2ClientConnection, streamId: number, decoder: ResponseDecoder) {
    super(session, streamId);
    this.responseDecoder = decoder;
    this.decoder = decoder;
    this.awaitsHeaders = true;
  }

  encodeHeaders(headers: HeaderMap, endStream: boolean): void {
    if (this.closed || this.headersSent) return;
    this.headersSent = true;
    const method = headers.get(":method") ?? "GET";
    this.isHeadRequest = method === "HEAD";
    this.upgrade = method === "CONNECT" ? "connect" : upgradeOf(headers);
    const contentLength = headers.get("content-length");
    if (contentLength !== undefined && this.upgrade === "") this.sendRemaining = parseLength(contentLength);
    if (endStream && this.sendRemaining > 0) {
      this.session.abortStream(this, "http2.content_length_unmet");
      return;
    }
    this.session.writer.headers(this, headers, endStream);
    if (endStream) this.endLocally();
  }

  encodeData(data: Uint8Array, endStream: boolean): void {
    if (this.headersSent) this.sendData(data, endStream);
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (this.headersSent) this.sendTrailers(trailers);
  }

  /** An upgrade goes out as an extended CONNECT (RFC 8441 4), a CONNECT with its authority alone (RFC 9113 8.5). */
  override encodeFields(headers: HeaderMap, encoder: HpackEncoder): void {
    const upgrade = this.upgrade;
    if (upgrade === "") {
      super.encodeFields(headers, encoder);
      return;
    }
    const { names, values } = headers;
    const isExtended = upgrade !== "connect";
    let isPseudo = true;
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (isPseudo && name.charCodeAt(0) !== 0x3a) {
        isPseudo = false;
        if (isExtended) encoder.field(":protocol", upgrade);
      }
      if (name === ":method") encoder.field(":method", "CONNECT");
      else if (isExtended || (name !== ":scheme" && name !== ":path")) encoder.field(name, values[i]);
    }
  }

  /** The response is still to come. */
  protected override onHalfClosed(): void {}

  /** An answer before the end of the request: nobody reads the rest of that (RFC 9113 8.1). A tunnel's other direction goes on. */
  protected override onRemoteClosed(): void {
    if (!this.isTunnel) this.session.stopWriting(this, ErrorCode.InternalError);
  }
}

/** "connection: upgrade" stands only in a request that the connection manager lets upgrade: an upgrade field alone opens no tunnel. */
function upgradeOf(headers: HeaderMap): string {
  return headers.get("connection")?.toLowerCase() === "upgrade" ? (headers.getJoined("upgrade") ?? "") : "";
}

export class Http2ClientConnection extends Http2Session implements ClientConnection, ConnectionCallbacks {
  readonly multiplexed = true;
  readonly protocol = "HTTP/2";
  private readonly callbacks: ClientConnectionCallbacks;
  private nextStreamId = 1;
  private isGoingAway = false;

  constructor(connection: Connection, callbacks: ClientConnectionCallbacks, options: Http2Options, stats: Http2Stats, clock: Clock) {
    super(connection, options, stats, clock, false);
    this.callbacks = callbacks;
    connection.setCallbacks(this);
    connection.flushesLate = true;
    this.writer.begin(PREFACE, false);
  }

  /** Begins an exchange; each that is begun ends with one onStreamComplete, or with the connection's onClose. */
  newStream(decoder: ResponseDecoder): RequestEncoder {
    const stream = new ClientStream(this, this.nextStreamId, decoder);
    this.nextStreamId += 2;
    this.register(stream);
    this.keepalive?.onStreamBegins();
    stream.checkWatermark();
    return stream;
  }

  get maxConcurrentStreams(): number {
    if (this.isGoingAway || this.broken || this.nextStreamId > MAX_STREAM_ID) return 0;
    return Math.min(this.options.maxConcurrentStreams, this.peer.maxConcurrentStreams);
  }

  // ---- ConnectionCallbacks ----

  /** A server that has half-closed can say nothing more: what is not complete never will be. */
  onEnd(): void {
    this.connection.destroy();
  }

  onClose(error: string): void {
    this.onConnectionClosed(error);
    this.callbacks.onClose(error);
  }

  // ---- Http2Session ----

  protected override get lastPeerStreamId(): number {
    return 0;
  }

  protected override get countsPeerResets(): boolean {
    return false;
  }

  /** Even numbers would be pushed streams, which there are none of. */
  protected override isIdle(streamId: number): boolean {
    return streamId >= this.nextStreamId || streamId % 2 === 0;
  }

  protected override onPartialBlock(): void {}

  protected override onPeerSettings(): void {
    this.callbacks.onMaxStreamsChanged();
  }

  protected override onStreamClosed(): void {
    this.callbacks.onStreamComplete(this.maxConcurrentStreams > 0);
  }

  protected override onBroken(): void {
    this.callbacks.onProtocolError();
    this.connection.closeAfterFlush();
    this.connection.destroy();
  }

  /** Streams above the last number were not looked at: they may be tried again elsewhere (RFC 9113 6.8). */
  protected override onPeerGoAway(lastStreamId: number, code: number): void {
    const isFirst = !this.isGoingAway;
    this.isGoingAway = true;
    for (const stream of this.streams.all()) {
      if (stream.streamId <= lastStreamId) continue;
      const decoder = stream.decoder;
      this.remove(stream);
      decoder?.onReset("RemoteRefusedStreamReset", code === ErrorCode.NoError ? "http2.goaway" : "http2.goaway_with_error");
    }
    // A second one may only lower the number.
    if (isFirst) this.callbacks.onGoAway();
  }

  protected override onHeaderBlock(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void {
    const stream = this.streams.get(streamId) as ClientStream | undefined;
    const block = this.block;
    if (stream === undefined && this.isIdle(streamId)) {
      this.fail(ErrorCode.ProtocolError, "http2.protocol_error");
      return;
    }
    block.begin(stream?.awaitsHeaders === false ? BlockKind.Trailers : BlockKind.Response);
    if (!this.decodeBlock(bytes, start, end)) return;
    if (stream === undefined) {
      this.stats.headersCbNoStream.inc();
      if (!this.wasReset(streamId)) this.refuseFrame(streamId, ErrorCode.StreamClosed);
    } else if (stream.remoteClosed) this.streamError(stream, ErrorCode.StreamClosed, "ProtocolError", "http2.stream_closed");
    else if (!stream.awaitsHeaders) this.onTrailers(stream, endStream);
    else this.onResponse(stream, endStream);
  }

  private onResponse(stream: ClientStream, endStream: boolean): void {
    const block = this.block;
    block.finishResponse();
    const { headers, status } = block;
    const isInformational = status < 200;
    // RFC 9113 8.1, 8.6: an interim answer is no end, and there is nothing to switch to.
    if (block.fault === Fault.None && isInformational && (endStream || status === 101 || block.contentLength >= 0))
      block.fault = Fault.Messaging;
    if (block.fault !== Fault.None) {
      this.refuseMessage(stream, block.fault);
      return;
    }
    if (isInformational) {
      if (++stream.informational > MAX_INFORMATIONAL)
        this.streamError(stream, ErrorCode.EnhanceYourCalm, "ProtocolError", "http2.too_many_informational_responses");
      else stream.responseDecoder.decode1xxHeaders(headers);
      return;
    }
    stream.awaitsHeaders = false;
    const isTunnel = stream.upgrade !== "" && status < 300;
    stream.isTunnel = isTunnel;
    if (isTunnel && stream.upgrade !== "connect") {
      // RFC 8441 5: what HTTP/1.1 answers to an upgrade.
      headers.set(":status", "101");
      headers.add("upgrade", stream.upgrade);
      headers.add("connection", "upgrade");
    } else if (stream.isHeadRequest || status === 204 || status === 304) stream.bodyRemaining = 0;
    else if (!isTunnel) stream.bodyRemaining = block.contentLength;
    if (endStream && stream.bodyRemaining > 0) {
      this.refuseMessage(stream, Fault.Messaging);
      return;
    }
    stream.receiveHeaders(headers, endStream);
  }
}
