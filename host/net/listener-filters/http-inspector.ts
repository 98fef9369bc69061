// envoy.filters.listener.http_inspector: whether a client that speaks no TLS speaks HTTP, and which version. What it finds is an
// application protocol ("http/1.0", "http/1.1", "h2c") for the filter chain match.
import type { Counter, StatsStore } from "../../stats/store.ts";
import type { AcceptedFacts } from "../accepted-facts.ts";
import type { ListenerFilter, ListenerFilterStatus } from "./filter.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");
/** A request line may be this long; Envoy reads as much. */
const MAX_LINE = 64 * 1024;
const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^\s]+ HTTP\/(1\.[01])\r?$/;
const METHOD_START = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}( |$)/;

export class HttpInspectorFilter implements ListenerFilter {
  readonly maxReadBytes = MAX_LINE;
  private readonly http10: Counter;
  private readonly http11: Counter;
  private readonly http2: Counter;
  private readonly notFound: Counter;

  constructor(store: StatsStore) {
    const c = (name: string): Counter => store.counter(`http_inspector.${name}`);
    this.http10 = c("http10_found");
    this.http11 = c("http11_found");
    this.http2 = c("http2_found");
    this.notFound = c("http_not_found");
  }

  onAccept(facts: AcceptedFacts): ListenerFilterStatus {
    // A TLS inspector before this one has said all there is to say.
    return facts.transportProtocol === "tls" ? "continue" : "wait";
  }

  onData(data: Buffer, facts: AcceptedFacts): ListenerFilterStatus {
    const compared = Math.min(data.length, PREFACE.length);
    if (data.subarray(0, compared).equals(PREFACE.subarray(0, compared))) {
      if (compared < PREFACE.length) return "wait";
      facts.applicationProtocols = ["h2c"];
      this.http2.inc();
      return "continue";
    }
    const end = data.indexOf(10);
    if (end < 0) {
      // Long before the line is whole it can be clear that it is none.
      if (data.length < MAX_LINE && METHOD_START.test(data.latin1Slice(0, 65))) return "wait";
      this.notFound.inc();
      return "continue";
    }
    const version = REQUEST_LINE.exec(data.latin1Slice(0, end))?.[1];
    if (version === undefined) {
      this.notFound.inc();
      return "continue";
    }
    facts.applicationProtocols = [`http/${version}`];
    (version === "1.0" ? this.http10 : this.http11).inc();
    return "continue";
  }
}
