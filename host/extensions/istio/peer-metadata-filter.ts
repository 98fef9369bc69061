// istio.metadata_exchange (HTTP): peers in a mesh say in two headers who they are; this filter reads the peer's, takes them away from
// what goes on, and adds its own. A server says it only to clients that said so themselves.
// https://github.com/istio/proxy/tree/release-1.30/source/extensions/filters/http/peer_metadata
import type { PeerMetadataConfig } from "../../config/http-filters.ts";
import { FilterHeadersStatus, PassThroughFilter } from "../../http/filter.ts";
import type { FilterCallbacks, StreamFilter, StreamFilterFactory } from "../../http/filter.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import type { ClusterManager } from "../../upstream/cluster-manager.ts";
import type { ExtensionContext } from "../context.ts";
import { decodeStruct } from "../../base/struct-wire.ts";
import { setStreamPeer } from "./peers.ts";
import { ownWorkload, readWorkload, type Workload, workloadStruct } from "../../net/workload.ts";

const ID = "x-envoy-peer-metadata-id";
const METADATA = "x-envoy-peer-metadata";
/** Peers whose metadata is kept decoded, by id and value; the oldest leaves first. */
const MAX_CACHED = 500;
const MAX_CACHED_LENGTH = 4096;

class PeerMetadataFilter extends PassThroughFilter {
  private readonly factory: PeerMetadataFactory;
  private readonly callbacks: FilterCallbacks;
  private sentId = false;
  private sentMetadata = false;

  constructor(factory: PeerMetadataFactory, callbacks: FilterCallbacks) {
    super();
    this.factory = factory;
    this.callbacks = callbacks;
  }

  override decodeHeaders(headers: HeaderMap): FilterHeadersStatus {
    const { config } = this.factory;
    if (config.discoversDownstream) {
      this.sentId = headers.has(ID);
      this.sentMetadata = headers.has(METADATA);
      this.discover("downstream", headers);
    }
    if (config.upstreamPropagation !== undefined && !this.isExcluded(config.upstreamPropagation.skipExternalClusters)) {
      this.factory.addOwn(headers, true, true);
    }
    return FilterHeadersStatus.Continue;
  }

  override encodeHeaders(headers: HeaderMap): FilterHeadersStatus {
    const { config } = this.factory;
    if (config.discoversUpstream) this.discover("upstream", headers);
    if (config.downstreamPropagation !== undefined && !this.isExcluded(config.downstreamPropagation.skipExternalClusters)) {
      this.factory.addOwn(headers, this.sentId, this.sentMetadata);
    }
    return FilterHeadersStatus.Continue;
  }

  private discover(side: "downstream" | "upstream", headers: HeaderMap): void {
    const workload = this.factory.lookUp(headers.get(ID) ?? "", headers.get(METADATA) ?? "");
    if (workload !== undefined) setStreamPeer(this.callbacks.info, side, workload);
    headers.remove(ID);
    headers.remove(METADATA);
  }

  private isExcluded(skipsExternal: boolean): boolean {
    const name = this.callbacks.route()?.clusterName ?? "";
    return this.factory.isExcluded(name, skipsExternal);
  }
}

export class PeerMetadataFactory implements StreamFilterFactory {
  readonly name: string;
  readonly config: PeerMetadataConfig;
  private readonly clusters: ClusterManager;
  private readonly id: string;
  private readonly value: string;
  private readonly cache = new Map<string, Workload>();

  constructor(name: string, config: PeerMetadataConfig, ctx: ExtensionContext) {
    this.name = name;
    this.config = config;
    this.clusters = ctx.clusters;
    this.id = ctx.node.id;
    this.value = Buffer.from(workloadStruct(ownWorkload(ctx.node, config.additionalLabels))).toString("base64");
  }

  addOwn(headers: HeaderMap, withId: boolean, withMetadata: boolean): void {
    if (withId) headers.set(ID, this.id);
    if (withMetadata) headers.set(METADATA, this.value);
  }

  /** Clusters outside the mesh learn nothing where that is asked for, and those that say disable_mx never. */
  isExcluded(clusterName: string, skipsExternal: boolean): boolean {
    if (skipsExternal && clusterName === "PassthroughCluster") return true;
    const istio = this.clusters.get(clusterName)?.config.metadata.istio;
    return istio?.disable_mx === true || (skipsExternal && istio?.external === true);
  }

  lookUp(id: string, value: string): Workload | undefined {
    if (value === "") return undefined;
    // By the value too: an id is what a client says, and must not stand for what another one said.
    const key = `${id} ${value}`;
    const cached = this.cache.get(key);
    if (cached !== undefined) return cached;
    const struct = decodeStruct(Buffer.from(value, "base64"));
    if (struct === undefined) return undefined;
    const workload = readWorkload(struct, this.config.additionalLabels);
    if (value.length > MAX_CACHED_LENGTH) return workload;
    this.cache.set(key, workload);
    for (const oldest of this.cache.keys()) {
      if (this.cache.size <= MAX_CACHED) break;
      this.cache.delete(oldest);
    }
    return workload;
  }

  createFilter(callbacks: FilterCallbacks): StreamFilter {
    return new PeerMetadataFilter(this, callbacks);
  }

  close(): void {}
}
