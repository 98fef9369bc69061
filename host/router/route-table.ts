// A route configuration, compiled: virtual host by domain (exact, longest suffix wildcard, longest prefix wildcard, "*"), then the
// first route that matches (Envoy's RouteMatcher). Nothing is parsed and nothing allocated for a request that names one cluster.
import type { Random } from "../base/system.ts";
import type { RouteConfiguration, VirtualHost } from "../config/route.ts";
import type { RouteTable } from "../http/conn-manager-config.ts";
import type { RouteView } from "../http/filter.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import type { RuntimeReader } from "./matchers.ts";
import { compileMutations, RouteEntry } from "./route-entry.ts";

/** Its routes are compiled for its first request: a mesh's tables have thousands of virtual hosts, and a proxy calls a few. */
class CompiledVirtualHost {
  readonly config: VirtualHost;
  private readonly table: RouteConfiguration;
  private readonly runtime: RuntimeReader;
  private compiled: readonly RouteEntry[] | undefined = undefined;

  constructor(config: VirtualHost, table: RouteConfiguration, runtime: RuntimeReader) {
    this.config = config;
    this.table = table;
    this.runtime = runtime;
  }

  get routes(): readonly RouteEntry[] {
    this.compiled ??= this.compile();
    return this.compiled;
  }

  private compile(): readonly RouteEntry[] {
    const { config, table, runtime } = this;
    const ctx = {
      table,
      virtualHost: config,
      tableMutations: compileMutations(table.mutations),
      hostMutations: compileMutations(config.mutations),
      runtime,
    };
    return config.routes.map((route) => new RouteEntry(route, ctx));
  }
}

/** Wildcards of one kind, grouped by length: the longest that fits wins. */
class WildcardMap {
  private readonly byLength: { length: number; hosts: Map<string, CompiledVirtualHost> }[] = [];

  add(text: string, host: CompiledVirtualHost): void {
    let group = this.byLength.find((g) => g.length === text.length);
    if (group === undefined) {
      group = { length: text.length, hosts: new Map() };
      this.byLength.push(group);
      this.byLength.sort((a, b) => b.length - a.length);
    }
    group.hosts.set(text, host);
  }

  find(part: (length: number) => string, hostLength: number): CompiledVirtualHost | undefined {
    for (const group of this.byLength) {
      // The wildcard stands for at least one character.
      if (group.length >= hostLength) continue;
      const host = group.hosts.get(part(group.length));
      if (host !== undefined) return host;
    }
    return undefined;
  }

  get empty(): boolean {
    return this.byLength.length === 0;
  }
}

export class CompiledRouteTable implements RouteTable {
  readonly config: RouteConfiguration;
  private readonly exact = new Map<string, CompiledVirtualHost>();
  private readonly suffixes = new WildcardMap();
  private readonly prefixes = new WildcardMap();
  private fallback: CompiledVirtualHost | undefined = undefined;

  constructor(config: RouteConfiguration, runtime: RuntimeReader) {
    this.config = config;
    for (const virtualHost of config.virtualHosts) {
      const compiled = new CompiledVirtualHost(virtualHost, config, runtime);
      for (const raw of virtualHost.domains) {
        const domain = raw.toLowerCase();
        if (domain === "*") this.fallback = compiled;
        else if (domain.startsWith("*")) this.suffixes.add(domain.slice(1), compiled);
        else if (domain.endsWith("*")) this.prefixes.add(domain.slice(0, -1), compiled);
        else this.exact.set(domain, compiled);
      }
    }
  }

  get name(): string {
    return this.config.name;
  }

  get internalOnlyHeaders(): readonly string[] {
    return this.config.internalOnlyHeaders;
  }

  private virtualHost(authority: string): CompiledVirtualHost | undefined {
    if (this.exact.size === 0 && this.suffixes.empty && this.prefixes.empty) return this.fallback;
    let host = authority.toLowerCase();
    if (this.config.ignorePortInHostMatching) {
      const port = host.lastIndexOf(":");
      if (port > 0 && !host.endsWith("]")) host = host.slice(0, port);
    }
    return (
      this.exact.get(host) ??
      this.suffixes.find((length) => host.slice(host.length - length), host.length) ??
      this.prefixes.find((length) => host.slice(0, length), host.length) ??
      this.fallback
    );
  }

  match(headers: HeaderMap, info: StreamInfo, random: Random): RouteView | undefined {
    const host = this.virtualHost(headers.get(":authority") ?? "");
    if (host === undefined) return undefined;
    if (host.config.requireTls !== "NONE" && needsTlsRedirect(host.config, headers, info)) return new TlsRedirect(host.config);
    const path = headers.get(":path") ?? "";
    const query = path.indexOf("?");
    const pathOnly = query < 0 ? path : path.slice(0, query);
    for (const route of host.routes) if (route.matches(headers, path, pathOnly, random)) return route.choose(headers, random);
    return undefined;
  }
}

function needsTlsRedirect(host: VirtualHost, headers: HeaderMap, _info: StreamInfo): boolean {
  if (headers.get("x-forwarded-proto") === "https") return false;
  return host.requireTls === "ALL" || headers.get("x-envoy-internal") !== "true";
}

/** require_tls: every request of the virtual host is sent to https first. */
export class TlsRedirect implements RouteView {
  readonly routeName = "";
  readonly virtualHostName: string;
  readonly clusterName = "";
  readonly forwards = false;
  readonly metadata = {};
  readonly virtualHostMetadata: Readonly<Record<string, unknown>>;
  readonly streamIdleTimeoutMs = undefined;
  readonly maxStreamDuration = undefined;
  readonly bufferLimitBytes = undefined;

  constructor(host: VirtualHost) {
    this.virtualHostName = host.name;
    this.virtualHostMetadata = host.metadata;
  }
  upgradeAllowed(): undefined {
    return undefined;
  }
  perFilterConfig(): undefined {
    return undefined;
  }
  perFilterConfigs(): readonly unknown[] {
    return [];
  }
  filterDisabled(): undefined {
    return undefined;
  }
  location(headers: HeaderMap): string {
    return `https://${headers.get(":authority") ?? ""}${headers.get(":path") ?? "/"}`;
  }
}
