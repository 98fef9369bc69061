// The header of the PROXY protocol that is sent to hosts (haproxy.org/download/2.9/doc/proxy-protocol.txt). A connection here serves
// requests of many clients, so it names none: "UNKNOWN" in version 1, "LOCAL" in version 2, as Envoy does for its own connections.
import type { UpstreamProxyProtocol } from "../config/transport-socket.ts";

const SIGNATURE = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");
const VERSION_2_LOCAL = 0x20;
const UNSPECIFIED = 0x00;

export function proxyHeader({ version, addedTlvs }: UpstreamProxyProtocol): Buffer {
  if (version === "V1") return Buffer.from("PROXY UNKNOWN\r\n", "latin1");
  const parts = addedTlvs.map(({ type, value }) => Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value]));
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([SIGNATURE, Buffer.from([VERSION_2_LOCAL, UNSPECIFIED, length >> 8, length & 0xff]), ...parts]);
}
