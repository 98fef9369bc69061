// The PROXY protocol, versions 1 and 2 (haproxy.org/download/2.9/doc/proxy-protocol.txt), read strictly: the header decides who the
// client is, so what is not exactly one closes the connection.
import { isIP } from "node:net";

export interface Tlv {
  readonly type: number;
  readonly value: Uint8Array;
}

export type ProxyHeaderResult =
  | { readonly kind: "more" }
  /** The bytes are no PROXY header from the first one that differs. */
  | { readonly kind: "absent" }
  | { readonly kind: "invalid"; readonly version: 0 | 1 | 2 }
  | ProxyHeader;

export interface ProxyHeader {
  readonly kind: "header";
  readonly version: 1 | 2;
  readonly length: number;
  /** undefined: the header names no addresses (LOCAL, UNKNOWN), and those of the socket hold. */
  readonly addresses: ProxyAddresses | undefined;
  readonly tlvs: readonly Tlv[];
}

export interface ProxyAddresses {
  readonly sourceIp: string;
  readonly sourcePort: number;
  readonly destinationIp: string;
  readonly destinationPort: number;
}

const MORE: ProxyHeaderResult = { kind: "more" };
const ABSENT: ProxyHeaderResult = { kind: "absent" };

const V1_SIGNATURE = Buffer.from("PROXY ", "latin1");
const V2_SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
/** The longest line of version 1 with its end. */
const V1_MAX = 107;
const V2_HEADER = 16;
/** Of version 2 behind its first 16 bytes. */
export const MAX_PROXY_HEADER = V2_HEADER + 65_535;

export function readProxyHeader(data: Buffer): ProxyHeaderResult {
  if (startsLike(data, V2_SIGNATURE)) return data.length < V2_HEADER ? MORE : readVersion2(data);
  if (startsLike(data, V1_SIGNATURE)) return data.length < V1_SIGNATURE.length ? MORE : readVersion1(data);
  return ABSENT;
}

function startsLike(data: Buffer, signature: Buffer): boolean {
  const length = Math.min(data.length, signature.length);
  return data.subarray(0, length).equals(signature.subarray(0, length));
}

function readVersion1(data: Buffer): ProxyHeaderResult {
  const end = data.subarray(0, V1_MAX).indexOf("\r\n");
  if (end < 0) return data.length < V1_MAX ? MORE : { kind: "invalid", version: 1 };
  const length = end + 2;
  const [, family, ...fields] = data.latin1Slice(0, end).split(" ");
  if (family === "UNKNOWN") return { kind: "header", version: 1, length, addresses: undefined, tlvs: [] };
  const wanted = family === "TCP4" ? 4 : family === "TCP6" ? 6 : 0;
  const [sourceIp, destinationIp, sourcePort, destinationPort] = fields;
  const ports = [readPort(sourcePort), readPort(destinationPort)];
  const isGood =
    wanted !== 0 &&
    fields.length === 4 &&
    isIP(sourceIp) === wanted &&
    isIP(destinationIp) === wanted &&
    !sourceIp.includes("%") &&
    !destinationIp.includes("%");
  if (!isGood || ports.includes(-1)) return { kind: "invalid", version: 1 };
  const addresses = { sourceIp, sourcePort: ports[0], destinationIp, destinationPort: ports[1] };
  return { kind: "header", version: 1, length, addresses, tlvs: [] };
}

/** Decimal without signs, blanks or leading zeros; -1: none. */
function readPort(text: string | undefined): number {
  return text !== undefined && /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535 ? Number(text) : -1;
}

const LOCAL = 0;
const PROXY = 1;
/** Family → length of the address block; what is above it, stream or datagram, says nothing of an address (as in Envoy). */
const IPV4 = 1;
const IPV6 = 2;
const STREAM = 1;
const DATAGRAM = 2;
const ADDRESS_LENGTH: Readonly<Record<number, number>> = { [IPV4]: 12, [IPV6]: 36 };

function readVersion2(data: Buffer): ProxyHeaderResult {
  const command = data[12] & 0x0f;
  const family = data[13] >> 4;
  const transport = data[13] & 0x0f;
  const bodyLength = (data[14] << 8) | data[15];
  if (data[12] >> 4 !== 2 || command > PROXY) return { kind: "invalid", version: 2 };
  const addressLength = ADDRESS_LENGTH[family];
  const isAddressed = addressLength !== undefined && (transport === STREAM || transport === DATAGRAM);
  if (command === PROXY && (!isAddressed || bodyLength < addressLength)) return { kind: "invalid", version: 2 };
  const length = V2_HEADER + bodyLength;
  if (data.length < length) return MORE;
  if (command === LOCAL) return { kind: "header", version: 2, length, addresses: undefined, tlvs: [] };
  const body = data.subarray(V2_HEADER, length);
  const tlvs = readTlvs(body, addressLength);
  if (tlvs === undefined) return { kind: "invalid", version: 2 };
  const size = family === IPV4 ? 4 : 16;
  const ip = (at: number): string => (size === 4 ? body.subarray(at, at + 4).join(".") : ip6(body.subarray(at, at + 16)));
  const addresses = {
    sourceIp: ip(0),
    destinationIp: ip(size),
    sourcePort: body.readUInt16BE(2 * size),
    destinationPort: body.readUInt16BE(2 * size + 2),
  };
  return { kind: "header", version: 2, length, addresses, tlvs };
}

function ip6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(":");
  // The WHATWG URL parser writes IPv6 addresses as RFC 5952 has them.
  return new URL(`http://[${groups}]`).hostname.slice(1, -1);
}

function readTlvs(body: Buffer, from: number): readonly Tlv[] | undefined {
  const tlvs: Tlv[] = [];
  let at = from;
  while (at < body.length) {
    if (body.length - at < 3) return undefined;
    const length = body.readUInt16BE(at + 1);
    if (at + 3 + length > body.length) return undefined;
    tlvs.push({ type: body[at], value: body.subarray(at + 3, at + 3 + length) });
    at += 3 + length;
  }
  return tlvs;
}
