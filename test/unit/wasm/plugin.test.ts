// Plugins over VMs: sharing, reloading, capability restriction, canaries.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { canaryPlugin } from "../../../host/wasm/runtime.ts";
import { FakeServices, LookingEngine, pluginConfig } from "./fake-services.ts";
import { FakeStream } from "./fake-stream.ts";
import { LOG_IMPORT, load, logging, open, PRELUDE } from "./guests.ts";

const TRAPS_ON_QUERY = `(module
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  ${PRELUDE} (data (i32.const 0) "x-trap")
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (if (i32.eqz (call $get (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 64) (i32.const 68))) (then (unreachable)))
    (i32.const 0)))`;

describe("VM sharing", () => {
  it("is by vm_id, module and VM configuration", async () => {
    const module = await load(`(module ${PRELUDE})`);
    const { runtime, engine, plugin } = open(module);
    runtime.openPlugin(pluginConfig({ name: "second", configuration: Buffer.from("x") }), module);
    assert.equal(engine.instances.length, 1);
    runtime.openPlugin(pluginConfig({ vmId: "other" }), module);
    runtime.openPlugin(pluginConfig({ vmConfiguration: Buffer.from("x") }), module);
    runtime.openPlugin(pluginConfig({ sha256: "11" }), module);
    assert.equal(engine.instances.length, 4);
    assert.equal(plugin.acquire()?.id, 1);
    runtime.close();
  });

  it("fails all its plugins together, and ends with the last of them", async () => {
    const module = await load(TRAPS_ON_QUERY);
    const harness = open(module);
    const second = harness.runtime.openPlugin(pluginConfig({ name: "second" }), module);
    new FakeStream(harness.factory, [["x-trap", "1"]]).decodeHeaders();
    assert.notEqual(harness.plugin.failure, "");
    assert.equal(second.failure, harness.plugin.failure);
    const other = open(module);
    const third = other.runtime.openPlugin(pluginConfig({ name: "third" }), module);
    other.runtime.closePlugin(third);
    assert.equal(other.services.counters.get("wasm.envoy.wasm.runtime.v8.active"), 1);
    other.factory.close();
    assert.equal(other.services.counters.get("wasm.envoy.wasm.runtime.v8.active"), 0);
  });
});

describe("FAIL_RELOAD", () => {
  it("answers 503 during the back-off, then makes a fresh VM; a VM that dies again soon waits longer", async () => {
    const harness = open(await load(TRAPS_ON_QUERY), { failurePolicy: "FAIL_RELOAD" });
    const { services, factory } = harness;
    const request = (trap: boolean): number | undefined => {
      const stream = new FakeStream(factory, trap ? [["x-trap", "1"]] : []);
      stream.decodeHeaders();
      return stream.replies[0]?.status;
    };
    const counted = (): (number | undefined)[] =>
      ["backoff", "success", "failure"].map((name) => services.counters.get(`wasm.test.vm_reload_${name}`));
    services.advance(60_000);
    assert.equal(request(true), 503);
    services.advance(1000);
    assert.equal(request(false), 503);
    assert.deepEqual(counted(), [1, undefined, undefined]);
    services.advance(300);
    assert.equal(request(false), undefined);
    assert.deepEqual(counted(), [1, 1, undefined]);
    assert.equal(request(true), 503);
    services.advance(2000);
    assert.equal(request(false), 503);
    services.advance(600);
    assert.equal(request(false), undefined);
    assert.deepEqual(counted(), [2, 2, undefined]);
    // Long enough alive: back to the base interval.
    services.advance(60_000);
    assert.equal(request(true), 503);
    services.advance(1300);
    assert.equal(request(false), undefined);
  });

  it("counts reloads that fail", async () => {
    const wat = `(module ${PRELUDE} (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0)))`;
    const harness = open(await load(wat), { failurePolicy: "FAIL_RELOAD" });
    harness.services.advance(2000);
    assert.equal(harness.plugin.acquire(), undefined);
    assert.equal(harness.services.counters.get("wasm.test.vm_reload_failure"), 1);
  });

  it("is for FAIL_RELOAD only", async () => {
    const harness = open(await load(TRAPS_ON_QUERY));
    new FakeStream(harness.factory, [["x-trap", "1"]]).decodeHeaders();
    harness.services.advance(600_000);
    assert.equal(harness.plugin.acquire(), undefined);
  });
});

describe("capability restriction", () => {
  it("denies host calls, and takes callbacks for not exported", async () => {
    const wat = `(module ${LOG_IMPORT}
      (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
      (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
      ${PRELUDE} (data (i32.const 0) "called")
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (i32.store (i32.const 64) (call $tick (i32.const 100)))
        (i32.store (i32.const 68) (call $args (i32.const 0) (i32.const 0)))
        ${logging(0, "called")} (i32.const 0))
      (func (export "proxy_on_log") (param i32) ${logging(0, "called")}))`;
    const harness = open(await load(wat), { allowedCapabilities: ["proxy_log", "proxy_on_request_headers"] });
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders();
    stream.finish();
    const memory = harness.plugin.acquire()?.vm.memory;
    assert.deepEqual([memory?.u32(64), memory?.u32(68)], [10, 76]);
    assert.deepEqual(harness.services.lines, ["2 test: called"]);
  });
});

describe("canary", () => {
  const wat = (accepted: number): string => `(module ${LOG_IMPORT}
    (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
    (import "env" "proxy_register_shared_queue" (func $queue (param i32 i32 i32) (result i32)))
    ${PRELUDE} (data (i32.const 0) "configured done")
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
      (drop (call $tick (i32.const 100)))
      (drop (call $queue (i32.const 0) (i32.const 4) (i32.const 64)))
      ${logging(0, "configured")} (i32.const ${accepted}))
    (func (export "proxy_on_done") (param i32) (result i32) ${logging(11, "done")} (i32.const 1)))`;

  it("says why a configuration is refused", async () => {
    const services = new FakeServices(0);
    const config = pluginConfig();
    assert.equal(canaryPlugin(config, await load(wat(0)), services), "proxy_on_configure returned false");
    assert.equal(canaryPlugin(config, await load(wat(1)), services), undefined);
  });

  it("leaves nothing behind and does not take over queues", async () => {
    const services = new FakeServices(3);
    const module = await load(wat(1));
    const harness = open(module, {}, {}, services);
    assert.equal(services.sharedQueues.owner(1), 3);
    canaryPlugin(pluginConfig(), module, services, { engine: new LookingEngine() });
    assert.equal(services.sharedQueues.owner(1), 3);
    assert.equal(services.armedTimers, 1);
    assert.deepEqual(services.lines, ["2 test: configured", "2 test: configured"]);
    harness.factory.close();
    assert.equal(services.counters.get("wasm.envoy.wasm.runtime.v8.active"), 0);
  });
});
