// The proxies that are measured: how each is started, on which core, and what it cost.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:http2";
import { request as secureRequest } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bootstrap, haproxy, nginxProxy, nginxUpstream, PLAIN, type Ports, type Shape } from "./config.ts";
import { dns, issue } from "../support/certificates.ts";

export type ContenderName = "sluice" | "envoy" | "nginx" | "haproxy";

export interface Running {
  readonly name: ContenderName;
  readonly port: number;
  readonly pid: number;
  readonly shape: Shape;
  /** From spawn to the first answered request, milliseconds. */
  readonly startMs: number;
  stop(): Promise<void>;
}

const PROXY_CORE = "0";
const LOAD_CORE = "1";

export function taskset(core: string, command: readonly string[]): readonly [string, string[]] {
  return ["taskset", ["-c", core, ...command]];
}

export const loadCommand = (command: readonly string[]): readonly [string, string[]] => taskset(LOAD_CORE, command);

export function which(program: string): string | undefined {
  const found = spawnSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" });
  const path = found.stdout.trim();
  if (path !== "") return path;
  return existsSync(`/usr/sbin/${program}`) ? `/usr/sbin/${program}` : undefined;
}

/** SLUICE_ENVOY, or undefined: then Envoy is left out of the tables. */
export function envoyPath(): string | undefined {
  const path = process.env.SLUICE_ENVOY;
  return path !== undefined && existsSync(path) ? path : undefined;
}

export class Rig {
  readonly folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  private readonly children: ChildProcess[] = [];
  private nextPort = 21000 + Math.floor(Math.random() * 200) * 10;
  private upstreamPort = 0;
  private http2UpstreamPort = 0;
  private files = 0;

  port(): number {
    return this.nextPort++;
  }

  private file(text: string, suffix: string): string {
    const path = join(this.folder, `${this.files++}${suffix}`);
    writeFileSync(path, text);
    return path;
  }

  private run(core: string, command: readonly string[]): ChildProcess {
    const [program, args] = taskset(core, command);
    const child = spawn(program, args, {
      stdio: ["ignore", "ignore", process.env.SLUICE_BENCH_VERBOSE === undefined ? "ignore" : "inherit"],
    });
    this.children.push(child);
    return child;
  }

  async startUpstream(): Promise<void> {
    const nginx = which("nginx");
    if (nginx === undefined) throw new Error("the bench needs nginx as upstream (Debian: nginx-light)");
    this.upstreamPort = this.port();
    this.http2UpstreamPort = this.port();
    const config = nginxUpstream(this.upstreamPort, this.http2UpstreamPort, this.folder);
    this.run(LOAD_CORE, [nginx, "-p", this.folder, "-c", this.file(config, ".conf")]);
    await firstAnswer(this.upstreamPort, PLAIN);
  }

  /** A certificate of their own for the proxies. */
  certificate(): NonNullable<Shape["tls"]> {
    const { pem, keyPem } = issue({ names: [dns("localhost")] });
    return {
      certificate: this.file(pem, ".crt"),
      key: this.file(keyPem, ".key"),
      both: this.file(`${pem}${keyPem}`, ".pem"),
    };
  }

  /** undefined: the program is not on this machine. */
  async start(name: ContenderName, shape: Shape): Promise<Running | undefined> {
    const upstream = shape.up === "http2" ? this.http2UpstreamPort : this.upstreamPort;
    const ports: Ports = { proxy: this.port(), admin: this.port(), upstream };
    const command = this.command(name, ports, shape);
    if (command === undefined) return undefined;
    const begin = performance.now();
    const child = this.run(PROXY_CORE, command);
    await firstAnswer(ports.proxy, shape);
    const startMs = performance.now() - begin;
    // nginx works in a child of the process that was started.
    const pid = name === "nginx" ? childOf(child.pid ?? 0) : (child.pid ?? 0);
    return { name, port: ports.proxy, pid, shape, startMs, stop: () => stopChild(child) };
  }

  private command(name: ContenderName, ports: Ports, shape: Shape): string[] | undefined {
    switch (name) {
      case "sluice":
        return [
          process.execPath,
          new URL("../../bin/sluice.js", import.meta.url).pathname,
          "run",
          "-c",
          this.file(bootstrap(ports, shape), ".json"),
          "--concurrency",
          "1",
          "-l",
          "warning",
        ];
      case "envoy": {
        const envoy = envoyPath();
        const id = String(1000 + (ports.proxy % 30000));
        return envoy === undefined
          ? undefined
          : [envoy, "-c", this.file(bootstrap(ports, shape), ".json"), "--concurrency", "1", "--base-id", id, "-l", "off"];
      }
      case "nginx": {
        const nginx = which("nginx");
        return nginx === undefined
          ? undefined
          : [nginx, "-p", this.folder, "-c", this.file(nginxProxy(ports, this.folder, shape), ".conf")];
      }
      case "haproxy": {
        const program = which("haproxy");
        return program === undefined ? undefined : [program, "-f", this.file(haproxy(ports, shape), ".cfg")];
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.children.map(stopChild));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  // nginx takes its children along when it is asked to end; killed, it leaves them behind.
  child.kill("SIGTERM");
  const impatience = setTimeout(() => child.kill("SIGKILL"), 2000);
  await gone;
  clearTimeout(impatience);
}

function childOf(pid: number): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  return Number(children[0] || pid);
}

async function firstAnswer(port: number, shape: Shape): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await (shape.down === "http2" ? ask2(port, shape) : ask1(port, shape)))) {
    if (performance.now() > deadline) throw new Error(`nothing answers on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

function ask1(port: number, { tls }: Shape): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { port, host: "127.0.0.1", path: "/", headers: { "user-agent": "bench" }, rejectUnauthorized: false, agent: false };
    const asked = (tls === undefined ? request : secureRequest)(options, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode === 200));
    });
    asked.on("error", () => resolve(false));
    asked.end();
  });
}

function ask2(port: number, { tls }: Shape): Promise<boolean> {
  return new Promise((resolve) => {
    const session = connect(`${tls === undefined ? "http" : "https"}://127.0.0.1:${port}`, { rejectUnauthorized: false });
    const done = (good: boolean): void => {
      session.destroy();
      resolve(good);
    };
    session.on("error", () => done(false));
    const stream = session.request({ ":path": "/", "user-agent": "bench" });
    stream.on("error", () => done(false));
    stream.on("response", (headers) => done(headers[":status"] === 200));
  });
}

const TICKS_PER_SECOND = 100;

/** User and system time of all threads of a process, microseconds. */
export function cpuUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_SECOND;
}

/** Resident memory, MB. */
export function rssMb(pid: number): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return line === null ? 0 : Number(line[1]) / 1024;
}

export function fdCount(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
