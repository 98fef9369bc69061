// The labels of Istio's standard metrics: who called whom, by what both sides said of themselves, what the cluster's metadata say of the
// service, and what the certificates prove. https://istio.io/latest/docs/reference/config/metrics/
import type { Node } from "../../config/snapshot.ts";
import { formatResponseFlags } from "../../http/response-flags.ts";
import type { StreamInfo } from "../../http/stream-info.ts";
import type { TlsInfo } from "../../net/tls-info.ts";
import { ownWorkload, type Workload } from "../../net/workload.ts";
import { peersOf } from "./peers.ts";

export type Labels = readonly (readonly [name: string, value: string])[];

export type Reporter = "source" | "destination";

interface Service {
  readonly host: string;
  readonly name: string;
  readonly namespace: string;
}

const UNKNOWN = "unknown";
const or = (value: string): string => (value === "" ? UNKNOWN : value);

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
    const peer = isKnown ? this.peer(info, isSource) : undefined;
    const source = isSource ? this.own : peer;
    const destination = isSource ? peer : this.own;
    const tls = isSource ? info.upstreamTls : info.connection.tls;
    const [ownPrincipal, peerPrincipal] = [principal(tls, false), isKnown ? principal(tls, true) : UNKNOWN];
    const service = this.service(info, destination, isKnown && protocol !== "tcp");
    return [
      ["reporter", this.reporter],
      ["source_workload", or(source?.workloadName ?? "")],
      ["source_canonical_service", or(source?.canonicalName ?? "")],
      ["source_canonical_revision", or(source?.canonicalRevision ?? "")],
      ["source_workload_namespace", or(source?.namespace ?? "")],
      ["source_principal", isSource ? ownPrincipal : peerPrincipal],
      ["source_app", or(source?.appName ?? "")],
      ["source_version", or(source?.appVersion ?? "")],
      ["source_cluster", or(source?.clusterName ?? "")],
      ["destination_workload", or(destination?.workloadName ?? "")],
      ["destination_workload_namespace", or(destination?.namespace ?? "")],
      ["destination_principal", isSource ? peerPrincipal : ownPrincipal],
      ["destination_app", or(destination?.appName ?? "")],
      ["destination_version", or(destination?.appVersion ?? "")],
      ["destination_service", or(service.host)],
      ["destination_canonical_service", or(destination?.canonicalName ?? "")],
      ["destination_canonical_revision", or(destination?.canonicalRevision ?? "")],
      ["destination_service_name", or(service.name)],
      ["destination_service_namespace", or(service.namespace)],
      ["destination_cluster", or(destination?.clusterName ?? "")],
      ["request_protocol", protocol],
      ...(protocol === "tcp" ? [] : httpLabels(info, protocol)),
      ["response_flags", formatResponseFlags(info, false)],
      // The client's side cannot tell what its own proxy's TLS is to the service.
      ["connection_security_policy", isSource ? UNKNOWN : info.connection.mtls ? "mutual_tls" : "none"],
    ];
  }

  private peer(info: StreamInfo, isUpstream: boolean): Workload | undefined {
    const peers = peersOf(info);
    return isUpstream ? (peers?.upstream ?? workloadOfEndpoint(info.upstreamHostMetadata)) : peers?.downstream;
  }

  private service(info: StreamInfo, destination: Workload | undefined, mayUseHost: boolean): Service {
    const listed = serviceOfCluster(info.clusterMetadata);
    if (listed !== undefined) return listed;
    const namespace = destination?.namespace ?? "";
    const host = mayUseHost && this.usesHostHeader ? (info.requestHeaders?.get(":authority") ?? "") : "";
    if (info.clusterName === "PassthroughCluster" || info.routeName === "allow_any") return { host, name: "PassthroughCluster", namespace };
    if (info.clusterName === "BlackHoleCluster" || info.routeName === "block_all") return { host, name: "BlackHoleCluster", namespace };
    return { host, name: host, namespace };
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
function principal(tls: TlsInfo | undefined, isPeer: boolean): string {
  const certificate = isPeer ? tls?.peer : tls?.local;
  return or(certificate?.names.find((name) => name.kind === "URI")?.text ?? "");
}

/** metadata.filter_metadata.istio.services[0] of a cluster. */
function serviceOfCluster(metadata: Readonly<Record<string, unknown>> | undefined): Service | undefined {
  const istio = metadata?.istio as { readonly services?: readonly Partial<Service>[] } | undefined;
  const service = Array.isArray(istio?.services) ? (istio.services as readonly Partial<Service>[])[0] : undefined;
  if (service === undefined) return undefined;
  return { host: service.host ?? "", name: service.name ?? "", namespace: service.namespace ?? "" };
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
