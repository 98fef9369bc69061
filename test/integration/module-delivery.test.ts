// Modules over the network, end to end: a server with a plugins folder, a web server, and a registry.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Server } from "../../host/server/server.ts";
import { image, layersOf, sha256 } from "../support/fake-registry.ts";
import { body, type ModuleServer, startModuleServer, status } from "../support/module-server.ts";

const filters = fileURLToPath(new URL("../../filters/", import.meta.url));
const headers = readFileSync(join(filters, "header-mutation.wasm"));

// Registries and web servers of this test speak no TLS.
process.env.WASM_INSECURE_REGISTRIES = "*";

const hcmType = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
const routerType = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
const address = (port: number): object => ({ socket_address: { address: "127.0.0.1", port_value: port } });

function bootstrap(modulesPort: number, filter: readonly object[]): string {
  const answer = { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "served" } } };
  const manager = {
    "@type": hcmType,
    stat_prefix: "t",
    route_config: { virtual_hosts: [{ name: "v", domains: ["*"], routes: [answer] }] },
    http_filters: [...filter, { name: "router", typed_config: { "@type": routerType } }],
  };
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: address(modulesPort) } }] }];
  return JSON.stringify({
    admin: { address: address(0) },
    static_resources: {
      listeners: [{ name: "in", address: address(0), filter_chains: [{ filters: [{ name: "hcm", typed_config: manager }] }] }],
      clusters: [{ name: "modules", type: "STATIC", load_assignment: { cluster_name: "modules", endpoints } }],
    },
  });
}

interface Host {
  /** Status of a request, and the header that the filter adds. */
  ask(): Promise<string>;
  /** Until the answer is this one. */
  until(expected: string): Promise<void>;
  admin(path: string): Promise<string>;
  stop(): Promise<void>;
}

interface HostOptions {
  readonly folder: string;
  readonly modules?: ModuleServer;
  readonly filter?: readonly object[];
}

function temporary(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "sluice-delivery-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function startHost(t: TestContext, { folder, modules, filter = [] }: HostOptions): Promise<Host> {
  const server = new Server({
    config: { file: bootstrap(modules?.port ?? 1, filter) },
    configPath: undefined,
    pluginsDirectory: folder,
    wasmCacheDirectory: join(folder, "cache"),
    concurrency: 1,
    drainTimeS: 1,
    fileFlushIntervalMs: undefined,
    adminAddressPath: undefined,
    log: { level: "off", components: [], path: undefined, json: true },
    commandLine: {},
    handleSignals: false,
  });
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    await server.stop();
  };
  t.after(stop);
  await server.start();
  const ask = async (): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${server.listeners[0].port}/`);
    await response.text();
    return `${response.status} ${response.headers.get("x-version") ?? "-"}`;
  };
  const until = async (expected: string): Promise<void> => {
    const deadline = performance.now() + 15_000;
    let last = await ask();
    while (last !== expected && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      last = await ask();
    }
    assert.equal(last, expected);
  };
  const admin = async (path: string): Promise<string> => (await fetch(`http://${server.adminAddress}${path}`)).text();
  return { ask, until, admin, stop };
}

function writePlugin(folder: string, url: string, version: string, more: object = {}): void {
  const pluginConfig = { response: { set: { "x-version": version } } };
  const resource = {
    apiVersion: "extensions.istio.io/v1alpha1",
    kind: "WasmPlugin",
    metadata: { name: "p", namespace: "ns" },
    spec: { url, pluginConfig, ...more },
  };
  // A file that is half written may be read as one without resources.
  writeFileSync(join(folder, "p.tmp"), JSON.stringify(resource));
  renameSync(join(folder, "p.tmp"), join(folder, "p.json"));
}

/** The same filter as another module: a custom section at its end. */
const otherHeaders = Buffer.concat([headers, Buffer.from([0, 2, 1, 0x78])]);

const team = (module: Uint8Array, tag: string): ReturnType<typeof image> => image("team/headers", tag, layersOf("artifact", module));

test("by HTTP: enforced, replaced by another digest, and the old one stays where the new one is wrong", { timeout: 60_000 }, async (t) => {
  const folder = temporary(t);
  const modules = await startModuleServer(t, { "/one.wasm": body(headers), "/two.wasm": body(otherHeaders) });
  const host = await startHost(t, { folder });
  await host.until("200 -");
  writePlugin(folder, `http://${modules.host}/one.wasm`, "one", { sha256: sha256(headers) });
  await host.until("200 one");
  writePlugin(folder, `http://${modules.host}/two.wasm`, "wrong", { sha256: sha256(headers) });
  const deadline = performance.now() + 10_000;
  let shown = "";
  while (!shown.includes("spec.url: cannot fetch") && performance.now() < deadline) {
    shown = await host.admin("/_wasm/filters");
    assert.equal(await host.ask(), "200 one");
  }
  assert.match(
    shown,
    /spec\.url: cannot fetch Wasm module http:\/\/[^ ]*\/two\.wasm: module downloaded from .* has checksum [0-9a-f]{64}, which does not match/,
  );
  writePlugin(folder, `http://${modules.host}/two.wasm`, "two", { sha256: sha256(otherHeaders) });
  await host.until("200 two");
  const stats = await host.admin("/stats?filter=wasm.remote_load");
  assert.match(stats, /^wasm\.remote_load_fetch_successes: 2$/m);
  assert.match(stats, /^wasm\.remote_load_fetch_failures: [1-9]$/m);
  assert.match(await host.admin("/stats/prometheus"), /^istio_agent_wasm_remote_fetch_count\{result="checksum_mismatched"\} [1-9]$/m);
});

test("from a registry: enforced, moved to another tag; a restart downloads nothing", { timeout: 60_000 }, async (t) => {
  const folder = temporary(t);
  const registry = await startModuleServer(t, { ...team(headers, "1").routes, ...team(otherHeaders, "2").routes });
  const first = await startHost(t, { folder });
  writePlugin(folder, `oci://${registry.host}/team/headers:1`, "one");
  await first.until("200 one");
  writePlugin(folder, `oci://${registry.host}/team/headers:2`, "two");
  await first.until("200 two");
  assert.equal(registry.requests.length, 4);
  await first.stop();
  await registry.close();
  const second = await startHost(t, { folder });
  assert.equal(await second.ask(), "200 two");
  assert.equal(registry.requests.length, 4);
});

test("two hosts that start at once download once each", { timeout: 60_000 }, async (t) => {
  const registry = await startModuleServer(t, team(headers, "1").routes);
  const folders = [temporary(t), temporary(t)];
  for (const folder of folders) {
    for (const name of ["p", "q", "r"]) {
      writePlugin(folder, `oci://${registry.host}/team/headers:1`, "one");
      const text = readFileSync(join(folder, "p.json"), "utf8");
      writeFileSync(join(folder, `${name}.json`), text.replace('"name":"p"', `"name":"${name}"`));
    }
  }
  const hosts = await Promise.all(folders.map((folder) => startHost(t, { folder })));
  await Promise.all(hosts.map((host) => host.until("200 one")));
  assert.equal(registry.requests.filter((line) => line.includes("/manifests/")).length, 2);
  assert.equal(registry.requests.filter((line) => line.includes("/blobs/")).length, 2);
});

for (const [strategy, before] of [
  ["FAIL_CLOSE", "503 -"],
  ["FAIL_OPEN", "200 -"],
] as const) {
  test(`the registry is down at the start, ${strategy}: ${before} until it is back`, { timeout: 60_000 }, async (t) => {
    const folder = temporary(t);
    const routes = team(headers, "1").routes;
    const registry = await startModuleServer(t, { "*": status(404) });
    writePlugin(folder, `oci://${registry.host}/team/headers:1`, "one", { failStrategy: strategy });
    const host = await startHost(t, { folder });
    assert.equal(await host.ask(), before);
    const deadline = performance.now() + 10_000;
    let shown = "";
    while (!shown.includes("spec.url: cannot fetch") && performance.now() < deadline) shown = await host.admin("/_wasm/filters");
    assert.match(shown, /"accepted": ?false/);
    assert.match(shown, /"next_attempt"/);
    assert.equal(await host.ask(), before);
    for (const [path, answer] of Object.entries(routes)) registry.routes.set(path, answer);
    // Its failure is remembered for ten seconds.
    await host.until("200 one");
  });
}

test("through a cluster, as Envoy's bootstrap says it", { timeout: 60_000 }, async (t) => {
  const modules = await startModuleServer(t, { "/m.wasm": body(headers) });
  const value = JSON.stringify({ response: { set: { "x-version": "cluster" } } });
  const code = {
    remote: { http_uri: { uri: "http://modules.example/m.wasm", cluster: "modules", timeout: "10s" }, sha256: sha256(headers) },
  };
  const config = {
    name: "p",
    configuration: { "@type": "type.googleapis.com/google.protobuf.StringValue", value },
    vm_config: { runtime: "envoy.wasm.runtime.v8", code },
  };
  const wasm = { name: "w", typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm", config } };
  const host = await startHost(t, { folder: temporary(t), modules, filter: [wasm] });
  await host.until("200 cluster");
  assert.deepEqual(modules.requests, ["GET /m.wasm"]);
});
