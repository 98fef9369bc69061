// How a guest names a gRPC upstream: a serialized envoy.config.core.v3.GrpcService, or else the bare name of a cluster. Envoy tries them
// in this order, so a name that happens to be well-formed protobuf is taken for a message here too.
import { isHeaderAllowed } from "./host-calls/headers.ts";
import { WasmResult } from "./abi.ts";
import { type ProtobufField, protobufBytes, protobufNumber, protobufText, readProtobuf } from "../base/protobuf-reader.ts";
import type { Vm } from "./vm.ts";

export interface GrpcService {
  readonly cluster: string;
  /** "": the cluster's name. */
  readonly authority: string;
  readonly metadata: readonly (readonly [string, string])[];
  readonly maxMessageBytes: number;
  readonly skipEnvoyHeaders: boolean;
}

/** The service, or the status that the guest gets. */
export function readGrpcService(vm: Vm, bytes: Uint8Array): GrpcService | WasmResult {
  const service = readProtobuf(bytes);
  const envoy = service === undefined ? undefined : readProtobuf(protobufBytes(service, 1));
  if (service === undefined || envoy === undefined) return byName(vm, Buffer.from(bytes).latin1Slice());
  const has = (fields: readonly ProtobufField[], number: number): boolean => fields.some((field) => field.number === number);
  if (has(service, 2)) return refuse(vm, "google_grpc is not offered");
  if (has(service, 6) || has(envoy, 3)) return refuse(vm, "retry_policy is not offered");
  const cluster = protobufText(envoy, 1);
  if (cluster === "") return refuse(vm, "envoy_grpc.cluster_name is empty");
  const metadata: (readonly [string, string])[] = [];
  for (const field of service) {
    if (field.number !== 5) continue;
    const header = readProtobuf(field.bytes);
    if (header === undefined) return byName(vm, Buffer.from(bytes).latin1Slice());
    const name = protobufText(header, 1).toLowerCase();
    const pair = [name, metadataValue(name, protobufText(header, has(header, 3) ? 3 : 2))] as const;
    if (!isMetadataAllowed(pair[0], pair[1])) return refuse(vm, `initial_metadata ${pair[0]} is not allowed`);
    metadata.push(pair);
  }
  const limit = readProtobuf(protobufBytes(envoy, 4));
  const maxBytes = limit === undefined ? 0 : protobufNumber(limit, 1);
  return {
    cluster,
    authority: protobufText(envoy, 2),
    metadata,
    maxMessageBytes: maxBytes === 0 ? vm.limits.maxGrpcMessageBytes : Math.min(maxBytes, vm.limits.maxGrpcMessageBytes),
    skipEnvoyHeaders: protobufNumber(envoy, 5) !== 0,
  };
}

function byName(vm: Vm, cluster: string): GrpcService | WasmResult {
  if (!vm.services.hasCluster(cluster)) return WasmResult.ParseFailure;
  return { cluster, authority: "", metadata: [], maxMessageBytes: vm.limits.maxGrpcMessageBytes, skipEnvoyHeaders: false };
}

function refuse(vm: Vm, why: string): WasmResult {
  vm.warn(`gRPC service: ${why}`);
  return WasmResult.BadArgument;
}

/** Binary metadata goes out in base64 (gRPC over HTTP/2: "Binary-Header"); a guest hands in the bytes. */
export function metadataValue(name: string, value: string): string {
  return name.endsWith("-bin") ? Buffer.from(value, "latin1").toString("base64") : value;
}

/** Pseudo headers are the host's: a guest names service and method. */
export function isMetadataAllowed(name: string, value: string): boolean {
  return name.charCodeAt(0) !== 0x3a && isHeaderAllowed(name, value);
}
