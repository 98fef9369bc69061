// Every name that the code defines stands in the catalogue, with the right kind; and the table itself is sound.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { Clock } from "../../../host/base/clock.ts";
import { systemTime } from "../../../host/base/system.ts";
import type { Endpoint, LocalityEndpoints, Thresholds } from "../../../host/config/cluster.ts";
import type { Listener } from "../../../host/config/listener.ts";
import { LogFiles } from "../../../host/extensions/log-file.ts";
import { ConnManagerStats } from "../../../host/http/conn-manager-stats.ts";
import { Http2Stats } from "../../../host/http2/stats.ts";
import { ActiveListener, type ListenerContext } from "../../../host/net/listener.ts";
import { RouterStats } from "../../../host/router/router-stats.ts";
import { Lifecycle } from "../../../host/server/lifecycle.ts";
import { ServerStats } from "../../../host/server/server-stats.ts";
import { describeStat, STAT_GROUPS } from "../../../host/stats/catalog.ts";
import type { StatsStore } from "../../../host/stats/store.ts";
import { CircuitBreaker } from "../../../host/upstream/circuit-breaker.ts";
import { HealthCheckStats } from "../../../host/upstream/health-check-stats.ts";
import { ClusterStats } from "../../../host/upstream/cluster-stats.ts";
import { Host } from "../../../host/upstream/host.ts";
import { HttpInspectorFilter } from "../../../host/net/listener-filters/http-inspector.ts";
import { ProxyProtocolFilter } from "../../../host/net/listener-filters/proxy-protocol-filter.ts";
import { TlsInspectorFilter } from "../../../host/net/listener-filters/tls-inspector.ts";
import { TlsStats } from "../../../host/net/tls-stats.ts";
import { StatsBench } from "./support.ts";

const silent = { log: () => {}, enabled: () => false };
const clock = new Clock(systemTime);

const listener: Listener = {
  name: "l",
  statPrefix: "",
  addresses: [{ kind: "socket", address: "127.0.0.1", port: 10000 }],
  filterChains: [],
  defaultFilterChain: undefined,
  trafficDirection: "UNSPECIFIED",
  perConnectionBufferLimitBytes: 1,
  tcpBacklogSize: 1,
  maxConnections: 1,
  drainType: "DEFAULT",
  accessLogs: [],
  metadata: {},
  ignoreGlobalConnLimit: false,
  bindToPort: true,
  useOriginalDst: false,
  listenerFilters: [],
  listenerFiltersTimeoutMs: 0,
  continueOnListenerFiltersTimeout: false,
};

const thresholds: Thresholds = {
  maxConnections: 1,
  maxPendingRequests: 1,
  maxRequests: 1,
  maxRetries: 1,
  retryBudget: undefined,
  maxConnectionPools: undefined,
  trackRemaining: true,
};

const endpoint: Endpoint = {
  address: { kind: "socket", address: "10.0.0.1", port: 80 },
  hostname: "",
  healthStatus: "HEALTHY",
  healthCheck: undefined,
  failedActiveHealthCheck: false,
  isIgnored: false,
  weight: 1,
  metadata: {},
};
const locality: LocalityEndpoints = { region: "", zone: "", subZone: "", priority: 0, weight: undefined, endpoints: [endpoint] };

const owners: Readonly<Record<string, (store: StatsStore) => unknown>> = {
  "connection manager": (store) => new ConnManagerStats(store, "ingress.http", "listener.127.0.0.1_10000."),
  router: (store) => new RouterStats(store, "ingress"),
  cluster(store) {
    const stats = new ClusterStats(store, "outbound|80||a.b.svc");
    stats.countCode(200, true);
    stats.countCode(503, false);
  },
  "health checks": (store) => new HealthCheckStats(store, "up"),
  "HTTP/2 codecs": (store) => [new Http2Stats(store, ""), new Http2Stats(store, "cluster.up.")],
  host: (store) => new Host(endpoint, locality, store, "up"),
  "circuit breakers": (store) => [
    new CircuitBreaker(thresholds, store, "up", "default"),
    new CircuitBreaker(thresholds, store, "up", "high"),
  ],
  listener: (store) => new ActiveListener(listener, { stats: store, secrets: {}, flusher: { clock } } as unknown as ListenerContext),
  "TLS of clients": (store) => new TlsStats(store, "listener.127.0.0.1_10000."),
  "TLS of hosts": (store) => new TlsStats(store, "cluster.up."),
  "listener filters": (store) => [
    new TlsInspectorFilter({ kind: "tls_inspector", maxClientHelloBytes: 1, closesOnError: false }, store),
    new HttpInspectorFilter(store),
    ...["", "mine"].map((statPrefix) => {
      const config = {
        kind: "proxy_protocol",
        allowRequestsWithoutProxyProtocol: false,
        disallowedVersions: [],
        statPrefix,
        rules: [],
      } as const;
      return new ProxyProtocolFilter(config, store);
    }),
  ],
  "access log files": (store) => new LogFiles(clock, store, silent),
  server: (store) => new ServerStats(store, 1, new Lifecycle(silent, 0)),
};

test("what the real classes define is in the catalogue", () => {
  for (const [owner, make] of Object.entries(owners)) {
    const bench = new StatsBench();
    make(bench.store(1));
    bench.flushAnnouncements();
    assert.ok(bench.definitions.length > 0, owner);
    const missing = bench.definitions
      .filter(({ name, kind }) => describeStat(name, kind) === undefined)
      .map(({ name, kind }) => `${kind} ${name}`);
    assert.deepEqual(missing, [], owner);
  }
});

test("names written in the code elsewhere are in the catalogue", () => {
  const host = new URL("../../../host/", import.meta.url).pathname;
  const missing: string[] = [];
  for (const file of readdirSync(host, { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".js")) continue;
    const source = readFileSync(join(host, file), "utf8");
    for (const [, kind, name] of source.matchAll(/\.(counter|gauge|histogram)\("([a-z][a-z0-9_.]*)"\)/g)) {
      if (describeStat(name, kind as "counter") === undefined) missing.push(`${kind} ${name} (${file})`);
    }
  }
  assert.deepEqual(missing, []);
});

test("no row stands twice, every help is a sentence without a full stop", () => {
  const seen = new Set<string>();
  for (const { prefix, stats } of STAT_GROUPS) {
    for (const [name, kind, , help] of stats) {
      const key = `${kind} ${prefix}${name}`;
      assert.ok(!seen.has(key), key);
      seen.add(key);
      assert.match(help, /^[A-Z0-9].*[^.]$/, key);
    }
  }
});

test("a name is described by its own row", () => {
  assert.equal(describeStat("cluster.a.b.upstream_rq_503", "counter")?.pattern, "cluster.<cluster_name>.upstream_rq_<code>");
  assert.equal(describeStat("cluster.a.b.upstream_rq_time", "histogram")?.unit, "milliseconds");
  assert.equal(
    describeStat("listener.127.0.0.1_80.http.x.downstream_rq_2xx", "counter")?.pattern,
    "listener.<address>.http.<stat_prefix>.downstream_rq_2xx",
  );
  assert.equal(describeStat("nobody.knows", "counter"), undefined);
});
