// A web server whose answers are a table by path, for modules and everything around them; counts what it was asked.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

export interface ModuleServer {
  readonly host: string;
  readonly port: number;
  /** "GET /path", in the order of their coming. */
  readonly requests: readonly string[];
  readonly routes: Map<string, Answer>;
  close(): Promise<void>;
}

export async function startModuleServer(
  t: Pick<TestContext, "after">,
  routes: Readonly<Record<string, Answer>>,
  tls?: { readonly key: string; readonly cert: string },
): Promise<ModuleServer> {
  const table = new Map(Object.entries(routes));
  const requests: string[] = [];
  const counts = new Map<string, number>();
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const path = (request.url ?? "").replace(/\?.*$/, "");
    const count = (counts.get(path) ?? 0) + 1;
    counts.set(path, count);
    requests.push(`${request.method} ${path}`);
    const answer = table.get(path) ?? table.get("*");
    if (answer === undefined) response.writeHead(404).end("no such thing");
    else answer(request, response, count);
  };
  const server: Server = tls === undefined ? createServer(handle) : (createTlsServer(tls, handle) as unknown as Server);
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  t.after(() => close());
  const { port } = server.address() as AddressInfo;
  return { host: `127.0.0.1:${port}`, port, requests, routes: table, close };
}

export const body =
  (content: Uint8Array | string, headers: Readonly<Record<string, string>> = {}): Answer =>
  (_request, response) => {
    response.writeHead(200, headers).end(content);
  };

export const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Answer =>
  (_request, response) => {
    response.writeHead(code, headers).end();
  };

export const redirect = (location: string): Answer => status(302, { location });

/** The first answers, then the last for ever. */
export const inTurn =
  (...answers: readonly Answer[]): Answer =>
  (request, response, count) =>
    answers[Math.min(count, answers.length) - 1](request, response, count);

/** Says that more will come than comes. */
export const cutShort =
  (content: Uint8Array): Answer =>
  (_request, response) => {
    response.writeHead(200, { "content-length": String(content.length + 100) });
    response.write(content, () => response.destroy());
  };

export const silent: Answer = () => undefined;

/** A byte now and then, without an end. */
export const trickle: Answer = (_request, response) => {
  response.writeHead(200);
  const timer = setInterval(() => response.write("x"), 50);
  response.on("close", () => clearInterval(timer));
};
