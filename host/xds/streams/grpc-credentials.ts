// How a connection to a control plane is secured, and a hold on its socket until it is up: @grpc/grpc-js forgets a connection that is
// closed while its handshake (TLS, or HTTP/2's SETTINGS) is under way. One attempt after another would leave such a socket behind.
import type { Socket } from "node:net";
import { ChannelCredentials, credentials } from "@grpc/grpc-js";

/** PEM. */
export interface GrpcTargetTls {
  /** undefined: the system's. */
  readonly rootCerts: string | undefined;
  readonly privateKey: string | undefined;
  readonly certChain: string | undefined;
  /** Whose certificate it has to be, and the SNI; undefined: the host of the address. */
  readonly serverName: string | undefined;
}

export function credentialsOf(tls: GrpcTargetTls | undefined): HeldCredentials {
  if (tls === undefined) return new HeldCredentials(credentials.createInsecure());
  const pem = (text: string | undefined): Buffer | null => (text === undefined ? null : Buffer.from(text));
  return new HeldCredentials(credentials.createSsl(pem(tls.rootCerts), pem(tls.privateKey), pem(tls.certChain)));
}

type Connector = ReturnType<ChannelCredentials["_createSecureConnector"]>;

/** The names with an underscore are those by which the library's own kinds of credentials are extended. */
class HeldCredentials extends ChannelCredentials {
  readonly #inner: ChannelCredentials;
  readonly #sockets = new Set<Socket>();
  #isOver = false;

  constructor(inner: ChannelCredentials) {
    super();
    this.#inner = inner;
  }

  /** No connection is wanted any more, and none that is being made. */
  abandon(): void {
    this.#isOver = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  _isSecure(): boolean {
    return this.#inner._isSecure();
  }

  _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  _createSecureConnector(...given: Parameters<ChannelCredentials["_createSecureConnector"]>): Connector {
    const inner = this.#inner._createSecureConnector(...given);
    return {
      connect: (socket) => {
        if (this.#isOver) return Promise.reject(new Error("the connection is not wanted any more"));
        this.#sockets.add(socket);
        socket.once("close", () => this.#sockets.delete(socket));
        return inner.connect(socket);
      },
      waitForReady: () => inner.waitForReady(),
      getCallCredentials: () => inner.getCallCredentials(),
      destroy: () => inner.destroy(),
    };
  }
}
