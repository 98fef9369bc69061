// Listener filters look at an accepted connection before there is one: who the client is, what it is about to speak (Envoy:
// ListenerFilter). A filter is made once for each listener and keeps nothing of a connection: it is shown all bytes that were read so
// far, each time more came, so what it knows is what it can see.
import type { AcceptedFacts } from "../accepted-facts.ts";

/** Wait: more bytes are needed. Close: the connection is refused. */
export type ListenerFilterStatus = "continue" | "wait" | "close";

export interface ListenerFilter {
  /** The most bytes that it may wait for; 0: it decides without any. What is still undecided then gets onData for the last time. */
  readonly maxReadBytes: number;
  /** It calls libc, which must be loaded first. */
  readonly asksKernel?: boolean;
  onAccept(facts: AcceptedFacts): ListenerFilterStatus;
  /** `data` holds everything from the first byte that no filter consumed. */
  onData(data: Buffer, facts: AcceptedFacts): ListenerFilterStatus;
}
