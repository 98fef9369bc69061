// HTTP/2 with implementations that are neither ours nor Node's: curl, nghttp and h2load (nghttp2), and Python's h2 on either side.
// .ci/run installs them; a program that is missing is a failure.
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { issue } from "../support/certificates.ts";
import { startDataPlane, type TestDataPlane } from "../support/data-plane.ts";
import { nodeUpstream, type Seen, type Upstream } from "../support/node-http.ts";
import { certificateJson, downstreamTls } from "../tls/support.ts";

const PEER = fileURLToPath(new URL("../../../test/peers/h2_peer.py", import.meta.url));
const MEGABYTE = Buffer.alloc(1 << 20, "0123456789abcdef");

const folder = mkdtempSync(join(tmpdir(), "sluice-peers-http2-"));
const big = join(folder, "big");
let plane: TestDataPlane;
let upstream: Upstream;
let python: ChildProcess;

function run(program: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { timeout: 30_000, maxBuffer: 1 << 26, encoding: "latin1" }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(" ")}: ${error.message}\n${stderr}`));
    });
  });
}

/** curl's body goes to a file, so that what it writes about the answer stands alone. */
const curl = (...args: readonly string[]): Promise<string> =>
  run("curl", "-sS", "-o", join(folder, "out"), "-w", "%{http_code} %{http_version}", ...args);

/** Says back a body; answers "/trailers" with one. */
function reply(seen: Seen): { readonly body: readonly Buffer[]; readonly trailers?: Readonly<Record<string, string>> } {
  const body = [seen.body.length > 0 ? seen.body : Buffer.from("ok")];
  return seen.path.startsWith("/trailers") ? { body, trailers: { "x-r": "2" } } : { body };
}

before(async () => {
  writeFileSync(big, MEGABYTE);
  upstream = await nodeUpstream("HTTP/1.1", reply);
  python = spawn("python3", [PEER, "server"], { stdio: ["ignore", "pipe", "inherit"] });
  if (python.stdout === null) throw new Error("no output of python3");
  const [line] = (await once(python.stdout, "data")) as [Buffer];
  const manager = { http_protocol_options: { enable_trailers: true } };
  const routes = [
    { match: { prefix: "/python" }, route: { cluster: "python" } },
    { match: { prefix: "/" }, route: { cluster: "node" } },
  ];
  const transportSocket = downstreamTls({ tls_certificates: [certificateJson(issue())], alpn_protocols: ["h2", "http/1.1"] });
  plane = await startDataPlane(
    [
      { name: "in", routes, manager },
      { name: "tls", routes, manager, transportSocket },
    ],
    [
      { name: "node", ports: [upstream.port], http1: { enable_trailers: true } },
      { name: "python", ports: [Number(line.toString())], http2: {} },
    ],
  );
});

after(async () => {
  python.kill("SIGKILL");
  await plane?.stop();
  await upstream?.close();
  rmSync(folder, { recursive: true, force: true });
});

const url = (path: string): string => `http://127.0.0.1:${plane.port("in")}${path}`;
const tlsUrl = (path: string): string => `https://127.0.0.1:${plane.port("tls")}${path}`;
const body = (): Buffer => readFileSync(join(folder, "out"));

test("curl: GET and POST with prior knowledge", async () => {
  assert.equal(await curl("--http2-prior-knowledge", url("/get")), "200 2");
  assert.equal(await curl("--http2-prior-knowledge", "--data-binary", `@${big}`, url("/echo")), "200 2");
  assert.deepEqual(body(), MEGABYTE);
});

test("curl: HEAD, and trailers of the answer", async () => {
  assert.equal(await curl("--http2-prior-knowledge", "--head", url("/get")), "200 2");
  assert.match(await curl("--http2-prior-knowledge", "-D", "-", url("/trailers")), /^x-r: 2\r$/m);
});

test("curl: 100 streams of one connection", async () => {
  const requests = plane.counter("http.tls.downstream_rq_http2_total");
  const connections = plane.counter("http.tls.downstream_cx_http2_total");
  // Over TLS: curl 7.88 cannot do it with prior knowledge, whatever the server.
  const options = ["-sS", "-k", "--http2", "--parallel", "--parallel-max", "100", "-w", "%{http_code}\n", "-o", "/dev/null"];
  const statuses = await run("curl", ...options, tlsUrl("/many/[1-100]"));
  assert.deepEqual(statuses.trim().split("\n"), new Array(100).fill("200"));
  assert.equal(plane.counter("http.tls.downstream_rq_http2_total") - requests, 100);
  assert.equal(plane.counter("http.tls.downstream_cx_http2_total") - connections, 1);
});

test("curl: TLS, the protocol by ALPN", async () => {
  assert.equal(await curl("-k", "--http2", tlsUrl("/get")), "200 2");
  assert.equal(await curl("-k", "--http1.1", tlsUrl("/get")), "200 1.1");
  assert.equal(await curl("-k", "--http2", "--data-binary", `@${big}`, tlsUrl("/echo")), "200 2");
  assert.deepEqual(body(), MEGABYTE);
});

test("nghttp: GET, POST, trailers", async () => {
  assert.equal(await run("nghttp", url("/get")), "ok");
  assert.equal(await run("nghttp", "-d", big, url("/echo")), MEGABYTE.toString("latin1"));
  upstream.seen.length = 0;
  // With a length the request could not have trailers over HTTP/1.1.
  assert.match(await run("nghttp", "-v", "-n", "--no-content-length", "-d", big, "--trailer", "x-q: 1", url("/trailers")), /x-r: 2/);
  assert.deepEqual({ ...upstream.seen[0].trailers }, { "x-q": "1" });
});

test("h2load: 5000 requests, 100 streams at once, in the clear and over TLS", async () => {
  for (const target of [url("/load"), tlsUrl("/load")]) {
    const said = await run("h2load", "-n", "5000", "-c", "4", "-m", "100", target);
    assert.match(said, /requests: 5000 total, 5000 started, 5000 done, 5000 succeeded, 0 failed, 0 errored, 0 timeout/);
  }
});

test("h2load: 100 bodies of a megabyte", async () => {
  assert.match(await run("h2load", "-n", "100", "-c", "2", "-m", "10", "-d", big, url("/echo")), /100 succeeded, 0 failed, 0 errored/);
});

test("Python h2 as client: GET, POST, trailers, 100 streams", async () => {
  upstream.seen.length = 0;
  const seen: unknown = JSON.parse(await run("python3", PEER, "client", String(plane.port("in"))));
  assert.deepEqual(seen, { get: "200", post: true, trailers: { "x-r": "2" }, many: 100 });
  assert.deepEqual({ ...upstream.seen.find((one) => one.path === "/trailers")?.trailers }, { "x-q": "1" });
});

test("Python h2 as upstream: GET, POST, trailers, 1000 requests", async () => {
  assert.equal(await curl("--http2-prior-knowledge", url("/python")), "200 2");
  assert.equal(body().toString(), "from h2");
  assert.equal(await curl("--http1.1", "--data-binary", `@${big}`, url("/python")), "200 1.1");
  assert.deepEqual(body(), MEGABYTE);
  assert.match(await run("nghttp", "-v", "-n", "-d", big, "--trailer", "x-q: 1", url("/python")), /x-q: 1[\s\S]*recv[\s\S]*x-q: 1/);
  assert.match(await run("h2load", "-n", "1000", "-c", "2", "-m", "50", url("/python")), /1000 succeeded, 0 failed, 0 errored/);
});

test("nothing is left behind", () => {
  for (const name of [
    "http2.streams_active",
    "cluster.python.http2.streams_active",
    "http.in.downstream_rq_active",
    "http.tls.downstream_rq_active",
  ])
    assert.equal(plane.gauge(name), 0, name);
});
