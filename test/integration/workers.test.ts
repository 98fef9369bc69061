// Worker threads: one that dies is replaced, the others go on, statistics do not run backwards.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { freePort } from "../../host/server/ports.ts";
import { Server } from "../../host/server/server.ts";
import { startEcho } from "../load/echo.ts";

function get(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect({ port, host: "127.0.0.1" }, () => socket.write("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}

test("a crashed worker is replaced while the others serve", { timeout: 30_000 }, async () => {
  const echo = await startEcho();
  const port = await freePort("127.0.0.1");
  const address = (value: number): object => ({ socket_address: { address: "127.0.0.1", port_value: value } });
  const file = JSON.stringify({
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
          load_assignment: { cluster_name: "up", endpoints: [{ lb_endpoints: [{ endpoint: { address: address(echo.port) } }] }] },
        },
      ],
    },
  });
  const server = new Server({
    config: { file },
    configPath: undefined,
    pluginsDirectory: undefined,
    concurrency: 2,
    drainTimeS: 1,
    fileFlushIntervalMs: undefined,
    adminAddressPath: undefined,
    log: { level: "off", components: [], path: undefined, json: true },
    commandLine: {},
    handleSignals: false,
  });
  await server.start();
  for (let i = 0; i < 40; i++) assert.match(await get(port), /^HTTP\/1\.1 200/);
  await server.killWorker(1);
  // Connections that the dying worker had not accepted are lost with its socket; every later one is answered.
  let good = 0;
  const deadline = performance.now() + 5000;
  while (good < 60 && performance.now() < deadline) {
    const answer = await get(port).catch(() => "");
    if (answer.startsWith("HTTP/1.1 200")) good++;
  }
  assert.equal(good, 60);
  assert.deepEqual(await server.workersServing(), [1, 2]);
  for (let i = 0; i < 40; i++) assert.match(await get(port), /^HTTP\/1\.1 200/);
  server.shutdown();
  assert.equal(await server.untilExit(), 0);
  await echo.close();
});
