// Network filters: what sees the bytes of a connection (Envoy's envoy/network/filter.h, with its words). A read filter gets what the
// client sends, in the order of the chain; a write filter what goes to the client, in reverse. The last filter is terminal: it takes
// the bytes. net/filter-manager.ts walks them; extensions/network-filters.ts has the table.
import type { BodyBuffer } from "../base/body-buffer.ts";
import type { Connection } from "./connection.ts";

export const FilterStatus = {
  /** On to the next filter. */
  Continue: 0,
  /** No filter behind this one sees the event; what is in the buffer stays there, and the next event shows it again. */
  StopIteration: 1,
} as const;
export type FilterStatus = (typeof FilterStatus)[keyof typeof FilterStatus];

/** Who ended the connection: the peer, or this side. */
export type ConnectionEvent = "RemoteClose" | "LocalClose";

export type ConnectionCloseType =
  /** What waits to be written is written first. */
  | "FlushWrite"
  | "NoFlush"
  /** RST, so that the peer does not take what it got for the whole. */
  | "AbortReset";

export interface NetworkFilter {
  /** Once, before the first bytes, and only when every filter before this one let it. */
  onNewConnection(): FilterStatus;
  /** `data` holds everything that no filter has taken; what a filter takes, it takes out of it. */
  onData(data: BodyBuffer, endStream: boolean): FilterStatus;
  /** Write filters only. The same for bytes on the way to the client. */
  onWrite?(data: BodyBuffer, endStream: boolean): FilterStatus;
  /** The connection is gone; exactly once, whatever came before. `reset`: by an RST of the client; `error`: the socket's code or "". */
  onClose(event: ConnectionEvent, reset: boolean, error: string): void;
  /** Of the terminal filter: more waits to be written to the client than the connection's limit allows. */
  onAboveWriteBufferHighWatermark?(): void;
  onBelowWriteBufferLowWatermark?(): void;
  /** Of the terminal filter: the listener drains; `now`: what is between two requests closes. */
  drain?(now: boolean): void;
}

/** What a filter may ask of its chain. */
export interface NetworkFilterCallbacks {
  readonly connection: Connection;
  readonly isOpen: boolean;
  /** Both directions have ended. */
  readonly hasEnded: boolean;
  /** FIN of the client is the end of its direction, not of the connection. */
  enableHalfClose(): void;
  /** Goes on behind this filter, which had stopped, with what is in the buffer. */
  continueReading(): void;
  /** Bytes of the filter's own, for the filters behind it. */
  injectReadData(data: Uint8Array, endStream: boolean): void;
  /** Where the bytes of the connection are counted. */
  countBytes(counters: { readonly received: { add(bytes: number): void }; readonly sent: { add(bytes: number): void } }): void;
  /** After a filter that took the connection's events for itself (the connection manager): the chain passes them on. */
  takeEvents(): void;
  /** Bytes to the client, through the write filters. Valid until the event is over. */
  write(data: Uint8Array, endStream: boolean): void;
  close(type: ConnectionCloseType): void;
}

/** What the chain keeps up to date; the stream info of the extensions is one. */
export interface ByteAccount {
  bytesReceived: number;
  bytesSent: number;
}
