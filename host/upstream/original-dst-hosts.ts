// The hosts of an ORIGINAL_DST cluster: whatever address a client meant to reach is one, made when it is first wanted and forgotten when
// it was not used for a while (Envoy: "Original destination"). The address is the connection's restored one, or that of a header.
import type { Endpoint, LocalityEndpoints, OriginalDst } from "../config/cluster.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { ConnectionInfo } from "../net/connection-info.ts";
import { isIP } from "node:net";
import type { Counter, StatsStore } from "../stats/store.ts";
import { Host } from "./host.ts";

/** Clients choose the addresses, so there is an end to them; beyond it those that wait longest unused make room. */
const MAX_HOSTS = 10_000;

const Locality: LocalityEndpoints = { region: "", zone: "", subZone: "", priority: 0, weight: undefined, endpoints: [] };

interface Known {
  readonly host: Host;
  usedMs: number;
}

export interface OriginalDstOptions {
  readonly stats: StatsStore;
  now(): number;
  /** Connections to a host that is forgotten end when they are idle. */
  onForgotten(host: Host): void;
  /** The number of hosts is another one. */
  onChange(): void;
}

export class OriginalDstHosts {
  private readonly config: OriginalDst;
  private readonly options: OriginalDstOptions;
  private readonly statName: string;
  private readonly known = new Map<string, Known>();
  private readonly invalid: Counter;
  private sweptMs: number;

  constructor(config: OriginalDst, statName: string, options: OriginalDstOptions) {
    this.config = config;
    this.options = options;
    this.statName = statName;
    this.invalid = options.stats.counter(`cluster.${statName}.original_dst_host_invalid`);
    this.sweptMs = options.now();
  }

  get hosts(): readonly Host[] {
    return [...this.known.values()].map(({ host }) => host);
  }

  /** undefined: nobody says where the client meant to go. */
  choose(connection: ConnectionInfo | undefined, headers: HeaderMap | undefined): Host | undefined {
    const now = this.options.now();
    if (now - this.sweptMs >= this.config.cleanupIntervalMs) this.sweep(now);
    const address = this.addressOf(connection, headers);
    if (address === undefined) return undefined;
    const known = this.known.get(address);
    if (known !== undefined) {
      known.usedMs = now;
      return known.host;
    }
    return this.add(address, now);
  }

  private addressOf(connection: ConnectionInfo | undefined, headers: HeaderMap | undefined): string | undefined {
    const { useHttpHeader, httpHeaderName, portOverride } = this.config;
    const named = useHttpHeader ? headers?.get(httpHeaderName) : undefined;
    if (named !== undefined) {
      const address = withPort(named, portOverride);
      if (address === undefined) this.invalid.inc();
      return address;
    }
    if (connection === undefined || !connection.isLocalAddressRestored) return undefined;
    return portOverride === undefined ? connection.localAddress : withPort(connection.localAddress, portOverride);
  }

  private add(address: string, now: number): Host {
    if (this.known.size >= MAX_HOSTS) for (const oldest of this.known.keys()) if (this.forget(oldest)) break;
    const at = address.lastIndexOf(":");
    const ip = address.slice(0, at).replace(/^\[|\]$/g, "");
    const host = new Host(endpointOf(ip, Number(address.slice(at + 1))), Locality, this.options.stats, this.statName);
    this.known.set(address, { host, usedMs: now });
    this.options.onChange();
    return host;
  }

  private sweep(now: number): void {
    const before = this.sweptMs;
    this.sweptMs = now;
    for (const [address, { usedMs }] of this.known) if (usedMs < before) this.forget(address);
  }

  private forget(address: string): boolean {
    const known = this.known.get(address);
    if (known === undefined || known.host.activeRequests > 0) return false;
    this.known.delete(address);
    this.options.onForgotten(known.host);
    this.options.onChange();
    return true;
  }
}

/** "ip:port" as it is or with another port; undefined: it is none. */
function withPort(address: string, port: number | undefined): string | undefined {
  const at = address.lastIndexOf(":");
  const ip = address.slice(0, at);
  const given = address.slice(at + 1);
  const plain = ip.startsWith("[") && ip.endsWith("]") ? ip.slice(1, -1) : ip;
  const family = isIP(plain);
  if (at < 0 || family === 0 || (family === 6) !== ip.startsWith("[") || !/^\d{1,5}$/.test(given) || Number(given) > 65_535)
    return undefined;
  return `${ip}:${port ?? Number(given)}`;
}

function endpointOf(ip: string, port: number): Endpoint {
  return {
    address: { kind: "socket", address: ip, port },
    hostname: "",
    healthStatus: "UNKNOWN",
    healthCheck: undefined,
    failedActiveHealthCheck: false,
    isIgnored: false,
    weight: 1,
    metadata: {},
  };
}
