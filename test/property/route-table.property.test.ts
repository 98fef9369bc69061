// The compiled route table against a search through everything by the rules of the documentation (Envoy: VirtualHost.domains,
// "Route matching"): exact, longest suffix, longest prefix, "*"; then the first route.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RouteConfiguration } from "../../host/config/route.ts";
import { HeaderMap } from "../../host/http/header-map.ts";
import { StreamInfo } from "../../host/http/stream-info.ts";
import type { ConnectionInfo } from "../../host/net/connection-info.ts";
import { CompiledRouteTable } from "../../host/router/route-table.ts";
import { makeSnapshot } from "../support/data-plane.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { managerOf } from "../support/chains.ts";

const DOMAINS = ["a.example", "b.example", "a.example:80", "*.example", "*.a.example", "*-x.example", "a.*", "a.b.*", "www.*", "*"];
const HOSTS = [
  "a.example",
  "A.Example",
  "b.example",
  "a.example:80",
  "x.example",
  "y.a.example",
  "-x.example",
  "q-x.example",
  ".example",
  "a.b.c",
  "a.",
  "www.x",
  "other",
  "[::1]:80",
  "",
];
const MATCHES = [
  { prefix: "/" },
  { prefix: "/a" },
  { prefix: "/A", case_sensitive: false },
  { path: "/a/b" },
  { path: "/A/B", case_sensitive: false },
  { path_separated_prefix: "/a" },
  { safe_regex: { regex: "/a/[0-9]+" } },
  { connect_matcher: {} },
] as const;
const PATHS = ["/", "/a", "/ab", "/a/b", "/A/b", "/a/12", "/a/12?x=/a/b", "/a?b", "/b", "/a/"];
type Match = (typeof MATCHES)[number];

function matches(match: Match, method: string, target: string): boolean {
  if ("connect_matcher" in match) return method === "CONNECT";
  const path = target.split("?")[0];
  const fold = "case_sensitive" in match ? (text: string): string => text.toLowerCase() : (text: string): string => text;
  if ("prefix" in match) return fold(path).startsWith(fold(match.prefix));
  if ("path" in match) return fold(path) === fold(match.path);
  if ("path_separated_prefix" in match) return path === match.path_separated_prefix || path.startsWith(`${match.path_separated_prefix}/`);
  return new RegExp(`^(?:${match.safe_regex.regex})$`).test(path);
}

/** The rank of a domain for a host: higher wins, -1 does not match. */
function rank(domain: string, host: string): number {
  if (domain === "*") return 0;
  if (domain.startsWith("*")) return host.length >= domain.length && host.endsWith(domain.slice(1)) ? 2000 + domain.length : -1;
  if (domain.endsWith("*")) return host.length >= domain.length && host.startsWith(domain.slice(0, -1)) ? 1000 + domain.length : -1;
  return domain === host ? 10_000 : -1;
}

const hostSpec = fc.record({
  domains: fc.array(fc.constantFrom(...DOMAINS), { minLength: 1, maxLength: 3 }),
  routes: fc.array(fc.constantFrom(...MATCHES), { maxLength: 4 }),
});

test("route table finds what a search through everything finds", () => {
  fc.assert(
    fc.property(fc.array(hostSpec, { minLength: 1, maxLength: 4 }), (specs) => {
      const taken = new Set<string>();
      const hosts = specs
        .map(({ domains, routes }) => ({
          domains: domains.filter((domain) => !taken.has(domain) && taken.add(domain) !== undefined),
          routes,
        }))
        .filter(({ domains }) => domains.length > 0);
      if (hosts.length === 0) return;
      const virtualHosts = hosts.map(({ domains, routes }, i) => ({
        name: `v${i}`,
        domains: [...new Set(domains)],
        routes: routes.map((match, j) => ({ name: `v${i}r${j}`, match, direct_response: { status: 200 } })),
      }));
      const [listener] = makeSnapshot([{ name: "in", routeConfig: { name: "r", virtual_hosts: virtualHosts } }], []).listeners;
      const routes = managerOf(listener).routes;
      const table = new CompiledRouteTable((routes as { readonly config: RouteConfiguration }).config, () => undefined);
      const info = new StreamInfo({ remoteAddress: "" } as ConnectionInfo);
      const random = new SeededRandom(1);
      for (const authority of HOSTS) {
        const ranked = hosts
          .flatMap((host, i) => host.domains.map((domain) => ({ i, rank: rank(domain, authority.toLowerCase()) })))
          .filter((entry) => entry.rank >= 0);
        ranked.sort((a, b) => b.rank - a.rank);
        for (const target of PATHS) {
          for (const method of ["GET", "CONNECT"]) {
            const headers = HeaderMap.from([
              [":authority", authority],
              [":path", target],
              [":method", method],
            ]);
            const host = ranked[0]?.i;
            const wanted = host === undefined ? -1 : hosts[host].routes.findIndex((match) => matches(match, method, target));
            const found = table.match(headers, info, random)?.routeName;
            assert.equal(found, wanted < 0 ? undefined : `v${host}r${wanted}`, `${method} ${authority} ${target}`);
          }
        }
      }
    }),
    { seed: 7, numRuns: 150 },
  );
});
