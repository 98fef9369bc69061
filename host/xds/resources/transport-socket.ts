// config.core.v3.TransportSocket of filter chains and clusters, and Cluster.transport_socket_matches.
import type { AnyReader, ConfigReader } from "../../config/extension.ts";
import {
  type DownstreamTransportSocket,
  RAW_BUFFER,
  type TransportSocketMatch,
  type UpstreamProxyProtocol,
  type UpstreamTransportSocket,
} from "../../config/transport-socket.ts";
import type { ResourceContext } from "../context.ts";
import { isJsonObject } from "../message.ts";
import { parseDownstreamTls, parseUpstreamTls } from "./tls-context.ts";

const prefix = "envoy.extensions.transport_sockets.";
const rawBuffer = `${prefix}raw_buffer.v3.RawBuffer`;
const downstreamTls = `${prefix}tls.v3.DownstreamTlsContext`;
const upstreamTls = `${prefix}tls.v3.UpstreamTlsContext`;
const proxyProtocol = `${prefix}proxy_protocol.v3.ProxyProtocolUpstreamTransport`;

/** The socket's message; undefined: plain text. What has no message here is refused. */
function open(reader: ConfigReader | undefined): AnyReader | undefined {
  if (reader === undefined) return undefined;
  const name = reader.text("name");
  const config = reader.any("typed_config");
  if (config === undefined) {
    if (name !== "envoy.transport_sockets.raw_buffer") reader.refuse("typed_config", `not implemented: ${name}`);
    return undefined;
  }
  if (config.typeName === rawBuffer) return undefined;
  return config;
}

export function parseDownstreamTransport(chain: ConfigReader, ctx: ResourceContext): DownstreamTransportSocket {
  const config = open(chain.message("transport_socket"));
  if (config === undefined) return RAW_BUFFER;
  if (config.typeName === downstreamTls && config.message !== undefined) return parseDownstreamTls(config.message, ctx);
  config.refuse(`not implemented: ${config.typeName}`);
  return RAW_BUFFER;
}

export function parseUpstreamTransport(reader: ConfigReader | undefined, ctx: ResourceContext): UpstreamTransportSocket {
  const config = open(reader);
  if (config === undefined) return RAW_BUFFER;
  if (config.typeName === upstreamTls && config.message !== undefined) return parseUpstreamTls(config.message, ctx);
  if (config.typeName === proxyProtocol && config.message !== undefined) return parseProxyProtocol(config.message, ctx);
  config.refuse(`not implemented: ${config.typeName}`);
  return RAW_BUFFER;
}

function parseProxyProtocol(reader: ConfigReader, ctx: ResourceContext): UpstreamTransportSocket {
  const inner = parseUpstreamTransport(reader.message("transport_socket"), ctx);
  const config = reader.message("config");
  for (const field of ["allow_unspecified_address", "tlv_as_pool_key"]) if (reader.flag(field)) reader.refuse(field, "not implemented");
  if (config?.has("pass_through_tlvs")) config.refuse("pass_through_tlvs", "not implemented: a connection serves requests of many clients");
  const addedTlvs = (config?.messages("added_tlvs") ?? []).map((tlv) => {
    if (tlv.has("format_string")) tlv.refuse("format_string", "not implemented");
    return { type: tlv.number("type"), value: tlv.bytes("value") ?? new Uint8Array(0) };
  });
  if (inner.kind === "upstream_proxy_protocol") {
    reader.refuse("transport_socket", "one PROXY header inside another is not implemented");
    return RAW_BUFFER;
  }
  const version = config?.choice<UpstreamProxyProtocol["version"]>("version", "V1") ?? "V1";
  return { kind: "upstream_proxy_protocol", version, addedTlvs, inner };
}

export function parseTransportSocketMatches(cluster: ConfigReader, ctx: ResourceContext): readonly TransportSocketMatch[] {
  return cluster.messages("transport_socket_matches").map((reader) => {
    const match = reader.json("match");
    return {
      name: reader.text("name"),
      match: isJsonObject(match) ? match : {},
      transportSocket: parseUpstreamTransport(reader.message("transport_socket"), ctx),
    };
  });
}
