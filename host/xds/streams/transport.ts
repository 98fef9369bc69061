// What a stream of messages is to the client: bytes in both directions and an end with its cause. gRPC is one way to have it
// (grpc-transport.ts); tests have another.

/** Why a stream ended; the back-off differs by it (back-off.ts). */
export type EndCause =
  /** No connection, or none in time. */
  | "connect"
  /** The server does not want this client: credentials, a bad node, no such method. */
  | "refused"
  /** The server wants fewer clients. */
  | "busy"
  /** It was there and went: the server's end, its connection age, a broken connection. */
  | "closed"
  /** A message over the limit. */
  | "too_large"
  /** Bytes that are no message. */
  | "broken"
  /** More messages than are kept for a busy watcher or a blocked writer. */
  | "overflow";

export interface StreamEnd {
  readonly cause: EndCause;
  readonly message: string;
}

export interface StreamListener {
  /** The connection is there. */
  onConnected(): void;
  onMessage(bytes: Uint8Array): void;
  /** write() is possible again. */
  onWritable(): void;
  /** Called once, and nothing after it; not called after cancel(). */
  onEnd(end: StreamEnd): void;
}

export interface XdsStream {
  /** To be called only while isWritable. */
  write(bytes: Uint8Array): void;
  /** Reading goes on while this is false. */
  readonly isWritable: boolean;
  cancel(): void;
}

export interface XdsTransport {
  /** Never calls the listener before it returns. `method`: "/package.Service/Method". */
  open(method: string, listener: StreamListener): XdsStream;
}
