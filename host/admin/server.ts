// The admin API on its socket: node:http on a TCP address or a pipe. Everything that is decided about a request is decided in
// router.ts; here are connections, limits and the access log.
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { emitWarning } from "node:process";
import type { TimeSource } from "../base/clock.ts";
import { systemTime } from "../base/system.ts";
import type { PipeAddress, SocketAddress } from "../config/cluster.ts";
import { TagProducer } from "../stats/tags.ts";
import { AdminAccessLog } from "./access-log.ts";
import { formatAddress } from "./address.ts";
import type { AdminResponse } from "./exchange.ts";
import { AdminRouter } from "./router.ts";
import type { AdminViews } from "./views.ts";

export interface AdminServerOptions {
  /** Port 0 takes any free port. */
  readonly address: SocketAddress | PipeAddress;
  readonly accessLogPath: string | undefined;
  readonly views: AdminViews;
  /** Names that the Host header may carry beside localhost and IP addresses. */
  readonly hostNames?: readonly string[];
  /** How many ports after a taken one are tried. Default 0. */
  readonly nextPorts?: number;
  /** For defects of a handler and for an access log that cannot be written. Default: a warning of the process. */
  readonly onError?: (message: string) => void;
  /** Default: the real one. */
  readonly time?: TimeSource;
}

/** Envoy's stats_flush_interval: histograms show the last such interval beside all since start. */
const STATS_FLUSH_INTERVAL_MS = 5000;
const MAX_CONNECTIONS = 256;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const MAX_HEADER_BYTES = 16 * 1024;
/** Nothing here reads a body: one that is longer ends its connection. */
const MAX_BODY_BYTES = 64 * 1024;

export class AdminServer {
  private readonly options: AdminServerOptions;
  private readonly router: AdminRouter;
  private readonly accessLog: AdminAccessLog | undefined;
  private server: Server | undefined = undefined;
  private flushTimer: unknown = undefined;
  private readonly time: TimeSource;
  private bound: SocketAddress | PipeAddress;

  constructor(options: AdminServerOptions) {
    this.options = options;
    this.bound = options.address;
    this.time = options.time ?? systemTime;
    const { views } = options;
    const tags = new TagProducer(views.statsTags, views.useAllDefaultTags);
    const hostNames = options.address.kind === "pipe" ? undefined : [...(options.hostNames ?? []), options.address.address];
    this.router = new AdminRouter(
      { views, tags, nowMs: () => this.time.wallMs(), reopenLogs: () => this.reopenLogs() },
      hostNames,
      (what, error) => {
        this.report(`${what}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      },
    );
    const path = options.accessLogPath;
    if (path !== undefined && path !== "")
      this.accessLog = new AdminAccessLog(path, (error) => this.report(`access log ${path}: ${error.message}`));
  }

  private report(message: string): void {
    if (this.options.onError === undefined) emitWarning(message, "AdminWarning");
    else this.options.onError(message);
  }

  /** "127.0.0.1:15000", or a pipe's path; the real port once listen() has resolved. */
  get address(): string {
    return formatAddress(this.bound);
  }

  /** Rejects when the address cannot be had. */
  async listen(): Promise<void> {
    const { address, nextPorts = 0 } = this.options;
    if (address.kind === "pipe") await this.listenPipe(address.path);
    else await this.listenPort(address, nextPorts);
    this.flushLater();
  }

  private flushLater(): void {
    this.flushTimer = this.time.setTimeout(() => {
      this.options.views.stats.flush();
      this.flushLater();
    }, STATS_FLUSH_INTERVAL_MS);
  }

  private async listenPort(address: SocketAddress, nextPorts: number): Promise<void> {
    for (let port = address.port; ; port++) {
      const server = this.createServer();
      try {
        await listening(server, { host: address.address, port, exclusive: true });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || address.port === 0 || port >= address.port + nextPorts) throw error;
        continue;
      }
      const found = server.address();
      this.bound = { ...address, port: typeof found === "object" && found !== null ? found.port : port };
      this.server = server;
      return;
    }
  }

  /** A pipe that a dead process left behind is taken over; "@name" is an abstract one. */
  private async listenPipe(path: string): Promise<void> {
    const isAbstract = path.startsWith("@");
    if (!isAbstract) await removeDeadPipe(path);
    const server = this.createServer();
    await listening(server, { path: isAbstract ? `\0${path.slice(1)}` : path });
    if (!isAbstract) chmodSync(path, 0o600);
    this.server = server;
  }

  private createServer(): Server {
    const server = createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        connectionsCheckingInterval: 1000,
      },
      (request, response) => this.serve(request, response),
    );
    server.maxConnections = MAX_CONNECTIONS;
    return server;
  }

  private serve(request: IncomingMessage, response: ServerResponse): void {
    const startedAtMs = this.time.wallMs();
    const startedAt = this.time.monotonicMs();
    const { method = "", url = "", headers } = request;
    let bytesReceived = 0;
    request.on("data", (chunk: Buffer) => {
      bytesReceived += chunk.length;
      if (bytesReceived > MAX_BODY_BYTES) request.destroy();
    });
    request.on("error", () => {}); // the client is gone: there is nobody to tell
    response.on("error", () => {}); // the same
    const fetchSite = headers["sec-fetch-site"];
    const { response: answer, release } = this.router.answer({
      method,
      target: url,
      host: headers.host,
      origin: headers.origin,
      fetchSite: typeof fetchSite === "string" ? fetchSite : undefined,
    });
    const bytesSent = Buffer.byteLength(answer.body);
    const requestId = headers["x-request-id"];
    response.on("close", () => {
      release();
      this.accessLog?.write({
        startedAtMs,
        method,
        target: url,
        httpVersion: request.httpVersion,
        status: answer.status,
        bytesReceived,
        bytesSent: method === "HEAD" ? 0 : bytesSent,
        durationMs: this.time.monotonicMs() - startedAt,
        remoteAddress: request.socket.remoteAddress ?? "",
        userAgent: headers["user-agent"],
        requestId: typeof requestId === "string" ? requestId : undefined,
        authority: headers.host,
      });
    });
    if (answer.afterSent !== undefined) response.on("finish", answer.afterSent);
    send(response, answer, bytesSent);
  }

  /** POST /reopen_logs means this log too. */
  private reopenLogs(): void {
    this.options.views.reopenLogs();
    this.accessLog?.reopen();
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    this.time.clearTimeout(this.flushTimer);
    const server = this.server;
    this.server = undefined;
    if (server !== undefined) {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    }
    await this.accessLog?.close();
  }
}

function send(response: ServerResponse, { status, contentType, body }: AdminResponse, length: number): void {
  response.writeHead(status, {
    "content-type": contentType,
    "cache-control": "no-cache, max-age=0",
    "x-content-type-options": "nosniff",
    // Pages have no scripts and load nothing; no other site may show them in a frame.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "content-length": length,
    server: "sluice",
  });
  response.end(body);
}

function listening(
  server: Server,
  options: { readonly host?: string; readonly port?: number; readonly path?: string; readonly exclusive?: boolean },
): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function removeDeadPipe(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined || !found.isSocket()) return;
  const isAlive = await new Promise<boolean>((resolve) => {
    const probe = connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", () => resolve(false));
  });
  if (!isAlive) unlinkSync(path);
}
