// An upstream that keeps exactly the bytes it got, reads them with the tests' own reader, and answers each complete request.
import { createServer, type Server, type Socket } from "node:net";
import { type Http1Message, Http1Reader, type RequestMessage } from "./http1-messages.ts";

export interface UpstreamExchange {
  readonly request: RequestMessage;
  readonly connection: UpstreamConnection;
  /** Counts requests of this upstream from 1: what an answer must carry to be this request's. */
  readonly nonce: number;
}

export type Responder = (exchange: UpstreamExchange) => void;

export class UpstreamConnection {
  readonly socket: Socket;
  readonly reader: Http1Reader;
  bytes = "";
  /** "" while open, then how it ended. */
  ended: "" | "fin" | "reset" = "";
  isClosed = false;

  constructor(socket: Socket, reader: Http1Reader) {
    this.socket = socket;
    this.reader = reader;
  }

  write(text: string): void {
    if (!this.socket.destroyed) this.socket.write(text, "latin1");
  }
}

/** 200 with the request's nonce, method and target in headers, the body's length in `x-length`, and "ok" as body. */
export function echo({ request, connection, nonce }: UpstreamExchange): void {
  const body = request.method === "HEAD" ? "" : "ok";
  const seen = `x-nonce: ${nonce}\r\nx-method: ${request.method}\r\nx-target: ${request.target}\r\nx-length: ${request.body.length}\r\n`;
  connection.write(`HTTP/1.1 200 OK\r\n${seen}content-length: 2\r\n\r\n${body}`);
}

export class RawUpstream {
  connections: UpstreamConnection[] = [];
  /** Complete requests in order of completion. */
  requests: RequestMessage[] = [];
  respond: Responder = echo;
  /** Called with each head, before its body: to answer early. */
  onHead: Responder = () => {};
  onConnection: (connection: UpstreamConnection) => void = () => {};
  private readonly server: Server;
  private nonce = 0;
  private waiters: { readonly isDone: () => boolean; readonly resolve: () => void }[] = [];
  port = 0;

  constructor() {
    this.server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.accept(socket));
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    const address = this.server.address();
    this.port = typeof address === "object" && address !== null ? address.port : 0;
    return this;
  }

  private accept(socket: Socket): void {
    const onMessage = (message: Http1Message): void => {
      const request = message as RequestMessage;
      this.requests.push(request);
      this.respond({ request, connection, nonce: ++this.nonce });
      this.changed();
    };
    const reader = new Http1Reader("request", onMessage, (message) =>
      this.onHead({ request: message as RequestMessage, connection, nonce: this.nonce + 1 }),
    );
    const connection = new UpstreamConnection(socket, reader);
    this.connections.push(connection);
    socket.on("data", (data) => {
      connection.bytes += data.latin1Slice();
      reader.feed(data);
      this.changed();
    });
    socket.on("end", () => {
      connection.ended = "fin";
      socket.end();
      this.changed();
    });
    socket.on("error", () => {
      connection.ended = "reset";
      this.changed();
    });
    socket.on("close", () => {
      connection.isClosed = true;
      this.changed();
    });
    this.onConnection(connection);
    this.changed();
  }

  private changed(): void {
    if (this.waiters.length === 0) return;
    const done = this.waiters.filter((waiter) => waiter.isDone());
    this.waiters = this.waiters.filter((waiter) => !done.includes(waiter));
    for (const waiter of done) waiter.resolve();
  }

  /** Resolves when the condition holds; looked at again after each event of this upstream. */
  async until(isDone: () => boolean): Promise<void> {
    if (!isDone()) await new Promise<void>((resolve) => this.waiters.push({ isDone, resolve }));
  }

  /** Forgets what was recorded; connections that are open stay so, with what follows recorded as before. */
  forget(): void {
    this.requests = [];
    this.connections = this.connections.filter((connection) => !connection.isClosed);
    for (const connection of this.connections) {
      connection.bytes = "";
      connection.reader.messages.length = 0;
      connection.reader.breaches.length = 0;
    }
  }

  get bytes(): string {
    return this.connections.map((connection) => connection.bytes).join("");
  }

  /** Heads received whose body did not come to its end. */
  get incomplete(): number {
    return this.connections.reduce((sum, connection) => sum + connection.reader.messages.filter((message) => !message.complete).length, 0);
  }

  get breaches(): string[] {
    return this.connections.flatMap((connection) => connection.reader.breaches);
  }

  async close(): Promise<void> {
    for (const connection of this.connections) connection.socket.destroy();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}
