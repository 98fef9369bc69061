// Runs one configuration in a real Envoy and in Sluice, sends both the same bytes, and compares what can be seen: what the client
// got, what the upstream got, the access log, statistics. What may differ between two runs (dates, ids, times, ports) is replaced by
// its name first; what differs for a reason is listed with the reason, and nothing else may differ.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions } from "node:tls";
import { freePort } from "../../host/server/ports.ts";
import { exchangeFrames } from "./http2-client.ts";
import { type Http2Answer, Http2Upstream } from "./http2-upstream.ts";
import { GrpcUpstream, type Step } from "./grpc-upstream.ts";
import { exchange } from "./raw-client.ts";
import { RawUpstream } from "./raw-upstream.ts";

export type ParityRequest = RawRequest | Http2Request;

interface RawRequest extends Waiting {
  /** Bytes as latin1, sent as they are. */
  readonly raw: string;
  /** Over TLS, with these options of the client. */
  readonly tls?: ConnectionOptions;
  /** More bytes, each sent 40 ms after the one before. */
  readonly later?: readonly string[];
  /** The client closes its side after sending. Default false. */
  readonly halfClose?: boolean;
}

interface Http2Request extends Waiting {
  /** HTTP/2, each piece sent 40 ms after the one before; the preface goes first by itself. */
  readonly frames: readonly (readonly Buffer[])[];
}

interface Waiting {
  /** Milliseconds without bytes after which the answer counts as whole. Default 150. */
  readonly quietMs?: number;
  /** Also compares whether and how the connection ends within 1.5 s: Envoy waits a second for the client to close first. */
  readonly end?: boolean;
}

export interface ParityCase {
  readonly name: string;
  readonly requests: readonly ParityRequest[];
  /** Statistics (exact names) whose change is compared. */
  readonly stats?: readonly string[];
  /** Known difference with its reason: then the two must differ, and this case documents how. */
  readonly differs?: string;
  /** Parts that are not compared in this case, with the reason in `why`. */
  readonly without?: { readonly parts: readonly Part[]; readonly why: string };
}

export type Part = "client" | "upstream" | "log" | "stats" | "guest";

export interface ParityGroup {
  readonly name: string;
  /** Makes the bootstrap; ports are those of the run. `module` gives the path of a built filter. */
  config(ports: GroupPorts): object;
  /** Answers of the upstream by path; default: 200 "ok". */
  readonly upstream?: Readonly<Record<string, string>>;
  /** The upstream speaks HTTP/2, and answers so. */
  readonly http2Upstream?: Readonly<Record<string, Http2Answer>>;
  /** Answers of a second upstream, which speaks HTTP/2, by path; default: one message "ok". */
  readonly grpcUpstream?: Readonly<Record<string, readonly Step[]>>;
  readonly cases: readonly ParityCase[];
}

export interface GroupPorts {
  readonly proxy: number;
  readonly admin: number;
  readonly upstream: number;
  /** The upstream that speaks HTTP/2. */
  readonly grpc: number;
  /** Nothing listens here. */
  readonly dead: number;
  readonly log: string;
  module(name: string): string;
}

interface Observed {
  readonly client: string[];
  readonly upstream: string[];
  readonly log: string[];
  readonly stats: Record<string, number>;
  /** What the probe module logged (test/parity/assembly): lines that begin with "#", behind the level and the plugin's name. */
  readonly guest: string[];
}

const HOST = new URL("../../host/main.js", import.meta.url).pathname;
const FILTERS = new URL("../../filters/", import.meta.url);

/** Below the ports that systems hand out: a free one of those could be given to the other contender a moment later. */
const DEAD_PORT = 20_009;

export function envoyBinary(): string {
  const path = process.env.SLUICE_ENVOY;
  if (path === undefined) throw new Error("SLUICE_ENVOY must name an Envoy binary (test/peers/peers envoy prints one)");
  return path;
}

/** What differs from run to run, by name. */
function normalize(text: string, ports: GroupPorts): string {
  return (
    text
      .replace(/\r\ndate: [^\r]*/gi, "\r\ndate: DATE")
      .replace(/ date=[A-Z][a-z]{2}, [\w: ]+ GMT/g, " date=DATE")
      // The mark of a traced request is no accident.
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, (_, mark: string) =>
        mark === "4" ? "UUID" : `UUID-${mark}`,
      )
      .replace(/(x-envoy-upstream-service-time(?:: |=))\d+/g, "$1MS")
      // A repeated attempt has what is left of 15 s.
      .replace(/(x-envoy-expected-rq-timeout-ms(?:: |=))(149\d\d|15000)/g, "$1LEFT")
      // Access log formats of the cases: the shape of a time is compared, and whether there is a duration or a size.
      .replace(/\b(time\w*=)(\S+)/g, (_whole, key: string, value: string) => key + value.replace(/\d/g, "9"))
      .replace(/\b((?:ms|n)_\w+=)\d+/g, "$1N")
      .replaceAll(`127.0.0.1:${ports.upstream}`, "UPSTREAM")
      .replaceAll(`127.0.0.1:${ports.grpc}`, "GRPC")
      .replaceAll(`127.0.0.1:${ports.dead}`, "DEAD")
      .replaceAll(`127.0.0.1:${ports.proxy}`, "PROXY")
      .replace(/127\.0\.0\.1:\d{4,5}/g, "127.0.0.1:PORT")
      .replace(/"port_value": \d+/g, '"port_value": PORT')
  );
}

/** Names of our logger's levels where they are not Envoy's. */
const LEVELS: Readonly<Record<string, string>> = { warn: "warning", fatal: "critical" };

/** "[…][info][wasm] […] wasm log NAME: #text" of Envoy, or a JSON line of ours, as "info NAME: #text". */
function guestLines(output: string): string[] {
  const lines: string[] = [];
  for (const line of output.split("\n")) {
    const record = line.startsWith("{") ? (JSON.parse(line) as { level: string; msg: string }) : undefined;
    const level = LEVELS[record?.level ?? ""] ?? record?.level ?? /^\[[^\]]*\]\[\d+\]\[(\w+)\]\[wasm\]/.exec(line)?.[1];
    const said = /wasm log ?([^:]*): (#.*)$/s.exec(record?.msg ?? line);
    if (said !== null) lines.push(`${level} ${said[1]}: ${said[2]}`);
  }
  return lines;
}

class Contender {
  readonly ports: GroupPorts;
  private readonly child: ChildProcess;
  private readonly upstream: RawUpstream | Http2Upstream;
  private readonly grpcUpstream: GrpcUpstream;
  private readonly folder: string;
  output = "";

  private constructor(
    ports: GroupPorts,
    child: ChildProcess,
    upstream: RawUpstream | Http2Upstream,
    grpcUpstream: GrpcUpstream,
    folder: string,
  ) {
    this.ports = ports;
    this.child = child;
    this.upstream = upstream;
    this.grpcUpstream = grpcUpstream;
    this.folder = folder;
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
  }

  static async start(kind: "envoy" | "sluice", group: ParityGroup): Promise<Contender> {
    const folder = mkdtempSync(join(tmpdir(), `sluice-parity-${kind}-`));
    const upstream =
      group.http2Upstream === undefined ? await RawUpstream.start(group.upstream ?? {}) : await Http2Upstream.start(group.http2Upstream);
    const grpcUpstream = await GrpcUpstream.start(group.grpcUpstream ?? {});
    const ports: GroupPorts = {
      proxy: await freePort("127.0.0.1"),
      admin: await freePort("127.0.0.1"),
      upstream: upstream.port,
      grpc: grpcUpstream.port,
      dead: DEAD_PORT,
      log: join(folder, "access.log"),
      module: (name) => new URL(`${name}.wasm`, FILTERS).pathname,
    };
    const path = join(folder, "config.json");
    writeFileSync(path, JSON.stringify(group.config(ports)));
    const args = [
      "-c",
      path,
      "--concurrency",
      "1",
      "--file-flush-interval-msec",
      "10",
      "-l",
      "warning",
      "--component-log-level",
      "wasm:info",
    ];
    const child =
      kind === "envoy"
        ? spawn(envoyBinary(), [...args, "--base-id", String(10_000 + (ports.proxy % 20_000))], { stdio: ["ignore", "pipe", "pipe"] })
        : spawn(process.execPath, [HOST, "run", ...args], { stdio: ["ignore", "pipe", "pipe"] });
    const contender = new Contender(ports, child, upstream, grpcUpstream, folder);
    try {
      await contender.untilReady(`${kind} (${group.name})`);
    } catch (error) {
      await contender.stop();
      throw error;
    }
    return contender;
  }

  private async untilReady(who: string): Promise<void> {
    const deadline = performance.now() + 20_000;
    while ((await this.admin("/ready").catch(() => "")) !== "LIVE\n") {
      if (this.child.exitCode !== null || performance.now() > deadline) throw new Error(`${who} does not start:\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  admin(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const asked = request({ host: "127.0.0.1", port: this.ports.admin, path }, (answer) => {
        let text = "";
        answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
        answer.on("end", () => resolve(text));
      });
      asked.on("error", reject);
      asked.end();
    });
  }

  private async counters(names: readonly string[]): Promise<Record<string, number>> {
    if (names.length === 0) return {};
    const text = await this.admin("/stats");
    const values: Record<string, number> = {};
    for (const name of names) {
      const line = text.split("\n").find((candidate) => candidate.startsWith(`${name}: `));
      values[name] = line === undefined ? 0 : Number(line.slice(name.length + 2));
    }
    return values;
  }

  private logText(): string {
    try {
      return readFileSync(this.ports.log, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
      throw error;
    }
  }

  async observe(parityCase: ParityCase): Promise<Observed> {
    const statNames = (parityCase.stats ?? []).map((name) => name.replaceAll("PROXY", `127.0.0.1_${this.ports.proxy}`));
    const before = await this.counters(statNames);
    const logBefore = this.logText().length;
    const outputBefore = this.output.length;
    this.upstream.take();
    this.grpcUpstream.seen.length = 0;
    const client: string[] = [];
    for (const one of parityCase.requests) {
      const quietMs = one.end === true ? 1500 : (one.quietMs ?? 150);
      const text = await ("frames" in one
        ? exchangeFrames(this.ports.proxy, one.frames, quietMs)
        : exchange(this.ports.proxy, [one.raw, ...(one.later ?? [])], one.halfClose === true, quietMs, one.tls));
      client.push(normalize(one.end === true ? text : text.replace(/<(closed|reset)>$/, ""), this.ports));
    }
    await new Promise((resolve) => setTimeout(resolve, 60));
    // Nearly every case has a line in the log: on a busy machine it may take longer to get there.
    for (let waited = 0; waited < 400 && this.logText().length === logBefore; waited += 20) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const after = await this.counters(statNames);
    const stats: Record<string, number> = {};
    statNames.forEach((name, i) => {
      stats[(parityCase.stats ?? [])[i]] = after[name] - before[name];
    });
    const log = normalize(this.logText().slice(logBefore), this.ports)
      .split("\n")
      .filter((line) => line !== "");
    const guest = guestLines(normalize(this.output.slice(outputBefore), this.ports));
    const upstream = [...this.upstream.take(), ...this.grpcUpstream.seen].map((text) => normalize(text, this.ports));
    return { client, upstream, log, stats, guest };
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const gone = new Promise((resolve) => this.child.once("exit", resolve));
      this.child.kill("SIGKILL");
      await gone;
    }
    await this.upstream.close();
    await this.grpcUpstream.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class Pair {
  private readonly envoy: Contender;
  private readonly sluice: Contender;

  private constructor(envoy: Contender, sluice: Contender) {
    this.envoy = envoy;
    this.sluice = sluice;
  }

  static async start(group: ParityGroup): Promise<Pair> {
    const [envoy, sluice] = await Promise.allSettled([Contender.start("envoy", group), Contender.start("sluice", group)]);
    if (envoy.status === "fulfilled" && sluice.status === "fulfilled") return new Pair(envoy.value, sluice.value);
    // The one that runs must not outlive the one that does not.
    for (const one of [envoy, sluice]) if (one.status === "fulfilled") await one.value.stop();
    throw envoy.status === "rejected" ? envoy.reason : sluice.status === "rejected" ? sluice.reason : undefined;
  }

  async check(parityCase: ParityCase): Promise<void> {
    const [theirs, ours] = await Promise.all([this.envoy.observe(parityCase), this.sluice.observe(parityCase)]);
    for (const part of parityCase.without?.parts ?? []) {
      Object.assign(theirs, { [part]: [] });
      Object.assign(ours, { [part]: [] });
    }
    if (parityCase.differs === undefined) assert.deepEqual(ours, theirs);
    else assert.notDeepEqual(ours, theirs, `no difference any more: remove "${parityCase.differs}"`);
  }

  async stop(): Promise<void> {
    await Promise.all([this.envoy.stop(), this.sluice.stop()]);
  }
}
