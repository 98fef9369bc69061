// What floods of HTTP/2 frames cost: `node dist/test/load/http2-floods.js`. Each flood is sent whole, as fast as the socket takes it, to a
// proxy in a process of its own; then: frames sent, frames until the end, milliseconds until then, CPU and memory used. One JSON line each.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { freePort } from "../../host/server/ports.ts";
import { F, frame, PREFACE, RawPeer, settings, T } from "../support/http2-frames.ts";
import { FLOODS, type Flood } from "../http2/flood-cases.ts";
import { startProxy, usage } from "./proxy-process.ts";

const MANAGER = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const socket = (port: number): object => ({ socket_address: { address: "127.0.0.1", port_value: port } });

function configuration(port: number, admin: number, upstream: number): object {
  const manager = {
    "@type": MANAGER,
    stat_prefix: "floods",
    codec_type: "HTTP2",
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: "up" } }] }] },
    http_filters: [
      {
        name: "envoy.filters.http.router",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
      },
    ],
  };
  return {
    admin: { address: socket(admin) },
    static_resources: {
      listeners: [{ name: "in", address: socket(port), filter_chains: [{ filters: [{ name: "manager", typed_config: manager }] }] }],
      clusters: [
        {
          name: "up",
          load_assignment: { cluster_name: "up", endpoints: [{ lb_endpoints: [{ endpoint: { address: socket(upstream) } }] }] },
        },
      ],
    },
  };
}

async function run(flood: Flood, pid: number, port: number, seen: () => number): Promise<void> {
  const rounds = Array.from({ length: flood.rounds }, (_, i) => flood.round(i)).flat();
  const bytes = Buffer.concat(rounds);
  const client = RawPeer.connect(port);
  client.write(PREFACE, settings(), frame(T.settings, F.ack, 0));
  await client.until(() => client.of(T.settings).length > 0);
  const before = usage(pid);
  const requests = seen();
  const start = performance.now();
  client.write(bytes);
  await client.until(() => client.goAway !== undefined || client.isClosed);
  const ms = performance.now() - start;
  const after = usage(pid);
  client.destroy();
  process.stdout.write(
    `${JSON.stringify({
      flood: flood.name,
      framesSent: rounds.length,
      goAway: client.goAway ?? null,
      ms: Number(ms.toFixed(1)),
      cpuMs: Math.round((after.cpu - before.cpu) * 1000),
      memoryKiB: Math.round((after.memory - before.memory) / 1024),
      upstreamRequests: seen() - requests,
    })}\n`,
  );
}

let requests = 0;
const upstream = createServer((_request, response) => {
  requests++;
  response.end("ok");
});
await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
const port = await freePort("127.0.0.1");
const proxy = startProxy("sluice", configuration(port, await freePort("127.0.0.1"), (upstream.address() as AddressInfo).port));
try {
  for (let tries = 0; tries < 100; tries++) {
    const answered = await fetchOnce(port);
    if (answered) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  // The options of a case belong to its own server; here the configured defaults hold.
  for (const flood of FLOODS) if (flood.options === undefined) await run(flood, proxy.pid, port, () => requests);
} finally {
  proxy.stop();
  upstream.closeAllConnections();
  upstream.close();
}

async function fetchOnce(port: number): Promise<boolean> {
  const client = RawPeer.connect(port);
  client.write(PREFACE, settings());
  await client.until(() => client.of(T.settings).length > 0 || client.isClosed);
  const good = !client.isClosed;
  client.destroy();
  return good;
}
