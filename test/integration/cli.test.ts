// The command line as operators meet it: exit codes, messages, signals. Each case runs the real program.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { freePort } from "../../host/server/ports.ts";
import { type Echo, startEcho } from "../load/echo.ts";

const MAIN = new URL("../../host/main.js", import.meta.url).pathname;

interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
}

class Program {
  readonly child: ChildProcess;
  out = "";
  error = "";
  readonly finished: Promise<Finished>;

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
    this.child.stdout?.on("data", (chunk: Buffer) => (this.out += chunk.toString()));
    this.child.stderr?.on("data", (chunk: Buffer) => (this.error += chunk.toString()));
    this.finished = new Promise((resolve) => this.child.once("close", (code) => resolve({ code, out: this.out, error: this.error })));
  }

  async until(text: string): Promise<void> {
    const deadline = performance.now() + 15_000;
    while (!this.error.includes(text) && !this.out.includes(text)) {
      if (this.child.exitCode !== null || performance.now() > deadline)
        throw new Error(`"${text}" was not said:\n${this.out}${this.error}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

const run = (...args: readonly string[]): Promise<Finished> => new Program(args).finished;

function bootstrap(port: number, upstream: number, hcm: object = {}): string {
  const address = (value: number): object => ({ socket_address: { address: "127.0.0.1", port_value: value } });
  return JSON.stringify({
    static_resources: {
      listeners: [
        {
          name: "l",
          address: address(port),
          filter_chains: [
            {
              filters: [
                {
                  name: "hcm",
                  typed_config: {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    stat_prefix: "t",
                    route_config: {
                      virtual_hosts: [{ name: "v", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "up" } }] }],
                    },
                    http_filters: [
                      { name: "router", typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } },
                    ],
                    ...hcm,
                  },
                },
              ],
            },
          ],
        },
      ],
      clusters: [
        {
          name: "up",
          type: "STATIC",
          load_assignment: { cluster_name: "up", endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstream) } }] }] },
        },
      ],
    },
  });
}

/** One request on a new connection; resolves with all bytes until the peer closes or `whole` says enough. */
function ask(port: number, text: string, whole: (answer: string) => boolean): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(text, "latin1"));
    socket.on("data", (chunk: Buffer) => {
      answer += chunk.toString("latin1");
      if (whole(answer)) socket.destroy();
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
  });
}

const GET = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const answered = (answer: string): boolean => answer.endsWith("ok");

describe("command line", () => {
  let folder: string;
  let echo: Echo;
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "sluice-cli-"));
    echo = await startEcho();
  });
  after(async () => {
    await echo.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const cases: readonly (readonly [string, readonly string[], number, RegExp])[] = [
    ["no verb", [], 64, /Usage: sluice VERB/],
    ["--help", ["--help"], 0, /run the proxy with an Envoy bootstrap/],
    ["--version", ["--version"], 0, /^sluice \d+\.\d+\.\d+/],
    ["help of a verb", ["help", "run"], 0, /--component-log-level/],
    ["--help of a verb", ["validate", "--help"], 0, /sluice validate -c FILE/],
    ["unknown verb", ["walk"], 64, /unknown verb "walk"/],
    ["unknown flag", ["run", "--sideways"], 64, /sideways/],
    ["no configuration", ["run"], 64, /--config-path or --config-yaml/],
    ["missing file", ["run", "-c", "/no/such/file"], 64, /cannot read the configuration.*\/no\/such\/file/],
    ["wrong level", ["run", "--config-yaml", "{}", "-l", "loud"], 64, /"loud" is not a level/],
    ["wrong concurrency", ["run", "--config-yaml", "{}", "--concurrency", "many"], 64, /--concurrency: "many"/],
    [
      "validate: unknown field",
      ["validate", "--config-yaml", "static_resources: {listener: []}"],
      1,
      /static_resources\.listener: no such field/,
    ],
    ["validate: good", ["validate", "--config-yaml", "{}"], 0, /^OK/],
    ["--mode validate", ["run", "--mode", "validate", "--config-yaml", "{node: {idd: x}}"], 1, /node\.idd: no such field/],
  ];
  for (const [name, args, code, message] of cases) {
    test(name, async () => {
      const finished = await run(...args);
      assert.equal(finished.code, code, finished.out + finished.error);
      assert.match(finished.out + finished.error, message);
    });
  }

  test("an address in use stops the start", async () => {
    const finished = await run("run", "-c", file("used.json", bootstrap(echo.port, echo.port)), "--concurrency", "1");
    assert.equal(finished.code, 1);
    assert.match(finished.error, new RegExp(`cannot bind '127.0.0.1:${echo.port}': Address already in use`));
  });

  test("SIGTERM: the request in progress is answered, new connections are refused, exit 0", async () => {
    const port = await freePort("127.0.0.1");
    const slow = await startSlowUpstream();
    const program = new Program([
      "run",
      "-c",
      file("drain.json", bootstrap(port, slow.port)),
      "--concurrency",
      "2",
      "--drain-time-s",
      "10",
    ]);
    await program.until("serving");
    const pending = ask(port, GET, answered);
    await slow.asked;
    program.child.kill("SIGTERM");
    await program.until("draining");
    await new Promise((resolve) => setTimeout(resolve, 200));
    await assert.rejects(ask(port, GET, answered));
    slow.answer();
    const answer = await pending;
    assert.match(answer, /^HTTP\/1\.1 200 OK/);
    assert.match(answer, /connection: close/);
    assert.equal((await program.finished).code, 0);
    await slow.close();
  });

  test("a second signal exits at once", async () => {
    const port = await freePort("127.0.0.1");
    const slow = await startSlowUpstream();
    const program = new Program(["run", "-c", file("twice.json", bootstrap(port, slow.port)), "--concurrency", "1"]);
    await program.until("serving");
    const pending = ask(port, GET, answered).catch(() => "");
    await slow.asked;
    program.child.kill("SIGTERM");
    await program.until("draining");
    program.child.kill("SIGTERM");
    assert.equal((await program.finished).code, 143);
    await pending;
    await slow.close();
  });

  test("idle keep-alive connections do not hold the exit back", async () => {
    const port = await freePort("127.0.0.1");
    const program = new Program(["run", "-c", file("idle.json", bootstrap(port, echo.port)), "--concurrency", "2"]);
    await program.until("serving");
    const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(GET));
    await new Promise((resolve) => socket.once("data", resolve));
    const closed = new Promise((resolve) => socket.once("close", resolve));
    program.child.kill("SIGTERM");
    assert.equal((await program.finished).code, 0);
    socket.destroy();
    await closed;
  });

  test("flags without meaning are taken with one warning", async () => {
    const port = await freePort("127.0.0.1");
    const program = new Program([
      "run",
      "-c",
      file("flags.json", bootstrap(port, echo.port)),
      "--concurrency",
      "1",
      "--restart-epoch",
      "0",
      "--drain-strategy",
      "immediate",
    ]);
    await program.until("serving");
    program.child.kill("SIGTERM");
    const { error } = await program.finished;
    assert.equal(error.split("\n").filter((line) => line.includes("without effect")).length, 1);
    assert.match(error, /--restart-epoch/);
    assert.match(error, /--drain-strategy/);
  });
});

interface SlowUpstream {
  readonly port: number;
  /** A request has arrived. */
  readonly asked: Promise<void>;
  answer(): void;
  close(): Promise<void>;
}

async function startSlowUpstream(): Promise<SlowUpstream> {
  const { createServer } = await import("node:net");
  let arrived: () => void = () => {};
  let answer: () => void = () => {};
  const asked = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", () => {
      answer = () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
      arrived();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    asked,
    answer: () => answer(),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
