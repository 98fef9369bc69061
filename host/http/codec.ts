// The codec interface: bytes ↔ stream events, the same for every HTTP version (Envoy's envoy/http/codec.h).
// A codec knows framing and nothing else; the connection manager and the pools know no framing.
import type { HeaderMap } from "./header-map.ts";

/** Why a stream ended before its time; the words of Envoy's StreamResetReason. */
export type StreamResetReason = "LocalReset" | "RemoteReset" | "ConnectionFailure" | "ConnectionTermination" | "Overflow" | "ProtocolError";

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
  /** The request needs its final answer to be the last on this connection. */
  readonly connectionMustClose: boolean;
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
}

/** A server codec as its connection manager sees it. */
export interface ServerConnection {
  onData(chunk: Buffer): void;
  /** The client half-closed; true when an answer is still to be sent. */
  onEnd(): boolean;
  onClose(details: string): void;
  onAboveWriteBufferHighWatermark(): void;
  onBelowWriteBufferLowWatermark(): void;
  /** No message in progress and no part of one received. */
  readonly idle: boolean;
  /** The request in progress has not been read to its end. */
  readonly requestIncomplete: boolean;
  readonly protocol: string;
  /** What the request in progress asks to switch to: "connect", an upgrade type in lower case, "" for an ordinary request. */
  readonly upgrade: string;
  /** The answer in progress (or the next one) will be the last. */
  markClose(): void;
  /** Gives up on a head that never became complete: answers like any other bad request. */
  abandonHead(status: number, details: string): void;
  /** The last answer has been sent: close. */
  readonly closeAfterAnswer: boolean;
}
