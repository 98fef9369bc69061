// The gate between a snapshot and the workers: what is refused never gets through, and what was good before stays.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { HttpFilterConfig, Listener } from "../../../host/config/listener.ts";
import type { PluginConfig } from "../../../host/config/plugin.ts";
import type { Snapshot } from "../../../host/config/snapshot.ts";
import { EMPTY_SNAPSHOT } from "../../../host/config/snapshot-delta.ts";
import { PluginGate } from "../../../host/server/plugin-gate.ts";
import type { LoadedModule } from "../../../host/wasm/module.ts";
import { managerOf } from "../../support/chains.ts";

const plugin = (name: string, sha256: string, configuration: string): PluginConfig => ({
  name,
  rootId: "",
  vmId: "",
  sha256,
  source: `${name}.wasm`,
  vmConfiguration: undefined,
  configuration: Buffer.from(configuration),
  environment: [],
  failurePolicy: "FAIL_CLOSED",
  reloadBaseIntervalMs: 1000,
  allowedCapabilities: undefined,
  allowOnHeadersStopIteration: false,
});

const wasm = (config: PluginConfig): HttpFilterConfig => ({ kind: "wasm", name: config.name, disabled: false, plugin: config });

function listener(name: string, filters: readonly HttpFilterConfig[], mark = ""): Listener {
  // Only what the gate reads.
  return {
    name,
    statPrefix: mark,
    filterChains: [{ networkFilters: [{ kind: "http_connection_manager", name: "hcm", config: { httpFilters: filters } }] }],
    defaultFilterChain: undefined,
  } as unknown as Listener;
}

const snapshot = (...listeners: readonly Listener[]): Snapshot => ({ ...EMPTY_SNAPSHOT, listeners });

function gate(resources: readonly string[] = [], gone = new Set(["gone"])): { gate: PluginGate; refused: string[] } {
  const refused: string[] = [];
  return {
    refused,
    gate: new PluginGate({
      bytesOf: (sha256) => (gone.has(sha256) ? undefined : Buffer.from(sha256)),
      load: async (bytes) =>
        Buffer.from(bytes).toString() === "broken"
          ? { ok: false, errors: ["malformed module"] }
          : { ok: true, module: { sha256: Buffer.from(bytes).toString() } as LoadedModule },
      canary: (config) =>
        Buffer.from(config.configuration ?? []).toString() === "bad" ? "the module refused its configuration" : undefined,
      isResource: (name) => resources.includes(name),
      onRefused: (what, reason) => refused.push(`${what}: ${reason}`),
    }),
  };
}

/** "listener: plugin=configuration@digest" of what goes to the workers. */
function shown(deployed: Snapshot): string[] {
  return deployed.listeners.map((item) => {
    const filters = managerOf(item).httpFilters;
    return `${item.name}${item.statPrefix}: ${filters.map((filter) => (filter.kind === "wasm" ? `${filter.plugin.name}=${Buffer.from(filter.plugin.configuration ?? []).toString()}@${filter.plugin.sha256}` : filter.kind)).join(" ")}`;
  });
}

test("good plugins go through as they are, the same object", async () => {
  const { gate: subject } = gate();
  const one = listener("l", [wasm(plugin("p", "m1", "v1"))]);
  const { snapshot: deployed, modules } = await subject.admit(snapshot(one));
  assert.equal(deployed.listeners[0], one);
  assert.deepEqual([...modules.keys()], ["m1"]);
});

test("a listener with a refused plugin keeps its version before, whole", async () => {
  const { gate: subject, refused } = gate();
  await subject.admit(snapshot(listener("l", [wasm(plugin("p", "m1", "v1"))], "-old")));
  const { snapshot: deployed, modules } = await subject.admit(snapshot(listener("l", [wasm(plugin("p", "m1", "bad"))], "-new")));
  assert.deepEqual(shown(deployed), ["l-old: p=v1@m1"]);
  assert.deepEqual([...modules.keys()], ["m1"]);
  assert.match(refused[0], /plugin p \(p\.wasm, sha256 m1\): the module refused its configuration/);
});

test("a resource's plugin alone stays as it was; the rest of the listener changes", async () => {
  const { gate: subject } = gate(["r"]);
  const own = wasm(plugin("own", "m2", "v1"));
  await subject.admit(snapshot(listener("l", [own, wasm(plugin("r", "m1", "v1"))], "-old")));
  const { snapshot: deployed } = await subject.admit(snapshot(listener("l", [own, wasm(plugin("r", "broken", "v2"))], "-new")));
  assert.deepEqual(shown(deployed), ["l-new: own=v1@m2 r=v1@m1"]);
});

test("a first version that is refused goes through without its module: the failure policy holds", async () => {
  const { gate: subject, refused } = gate(["r"]);
  const { snapshot: deployed, modules } = await subject.admit(snapshot(listener("l", [wasm(plugin("r", "broken", "v1"))])));
  assert.deepEqual(shown(deployed), ["l: r=v1@broken"]);
  assert.equal(modules.size, 0);
  assert.match(refused[0], /malformed module/);
  assert.equal(subject.plugins[0].refusal, "malformed module");
});

test("bytes that are gone are a refusal, not a crash", async () => {
  const { gate: subject } = gate(["r"]);
  await subject.admit(snapshot(listener("l", [wasm(plugin("r", "gone", "v1"))])));
  assert.match(subject.plugins[0].refusal ?? "", /gone/);
});

test("a verdict is given once; a plugin that is good again is taken", async () => {
  const { gate: subject, refused } = gate(["r"]);
  await subject.admit(snapshot(listener("l", [wasm(plugin("r", "m1", "v1"))])));
  for (let i = 0; i < 3; i++) await subject.admit(snapshot(listener("l", [wasm(plugin("r", "m1", "bad"))])));
  assert.equal(refused.length, 1);
  const { snapshot: deployed } = await subject.admit(snapshot(listener("l", [wasm(plugin("r", "m1", "v3"))])));
  assert.deepEqual(shown(deployed), ["l: r=v3@m1"]);
  assert.equal(subject.plugins[0].refusal, undefined);
});

test("a plugin whose module is being fetched goes through without a verdict", async () => {
  const { gate: subject, refused } = gate();
  const absent = listener("l", [wasm(plugin("p", "", "v1"))]);
  const { snapshot: first, modules } = await subject.admit(snapshot(absent));
  assert.equal(first.listeners[0], absent);
  assert.equal(modules.size, 0);
  assert.deepEqual([refused, subject.plugins], [[], []]);
  const there = await subject.admit(snapshot(listener("l", [wasm(plugin("p", "m1", "v1"))])));
  assert.deepEqual(shown(there.snapshot), ["l: p=v1@m1"]);
});

test("a plugin that was taken away and comes back has its module", async () => {
  const { gate: subject } = gate();
  const one = snapshot(listener("l", [wasm(plugin("p", "m1", "v1"))]));
  await subject.admit(one);
  assert.equal((await subject.admit(snapshot(listener("l", [])))).modules.size, 0);
  assert.deepEqual([...(await subject.admit(one)).modules.keys()], ["m1"]);
});

test("a module whose bytes were gone is judged when they are back", async () => {
  const gone = new Set(["m1"]);
  const { gate: subject, refused } = gate([], gone);
  const one = snapshot(listener("l", [wasm(plugin("p", "m1", "v1"))]));
  for (let count = 0; count < 2; count++) assert.equal((await subject.admit(one)).modules.size, 0);
  assert.deepEqual(refused, ["plugin p (p.wasm, sha256 m1): the module's bytes are gone"]);
  gone.clear();
  assert.deepEqual([...(await subject.admit(one)).modules.keys()], ["m1"]);
  assert.equal(subject.plugins[0].refusal, undefined);
});
