// The labels of Istio's standard metrics: who called whom, by what both sides said of themselves, what the cluster's metadata say of the
// service, and what the certificates prove. https://istio.io/latest/docs/reference/config/metrics/
import type { Node } from "../../config/snapshot.ts";
import { formatResponseFlags } from "../../http/response-flags.ts";
import type { StreamInfo } from "../../http/stream-info.ts";
import type { Certificate } from "../../net/certificate.ts";
import { ownWorkload, type Workload } from "../../net/workload.ts";
import { peersOf } from "./peers.ts";

export type Labels = readonly (readonly [name: string, value: string])[];

export type Reporter = "source" | "destination";

interface Service {
  readonly host: string;
  readonly name: string;
}

/** What is said of one side: by itself, and by its certificate. */
interface Side {
  readonly workload: Workload | undefined;
  readonly namespace: string;
  readonly principal: string;
}

/** Clusters for what no service is known of. */
const CATCH_ALL: ReadonlySet<string> = new Set([
  "BlackHoleCluster",
  "PassthroughCluster",
  "InboundPassthroughCluster",
  "InboundPassthroughClusterIpv4",
  "InboundPassthroughClusterIpv6",
]);

const UNKNOWN = "unknown";
const or = (value: string | undefined): string => value || UNKNOWN;

export class LabelSource {
  private readonly reporter: Reporter;
  private readonly usesHostHeader: boolean;
  private readonly own: Workload;

  constructor(reporter: Reporter, usesHostHeader: boolean, node: Node) {
    this.reporter = reporter;
    this.usesHostHeader = usesHostHeader;
    this.own = ownWorkload(node, []);
  }

  /** `isKnown` false: nothing that a peer or a client chooses, for when there are too many of them already. */
  labels(info: StreamInfo, protocol: "http" | "grpc" | "tcp", isKnown: boolean): Labels {
    const isSource = this.reporter === "source";
    const { own } = this;
    const tls = isSource ? info.upstreamTls : info.connection.tls;
    const ownPrincipal = principal(tls?.local);
    const peerPrincipal = isKnown ? principal(tls?.peer) : "";
    const peer = isKnown ? this.peer(info, isSource) : undefined;
    const ownSide: Side = { workload: own, namespace: own.namespace, principal: ownPrincipal };
    // A certificate proves the namespace; without one there is what the peer says.
    const peerSide: Side = { workload: peer, namespace: namespaceOf(peerPrincipal) || (peer?.namespace ?? ""), principal: peerPrincipal };
    const [source, destination] = isSource ? [ownSide, peerSide] : [peerSide, ownSide];
    const service = this.service(info, isKnown && protocol !== "tcp");
    const fallback = isSource ? "" : own.canonicalName;
    const policy = isSource ? UNKNOWN : ownPrincipal !== "" && principal(tls?.peer) !== "" ? "mutual_tls" : "none";
    return [
      ["reporter", this.reporter],
      ["source_workload", or(source.workload?.workloadName)],
      ["source_canonical_service", or(source.workload?.canonicalName)],
      ["source_canonical_revision", source.workload?.canonicalRevision || "latest"],
      ["source_workload_namespace", or(source.namespace)],
      ["source_principal", or(source.principal)],
      ["source_app", or(source.workload?.appName)],
      ["source_version", or(source.workload?.appVersion)],
      ["source_cluster", or(source.workload?.clusterName)],
      ["destination_workload", or(destination.workload?.workloadName)],
      ["destination_workload_namespace", or(destination.namespace)],
      ["destination_principal", or(destination.principal)],
      ["destination_app", or(destination.workload?.appName)],
      ["destination_version", or(destination.workload?.appVersion)],
      ["destination_service", or(service.host || fallback)],
      ["destination_canonical_service", or(destination.workload?.canonicalName)],
      ["destination_canonical_revision", destination.workload?.canonicalRevision || "latest"],
      ["destination_service_name", or(service.name || fallback)],
      ["destination_service_namespace", or(destination.namespace)],
      ["destination_cluster", or(destination.workload?.clusterName)],
      ["request_protocol", protocol],
      ...(protocol === "tcp" ? [] : httpLabels(info, protocol)),
      ["response_flags", formatResponseFlags(info, false)],
      ["connection_security_policy", policy],
    ];
  }

  private peer(info: StreamInfo, isUpstream: boolean): Workload | undefined {
    const peers = peersOf(info);
    return isUpstream ? (peers?.upstream ?? workloadOfEndpoint(info.upstreamHostMetadata)) : peers?.downstream;
  }

  private service(info: StreamInfo, mayUseHost: boolean): Service {
    const host = mayUseHost && this.usesHostHeader ? (info.requestHeaders?.get(":authority") ?? "") : "";
    if (info.routeName === "block_all") return { host, name: "BlackHoleCluster" };
    if (info.routeName === "allow_any") return { host, name: "PassthroughCluster" };
    if (CATCH_ALL.has(info.clusterName)) return { host, name: info.clusterName };
    return serviceOfCluster(info.clusterMetadata) ?? { host, name: host };
  }
}

function httpLabels(info: StreamInfo, protocol: "http" | "grpc"): Labels {
  const status = info.responseTrailers?.get("grpc-status") ?? info.responseHeaders?.get("grpc-status") ?? "";
  return [
    ["response_code", String(info.responseCode)],
    // An upstream's text is no label.
    ["grpc_response_status", protocol === "grpc" && /^\d{1,3}$/.test(status) ? status : ""],
  ];
}

/** The first URI of the certificate, which is a SPIFFE identity in a mesh. */
function principal(certificate: Certificate | undefined): string {
  return certificate?.names.find((name) => name.kind === "URI")?.text ?? "";
}

/** "spiffe://td/ns/NAMESPACE/sa/…" */
function namespaceOf(name: string): string {
  return /^spiffe:\/\/[^/]*\/ns\/([^/]*)\//.exec(name)?.[1] ?? "";
}

/** metadata.filter_metadata.istio.services[0] of a cluster. */
function serviceOfCluster(metadata: Readonly<Record<string, unknown>> | undefined): Service | undefined {
  const istio = metadata?.istio as { readonly services?: readonly Partial<Service>[] } | undefined;
  const service = Array.isArray(istio?.services) ? (istio.services as readonly Partial<Service>[])[0] : undefined;
  if (service === undefined) return undefined;
  const host = service.host ?? "";
  return { host, name: service.name ?? host.split(".")[0] };
}

/** What the control plane says of an endpoint whose proxy says nothing: "name;namespace;canonical name;revision;cluster". */
function workloadOfEndpoint(metadata: Readonly<Record<string, unknown>> | undefined): Workload | undefined {
  const istio = metadata?.istio as { readonly workload?: unknown } | undefined;
  if (typeof istio?.workload !== "string") return undefined;
  const [workloadName = "", namespace = "", canonicalName = "", canonicalRevision = "", clusterName = ""] = istio.workload.split(";");
  return {
    instanceName: "",
    clusterName,
    namespace,
    workloadName,
    workloadType: "",
    canonicalName: canonicalName || workloadName,
    canonicalRevision: canonicalRevision || "latest",
    appName: "",
    appVersion: "",
    identity: "",
    labels: [],
  };
}
