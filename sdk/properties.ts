// Properties of the stream, its connection and the plugin (ABI "Properties"; the names are Envoy's attributes,
// https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes). Each getter is one host call. A
// property that is absent, or whose bytes have an unexpected size, is null or the stated fallback.

import { WasmResult } from "./abi";
import { ByteString } from "./bytes";
import { proxy_get_property, proxy_set_property } from "./env";
import { HeaderList } from "./header-list";
import { clearSlots, LEN_SLOT, PTR_SLOT, takeBuffer } from "./memory";
import { KEY_TEXT } from "./text";

/** The name of a property, encoded once: for properties without a getter below, and for those read on every request. */
export class Property {
  private path: ByteString;

  /** The segments of the path: `new Property(["source", "address"])`. A segment may contain dots. */
  constructor(segments: string[]) {
    this.path = ByteString.of(segments.join("\0"));
  }

  /** The raw bytes; null if absent. 1 host call. */
  bytes(): ByteString | null {
    const path = this.path;
    clearSlots();
    if (proxy_get_property(path.ptr, path.length, PTR_SLOT, LEN_SLOT) != WasmResult.Ok) return null;
    return ByteString.wrap(takeBuffer());
  }

  /** A text; null if absent. 1 host call. */
  string(): string | null {
    const bytes = this.bytes();
    return bytes == null ? null : bytes.toString();
  }

  /** A whole number; also the nanoseconds of a timestamp (since 1970) or duration. 1 host call. */
  integer(fallback: i64 = 0): i64 {
    const bytes = this.bytes();
    return bytes != null && bytes.length == 8 ? load<i64>(bytes.ptr) : fallback;
  }

  /** A number with a fraction. 1 host call. */
  double(fallback: f64 = 0): f64 {
    const bytes = this.bytes();
    return bytes != null && bytes.length == 8 ? load<f64>(bytes.ptr) : fallback;
  }

  /** True or false. 1 host call. */
  bool(fallback: bool = false): bool {
    const bytes = this.bytes();
    return bytes != null && bytes.length > 0 ? load<u8>(bytes.ptr) != 0 : fallback;
  }

  /** The entries of a map, values in their own encoding; the items of a list are the names. 1 host call. */
  entries(): HeaderList {
    const bytes = this.bytes();
    return bytes == null ? new HeaderList() : HeaderList.decode(bytes.toBuffer());
  }
}

/** Sets a property of the stream that later filters and access logs can read. Use a single segment. 1 host call. */
export function setProperty(name: string, value: ByteString): bool {
  const path = KEY_TEXT.put(name);
  return proxy_set_property(path, KEY_TEXT.len, value.ptr, value.length) == WasmResult.Ok;
}

/** Attributes of the request; the ones that come from headers are absent in response callbacks. */
export namespace request {
  /** Path with query. */
  export function path(): string | null {
    return text("request\0path");
  }
  /** Path without query. */
  export function urlPath(): string | null {
    return text("request\0url_path");
  }
  /** What follows the question mark. */
  export function query(): string | null {
    return text("request\0query");
  }
  export function host(): string | null {
    return text("request\0host");
  }
  export function scheme(): string | null {
    return text("request\0scheme");
  }
  export function method(): string | null {
    return text("request\0method");
  }
  /** The x-request-id header. */
  export function id(): string | null {
    return text("request\0id");
  }
  /** `HTTP/1.0`, `HTTP/1.1`, `HTTP/2` or `HTTP/3`. */
  export function protocol(): string | null {
    return text("request\0protocol");
  }
  /** First byte, in nanoseconds since 1970. */
  export function time(): i64 {
    return integer("request\0time");
  }
  /** In nanoseconds; known at the end of the stream. */
  export function duration(): i64 {
    return integer("request\0duration");
  }
  /** Body size in bytes. */
  export function size(): i64 {
    return integer("request\0size");
  }
  /** With headers, in bytes; known at the end of the stream. */
  export function totalSize(): i64 {
    return integer("request\0total_size");
  }
}

/** Attributes of the response. */
export namespace response {
  export function code(): i64 {
    return integer("response\0code");
  }
  export function codeDetails(): string | null {
    return text("response\0code_details");
  }
  /** Bit mask; the numbers are the host's. */
  export function flags(): i64 {
    return integer("response\0flags");
  }
  export function grpcStatus(): i64 {
    return integer("response\0grpc_status");
  }
  /** Body size in bytes. */
  export function size(): i64 {
    return integer("response\0size");
  }
  /** With headers, in bytes. */
  export function totalSize(): i64 {
    return integer("response\0total_size");
  }
}

/** The downstream peer. */
export namespace source {
  /** `ip:port`. */
  export function address(): string | null {
    return text("source\0address");
  }
  export function port(): i64 {
    return integer("source\0port");
  }
}

/** The local end of the downstream connection. */
export namespace destination {
  /** `ip:port`. */
  export function address(): string | null {
    return text("destination\0address");
  }
  export function port(): i64 {
    return integer("destination\0port");
  }
}

/** The downstream connection. */
export namespace connection {
  export function id(): i64 {
    return integer("connection\0id");
  }
  /** Whether the peer has shown a certificate. */
  export function mtls(): bool {
    return flag("connection\0mtls");
  }
  /** The SNI. */
  export function requestedServerName(): string | null {
    return text("connection\0requested_server_name");
  }
  export function tlsVersion(): string | null {
    return text("connection\0tls_version");
  }
  export function subjectPeerCertificate(): string | null {
    return text("connection\0subject_peer_certificate");
  }
  /** The first URI in the peer's certificate; its SPIFFE id. */
  export function uriSanPeerCertificate(): string | null {
    return text("connection\0uri_san_peer_certificate");
  }
  export function dnsSanPeerCertificate(): string | null {
    return text("connection\0dns_san_peer_certificate");
  }
}

/** The chosen upstream host. */
export namespace upstream {
  /** `ip:port`. */
  export function address(): string | null {
    return text("upstream\0address");
  }
  export function port(): i64 {
    return integer("upstream\0port");
  }
}

/** The plugin and the place it runs in. */
export namespace plugin {
  export function name(): string | null {
    return text("plugin_name");
  }
  export function rootId(): string | null {
    return text("plugin_root_id");
  }
  export function vmId(): string | null {
    return text("plugin_vm_id");
  }
  export function clusterName(): string | null {
    return text("xds\0cluster_name");
  }
  export function routeName(): string | null {
    return text("xds\0route_name");
  }
  /** 0 unspecified, 1 inbound, 2 outbound. */
  export function listenerDirection(): i64 {
    return integer("xds\0listener_direction");
  }
}

function read(path: string): ByteString | null {
  const ptr = KEY_TEXT.put(path);
  clearSlots();
  if (proxy_get_property(ptr, KEY_TEXT.len, PTR_SLOT, LEN_SLOT) != WasmResult.Ok) return null;
  return ByteString.wrap(takeBuffer());
}

function text(path: string): string | null {
  const bytes = read(path);
  return bytes == null ? null : bytes.toString();
}

function integer(path: string): i64 {
  const bytes = read(path);
  return bytes != null && bytes.length == 8 ? load<i64>(bytes.ptr) : 0;
}

function flag(path: string): bool {
  const bytes = read(path);
  return bytes != null && bytes.length > 0 && load<u8>(bytes.ptr) != 0;
}
