// Certificates that change under load: `node dist/test/load/rotation.js [SECONDS]`. A secret in a file is replaced once a second, while 16
// clients ask over connections of their own (each for ten requests, then a new handshake) and 16 over connections that stay. Prints
// requests, failures, certificates seen and the memory before and after, as JSON.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { Agent, request } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { freePort } from "../../host/server/ports.ts";
import { dns, issue } from "../support/certificates.ts";
import { startProxy, usage } from "./proxy-process.ts";

const SECONDS = Number(process.argv[2] ?? 30);
const CLIENTS = 16;
const REQUESTS_PER_CONNECTION = 10;

const folder = mkdtempSync(join(tmpdir(), "sluice-load-rotation-"));
const secretFile = join(folder, "secret.json");
const socket = (port: number): object => ({ socket_address: { address: "127.0.0.1", port_value: port } });
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

let serial = 100;
function rotate(): void {
  const { pem, keyPem } = issue({ names: [dns("localhost")], serial: serial++ });
  const secret = {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
    name: "own",
    tls_certificate: { certificate_chain: { inline_string: pem }, private_key: { inline_string: keyPem } },
  };
  writeFileSync(`${secretFile}.new`, JSON.stringify({ resources: [secret] }));
  renameSync(`${secretFile}.new`, secretFile);
}

function configuration(port: number, admin: number, upstream: number): object {
  const manager = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "rotation",
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "up" } }] }] },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
      },
    ],
  };
  const tls = {
    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    common_tls_context: { tls_certificate_sds_secret_configs: [{ name: "own", sds_config: { path_config_source: { path: secretFile } } }] },
  };
  const chain = { transport_socket: { name: "tls", typed_config: tls }, filters: [{ name: "manager", typed_config: manager }] };
  return {
    node: { id: "rotation", cluster: "rotation" },
    admin: { address: socket(admin) },
    static_resources: {
      listeners: [{ name: "in", address: socket(port), filter_chains: [chain] }],
      clusters: [
        {
          name: "up",
          load_assignment: { cluster_name: "up", endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(upstream) } }] }] },
        },
      ],
    },
  };
}

const seen = new Set<string>();
const failures: string[] = [];
let requests = 0;

function ask(port: number, agent: Agent): Promise<void> {
  return new Promise((resolve) => {
    const asked = request({ host: "127.0.0.1", port, path: "/", agent, rejectUnauthorized: false }, (response) => {
      seen.add((response.socket as TLSSocket).getPeerX509Certificate()?.serialNumber ?? "");
      if (response.statusCode !== 200) failures.push(`status ${response.statusCode}`);
      response.resume();
      response.on("end", resolve);
    });
    asked.on("error", (error) => {
      failures.push(error.message);
      resolve();
    });
    asked.end();
  });
}

async function client(port: number, isKept: boolean, until: number): Promise<void> {
  let agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let count = 1; performance.now() < until; count++) {
    await ask(port, agent);
    requests++;
    if (!isKept && count % REQUESTS_PER_CONNECTION === 0) {
      agent.destroy();
      agent = new Agent({ keepAlive: true, maxSockets: 1 });
    }
  }
  agent.destroy();
}

const upstream = createServer((_request, response) => response.end("ok"));
await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
const port = await freePort("127.0.0.1");
rotate();
const proxy = startProxy("sluice", configuration(port, await freePort("127.0.0.1"), (upstream.address() as AddressInfo).port));
try {
  for (let tries = 0; tries < 100; tries++) {
    const agent = new Agent();
    await ask(port, agent);
    agent.destroy();
    if (failures.length === 0) break;
    failures.length = 0;
    await sleep(50);
  }
  const before = usage(proxy.pid);
  const until = performance.now() + SECONDS * 1000;
  const clients = Array.from({ length: 2 * CLIENTS }, (_, i) => client(port, i < CLIENTS, until));
  const rotations = setInterval(rotate, 1000);
  await Promise.all(clients);
  clearInterval(rotations);
  const after = usage(proxy.pid);
  const summary = {
    requests,
    failures: failures.length,
    firstFailures: failures.slice(0, 5),
    rotations: serial - 101,
    certificatesSeen: seen.size,
    rssBeforeMb: Math.round(before.memory / 1048576),
    rssAfterMb: Math.round(after.memory / 1048576),
  };
  process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
  process.exitCode = failures.length === 0 ? 0 : 1;
} finally {
  proxy.stop();
  upstream.closeAllConnections();
  upstream.close();
  rmSync(folder, { recursive: true });
}
