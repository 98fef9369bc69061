// Modules that are being fetched, as configuration sees them: what is new waits or holds its failure policy, what was in force stays.
import assert from "node:assert/strict";
import { join } from "node:path";
import { mkdirSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import type { Snapshot } from "../../../host/config/snapshot.ts";
import { pluginsOf } from "../../../host/config/wasm-filters.ts";
import { ConfigControl } from "../../../host/xds/control.ts";
import { loadBootstrap } from "../../../host/xds/load-bootstrap.ts";
import type { Json } from "../../../host/xds/message.ts";
import { createFileModuleSource } from "../../../host/xds/module-source.ts";
import { formatProblems } from "../../../host/xds/problems.ts";
import {
  FakeRemote,
  clusterJson,
  listenerJson,
  manualClock,
  routerFilter,
  routesJson,
  silentLog,
  temporaryFolder,
  testServices,
  types,
} from "./support.ts";

const digest = (letter: string): string => letter.repeat(64);

function start(t: TestContext, filters: readonly Json[], plugins?: string, lds?: string) {
  const remote = new FakeRemote();
  const services = { ...testServices(), modules: createFileModuleSource(remote) };
  const listener = listenerJson("in", { route_config: routesJson("r", "a"), http_filters: [...filters, routerFilter] });
  const listeners = lds === undefined ? { listeners: [listener] } : {};
  const dynamic = lds === undefined ? {} : { dynamic_resources: { lds_config: { path_config_source: { path: lds } } } };
  const file = JSON.stringify({ static_resources: { clusters: [clusterJson("a")], ...listeners }, ...dynamic });
  const loaded = loadBootstrap({ file }, services);
  assert.ok(loaded.ok, loaded.ok ? "" : formatProblems(loaded.problems));
  const clock = manualClock();
  let latest: Snapshot | undefined;
  const control = new ConfigControl({
    loaded: loaded.value,
    services,
    clock,
    log: silentLog,
    onSnapshot: (snapshot) => {
      latest = snapshot;
    },
    watch: undefined,
    ...(plugins === undefined ? {} : { pluginsDirectory: plugins }),
  });
  t.after(() => control.close());
  control.start();
  /** "name@first letter of the digest" of what is in the chains. */
  const shown = (): string => {
    clock.advance(0);
    const found = (latest?.listeners ?? []).flatMap(pluginsOf);
    return found.map(({ plugin }) => `${plugin.name}@${plugin.sha256.slice(0, 1)}`).join(" ");
  };
  return { remote, control, shown };
}

const remoteFilter = (url: string, variables: Readonly<Record<string, string>> = {}, sha256 = "nil", cluster = "_"): Json => ({
  name: "w",
  typed_config: {
    "@type": types.wasm,
    config: {
      name: "ns.p",
      vm_config: {
        runtime: "envoy.wasm.runtime.v8",
        code: { remote: { http_uri: { uri: url, cluster, timeout: "30s" }, sha256 } },
        environment_variables: { key_values: variables },
      },
    },
  },
});

test("what istiod sends: by URL, with its variables, which no module sees", (t) => {
  const variables = {
    ISTIO_META_WASM_IMAGE_PULL_SECRET: '{"auths":{}}',
    ISTIO_META_WASM_IMAGE_PULL_POLICY: "Always",
    ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION: "42",
    ISTIO_METAL: "no",
    A: "1",
  };
  const { remote, control, shown } = start(t, [remoteFilter("oci://r.io/a:1", variables)]);
  assert.deepEqual(remote.asked[0], {
    kind: "remote",
    url: "oci://r.io/a:1",
    cluster: undefined,
    sha256: undefined,
    timeoutMs: 30_000,
    retries: { count: 4, baseIntervalMs: 500, maxIntervalMs: 10_000 },
    pullPolicy: "ALWAYS",
    pullSecret: '{"auths":{}}',
    resource: "ns.p",
    resourceVersion: "42",
  });
  const [plugin] = (control.snapshot?.listeners ?? []).flatMap(pluginsOf);
  assert.deepEqual(plugin.plugin.environment, [["A", "1"]]);
  assert.equal(shown(), "ns.p@");
  remote.end("oci://r.io/a:1", { sha256: digest("a"), source: "oci://r.io/a:1" });
  assert.equal(shown(), "ns.p@a");
  control.close();
  assert.equal(remote.listenerCount, 0);
});

test("through a cluster, as Envoy takes it", (t) => {
  const { remote } = start(t, [remoteFilter("http://x/m.wasm", {}, digest("A"), "modules")]);
  const { cluster, sha256, retries } = remote.asked[0];
  assert.deepEqual(
    { cluster, sha256, retries },
    { cluster: "modules", sha256: digest("a"), retries: { count: 1, baseIntervalMs: 1000, maxIntervalMs: 10_000 } },
  );
});

test("a static listener keeps its module while another question for it is open, and when it fails", (t) => {
  const url = "oci://r.io/a:1";
  const { remote, shown } = start(t, [remoteFilter(url)]);
  remote.end(url, { sha256: digest("a"), source: url });
  assert.equal(shown(), "ns.p@a");
  remote.end(url, { pending: url });
  assert.equal(shown(), "ns.p@a");
  remote.end(url, { problem: "gone" });
  assert.equal(shown(), "ns.p@a");
  remote.end(url, { sha256: digest("b"), source: url });
  assert.equal(shown(), "ns.p@b");
});

test("a listener of a file: the version before stays until the new one's module has come", (t) => {
  const folder = temporaryFolder(t);
  const lds = join(folder, "lds.json");
  const write = (url: string): void => {
    const listener = listenerJson("in", { route_config: routesJson("r", "a"), http_filters: [remoteFilter(url), routerFilter] });
    writeFileSync(lds, JSON.stringify({ resources: [{ "@type": types.listener, ...(listener as object) }] }));
  };
  write("oci://r.io/a:1");
  const { remote, control, shown } = start(t, [], undefined, lds);
  assert.equal(shown(), "ns.p@");
  remote.end("oci://r.io/a:1", { sha256: digest("a"), source: "oci://r.io/a:1" });
  assert.equal(shown(), "ns.p@a");
  write("oci://r.io/a:2");
  control.refresh();
  assert.equal(shown(), "ns.p@a");
  remote.end("oci://r.io/a:2", { problem: "got 404" });
  assert.equal(shown(), "ns.p@a");
  const [{ rejected }] = control.subscriptions;
  assert.match(formatProblems(rejected?.problems ?? []), /vm_config\.code\.remote: got 404/);
  remote.end("oci://r.io/a:2", { sha256: digest("b"), source: "oci://r.io/a:2" });
  assert.equal(shown(), "ns.p@b");
  assert.equal(control.subscriptions[0].rejected, undefined);
});

const pluginText = (url: string, more: Readonly<Record<string, Json>> = {}): string =>
  JSON.stringify({
    apiVersion: "extensions.istio.io/v1alpha1",
    kind: "WasmPlugin",
    metadata: { name: "p", namespace: "ns" },
    spec: { url, ...more },
  });

test("a plugin of the folder: without a module at first, then with each one that has come", (t) => {
  const folder = temporaryFolder(t, { "p.json": pluginText("r.io/a:1") });
  const { remote, control, shown } = start(t, [], folder);
  const state = (): string => {
    const chains = shown();
    const [{ sha256, fetching, rejected, acceptedAtMs }] = control.pluginStatuses;
    const cause = rejected === undefined ? "" : formatProblems(rejected.problems);
    return `${chains} ${sha256?.slice(0, 1) ?? "-"} ${fetching ?? "-"} ${acceptedAtMs === undefined ? "new" : "accepted"} ${cause}`;
  };
  const [one, two] = ["oci://r.io/a:1", "oci://r.io/a:2"];
  assert.equal(state(), `ns.p@ - ${one} new `);
  remote.end(one, { problem: "got 404" });
  assert.equal(state(), "ns.p@ - - new line 1: spec.url: got 404");
  remote.end(one, { sha256: digest("a"), source: one });
  assert.equal(state(), "ns.p@a a - accepted ");
  writeFileSync(join(folder, "p.json"), pluginText("r.io/a:2"));
  control.refresh();
  assert.equal(state(), `ns.p@a a ${two} accepted `);
  remote.end(two, { problem: "got 404" });
  assert.equal(state(), "ns.p@a a - accepted line 1: spec.url: got 404");
  remote.end(two, { sha256: digest("b"), source: two });
  assert.equal(state(), "ns.p@b b - accepted ");
});

test("a plugin whose module is known to have failed is there all the same, with its failure policy", (t) => {
  const folder = temporaryFolder(t);
  const { remote, control, shown } = start(t, [], folder);
  remote.end("http://x/m.wasm", { problem: "got 404" });
  writeFileSync(join(folder, "p.json"), pluginText("http://x/m.wasm"));
  control.refresh();
  assert.equal(shown(), "ns.p@");
});

test("an image pull secret stands beside the plugin, in a folder of its name", (t) => {
  const secret = '{"auths":{"r.io":{"auth":"bWU6cA=="}}}';
  const folder = temporaryFolder(t, {
    "p.json": pluginText("r.io/a:1", { imagePullSecret: "pull", imagePullPolicy: "Always", sha256: digest("C") }),
  });
  const { remote, control } = start(t, [], folder);
  assert.equal(remote.asked.length, 0);
  assert.match(
    formatProblems(control.pluginStatuses[0].rejected?.problems ?? []),
    /^line 1: spec\.image_pull_secret: unable to read file: ENOENT/,
  );
  const other = temporaryFolder(t, {
    "p.json": pluginText("r.io/a:1", { imagePullSecret: "pull", imagePullPolicy: "Always", sha256: digest("C") }),
  });
  mkdirSync(join(other, "pull"));
  writeFileSync(join(other, "pull", ".dockerconfigjson"), secret);
  const again = start(t, [], other);
  const { pullSecret, pullPolicy, sha256, resource, url } = again.remote.asked[0];
  assert.deepEqual([pullSecret, pullPolicy, sha256, resource, url], [secret, "ALWAYS", digest("c"), "ns.p", "oci://r.io/a:1"]);
});
