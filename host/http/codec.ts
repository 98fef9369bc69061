// The codec interface: bytes ↔ stream events, the same for every HTTP version (Envoy's envoy/http/codec.h).
// A codec knows framing and nothing else; the connection manager and the pools know no framing.
import type { HeaderMap } from "./header-map.ts";

/** Why a stream ended before its time; the words of Envoy's StreamResetReason. */
export type StreamResetReason =
  | "LocalReset"
  | "LocalRefusedStreamReset"
  | "RemoteReset"
  /** The peer says that it has not looked at the stream (RST_STREAM REFUSED_STREAM, or a GOAWAY below its number). */
  | "RemoteRefusedStreamReset"
  | "ConnectionFailure"
  | "ConnectionTermination"
  | "Overflow"
  /** RST_STREAM CONNECT_ERROR: what is behind the peer's end of a tunnel is gone. */
  | "ConnectError"
  | "ProtocolError";

/** Receives one request (downstream side). After onReset nothing more is called. */
export interface RequestDecoder {
  decodeHeaders(headers: HeaderMap, endStream: boolean): void;
  decodeData(data: Uint8Array, endStream: boolean): void;
  decodeTrailers(trailers: HeaderMap): void;
  /** The peer or the connection ended the stream. */
  onReset(reason: StreamResetReason, details: string): void;
  /** The bytes waiting to be written to the client went above / below the connection's limit. */
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

/** Sends one response (downstream side). */
export interface ResponseEncoder {
  encode1xxHeaders(headers: HeaderMap): void;
  encodeHeaders(headers: HeaderMap, endStream: boolean): void;
  encodeData(data: Uint8Array, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
  /** Stops (true) or resumes (false) the delivery of this request's body. Counted: each true needs its false. */
  readDisable(disable: boolean): void;
  /** Ends the stream at once; over HTTP/1 that closes the connection. */
  resetStream(reason: StreamResetReason): void;
  /** The stream's number on its connection; 0 over HTTP/1. */
  readonly streamId: number;
  /** As logs write it: "HTTP/1.0", "HTTP/1.1", "HTTP/2". */
  readonly protocol: string;
  /**
   * What the request asks to switch to: "connect", an upgrade type in lower case, "" for an ordinary request. An extended CONNECT
   * (RFC 8441) comes as the GET with "connection: upgrade" that it stands for, and its answer goes out as 200 for 101.
   */
  readonly upgrade: string;
}

/** Receives one response (upstream side). */
export interface ResponseDecoder {
  decode1xxHeaders(headers: HeaderMap): void;
  decodeHeaders(headers: HeaderMap, endStream: boolean): void;
  decodeData(data: Uint8Array, endStream: boolean): void;
  decodeTrailers(trailers: HeaderMap): void;
  onReset(reason: StreamResetReason, details: string): void;
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
}

/** Sends one request (upstream side). */
export interface RequestEncoder {
  encodeHeaders(headers: HeaderMap, endStream: boolean): void;
  encodeData(data: Uint8Array, endStream: boolean): void;
  encodeTrailers(trailers: HeaderMap): void;
  readDisable(disable: boolean): void;
  resetStream(reason: StreamResetReason): void;
}

/** What a server codec tells its connection manager. */
export interface ServerConnectionCallbacks {
  newStream(encoder: ResponseEncoder): RequestDecoder;
  /** Part of a head has arrived, and the rest is not there. */
  onPartialHead(): void;
  /** Bytes that are no request: answer `status` if nothing was sent yet, then close. `details` is the response code detail. */
  onProtocolError(status: number, details: string, encoder: ResponseEncoder | undefined): void;
  /** The connection as a whole is broken. The codec has ended its streams and said why (GOAWAY): close after what is pending. */
  onConnectionError(details: string): void;
}

/** A server codec as its connection manager sees it. */
export interface ServerConnection {
  /** Streams of one connection run side by side (HTTP/2), or one after the other (HTTP/1). */
  readonly multiplexed: boolean;
  onData(chunk: Buffer): void;
  /** The client half-closed; true when an answer is still to be sent. */
  onEnd(): boolean;
  onClose(details: string): void;
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
  /** No message in progress and no part of one received. */
  readonly idle: boolean;
  /** HTTP/1: the answer in progress (or the next one) will be the last. HTTP/2: nothing, see the two below. */
  markClose(): void;
  /** HTTP/2: a GOAWAY that names no last stream: the client may still begin some, and should not. HTTP/1: nothing. */
  shutdownNotice(): void;
  /** HTTP/2: the final GOAWAY: later streams are refused, those in progress finish. HTTP/1: markClose(). */
  goAway(): void;
  /** Gives up on a head that never became complete: answers like any other bad request. */
  abandonHead(status: number, details: string): void;
  /** The last answer has been sent: close. */
  readonly closeAfterAnswer: boolean;
}

/** What a client codec tells its pool. */
export interface ClientConnectionCallbacks {
  /** One exchange is over; `reusable` says whether the connection may carry another. */
  onStreamComplete(reusable: boolean): void;
  /** The peer takes no further streams (GOAWAY); those in progress may finish. */
  onGoAway(): void;
  /** The peer's SETTINGS changed how many streams may be open. */
  onMaxStreamsChanged(): void;
  /** What the server sent is no HTTP: the connection ends. */
  onProtocolError(): void;
  onClose(error: string): void;
}

/** A client codec as its pool sees it. */
export interface ClientConnection {
  /** Begins an exchange; fewer than maxConcurrentStreams must be in progress. */
  newStream(decoder: ResponseDecoder): RequestEncoder;
  readonly multiplexed: boolean;
  /** As logs write it. */
  readonly protocol: string;
  /** 1 over HTTP/1; over HTTP/2 the smaller of our limit and the peer's, 0 after a GOAWAY. */
  readonly maxConcurrentStreams: number;
}
