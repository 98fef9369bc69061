// The two codecs without sockets: a server codec whose requests are written out again by a client codec, and the other way round. What
// a proxy does to a message, and nothing else.
import type { RequestDecoder, RequestEncoder, ResponseDecoder, ResponseEncoder, ServerConnectionCallbacks } from "../../host/http/codec.ts";
import { HeaderMap } from "../../host/http/header-map.ts";
import { removeHopByHop } from "../../host/http/request-headers.ts";
import { Http1ClientConnection } from "../../host/http1/client.ts";
import { Http1ServerConnection, type Http1ServerOptions } from "../../host/http1/server.ts";
import { FakeConnection } from "./fake-connection.ts";

export const SERVER_OPTIONS: Http1ServerOptions = {
  acceptHttp10: false,
  defaultHostForHttp10: "",
  allowAbsoluteUrl: true,
  allowChunkedLength: false,
  secure: false,
  maxHeaderBytes: 60 * 1024,
  maxHeaders: 100,
  enableTrailers: true,
  headerCase: "default",
};
const CLIENT_OPTIONS = { maxHeaderBytes: 60 * 1024, maxHeaders: 100, headerCase: "default", enableTrailers: true } as const;

export interface DecodedMessage {
  readonly headers: [string, string][];
  body: string;
  trailers: [string, string][];
  isComplete: boolean;
}

function text(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.length).latin1Slice();
}

/** Keeps a message and hands it on to an encoder. */
class Relay implements RequestDecoder, ResponseDecoder {
  message: DecodedMessage = { headers: [], body: "", trailers: [], isComplete: false };
  resetDetails = "";
  private readonly encoder: RequestEncoder | ResponseEncoder;
  private readonly onEnd: () => void;
  private readonly upgrade: () => string;

  constructor(encoder: RequestEncoder | ResponseEncoder, onEnd: () => void, upgrade: () => string = () => "") {
    this.encoder = encoder;
    this.onEnd = onEnd;
    this.upgrade = upgrade;
  }
  decode1xxHeaders(): void {}
  decodeHeaders(headers: HeaderMap, endStream: boolean): void {
    // As the connection manager does; without it no upgrade could be told from an ordinary request.
    removeHopByHop(headers, this.upgrade() !== "" && this.upgrade() !== "connect");
    this.message = { headers: headers.entries(), body: "", trailers: [], isComplete: endStream };
    this.encoder.encodeHeaders(headers, endStream);
    if (endStream) this.onEnd();
  }
  decodeData(data: Uint8Array, endStream: boolean): void {
    this.message.body += text(data);
    this.message.isComplete = endStream;
    this.encoder.encodeData(data, endStream);
    if (endStream) this.onEnd();
  }
  decodeTrailers(trailers: HeaderMap): void {
    this.message.trailers = trailers.entries();
    this.message.isComplete = true;
    this.encoder.encodeTrailers(trailers);
    this.onEnd();
  }
  onReset(_reason: string, details: string): void {
    this.resetDetails = details;
  }
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
}

export interface RequestRun {
  readonly messages: DecodedMessage[];
  /** What the client codec wrote, one text for each request. */
  readonly forwarded: string[];
  /** Status of the refusal, 0 when nothing was refused. */
  refused: number;
}

/** Feeds the pieces to a server codec; each request is answered when it is complete. */
export function runRequests(pieces: readonly Buffer[], options: Http1ServerOptions = SERVER_OPTIONS): RequestRun {
  const run: RequestRun = { messages: [], forwarded: [], refused: 0 };
  const downstream = new FakeConnection();
  const relays: Relay[] = [];
  const upstreams: FakeConnection[] = [];
  const callbacks: ServerConnectionCallbacks = {
    newStream(encoder) {
      const upstream = new FakeConnection();
      upstreams.push(upstream);
      const client = new Http1ClientConnection(
        upstream.asConnection,
        { onStreamComplete() {}, onGoAway() {}, onMaxStreamsChanged() {}, onProtocolError() {}, onClose() {} },
        CLIENT_OPTIONS,
      );
      const answer = (): void => encoder.encodeHeaders(HeaderMap.from([[":status", "200"]]), true);
      const relay = new Relay(client.newStream(new Relay(encoder, () => {})), answer, () => server.upgrade);
      relays.push(relay);
      return relay;
    },
    onPartialHead() {},
    onConnectionError() {},
    onProtocolError(status) {
      run.refused = status;
    },
  };
  const server: Http1ServerConnection = new Http1ServerConnection(downstream.asConnection, callbacks, options);
  for (const piece of pieces) server.onData(piece);
  server.onEnd();
  server.onClose("");
  run.messages.push(...relays.map((relay) => relay.message));
  run.forwarded.push(...upstreams.map((upstream) => upstream.written));
  return run;
}

export interface ResponseRun {
  readonly message: DecodedMessage;
  readonly isReset: boolean;
  /** What the server codec wrote. */
  readonly forwarded: string;
}

/** Feeds the pieces to a client codec that waits for the answer to one request, and writes that answer to a client. */
export function runResponse(pieces: readonly Buffer[], method: string, isEnded: boolean): ResponseRun {
  const upstream = new FakeConnection();
  const downstream = new FakeConnection();
  let relay: Relay | undefined;
  const client = new Http1ClientConnection(
    upstream.asConnection,
    { onStreamComplete() {}, onGoAway() {}, onMaxStreamsChanged() {}, onProtocolError() {}, onClose() {} },
    CLIENT_OPTIONS,
  );
  const server = new Http1ServerConnection(
    downstream.asConnection,
    {
      newStream(encoder) {
        relay = new Relay(encoder, () => {});
        const request = client.newStream(relay);
        request.encodeHeaders(
          HeaderMap.from([
            [":authority", "a"],
            [":path", "/"],
            [":method", method],
          ]),
          true,
        );
        return new Relay(request, () => {});
      },
      onPartialHead() {},
      onConnectionError() {},
      onProtocolError() {},
    },
    SERVER_OPTIONS,
  );
  server.onData(Buffer.from(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`));
  for (const piece of pieces) client.onData(piece);
  if (isEnded) client.onEnd();
  client.onClose("");
  if (relay === undefined) throw new Error("the request made no stream");
  return { message: relay.message, isReset: relay.resetDetails !== "" || !upstream.isOpen, forwarded: downstream.written };
}
