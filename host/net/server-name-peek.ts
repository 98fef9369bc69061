// Reads the name of the server out of a ClientHello before the handshake: a filter chain with several certificates must know which one
// to show. Unlike a TLS inspector it says nothing to the filter chain match, and nothing in the access log.
import type { AcceptedFacts } from "./accepted-facts.ts";
import { readClientHello } from "./listener-filters/client-hello.ts";
import type { ListenerFilter, ListenerFilterStatus } from "./listener-filters/filter.ts";

const MAX_CLIENT_HELLO = 16_384;
const RECORD_OVERHEAD = 4096;

export const SERVER_NAME_PEEK: ListenerFilter = {
  maxReadBytes: MAX_CLIENT_HELLO + RECORD_OVERHEAD,
  onAccept: (): ListenerFilterStatus => "wait",
  onData(data: Buffer, facts: AcceptedFacts): ListenerFilterStatus {
    const result = readClientHello(data, MAX_CLIENT_HELLO);
    if (result.kind === "more") return "wait";
    // What is no ClientHello fails in the handshake, which counts it.
    if (result.kind === "hello") facts.helloServerName = result.serverName;
    return "continue";
  },
};
