// Load: wrk for closed loops, and an open-loop generator of our own for latency at a fixed rate. All of it runs on the load core.
import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cpuUs, loadCommand, type Running } from "./contenders.ts";

export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly errors: number;
  readonly p99Ms: number;
  readonly cpuUsPerRequest: number;
  /** Request body bytes a second, megabytes. */
  readonly megabytesPerSecond: number;
}

export async function wrk(
  target: Running,
  seconds: number,
  connections: number,
  script: string | undefined,
  bodyBytes: number,
): Promise<LoadResult> {
  const before = cpuUs(target.pid);
  const args = [
    "wrk",
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    "--latency",
    ...(script === undefined ? [] : ["-s", script]),
    `${target.shape.tls === undefined ? "http" : "https"}://127.0.0.1:${target.port}/`,
  ];
  const text = await output(loadCommand(args));
  const cpu = cpuUs(target.pid) - before;
  const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0);
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? 0);
  const non2xx = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  const socketErrors = [...(/Socket errors: (.*)/.exec(text)?.[1] ?? "").matchAll(/(\d+)/g)].reduce(
    (sum, found) => sum + Number(found[1]),
    0,
  );
  const p99 = /99%\s+([\d.]+)(us|ms|s)/.exec(text);
  const scale = p99?.[2] === "us" ? 0.001 : p99?.[2] === "s" ? 1000 : 1;
  return {
    requests,
    requestsPerSecond: perSecond,
    errors: non2xx + socketErrors,
    p99Ms: Number(p99?.[1] ?? 0) * scale,
    cpuUsPerRequest: requests === 0 ? 0 : cpu / requests,
    megabytesPerSecond: (perSecond * bodyBytes) / 1e6,
  };
}

const H2_CONNECTIONS = 8;
const H2_STREAMS = 16;

/** HTTP/2 by h2load; `body`: a file that each request posts. h2load writes a line for each request: start, status, microseconds. */
export async function h2load(
  target: Running,
  seconds: number,
  folder: string,
  path: string,
  headers: readonly string[],
  body?: string,
): Promise<LoadResult> {
  const log = join(folder, `h2load-${target.port}.log`);
  rmSync(log, { force: true });
  const before = cpuUs(target.pid);
  const args = ["h2load", "-t1", `-c${H2_CONNECTIONS}`, `-m${H2_STREAMS}`, `-D${seconds}`, "--log-file", log];
  for (const header of headers) args.push("-H", header);
  if (body !== undefined) args.push("-d", body);
  const text = await output(
    loadCommand([...args, `${target.shape.tls === undefined ? "http" : "https"}://127.0.0.1:${target.port}${path}`]),
  );
  const cpu = cpuUs(target.pid) - before;
  const done = /(\d+) done, (\d+) succeeded/.exec(text);
  const requests = Number(done?.[1] ?? 0);
  const times = readFileSync(log, "latin1")
    .split("\n")
    .map((line) => Number(line.split("\t")[2]))
    .filter((time) => time > 0)
    .sort((a, b) => a - b);
  return {
    requests,
    requestsPerSecond: requests / seconds,
    errors: requests - Number(done?.[2] ?? 0),
    p99Ms: (times[Math.floor(times.length * 0.99)] ?? 0) / 1000,
    cpuUsPerRequest: requests === 0 ? 0 : cpu / requests,
    megabytesPerSecond: 0,
  };
}

/** One gRPC message of 100 bytes in a file. */
export function grpcMessage(folder: string): string {
  const path = join(folder, "message.bin");
  writeFileSync(path, Buffer.concat([Buffer.from([0, 0, 0, 0, 100]), Buffer.alloc(100, "m")]));
  return path;
}

export function postScript(folder: string, bytes: number): string {
  const path = join(folder, `post-${bytes}.lua`);
  writeFileSync(
    path,
    `wrk.method = "POST"\nwrk.body = string.rep("x", ${bytes})\nwrk.headers["Content-Type"] = "application/octet-stream"\n`,
  );
  return path;
}

/** `rate` requests a second for `seconds`, whatever the answers do: latency counts from when a request was due. */
export async function openLoop(target: Running, rate: number, seconds: number, connections: number): Promise<LoadResult> {
  const before = cpuUs(target.pid);
  const generator = new URL("./open-loop.js", import.meta.url).pathname;
  const text = await output(
    loadCommand([process.execPath, generator, String(target.port), String(rate), String(seconds), String(connections)]),
  );
  const cpu = cpuUs(target.pid) - before;
  const result = JSON.parse(text) as { readonly requests: number; readonly errors: number; readonly p99Ms: number };
  return {
    requests: result.requests,
    requestsPerSecond: result.requests / seconds,
    errors: result.errors,
    p99Ms: result.p99Ms,
    cpuUsPerRequest: cpu / Math.max(1, result.requests),
    megabytesPerSecond: 0,
  };
}

function output([program, args]: readonly [string, string[]]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(text) : reject(new Error(`${program} ended with ${code}`))));
  });
}
