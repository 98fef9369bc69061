/** Downstream connection facts that live as long as the connection. Addresses are "ip:port" ("[ip6]:port") or a pipe's path. */
export interface ConnectionInfo {
  readonly connectionId: number;
  readonly remoteAddress: string;
  readonly remoteIp: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localIp: string;
  readonly localPort: number;
  /** Set by TLS, "" without. */
  readonly requestedServerName: string;
  readonly tlsVersion: string;
  readonly mtls: boolean;
  /** 0 unspecified, 1 inbound, 2 outbound (config.core.v3.TrafficDirection). */
  readonly direction: number;
  readonly listenerName: string;
  readonly filterChainName: string;
  readonly listenerMetadata: Readonly<Record<string, unknown>>;
}
