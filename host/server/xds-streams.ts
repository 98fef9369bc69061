// The clients of control planes: whom a gRPC service names, as the bootstrap's static clusters say it, and one client for each source.
import type { Cluster } from "../config/cluster.ts";
import type { GrpcApi, GrpcService } from "../config/extension.ts";
import { systemTime } from "../base/system.ts";
import type { Node } from "../config/snapshot.ts";
import type { StatsStore } from "../stats/store.ts";
import type { XdsClock, XdsLog } from "../xds/clock.ts";
import { nameOf, type StreamSource, type Streams } from "../xds/streams-of.ts";
import { type Codecs, loadCodecs } from "../xds/protos.ts";
import type { ResourceKind } from "../xds/resource-kinds.ts";
import { createXdsClient } from "../xds/streams/client.ts";
import type { XdsClient, XdsClientStatus } from "../xds/streams/contract.ts";
import type { GrpcTarget } from "../xds/streams/grpc-transport.ts";
import { LateClient } from "../xds/streams/late-client.ts";
import { VERSION } from "./version.ts";

export interface XdsStreamsOptions {
  /** dynamic_resources.ads_config. */
  readonly ads: GrpcApi | undefined;
  readonly clusters: readonly Cluster[];
  readonly node: Node;
  readonly clock: XdsClock;
  readonly log: XdsLog;
  readonly stats: StatsStore;
  random(): number;
}

export class XdsStreams implements Streams {
  readonly stats: StatsStore;
  readonly monotonicMs = (): number => systemTime.monotonicMs();
  readonly #options: XdsStreamsOptions;
  #codecs: Codecs | undefined;
  readonly #clients = new Map<string, XdsClient>();

  constructor(options: XdsStreamsOptions) {
    this.#options = options;
    this.stats = options.stats;
  }

  /** There since before the first response. */
  get codecs(): Codecs {
    if (this.#codecs === undefined) throw new Error("the codecs are not loaded");
    return this.#codecs;
  }

  client(source: StreamSource, kind: ResourceKind): XdsClient {
    const key = source.kind === "ads" ? "ads" : `${kind} ${source.key}`;
    let client = this.#clients.get(key);
    if (client === undefined) {
      client = new LateClient(() => this.#load(source, kind), this.#options.log, this.#options.clock.nowMs());
      this.#clients.set(key, client);
      client.start();
    }
    return client;
  }

  /** Of each stream, by its name. */
  get statuses(): readonly (readonly [name: string, status: XdsClientStatus])[] {
    return [...this.#clients].map(([name, client]) => [name, client.status]);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  /** gRPC and the codecs take tens of milliseconds to load, and a host without a control plane never needs them. */
  async #load(source: StreamSource, kind: ResourceKind): Promise<XdsClient> {
    const { ads, node, clock, log, stats, random } = this.#options;
    const api = source.kind === "ads" ? ads : source.api;
    if (api === undefined) throw new Error("dynamic_resources.ads_config is not set");
    const target = this.#targetOf(api.service);
    const [{ GrpcTransport }, codecs] = await Promise.all([import("../xds/streams/grpc-transport.ts"), loadCodecs()]);
    this.#codecs = codecs;
    return createXdsClient({
      variant: api.isDelta ? "delta" : "sotw",
      isAggregated: source.kind === "ads",
      node: nodeBytes(codecs, node),
      codecs,
      transport: new GrpcTransport({ target: () => target, clock }),
      clock,
      random,
      log: {
        info: (message) => log.info(`${nameOf(source)}: ${message}`),
        warn: (message) => log.warn(`${nameOf(source)}: ${message}`),
      },
      stats,
      statPrefix: source.kind === "ads" ? "control_plane" : `control_plane.${kind}`,
    });
  }

  #targetOf({ target, initialMetadata }: GrpcService): GrpcTarget {
    const common = { metadata: initialMetadata, metadataFiles: [] };
    if (target.kind === "google_grpc") {
      const tls = target.tls === undefined ? undefined : { ...target.tls, serverName: undefined };
      return { ...common, address: target.targetUri, tls, authority: undefined, maxReceiveBytes: undefined };
    }
    const cluster = this.#options.clusters.find(({ name }) => name === target.clusterName);
    const address = cluster === undefined ? undefined : addressOf(cluster);
    if (cluster === undefined || address === undefined)
      throw new Error(`gRPC service: cluster '${target.clusterName}' is not a static cluster with an endpoint`);
    const authority = target.authority === "" ? undefined : target.authority;
    return { ...common, address, tls: tlsOf(cluster), authority, maxReceiveBytes: target.maxReceiveBytes };
  }
}

function tlsOf({ name, transportSocket }: Cluster): GrpcTarget["tls"] {
  if (transportSocket.kind === "raw_buffer") return undefined;
  if (transportSocket.kind !== "tls") throw new Error(`cluster '${name}': ${transportSocket.kind} is not implemented for a control plane`);
  const { common, sni } = transportSocket;
  const [certificate] = common.certificates;
  return {
    rootCerts: textOf(common.validation?.trustedCa),
    privateKey: textOf(certificate?.privateKey),
    certChain: textOf(certificate?.certificateChain),
    serverName: sni === "" ? undefined : sni,
  };
}

function textOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes).toString();
}

/** The first endpoint: the library has its own name resolution and balancing behind a name. */
function addressOf(cluster: Cluster): string | undefined {
  const address = cluster.endpoints.flatMap(({ endpoints }) => endpoints)[0]?.address;
  if (address === undefined) return undefined;
  if (address.kind === "pipe") return `unix:${address.path}`;
  const host = address.address.includes(":") ? `[${address.address}]` : address.address;
  return `${cluster.type === "STATIC" ? host : `dns:${host}`}:${address.port}`;
}

function nodeBytes(codecs: Codecs, node: Node): Uint8Array {
  const codec = codecs.codec("envoy.config.core.v3.Node");
  if (codec === undefined) throw new Error("envoy.config.core.v3.Node is not in protos/");
  const message = {
    id: node.id,
    cluster: node.cluster,
    metadata: { fields: structFields(node.metadata) },
    locality: { region: node.locality.region, zone: node.locality.zone, sub_zone: node.locality.subZone },
    user_agent_name: node.userAgentName || "sluice",
    user_agent_version: node.userAgentVersion || VERSION,
  };
  return codec.encode(codec.fromObject(message)).finish();
}

function structFields(value: Readonly<Record<string, unknown>>): Record<string, object> {
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, structValue(item)]));
}

function structValue(value: unknown): object {
  if (typeof value === "string") return { string_value: value };
  if (typeof value === "number") return { number_value: value };
  if (typeof value === "boolean") return { bool_value: value };
  if (Array.isArray(value)) return { list_value: { values: value.map(structValue) } };
  if (typeof value === "object" && value !== null) return { struct_value: { fields: structFields(value as Record<string, unknown>) } };
  return { null_value: 0 };
}
