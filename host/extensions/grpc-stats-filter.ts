// envoy.filters.http.grpc_stats: counts calls, statuses and messages of gRPC requests below their cluster, and writes the numbers of
// messages to the filter state. https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/grpc_stats_filter
import type { GrpcStatsConfig } from "../config/listener.ts";
import { FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus, PassThroughFilter } from "../http/filter.ts";
import type { FilterCallbacks, StreamFilter, StreamFilterFactory } from "../http/filter.ts";
import { isGrpcRequest } from "../http/grpc.ts";
import { GrpcFrameCounter } from "../http/grpc-frames.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { StatsStore } from "../stats/store.ts";
import type { ClusterManager } from "../upstream/cluster-manager.ts";
import { type GrpcMethod, type GrpcMethodStats, GrpcMethodTable, methodOf } from "./grpc-method-stats.ts";

const STATE_NAME = "envoy.filters.http.grpc_stats";

class GrpcStatsFilter extends PassThroughFilter {
  private readonly factory: GrpcStatsFactory;
  private readonly callbacks: FilterCallbacks;
  private readonly requests = new GrpcFrameCounter();
  private readonly responses = new GrpcFrameCounter();
  private isGrpcResponse = false;
  private isGrpc = false;
  private stats: GrpcMethodStats | undefined = undefined;

  constructor(factory: GrpcStatsFactory, callbacks: FilterCallbacks) {
    super();
    this.factory = factory;
    this.callbacks = callbacks;
  }

  override decodeHeaders(headers: HeaderMap): FilterHeadersStatus {
    this.isGrpc = isGrpcRequest(headers);
    if (this.isGrpc) this.stats = this.factory.statsOf(this.callbacks.route()?.clusterName, headers.get(":path"));
    return FilterHeadersStatus.Continue;
  }

  override decodeData(data: Uint8Array): FilterDataStatus {
    if (!this.isGrpc) return FilterDataStatus.Continue;
    const before = this.requests.count;
    this.requests.inspect(data);
    if (this.requests.count > before) {
      this.writeState();
      this.stats?.requestMessages.add(this.requests.count - before);
    }
    return FilterDataStatus.Continue;
  }

  override encodeHeaders(headers: HeaderMap, endStream: boolean): FilterHeadersStatus {
    const status = headers.get("grpc-status");
    this.isGrpcResponse = endStream ? status !== undefined : headers.get(":status") === "200" && isGrpcRequest(headers);
    this.stats?.charge(status);
    if (endStream) this.recordTime();
    return FilterHeadersStatus.Continue;
  }

  override encodeData(data: Uint8Array): FilterDataStatus {
    if (!this.isGrpcResponse) return FilterDataStatus.Continue;
    const before = this.responses.count;
    this.responses.inspect(data);
    if (this.responses.count > before) {
      this.writeState();
      this.stats?.responseMessages.add(this.responses.count - before);
    }
    return FilterDataStatus.Continue;
  }

  override encodeTrailers(trailers: HeaderMap): FilterTrailersStatus {
    this.stats?.charge(trailers.get("grpc-status"));
    this.recordTime();
    return FilterTrailersStatus.Continue;
  }

  private recordTime(): void {
    const { upstreamFirstByteSentAt: from, upstreamLastByteReceivedAt: to } = this.callbacks.info;
    if (!this.factory.config.enableUpstreamStats || from === 0 || to === 0) return;
    this.stats?.recordTime(Math.floor(to - from));
  }

  private writeState(): void {
    if (!this.factory.config.emitFilterState) return;
    const { info } = this.callbacks;
    info.filterState ??= new Map();
    info.filterState.set(STATE_NAME, Buffer.from(`${this.requests.count},${this.responses.count}`));
  }
}

export class GrpcStatsFactory implements StreamFilterFactory {
  readonly name: string;
  readonly config: GrpcStatsConfig;
  private readonly clusters: ClusterManager;
  private readonly table: GrpcMethodTable;
  /** "service/method" of the allow list; undefined: every method. */
  private readonly allowed: ReadonlyMap<string, GrpcMethod> | undefined;

  constructor(name: string, config: GrpcStatsConfig, store: StatsStore, clusters: ClusterManager) {
    this.name = name;
    this.config = config;
    this.clusters = clusters;
    this.table = new GrpcMethodTable(store, "grpc");
    this.allowed =
      config.methods === "all"
        ? undefined
        : new Map(config.methods.map(([service, method]) => [`${service}/${method}`, { service, method }]));
  }

  statsOf(clusterName: string | undefined, path: string | undefined): GrpcMethodStats | undefined {
    const cluster = clusterName === undefined ? undefined : this.clusters.get(clusterName);
    const method = methodOf(path);
    if (cluster === undefined || method === undefined) return undefined;
    const counted = this.allowed === undefined ? this.withoutDots(method) : this.allowed.get(`${method.service}/${method.method}`);
    return this.table.get(cluster.config.altStatName || cluster.config.name, counted);
  }

  /** A list's names stay as they are, as in Envoy. */
  private withoutDots({ service, method }: GrpcMethod): GrpcMethod {
    return { service: this.config.replaceDots ? service.replaceAll(".", "_") : service, method };
  }

  createFilter(callbacks: FilterCallbacks): StreamFilter {
    return new GrpcStatsFilter(this, callbacks);
  }

  close(): void {}
}
