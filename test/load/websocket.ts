// What a busy WebSocket costs: `node dist/test/load/websocket.js`. One GiB from client to upstream and one GiB back through one tunnel,
// over HTTP/1.1 and over HTTP/2 on both sides, by the package "ws" at both ends. The proxy runs in a process of its own, so that its
// memory is its own; prints its resident bytes before, at most meanwhile, and after, as JSON.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WebSocket } from "ws";
import { freePort } from "../../host/server/ports.ts";
import type { Protocol } from "../support/node-http.ts";
import { openWebSocket, webSocketUpstream } from "../support/websocket.ts";

const BYTES = Number(process.argv[2] ?? 1024) * 1024 * 1024;
const MESSAGE = Buffer.alloc(256 * 1024, "x");
const MIB = 1024 * 1024;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function memory(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) * 1024;
}

function configuration(port: number, admin: number, upstream: number, isHttp2: boolean): string {
  const socket = (number: number): object => ({ socket_address: { address: "127.0.0.1", port_value: number } });
  const api = "type.googleapis.com/envoy.extensions";
  const manager = {
    "@type": `${api}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "in",
    upgrade_configs: [{ upgrade_type: "websocket" }],
    http2_protocol_options: { allow_connect: true },
    http_filters: [{ name: "router", typed_config: { "@type": `${api}.filters.http.router.v3.Router` } }],
    route_config: {
      name: "all",
      virtual_hosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "up", timeout: "0s" } }] }],
    },
  };
  const options = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": `${api}.upstreams.http.v3.HttpProtocolOptions`,
      explicit_http_config: isHttp2 ? { http2_protocol_options: { allow_connect: true } } : { http_protocol_options: {} },
    },
  };
  return JSON.stringify({
    admin: { address: socket(admin) },
    static_resources: {
      listeners: [{ name: "in", address: socket(port), filter_chains: [{ filters: [{ name: "http", typed_config: manager }] }] }],
      clusters: [
        {
          name: "up",
          connect_timeout: "5s",
          typed_extension_protocol_options: options,
          load_assignment: { cluster_name: "up", endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(upstream) } }] }] },
        },
      ],
    },
  });
}

/** As fast as the other side takes it. */
async function send(webSocket: WebSocket, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= MESSAGE.length) await new Promise((resolve) => webSocket.send(MESSAGE, resolve));
}

function receive(webSocket: WebSocket, bytes: number): Promise<void> {
  return new Promise((resolve) => {
    let got = 0;
    const count = (data: Buffer): void => {
      got += data.length;
      if (got < bytes) return;
      webSocket.off("message", count);
      resolve();
    };
    webSocket.on("message", count);
  });
}

async function measure(protocol: Protocol): Promise<object> {
  const upstream = await webSocketUpstream(protocol, () => {});
  const port = await freePort("127.0.0.1");
  const folder = mkdtempSync(join(tmpdir(), "sluice-load-websocket-"));
  const path = join(folder, "config.json");
  writeFileSync(path, configuration(port, await freePort("127.0.0.1"), upstream.port, protocol === "HTTP/2"));
  const host = new URL("../../host/main.js", import.meta.url).pathname;
  const child = spawn(process.execPath, [host, "run", "-c", path, "--concurrency", "1", "-l", "error"], { stdio: "inherit" });
  try {
    let client: WebSocket | undefined;
    while (client === undefined) client = await openWebSocket(protocol, port, "/").catch(() => sleep(50).then(() => undefined));
    const pid = child.pid ?? 0;
    const other = upstream.accepted[0];
    // Buffers that a connection has once it was busy are no growth.
    await Promise.all([send(client, 64 * MIB), receive(other, 64 * MIB)]);
    const before = memory(pid);
    let most = before;
    const watch = setInterval(() => (most = Math.max(most, memory(pid))), 20);
    const seconds: Record<string, number> = {};
    for (const [name, from, to] of [
      ["toUpstream", client, other],
      ["toClient", other, client],
    ] as const) {
      const start = performance.now();
      await Promise.all([send(from, BYTES), receive(to, BYTES)]);
      seconds[name] = Math.round(performance.now() - start) / 1000;
    }
    clearInterval(watch);
    client.close();
    await once(client, "close");
    await sleep(500);
    const inMib = (bytes: number): number => Math.round((bytes / MIB) * 10) / 10;
    return { protocol, mib: inMib(BYTES), seconds, rssMib: { before: inMib(before), most: inMib(most), after: inMib(memory(pid)) } };
  } finally {
    child.kill("SIGKILL");
    await upstream.close();
    rmSync(folder, { recursive: true });
  }
}

const results: object[] = [];
for (const protocol of ["HTTP/1.1", "HTTP/2"] as const) results.push(await measure(protocol));
process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
process.exit(0);
