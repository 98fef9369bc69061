// The first-bytes filter in a whole data plane: a wasm network filter in front of a TCP proxy that reads early.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { systemRandom } from "../../host/base/system.ts";
import { createSharedMemory, PluginHost } from "../../host/extensions/plugin-host.ts";
import type { DataPlane } from "../../host/server/data-plane.ts";
import { loadModule } from "../../host/wasm/module.ts";
import type { Json } from "../../host/xds/message.ts";
import { networkFilter, startTcp, startUpstream, tcpProxy, type TcpPlane } from "../support/tcp.ts";

const WASM = new URL("../../filters/first-bytes.wasm", import.meta.url);
const names = ["service", "http", "redis"] as const;

const config = (more: Readonly<Record<string, Json>> = {}): Json => ({
  routes: [
    { prefix: "GET ", cluster: "http" },
    { prefix: "GETX", cluster: "service" },
    { prefix: "*1\r\n", cluster: "redis" },
  ],
  ...more,
});

function plugin(configuration: Json, more: Readonly<Record<string, Json>> = {}): Json {
  return networkFilter("first", "wasm.v3.Wasm", {
    config: {
      name: "first-bytes",
      vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { filename: WASM.pathname } } },
      configuration: { "@type": "type.googleapis.com/google.protobuf.StringValue", value: JSON.stringify(configuration) },
      ...more,
    },
  });
}

async function start(t: TestContext, filter: Json): Promise<TcpPlane> {
  const loaded = await loadModule(readFileSync(WASM));
  assert.ok(loaded.ok);
  const { module } = loaded;
  const clusters = await Promise.all(
    names.map(async (name) => ({ name, ports: [(await startUpstream(t, (text) => `${name}<${text}>`)).port] })),
  );
  const pluginHost = (plane: DataPlane): PluginHost => {
    const host = new PluginHost({
      workerId: 1,
      clock: plane.clock,
      random: systemRandom,
      stats: plane.stats,
      logger: plane.logger,
      node: { id: "", cluster: "", metadata: {}, locality: { region: "", zone: "", subZone: "" }, userAgentName: "", userAgentVersion: "" },
      shared: createSharedMemory(),
      clusters: plane.clusters,
      notifyQueue: () => {},
    });
    host.addModules([module]);
    return host;
  };
  return startTcp(t, [filter, tcpProxy({ max_early_data_bytes: 1024 })], clusters, { pluginHost });
}

interface Case {
  readonly name: string;
  readonly config?: Json;
  readonly pieces: readonly string[];
  /** "": the connection is closed without an answer. */
  readonly answer: string;
  readonly halfClose?: boolean;
}

const cases: readonly Case[] = [
  { name: "the first prefix that fits", pieces: ["GET / HTTP/1.1"], answer: "http<GET / HTTP/1.1>" },
  { name: "byte by byte: what was held goes in one piece", pieces: ["*", "1", "\r", "\n$4"], answer: "redis<*1\r\n$4>" },
  { name: "another prefix of the same beginning", pieces: ["GE", "TX"], answer: "service<GETX>" },
  { name: "nothing fits: the proxy's own cluster", pieces: ["hello"], answer: "service<hello>" },
  { name: "nothing fits: the default", config: config({ defaultCluster: "redis" }), pieces: ["hello"], answer: "redis<hello>" },
  { name: "nothing fits: closed", config: config({ closeUnknown: true }), pieces: ["hello"], answer: "" },
  { name: "the client ends before a prefix is whole", pieces: ["GE"], answer: "service<GE>", halfClose: true },
];

for (const { name, config: given, pieces, answer, halfClose } of cases) {
  test(`first-bytes: ${name}`, async (t) => {
    const plane = await start(t, plugin(given ?? config()));
    const client = plane.connect();
    for (const piece of pieces) {
      client.send(piece);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    if (halfClose === true) client.socket.end();
    await client.until((peer) => (answer === "" ? peer.end !== "" : peer.bytes === answer), answer === "" ? "the end" : answer);
    assert.equal(client.bytes, answer);
  });
}

test("first-bytes: a configuration that is wrong leaves the failure policy", async (t) => {
  for (const policy of ["FAIL_CLOSED", "FAIL_OPEN"]) {
    const plane = await start(t, plugin({ routes: [] }, { failure_policy: policy }));
    const client = plane.connect();
    client.send("GET /");
    const expected = policy === "FAIL_OPEN" ? "service<GET />" : "";
    await client.until((peer) => (expected === "" ? peer.end !== "" : peer.bytes === expected), policy);
    assert.equal(client.bytes, expected);
  }
});
