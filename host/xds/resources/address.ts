// envoy.config.core.v3.Address and CidrRange.
import { BlockList, isIP } from "node:net";
import type { PipeAddress, SocketAddress } from "../../config/cluster.ts";
import type { ConfigReader } from "../../config/extension.ts";

/** `mustBeIp`: everywhere but in clusters that resolve names. */
export function parseAddress(reader: ConfigReader, mustBeIp: boolean): SocketAddress | PipeAddress | undefined {
  const socket = reader.message("socket_address");
  if (socket !== undefined) return parseSocketAddress(socket, mustBeIp);
  const pipe = reader.message("pipe");
  if (pipe !== undefined) {
    const path = pipe.text("path");
    // One byte of the 108 is the end of the name.
    if (Buffer.byteLength(path) > 107) pipe.refuse("path", `Path "${path}" exceeds maximum UNIX domain socket path size of 108.`);
    return { kind: "pipe", path };
  }
  return undefined;
}

function parseSocketAddress(reader: ConfigReader, mustBeIp: boolean): SocketAddress {
  if (reader.choice("protocol", "TCP") !== "TCP") reader.refuse("protocol", "UDP is not implemented");
  if (reader.has("named_port")) reader.refuse("named_port", "not implemented: give port_value");
  const address = reader.text("address");
  if (mustBeIp && address !== "" && isIP(address) === 0) {
    reader.refuse(
      "address",
      `malformed IP address: ${address}. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'`,
    );
  }
  const port = reader.number("port_value");
  if (port > 65535) reader.refuse("port_value", "value must be less than or equal to 65535");
  return { kind: "socket", address, port };
}

/** Clients with such an address are seen with their IPv4 address, so a range of them would never match. */
const mapped = new BlockList();
mapped.addSubnet("::ffff:0:0", 96, "ipv6");

/** "10.0.0.0/8" */
export function parseCidrs(readers: readonly ConfigReader[]): readonly string[] {
  return readers.map((reader) => {
    const address = reader.text("address_prefix");
    // A zone names an interface of one machine; Envoy takes none in a range.
    const version = address.includes("%") ? 0 : isIP(address);
    const length = reader.number("prefix_len");
    if (version === 0) reader.refuse("address_prefix", `malformed IP address: ${address}`);
    if (version === 6 && mapped.check(address, "ipv6")) {
      reader.refuse("address_prefix", `an IPv4-mapped range is not implemented: give ${address} as IPv4`);
    }
    // A longer prefix than the address has bits is the whole address, as in Envoy.
    return `${address}/${Math.min(length, version === 4 ? 32 : 128)}`;
  });
}
