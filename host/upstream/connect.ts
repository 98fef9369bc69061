// A connection to a host: TCP or a pipe, then the PROXY header, then TLS, by the transport socket that fits the endpoint (Envoy:
// TransportSocketMatcher). Compiled once for each configuration of a cluster; secrets are taken over in place.
import { connect, type Socket } from "node:net";
import { RAW_BUFFER, type UpstreamTlsContext, type UpstreamTransportSocket } from "../config/transport-socket.ts";
import type { Cluster, Endpoint } from "../config/cluster.ts";
import { structuralKey } from "../config/structural-key.ts";
import { connectReader, type SocketReader } from "../net/socket-reader.ts";
import type { Secrets } from "../net/tls-context.ts";
import type { TlsInfo } from "../net/tls-info.ts";
import type { Counter, StatsStore } from "../stats/store.ts";
import { formatAddress } from "./address.ts";
import { proxyHeader } from "./proxy-header.ts";
import { type Alpn, UpstreamTls } from "./upstream-tls.ts";

/** What a request asks of its connection beyond the host (auto_sni, auto_san_validation); "" and false: nothing. */
export interface ConnectionKey {
  readonly serverName: string;
  readonly setsSni: boolean;
  readonly validatesName: boolean;
  /** undefined: what is configured, or goes with the protocol. */
  readonly alpn: readonly string[] | undefined;
}

export const ANY_CONNECTION: ConnectionKey = { serverName: "", setsSni: false, validatesName: false, alpn: undefined };

interface Transport {
  readonly config: UpstreamTransportSocket;
  readonly tls: UpstreamTls | undefined;
  /** How often an endpoint was matched to it. */
  readonly matches: Counter | undefined;
}

const MATCH_METADATA = "envoy.transport_socket_match";

export class UpstreamConnector {
  private cluster: Cluster;
  private readonly store: StatsStore;
  private readonly nowMs: () => number;
  private fallback: Transport;
  private byMatch: readonly (readonly [match: Readonly<Record<string, unknown>>, transport: Transport])[] = [];
  private key = "";

  constructor(cluster: Cluster, store: StatsStore, nowMs: () => number) {
    this.cluster = cluster;
    this.store = store;
    this.nowMs = nowMs;
    this.fallback = { config: RAW_BUFFER, tls: undefined, matches: undefined };
    this.update(cluster, {});
  }

  /** True: connections that exist were made in another way. */
  update(cluster: Cluster, secrets: Secrets): boolean {
    const isSame = cluster === this.cluster && this.key !== "";
    const key = isSame ? this.key : structuralKey([cluster.transportSocket, cluster.transportSocketMatches]);
    const isChanged = key !== this.key;
    this.cluster = cluster;
    if (isChanged) {
      this.key = key;
      this.fallback = this.make(cluster.transportSocket, undefined);
      this.byMatch = cluster.transportSocketMatches.map(({ name, match, transportSocket }) => [match, this.make(transportSocket, name)]);
    }
    this.fallback.tls?.update(secrets);
    for (const [, transport] of this.byMatch) transport.tls?.update(secrets);
    return isChanged;
  }

  private make(config: UpstreamTransportSocket, matchName: string | undefined): Transport {
    const prefix = `cluster.${this.cluster.altStatName || this.cluster.name}.`;
    const tls = tlsOf(config);
    return {
      config,
      tls: tls === undefined ? undefined : new UpstreamTls(tls, this.store, prefix, this.nowMs),
      matches: matchName === undefined ? undefined : this.store.counter(`${prefix}transport_socket_match.${matchName}.total_match_count`),
    };
  }

  /** `onReady` comes once bytes may be sent; a connection that fails ends with an error instead. */
  connect(endpoint: Endpoint, key: ConnectionKey, alpn: Alpn, onReady: (tls: TlsInfo | undefined) => void): SocketReader {
    const transport = this.transportFor(endpoint);
    transport.matches?.inc();
    const { tls } = transport;
    const header = transport.config.kind === "upstream_proxy_protocol" ? proxyHeader(transport.config) : undefined;
    if (tls === undefined) {
      const reader = connectReader(this.socketOptions(endpoint));
      if (header !== undefined) reader.socket.write(header);
      reader.socket.once("connect", () => onReady(undefined));
      return reader;
    }
    const carrier: Socket = connect(this.socketOptions(endpoint));
    if (header !== undefined) carrier.write(header);
    const offered = key.alpn === undefined ? alpn : { protocols: key.alpn, overrides: true };
    const target = { ...key, address: formatAddress(endpoint.address), hostname: endpoint.hostname, alpn: offered };
    return tls.wrap(carrier, target, onReady);
  }

  private socketOptions({ address }: Endpoint): Parameters<typeof connectReader>[0] {
    if (address.kind === "pipe") return { path: address.path, allowHalfOpen: true };
    const { upstreamBindAddress, tcpKeepalive } = this.cluster;
    return {
      host: address.address,
      port: address.port,
      allowHalfOpen: true,
      noDelay: true,
      localAddress: upstreamBindAddress,
      keepAlive: tcpKeepalive !== undefined,
      keepAliveInitialDelay: tcpKeepalive?.probeStartMs,
    };
  }

  private transportFor(endpoint: Endpoint): Transport {
    if (this.byMatch.length === 0) return this.fallback;
    const metadata = endpoint.metadata[MATCH_METADATA] ?? {};
    for (const [match, transport] of this.byMatch) {
      if (
        Object.entries(match).every(
          ([name, value]) => Object.hasOwn(metadata, name) && structuralKey(metadata[name]) === structuralKey(value),
        )
      ) {
        return transport;
      }
    }
    return this.fallback;
  }
}

function tlsOf(config: UpstreamTransportSocket): UpstreamTlsContext | undefined {
  if (config.kind === "tls") return config;
  return config.kind === "upstream_proxy_protocol" && config.inner.kind === "tls" ? config.inner : undefined;
}
