// A whole data plane in this process, configured by Envoy's messages as proto-JSON: what a configuration file would do, with
// listeners on port 0. Filters of the tests stand in the chain by the name under which they are given.
import type { Server } from "node:net";
import type { TestContext } from "node:test";
import { Clock, type TimeSource } from "../../host/base/clock.ts";
import { systemRandom, systemTime, type Random } from "../../host/base/system.ts";
import type { HttpConnectionManager, HttpFilterConfig } from "../../host/config/listener.ts";
import type { PluginConfig } from "../../host/config/plugin.ts";
import type { Node, Snapshot } from "../../host/config/snapshot.ts";
import type { StreamFilterFactory } from "../../host/http/filter.ts";
import { DataPlane, type DataPlaneOptions } from "../../host/server/data-plane.ts";
import { StatsStore } from "../../host/stats/store.ts";
import { ConfigControl } from "../../host/xds/control.ts";
import { builtInExtensions } from "../../host/xds/extensions.ts";
import { loadBootstrap } from "../../host/xds/load-bootstrap.ts";
import type { Json } from "../../host/xds/message.ts";
import { createFileModuleSource } from "../../host/xds/module-source.ts";
import { formatProblems } from "../../host/xds/problems.ts";
import { RawUpstream } from "./raw-upstream.ts";

const MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const PROTOCOL_OPTIONS = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

export type Fields = Readonly<Record<string, Json>>;

export interface ListenerSpec {
  readonly name: string;
  /** Fields of the connection manager over the defaults of an edge listener. */
  readonly manager?: Fields;
  /** Fields of the listener itself. */
  readonly listener?: Fields;
  /** Routes of the only virtual host; default: everything to the cluster of the listener's name. */
  readonly routes?: readonly Json[];
  /** Instead of `routes`: the whole route configuration. */
  readonly routeConfig?: Fields;
  /** Of the only filter chain. */
  readonly transportSocket?: Json;
  /** Names of test filters before the router. */
  readonly filters?: readonly string[];
}

export interface ClusterSpec {
  readonly name: string;
  readonly ports: readonly number[];
  readonly cluster?: Fields;
  /** Fields of HttpProtocolOptions' common_http_protocol_options and http_protocol_options. */
  readonly common?: Fields;
  readonly http1?: Fields;
  /** Given: the cluster speaks HTTP/2. */
  readonly http2?: Fields;
}

export function clusterJson(spec: ClusterSpec): Json {
  const endpoints = spec.ports.map((port) => ({ endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } } }));
  const options: Fields =
    spec.common === undefined && spec.http1 === undefined && spec.http2 === undefined
      ? {}
      : {
          typed_extension_protocol_options: {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
              "@type": PROTOCOL_OPTIONS,
              ...(spec.common === undefined ? {} : { common_http_protocol_options: spec.common }),
              explicit_http_config:
                spec.http2 === undefined ? { http_protocol_options: spec.http1 ?? {} } : { http2_protocol_options: spec.http2 },
            },
          },
        };
  return {
    name: spec.name,
    connect_timeout: "1s",
    load_assignment: { cluster_name: spec.name, endpoints: [{ lb_endpoints: endpoints }] },
    ...options,
    ...spec.cluster,
  };
}

export function listenerJson(spec: ListenerSpec): Json {
  const routes = spec.routes ?? [{ match: { prefix: "/" }, route: { cluster: spec.name } }];
  const manager = {
    "@type": MANAGER,
    stat_prefix: spec.name,
    use_remote_address: true,
    normalize_path: true,
    http_filters: [{ name: "envoy.filters.http.router", typed_config: { "@type": ROUTER } }],
    route_config: spec.routeConfig ?? { name: spec.name, virtual_hosts: [{ name: "all", domains: ["*"], routes }] },
    ...spec.manager,
  };
  return {
    name: spec.name,
    address: { socket_address: { address: "127.0.0.1", port_value: 0 } },
    filter_chains: [
      {
        filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: manager }],
        ...(spec.transportSocket === undefined ? {} : { transport_socket: spec.transportSocket }),
      },
    ],
    ...spec.listener,
  };
}

/** The snapshot that a bootstrap with these resources makes. */
export function makeSnapshot(listeners: readonly ListenerSpec[], clusters: readonly ClusterSpec[], more: Fields = {}): Snapshot {
  const services = {
    checkRegex: () => undefined,
    checkFormat: () => undefined,
    modules: createFileModuleSource(),
    environment: {},
    extensions: builtInExtensions,
  };
  const json = {
    static_resources: { listeners: listeners.map((spec) => listenerJson(spec)), clusters: clusters.map(clusterJson) },
    ...more,
  };
  const loaded = loadBootstrap({ file: JSON.stringify(json) }, services);
  if (!loaded.ok) throw new Error(formatProblems(loaded.problems));
  let snapshot: Snapshot | undefined;
  const control = new ConfigControl({
    loaded: loaded.value,
    services,
    clock: { nowMs: () => 0, after: () => ({ cancel: () => {} }) },
    log: { info: () => {}, warn: () => {} },
    onSnapshot: (made) => {
      snapshot = made;
    },
    watch: undefined,
  });
  control.start();
  control.close();
  if (snapshot === undefined) throw new Error("the configuration made no snapshot");
  return withTestFilters(snapshot, listeners);
}

function withTestFilters(snapshot: Snapshot, specs: readonly ListenerSpec[]): Snapshot {
  const names = new Map(specs.map((spec) => [spec.name, spec.filters ?? []]));
  const addTo = (config: HttpConnectionManager, filters: readonly string[]): HttpConnectionManager => {
    const own = filters.map((name): HttpFilterConfig => ({ kind: "wasm", name, disabled: false, plugin: { name } as PluginConfig }));
    return { ...config, httpFilters: [...own, ...config.httpFilters] };
  };
  const listeners = snapshot.listeners.map((listener) => {
    const filters = names.get(listener.name) ?? [];
    if (filters.length === 0) return listener;
    const filterChains = listener.filterChains.map((chain) => ({
      ...chain,
      networkFilters: chain.networkFilters.map((filter) =>
        filter.kind === "http_connection_manager" ? { ...filter, config: addTo(filter.config, filters) } : filter,
      ),
    }));
    return { ...listener, filterChains };
  });
  return { ...snapshot, listeners };
}

export interface ProxyOptions extends TestDataPlaneOptions, Omit<ListenerSpec, "name" | "filters">, Omit<ClusterSpec, "name" | "ports"> {
  /** Names of `filters` in the order of the chain; default: all. */
  readonly chain?: readonly string[];
  /** How many upstreams the cluster has; default 1. */
  readonly upstreams?: number;
  /** More clusters, with an upstream each. */
  readonly others?: readonly string[];
}

export interface StartedProxy extends TestDataPlane {
  readonly port: (listener?: string) => number;
  readonly upstream: RawUpstream;
  readonly upstreams: readonly RawUpstream[];
  /** The upstreams of `others`. */
  readonly other: Readonly<Record<string, RawUpstream>>;
  /** Takes over another configuration of the same listener and cluster. */
  reconfigure(changes: Partial<ProxyOptions> & { readonly ports?: readonly number[]; readonly isRemoved?: boolean }): Promise<void>;
}

/** One listener "in" in front of one cluster "service"; all of it goes when the test ends. */
export async function startProxy(t: TestContext, options: ProxyOptions = {}): Promise<StartedProxy> {
  const upstreams = await Promise.all(Array.from({ length: options.upstreams ?? 1 }, () => new RawUpstream().listen()));
  const other: Record<string, RawUpstream> = {};
  for (const name of options.others ?? []) other[name] = await new RawUpstream().listen();
  const resources = (
    given: ProxyOptions & { readonly ports?: readonly number[]; readonly isRemoved?: boolean },
  ): [ListenerSpec[], ClusterSpec[]] => {
    const routes = given.routes ?? [{ match: { prefix: "/" }, route: { cluster: "service" } }];
    const listener = { ...given, name: "in", routes, filters: given.chain ?? Object.keys(given.filters ?? {}) };
    const cluster = { ...given, name: "service", ports: given.ports ?? upstreams.map((upstream) => upstream.port) };
    const others = Object.entries(other).map(([name, upstream]) => ({ name, ports: [upstream.port] }));
    return [given.isRemoved === true ? [] : [listener], [cluster, ...others]];
  };
  const plane = await startDataPlane(...resources(options), options);
  t.after(async () => {
    await plane.stop();
    await Promise.all([...upstreams, ...Object.values(other)].map((upstream) => upstream.close()));
  });
  return {
    ...plane,
    port: (listener = "in") => plane.port(listener),
    upstream: upstreams[0],
    upstreams,
    other,
    reconfigure: (changes) => plane.apply(...resources({ ...options, ...changes })),
  };
}

export interface TestDataPlane {
  readonly dataPlane: DataPlane;
  readonly stats: StatsStore;
  readonly clock: Clock;
  port(listener: string): number;
  counter(name: string): number;
  gauge(name: string): number;
  apply(listeners: readonly ListenerSpec[], clusters: readonly ClusterSpec[]): Promise<void>;
  stop(): Promise<void>;
}

export const TEST_NODE: Node = {
  id: "test",
  cluster: "",
  metadata: {},
  locality: { region: "", zone: "", subZone: "" },
  userAgentName: "",
  userAgentVersion: "",
};

export interface TestDataPlaneOptions {
  readonly filters?: Readonly<Record<string, StreamFilterFactory>>;
  /** Default: one that knows `filters` and no network filter. */
  readonly pluginHost?: DataPlaneOptions["pluginHost"];
  readonly random?: Random;
  readonly node?: Node;
  readonly maxConnections?: number;
  readonly drainTimeMs?: number;
  readonly bootstrap?: Fields;
  /** Default: the real clock. */
  readonly time?: TimeSource;
}

/** What a listener keeps to itself: the sockets, whose port nobody but a test asks for. */
interface WithServers {
  readonly listeners: ReadonlyMap<string, { readonly servers: readonly Server[] }>;
}

export async function startDataPlane(
  listeners: readonly ListenerSpec[],
  clusters: readonly ClusterSpec[],
  options: TestDataPlaneOptions = {},
): Promise<TestDataPlane> {
  const stats = new StatsStore(() => {});
  const clock = new Clock(options.time ?? systemTime);
  const filters = options.filters ?? {};
  const noNetworkFilter = (name: string): never => {
    throw new Error(`no plugin host for the network filter ${name}`);
  };
  const dataPlane = new DataPlane({
    clock,
    random: options.random ?? systemRandom,
    stats,
    logger: { log: () => {}, enabled: () => false },
    localIp: "192.0.2.2",
    node: options.node ?? TEST_NODE,
    maxConnections: options.maxConnections ?? 100_000,
    drainTimeMs: options.drainTimeMs ?? 1000,
    pluginHost: options.pluginHost ?? (() => ({ filter: (name) => filters[name], networkFilter: noNetworkFilter })),
  });
  const apply = async (nextListeners: readonly ListenerSpec[], nextClusters: readonly ClusterSpec[]): Promise<void> => {
    const failures = await dataPlane.apply(makeSnapshot(nextListeners, nextClusters, options.bootstrap));
    if (failures.length > 0) throw new Error(JSON.stringify(failures));
  };
  await apply(listeners, clusters);
  const port = (name: string): number => {
    const address = (dataPlane as unknown as WithServers).listeners.get(name)?.servers[0]?.address();
    if (typeof address !== "object" || address === null) throw new Error(`no listener ${name}`);
    return address.port;
  };
  return {
    dataPlane,
    stats,
    clock,
    port,
    counter: (name) => stats.counter(name).value,
    gauge: (name) => stats.gauge(name).value,
    apply,
    stop: () => dataPlane.stop(),
  };
}
