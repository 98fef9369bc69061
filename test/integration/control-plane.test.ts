// A whole server under a control plane: what it serves, what it refuses, what it keeps when the plane is gone.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test, type TestContext } from "node:test";
import { freePort } from "../../host/server/ports.ts";
import { Server } from "../../host/server/server.ts";
import type { Json } from "../../host/xds/message.ts";
import { type ControlPlane, startControlPlane } from "../support/control-plane.ts";
import { startEcho } from "../load/echo.ts";
import { SteadyClient } from "../load/steady-client.ts";

const TYPES = {
  cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
  endpoints: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
  listener: "type.googleapis.com/envoy.config.listener.v3.Listener",
  routes: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
  extension: "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
} as const;
const ADS = { ads: {}, initial_fetch_timeout: "2s" };

const address = (port: number): Json => ({ socket_address: { address: "127.0.0.1", port_value: port } });

const cluster = (name: string): Json => ({ name, type: "EDS", connect_timeout: "1s", eds_cluster_config: { eds_config: ADS } });

const endpoints = (name: string, port: number): Json => ({
  cluster_name: name,
  endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
});

const routes = (name: string, ...virtualRoutes: readonly Json[]): Json => ({
  name,
  virtual_hosts: [{ name: "v", domains: ["*"], routes: virtualRoutes }],
});

const say = (path: string, body: string): Json => ({
  match: { prefix: path },
  direct_response: { status: 200, body: { inline_string: body } },
});

const ROUTER = { name: "router", typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } };

const listener = (name: string, port: number, filters: readonly Json[] = []): Json => ({
  name,
  address: address(port),
  filter_chains: [
    {
      filters: [
        {
          name: "hcm",
          typed_config: {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            stat_prefix: "t",
            rds: { route_config_name: "table", config_source: ADS },
            http_filters: [...filters, ROUTER],
          },
        },
      ],
    },
  ],
});

interface Mesh {
  readonly plane: ControlPlane;
  readonly server: Server;
  readonly port: number;
  readonly echoPort: number;
  admin(path: string): Promise<string>;
  stat(name: string): Promise<string | undefined>;
  body(path: string): Promise<string>;
  /** Waits for it. */
  until(path: string, wanted: string): Promise<void>;
}

function get(port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect({ port, host: "127.0.0.1" }, () =>
      socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`),
    );
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}

/** A server that has a listener with a table that says "one", and a cluster "up". */
async function startMesh(t: TestContext, apiType: "DELTA_GRPC" | "GRPC", more: (plane: ControlPlane) => void = () => {}): Promise<Mesh> {
  const plane = await startControlPlane();
  const echo = await startEcho();
  const port = await freePort("127.0.0.1");
  plane.set(TYPES.cluster, "up", cluster("up"));
  plane.set(TYPES.endpoints, "up", endpoints("up", echo.port));
  plane.set(TYPES.listener, "main", listener("main", port));
  plane.set(TYPES.routes, "table", routes("table", say("/say", "one"), { match: { prefix: "/" }, route: { cluster: "up" } }));
  more(plane);
  const file = JSON.stringify({
    node: { id: "test", cluster: "test" },
    admin: { address: address(0) },
    dynamic_resources: {
      ads_config: { api_type: apiType, grpc_services: [{ envoy_grpc: { cluster_name: "xds" } }] },
      cds_config: ADS,
      lds_config: ADS,
    },
    static_resources: {
      clusters: [{ name: "xds", type: "STATIC", load_assignment: endpoints("xds", plane.port) }],
    },
  });
  const server = new Server({
    config: { file },
    configPath: undefined,
    pluginsDirectory: undefined,
    concurrency: 1,
    drainTimeS: 1,
    fileFlushIntervalMs: undefined,
    adminAddressPath: undefined,
    log: { level: "off", components: [], path: undefined, json: true },
    commandLine: {},
    handleSignals: false,
  });
  t.after(async () => {
    await server.stop();
    await plane.close();
    await echo.close();
  });
  await server.start();
  const adminPort = Number(server.adminAddress?.split(":").at(-1));
  const mesh: Mesh = {
    plane,
    server,
    port,
    echoPort: echo.port,
    admin: (path) => get(adminPort, path),
    stat: async (name) => new RegExp(`^${name.replaceAll(".", "\\.")}: (.*)$`, "m").exec(await get(adminPort, "/stats"))?.[1].trim(),
    body: async (path) => (await get(port, path)).split("\r\n\r\n")[1] ?? "",
    until: async (path, wanted) => {
      const deadline = performance.now() + 8000;
      let last = "";
      while (performance.now() < deadline) {
        last = await mesh.body(path).catch((error: unknown) => String(error));
        if (last === wanted) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      assert.fail(`${path}: ${last}, not ${wanted}`);
    },
  };
  return mesh;
}

for (const apiType of ["DELTA_GRPC", "GRPC"] as const) {
  test(`${apiType}: everything arrives, changes and goes`, { timeout: 30_000 }, async (t) => {
    const mesh = await startMesh(t, apiType);
    const { plane } = mesh;
    await mesh.until("/say", "one");
    assert.equal(await mesh.body("/up"), "ok");
    assert.match(await mesh.admin("/ready"), /LIVE/);
    plane.set(TYPES.routes, "table", routes("table", say("/say", "two")));
    plane.push(TYPES.routes);
    await mesh.until("/say", "two");
    plane.remove(TYPES.listener, "main");
    plane.push(TYPES.listener);
    await plane.until("the answer", () => plane.requests(TYPES.listener).length >= 3);
    await assert.rejects(async () => {
      for (;;) {
        await mesh.body("/say");
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
    assert.equal(plane.nacks().length, 0);
  });
}

test("bad resources among good ones: the good apply, the bad are named, what was in force stays", { timeout: 40_000 }, async (t) => {
  const mesh = await startMesh(t, "DELTA_GRPC");
  const { plane } = mesh;
  await mesh.until("/say", "one");
  for (let i = 0; i < 120; i++) {
    const good = `good-${i}`;
    plane.set(TYPES.cluster, good, { name: good, type: "STATIC" });
    plane.set(TYPES.cluster, `bad-${i}`, { name: `bad-${i}`, type: "STATIC", lb_policy: "MAGLEV" });
  }
  plane.push(TYPES.cluster);
  await plane.until("the NACK", () => plane.nacks(TYPES.cluster).length === 1);
  const detail = plane.nacks(TYPES.cluster)[0].errorDetail ?? "";
  assert.match(detail, /^Error adding\/updating cluster\(s\) bad-0: lb_policy: MAGLEV is not implemented/);
  assert.match(detail, /120 resources are wrong/);
  const dump = await mesh.admin("/config_dump");
  assert.ok(dump.includes("good-119"));
  assert.match(dump, /"error_state"/);
  assert.equal(await mesh.body("/up"), "ok");
  assert.equal(await mesh.stat("cluster_manager.cds.update_rejected"), "1");
  // The same push again: nothing is read, nothing changes.
  plane.set(TYPES.listener, "broken", { name: "broken" });
  plane.push(TYPES.listener);
  await plane.until("the NACK", () => plane.nacks(TYPES.listener).length === 1);
  plane.remove(TYPES.listener, "broken");
  plane.set(TYPES.listener, "second", listener("second", mesh.port));
  plane.push(TYPES.listener);
  await plane.until("the NACK of a taken address", () => plane.nacks(TYPES.listener).length === 2);
  assert.match(plane.nacks(TYPES.listener)[1].errorDetail ?? "", /second: address: /);
  assert.equal(await mesh.body("/say"), "one");
});

test("the plane is killed and comes back under load: no request is lost, one subscribe a type", { timeout: 60_000 }, async (t) => {
  const mesh = await startMesh(t, "DELTA_GRPC");
  const { plane } = mesh;
  await mesh.until("/say", "one");
  const client = new SteadyClient(mesh.port, 200);
  client.start();
  for (let i = 0; i < 5; i++) {
    const before = plane.requests().length;
    await plane.kill();
    assert.equal(await mesh.body("/say"), "one");
    await plane.restart();
    await plane.until(
      "a new stream",
      () =>
        plane
          .requests()
          .slice(before)
          .filter((request) => request.nonce === "").length >= 4,
    );
    const again = plane
      .requests()
      .slice(before)
      .filter((request) => request.nonce === "");
    const types = again.map((request) => request.typeUrl);
    assert.equal(new Set(types).size, types.length, types.join("\n"));
  }
  const summary = await client.stop();
  assert.equal(summary.failures, 0, JSON.stringify(summary));
});

test("what never comes does not block the rest", { timeout: 30_000 }, async (t) => {
  const lost = await freePort("127.0.0.1");
  const mesh = await startMesh(t, "DELTA_GRPC", (plane) => {
    plane.set(
      TYPES.listener,
      "waits",
      listener("waits", lost, [
        {
          name: "never",
          config_discovery: {
            config_source: { ads: {}, initial_fetch_timeout: "0.3s" },
            type_urls: ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
          },
        },
      ]),
    );
    plane.intercept = (response) => (response.typeUrl === TYPES.extension ? [] : [response]);
  });
  await mesh.until("/say", "one");
  // Envoy: a filter whose config never came answers for itself.
  let answer = "";
  for (let i = 0; i < 100 && !answer.startsWith("HTTP/1.1 500"); i++) {
    answer = await get(lost, "/").catch(() => "");
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  assert.match(answer, /^HTTP\/1.1 500/);
  assert.equal(await mesh.stat("extension_config_discovery.http_filter.never.init_fetch_timeout"), "1");
});
