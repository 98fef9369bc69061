// A gRPC upstream over HTTP/2 for the parity runs: it records what each stream sent, and answers by path with steps of the case's choice.
import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { frameMessage } from "../../host/http/grpc-frames.ts";

type Fields = Readonly<Record<string, string | number>>;

export type Step =
  /** Headers; content-type is there unless given. */
  | { readonly headers: Fields }
  /** Headers that end the stream: trailers-only. */
  | { readonly only: Fields }
  /** One message. */
  | { readonly message: string }
  /** Bytes as latin1, as they are. */
  | { readonly bytes: string }
  | { readonly trailers: Fields }
  /** Ends the stream without trailers. */
  | { readonly end: true }
  | { readonly reset: number }
  /** Closes the connection. */
  | { readonly cut: true }
  | { readonly waitMs: number }
  /** Until the client has ended its side. */
  | { readonly untilEnd: true }
  /** Until so many bytes of the client are there. */
  | { readonly untilBytes: number };

const DEFAULT_ANSWER: readonly Step[] = [
  { untilEnd: true },
  { headers: { "x-up": "1" } },
  { message: "ok" },
  { trailers: { "grpc-status": 0 } },
];

class Exchange {
  private readonly stream: ServerHttp2Stream;
  private readonly headers: IncomingHttpHeaders;
  private body = Buffer.alloc(0);
  private isEnded = false;
  private isOver = false;
  private wake: () => void = () => {};
  private trailers: Record<string, string> = {};
  private end = "";

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, record: (text: string) => void) {
    this.stream = stream;
    this.headers = headers;
    stream.on("data", (chunk: Buffer) => {
      this.body = Buffer.concat([this.body, chunk]);
      this.wake();
    });
    stream.on("end", () => {
      this.isEnded = true;
      this.end = " END";
      this.wake();
    });
    // What ends a stream is told by "close", which always follows.
    stream.on("error", () => this.wake());
    stream.on("close", () => {
      this.isOver = true;
      record(this.text());
      this.wake();
    });
  }

  /** What the client sent, and whether it ended its side. */
  private text(): string {
    const fields = Object.entries(this.headers).map(([name, value]) => `${name}=${String(value)}`);
    return `${fields.sort().join(" ")} | ${this.body.toString("latin1")}${this.end}`;
  }

  private async until(ready: () => boolean): Promise<void> {
    while (!ready() && !this.isOver) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  async run(steps: readonly Step[]): Promise<void> {
    const { stream } = this;
    for (const step of steps) {
      if (this.isOver) return;
      if ("untilEnd" in step) await this.until(() => this.isEnded);
      else if ("untilBytes" in step) await this.until(() => this.body.length >= step.untilBytes);
      else if ("waitMs" in step) await new Promise((resolve) => setTimeout(resolve, step.waitMs));
      else if ("headers" in step) {
        const waitForTrailers = !steps.some((other) => "end" in other);
        stream.on("wantTrailers", () => stream.sendTrailers(this.trailers));
        stream.respond({ ":status": 200, "content-type": "application/grpc", ...step.headers }, { waitForTrailers });
      } else if ("only" in step) {
        stream.respond({ ":status": 200, "content-type": "application/grpc", ...step.only }, { endStream: true });
      } else if ("message" in step) await this.write(frameMessage(Buffer.from(step.message, "latin1")));
      else if ("bytes" in step) await this.write(Buffer.from(step.bytes, "latin1"));
      else if ("trailers" in step) {
        this.trailers = Object.fromEntries(Object.entries(step.trailers).map(([name, value]) => [name, String(value)]));
        stream.end();
      } else if ("end" in step) {
        stream.end();
      } else if ("reset" in step) stream.close(step.reset);
      else stream.session?.destroy();
    }
  }

  private write(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => this.stream.write(bytes, () => resolve()));
  }
}

export class GrpcUpstream {
  readonly port: number;
  /** One line a stream, when it is over. */
  readonly seen: string[];
  private readonly server: Http2Server;
  private readonly sessions: Set<ServerHttp2Session>;

  private constructor(server: Http2Server, sessions: Set<ServerHttp2Session>, seen: string[], port: number) {
    this.server = server;
    this.sessions = sessions;
    this.seen = seen;
    this.port = port;
  }

  static async start(answers: Readonly<Record<string, readonly Step[]>>): Promise<GrpcUpstream> {
    const sessions = new Set<ServerHttp2Session>();
    const seen: string[] = [];
    const server = createServer();
    server.on("session", (session) => {
      sessions.add(session);
      session.on("close", () => sessions.delete(session));
      session.on("error", () => session.destroy());
    });
    server.on("stream", (stream, headers) => {
      const exchange = new Exchange(stream, headers, (text) => seen.push(text));
      void exchange.run(answers[String(headers[":path"])] ?? DEFAULT_ANSWER);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    return new GrpcUpstream(server, sessions, seen, typeof address === "object" && address !== null ? address.port : 0);
  }

  close(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }
}
