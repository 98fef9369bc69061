// Addresses as Envoy prints them.
import type { PipeAddress, SocketAddress } from "../config/cluster.ts";

export function formatAddress(address: SocketAddress | PipeAddress): string {
  if (address.kind === "pipe") return address.path;
  return address.address.includes(":") ? `[${address.address}]:${address.port}` : `${address.address}:${address.port}`;
}
