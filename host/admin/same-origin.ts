// Who may talk to the admin API from inside a browser: nobody but its own pages. A page of another site can point its own name at
// 127.0.0.1 (DNS rebinding: the Host header then carries that name) or post a form here (the Origin header then carries its site).
// Envoy checks neither ("Administration interface": it warns to keep the port closed).
import { isIP } from "node:net";

/** localhost, an IP address, or one of the configured names, with or without a port. */
export function isAllowedHost(header: string | undefined, names: readonly string[]): boolean {
  // HTTP/1.0 and health checkers without a Host come from no browser.
  if (header === undefined || header === "") return true;
  const host = hostOf(header);
  if (host === undefined) return false;
  const name = host.toLowerCase().replace(/\.$/, "");
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0 ||
    names.some((allowed) => allowed.toLowerCase() === name)
  );
}

/** False for a request that a page of another site makes; tools send neither header. */
export function isSameOrigin(origin: string | undefined, fetchSite: string | undefined, host: string | undefined): boolean {
  if (fetchSite !== undefined && fetchSite !== "same-origin" && fetchSite !== "none") return false;
  if (origin === undefined) return true;
  return host !== undefined && origin.replace(/^https?:\/\//, "").toLowerCase() === host.toLowerCase();
}

/** "[::1]:80" → "[::1]"; undefined for what is no host. */
function hostOf(header: string): string | undefined {
  return /^(\[[0-9a-fA-F:.]+\]|[^:[\]/@\s]+)(?::\d{1,5})?$/.exec(header)?.[1];
}
