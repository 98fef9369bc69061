// The client side of HTTP/1.1 (RFC 9112): one upstream connection, one request at a time. A response is hostile input: whatever
// does not parse, or arrives when nothing is owed, destroys the connection, and never becomes the answer to another request.
import type { ClientConnection, ClientConnectionCallbacks, RequestEncoder, ResponseDecoder, StreamResetReason } from "../http/codec.ts";
import { HeaderMap } from "../http/header-map.ts";
import type { Connection, ConnectionCallbacks } from "../net/connection.ts";
import { BodyEvent, BodyReader } from "./body-reader.ts";
import { BodyLength, bodyLength, hasListMember, parseFields, parseLength } from "./fields.ts";
import { HeadReader, HeadStatus } from "./head-reader.ts";
import { type HeaderCase, serializeFields } from "./serialize.ts";

export interface Http1ClientOptions {
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  readonly headerCase: HeaderCase;
  readonly enableTrailers: boolean;
}

const MAX_INFORMATIONAL = 8;

const Input = { Idle: 0, Head: 1, Body: 2, Tunnel: 3, Broken: 4 } as const;
type Input = (typeof Input)[keyof typeof Input];

const Output = { None: 0, Fixed: 1, Chunked: 2, Tunnel: 3, Done: 4 } as const;
type Output = (typeof Output)[keyof typeof Output];

const NEVER_CONTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "DELETE", "TRACE", "CONNECT"]);

export class Http1ClientConnection implements ClientConnection, RequestEncoder, ConnectionCallbacks {
  readonly connection: Connection;
  readonly maxConcurrentStreams = 1;
  readonly multiplexed = false;
  readonly protocol = "HTTP/1.1";
  private readonly callbacks: ClientConnectionCallbacks;
  private readonly options: Http1ClientOptions;
  private readonly headReader: HeadReader;
  private readonly bodyReader: BodyReader;
  private decoder: ResponseDecoder | undefined = undefined;
  private input: Input = Input.Idle;
  private output: Output = Output.None;
  private bodyRemaining = 0;
  private reusable = true;
  private method = "";
  /** What the request asks to switch to: "connect", the upgrade field in lower case, or "". */
  private upgrade = "";
  private informational = 0;
  private readDisabled = 0;

  constructor(connection: Connection, callbacks: ClientConnectionCallbacks, options: Http1ClientOptions) {
    this.connection = connection;
    this.callbacks = callbacks;
    this.options = options;
    this.headReader = new HeadReader(options.maxHeaderBytes, options.maxHeaders + 1, false);
    this.bodyReader = new BodyReader(options.maxHeaders);
    connection.setCallbacks(this);
  }

  /** Begins an exchange; the connection must be idle. */
  newStream(decoder: ResponseDecoder): RequestEncoder {
    this.decoder = decoder;
    this.input = Input.Head;
    this.output = Output.None;
    this.reusable = true;
    this.upgrade = "";
    this.informational = 0;
    if (this.connection.isAboveHighWatermark) decoder.onAboveWriteBufferHighWatermark();
    return this;
  }

  get responseStarted(): boolean {
    return this.input === Input.Body || this.input === Input.Tunnel;
  }

  // ---- RequestEncoder ----

  encodeHeaders(headers: HeaderMap, endStream: boolean): void {
    const method = headers.get(":method") ?? "GET";
    const authority = headers.get(":authority") ?? "";
    this.method = method;
    const target = method === "CONNECT" ? authority : (headers.get(":path") ?? "/");
    let text = `${method} ${target} HTTP/1.1\r\nhost: ${authority}\r\n${serializeFields(headers, this.options.headerCase)}`;
    const contentLength = headers.get("content-length");
    this.upgrade = method === "CONNECT" ? "connect" : upgradeOf(headers);
    if (this.upgrade !== "" && contentLength === undefined) this.output = Output.Tunnel;
    else if (contentLength !== undefined) {
      this.output = Output.Fixed;
      this.bodyRemaining = parseLength(contentLength);
    } else if (endStream) {
      this.output = Output.Fixed;
      this.bodyRemaining = 0;
      // RFC 9110 8.6: a method that may have content says that there is none; which those are is Envoy's list.
      if (!NEVER_CONTENT.has(method)) text += "content-length: 0\r\n";
    } else {
      this.output = Output.Chunked;
      text += "transfer-encoding: chunked\r\n";
    }
    this.connection.writeString(`${text}\r\n`);
    if (endStream && this.output !== Output.Tunnel) this.endRequest();
  }

  encodeData(data: Uint8Array, endStream: boolean): void {
    switch (this.output) {
      case Output.Fixed:
        if (data.length > this.bodyRemaining) {
          this.fail("LocalReset", "http1.content_length_exceeded");
          return;
        }
        this.bodyRemaining -= data.length;
        this.connection.writeBytes(data);
        break;
      case Output.Chunked:
        if (data.length > 0) {
          this.connection.writeString(`${data.length.toString(16)}\r\n`);
          this.connection.writeBytes(data);
          this.connection.writeString(endStream ? "\r\n0\r\n\r\n" : "\r\n");
        } else if (endStream) this.connection.writeString("0\r\n\r\n");
        break;
      case Output.Tunnel:
        this.connection.writeBytes(data);
        // The upstream may go on sending: only our side of the tunnel is over.
        if (endStream) this.connection.endWrites();
        return;
      case Output.None:
      case Output.Done:
        return;
    }
    if (endStream) this.endRequest();
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (this.output === Output.Chunked && this.options.enableTrailers) {
      this.connection.writeString(`0\r\n${serializeFields(trailers, this.options.headerCase)}\r\n`);
      this.endRequest();
    } else this.encodeData(Buffer.alloc(0), true);
  }

  private endRequest(): void {
    if (this.output === Output.Fixed && this.bodyRemaining > 0) {
      this.fail("LocalReset", "http1.content_length_unmet");
      return;
    }
    this.output = Output.Done;
  }

  readDisable(disable: boolean): void {
    if (disable) this.readDisabled++;
    else if (this.readDisabled > 0) this.readDisabled--;
    else return;
    this.connection.readDisable(disable);
  }

  resetStream(_reason: StreamResetReason): void {
    this.decoder = undefined;
    this.input = Input.Broken;
    this.connection.destroy();
  }

  // ---- ConnectionCallbacks ----

  onData(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.input) {
        case Input.Head:
          at = this.readHead(chunk, at);
          break;
        case Input.Body:
          at = this.readBody(chunk, at);
          break;
        case Input.Tunnel: {
          const rest = at === 0 ? chunk : chunk.subarray(at);
          at = chunk.length;
          this.decoder?.decodeData(rest, false);
          break;
        }
        case Input.Idle:
          // Unasked bytes could be taken for the answer to the next request (response queue poisoning).
          this.input = Input.Broken;
          this.connection.destroy();
          return;
        case Input.Broken:
          return;
      }
    }
  }

  private readHead(chunk: Buffer, at: number): number {
    const reader = this.headReader;
    const status = reader.feed(chunk, at);
    if (status === HeadStatus.NeedMore) return chunk.length;
    if (status !== HeadStatus.Complete) {
      this.fail("ProtocolError", status === HeadStatus.BadByte ? "http1.codec_error" : "http1.response_headers_too_large");
      return chunk.length;
    }
    const next = at + reader.consumed;
    const headers = new HeaderMap();
    const code = parseStatusLine(reader);
    if (code < 0) {
      reader.reset();
      this.fail("ProtocolError", "http1.codec_error");
      return chunk.length;
    }
    headers.push(":status", String(code));
    const http10 = reader.text.charCodeAt(reader.lineStart[0] + 7) === 0x30;
    const good = parseFields(reader, 1, headers);
    reader.reset();
    if (!good) {
      this.fail("ProtocolError", "http1.codec_error");
      return chunk.length;
    }
    if (code < 200 && code !== 101) {
      // RFC 9112 6.1, RFC 9110 8.6: an interim answer has no body and must not say that it has one.
      if (headers.has("content-length") || headers.has("transfer-encoding")) {
        this.fail("ProtocolError", "http1.codec_error");
        return chunk.length;
      }
      if (++this.informational > MAX_INFORMATIONAL || http10) {
        this.fail("ProtocolError", "http1.too_many_informational_responses");
        return chunk.length;
      }
      this.decoder?.decode1xxHeaders(headers);
      return next;
    }
    this.finalHead(code, headers, http10, next < chunk.length);
    return this.input === Input.Broken ? chunk.length : next;
  }

  /** `hasMore`: bytes follow in the same read. */
  private finalHead(code: number, headers: HeaderMap, http10: boolean, hasMore: boolean): void {
    const length = bodyLength(headers, BodyLength.UntilClose);
    if (length <= BodyLength.Malformed || (length === BodyLength.Chunked && http10)) {
      this.fail("ProtocolError", length === BodyLength.Conflict ? "http1.content_length_and_chunked_not_allowed" : "http1.codec_error");
      return;
    }
    const tunnel = code === 101 || (this.method === "CONNECT" && code < 300);
    if (tunnel) {
      // RFC 9110 7.8: only to what the request named.
      if (
        this.upgrade === "" ||
        (code === 101 && headers.getJoined("upgrade")?.toLowerCase() !== this.upgrade) ||
        length !== BodyLength.UntilClose
      ) {
        this.fail("ProtocolError", "http1.unexpected_upgrade");
        return;
      }
      this.reusable = false;
      this.input = Input.Tunnel;
      this.decoder?.decodeHeaders(headers, false);
      return;
    }
    // A refused upgrade: what the client sends next is no tunnel, and our request side had no end of its own.
    if (this.output === Output.Tunnel) this.output = Output.Done;
    if (http10) this.reusable = false;
    for (let i = 0; i < headers.names.length; i++) {
      const name = headers.names[i];
      if (name === "connection" || name === "proxy-connection") {
        const value = headers.values[i].toLowerCase();
        if (hasListMember(value, "close")) this.reusable = false;
        else if (http10 && hasListMember(value, "keep-alive")) this.reusable = true;
      }
    }
    if (this.method === "HEAD" || code === 204 || code === 304) {
      // A transfer-encoding or length here announces nothing (RFC 9112 6.3); bytes that follow break the connection. A 204 has
      // neither (RFC 9110 8.6): one that has them may well send the body too.
      if (code === 204 && length !== BodyLength.UntilClose && length !== BodyLength.None) this.reusable = false;
      this.decoder?.decodeHeaders(headers, true);
      this.endResponse(hasMore);
      return;
    }
    if (length === BodyLength.None) {
      this.decoder?.decodeHeaders(headers, true);
      this.endResponse(hasMore);
      return;
    }
    if (length === BodyLength.UntilClose) this.reusable = false;
    this.input = Input.Body;
    this.bodyReader.start(length);
    this.decoder?.decodeHeaders(headers, false);
  }

  private readBody(chunk: Buffer, at: number): number {
    const reader = this.bodyReader;
    reader.at = at;
    switch (reader.read(chunk)) {
      case BodyEvent.NeedMore:
        return chunk.length;
      case BodyEvent.Data: {
        const ended = reader.ended;
        this.decoder?.decodeData(reader.data, ended);
        if (ended) this.endResponse(reader.at < chunk.length);
        return reader.at;
      }
      case BodyEvent.End:
        if (reader.trailers !== undefined && this.options.enableTrailers) this.decoder?.decodeTrailers(reader.trailers);
        else this.decoder?.decodeData(Buffer.alloc(0), true);
        this.endResponse(reader.at < chunk.length);
        return reader.at;
      default:
        this.fail("ProtocolError", "http1.codec_error");
        return chunk.length;
    }
  }

  /** `hasMore`: bytes follow that nobody asked for; the answer stands, the connection carries no other (response queue poisoning). */
  private endResponse(hasMore: boolean): void {
    if (this.input === Input.Broken) return;
    this.decoder = undefined;
    this.input = Input.Idle;
    while (this.readDisabled > 0) this.readDisable(false);
    // An answer before the end of the request: the rest of that request would be read as the next one.
    const reusable = this.reusable && !hasMore && this.output === Output.Done;
    this.output = Output.None;
    if (!reusable) this.input = Input.Broken;
    this.callbacks.onStreamComplete(reusable);
  }

  private fail(reason: StreamResetReason, details: string): void {
    const decoder = this.decoder;
    this.decoder = undefined;
    this.input = Input.Broken;
    if (decoder !== undefined && reason === "ProtocolError") this.callbacks.onProtocolError();
    this.connection.destroy();
    decoder?.onReset(reason, details);
  }

  onEnd(): void {
    if (this.input === Input.Body && this.bodyReader.untilClose) {
      this.decoder?.decodeData(Buffer.alloc(0), true);
      this.endResponse(false);
      return;
    }
    if (this.input === Input.Tunnel) {
      this.decoder?.decodeData(Buffer.alloc(0), true);
      this.decoder = undefined;
      this.input = Input.Broken;
      this.callbacks.onStreamComplete(false);
      return;
    }
    this.connection.destroy();
  }

  onClose(error: string): void {
    const decoder = this.decoder;
    this.decoder = undefined;
    this.input = Input.Broken;
    decoder?.onReset("ConnectionTermination", error);
    this.callbacks.onClose(error);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.decoder?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.decoder?.onBelowWriteBufferLowWatermark();
  }
}

/** "connection: upgrade" stands only in a request that the connection manager lets upgrade: an upgrade field alone opens no tunnel. */
function upgradeOf(headers: HeaderMap): string {
  return headers.get("connection")?.toLowerCase() === "upgrade" ? (headers.getJoined("upgrade")?.toLowerCase() ?? "") : "";
}

/** "HTTP/1.x SP 3DIGIT [SP reason]" → the code, or -1. */
function parseStatusLine(block: HeadReader): number {
  const text = block.text;
  const start = block.lineStart[0];
  const length = block.lineEnd[0] - start;
  if (block.lineCount === 0 || length < 12 || !text.startsWith("HTTP/1.", start)) return -1;
  const minor = text.charCodeAt(start + 7);
  if ((minor !== 0x30 && minor !== 0x31) || text.charCodeAt(start + 8) !== 0x20) return -1;
  if (length > 12 && text.charCodeAt(start + 12) !== 0x20) return -1;
  let code = 0;
  for (let i = 9; i < 12; i++) {
    const digit = text.charCodeAt(start + i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    code = code * 10 + digit;
  }
  return code >= 100 && code <= 599 ? code : -1;
}
