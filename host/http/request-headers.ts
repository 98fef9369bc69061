// What the connection manager does to request and response headers before and after the filters: hop-by-hop fields, client
// address, internal and edge requests, request ids, via (Envoy's conn_manager_utility and the page "HTTP header manipulation").
import type { Random } from "../base/system.ts";
import type { HttpConnectionManager } from "../config/listener.ts";
import { type CidrSet, ipFamily } from "../net/cidr.ts";
import type { HeaderMap } from "./header-map.ts";
import type { StreamInfo } from "./stream-info.ts";
import { clearTraceReason, decideTracing } from "./trace-sampling.ts";

const HOP_BY_HOP = ["keep-alive", "proxy-connection", "transfer-encoding", "http2-settings"];

/** From outside these would steer retries, timeouts and routing (Envoy: sanitised for every request that is not internal). */
const EXTERNAL_SANITIZED = new Set([
  "x-envoy-retriable-status-codes",
  "x-envoy-retriable-header-names",
  "x-envoy-retry-on",
  "x-envoy-retry-grpc-on",
  "x-envoy-max-retries",
  "x-envoy-upstream-alt-stat-name",
  "x-envoy-upstream-rq-timeout-ms",
  "x-envoy-upstream-rq-per-try-timeout-ms",
  "x-envoy-upstream-rq-timeout-alt-response",
  "x-envoy-expected-rq-timeout-ms",
  "x-envoy-force-trace",
  "x-envoy-ip-tags",
  "x-envoy-original-url",
  "x-envoy-hedge-on-per-try-timeout",
  "x-envoy-original-path",
]);
const EDGE_SANITIZED = new Set(["x-envoy-decorator-operation", "x-envoy-downstream-service-cluster", "x-envoy-downstream-service-node"]);

/** Removes hop-by-hop fields and whatever Connection nominates (RFC 9110 7.6.1); keeps both of an upgrade. */
export function removeHopByHop(headers: HeaderMap, keepUpgrade: boolean): void {
  let hasConnection = false;
  let hasOther = false;
  let hasTe = false;
  const names = headers.names;
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    // By length first: nearly all names are none of these.
    switch (name.length) {
      case 2:
        if (name === "te") hasTe = true;
        break;
      case 7:
        if (name === "upgrade") hasOther = true;
        break;
      case 10:
        if (name === "connection") hasConnection = true;
        else if (name === "keep-alive") hasOther = true;
        break;
      case 14:
      case 16:
      case 17:
        if (HOP_BY_HOP.includes(name)) hasOther = true;
        break;
      default:
    }
  }
  if (hasTe) sanitizeTe(headers);
  if (hasConnection) {
    const value = headers.getJoined("connection") ?? "";
    if (value !== "keep-alive" && value !== "close") removeNominated(headers, value, keepUpgrade);
    if (!keepUpgrade) headers.remove("connection");
    // Where it stands and as it is written, when it says nothing else.
    else if (value.toLowerCase() !== "upgrade") headers.set("connection", "upgrade");
  }
  if (hasOther) headers.removeIf((name) => HOP_BY_HOP.includes(name) || (name === "upgrade" && !keepUpgrade));
}

function removeNominated(headers: HeaderMap, value: string, keepUpgrade: boolean): void {
  const nominated = new Set<string>();
  for (const part of value.split(",")) {
    const name = part.trim().toLowerCase();
    if (name === "" || name === "close" || name === "keep-alive" || name === "te" || (name === "upgrade" && keepUpgrade)) continue;
    nominated.add(name);
  }
  if (nominated.size > 0) headers.removeIf((name) => nominated.has(name));
}

/** TE is hop-by-hop but "trailers", which a gRPC server needs to see, stays. */
function sanitizeTe(headers: HeaderMap): void {
  const value = headers.getJoined("te") ?? "";
  for (const part of value.split(",")) {
    if (part.trim().toLowerCase() === "trailers") {
      headers.set("te", "trailers");
      return;
    }
  }
  headers.remove("te");
}

export interface RequestHeaderContext {
  readonly config: HttpConnectionManager;
  readonly internal: CidrSet;
  readonly random: Random;
  readonly internalOnlyHeaders: readonly string[];
  /** The proxy's own address, which stands for a client on the loopback interface. */
  readonly localIp: string;
}

/** Applies the rules for the client's address and everything that depends on it. */
export function mutateRequestHeaders(headers: HeaderMap, info: StreamInfo, ctx: RequestHeaderContext): void {
  const config = ctx.config;
  const connection = info.connection;
  let remoteIp = connection.remoteIp;
  let singleAddress: boolean;
  const xff = headers.getJoined("x-forwarded-for");
  if (config.useRemoteAddress) {
    singleAddress = xff === undefined;
    if (config.xffNumTrustedHops > 0) {
      const named = addressFromXff(xff, config.xffNumTrustedHops - 1);
      if (named !== undefined) {
        remoteIp = named;
        info.downstreamRemoteAddress = joinHostPort(named, 0);
      }
    }
    if (!config.skipXffAppend) {
      const own = connection.remoteIp === "127.0.0.1" || connection.remoteIp === "::1" ? ctx.localIp : connection.remoteIp;
      appendList(headers, "x-forwarded-for", own);
    }
    if (config.xffNumTrustedHops === 0 || !headers.has("x-forwarded-proto")) {
      headers.set("x-forwarded-proto", connection.tlsVersion === "" ? "http" : "https");
    }
    if (config.appendXForwardedPort && (config.xffNumTrustedHops === 0 || !headers.has("x-forwarded-port"))) {
      headers.set("x-forwarded-port", String(connection.localPort));
    }
  } else {
    const named = addressFromXff(xff, config.xffNumTrustedHops);
    singleAddress = xff !== undefined && !xff.includes(",");
    if (named !== undefined) {
      remoteIp = named;
      info.downstreamRemoteAddress = joinHostPort(named, 0);
    }
    if (!headers.has("x-forwarded-proto")) headers.add("x-forwarded-proto", connection.tlsVersion === "" ? "http" : "https");
  }

  const internal = singleAddress && ctx.internal.contains(remoteIp);
  const edge = !internal && config.useRemoteAddress;
  sanitize(headers, internal, edge, ctx.internalOnlyHeaders);
  if (internal) headers.set("x-envoy-internal", "true");
  if (config.via !== "") headers.appendCopy("via", config.via, ", ");
  if (edge) headers.set("x-envoy-external-address", remoteIp);
  setRequestId(headers, info, edge, ctx);
}

function sanitize(headers: HeaderMap, internal: boolean, edge: boolean, internalOnly: readonly string[]): void {
  const names = headers.names;
  let any = false;
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    // "x-e": the first characters tell nearly all others apart.
    if ((name.charCodeAt(2) === 0x65 && name.startsWith("x-envoy-")) || (internalOnly.length > 0 && internalOnly.includes(name))) {
      any = true;
      break;
    }
  }
  if (!any) return;
  headers.removeIf(
    (name) =>
      name === "x-envoy-internal" ||
      (!internal && (EXTERNAL_SANITIZED.has(name) || internalOnly.includes(name))) ||
      (edge && EDGE_SANITIZED.has(name)),
  );
}

function setRequestId(headers: HeaderMap, info: StreamInfo, isEdge: boolean, ctx: RequestHeaderContext): void {
  const { generateRequestId, preserveExternalRequestId, tracing } = ctx.config;
  const given = headers.get("x-request-id");
  let id = given ?? "";
  if (generateRequestId) {
    if (given === undefined || (isEdge && !preserveExternalRequestId)) id = ctx.random.uuid();
    else if (isEdge) id = clearTraceReason(id);
  }
  if (tracing !== undefined) id = decideTracing(id, headers, tracing, ctx.random);
  info.requestId = id;
  if (id !== (given ?? "")) headers.set("x-request-id", id);
}

function appendList(headers: HeaderMap, name: string, value: string): void {
  const joined = headers.getJoined(name);
  if (joined === undefined) headers.push(name, value);
  else headers.set(name, joined === "" ? value : `${joined},${value}`);
}

/** The address `hops` trusted proxies from the right, or undefined when there are fewer or it is no address. */
function addressFromXff(xff: string | undefined, hops: number): string | undefined {
  if (xff === undefined) return undefined;
  let end = xff.length;
  for (let hop = 0; hop < hops; hop++) {
    end = xff.lastIndexOf(",", end - 1);
    if (end < 0) return undefined;
  }
  const start = end === 0 ? -1 : xff.lastIndexOf(",", end - 1);
  const address = xff.slice(start + 1, end).trim();
  return ipFamily(address) === 0 ? undefined : address;
}

export function joinHostPort(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}
