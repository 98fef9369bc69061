// WasmPlugin and TrafficExtension: reading, refusing, ordering, matching, and the folder they come from.
import assert from "node:assert/strict";
import { join } from "node:path";
import { unlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { HttpFilterConfig, Listener } from "../../../host/config/listener.ts";
import type { NetworkFilter } from "../../../host/config/network-filter.ts";
import type { Node } from "../../../host/config/snapshot.ts";
import { createResourceContext } from "../../../host/xds/context.ts";
import type { Json } from "../../../host/xds/message.ts";
import { comparePlugins, insertIntoChain, insertIntoNetworkChain, matchesListener, matchesNode } from "../../../host/xds/plugin-chain.ts";
import { type PluginResource, readPlugin } from "../../../host/xds/plugin-resource.ts";
import { PluginFolder } from "../../../host/xds/plugin-resources.ts";
import { readResource } from "../../../host/xds/resource-kinds.ts";
import { listenerJson, moduleBytes, temporaryFolder, testServices } from "./support.ts";

const resource = (spec: Readonly<Record<string, Json>>, metadata: Readonly<Record<string, Json>> = {}, kind = "WasmPlugin"): Json => ({
  apiVersion: "extensions.istio.io/v1alpha1",
  kind,
  metadata: { name: "p", namespace: "ns", ...metadata },
  spec,
});

test("a resource becomes the plugin that istiod would make of it", (t) => {
  const folder = temporaryFolder(t, { "m.wasm": moduleBytes() });
  const ctx = createResourceContext(testServices({ HOST_NAME: "here" }), undefined);
  const spec: Readonly<Record<string, Json>> = {
    url: "file://m.wasm",
    pluginName: "root",
    pluginConfig: { allow: ["a", "b"], limit: 3 },
    failStrategy: "FAIL_OPEN",
    phase: "AUTHZ",
    priority: 10,
    vmConfig: {
      env: [
        { name: "A", value: "1" },
        { name: "HOST_NAME", valueFrom: "HOST" },
      ],
    },
    match: [{ mode: "SERVER", ports: [{ number: 80 }] }],
    selector: { matchLabels: { app: "web" } },
  };
  const result = readPlugin(resource(spec), join(folder, "p.yaml"), ctx);
  assert.ok(result.ok, JSON.stringify(result));
  const { filter, ...plugin } = result.plugin;
  assert.deepEqual(plugin, {
    kind: "WasmPlugin",
    namespace: "ns",
    name: "p",
    createdAtMs: 0,
    type: "HTTP",
    phase: "AUTHZ",
    priority: 10,
    matchLabels: { app: "web" },
    match: [{ mode: "SERVER", ports: [80] }],
  });
  assert.equal(filter.name, "extensions.istio.io/wasmplugin/ns.p");
  assert.equal(Buffer.from(filter.plugin.configuration ?? []).toString(), '{"allow":["a","b"],"limit":3}');
  assert.deepEqual(
    {
      ...filter.plugin,
      configuration: undefined,
      sha256: filter.plugin.sha256.length,
      source: filter.plugin.source === join(folder, "m.wasm"),
    },
    {
      name: "ns.p",
      rootId: "root",
      vmId: "",
      sha256: 64,
      source: true,
      vmConfiguration: undefined,
      configuration: undefined,
      environment: [
        ["A", "1"],
        ["HOST_NAME", "here"],
      ],
      failurePolicy: "FAIL_OPEN",
      reloadBaseIntervalMs: 1000,
      allowedCapabilities: undefined,
      allowOnHeadersStopIteration: false,
    },
  );
});

const refused: readonly (readonly [Json, ...string[]])[] = [
  [resource({}), "spec.url: value is required"],
  [resource({ url: "ftp://x/y.wasm" }), "spec.url: ftp:// is not implemented: give file://, http://, https:// or oci://"],
  [resource({ url: "https://:1:2/" }), "spec.url: not a URL: https://:1:2/"],
  [
    resource({ url: "./m.wasm", imagePullPolicy: "Never" }),
    'spec.image_pull_policy: unknown enum value "Never"; one of UNSPECIFIED_POLICY, IfNotPresent, Always',
  ],
  [resource({ url: "oci://r/x", imagePullSecret: "../x" }), "spec.image_pull_secret: not the name of a secret"],
  [resource({ url: "./m.wasm", sha256: "0".repeat(64) }), /^spec\.sha256: module has sha256 [0-9a-f]{64}, not 0{64}: /.source],
  [
    resource({ url: "./m.wasm", sha256: "abc" }),
    "spec.sha256: sha256 field must be 64 hexadecimal digits",
    /^spec\.sha256: module has/.source,
  ],
  [resource({ url: "./m.wasm", verificationKey: "k" }), "spec.verification_key: not implemented"],
  [resource({ url: "./m.wasm", pluginConf: {} }), "spec.pluginConf: no such field"],
  [resource({ url: "./m.wasm", phase: "LAST" }), 'spec.phase: unknown enum value "LAST"; one of UNSPECIFIED_PHASE, AUTHN, AUTHZ, STATS'],
  [resource({ url: "./m.wasm", targetRefs: [{ kind: "Gateway", name: "g" }] }), "spec.targetRefs: not implemented: give selector"],
  [resource({ url: "./m.wasm", vmConfig: { env: [{ name: "A" }, { name: "A" }] } }), "spec.vm_config.env[1].name: duplicate env"],
  [
    resource({ url: "./m.wasm", vmConfig: { env: [{ name: "A", value: "x", valueFrom: "HOST" }] } }),
    "spec.vm_config.env[0].value: value may only be set when valueFrom is INLINE",
  ],
  [resource({ lua: { inlineCode: "" } }, {}, "TrafficExtension"), "spec.lua: not implemented: give wasm"],
  [resource({}, {}, "TrafficExtension"), "spec.wasm: value is required"],
  [resource({ url: "./m.wasm" }, { name: "" }), "metadata.name: value is required"],
  [resource({ url: "./m.wasm" }, {}, "Telemetry"), 'kind: not implemented: "Telemetry"; WasmPlugin and TrafficExtension are'],
];

for (const [json, ...expected] of refused) {
  test(`refused: ${expected[0]}`, (t) => {
    const folder = temporaryFolder(t, { "m.wasm": moduleBytes() });
    const result = readPlugin(json, join(folder, "p.yaml"), createResourceContext(testServices(), undefined));
    const problems = result.ok ? [] : result.problems.map((problem) => `${problem.path}: ${problem.reason}`);
    assert.equal(problems.length, expected.length, problems.join("\n"));
    for (const [index, problem] of problems.entries()) {
      const wanted = expected[index];
      assert.ok(problem === wanted || (wanted.startsWith("^") && new RegExp(wanted).test(problem)), problem);
    }
  });
}

function plugin(name: string, more: Partial<PluginResource> = {}): PluginResource {
  const config = { kind: "wasm", name, disabled: false, plugin: { name } } as unknown as PluginResource["filter"];
  return {
    kind: "WasmPlugin",
    namespace: "ns",
    name,
    type: "HTTP",
    phase: "UNSPECIFIED",
    priority: undefined,
    createdAtMs: 0,
    matchLabels: {},
    match: [],
    filter: config,
    ...more,
  };
}

test("order: priority, higher first and unset last; then the older; then the name", () => {
  const all = [
    plugin("unset-b"),
    plugin("unset-a"),
    plugin("zero", { priority: 0 }),
    plugin("minus", { priority: -5 }),
    plugin("ten-young", { priority: 10, createdAtMs: 2 }),
    plugin("ten-old", { priority: 10, createdAtMs: 1 }),
  ];
  assert.deepEqual(
    all.sort(comparePlugins).map((one) => one.name),
    ["ten-old", "ten-young", "zero", "minus", "unset-a", "unset-b"],
  );
});

test("phases: AUTHN, AUTHZ, STATS, the operator's filters, unspecified, the router", () => {
  const filter = (kind: string, name: string): HttpFilterConfig => ({ kind, name }) as unknown as HttpFilterConfig;
  const plugins = [plugin("s", { phase: "STATS" }), plugin("u"), plugin("z", { phase: "AUTHZ" }), plugin("n", { phase: "AUTHN" })];
  const names = (chain: readonly HttpFilterConfig[]): string =>
    insertIntoChain(chain, plugins)
      .map((one) => one.name)
      .join(" ");
  assert.equal(names([filter("wasm", "own"), filter("router", "router")]), "n z s own u router");
  assert.equal(names([filter("rbac", "rbac"), filter("wasm", "own"), filter("router", "router")]), "n z s rbac own u router");
  assert.equal(names([filter("router", "router")]), "n z s u router");
});

test("network plugins stand in Istio's order: AUTHN, AUTHZ, the operator's filters, STATS, unspecified, the terminal one", () => {
  const network = (name: string): NetworkFilter => ({ kind: "echo", name });
  const phases = [plugin("s", { phase: "STATS" }), plugin("u"), plugin("z", { phase: "AUTHZ" }), plugin("n", { phase: "AUTHN" })];
  const names = (...chain: readonly string[]): string =>
    insertIntoNetworkChain(chain.map(network), phases)
      .map((one) => `${one.kind === "wasm" ? "+" : ""}${one.name}`)
      .join(" ");
  assert.equal(names("tcp"), "+n +z +s +u tcp");
  assert.equal(names("rbac", "limit", "tcp"), "+n +z rbac limit +s +u tcp");
});

test("selectors and namespaces choose nodes", () => {
  const node = (metadata: Readonly<Record<string, unknown>>): Node => ({ metadata }) as unknown as Node;
  const web = plugin("p", { matchLabels: { app: "web" } });
  assert.equal(matchesNode(web, node({ LABELS: { app: "web", v: "1" } })), true);
  assert.equal(matchesNode(web, node({ LABELS: { app: "db" } })), false);
  assert.equal(matchesNode(web, node({})), false);
  assert.equal(matchesNode(plugin("p"), node({ NAMESPACE: "ns" })), true);
  assert.equal(matchesNode(plugin("p"), node({ NAMESPACE: "other" })), false);
  assert.equal(matchesNode(plugin("p", { namespace: "istio-system" }), node({ NAMESPACE: "other" })), true);
});

test("match chooses listeners by direction and port", () => {
  const read = (direction: string): Listener => {
    const json = { ...(listenerJson("in", { route_config: {} }, 8080) as object), traffic_direction: direction };
    const result = readResource("listener", json, "", testServices(), undefined);
    assert.ok(result.ok);
    return result.resource.config;
  };
  const [inbound, outbound, plain] = ["INBOUND", "OUTBOUND", "UNSPECIFIED"].map(read);
  const server = plugin("p", { match: [{ mode: "SERVER", ports: [] }] });
  assert.deepEqual(
    [inbound, outbound, plain].map((listener) => matchesListener(server, listener)),
    [true, false, true],
  );
  const port = plugin("p", {
    match: [
      { mode: "CLIENT_AND_SERVER", ports: [8080] },
      { mode: "CLIENT", ports: [9] },
    ],
  });
  assert.deepEqual(
    [inbound, outbound, plain].map((listener) => matchesListener(port, listener)),
    [true, true, true],
  );
  assert.equal(matchesListener(plugin("p", { match: [{ mode: "CLIENT_AND_SERVER", ports: [9] }] }), inbound), false);
});

test("a folder: several documents a file, a wrong one keeps its last good version, a gone one goes", (t) => {
  const text = (...all: readonly Json[]): string => all.map((json) => JSON.stringify(json)).join("\n---\n");
  const a = resource({ url: "./m.wasm" }, { name: "a" });
  const b = resource({ url: "./m.wasm" }, { name: "b" });
  const folder = temporaryFolder(t, { "m.wasm": moduleBytes(), "p.yaml": text(a, b), "ignored.txt": "x" });
  const services = testServices();
  const plugins = new PluginFolder({ directory: folder, ctx: createResourceContext(services, undefined), nowMs: () => 7 });
  const names = (): string => plugins.plugins.map((one) => one.name).join(" ");
  assert.equal(plugins.refresh(false), true);
  assert.equal(names(), "a b");
  assert.equal(plugins.refresh(false), false);
  const before = plugins.plugins;

  writeFileSync(join(folder, "p.yaml"), text(a, resource({ url: "./m.wasm", nope: 1 }, { name: "b" })));
  assert.equal(plugins.refresh(false), false);
  assert.equal(plugins.plugins, before);
  assert.deepEqual(
    plugins.statuses.map((status) => [status.id, status.rejected?.problems[0].reason]),
    [
      ["WasmPlugin/ns.a", undefined],
      ["WasmPlugin/ns.b", "no such field"],
    ],
  );

  writeFileSync(join(folder, "p.yaml"), "{ half");
  assert.equal(plugins.refresh(false), false);
  assert.equal(names(), "a b");

  writeFileSync(join(folder, "p.yaml"), text(a));
  writeFileSync(join(folder, "q.json"), JSON.stringify(a));
  assert.equal(plugins.refresh(false), true);
  assert.equal(names(), "a");
  assert.equal(plugins.statuses[1].rejected?.problems[0].reason, "duplicate resource WasmPlugin/ns.a");

  writeFileSync(join(folder, "m.wasm"), moduleBytes("changed"));
  assert.equal(services.modules.refresh(), true);
  assert.equal(plugins.refresh(true), true);

  unlinkSync(join(folder, "p.yaml"));
  unlinkSync(join(folder, "q.json"));
  plugins.refresh(false);
  assert.equal(names(), "");
});
