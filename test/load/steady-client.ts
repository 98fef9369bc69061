// Sends requests at a fixed rate over keep-alive connections and checks each answer: status, and that what the upstream saw and what
// the client got were made by one version of each thing.
import { connect, type Socket } from "node:net";

export interface SteadySummary {
  readonly requests: number;
  readonly failures: number;
  readonly mixed: number;
  readonly firstFailures: readonly string[];
  readonly pluginVersions: number;
  readonly routeVersions: number;
  readonly upstreams: number;
}

const REQUEST = "GET /hot HTTP/1.1\r\nhost: hot\r\n\r\n";

export class SteadyClient {
  private readonly port: number;
  private readonly rate: number;
  private readonly idle: Socket[] = [];
  private readonly busy = new Set<Socket>();
  private readonly failuresSeen: string[] = [];
  private readonly plugins = new Set<string>();
  private readonly routes = new Set<string>();
  private readonly upstreams = new Set<string>();
  private requests = 0;
  private failures = 0;
  private mixed = 0;
  private timer: NodeJS.Timeout | undefined = undefined;
  private begun = 0;
  private due = 0;
  lastPlugin = "";
  lastRoute = "";
  lastExtra = false;

  constructor(port: number, rate: number) {
    this.port = port;
    this.rate = rate;
  }

  async untilReady(): Promise<void> {
    const deadline = performance.now() + 15_000;
    for (;;) {
      const good = await new Promise<boolean>((resolve) => {
        const socket = connect({ port: this.port, host: "127.0.0.1" }, () => socket.write(REQUEST));
        socket.once("data", (chunk: Buffer) => {
          resolve(chunk.toString("latin1").startsWith("HTTP/1.1 200"));
          socket.destroy();
        });
        socket.once("error", () => resolve(false));
      });
      if (good) return;
      if (performance.now() > deadline) throw new Error("the proxy does not answer");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  start(): void {
    this.begun = performance.now();
    this.timer = setInterval(() => {
      const wanted = Math.floor(((performance.now() - this.begun) * this.rate) / 1000);
      while (this.due < wanted) {
        this.due++;
        this.send();
      }
    }, 2);
  }

  private send(): void {
    const socket = this.idle.pop() ?? this.open();
    this.busy.add(socket);
    socket.write(REQUEST, "latin1");
  }

  private open(): Socket {
    const socket = connect({ port: this.port, host: "127.0.0.1", noDelay: true });
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      const head = text.indexOf("\r\n\r\n");
      if (head < 0) return;
      const length = Number(/\r\ncontent-length: (\d+)/.exec(text)?.[1] ?? 0);
      if (text.length < head + 4 + length) return;
      const answer = text.slice(0, head);
      text = "";
      this.busy.delete(socket);
      this.check(answer);
      if (/\r\nconnection: close/.test(answer)) socket.destroy();
      else this.idle.push(socket);
    });
    socket.on("error", (error) => this.fail(socket, error.message));
    socket.on("close", () => {
      this.fail(socket, "connection closed before the answer");
      const at = this.idle.indexOf(socket);
      if (at >= 0) this.idle.splice(at, 1);
    });
    return socket;
  }

  private fail(socket: Socket, reason: string): void {
    if (!this.busy.delete(socket)) return;
    this.requests++;
    this.failures++;
    if (this.failuresSeen.length < 20) this.failuresSeen.push(reason);
  }

  private check(answer: string): void {
    this.requests++;
    const header = (name: string): string => new RegExp(`\r\n${name}: ([^\r]*)`).exec(answer)?.[1] ?? "-";
    if (!answer.startsWith("HTTP/1.1 200")) {
      this.failures++;
      if (this.failuresSeen.length < 20) this.failuresSeen.push(answer.split("\r\n")[0]);
      return;
    }
    const plugin = header("x-plugin-response");
    const route = header("x-route-response");
    if (plugin !== header("x-plugin-request") || route !== header("x-route-request")) {
      this.mixed++;
      if (this.failuresSeen.length < 20) this.failuresSeen.push(`mixed: ${answer.replaceAll("\r\n", " | ")}`);
    }
    this.plugins.add(plugin);
    this.routes.add(route);
    this.upstreams.add(header("x-upstream"));
    this.lastPlugin = plugin;
    this.lastRoute = route;
    this.lastExtra = header("x-extra") === "1";
  }

  async stop(): Promise<SteadySummary> {
    clearInterval(this.timer);
    const deadline = performance.now() + 2000;
    while (this.busy.size > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const socket of [...this.busy]) this.fail(socket, "no answer within 2 s");
    for (const socket of this.idle) socket.destroy();
    return {
      requests: this.requests,
      failures: this.failures,
      mixed: this.mixed,
      firstFailures: this.failuresSeen,
      pluginVersions: this.plugins.size,
      routeVersions: this.routes.size,
      upstreams: this.upstreams.size,
    };
  }
}
