// Addresses as the admin API prints them.
import type { PipeAddress, SocketAddress } from "../config/cluster.ts";

export function formatAddress(address: SocketAddress | PipeAddress): string {
  if (address.kind === "pipe") return address.path;
  return `${address.address.includes(":") ? `[${address.address}]` : address.address}:${address.port}`;
}

/** envoy.config.core.v3.Address */
export function addressJson(address: SocketAddress | PipeAddress): unknown {
  if (address.kind === "pipe") return { pipe: { path: address.path } };
  return { socket_address: { address: address.address, port_value: address.port } };
}
