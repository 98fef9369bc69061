// Who a peer in a mesh is: what its proxy's node metadata say, as peers tell it one another in a google.protobuf.Struct, and as metrics
// and logs name it. https://github.com/istio/proxy/blob/release-1.30/extensions/common/metadata_object.h
import type { Node } from "../config/snapshot.ts";
import { encodeStruct, type PlainStruct } from "../base/struct-wire.ts";

export interface Workload {
  readonly instanceName: string;
  readonly clusterName: string;
  readonly namespace: string;
  readonly workloadName: string;
  /** "deployment", "job", "cronjob", "pod"; "" when the owner is not said. */
  readonly workloadType: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly appName: string;
  readonly appVersion: string;
  readonly identity: string;
  readonly labels: readonly (readonly [name: string, value: string])[];
}

const CANONICAL_NAME = "service.istio.io/canonical-name";
const CANONICAL_REVISION = "service.istio.io/canonical-revision";
const OWNER_PREFIX = "kubernetes://apis/apps/v1/namespaces/";
const TYPES: Readonly<Record<string, string>> = { deployments: "deployment", jobs: "job", cronjobs: "cronjob", pods: "pod" };

const text = (struct: PlainStruct, name: string): string => {
  const value = Object.hasOwn(struct, name) ? struct[name] : undefined;
  return typeof value === "string" ? value : "";
};

export function readWorkload(struct: PlainStruct, additionalLabels: readonly string[]): Workload {
  const given = Object.hasOwn(struct, "LABELS") ? struct.LABELS : undefined;
  const labels = typeof given === "object" && given !== null ? (given as PlainStruct) : {};
  const workloadName = text(struct, "WORKLOAD_NAME");
  return {
    instanceName: text(struct, "NAME"),
    clusterName: text(struct, "CLUSTER_ID"),
    namespace: text(struct, "NAMESPACE"),
    workloadName,
    workloadType: typeOfOwner(text(struct, "OWNER")),
    // A workload without the label is its own service.
    canonicalName: text(labels, CANONICAL_NAME) || workloadName,
    canonicalRevision: text(labels, CANONICAL_REVISION) || "latest",
    appName: text(labels, "app"),
    appVersion: text(labels, "version"),
    identity: text(struct, "IDENTITY"),
    labels: additionalLabels.flatMap((name) => (text(labels, name) === "" ? [] : [[name, text(labels, name)] as const])),
  };
}

/** ".../namespaces/default/deployments/web" → "deployment". */
function typeOfOwner(owner: string): string {
  return owner.startsWith("kubernetes://") ? (TYPES[owner.split("/").at(-2) ?? ""] ?? "") : "";
}

export function ownWorkload(node: Node, additionalLabels: readonly string[]): Workload {
  return readWorkload(node.metadata, additionalLabels);
}

/** With sorted keys, as peers cache what they get by its bytes. */
export function workloadStruct(workload: Workload): Uint8Array {
  const { namespace, workloadName, workloadType } = workload;
  const labels = sorted([
    [CANONICAL_NAME, workload.canonicalName],
    [CANONICAL_REVISION, workload.canonicalRevision],
    ["app", workload.appName],
    ["version", workload.appVersion],
    ...workload.labels,
  ]);
  const owner = workloadType === "" ? "" : `${OWNER_PREFIX}${namespace}/${workloadType}s/${workloadName}`;
  const struct = sorted([
    ["CLUSTER_ID", workload.clusterName],
    ["IDENTITY", workload.identity],
    ["NAME", workload.instanceName],
    ["NAMESPACE", namespace],
    ["OWNER", owner],
    ["WORKLOAD_NAME", workloadName],
  ]);
  const all: [string, unknown][] = [...struct];
  if (labels.length > 0) all.push(["LABELS", Object.fromEntries(labels)]);
  return encodeStruct(Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1))));
}

function sorted(pairs: readonly (readonly [string, string])[]): readonly [string, string][] {
  return pairs
    .filter(([, value]) => value !== "")
    .map(([name, value]): [string, string] => [name, value])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** As logs and filter state show it: the fields that Istio's own object has, by its names. */
export function describeWorkload(workload: Workload): string {
  const fields: readonly (readonly [string, string])[] = [
    ["workload", workload.workloadName],
    ["type", workload.workloadType],
    ["name", workload.instanceName],
    ["namespace", workload.namespace],
    ["cluster", workload.clusterName],
    ["service", workload.canonicalName],
    ["revision", workload.canonicalRevision],
    ["app", workload.appName],
    ["version", workload.appVersion],
  ];
  return fields.flatMap(([name, value]) => (value === "" ? [] : [`${name}=${value}`])).join(",");
}
