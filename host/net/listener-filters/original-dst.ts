// envoy.filters.listener.original_dst: the address that a client meant to reach before iptables sent it here (SO_ORIGINAL_DST). Asked
// of the kernel through koffi, as reuse-port.ts does; a connection that was not redirected keeps its own address.
import type { AcceptedFacts } from "../accepted-facts.ts";
import type { ListenerFilter, ListenerFilterStatus } from "./filter.ts";

const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80;
const AF_INET = 2;
const AF_INET6 = 10;

type GetSocketOption = (fd: number, level: number, option: number, value: Buffer, length: Buffer) => number;

let getSocketOption: GetSocketOption | undefined;

/** Loads libc once: before the first listener that needs it accepts. */
export async function loadOriginalDst(): Promise<void> {
  if (getSocketOption !== undefined) return;
  const { default: koffi } = await import("koffi");
  getSocketOption = koffi
    .load("libc.so.6")
    .func("int getsockopt(int fd, int level, int option, _Out_ void *value, _Inout_ void *length)") as unknown as GetSocketOption;
}

/** struct sockaddr_in or sockaddr_in6 as text; undefined: another family. */
export function readSocketAddress(bytes: Buffer): { readonly ip: string; readonly port: number } | undefined {
  const family = bytes.readUInt16LE(0);
  const port = bytes.readUInt16BE(2);
  if (family === AF_INET) return { ip: bytes.subarray(4, 8).join("."), port };
  if (family !== AF_INET6) return undefined;
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(8 + 2 * i).toString(16)).join(":");
  return { ip: new URL(`http://[${groups}]`).hostname.slice(1, -1), port };
}

export class OriginalDstFilter implements ListenerFilter {
  readonly maxReadBytes = 0;
  readonly asksKernel = true;
  private readonly value = Buffer.alloc(28);
  private readonly length = Buffer.alloc(4);

  onAccept(facts: AcceptedFacts): ListenerFilterStatus {
    const { value, length } = this;
    if (getSocketOption === undefined || facts.descriptor < 0) return "continue";
    length.writeUInt32LE(value.length);
    const level = facts.localIp.includes(":") ? SOL_IPV6 : SOL_IP;
    if (getSocketOption(facts.descriptor, level, SO_ORIGINAL_DST, value, length) !== 0) return "continue";
    const address = readSocketAddress(value);
    if (address === undefined) return "continue";
    facts.isLocalAddressRestored = true;
    facts.localIp = address.ip;
    facts.localPort = address.port;
    return "continue";
  }

  onData(): ListenerFilterStatus {
    return "continue";
  }
}
