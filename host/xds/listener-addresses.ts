// No two listeners on one address, whether they are static or come from a file.
import type { Listener } from "../config/listener.ts";

/**
 * Adds the listener's addresses to `taken`; the reason against it, in Envoy's words, if one was there already, and then none is
 * added.
 */
export function takeAddresses(listener: Listener, taken: Set<string>): string | undefined {
  // Port 0 is a new port each time.
  const bound = listener.addresses.filter((address) => address.kind === "pipe" || address.port !== 0);
  const texts = bound.map((address) => (address.kind === "socket" ? `${address.address}:${address.port}` : address.path));
  const shared = texts.find((text, index) => taken.has(text) || texts.indexOf(text) !== index);
  if (shared !== undefined) return `error adding listener: '${listener.name}' has duplicate address '${shared}' as existing listener`;
  for (const text of texts) taken.add(text);
  return undefined;
}
