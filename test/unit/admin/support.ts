// Views of a small server whose data are those of an Envoy 1.40 that was asked the same questions.
import type { Cluster, Endpoint, LocalityEndpoints, Thresholds } from "../../../host/config/cluster.ts";
import { ENDPOINTS, type EndpointContext } from "../../../host/admin/endpoints.ts";
import { type Answer, AdminRouter, type IncomingHead } from "../../../host/admin/router.ts";
import type { AdminCluster, AdminResource, AdminViews } from "../../../host/admin/views.ts";
import { hostStatName } from "../../../host/stats/host-stats.ts";
import { TagProducer } from "../../../host/stats/tags.ts";
import { StatsBench } from "../stats/support.ts";

export const startedAtMs = Date.UTC(2026, 10, 24, 12, 0, 0);

const limits: Thresholds = {
  maxConnections: 1024,
  maxPendingRequests: 1024,
  maxRequests: 1024,
  maxRetries: 3,
  retryBudget: undefined,
  maxConnectionPools: undefined,
  trackRemaining: false,
};

export function cluster(name: string, endpoints: readonly LocalityEndpoints[], changes: Partial<Cluster> = {}): Cluster {
  return {
    name,
    altStatName: "",
    healthChecks: [],
    type: "STATIC",
    edsServiceName: "",
    connectTimeoutMs: 5000,
    perConnectionBufferLimitBytes: 1_048_576,
    lbPolicy: { kind: "ROUND_ROBIN" },
    commonLb: { healthyPanicThreshold: 50, failTrafficOnPanic: false, ignoreNewHostsUntilFirstHealthCheck: false },
    overprovisioningFactor: 140,
    circuitBreakers: { default: limits, high: limits },
    http: {} as Cluster["http"],
    dns: { refreshRateMs: 5000, respectDnsTtl: false, lookupFamily: "AUTO" },
    upstreamBindAddress: undefined,
    tcpKeepalive: undefined,
    endpoints,
    dropPerMillion: 0,
    ignoreHealthOnHostRemoval: false,
    metadata: {},
    originalDst: undefined,
    metadataExchange: undefined,
    transportSocket: { kind: "raw_buffer" },
    transportSocketMatches: [],
    ...changes,
  };
}

export function locality(endpoints: readonly Endpoint[], changes: Partial<LocalityEndpoints> = {}): LocalityEndpoints {
  return { region: "", zone: "", subZone: "", priority: 0, weight: undefined, endpoints, ...changes };
}

export function endpoint(address: Endpoint["address"], changes: Partial<Endpoint> = {}): Endpoint {
  return {
    address,
    hostname: "",
    healthStatus: "UNKNOWN",
    healthCheck: undefined,
    failedActiveHealthCheck: false,
    isIgnored: false,
    weight: 1,
    metadata: {},
    ...changes,
  };
}

const socket = (address: string, port: number): Endpoint["address"] => ({ kind: "socket", address, port });

export const clusters: readonly AdminCluster[] = [
  {
    config: cluster("up", [locality([endpoint(socket("127.0.0.1", 37001))])], {
      circuitBreakers: { default: { ...limits, maxConnections: 7 }, high: limits },
    }),
    addedViaApi: false,
    assignment: undefined,
  },
  {
    config: cluster("dyn", [], { type: "EDS", edsServiceName: "dyn-eds" }),
    addedViaApi: true,
    assignment: {
      clusterName: "dyn-eds",
      localities: [locality([endpoint(socket("127.0.0.1", 37001))])],
      overprovisioningFactor: undefined,
      dropPerMillion: 0,
    },
  },
  {
    config: cluster(
      "outbound|80||a.b.svc",
      [
        locality(
          [
            endpoint(socket("::1", 37001), {
              hostname: "h.example",
              healthStatus: "DRAINING",
              weight: 3,
              metadata: { "envoy.lb": { canary: true } },
            }),
            endpoint({ kind: "pipe", path: "/tmp/p.sock" }, { healthStatus: "UNHEALTHY" }),
            endpoint(socket("127.0.0.2", 37001), { healthStatus: "DEGRADED" }),
          ],
          { region: "r1", zone: "z1", subZone: "s1", priority: 1 },
        ),
      ],
      { altStatName: "alt_name" },
    ),
    addedViaApi: true,
    assignment: undefined,
  },
];

export function resource(changes: Partial<AdminResource> & Pick<AdminResource, "kind" | "name">): AdminResource {
  return {
    source: "/etc/r.yaml",
    versionInfo: "v1",
    lastUpdatedMs: startedAtMs,
    state: "active",
    json: { name: changes.name },
    error: undefined,
    ...changes,
  };
}

export interface FakeViews extends AdminViews {
  readonly calls: unknown[];
  readonly bench: StatsBench;
}

export function fakeViews(changes: Partial<AdminViews> = {}): FakeViews {
  const bench = new StatsBench();
  const calls: unknown[] = [];
  const levels = new Map([
    ["admin", "info"],
    ["http", "info"],
  ]);
  const store = bench.store(1);
  for (const [stat, value] of Object.entries({ cx_total: 2, rq_error: 7, rq_success: 14, rq_total: 21 }))
    store.counter(hostStatName("up", "127.0.0.1:37001", stat)).add(value);
  for (const stat of ["cx_total", "rq_success", "rq_total"]) store.counter(hostStatName("dyn", "127.0.0.1:37001", stat)).add(1);
  store.gauge(hostStatName("up", "127.0.0.1:37001", "cx_active")).set(2);
  store.gauge(hostStatName("dyn", "127.0.0.1:37001", "cx_active")).set(1);
  bench.flushAnnouncements();
  return {
    bench,
    calls,
    version: "1.2.3",
    startedAtMs,
    node: {
      id: "n1",
      cluster: "c1",
      metadata: { A: "b" },
      locality: { region: "rr", zone: "zz", subZone: "" },
      userAgentName: "",
      userAgentVersion: "",
    },
    bootstrapJson: { admin: {}, node: { id: "written" } },
    commandLine: { "config-path": "b.yaml", "drain-time-s": "5" },
    concurrency: 2,
    statsTags: [],
    useAllDefaultTags: true,
    stats: bench.merged,
    refreshStats: () => calls.push("refreshStats"),
    state: () => "LIVE",
    clusters: () => clusters,
    listeners: () => [
      { name: "l1", addresses: [{ kind: "socket", address: "127.0.0.1", port: 37010 }] },
      {
        name: "l2",
        addresses: [
          { kind: "socket", address: "::1", port: 1 },
          { kind: "pipe", path: "/tmp/l.sock" },
        ],
      },
    ],
    resources: () => [],
    plugins: () => [],
    modules: () => [],
    certificates: () => [],
    runtime: () => ({}),
    memory: () => ({ allocatedBytes: 1, heapSizeBytes: 2, heapFreeBytes: 3, physicalBytes: 4 }),
    logLevels: () => [...levels],
    setLogLevel(component, level) {
      for (const name of component === undefined ? [...levels.keys()] : [component]) levels.set(name, level);
    },
    drainListeners: (options) => calls.push(options),
    quit: () => calls.push("quit"),
    setHealthCheckFailed: (isFailed) => calls.push({ isFailed }),
    reopenLogs: () => calls.push("reopenLogs"),
    ...changes,
  };
}

export function contextOf(views: AdminViews): EndpointContext {
  return {
    views,
    tags: new TagProducer(views.statsTags, views.useAllDefaultTags),
    nowMs: () => startedAtMs + 5500,
    reopenLogs: () => views.reopenLogs(),
  };
}

export function routerOf(views: AdminViews, errors: string[] = []): AdminRouter {
  return new AdminRouter(contextOf(views), ["admin.example"], (what) => errors.push(what));
}

/** Asks as curl does; GET unless the target begins with "POST ". */
export function ask(views: AdminViews, target: string, head: Partial<IncomingHead> = {}): Answer["response"] {
  const [method, path] = target.includes(" ") ? target.split(" ") : ["GET", target];
  const answer = routerOf(views).answer({
    method,
    target: path,
    host: "127.0.0.1:15000",
    origin: undefined,
    fetchSite: undefined,
    ...head,
  });
  answer.release();
  return answer.response;
}

export const endpointPaths: readonly string[] = ENDPOINTS.map(({ path }) => path);
