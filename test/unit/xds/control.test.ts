// The whole way from files to snapshots, with real files and a hand-driven clock; watching itself is in watch.test.ts.
import assert from "node:assert/strict";
import { join } from "node:path";
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import type { Snapshot } from "../../../host/config/snapshot.ts";
import { ConfigControl, type ConfigControlOptions } from "../../../host/xds/control.ts";
import { loadBootstrap } from "../../../host/xds/load-bootstrap.ts";
import { decodeMessage } from "../../../host/xds/json-decode.ts";
import type { Json } from "../../../host/xds/message.ts";
import { formatProblems, Problems } from "../../../host/xds/problems.ts";
import { loadCodecs } from "../../../host/xds/protos.ts";
import { encodeMessage } from "../../../host/xds/wire-encode.ts";
import { managerOf } from "../../support/chains.ts";
import {
  clusterJson,
  listenerJson,
  manualClock,
  moduleBytes,
  routesJson,
  silentLog,
  temporaryFolder,
  testServices,
  types,
} from "./support.ts";

const response = (type: string, ...resources: readonly Json[]): string =>
  JSON.stringify({ resources: resources.map((resource) => ({ "@type": type, ...(resource as object) })) });

const pathSource = (path: string, more: Readonly<Record<string, Json>> = {}): Json => ({ path_config_source: { path }, ...more });

function start(t: TestContext, bootstrap: Json, options: Partial<ConfigControlOptions> = {}) {
  const services = testServices();
  const loaded = loadBootstrap({ file: JSON.stringify(bootstrap) }, services);
  assert.ok(loaded.ok, loaded.ok ? "" : formatProblems(loaded.problems));
  const clock = manualClock();
  const snapshots: Snapshot[] = [];
  const control = new ConfigControl({
    loaded: loaded.value,
    services,
    clock,
    log: silentLog,
    onSnapshot: (snapshot) => snapshots.push(snapshot),
    watch: undefined,
    ...options,
  });
  t.after(() => control.close());
  control.start();
  return { control, clock, snapshots, latest: () => snapshots[snapshots.length - 1] };
}

test("a static bootstrap gives one snapshot, once", (t) => {
  const { control, snapshots } = start(t, {
    static_resources: { clusters: [clusterJson("a")], listeners: [listenerJson("in", { route_config: routesJson("r", "a") })] },
  });
  control.refresh();
  assert.equal(snapshots.length, 1);
  assert.equal(snapshots[0].version, 1);
  assert.deepEqual(
    snapshots[0].clusters.map((cluster) => cluster.name),
    ["a"],
  );
  assert.deepEqual(
    control.resources.map(({ kind, name, state }) => [kind, name, state]),
    [
      ["cluster", "a", "active"],
      ["listener", "in", "active"],
    ],
  );
});

test("clusters, listeners, routes and endpoints come from files, and what did not change stays the same object", (t) => {
  const folder = temporaryFolder(t);
  const file = (name: string): string => join(folder, name);
  const eds = (name: string): Json => ({ name, type: "EDS", eds_cluster_config: { eds_config: pathSource(file("eds.json")) } });
  const assignment = (name: string, port: number): Json => ({
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: "10.0.0.1", port_value: port } } } }] }],
  });
  writeFileSync(file("cds.json"), response(types.cluster, eds("a"), eds("b")));
  writeFileSync(file("eds.json"), response(types.endpoints, assignment("a", 1), assignment("b", 1)));
  writeFileSync(
    file("lds.json"),
    response(types.listener, listenerJson("in", { rds: { config_source: pathSource(file("rds.json")), route_config_name: "r" } })),
  );
  writeFileSync(file("rds.json"), response(types.routes, routesJson("r", "a")));
  const { control, snapshots, latest } = start(t, {
    dynamic_resources: { lds_config: pathSource(file("lds.json")), cds_config: pathSource(file("cds.json")) },
  });
  const first = latest();
  assert.deepEqual(
    [first.clusters.length, first.listeners.length, Object.keys(first.routeConfigurations), Object.keys(first.endpoints)],
    [2, 1, ["r"], ["a", "b"]],
  );

  writeFileSync(file("eds.json"), response(types.endpoints, assignment("a", 2), assignment("b", 1)));
  control.refresh();
  const second = latest();
  assert.equal(snapshots.length, 2);
  assert.equal(second.clusters, first.clusters);
  assert.equal(second.listeners, first.listeners);
  assert.equal(second.endpoints.b, first.endpoints.b);
  assert.notEqual(second.endpoints.a, first.endpoints.a);

  writeFileSync(file("cds.json"), response(types.cluster, eds("a")));
  control.refresh();
  assert.deepEqual(
    latest().clusters.map((cluster) => cluster.name),
    ["a"],
  );
  assert.equal(latest().clusters[0], first.clusters[0]);
});

test("a file with anything wrong changes nothing, and says why until it is right", (t) => {
  const folder = temporaryFolder(t, { "cds.json": response(types.cluster, clusterJson("a"), clusterJson("b")) });
  const path = join(folder, "cds.json");
  const { control, snapshots } = start(t, { dynamic_resources: { cds_config: pathSource(path) } });
  for (const [text, reason] of [
    ["{", "Flow map must end with a }"],
    [response(types.cluster, clusterJson("a"), { name: "b", connect_timeout: "0s" }), "value must be greater than 0s"],
    [response(types.cluster, clusterJson("a"), clusterJson("a")), "duplicate name 'a' found among resources"],
    [
      response(types.listener, listenerJson("x", {})),
      "expected type.googleapis.com/envoy.config.cluster.v3.Cluster, got envoy.config.listener.v3.Listener",
    ],
    ['{"resource": []}', "no such field"],
  ] as const) {
    writeFileSync(path, text);
    control.refresh();
    const [{ rejected }] = control.subscriptions;
    assert.ok(
      rejected?.problems.some((problem) => problem.reason.includes(reason)),
      JSON.stringify(rejected?.problems),
    );
    assert.equal(snapshots.length, 1);
  }
  unlinkSync(path);
  control.refresh();
  assert.match(control.subscriptions[0].rejected?.problems[0].reason ?? "", /ENOENT/);
  writeFileSync(path, response(types.cluster, clusterJson("b")));
  control.refresh();
  assert.equal(control.subscriptions[0].rejected, undefined);
  assert.equal(snapshots.length, 2);
});

test("the resource that was wrong carries its own error", (t) => {
  const folder = temporaryFolder(t, { "cds.json": response(types.cluster, clusterJson("a")) });
  const { control } = start(t, { dynamic_resources: { cds_config: pathSource(join(folder, "cds.json")) } });
  writeFileSync(
    join(folder, "cds.json"),
    response(types.cluster, { ...(clusterJson("a") as object), lb_policy: "MAGLEV" }, { name: "new", foo: 1 }),
  );
  control.refresh();
  assert.deepEqual(
    control.resources.map(({ name, state, error }) => [
      name,
      state,
      error?.problems.map((problem) => `${problem.path}: ${problem.reason}`),
    ]),
    [
      ["a", "active", ["resources[0].lb_policy: MAGLEV is not implemented"]],
      ["new", "refused", ["resources[1].foo: no such field"]],
    ],
  );
});

test("a file in wire format", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "cds.pb");
  const json = JSON.parse(response(types.cluster, clusterJson("binary"))) as Json;
  writeFileSync(path, encodeMessage(decodeMessage("envoy.service.discovery.v3.DiscoveryResponse", json, "", new Problems())));
  const bootstrap: Json = { dynamic_resources: { cds_config: pathSource(path) } };
  assert.equal(start(t, bootstrap).control.subscriptions[0].rejected?.problems[0].reason, "not implemented: binary files");
  const services = { ...testServices(), codecs: await loadCodecs() };
  const { latest } = start(t, bootstrap, { services });
  assert.deepEqual(
    latest().clusters.map((cluster) => cluster.name),
    ["binary"],
  );
});

test("a listener waits for its routes, or for the time-out; the one before it stays meanwhile", (t) => {
  const folder = temporaryFolder(t);
  const lds = join(folder, "lds.json");
  const listener = (rds: string): Json =>
    listenerJson("in", { rds: { config_source: pathSource(join(folder, rds)), route_config_name: "r" } });
  writeFileSync(lds, response(types.listener, listener("first.json")));
  const { control, clock, latest } = start(t, { dynamic_resources: { lds_config: pathSource(lds) } });
  assert.deepEqual(latest().listeners, []);
  assert.equal(control.resources[0].state, "warming");
  writeFileSync(join(folder, "first.json"), response(types.routes, routesJson("r", "a")));
  control.refresh();
  const [active] = latest().listeners;
  assert.equal(control.resources[0].state, "active");

  writeFileSync(lds, response(types.listener, listener("second.json")));
  control.refresh();
  assert.equal(latest().listeners.length, 1);
  assert.equal(latest().routeConfigurations.r.name, "r");
  assert.equal(control.resources.find((resource) => resource.kind === "listener")?.state, "replacing");
  clock.advance(14_999);
  assert.equal(latest().listeners[0], active);
  clock.advance(1);
  assert.equal(control.resources.find((resource) => resource.kind === "listener")?.state, "active");
  assert.deepEqual(latest().routeConfigurations, {});
});

test("initial_fetch_timeout 0s waits for ever", (t) => {
  const folder = temporaryFolder(t);
  const cluster: Json = {
    name: "a",
    type: "EDS",
    eds_cluster_config: { eds_config: pathSource(join(folder, "eds.json"), { initial_fetch_timeout: "0s" }) },
  };
  const { clock, latest } = start(t, { static_resources: { clusters: [cluster] } });
  clock.advance(1_000_000);
  assert.deepEqual(latest().clusters, []);
});

test("a listener refused for an unknown cluster is accepted when the cluster comes", (t) => {
  const folder = temporaryFolder(t);
  const [lds, cds] = [join(folder, "lds.json"), join(folder, "cds.json")];
  writeFileSync(lds, response(types.listener, listenerJson("in", { route_config: routesJson("r", "late") })));
  writeFileSync(cds, response(types.cluster));
  const { control, latest } = start(t, { dynamic_resources: { lds_config: pathSource(lds), cds_config: pathSource(cds) } });
  assert.match(control.subscriptions[1].rejected?.problems[0].reason ?? "", /unknown cluster 'late'/);
  writeFileSync(cds, response(types.cluster, clusterJson("late")));
  control.refresh();
  assert.equal(latest().listeners.length, 1);
});

test("a filter config comes by ECDS, and a default stands in without waiting", (t) => {
  const folder = temporaryFolder(t, { "m.wasm": moduleBytes() });
  const code = { local: { filename: join(folder, "m.wasm") } };
  const wasm = (rootId: string): Json => ({ "@type": types.wasm, config: { root_id: rootId, vm_config: { code } } });
  const discovery: Json = {
    name: "auth",
    config_discovery: {
      config_source: pathSource(join(folder, "ecds.json")),
      type_urls: [types.wasm],
      default_config: wasm("default"),
      apply_default_config_without_warming: true,
    },
  };
  const router: Json = { name: "router", typed_config: { "@type": types.router } };
  const listener = listenerJson("in", { http_filters: [discovery, router], route_config: { name: "r" } });
  const { control, latest } = start(t, { static_resources: { listeners: [listener] } });
  assert.deepEqual(latest().extensionConfigs, {});
  assert.equal(latest().listeners.length, 1);
  writeFileSync(join(folder, "ecds.json"), response(types.extension, { name: "auth", typed_config: wasm("from-file") }));
  control.refresh();
  const config = latest().extensionConfigs.auth;
  assert.equal(config.kind === "wasm" ? config.plugin.rootId : "", "from-file");
  // A type that the listener did not ask for does not come through.
  writeFileSync(join(folder, "ecds.json"), response(types.extension, { name: "auth", typed_config: { "@type": types.router } }));
  control.refresh();
  assert.deepEqual(latest().extensionConfigs, {});
  const status = (): unknown => {
    const found = control.resources.find((resource) => resource.kind === "extension_config");
    return [found?.name, found?.state, found?.error?.problems];
  };
  const [routerType, wasmType] = [types.router, types.wasm].map((type) => type.replace("type.googleapis.com/", ""));
  const reason = `Error: filter config has type URL ${routerType} but expect ${wasmType}.`;
  assert.deepEqual(status(), ["auth", "refused", [{ path: "typed_config", reason }]]);
  writeFileSync(join(folder, "ecds.json"), response(types.extension, { name: "auth", typed_config: wasm("again") }));
  control.refresh();
  assert.deepEqual(status(), ["auth", "active", undefined]);
});

test("a listener of a file on an address that another one has is refused", (t) => {
  const inline = { route_config: { name: "r" } };
  const folder = temporaryFolder(t, {
    "lds.json": response(
      types.listener,
      listenerJson("in", inline, 10000),
      listenerJson("free", inline, 10001),
      listenerJson("any", inline, 0),
      listenerJson("any-too", inline, 0),
    ),
  });
  const { control, latest } = start(t, {
    static_resources: { listeners: [listenerJson("in", inline, 10000)] },
    dynamic_resources: { lds_config: pathSource(join(folder, "lds.json")) },
  });
  const names = (): readonly string[] => latest().listeners.map((listener) => listener.name);
  // The file's "in" is the static one's namesake, which it cannot replace.
  assert.deepEqual(names(), ["in", "free", "any", "any-too"]);
  writeFileSync(
    join(folder, "lds.json"),
    response(types.listener, listenerJson("a", inline, 10000), listenerJson("b", inline, 10002), listenerJson("c", inline, 10002)),
  );
  control.refresh();
  assert.deepEqual(names(), ["in", "free", "any", "any-too"]);
  assert.deepEqual(
    control.subscriptions[0].rejected?.problems.map(({ path, reason }) => [path, reason]),
    [
      ["resources[0].address", "error adding listener: 'a' has duplicate address '127.0.0.1:10000' as existing listener"],
      ["resources[2].address", "error adding listener: 'c' has duplicate address '127.0.0.1:10002' as existing listener"],
    ],
  );
  assert.deepEqual(
    control.resources.filter((resource) => resource.state === "refused").map((resource) => resource.name),
    ["a", "c"],
  );
});

test("a changed module gives a new digest to the listeners that use it", (t) => {
  const folder = temporaryFolder(t, { "m.wasm": moduleBytes("1") });
  const filter: Json = {
    name: "w",
    typed_config: { "@type": types.wasm, config: { vm_config: { code: { local: { filename: join(folder, "m.wasm") } } } } },
  };
  const listener = listenerJson("in", {
    http_filters: [filter, { name: "router", typed_config: { "@type": types.router } }],
    route_config: { name: "r" },
  });
  const digestOf = (snapshot: Snapshot): string => {
    const [first] = managerOf(snapshot.listeners[0]).httpFilters;
    return first.kind === "wasm" ? first.plugin.sha256 : "";
  };
  const { control, snapshots, latest } = start(t, { static_resources: { listeners: [listener] } });
  const before = digestOf(latest());
  writeFileSync(join(folder, "m.wasm"), moduleBytes("22"));
  control.refresh();
  assert.notEqual(digestOf(latest()), before);
  writeFileSync(join(folder, "m.wasm"), "");
  control.refresh();
  assert.equal(snapshots.length, 2);
});

test("plugins from a folder go into the chains, and a changed module of theirs is followed", (t) => {
  const folder = temporaryFolder(t, { "m.wasm": moduleBytes() });
  const write = (priority: number): void => {
    const resource = (name: string, spec: object): string =>
      JSON.stringify({
        apiVersion: "extensions.istio.io/v1alpha1",
        kind: "WasmPlugin",
        metadata: { name },
        spec: { url: "file://m.wasm", ...spec },
      });
    writeFileSync(
      join(folder, "p.yaml"),
      [resource("a", { priority: 5 }), resource("b", { priority }), resource("other", { selector: { matchLabels: { app: "db" } } })].join(
        "\n---\n",
      ),
    );
  };
  write(1);
  const bootstrap: Json = {
    node: { metadata: { LABELS: { app: "web" } } },
    static_resources: { listeners: [listenerJson("in", { route_config: { name: "r" } })] },
  };
  const { control, snapshots, latest } = start(t, bootstrap, { pluginsDirectory: folder });
  const chain = (): readonly string[] =>
    managerOf(latest().listeners[0]).httpFilters.map((filter) => filter.name.replace("extensions.istio.io/wasmplugin/", ""));
  assert.deepEqual(chain(), ["default.a", "default.b", "envoy.filters.http.router"]);
  write(9);
  control.refresh();
  assert.deepEqual(chain(), ["default.b", "default.a", "envoy.filters.http.router"]);
  const before = latest().listeners[0];
  control.refresh();
  assert.equal(snapshots.length, 2);
  writeFileSync(join(folder, "m.wasm"), moduleBytes("new"));
  control.refresh();
  assert.notEqual(latest().listeners[0], before);
  assert.deepEqual(
    control.pluginStatuses.map((status) => [status.id, status.rejected]),
    [
      ["WasmPlugin/default.a", undefined],
      ["WasmPlugin/default.b", undefined],
      ["WasmPlugin/default.other", undefined],
    ],
  );
});

test("a ConfigMap's ..data link is followed", (t) => {
  const folder = temporaryFolder(t);
  for (const [name, cluster] of [
    ["..1", "one"],
    ["..2", "two"],
  ]) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, "cds.json"), response(types.cluster, clusterJson(cluster)));
  }
  symlinkSync("..1", join(folder, "..data"));
  symlinkSync("..data/cds.json", join(folder, "cds.json"));
  const { control, latest } = start(t, { dynamic_resources: { cds_config: pathSource(join(folder, "cds.json")) } });
  symlinkSync("..2", join(folder, "..tmp"));
  renameSync(join(folder, "..tmp"), join(folder, "..data"));
  rmSync(join(folder, "..1"), { recursive: true });
  control.refresh();
  assert.deepEqual(
    latest().clusters.map((cluster) => cluster.name),
    ["two"],
  );
});

test("what only a listener that is gone depended on is forgotten at once", (t) => {
  const folder = temporaryFolder(t);
  const [lds, rds] = [join(folder, "lds.json"), join(folder, "rds.json")];
  const listener = listenerJson("in", { rds: { config_source: pathSource(rds), route_config_name: "r" } });
  writeFileSync(rds, response(types.routes, routesJson("r", "a")));
  writeFileSync(lds, response(types.listener, listener));
  const { control } = start(t, { dynamic_resources: { lds_config: pathSource(lds) } });
  assert.deepEqual(
    control.subscriptions.map(({ path }) => path),
    [lds, rds],
  );
  writeFileSync(lds, response(types.listener));
  control.refresh();
  assert.deepEqual(
    control.subscriptions.map(({ path }) => path),
    [lds],
  );
});

test("the bytes of a module are wanted while a listener that names it waits", (t) => {
  const folder = temporaryFolder(t, { "m.wasm": moduleBytes() });
  const wasm: Json = {
    name: "auth",
    typed_config: { "@type": types.wasm, config: { vm_config: { code: { local: { filename: join(folder, "m.wasm") } } } } },
  };
  const rds = { route_config_name: "later", config_source: pathSource(join(folder, "rds.json")) };
  const listener = listenerJson("in", { http_filters: [wasm, { name: "router", typed_config: { "@type": types.router } }], rds });
  const { control, latest } = start(t, { static_resources: { listeners: [listener] } });
  assert.equal(latest().listeners.length, 0);
  assert.equal(control.moduleDigests.size, 1);
});
