// envoy.filters.listener.tls_inspector: whether a client speaks TLS, and what it says in its ClientHello.
import type { TlsInspector } from "../../config/listener-filter.ts";
import type { Counter, Histogram, StatsStore } from "../../stats/store.ts";
import type { AcceptedFacts } from "../accepted-facts.ts";
import { readClientHello } from "./client-hello.ts";
import type { ListenerFilter, ListenerFilterStatus } from "./filter.ts";

/** Headers of records come on top of the message: one for each 5 bytes at the very worst is still a limit. */
const RECORD_OVERHEAD = 4096;

export class TlsInspectorFilter implements ListenerFilter {
  readonly maxReadBytes: number;
  private readonly config: TlsInspector;
  private readonly tlsFound: Counter;
  private readonly tlsNotFound: Counter;
  private readonly sniFound: Counter;
  private readonly sniNotFound: Counter;
  private readonly alpnFound: Counter;
  private readonly alpnNotFound: Counter;
  private readonly tooLarge: Counter;
  private readonly parseError: Counter;
  private readonly bytesProcessed: Histogram;

  constructor(config: TlsInspector, store: StatsStore) {
    this.config = config;
    this.maxReadBytes = config.maxClientHelloBytes + RECORD_OVERHEAD;
    const c = (name: string): Counter => store.counter(`tls_inspector.${name}`);
    this.tlsFound = c("tls_found");
    this.tlsNotFound = c("tls_not_found");
    this.sniFound = c("sni_found");
    this.sniNotFound = c("sni_not_found");
    this.alpnFound = c("alpn_found");
    this.alpnNotFound = c("alpn_not_found");
    this.tooLarge = c("client_hello_too_large");
    this.parseError = c("tls_parse_error");
    this.bytesProcessed = store.histogram("tls_inspector.bytes_processed");
  }

  onAccept(): ListenerFilterStatus {
    return "wait";
  }

  onData(data: Buffer, facts: AcceptedFacts): ListenerFilterStatus {
    const result = readClientHello(data, this.config.maxClientHelloBytes);
    switch (result.kind) {
      case "more":
        if (data.length < this.maxReadBytes) return "wait";
        this.tooLarge.inc();
        return "close";
      case "not_tls":
        this.tlsNotFound.inc();
        return "continue";
      case "error":
        if (result.isTooLarge) {
          this.tooLarge.inc();
          return "close";
        }
        this.parseError.inc();
        this.tlsNotFound.inc();
        return this.config.closesOnError ? "close" : "continue";
      case "hello":
        this.bytesProcessed.record(result.length);
        facts.transportProtocol = "tls";
        this.tlsFound.inc();
        facts.helloServerName = result.serverName;
        if (result.serverName === "") this.sniNotFound.inc();
        else {
          facts.serverName = result.serverName;
          this.sniFound.inc();
        }
        if (result.protocols.length === 0) this.alpnNotFound.inc();
        else {
          facts.applicationProtocols = result.protocols;
          this.alpnFound.inc();
        }
        return "continue";
    }
  }
}
