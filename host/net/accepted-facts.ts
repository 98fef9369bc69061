// What is known of a connection before it has a filter chain. Listener filters add to it; the filter chain match reads it.
import type { Socket } from "node:net";

const NO_PROTOCOLS: readonly string[] = [];

export class AcceptedFacts {
  localIp: string;
  localPort: number;
  remoteIp: string;
  remotePort: number;
  /** Of the socket itself. */
  readonly directLocalIp: string;
  readonly directLocalPort: number;
  readonly directRemoteIp: string;
  readonly directRemotePort: number;
  /** "" until a TLS inspector has seen a ClientHello; lower case. */
  serverName = "";
  /** The same, of whoever has read a ClientHello; undefined until somebody has. */
  helloServerName: string | undefined = undefined;
  transportProtocol: "raw_buffer" | "tls" = "raw_buffer";
  applicationProtocols: readonly string[] = NO_PROTOCOLS;
  /** A filter has put the address in place that the client meant to reach. */
  isLocalAddressRestored = false;
  /** Bytes at the start that a filter took for itself: nobody behind it sees them. */
  consumed = 0;
  /** By namespace; undefined until a filter writes. */
  dynamicMetadata: Record<string, Record<string, unknown>> | undefined = undefined;
  /** What the kernel is asked about the connection (SO_ORIGINAL_DST); -1: it cannot be. */
  readonly descriptor: number;

  constructor(localIp: string, localPort: number, remoteIp: string, remotePort: number, descriptor: number) {
    this.localIp = localIp;
    this.localPort = localPort;
    this.remoteIp = remoteIp;
    this.remotePort = remotePort;
    this.directLocalIp = localIp;
    this.directLocalPort = localPort;
    this.directRemoteIp = remoteIp;
    this.directRemotePort = remotePort;
    this.descriptor = descriptor;
  }
}

/** libuv's handle, where Node keeps the descriptor. */
interface WithDescriptor {
  readonly _handle: { readonly fd?: number } | null;
}

function plainIp(ip: string): string {
  return ip.startsWith("::ffff:") ? ip.slice(7) : ip;
}

/** undefined: the peer is gone already, and the socket's addresses with it. */
export function factsOf(socket: Socket): AcceptedFacts | undefined {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  const descriptor = (socket as unknown as WithDescriptor)._handle?.fd ?? -1;
  if (localAddress === undefined) {
    // A pipe has no IP addresses.
    const isPipe = socket.remoteFamily === undefined && localPort === undefined && !socket.destroyed;
    return isPipe ? new AcceptedFacts("", 0, "", 0, descriptor) : undefined;
  }
  if (remoteAddress === undefined || remotePort === undefined || localPort === undefined) return undefined;
  return new AcceptedFacts(plainIp(localAddress), localPort, plainIp(remoteAddress), remotePort, descriptor);
}
