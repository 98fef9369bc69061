// Facts about a downstream connection that live as long as it does.
import type { TlsInfo } from "./tls-info.ts";

/** Addresses are "ip:port" ("[ip6]:port") or a pipe's path. */
export interface ConnectionInfo {
  readonly connectionId: number;
  /** Of the client: what PROXY protocol says, else the socket's. */
  readonly remoteAddress: string;
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localIp: string;
  readonly localPort: number;
  /** A listener filter has put it in place: it is where the client meant to go. */
  readonly isLocalAddressRestored: boolean;
  /** Of the socket itself, whatever listener filters have said. */
  readonly directRemoteAddress: string;
  readonly directRemoteIp: string;
  readonly directLocalAddress: string;
  /** SNI that a TLS inspector has read, "" without one (as in Envoy). */
  readonly requestedServerName: string;
  /** "" without TLS. */
  readonly tlsVersion: string;
  readonly mtls: boolean;
  /** undefined without TLS. */
  readonly tls: TlsInfo | undefined;
  /** How long the handshake took; undefined without TLS. */
  readonly handshakeMs: number | undefined;
  /** 0 unspecified, 1 inbound, 2 outbound (config.core.v3.TrafficDirection). */
  readonly direction: number;
  readonly listenerName: string;
  readonly filterChainName: string;
  readonly listenerMetadata: Readonly<Record<string, unknown>>;
  /** Metadata by namespace that listener filters have set; undefined: none. It is the connection's: streams have their own (as in Envoy). */
  readonly dynamicMetadata: Readonly<Record<string, Readonly<Record<string, unknown>>>> | undefined;
}
