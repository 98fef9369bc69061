// npm run bench: Sluice beside Envoy, nginx and HAProxy in one run, the proxy on core 0, load and upstream on core 1. Contenders take
// turns, so that a noisy machine is noisy for all; each figure is the median of its rounds. Prints a table, writes JSON.
//   --rounds N (3)   --seconds N (5)   --rows plain,filter,protocols   --json FILE (dist/bench.json)
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { type ContenderName, envoyPath, fdCount, Rig, rssMb, type Running } from "./contenders.ts";
import { PLAIN, type Shape } from "./config.ts";
import { grpcMessage, h2load, type LoadResult, openLoop, postScript, wrk } from "./load.ts";
import { idleConnectionKb } from "./idle.ts";

interface Row {
  readonly name: string;
  readonly contender: ContenderName;
  readonly cpuUsPerRequest?: number;
  readonly requestsPerSecond?: number;
  readonly p99Ms?: number;
  readonly megabytesPerSecond?: number;
  readonly rssMb?: number;
  readonly startMs?: number;
  readonly idleConnectionKb?: number;
  readonly errors?: number;
}

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "5" },
    rows: { type: "string" },
    json: { type: "string", default: "dist/bench.json" },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const wanted = values.rows?.split(",");
const AUTHZ = new URL("../../filters/authz.wasm", import.meta.url).pathname;
const MIB = 1024 * 1024;
const ALL: readonly ContenderName[] = ["sluice", "envoy", "nginx", "haproxy"];

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function summarize(name: string, contender: ContenderName, results: readonly LoadResult[]): Row {
  return {
    name,
    contender,
    cpuUsPerRequest: median(results.map((result) => result.cpuUsPerRequest)),
    requestsPerSecond: median(results.map((result) => result.requestsPerSecond)),
    p99Ms: median(results.map((result) => result.p99Ms)),
    megabytesPerSecond: median(results.map((result) => result.megabytesPerSecond)),
    errors: results.reduce((sum, result) => sum + result.errors, 0),
  };
}

/** Runs `load` on each contender in turn, after a warm-up of each. */
async function takeTurns(
  name: string,
  contenders: readonly Running[],
  turns: number,
  load: (target: Running) => Promise<LoadResult>,
): Promise<ReadonlyMap<Running, readonly LoadResult[]>> {
  const results = new Map<Running, LoadResult[]>(contenders.map((target) => [target, []]));
  for (const target of contenders) await load(target);
  for (let turn = 1; turn <= turns; turn++) {
    for (const target of contenders) {
      process.stderr.write(`\r${name}: round ${turn}/${turns} ${target.name}          `);
      results.get(target)?.push(await load(target));
    }
  }
  process.stderr.write("\r\u001b[K");
  return results;
}

async function measure(name: string, contenders: readonly Running[], load: (target: Running) => Promise<LoadResult>): Promise<Row[]> {
  const results = await takeTurns(name, contenders, rounds, load);
  return contenders.map((target) => summarize(name, target.name, results.get(target) ?? []));
}

async function startAll(rig: Rig, names: readonly ContenderName[], shape: Shape): Promise<Running[]> {
  const running: Running[] = [];
  for (const name of names) {
    const target = await rig.start(name, shape);
    if (target !== undefined) running.push(target);
  }
  return running;
}

async function stopAll(running: readonly Running[]): Promise<void> {
  for (const target of running) await target.stop();
}

async function plainRows(rig: Rig): Promise<Row[]> {
  const rows: Row[] = [];
  const running = await startAll(rig, ALL, PLAIN);
  for (const target of running) rows.push({ name: "start to first answer", contender: target.name, startMs: target.startMs });
  rows.push(...(await measure("HTTP/1.1 no filter, 64 connections", running, (target) => wrk(target, seconds, 64, undefined, 0))));
  rows.push(...(await measure("HTTP/1.1 no filter, 8000 rq/s", running, (target) => openLoop(target, 8000, seconds, 64))));
  const script = postScript(rig.folder, MIB);
  rows.push(...(await measure("POST 1 MiB, 8 connections", running, (target) => wrk(target, seconds, 8, script, MIB))));
  for (const target of running) rows.push({ name: "memory after load", contender: target.name, rssMb: rssMb(target.pid) });
  for (const target of running)
    rows.push({ name: "idle keep-alive connection", contender: target.name, idleConnectionKb: await idleConnectionKb(target) });
  for (const target of running)
    if (fdCount(target.pid) > 1500) process.stderr.write(`${target.name}: ${fdCount(target.pid)} descriptors are still open\n`);
  await stopAll(running);
  return rows;
}

/**
 * The same authorization module in both. What it adds is a small difference of two large figures, so all four instances take turns, in many
 * short turns, and the figure is the median over the turns of the difference within one turn.
 */
async function filterRows(rig: Rig): Promise<Row[]> {
  const rows: Row[] = [];
  const name = "authz filter";
  const pairs: [plain: Running, filtered: Running][] = [];
  for (const contender of ["sluice", "envoy"] as const) {
    const plain = await rig.start(contender, PLAIN);
    const filtered = await rig.start(contender, { ...PLAIN, authzModule: AUTHZ });
    if (plain === undefined || filtered === undefined) continue;
    rows.push({ name: "start to first answer, authz filter", contender, startMs: filtered.startMs });
    pairs.push([plain, filtered]);
  }
  const turns = Math.max(rounds, Math.round(rounds * seconds));
  const results = await takeTurns(name, pairs.flat(), turns, (target) => wrk(target, 1, 64, undefined, 0));
  for (const [plain, filtered] of pairs) {
    const without = results.get(plain) ?? [];
    const withFilter = results.get(filtered) ?? [];
    rows.push(summarize("authz row: no filter", plain.name, without), summarize("authz row: with authz filter", plain.name, withFilter));
    const added = withFilter.map((result, turn) => result.cpuUsPerRequest - without[turn].cpuUsPerRequest);
    rows.push({ name: "authz filter adds", contender: plain.name, cpuUsPerRequest: median(added) });
    rows.push({ name: "memory after load, authz filter", contender: plain.name, rssMb: rssMb(filtered.pid) });
  }
  await stopAll(pairs.flat());
  return rows;
}

/** The same in other protocols: what the proxies add differs, the requests do not. */
async function protocolRows(rig: Rig): Promise<Row[]> {
  const tls = rig.certificate();
  const message = grpcMessage(rig.folder);
  const grpcHeaders = ["content-type: application/grpc", "te: trailers"];
  const http2 =
    (path: string, headers: readonly string[] = [], body?: string) =>
    (target: Running) =>
      h2load(target, seconds, rig.folder, path, headers, body);
  const script = postScript(rig.folder, MIB);
  const cases: readonly (readonly [string, readonly ContenderName[], Shape, (target: Running) => Promise<LoadResult>])[] = [
    ["HTTP/2, 8 connections x 16 streams", ["sluice", "envoy", "haproxy"], { ...PLAIN, down: "http2", up: "http2" }, http2("/")],
    ["HTTP/2 to HTTP/1.1, 8 x 16", ALL, { ...PLAIN, down: "http2" }, http2("/")],
    [
      "gRPC unary over HTTP/2, 8 x 16",
      ["sluice", "envoy", "haproxy"],
      { ...PLAIN, down: "http2", up: "http2" },
      http2("/grpc", grpcHeaders, message),
    ],
    ["TLS, HTTP/1.1, 64 connections", ALL, { ...PLAIN, tls }, (target) => wrk(target, seconds, 64, undefined, 0)],
    ["TLS, HTTP/2 to HTTP/1.1, 8 x 16", ALL, { ...PLAIN, down: "http2", tls }, http2("/")],
    [
      "TCP, POST 1 MiB, 8 connections",
      ["sluice", "envoy", "haproxy"],
      { ...PLAIN, down: "tcp" },
      (target) => wrk(target, seconds, 8, script, MIB),
    ],
  ];
  const rows: Row[] = [];
  for (const [name, names, shape, load] of cases) {
    const running = await startAll(rig, names, shape);
    rows.push(...(await measure(name, running, load)));
    await stopAll(running);
  }
  return rows;
}

function format(value: number | undefined, digits: number): string {
  return value === undefined || value === 0 ? "-" : value.toFixed(digits);
}

function print(rows: readonly Row[]): void {
  const header = ["row", "proxy", "CPU us/rq", "rq/s", "p99 ms", "MB/s", "RSS MB", "start ms", "KB/conn", "errors", "CPU / Envoy"];
  const envoy = new Map(rows.filter((row) => row.contender === "envoy").map((row) => [row.name, row]));
  const lines = rows.map((row) => {
    const base = envoy.get(row.name)?.cpuUsPerRequest;
    const ratio = base === undefined || row.cpuUsPerRequest === undefined ? undefined : row.cpuUsPerRequest / base;
    return [
      row.name,
      row.contender,
      format(row.cpuUsPerRequest, 1),
      format(row.requestsPerSecond, 0),
      format(row.p99Ms, 2),
      format(row.megabytesPerSecond, 0),
      format(row.rssMb, 0),
      format(row.startMs, 0),
      format(row.idleConnectionKb, 1),
      row.errors === undefined ? "-" : String(row.errors),
      format(ratio, 2),
    ];
  });
  const widths = header.map((name, i) => Math.max(name.length, ...lines.map((line) => line[i].length)));
  const text = [header, ...lines]
    .map((line) => line.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "))
    .join("\n");
  process.stdout.write(`${text}\n`);
}

async function main(): Promise<void> {
  if (availableParallelism() < 2) throw new Error("the bench needs two cores");
  if (envoyPath() === undefined) process.stderr.write("SLUICE_ENVOY does not name an Envoy binary: its rows are left out\n");
  const rig = new Rig();
  const rows: Row[] = [];
  try {
    await rig.startUpstream();
    if (wanted === undefined || wanted.includes("plain")) rows.push(...(await plainRows(rig)));
    if (wanted === undefined || wanted.includes("filter")) rows.push(...(await filterRows(rig)));
    if (wanted === undefined || wanted.includes("protocols")) rows.push(...(await protocolRows(rig)));
  } finally {
    await rig.close();
  }
  print(rows);
  writeFileSync(
    values.json,
    `${JSON.stringify({ node: process.version, date: new Date().toISOString(), rounds, seconds, rows }, null, 2)}\n`,
  );
}

await main();
