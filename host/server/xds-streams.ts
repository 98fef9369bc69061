// The clients of control planes: whom a gRPC service names, as the bootstrap's static clusters say it, and one client for each source.
import type { Cluster } from "../config/cluster.ts";
import type { GrpcApi, GrpcService } from "../config/extension.ts";
import type { Node } from "../config/snapshot.ts";
import type { StatsStore } from "../stats/store.ts";
import type { XdsClock, XdsLog } from "../xds/clock.ts";
import { nameOf, type StreamSource, type Streams } from "../xds/control.ts";
import { type Codecs, loadCodecs } from "../xds/protos.ts";
import type { ResourceKind } from "../xds/resource-kinds.ts";
import { StreamClient } from "../xds/streams/client.ts";
import type { XdsClient } from "../xds/streams/contract.ts";
import { type GrpcTarget, type GrpcTargetTls, GrpcTransport, MAX_RESPONSE_BYTES } from "../xds/streams/grpc-transport.ts";
import { DiscoveryMessages } from "../xds/streams/messages.ts";
import { StreamStats } from "../xds/streams/stream-stats.ts";
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

/** The services of single types: envoy.service.<package>.v3.<Service>, with the ends of their methods' names. */
const services: Readonly<Record<ResourceKind, readonly [service: string, resources: string]>> = {
  cluster: ["cluster.v3.ClusterDiscoveryService", "Clusters"],
  endpoints: ["endpoint.v3.EndpointDiscoveryService", "Endpoints"],
  listener: ["listener.v3.ListenerDiscoveryService", "Listeners"],
  route_configuration: ["route.v3.RouteDiscoveryService", "Routes"],
  extension_config: ["extension.v3.ExtensionConfigDiscoveryService", "ExtensionConfigs"],
  secret: ["secret.v3.SecretDiscoveryService", "Secrets"],
};

const aggregated = "discovery.v3.AggregatedDiscoveryService";

export class XdsStreams implements Streams {
  readonly stats: StatsStore;
  readonly #options: XdsStreamsOptions;
  #codecs: Codecs | undefined;
  readonly #clients = new Map<string, StreamClient>();
  readonly #streamStats: StreamStats;

  constructor(options: XdsStreamsOptions) {
    this.#options = options;
    this.stats = options.stats;
    this.#streamStats = new StreamStats(options.stats);
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
      client = this.#create(source, kind);
      this.#clients.set(key, client);
    }
    return client;
  }

  /** Of each stream, by its name. */
  get statuses(): readonly (readonly [name: string, status: XdsClient["status"]])[] {
    return [...this.#clients].map(([name, client]) => [name, client.status]);
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
  }

  #create(source: StreamSource, kind: ResourceKind): StreamClient {
    const { ads, node, clock, log, random } = this.#options;
    const api = source.kind === "ads" ? ads : source.api;
    const isDelta = api?.isDelta ?? true;
    return new StreamClient({
      isDelta,
      load: async () => {
        if (api === undefined) throw new Error("dynamic_resources.ads_config is not set");
        const target = this.#targetOf(api.service);
        const [grpc, codecs] = await Promise.all([import("@grpc/grpc-js"), loadCodecs()]);
        this.#codecs = codecs;
        return {
          transport: new GrpcTransport(grpc, target, methodOf(source.kind === "ads" ? undefined : kind, isDelta)),
          messages: new DiscoveryMessages(codecs, isDelta, nodeMessage(node)),
        };
      },
      clock,
      log,
      stats: this.#streamStats,
      name: `xDS ${source.kind === "ads" ? "ads" : `${kind} of ${nameOf(source)}`}`,
      random,
    });
  }

  #targetOf({ target, initialMetadata }: GrpcService): GrpcTarget {
    const common = { metadata: initialMetadata, tokenFile: undefined };
    if (target.kind === "google_grpc") {
      const { tls } = target;
      const bytes = (text: string | undefined): Buffer | undefined => (text === undefined ? undefined : Buffer.from(text));
      const given: GrpcTargetTls | undefined =
        tls === undefined
          ? undefined
          : { rootCerts: bytes(tls.rootCerts), privateKey: bytes(tls.privateKey), certChain: bytes(tls.certChain), serverName: "" };
      return { ...common, address: target.targetUri, tls: given, authority: "", maxReceiveBytes: MAX_RESPONSE_BYTES };
    }
    const cluster = this.#options.clusters.find(({ name }) => name === target.clusterName);
    const address = cluster === undefined ? undefined : addressOf(cluster);
    if (cluster === undefined || address === undefined)
      throw new Error(`gRPC service: cluster '${target.clusterName}' is not a static cluster with an endpoint`);
    return {
      ...common,
      address,
      tls: this.#tlsOf(cluster),
      authority: target.authority,
      maxReceiveBytes: target.maxReceiveBytes ?? MAX_RESPONSE_BYTES,
    };
  }

  #tlsOf({ name, transportSocket }: Cluster): GrpcTargetTls | undefined {
    if (transportSocket.kind === "raw_buffer") return undefined;
    if (transportSocket.kind !== "tls")
      throw new Error(`cluster '${name}': ${transportSocket.kind} is not implemented for a control plane`);
    const { common, sni } = transportSocket;
    const [certificate] = common.certificates;
    return {
      rootCerts: toBuffer(common.validation?.trustedCa),
      privateKey: toBuffer(certificate?.privateKey),
      certChain: toBuffer(certificate?.certificateChain),
      serverName: sni,
    };
  }
}

function toBuffer(bytes: Uint8Array | undefined): Buffer | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes);
}

/** The first endpoint: the library has its own name resolution and balancing behind a name. */
function addressOf(cluster: Cluster): string | undefined {
  const address = cluster.endpoints.flatMap(({ endpoints }) => endpoints)[0]?.address;
  if (address === undefined) return undefined;
  if (address.kind === "pipe") return `unix:${address.path}`;
  const host = address.address.includes(":") ? `[${address.address}]` : address.address;
  return `${cluster.type === "STATIC" ? host : `dns:${host}`}:${address.port}`;
}

/** `kind` undefined: the aggregated service. */
function methodOf(kind: ResourceKind | undefined, isDelta: boolean): string {
  const [service, resources] = kind === undefined ? [aggregated, "AggregatedResources"] : services[kind];
  return `/envoy.service.${service}/${isDelta ? "Delta" : "Stream"}${resources}`;
}

function nodeMessage(node: Node): object {
  return {
    id: node.id,
    cluster: node.cluster,
    metadata: { fields: structFields(node.metadata) },
    locality: { region: node.locality.region, zone: node.locality.zone, sub_zone: node.locality.subZone },
    user_agent_name: node.userAgentName || "sluice",
    user_agent_version: node.userAgentVersion || VERSION,
  };
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
