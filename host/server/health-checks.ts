// Active health checks run once for the process, on the main thread; what they find reaches the workers as a property of the endpoints
// in the snapshot. Follows the clusters of the newest snapshot: checkers of hosts that stay go on.
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/system.ts";
import type { Cluster, Endpoint, LocalityEndpoints } from "../config/cluster.ts";
import type { HealthCheck } from "../config/health-check.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { structuralKey } from "../config/structural-key.ts";
import { Http1ClientConnection } from "../http1/client.ts";
import { Http2ClientConnection } from "../http2/client.ts";
import { Http2Stats } from "../http2/stats.ts";
import { Connection } from "../net/connection.ts";
import { Flusher } from "../net/flusher.ts";
import { compileStringMatcher } from "../net/string-matcher.ts";
import type { StatsStore } from "../stats/store.ts";
import { formatAddress } from "../upstream/address.ts";
import { ANY_CONNECTION, UpstreamConnector } from "../upstream/connect.ts";
import { HealthCheckStats } from "../upstream/health-check-stats.ts";
import { HealthChecker, type Probe, type ProbeOwner } from "../upstream/health-checker.ts";
import { grpcQuestion, HttpProbe, httpQuestion, type MakeCodec, type ProbeContext, TcpProbe } from "../upstream/health-probes.ts";

export interface HealthChecksOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatsStore;
  /** `statName`: alt_stat_name or the name of a cluster. */
  hasTraffic(statName: string): boolean;
  /** Some host is taken for something else. */
  onChange(): void;
}

const uncounted = { received: (): void => {}, sent: (): void => {} };

/** Checks of one cluster: made anew when the cluster's way to check or to connect changes. */
class CheckedCluster {
  readonly key: string;
  private readonly config: Cluster;
  private readonly check: HealthCheck;
  private readonly options: HealthChecksOptions;
  private readonly flusher: Flusher;
  private readonly stats: HealthCheckStats;
  private readonly connector: UpstreamConnector;
  private readonly checkers = new Map<string, HealthChecker>();
  private http2: Http2Stats | undefined = undefined;

  constructor(key: string, config: Cluster, check: HealthCheck, options: HealthChecksOptions, flusher: Flusher) {
    this.key = key;
    this.config = config;
    this.check = check;
    this.options = options;
    this.flusher = flusher;
    this.stats = new HealthCheckStats(options.stats, this.statName);
    this.connector = new UpstreamConnector(config, options.stats, () => options.clock.wallMs());
  }

  private get statName(): string {
    return this.config.altStatName || this.config.name;
  }

  /** The same localities with what is known of their hosts. */
  decorate(localities: readonly LocalityEndpoints[], secrets: Snapshot["secrets"]): readonly LocalityEndpoints[] {
    this.connector.update(this.config, secrets);
    const gone = new Set(this.checkers.keys());
    const decorated = localities.map((locality) => ({
      ...locality,
      endpoints: locality.endpoints.map((endpoint) => {
        if (endpoint.healthCheck?.disabled === true) return endpoint;
        const address = formatAddress(endpoint.address);
        gone.delete(address);
        const checker = this.checkerOf(address, endpoint);
        const isIgnored = checker.pending && this.config.commonLb.ignoreNewHostsUntilFirstHealthCheck;
        return { ...endpoint, failedActiveHealthCheck: checker.failed, isIgnored };
      }),
    }));
    for (const address of gone) {
      this.checkers.get(address)?.close();
      this.checkers.delete(address);
    }
    this.stats.healthy.set([...this.checkers.values()].filter((checker) => !checker.failed).length);
    return decorated;
  }

  private checkerOf(address: string, endpoint: Endpoint): HealthChecker {
    let checker = this.checkers.get(address);
    if (checker === undefined) {
      const { clock, random, hasTraffic, onChange } = this.options;
      const ctx = { clock, random, stats: this.stats, hasTraffic: () => hasTraffic(this.statName), onChange };
      checker = new HealthChecker(this.check, ctx, (owner) => this.probe(endpoint, owner));
      this.checkers.set(address, checker);
    }
    return checker;
  }

  private probe(endpoint: Endpoint, owner: ProbeOwner): Probe {
    const { config, check, flusher } = this;
    const { probe } = check;
    const target = withPort(endpoint);
    const alpn = { protocols: probe.kind === "tcp" ? [] : [this.speaksHttp2 ? "h2" : "http/1.1"], overrides: false };
    const ctx: ProbeContext = {
      reuseConnection: check.reuseConnection,
      connect: (onReady) => this.connector.connect(target, ANY_CONNECTION, alpn, onReady),
      makeConnection: (reader, callbacks) => new Connection(reader, flusher, config.perConnectionBufferLimitBytes, uncounted, callbacks),
    };
    const hostname = endpoint.healthCheck?.hostname ?? "";
    switch (probe.kind) {
      case "tcp":
        return new TcpProbe(probe, owner, ctx);
      case "http": {
        const added = probe.headersToAdd.map(({ name, value }) => [name, value] as const);
        const matcher = probe.serviceName === undefined ? undefined : compileStringMatcher(probe.serviceName);
        return new HttpProbe(httpQuestion(probe, probe.host || hostname || config.name, added, matcher), this.codec, owner, ctx);
      }
      case "grpc": {
        const added = probe.metadata.map(({ name, value }) => [name, value] as const);
        return new HttpProbe(grpcQuestion(probe, probe.authority || hostname || config.name, added), this.codec, owner, ctx);
      }
    }
  }

  private get speaksHttp2(): boolean {
    const { probe } = this.check;
    return probe.kind === "grpc" || (probe.kind === "http" && probe.protocol === "HTTP2");
  }

  private readonly codec: MakeCodec = (connection, callbacks) => {
    const { http } = this.config;
    if (this.speaksHttp2) {
      this.http2 ??= new Http2Stats(this.options.stats, `cluster.${this.statName}.`);
      return new Http2ClientConnection(connection, callbacks, http.http2, this.http2, this.options.clock);
    }
    return new Http1ClientConnection(connection, callbacks, {
      maxHeaderBytes: http.maxResponseHeaderBytes,
      maxHeaders: http.maxResponseHeaders,
      headerCase: "default",
      enableTrailers: false,
    });
  };

  close(): void {
    for (const checker of this.checkers.values()) checker.close();
    this.checkers.clear();
    this.stats.healthy.set(0);
  }
}

function withPort(endpoint: Endpoint): Endpoint {
  const port = endpoint.healthCheck?.port ?? 0;
  return port === 0 || endpoint.address.kind === "pipe" ? endpoint : { ...endpoint, address: { ...endpoint.address, port } };
}

export class HealthChecks {
  private readonly options: HealthChecksOptions;
  private readonly flusher: Flusher;
  private readonly clusters = new Map<string, CheckedCluster>();

  constructor(options: HealthChecksOptions) {
    this.options = options;
    this.flusher = new Flusher(options.clock);
  }

  /** Follows the checked clusters of a snapshot, and says of their endpoints what the checks have found. */
  decorate(snapshot: Snapshot): Snapshot {
    const checked = snapshot.clusters.filter((cluster) => cluster.healthChecks.length > 0);
    const names = new Set(checked.map((cluster) => cluster.name));
    for (const [name, cluster] of this.clusters) {
      if (names.has(name)) continue;
      cluster.close();
      this.clusters.delete(name);
    }
    if (checked.length === 0) return snapshot;
    const endpoints = { ...snapshot.endpoints };
    const replaced = new Map<Cluster, Cluster>();
    for (const config of checked) {
      const cluster = this.follow(config);
      const service = config.edsServiceName || config.name;
      const assignment = config.type === "STATIC" ? undefined : endpoints[service];
      if (assignment !== undefined)
        endpoints[service] = { ...assignment, localities: cluster.decorate(assignment.localities, snapshot.secrets) };
      else replaced.set(config, { ...config, endpoints: cluster.decorate(config.endpoints, snapshot.secrets) });
    }
    const clusters = snapshot.clusters.map((cluster) => replaced.get(cluster) ?? cluster);
    return { ...snapshot, clusters, endpoints };
  }

  private follow(config: Cluster): CheckedCluster {
    const [check] = config.healthChecks;
    const key = structuralKey([check, config.transportSocket, config.transportSocketMatches, config.http, config.altStatName]);
    const known = this.clusters.get(config.name);
    if (known !== undefined && known.key === key) return known;
    known?.close();
    const cluster = new CheckedCluster(key, config, check, this.options, this.flusher);
    this.clusters.set(config.name, cluster);
    return cluster;
  }

  close(): void {
    for (const cluster of this.clusters.values()) cluster.close();
    this.clusters.clear();
  }
}
