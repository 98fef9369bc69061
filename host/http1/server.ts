// The server side of HTTP/1.1 (RFC 9112): bytes of one downstream connection ↔ one request and one response at a time.
// Pipelined requests wait unparsed until the answer before them is complete, so answers leave in order and a client that sends
// faster than it is answered is pushed back by TCP. The codec object is its own stream encoder: nothing is allocated per request
// beside the header map.
// Longer than its siblings because reading and answering share the state of one connection: an answer decides how reading goes on.
import type { RequestDecoder, ResponseEncoder, ServerConnection, ServerConnectionCallbacks, StreamResetReason } from "../http/codec.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { retain } from "../base/read-buffer.ts";
import type { Connection } from "../net/connection.ts";
import { BodyEvent, BodyReader } from "./body-reader.ts";
import { BodyLength, parseLength } from "./fields.ts";
import { HeadReader, HeadStatus } from "./head-reader.ts";
import { RequestHead, type RequestRules } from "./request-head.ts";
import { type HeaderCase, serializeFields, statusLine } from "./serialize.ts";

export interface Http1ServerOptions extends RequestRules {
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  readonly enableTrailers: boolean;
  readonly headerCase: HeaderCase;
}

const Input = { Head: 0, Body: 1, WaitForAnswer: 2, Tunnel: 3, Discard: 4 } as const;
type Input = (typeof Input)[keyof typeof Input];

const Output = { None: 0, Awaited: 1, Fixed: 2, Chunked: 3, UntilClose: 4, NoBody: 5, Tunnel: 6 } as const;
type Output = (typeof Output)[keyof typeof Output];

/** After so many requests in one read event the rest waits for the next turn of the loop (reliability D7). */
const MAX_REQUESTS_PER_TURN = 16;

export class Http1ServerConnection implements ResponseEncoder, ServerConnection {
  private readonly connection: Connection;
  private readonly callbacks: ServerConnectionCallbacks;
  private readonly options: Http1ServerOptions;
  private readonly headReader: HeadReader;
  private readonly bodyReader: BodyReader;
  private readonly head = new RequestHead();
  private input: Input = Input.Head;
  private output: Output = Output.None;
  private decoder: RequestDecoder | undefined = undefined;
  private held: Buffer | undefined = undefined;
  private dispatching = false;
  private streamReadDisabled = 0;
  private bodyRemaining = 0;
  private requestOver = true;
  private http10 = false;
  upgrade = "";
  private isHeadRequest = false;
  private mustClose = false;
  readonly multiplexed = false;
  readonly streamId = 0;
  /** The last answer was sent and said so: no further request is read. */
  closeAfterAnswer = false;
  /** Set while a message of this connection is in progress or part of a head has arrived. */
  get idle(): boolean {
    return this.output === Output.None && !this.headReader.started && this.held === undefined;
  }

  constructor(connection: Connection, callbacks: ServerConnectionCallbacks, options: Http1ServerOptions) {
    this.connection = connection;
    this.callbacks = callbacks;
    this.options = options;
    this.headReader = new HeadReader(options.maxHeaderBytes, options.maxHeaders + 1, true);
    this.bodyReader = new BodyReader(options.maxHeaders);
  }

  /** Request protocol for logs: "HTTP/1.0" or "HTTP/1.1". */
  get protocol(): string {
    return this.http10 ? "HTTP/1.0" : "HTTP/1.1";
  }

  onData(chunk: Buffer): void {
    if (this.held !== undefined) {
      this.hold(this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]));
      return;
    }
    this.dispatch(chunk);
  }

  /** The client half-closed. True when a complete request still has its answer coming. */
  onEnd(): boolean {
    if (this.input === Input.Tunnel) {
      this.decoder?.decodeData(Buffer.alloc(0), true);
      return true;
    }
    if (this.output !== Output.None && this.requestOver && this.input !== Input.Discard) {
      this.mustClose = true;
      return true;
    }
    return false;
  }

  onClose(details: string): void {
    this.input = Input.Discard;
    this.held = undefined;
    const decoder = this.decoder;
    if (decoder === undefined) return;
    this.decoder = undefined;
    this.output = Output.None;
    decoder.onReset("ConnectionTermination", details);
  }

  onAboveWriteBufferHighWatermark(): void {
    this.decoder?.onAboveWriteBufferHighWatermark();
  }

  onBelowWriteBufferLowWatermark(): void {
    this.decoder?.onBelowWriteBufferLowWatermark();
    if (this.input === Input.Head) this.resumeLater();
  }

  /** The next request must wait: for its turn of the loop, or because the client does not read the answers it has. */
  private mustPause(requests: number): boolean {
    return this.input === Input.Head && (requests >= MAX_REQUESTS_PER_TURN || this.connection.isAboveHighWatermark);
  }

  private dispatch(chunk: Buffer): void {
    if (this.dispatching) throw new Error("http1 server codec: dispatch while dispatching");
    this.dispatching = true;
    let at = 0;
    let requests = 0;
    while (at < chunk.length) {
      if (this.input === Input.Discard) break;
      if (this.input === Input.WaitForAnswer || this.mustPause(requests)) {
        this.hold(chunk.subarray(at));
        if (this.input === Input.Head && !this.connection.isAboveHighWatermark) setImmediate(this.resumeHeld);
        break;
      }
      if ((this.input === Input.Body || this.input === Input.Tunnel) && this.streamReadDisabled > 0) {
        this.hold(chunk.subarray(at));
        break;
      }
      switch (this.input) {
        case Input.Head:
          requests++;
          at = this.readHead(chunk, at);
          break;
        case Input.Body:
          at = this.readBody(chunk, at);
          break;
        case Input.Tunnel: {
          const data = at === 0 ? chunk : chunk.subarray(at);
          at = chunk.length;
          this.decoder?.decodeData(data, false);
          break;
        }
      }
    }
    this.dispatching = false;
  }

  private hold(rest: Buffer): void {
    if (this.held === undefined) this.connection.readDisable(true);
    this.held = retain(rest);
  }

  private readonly resumeHeld = (): void => {
    if (this.held === undefined || this.dispatching) return;
    if (this.input === Input.WaitForAnswer || this.input === Input.Discard || this.mustPause(0)) return;
    if (this.streamReadDisabled > 0 && this.input !== Input.Head) return;
    const rest = this.held;
    this.held = undefined;
    this.connection.enter();
    this.dispatch(rest);
    this.connection.leave();
    // Gives back what this hold took; a new hold inside dispatch() has taken its own.
    this.connection.readDisable(false);
  };

  private readHead(chunk: Buffer, at: number): number {
    const reader = this.headReader;
    const status = reader.feed(chunk, at);
    if (status === HeadStatus.NeedMore) {
      this.callbacks.onPartialHead();
      return chunk.length;
    }
    if (status !== HeadStatus.Complete) {
      if (status === HeadStatus.BadByte) this.fail(400, "http1.codec_error");
      else if (reader.lineCount === 0) this.fail(414, "request_url_too_long");
      else this.fail(431, status === HeadStatus.TooLarge ? "http1.headers_too_large" : "http1.too_many_headers");
      return chunk.length;
    }
    const head = this.head;
    const bad = head.parse(reader, this.options);
    const next = at + reader.consumed;
    reader.reset();
    if (bad !== undefined) {
      this.http10 = head.http10;
      this.fail(bad.status, bad.details);
      return chunk.length;
    }
    this.http10 = head.http10;
    this.upgrade = head.upgrade;
    this.isHeadRequest = head.isHead;
    this.mustClose = head.close;
    this.output = Output.Awaited;
    this.streamReadDisabled = 0;
    // What follows an upgrade request is not HTTP until the upstream refused the upgrade: it waits for the answer.
    const endStream = head.length === BodyLength.None && head.upgrade === "";
    this.requestOver = head.length === BodyLength.None;
    if (head.length !== BodyLength.None) {
      this.bodyReader.start(head.length);
      this.input = Input.Body;
    } else this.input = Input.WaitForAnswer;
    this.decoder = this.callbacks.newStream(this);
    this.decoder.decodeHeaders(head.headers, endStream);
    return next;
  }

  private readBody(chunk: Buffer, at: number): number {
    const reader = this.bodyReader;
    reader.at = at;
    const event = reader.read(chunk);
    switch (event) {
      case BodyEvent.NeedMore:
        return chunk.length;
      case BodyEvent.Data:
        if (reader.ended) this.endRequest();
        this.decoder?.decodeData(reader.data, reader.ended);
        return reader.at;
      case BodyEvent.End:
        this.endRequest();
        if (reader.trailers !== undefined && this.options.enableTrailers) this.decoder?.decodeTrailers(reader.trailers);
        else this.decoder?.decodeData(Buffer.alloc(0), true);
        return reader.at;
      case BodyEvent.Malformed:
        this.fail(400, "http1.codec_error");
        return chunk.length;
      case BodyEvent.TrailersTooLarge:
        this.fail(431, "request_trailers_too_large");
        return chunk.length;
    }
  }

  private endRequest(): void {
    this.requestOver = true;
    this.input = this.output === Output.None ? Input.Head : Input.WaitForAnswer;
  }

  /** What came in is no HTTP: nothing more is read, and the connection manager answers and closes. */
  private fail(status: number, details: string): void {
    this.input = Input.Discard;
    this.mustClose = true;
    if (this.output === Output.None) {
      this.output = Output.Awaited;
      this.isHeadRequest = false;
      this.requestOver = false;
      this.callbacks.onProtocolError(status, details, this);
      return;
    }
    if (this.output === Output.Awaited) {
      // The stream that the message belongs to gives the answer, and ends with it.
      this.callbacks.onProtocolError(status, details, this);
      return;
    }
    const decoder = this.decoder;
    this.decoder = undefined;
    decoder?.onReset("ProtocolError", details);
    this.callbacks.onProtocolError(status, details, undefined);
  }

  abandonHead(status: number, details: string): void {
    this.connection.enter();
    this.fail(status, details);
    this.connection.leave();
  }

  // ---- ResponseEncoder ----

  encode1xxHeaders(headers: HeaderMap): void {
    if (this.output !== Output.Awaited || this.http10) return;
    const status = Number(headers.get(":status"));
    this.connection.writeString(`${statusLine(status)}${serializeFields(headers, this.options.headerCase)}\r\n`);
  }

  encodeHeaders(headers: HeaderMap, endStream: boolean): void {
    if (this.output !== Output.Awaited) return;
    const status = Number(headers.get(":status"));
    const contentLength = headers.get("content-length");
    let text = statusLine(status) + serializeFields(headers, this.options.headerCase);
    if (status === 101 || (this.upgrade === "connect" && status >= 200 && status < 300)) {
      this.output = Output.Tunnel;
      this.input = Input.Tunnel;
      this.connection.writeString(`${text}\r\n`);
      this.resumeLater();
      return;
    }
    // Framing stands last, behind "connection", as Envoy writes it.
    let framing = "";
    if (status < 200 || status === 204 || status === 304 || this.isHeadRequest) {
      this.output = Output.NoBody;
      // RFC 9110 8.6: a 204 has no content-length.
      if (status === 204 && contentLength !== undefined) {
        headers.remove("content-length");
        text = statusLine(status) + serializeFields(headers, this.options.headerCase);
      }
      // The answer to a GET would have a body of unknown length.
      if (this.isHeadRequest && contentLength === undefined && status >= 200 && status !== 204 && status !== 304 && !this.http10)
        framing = "transfer-encoding: chunked\r\n";
    } else if (contentLength !== undefined) {
      this.output = Output.Fixed;
      this.bodyRemaining = parseLength(contentLength);
    } else if (endStream) {
      this.output = Output.Fixed;
      this.bodyRemaining = 0;
      framing = "content-length: 0\r\n";
    } else if (this.http10) {
      this.output = Output.UntilClose;
      this.mustClose = true;
    } else {
      this.output = Output.Chunked;
      framing = "transfer-encoding: chunked\r\n";
    }
    // Answered as a whole before the request was read: what still comes of it would be taken for the next request.
    if (endStream && !this.requestOver) this.mustClose = true;
    if (this.mustClose) {
      text += "connection: close\r\n";
      this.closeAfterAnswer = true;
    } else if (this.http10) text += "connection: keep-alive\r\n";
    text += framing;
    this.connection.writeString(`${text}\r\n`);
    if (endStream) this.endAnswer();
  }

  /** The connection will be closed after this answer; to be called before encodeHeaders. */
  markClose(): void {
    this.mustClose = true;
  }

  /** HTTP/1 has no word for it. */
  shutdownNotice(): void {}

  goAway(): void {
    this.mustClose = true;
  }

  encodeData(data: Uint8Array, endStream: boolean): void {
    switch (this.output) {
      case Output.Fixed:
        if (data.length > this.bodyRemaining) {
          // More than content-length promised: sending it would be read as the next answer.
          this.abort("http1.content_length_exceeded");
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
      case Output.UntilClose:
      case Output.Tunnel:
        this.connection.writeBytes(data);
        break;
      case Output.NoBody:
        break;
      case Output.None:
      case Output.Awaited:
        return;
    }
    if (endStream) this.endAnswer();
  }

  encodeTrailers(trailers: HeaderMap): void {
    if (this.output === Output.Chunked && this.options.enableTrailers) {
      this.connection.writeString(`0\r\n${serializeFields(trailers, this.options.headerCase)}\r\n`);
      this.endAnswer();
    } else this.encodeData(Buffer.alloc(0), true);
  }

  private endAnswer(): void {
    if (this.output === Output.Fixed && this.bodyRemaining > 0) {
      // Fewer bytes than promised: only the end of the connection tells the client.
      this.abort("http1.content_length_unmet");
      return;
    }
    const tunnel = this.output === Output.Tunnel;
    this.output = Output.None;
    this.decoder = undefined;
    this.upgrade = "";
    if (!this.requestOver || tunnel) {
      // The rest of the request (or tunnel) is not wanted any more; the connection manager closes.
      this.closeAfterAnswer = true;
    }
    if (this.closeAfterAnswer) {
      this.input = Input.Discard;
      this.dropHeld();
      return;
    }
    this.input = Input.Head;
    if (this.held !== undefined) this.resumeLater();
  }

  private dropHeld(): void {
    if (this.held === undefined) return;
    this.held = undefined;
    this.connection.readDisable(false);
  }

  /** Reads on with what was held back, when the stack is empty: an answer can complete inside the dispatch of its own request. */
  private resumeLater(): void {
    if (this.held !== undefined) process.nextTick(this.resumeHeld);
  }

  readDisable(disable: boolean): void {
    if (this.output === Output.None) return;
    if (disable) {
      if (this.streamReadDisabled++ === 0 && this.held === undefined && !this.dispatching) this.hold(Buffer.alloc(0));
    } else if (this.streamReadDisabled > 0 && --this.streamReadDisabled === 0) this.resumeLater();
  }

  /** The stream went wrong in here, and has not been told yet. */
  private abort(details: string): void {
    const decoder = this.decoder;
    this.resetStream("LocalReset");
    decoder?.onReset("LocalReset", details);
  }

  /**
   * HTTP/1.1 has no other way to abort a message than to end the connection. A message with a length or with chunks is seen to be
   * cut off by FIN, and answers that were complete before it still arrive; one that lasts until the close needs RST (RFC 9112 8).
   */
  resetStream(_reason: StreamResetReason): void {
    const output = this.output;
    this.output = Output.None;
    this.decoder = undefined;
    this.input = Input.Discard;
    this.closeAfterAnswer = true;
    if (output === Output.UntilClose || output === Output.Tunnel) this.connection.reset();
  }
}
