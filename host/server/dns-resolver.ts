// STRICT_DNS and LOGICAL_DNS clusters: names are resolved here, on the main thread, and reach the workers as endpoints of the
// snapshot. The last good answer stays in force while a name cannot be resolved (Envoy: "Service discovery", "Strict DNS").
import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import type { Cluster, Endpoint, EndpointAssignment, LocalityEndpoints } from "../config/cluster.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { Counter, StatsStore } from "../stats/store.ts";

export interface Lookup {
  /** Addresses with the time to live in seconds; rejects when the name does not resolve. */
  resolve(name: string, family: 4 | 6): Promise<readonly { readonly address: string; readonly ttl: number }[]>;
}

export interface DnsResolverOptions {
  readonly lookup: Lookup;
  readonly stats: StatsStore;
  readonly maxEndpointsPerName?: number;
  /** The endpoints of some cluster changed. */
  onChange(): void;
  onFailure(cluster: string, name: string, error: string): void;
}

const MIN_TTL_MS = 5000;
const MAX_ENDPOINTS = 256;

interface DnsCluster {
  readonly config: Cluster;
  assignment: EndpointAssignment | undefined;
  timer: NodeJS.Timeout | undefined;
  resolving: boolean;
  readonly attempts: Counter;
  readonly successes: Counter;
  readonly failures: Counter;
}

export class DnsResolver {
  private readonly options: DnsResolverOptions;
  private readonly clusters = new Map<string, DnsCluster>();
  private closed = false;

  constructor(options: DnsResolverOptions) {
    this.options = options;
  }

  /** Follows the DNS clusters of a snapshot, and adds what they resolve to. */
  decorate(snapshot: Snapshot): Snapshot {
    const wanted = snapshot.clusters.filter((cluster) => cluster.type === "STRICT_DNS" || cluster.type === "LOGICAL_DNS");
    const names = new Set(wanted.map((cluster) => cluster.name));
    for (const [name, known] of this.clusters) {
      if (names.has(name)) continue;
      clearTimeout(known.timer);
      this.clusters.delete(name);
    }
    for (const config of wanted) this.follow(config);
    if (wanted.length === 0) return snapshot;
    const endpoints: Record<string, EndpointAssignment> = { ...snapshot.endpoints };
    for (const config of wanted) {
      const assignment = this.clusters.get(config.name)?.assignment;
      endpoints[config.name] = assignment ?? {
        clusterName: config.name,
        localities: [],
        overprovisioningFactor: undefined,
        dropPerMillion: config.dropPerMillion,
      };
    }
    return { ...snapshot, endpoints };
  }

  private follow(config: Cluster): void {
    const known = this.clusters.get(config.name);
    if (known !== undefined && known.config === config) return;
    clearTimeout(known?.timer);
    const p = `cluster.${config.altStatName || config.name}.`;
    const entry: DnsCluster = {
      config,
      assignment: literalAssignment(config) ?? known?.assignment,
      timer: undefined,
      resolving: false,
      attempts: this.options.stats.counter(`${p}update_attempt`),
      successes: this.options.stats.counter(`${p}update_success`),
      failures: this.options.stats.counter(`${p}update_failure`),
    };
    this.clusters.set(config.name, entry);
    void this.refresh(entry);
  }

  /** Resolves all names of a cluster once. True once there is an answer for each. */
  private async refresh(entry: DnsCluster): Promise<void> {
    if (this.closed || entry.resolving) return;
    entry.resolving = true;
    entry.attempts.inc();
    const { config } = entry;
    let ttlMs = Number.POSITIVE_INFINITY;
    let failed = false;
    const localities: LocalityEndpoints[] = [];
    for (const locality of config.endpoints) {
      const endpoints: Endpoint[] = [];
      for (const endpoint of locality.endpoints) {
        const found = await this.resolveEndpoint(config, endpoint);
        if (found === undefined) failed = true;
        else {
          endpoints.push(...found.endpoints);
          ttlMs = Math.min(ttlMs, found.ttlMs);
        }
      }
      localities.push({ ...locality, endpoints });
    }
    entry.resolving = false;
    if (this.closed || this.clusters.get(config.name) !== entry) return;
    if (failed) entry.failures.inc();
    else {
      entry.successes.inc();
      const next: EndpointAssignment = {
        clusterName: config.name,
        localities,
        overprovisioningFactor: undefined,
        dropPerMillion: config.dropPerMillion,
      };
      if (JSON.stringify(next) !== JSON.stringify(entry.assignment)) {
        entry.assignment = next;
        this.options.onChange();
      }
    }
    const delayMs = !failed && config.dns.respectDnsTtl && Number.isFinite(ttlMs) ? Math.max(MIN_TTL_MS, ttlMs) : config.dns.refreshRateMs;
    entry.timer = setTimeout(() => void this.refresh(entry), delayMs);
    entry.timer.unref();
  }

  private async resolveEndpoint(config: Cluster, endpoint: Endpoint): Promise<{ endpoints: Endpoint[]; ttlMs: number } | undefined> {
    const address = endpoint.address;
    if (address.kind === "pipe" || isIP(address.address) !== 0) return { endpoints: [endpoint], ttlMs: Number.POSITIVE_INFINITY };
    try {
      const answers = await this.resolveName(address.address, config.dns.lookupFamily);
      // A logical cluster is one host whose address is the first answer.
      const used =
        config.type === "LOGICAL_DNS" ? answers.slice(0, 1) : answers.slice(0, this.options.maxEndpointsPerName ?? MAX_ENDPOINTS);
      const ttlMs = Math.min(...used.map((answer) => answer.ttl * 1000));
      const hostname = endpoint.hostname || address.address;
      return {
        endpoints: used.map(
          (answer): Endpoint => ({ ...endpoint, hostname, address: { kind: "socket", address: answer.address, port: address.port } }),
        ),
        ttlMs,
      };
    } catch (error) {
      this.options.onFailure(config.name, address.address, error instanceof Error ? error.message : String(error));
      return undefined;
    }
  }

  private async resolveName(
    name: string,
    family: Cluster["dns"]["lookupFamily"],
  ): Promise<readonly { readonly address: string; readonly ttl: number }[]> {
    const { lookup } = this.options;
    switch (family) {
      case "V4_ONLY":
        return lookup.resolve(name, 4);
      case "V6_ONLY":
        return lookup.resolve(name, 6);
      case "V4_PREFERRED":
        return firstOf(
          () => lookup.resolve(name, 4),
          () => lookup.resolve(name, 6),
        );
      case "AUTO":
        return firstOf(
          () => lookup.resolve(name, 6),
          () => lookup.resolve(name, 4),
        );
      case "ALL": {
        const both = await Promise.allSettled([lookup.resolve(name, 4), lookup.resolve(name, 6)]);
        const found = both.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
        if (found.length > 0) return found;
        throw new Error(`${name} does not resolve`);
      }
    }
  }

  close(): void {
    this.closed = true;
    for (const entry of this.clusters.values()) clearTimeout(entry.timer);
  }
}

async function firstOf(
  first: () => Promise<readonly { readonly address: string; readonly ttl: number }[]>,
  second: () => Promise<readonly { readonly address: string; readonly ttl: number }[]>,
): Promise<readonly { readonly address: string; readonly ttl: number }[]> {
  try {
    const found = await first();
    if (found.length > 0) return found;
  } catch {
    // No address of the preferred family is not a failure: the other one decides.
  }
  return second();
}

/** A cluster whose endpoints are all literal addresses needs no answer to begin. */
function literalAssignment(config: Cluster): EndpointAssignment | undefined {
  const literal = config.endpoints.every((locality) =>
    locality.endpoints.every(({ address }) => address.kind === "pipe" || isIP(address.address) !== 0),
  );
  return literal
    ? { clusterName: config.name, localities: config.endpoints, overprovisioningFactor: undefined, dropPerMillion: config.dropPerMillion }
    : undefined;
}

/** The system's resolver; "localhost" and the hosts file are answered by getaddrinfo, as operators expect. */
export function systemLookup(): Lookup {
  const resolver = new Resolver();
  return {
    async resolve(name, family) {
      try {
        const found = family === 4 ? await resolver.resolve4(name, { ttl: true }) : await resolver.resolve6(name, { ttl: true });
        if (found.length > 0) return found;
      } catch {
        // Names of the hosts file are unknown to the DNS: getaddrinfo has the last word, and its error is the one reported.
      }
      const { lookup } = await import("node:dns/promises");
      const found = await lookup(name, { all: true, family });
      return found.map(({ address }) => ({ address, ttl: 60 }));
    },
  };
}
