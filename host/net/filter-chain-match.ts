// Which filter chain a connection gets (config.listener.v3.FilterChainMatch). Criteria are tried in Envoy's order; each narrows the
// candidates to the most specific that fit, without going back.
import type { FilterChain } from "../config/listener.ts";
import { CidrSet } from "./cidr.ts";

export interface ConnectionFacts {
  readonly localIp: string;
  readonly localPort: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  /** Of the socket itself, whatever a PROXY header said. */
  readonly directRemoteIp: string;
  /** "" until a TLS inspector has seen a ClientHello. */
  readonly serverName: string;
  readonly transportProtocol: "raw_buffer" | "tls";
  readonly applicationProtocols: readonly string[];
}

interface Candidate {
  readonly chain: FilterChain;
  readonly destination: readonly PrefixRange[];
  readonly directSource: readonly PrefixRange[];
  readonly source: readonly PrefixRange[];
}

interface PrefixRange {
  readonly set: CidrSet;
  readonly length: number;
}

/** Specificity of a criterion for one candidate: higher is better, -1 does not fit, 0 is "not set". */
type Criterion = (candidate: Candidate, facts: ConnectionFacts) => number;

function ranges(prefixes: readonly string[]): PrefixRange[] {
  return prefixes.map((prefix) => {
    const slash = prefix.indexOf("/");
    const length = slash < 0 ? (prefix.includes(":") ? 128 : 32) : Number(prefix.slice(slash + 1));
    return { set: new CidrSet([prefix]), length };
  });
}

function longest(prefixes: readonly PrefixRange[], ip: string): number {
  if (prefixes.length === 0) return 0;
  let best = -1;
  for (const { set, length } of prefixes) if (set.contains(ip) && length + 1 > best) best = length + 1;
  return best;
}

function isLocal(facts: ConnectionFacts): boolean {
  return facts.remoteIp === facts.localIp || facts.remoteIp.startsWith("127.") || facts.remoteIp === "::1";
}

function serverName(names: readonly string[], given: string): number {
  if (names.length === 0) return 0;
  let best = -1;
  for (const name of names) {
    if (name === given) return 1000;
    if (name.startsWith("*.") && given.endsWith(name.slice(1)) && name.length > best) best = name.length;
  }
  return best;
}

const CRITERIA: readonly Criterion[] = [
  ({ chain }, facts) => (chain.match.destinationPort === undefined ? 0 : chain.match.destinationPort === facts.localPort ? 1 : -1),
  ({ destination }, facts) => longest(destination, facts.localIp),
  ({ chain }, facts) => serverName(chain.match.serverNames, facts.serverName),
  ({ chain }, facts) => (chain.match.transportProtocol === "" ? 0 : chain.match.transportProtocol === facts.transportProtocol ? 1 : -1),
  ({ chain }, facts) => {
    const wanted = chain.match.applicationProtocols;
    if (wanted.length === 0) return 0;
    // The client's first choice that a chain takes decides.
    const at = facts.applicationProtocols.findIndex((protocol) => wanted.includes(protocol));
    return at < 0 ? -1 : facts.applicationProtocols.length - at;
  },
  ({ directSource }, facts) => longest(directSource, facts.directRemoteIp),
  ({ chain }, facts) => {
    if (chain.match.sourceType === "ANY") return 0;
    return (chain.match.sourceType === "SAME_IP_OR_LOOPBACK") === isLocal(facts) ? 1 : -1;
  },
  ({ source }, facts) => longest(source, facts.remoteIp),
  ({ chain }, facts) => (chain.match.sourcePorts.length === 0 ? 0 : chain.match.sourcePorts.includes(facts.remotePort) ? 1 : -1),
];

export class FilterChainMatcher {
  private readonly candidates: readonly Candidate[];
  private readonly fallback: FilterChain | undefined;

  constructor(chains: readonly FilterChain[], fallback: FilterChain | undefined) {
    this.candidates = chains.map((chain) => ({
      chain,
      destination: ranges(chain.match.prefixRanges),
      directSource: ranges(chain.match.directSourcePrefixRanges),
      source: ranges(chain.match.sourcePrefixRanges),
    }));
    this.fallback = fallback;
  }

  find(facts: ConnectionFacts): FilterChain | undefined {
    let candidates = this.candidates;
    for (const criterion of CRITERIA) {
      let best = 0;
      let kept: Candidate[] = [];
      for (const candidate of candidates) {
        const score = criterion(candidate, facts);
        if (score < 0 || score < best) continue;
        if (score > best) {
          best = score;
          kept = [];
        }
        kept.push(candidate);
      }
      candidates = kept;
      if (candidates.length === 0) return this.fallback;
    }
    return candidates[0].chain;
  }
}
