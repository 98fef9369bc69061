// The proxy's own address (Envoy's local_info address): the first non-loopback IPv4 of an interface.
import { networkInterfaces } from "node:os";

export function findLocalIp(): string {
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) if (address.family === "IPv4" && !address.internal) return address.address;
  }
  return "127.0.0.1";
}
