// WebSockets by the package "ws" at both ends, over HTTP/1.1 as it speaks it, and over HTTP/2 (RFC 8441) behind adapters: the package
// reads and writes its upgrade as it knows it, and the adapters turn that into an extended CONNECT and back.
import { createHash } from "node:crypto";
import { createServer as createServer1, type IncomingMessage } from "node:http";
import { type ClientHttp2Stream, connect, createServer as createServer2, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import type { Protocol } from "./node-http.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const END_OF_HEAD = "\r\n\r\n";

/** A socket for "ws" on a stream of HTTP/2: the head that "ws" writes first goes to `onHead`, all that follows to the stream. */
class StreamSocket extends Duplex {
  private readonly stream: ClientHttp2Stream | ServerHttp2Stream;
  private readonly onHead: (head: string, socket: StreamSocket) => void;
  private isHeadWritten = false;

  constructor(stream: ClientHttp2Stream | ServerHttp2Stream, onHead: (head: string, socket: StreamSocket) => void) {
    super({ allowHalfOpen: true });
    this.stream = stream;
    this.onHead = onHead;
    stream.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) stream.pause();
    });
    stream.on("end", () => this.push(null));
    stream.on("error", (error: Error) => this.destroy(error));
    stream.on("close", () => this.destroy());
  }

  setTimeout(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  override _read(): void {
    this.stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (!this.isHeadWritten) {
      this.isHeadWritten = true;
      const end = chunk.indexOf(END_OF_HEAD) + END_OF_HEAD.length;
      this.onHead(chunk.latin1Slice(0, end), this);
      if (end === chunk.length) done();
      else this.stream.write(chunk.subarray(end), done);
    } else this.stream.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.stream.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.stream.closed) this.stream.close(8);
    done(error);
  }
}

/** Extended CONNECT on a connection of its own; "ws" sees the answer as the 101 that it stands for. */
function socketOverHttp2(port: number, path: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const session = connect(`http://127.0.0.1:${port}`);
    session.once("error", reject);
    session.once("remoteSettings", (settings: { readonly enableConnectProtocol?: boolean }) => {
      if (settings.enableConnectProtocol !== true) {
        reject(new Error("the server does not offer extended CONNECT"));
        return;
      }
      const key = Buffer.alloc(16, "key").toString("base64");
      const stream = session.request(
        {
          ":method": "CONNECT",
          ":protocol": "websocket",
          ":scheme": "http",
          ":path": path,
          ":authority": "a.example",
          "sec-websocket-version": "13",
          // RFC 8441 has no use for it; a server behind HTTP/1.1 asks for it all the same.
          "sec-websocket-key": key,
        },
        { endStream: false },
      );
      stream.on("close", () => session.close());
      const socket = new StreamSocket(stream, (head) => {
        const wanted = createHash("sha1")
          .update(`${/sec-websocket-key: (.*)\r\n/i.exec(head)?.[1]}${GUID}`)
          .digest("base64");
        stream.once("response", (headers) => {
          const status = headers[":status"] ?? 0;
          socket.push(
            status === 200
              ? `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${wanted}\r\n\r\n`
              : `HTTP/1.1 ${status} Refused\r\ncontent-length: 0\r\n\r\n`,
          );
        });
      });
      // No byte of the tunnel may come before the answer.
      stream.pause();
      stream.once("response", () => stream.resume());
      resolve(socket);
    });
  });
}

/** Resolves when it is open; rejects with what "ws" says of a refusal. */
export async function openWebSocket(protocol: Protocol, port: number, path: string): Promise<WebSocket> {
  const socket = protocol === "HTTP/2" ? await socketOverHttp2(port, path) : undefined;
  const options = socket === undefined ? {} : { createConnection: () => socket as never };
  const webSocket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { perMessageDeflate: false, ...options });
  await new Promise<void>((resolve, reject) => {
    webSocket.once("open", resolve);
    webSocket.once("error", reject);
  });
  return webSocket;
}

export interface WebSocketUpstream {
  readonly port: number;
  /** Those that were accepted, in order. */
  readonly accepted: WebSocket[];
  close(): Promise<void>;
}

/** Hands every websocket that it accepts to `serve`; refuses paths that begin with "/refused". */
export async function webSocketUpstream(protocol: Protocol, serve: (webSocket: WebSocket) => void): Promise<WebSocketUpstream> {
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const accepted: WebSocket[] = [];
  const accept = (request: IncomingMessage, socket: Duplex): void =>
    sockets.handleUpgrade(request, socket, Buffer.alloc(0), (webSocket) => {
      accepted.push(webSocket);
      webSocket.on("error", () => {}); // "close" tells
      serve(webSocket);
    });
  const sessions = new Set<{ destroy(): void }>();
  const server = protocol === "HTTP/2" ? createServer2({ settings: { enableConnectProtocol: true } }) : createServer1();
  server.on("upgrade", (request: IncomingMessage, socket: Duplex) => {
    if (request.url?.startsWith("/refused")) socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    else accept(request, socket);
  });
  server.on("session", (session: { destroy(): void; on(event: "error", listener: () => void): void }) => {
    sessions.add(session);
    session.on("error", () => {}); // streams tell
  });
  server.on("stream", (stream: ServerHttp2Stream, headers: Record<string, string>) => {
    if (headers[":path"].startsWith("/refused")) {
      stream.on("error", () => {}); // the proxy gives the rest of it up
      stream.respond({ ":status": 403 }, { endStream: true });
      return;
    }
    // RFC 8441 has no use for the proof either; a client behind HTTP/1.1 wants to see it, and no proxy makes one.
    const socket = new StreamSocket(stream, (head) =>
      stream.respond({ ":status": 200, "sec-websocket-accept": /sec-websocket-accept: (.*)\r\n/i.exec(head)?.[1] ?? "" }),
    );
    const request = { method: "GET", url: headers[":path"], headers: { ...headers, upgrade: headers[":protocol"], connection: "upgrade" } };
    accept(request as unknown as IncomingMessage, socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    accepted,
    close: async () => {
      for (const webSocket of accepted) webSocket.terminate();
      for (const session of sessions) session.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
