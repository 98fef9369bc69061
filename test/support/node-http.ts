// Node's own HTTP/1.1 and HTTP/2 as client and as upstream: a second implementation on both sides of the proxy.
import { type IncomingHttpHeaders, request as request1, createServer as createServer1, type Server as Server1 } from "node:http";
import { connect, createServer as createServer2, type Http2Server, type OutgoingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";

export type Protocol = "HTTP/1.1" | "HTTP/2";

export interface Exchange {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Written one after the other. */
  readonly body?: readonly Buffer[];
  readonly trailers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly informational: readonly number[];
  /** "" or what ended the exchange before its time. */
  readonly error: string;
}

/** Names with a colon and Node's own additions apart. */
function ordinary(headers: Readonly<Record<string, unknown>>): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(":"))) as IncomingHttpHeaders;
}

export interface Client {
  send(exchange: Exchange): Promise<Answer>;
  close(): void;
}

export function nodeClient(protocol: Protocol, port: number): Client {
  return protocol === "HTTP/2" ? client2(port) : client1(port);
}

function client1(port: number): Client {
  return {
    send: ({ method = "GET", path, headers = {}, body = [], trailers }) =>
      new Promise((resolve) => {
        const informational: number[] = [];
        const chunks: Buffer[] = [];
        let answered: Omit<Answer, "body" | "trailers" | "error"> = { status: 0, headers: {}, informational };
        const done = (error: string, seen: Readonly<Record<string, unknown>> = {}): void =>
          resolve({ ...answered, body: Buffer.concat(chunks), trailers: seen, error });
        const given = trailers === undefined ? headers : { ...headers, trailer: Object.keys(trailers).join(",") };
        const request = request1({ host: "127.0.0.1", port, method, path, headers: { ...given }, agent: false }, (response) => {
          answered = { status: response.statusCode ?? 0, headers: response.headers, informational };
          response.on("data", (chunk: Buffer) => chunks.push(chunk));
          response.on("end", () => done("", response.trailers));
          response.on("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
        });
        request.on("information", (info: { statusCode: number }) => informational.push(info.statusCode));
        request.on("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
        for (const chunk of body) request.write(chunk);
        if (trailers !== undefined) request.addTrailers({ ...trailers });
        request.end();
      }),
    close: () => {},
  };
}

function client2(port: number): Client {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {}); // each stream tells its own error
  return {
    send: ({ method = "GET", path, headers = {}, body = [], trailers }) =>
      new Promise((resolve) => {
        const informational: number[] = [];
        const chunks: Buffer[] = [];
        let status = 0;
        let received: IncomingHttpHeaders = {};
        let seen: Readonly<Record<string, unknown>> = {};
        let error = "";
        const given: OutgoingHttpHeaders = { ":method": method, ":path": path, ...headers };
        const hasBody = body.length > 0 || trailers !== undefined;
        const stream = session.request(given, { endStream: !hasBody, waitForTrailers: trailers !== undefined });
        stream.on("headers", (more: Readonly<Record<string, unknown>>) => informational.push(Number(more[":status"])));
        stream.on("response", (more) => {
          status = Number(more[":status"]);
          received = ordinary(more);
        });
        stream.on("trailers", (more: Readonly<Record<string, unknown>>) => {
          seen = ordinary(more);
        });
        stream.on("data", (chunk: Buffer) => chunks.push(chunk));
        stream.on("wantTrailers", () => stream.sendTrailers({ ...trailers }));
        stream.on("error", (problem: NodeJS.ErrnoException) => {
          error = problem.message;
        });
        stream.on("close", () => resolve({ status, headers: received, body: Buffer.concat(chunks), trailers: seen, informational, error }));
        for (const chunk of body) stream.write(chunk);
        if (hasBody) stream.end();
      }),
    close: () => session.destroy(),
  };
}

/** What an upstream saw of one request. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly trailers: Readonly<Record<string, unknown>>;
}

export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: readonly Buffer[];
  readonly trailers?: Readonly<Record<string, string>>;
  /** 103 with these headers first. */
  readonly early?: Readonly<Record<string, string>>;
  /** Breaks off after the body. */
  readonly abort?: boolean;
}

export interface Upstream {
  readonly port: number;
  readonly seen: Seen[];
  /** Requests that ended before their time. */
  aborted: number;
  close(): Promise<void>;
}

export async function nodeUpstream(protocol: Protocol, reply: (seen: Seen) => Reply): Promise<Upstream> {
  const upstream = { port: 0, seen: [] as Seen[], aborted: 0, close: async () => {} };
  const server = protocol === "HTTP/2" ? server2(reply, upstream) : server1(reply, upstream);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  upstream.port = (server.address() as AddressInfo).port;
  return upstream;
}

function server1(reply: (seen: Seen) => Reply, upstream: { seen: Seen[]; aborted: number; close: () => Promise<void> }): Server1 {
  const server = createServer1((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", () => {
      upstream.aborted++;
    });
    response.on("close", () => {
      if (!response.writableFinished) upstream.aborted++;
    });
    request.on("end", () => {
      const seen = {
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks),
        trailers: request.trailers,
      };
      upstream.seen.push(seen);
      const { status = 200, headers = {}, body = [], trailers, early, abort } = reply(seen);
      if (early !== undefined) response.writeEarlyHints({ ...early });
      response.writeHead(status, trailers === undefined ? headers : { ...headers, trailer: Object.keys(trailers).join(",") });
      for (const chunk of body) response.write(chunk);
      if (trailers !== undefined) response.addTrailers({ ...trailers });
      if (abort === true) setTimeout(() => response.destroy(), 20);
      else response.end();
    });
  });
  upstream.close = async () => {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return server;
}

function server2(reply: (seen: Seen) => Reply, upstream: { seen: Seen[]; aborted: number; close: () => Promise<void> }): Http2Server {
  const sessions = new Set<{ destroy(): void }>();
  const server = createServer2();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("error", () => {}); // streams tell
  });
  server.on("stream", (stream, head) => {
    const chunks: Buffer[] = [];
    let trailing: Readonly<Record<string, unknown>> = {};
    let isAnswered = false;
    stream.on("error", () => {}); // "close" tells
    stream.on("close", () => {
      if (!isAnswered || stream.rstCode !== 0) upstream.aborted++;
    });
    stream.on("trailers", (more) => {
      trailing = ordinary(more);
    });
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const seen = {
        method: String(head[":method"]),
        path: String(head[":path"]),
        headers: ordinary(head),
        body: Buffer.concat(chunks),
        trailers: trailing,
      };
      upstream.seen.push(seen);
      const { status = 200, headers = {}, body = [], trailers, early, abort } = reply(seen);
      if (stream.destroyed) return;
      if (early !== undefined) stream.additionalHeaders({ ":status": 103, ...early });
      isAnswered = abort !== true;
      stream.respond(
        { ":status": status, ...headers },
        { waitForTrailers: trailers !== undefined, endStream: body.length === 0 && trailers === undefined && abort !== true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ ...trailers }));
      for (const chunk of body) stream.write(chunk);
      if (abort === true) setTimeout(() => stream.destroy(new Error("breaks off")), 20);
      else if (!stream.writableEnded) stream.end();
    });
  });
  upstream.close = async () => {
    for (const session of sessions) session.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return server;
}
