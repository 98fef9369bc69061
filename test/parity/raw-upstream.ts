// An upstream that records each request byte for byte and answers by its path with bytes of the case's choice.
import { createServer, type Server, type Socket } from "node:net";

/** Answers are latin1; "<close>" at the end closes after it, "<hang>" answers nothing, "<delay:MS>" waits before what follows. */
const DEFAULT_ANSWER = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-up: 1\r\n\r\nok";

export class RawUpstream {
  readonly port: number;
  private seen: string[] = [];
  private readonly server: Server;
  private readonly sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>, port: number) {
    this.server = server;
    this.sockets = sockets;
    this.port = port;
  }

  static async start(answers: Readonly<Record<string, string>>): Promise<RawUpstream> {
    const sockets = new Set<Socket>();
    let upstream: RawUpstream | undefined;
    const server = createServer({ noDelay: true }, (socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => socket.destroy());
      let text = "";
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString("latin1");
        for (;;) {
          const length = messageLength(text);
          if (length < 0) return;
          const message = text.slice(0, length);
          text = text.slice(length);
          upstream?.seen.push(joinChunks(message));
          answer(socket, answers[pathOf(message)] ?? answers[pathOf(message).split("?")[0]] ?? DEFAULT_ANSWER);
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    upstream = new RawUpstream(server, sockets, typeof address === "object" && address !== null ? address.port : 0);
    return upstream;
  }

  /** Requests since the last time as they came, heads and bodies. */
  take(): string[] {
    const { seen } = this;
    this.seen = [];
    return seen;
  }

  close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}

function pathOf(message: string): string {
  return message.split(" ", 2)[1] ?? "";
}

function answer(socket: Socket, text: string): void {
  const delay = /^<delay:(\d+)>/.exec(text);
  if (delay !== null) {
    setTimeout(() => answer(socket, text.slice(delay[0].length)), Number(delay[1]));
    return;
  }
  const pause = text.indexOf("<delay:");
  if (pause > 0) {
    socket.write(text.slice(0, pause), "latin1");
    answer(socket, text.slice(pause));
    return;
  }
  if (text === "<hang>") return;
  if (text.endsWith("<close>")) socket.end(text.slice(0, -"<close>".length), "latin1");
  else socket.write(text, "latin1");
}

/** Length of the first message in `text`, or -1 while it is not whole. */
function messageLength(text: string): number {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return -1;
  const headers = text.slice(0, head);
  if (/\r\ntransfer-encoding: chunked/i.test(headers)) {
    const end = /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n/.exec(text.slice(head + 2));
    return end === null ? -1 : head + 2 + end.index + end[0].length;
  }
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(headers)?.[1] ?? 0);
  return text.length >= head + 4 + length ? head + 4 + length : -1;
}

/** A chunked body is recorded as one: how it was cut is nobody's business. */
function joinChunks(message: string): string {
  const head = message.indexOf("\r\n\r\n") + 4;
  if (!/\r\ntransfer-encoding: chunked/i.test(message.slice(0, head))) return message;
  let body = "";
  let at = head;
  for (;;) {
    const end = message.indexOf("\r\n", at);
    const size = Number.parseInt(message.slice(at, end), 16);
    if (!(size > 0)) return `${message.slice(0, head)}<chunked>${body}<end>${message.slice(end + 2)}`;
    body += message.slice(end + 2, end + 2 + size);
    at = end + 2 + size + 2;
  }
}
