// The attribute tree of an HTTP stream (Envoy's source/extensions/filters/common/expr/context.cc): a table from path to value.
// What a path means while headers are not at hand, and which names work without a prefix, follows Envoy 1.40 as measured with
// real modules: request.* from headers is absent once the headers were passed on, and back in on_log.

import type { RouteView } from "../../http/filter.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { grpcStatusOf } from "../../http/grpc.ts";
import type { StreamInfo } from "../../http/stream-info.ts";
import type { Certificate, GeneralName } from "../../net/certificate.ts";
import { fingerprint256 } from "../../net/tls-info.ts";
import { intValue, NoByteForm, type PropertyValue, splitPath, walkProperty } from "../../wasm/property.ts";
import { localityValue, metadataValue, utf8Text } from "./struct-attributes.ts";

export interface ClusterView {
  readonly config: { readonly metadata: Readonly<Record<string, unknown>> };
  readonly hosts: readonly unknown[];
}

/** What a stream shows of itself now. */
export interface AttributeSource {
  readonly info: StreamInfo;
  /** Undefined once passed on, and before on_log. */
  attributeRequestHeaders(): HeaderMap | undefined;
  attributeResponseHeaders(): HeaderMap | undefined;
  attributeResponseTrailers(): HeaderMap | undefined;
  route(): RouteView | undefined;
  /** That of the route, if it is there. */
  cluster(): ClusterView | undefined;
  readonly node: PropertyValue | undefined;
}

type Attribute = (source: AttributeSource) => PropertyValue | undefined;

const NS_PER_MS = 1e6;

function requestHeader(name: string): Attribute {
  return (source) => source.attributeRequestHeaders()?.get(name);
}

function text(value: string): PropertyValue | undefined {
  return value === "" ? undefined : utf8Text(value);
}

/** Of a certificate that is not there: no value. */
function certificateText(value: string | undefined): PropertyValue | undefined {
  return value === undefined ? undefined : text(value);
}

function firstName(certificate: Certificate | undefined, kind: GeneralName["kind"]): PropertyValue | undefined {
  return certificateText(certificate?.names.find((name) => name.kind === kind)?.text);
}

function portOf(address: string): PropertyValue | undefined {
  const colon = address.lastIndexOf(":");
  const port = colon < 0 ? Number.NaN : Number(address.slice(colon + 1));
  return Number.isInteger(port) ? intValue(port) : undefined;
}

/** From one monotonic time to another, in nanoseconds; undefined while either is missing. */
function between(startMs: number, endMs: number): PropertyValue | undefined {
  return startMs === 0 || endMs === 0 ? undefined : intValue(Math.round((endMs - startMs) * NS_PER_MS));
}

/** A map that is not there now is an empty one. */
const NoEntries: PropertyValue = { kind: "map", entries: [] };

/** Several values of one name are joined by a comma, as matchers see them. */
function headersValue(headers: HeaderMap | undefined): PropertyValue {
  if (headers === undefined) return NoEntries;
  const joined = new Map<string, string>();
  for (let i = 0; i < headers.names.length; i++) {
    const name = headers.names[i];
    const known = joined.get(name);
    joined.set(name, known === undefined ? headers.values[i] : `${known},${headers.values[i]}`);
  }
  return { kind: "map", entries: [...joined] };
}

function requestSize({ info }: AttributeSource, source: AttributeSource): PropertyValue {
  const declared = source.attributeRequestHeaders()?.get("content-length");
  return intValue(declared !== undefined && /^\d{1,15}$/.test(declared) ? Number(declared) : info.bytesReceived);
}

function grpcStatus(source: AttributeSource): PropertyValue | undefined {
  const status = source.attributeResponseTrailers()?.get("grpc-status") ?? source.attributeResponseHeaders()?.get("grpc-status");
  if (status !== undefined && /^\d{1,3}$/.test(status)) return intValue(Number(status));
  // Any other answer has the gRPC status that stands for its HTTP status.
  const code = source.info.responseCode;
  return code === 0 ? undefined : intValue(grpcStatusOf(code));
}

function beforeQuery(source: AttributeSource): string | undefined {
  const path = source.attributeRequestHeaders()?.get(":path");
  if (path === undefined) return undefined;
  const mark = path.indexOf("?");
  return mark < 0 ? path : path.slice(0, mark);
}

function query(source: AttributeSource): string | undefined {
  const path = source.attributeRequestHeaders()?.get(":path");
  if (path === undefined) return undefined;
  const mark = path.indexOf("?");
  return mark < 0 ? "" : path.slice(mark + 1);
}

function metadata(value: Readonly<Record<string, unknown>> | undefined): PropertyValue | undefined {
  return value === undefined ? undefined : metadataValue(value);
}

function hostMetadata(value: Readonly<Record<string, unknown>> | undefined): PropertyValue {
  return value === undefined || Object.keys(value).length === 0 ? NoByteForm : metadataValue(value);
}

function filterState({ info }: AttributeSource): PropertyValue {
  // The whole map has no byte form in Envoy; single entries do.
  return {
    kind: "message",
    encode: () => new Uint8Array(0),
    field: (name) => info.filterState?.get(name),
  };
}

const Table: Readonly<Record<string, Attribute>> = {
  "request.path": requestHeader(":path"),
  "request.url_path": beforeQuery,
  "request.query": query,
  "request.host": requestHeader(":authority"),
  "request.scheme": requestHeader(":scheme"),
  "request.method": requestHeader(":method"),
  "request.referer": requestHeader("referer"),
  "request.useragent": requestHeader("user-agent"),
  "request.id": requestHeader("x-request-id"),
  "request.protocol": ({ info }) => text(info.protocol),
  "request.headers": (source) => headersValue(source.attributeRequestHeaders()),
  "request.headers_bytes": (source) => intValue(source.attributeRequestHeaders()?.byteSize() ?? 0),
  "request.time": ({ info }) => intValue(BigInt(Math.round(info.startTimeMs * 1000)) * 1000n),
  "request.duration": ({ info }) => between(info.startMonotonic, info.completeAt),
  "request.size": (source) => requestSize(source, source),
  "request.total_size": (source) => intValue(source.info.bytesReceived + (source.attributeRequestHeaders()?.byteSize() ?? 0)),
  "response.code": ({ info }) => (info.responseCode === 0 ? undefined : intValue(info.responseCode)),
  "response.code_details": ({ info }) => (info.responseCodeDetails === "" && info.hasDetails ? "" : text(info.responseCodeDetails)),
  "response.flags": ({ info }) => intValue(info.responseFlags),
  "response.grpc_status": grpcStatus,
  "response.headers": (source) => headersValue(source.attributeResponseHeaders()),
  "response.headers_bytes": (source) => intValue(source.attributeResponseHeaders()?.byteSize() ?? 0),
  "response.trailers": (source) => headersValue(source.attributeResponseTrailers()),
  "response.size": ({ info }) => intValue(info.bytesSent),
  "response.total_size": (source) =>
    intValue(
      source.info.bytesSent + (source.attributeResponseHeaders()?.byteSize() ?? 0) + (source.attributeResponseTrailers()?.byteSize() ?? 0),
    ),
  "response.backend_latency": ({ info }) => between(info.upstreamFirstByteSentAt, info.upstreamLastByteReceivedAt),
  "source.address": ({ info }) => text(info.downstreamRemoteAddress),
  "source.port": ({ info }) => portOf(info.downstreamRemoteAddress),
  "destination.address": ({ info }) => text(info.connection.localAddress),
  "destination.port": ({ info }) => portOf(info.connection.localAddress),
  "connection.id": ({ info }) => intValue(info.connection.connectionId),
  "connection.mtls": ({ info }) => info.connection.mtls,
  "connection.requested_server_name": ({ info }) => utf8Text(info.connection.requestedServerName),
  "connection.tls_version": ({ info }) => text(info.connection.tlsVersion),
  "connection.subject_local_certificate": ({ info }) => certificateText(info.connection.tls?.local?.subject),
  "connection.subject_peer_certificate": ({ info }) => certificateText(info.connection.tls?.peer?.subject),
  "connection.uri_san_local_certificate": ({ info }) => firstName(info.connection.tls?.local, "URI"),
  "connection.uri_san_peer_certificate": ({ info }) => firstName(info.connection.tls?.peer, "URI"),
  "connection.dns_san_local_certificate": ({ info }) => firstName(info.connection.tls?.local, "DNS"),
  "connection.dns_san_peer_certificate": ({ info }) => firstName(info.connection.tls?.peer, "DNS"),
  "connection.sha256_peer_certificate_digest": ({ info }) => certificateText(fingerprint256(info.connection.tls?.peer)),
  "connection.termination_details": ({ info }) => text(info.connectionTerminationDetails),
  "upstream.address": ({ info }) => text(info.upstreamHost),
  "upstream.port": ({ info }) => (info.upstreamHost === "" ? undefined : portOf(info.upstreamHost)),
  "upstream.local_address": ({ info }) => text(info.upstreamLocalAddress),
  "upstream.tls_version": ({ info }) => certificateText(info.upstreamTls?.version),
  "upstream.subject_local_certificate": ({ info }) => certificateText(info.upstreamTls?.local?.subject),
  "upstream.subject_peer_certificate": ({ info }) => certificateText(info.upstreamTls?.peer?.subject),
  "upstream.uri_san_local_certificate": ({ info }) => firstName(info.upstreamTls?.local, "URI"),
  "upstream.uri_san_peer_certificate": ({ info }) => firstName(info.upstreamTls?.peer, "URI"),
  "upstream.dns_san_local_certificate": ({ info }) => firstName(info.upstreamTls?.local, "DNS"),
  "upstream.dns_san_peer_certificate": ({ info }) => firstName(info.upstreamTls?.peer, "DNS"),
  "upstream.sha256_peer_certificate_digest": ({ info }) => certificateText(fingerprint256(info.upstreamTls?.peer)),
  "upstream.transport_failure_reason": ({ info }) => (info.upstreamHost === "" ? undefined : utf8Text(info.upstreamTransportFailureReason)),
  "upstream.locality": ({ info }) => (info.upstreamLocality === undefined ? undefined : localityValue(info.upstreamLocality)),
  "upstream.num_endpoints": (source) => {
    const hosts = source.cluster()?.hosts.length;
    return hosts === undefined ? undefined : intValue(hosts);
  },
  "upstream.request_attempt_count": ({ info }) => intValue(info.upstreamRequestAttemptCount),
  "upstream.cx_pool_ready_duration": ({ info }) => between(info.startMonotonic, info.upstreamConnectionReadyAt),
  metadata: ({ info }) => metadataValue(info.dynamicMetadata ?? {}),
  filter_state: filterState,
  "xds.node": ({ node }) => node,
  "xds.cluster_name": (source) => text(source.info.clusterName || (source.route()?.clusterName ?? "")),
  "xds.cluster_metadata": (source) => metadata(source.info.clusterMetadata ?? source.cluster()?.config.metadata),
  "xds.route_name": (source) => text(source.info.routeName || (source.route()?.routeName ?? "")),
  "xds.route_metadata": (source) => metadata(source.info.routeMetadata ?? source.route()?.metadata),
  "xds.virtual_host_name": (source) => text(source.info.virtualHostName || (source.route()?.virtualHostName ?? "")),
  "xds.virtual_host_metadata": (source) => metadata(source.info.virtualHostMetadata ?? source.route()?.virtualHostMetadata),
  // A host without metadata has no byte form, in Envoy's words.
  "xds.upstream_host_metadata": ({ info }) => (info.upstreamHost === "" ? undefined : hostMetadata(info.upstreamHostMetadata)),
  "xds.filter_chain_name": ({ info }) => utf8Text(info.connection.filterChainName),
  "xds.listener_metadata": ({ info }) => metadataValue(info.connection.listenerMetadata),
  "xds.listener_direction": ({ info }) => intValue(info.connection.direction),
  connection_id: ({ info }) => intValue(info.connection.connectionId),
};

/** By path with NUL between segments. */
const byPath = new Map<string, Attribute>();
const groups = new Set<string>();
for (const [path, attribute] of Object.entries(Table)) {
  byPath.set(path.replace(".", "\0"), attribute);
  groups.add(path.split(".")[0]);
}

/** Paths of the table, for documents and tests. */
export const AttributePaths: readonly string[] = Object.keys(Table);

/** The listener that a plugin stands in. */
export interface ListenerAttributes {
  readonly direction: number;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** What a root context, which has no stream, can read: VmServices.property. */
export function resolveRootAttribute(
  node: PropertyValue | undefined,
  listener: ListenerAttributes | undefined,
  path: string,
): PropertyValue | undefined {
  const segments = splitPath(path);
  if (segments[0] !== "xds") return undefined;
  const value = rootValue(node, listener, segments[1]);
  return value === undefined ? undefined : walkProperty(value, segments, 2);
}

function rootValue(
  node: PropertyValue | undefined,
  listener: ListenerAttributes | undefined,
  name: string | undefined,
): PropertyValue | undefined {
  if (name === "node") return node;
  if (listener === undefined) return undefined;
  if (name === "listener_direction") return intValue(listener.direction);
  return name === "listener_metadata" ? metadataValue(listener.metadata) : undefined;
}

// Guests ask for the same few paths on every request: what a path means is worked out once. The paths come from guests, so
// the memory for them is bounded.
const MAX_RESOLVED = 1024;
const resolved = new Map<string, Attribute>();

/** `path` has its segments joined by NUL. */
export function resolveAttribute(source: AttributeSource, path: string): PropertyValue | undefined {
  let attribute = resolved.get(path);
  if (attribute === undefined) {
    attribute = compilePath(path);
    if (resolved.size >= MAX_RESOLVED) resolved.clear();
    resolved.set(path, attribute);
  }
  return attribute(source);
}

function compilePath(path: string): Attribute {
  if (path === "filter_state") return () => NoByteForm;
  const direct = byPath.get(path);
  if (direct !== undefined) return direct;
  const segments = splitPath(path);
  const [first, second, third] = segments;
  // Any other name is filter state that a plugin has set.
  if (!groups.has(first)) return walkFrom(({ info }) => info.filterState?.get(`wasm.${first}`), segments, 1);
  if (segments.length === 1) return () => NoByteForm;
  const top = byPath.get(first);
  if (top !== undefined) return walkFrom(top, segments, 1);
  const attribute = byPath.get(`${first}\0${second}`);
  if (attribute === undefined) return () => undefined;
  const headers = segments.length === 3 ? headersOf(`${first}.${second}`) : undefined;
  if (headers === undefined) return walkFrom(attribute, segments, 2);
  const name = third.toLowerCase();
  return (source) => headers(source)?.getJoined(name);
}

function walkFrom(attribute: Attribute, segments: readonly string[], from: number): Attribute {
  return (source) => {
    const value = attribute(source);
    return value === undefined ? undefined : walkProperty(value, segments, from);
  };
}

/** Single headers are read in place, without making a map of all. */
function headersOf(path: string): ((source: AttributeSource) => HeaderMap | undefined) | undefined {
  switch (path) {
    case "request.headers":
      return (source) => source.attributeRequestHeaders();
    case "response.headers":
      return (source) => source.attributeResponseHeaders();
    case "response.trailers":
      return (source) => source.attributeResponseTrailers();
    default:
      return undefined;
  }
}
