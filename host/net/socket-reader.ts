// Sockets that read into the thread's one buffer (base/read-buffer.ts). For outgoing sockets Node offers this as the option
// "onread". For accepted ones it does not, but its Socket takes a handle together with onread: the accepted socket, which has not
// begun to read (pauseOnConnect), gives its handle to such a one. Tested on every Node that the package supports.
import { connect, type IpcNetConnectOpts, Socket, type TcpNetConnectOpts } from "node:net";
import type { TLSSocket } from "node:tls";
import { READ_BUFFER } from "../base/read-buffer.ts";

/** A socket and the place where its bytes are announced. Bytes that arrive before `onBytes` is set cannot be: reading starts later. */
export interface SocketReader {
  readonly socket: Socket;
  /** Bytes of the peer, valid until this returns. */
  onBytes: (data: Buffer) => void;
  /** What carries a TLS socket: only this one can be reset. */
  readonly carrier: Socket;
}

class Reader implements SocketReader {
  socket!: Socket;
  onBytes: (data: Buffer) => void = () => {
    throw new Error("socket reader: bytes before a connection took the socket over");
  };
  get carrier(): Socket {
    return this.socket;
  }
  readonly onread = {
    buffer: READ_BUFFER,
    callback: (length: number): boolean => {
      this.onBytes(READ_BUFFER.subarray(0, length));
      return true;
    },
  };
}

export function connectReader(options: TcpNetConnectOpts | IpcNetConnectOpts): SocketReader {
  const reader = new Reader();
  reader.socket = connect({ ...options, onread: reader.onread });
  return reader;
}

/**
 * TLS sockets that wrap another one take no "onread" from Node: their bytes come as buffers of their own, 2.5 µs a read more than the
 * shared buffer would cost, beside 25 µs for the whole round trip.
 */
export class TlsReader implements SocketReader {
  readonly socket: TLSSocket;
  readonly carrier: Socket;
  onBytes: (data: Buffer) => void = () => {};

  constructor(socket: TLSSocket, carrier: Socket) {
    this.socket = socket;
    this.carrier = carrier;
  }

  /** Reading begins here: not before the peer was verified and somebody takes the bytes. */
  start(): void {
    this.socket.on("data", (data: Buffer) => this.onBytes(data));
  }
}

/** Internals of an accepted socket, as they have been since Node 10. */
interface HandleOwner {
  _handle: unknown;
}

export function acceptReader(accepted: Socket): SocketReader {
  const reader = new Reader();
  const owner = accepted as unknown as HandleOwner;
  const handle = owner._handle;
  owner._handle = null;
  // What is left of the accepted object must not linger in its server's count of connections.
  accepted.destroy();
  const options = { handle, allowHalfOpen: true, onread: reader.onread };
  reader.socket = new Socket(options as ConstructorParameters<typeof Socket>[0]);
  return reader;
}
