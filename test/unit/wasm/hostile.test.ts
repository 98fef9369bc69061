// Guests that misbehave: the worker goes on, the plugin's policy holds, and the instance is not called again.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FakeStream } from "./fake-stream.ts";
import { type Harness, LOG_IMPORT, load, open, PRELUDE } from "./guests.ts";

const MARKER = `(memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))`;
const TRAP = "(unreachable)";
const DEEP = `(call $deep)`;
const DIVIDE = "(drop (i32.div_s (i32.const 1) (i32.load (i32.const 8))))";
const OUT_OF_BOUNDS = "(drop (i32.load (i32.const -4)))";
const EXIT = "(call $exit (i32.const 1))";

const CALLBACKS: Record<string, [number, boolean]> = {
  proxy_on_context_create: [2, false],
  proxy_on_request_headers: [3, true],
  proxy_on_request_body: [3, true],
  proxy_on_request_trailers: [2, true],
  proxy_on_response_headers: [3, true],
  proxy_on_response_body: [3, true],
  proxy_on_response_trailers: [2, true],
  proxy_on_log: [1, false],
  proxy_on_done: [1, true],
  proxy_on_delete: [1, false],
  proxy_on_tick: [1, false],
  proxy_on_vm_start: [2, true],
  proxy_on_configure: [2, true],
};

/** `evil` runs in `where` for contexts from 2 on (the streams), or for the root when `root` is set. */
function guest(where: string, evil: string, root = false): string {
  const [params, hasResult] = CALLBACKS[where];
  const condition = root ? "(i32.const 1)" : "(i32.ge_u (local.get $id) (i32.const 2))";
  return `(module
    ${LOG_IMPORT}
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
    ${PRELUDE}
    (func $deep (call $deep) (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1))))
    ${where === "proxy_on_configure" ? "" : `(func (export "proxy_on_configure") (param i32 i32) (result i32) (drop (call $tick (i32.const 100))) (i32.const 1))`}
    (func (export "${where}") (param $id i32) (param ${"i32 ".repeat(params - 1)}) ${hasResult ? "(result i32)" : ""}
      (if ${condition} (then ${evil}))
      ${hasResult ? "(i32.const 0)" : ""}))`;
}

/** All events of one stream; what the callbacks answered. */
function run(harness: Harness): { stream: FakeStream; results: (number | undefined)[] } {
  const stream = new FakeStream(harness.factory);
  stream.passReplies = true;
  stream.requestTrailerMap = stream.addDecodedTrailers();
  const results = [
    stream.decodeHeaders(false),
    stream.decodeData("x", false),
    stream.filter?.decodeTrailers(stream.requestTrailerMap),
    stream.encodeHeaders("200", false),
    stream.encodeData("y", false),
    stream.filter?.encodeTrailers(stream.addEncodedTrailers()),
  ];
  stream.finish();
  return { stream, results };
}

const EVILS = { TRAP, DEEP, DIVIDE, OUT_OF_BOUNDS, EXIT };

describe("traps", () => {
  for (const [evilName, evil] of Object.entries(EVILS)) {
    for (const where of Object.keys(CALLBACKS)) {
      const root = ["proxy_on_tick", "proxy_on_vm_start", "proxy_on_configure"].includes(where);
      it(`${evilName} in ${where}`, async () => {
        const harness = open(await load(guest(where, evil, root)));
        const { stream } = run(harness);
        harness.services.advance(100);
        assert.match(harness.plugin.failure, /^Function: proxy_on_\w+ failed: /);
        assert.equal(harness.services.counters.get("wasm.envoy.wasm.runtime.v8.active"), 0);
        // At most one reply, whatever followed.
        assert.ok(stream.replies.length <= 1);
        const next = run(harness);
        assert.equal(next.stream.replies[0].details, "wasm_fail_stream");
        assert.equal(next.results[0], 4);
      });
    }
  }

  it("under FAIL_OPEN let the request that trapped pass, and later ones by", async () => {
    const harness = open(await load(guest("proxy_on_request_headers", TRAP)), { failurePolicy: "FAIL_OPEN" });
    const { stream, results } = run(harness);
    assert.deepEqual(results, [0, 0, 0, 0, 0, 0]);
    assert.deepEqual(stream.replies, []);
    assert.equal(harness.factory.createFilter(stream), undefined);
  });

  it("fail or resume every paused stream of the VM at once", async () => {
    const wat = `(module ${PRELUDE}
      (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
        (if (i32.eq (local.get $id) (i32.const 4)) (then (unreachable)))
        (i32.const 1)))`;
    for (const [policy, replies, events] of [
      ["FAIL_CLOSED", 1, []],
      ["FAIL_OPEN", 0, ["continueDecoding"]],
    ] as const) {
      const harness = open(await load(wat), { failurePolicy: policy });
      const paused = [new FakeStream(harness.factory), new FakeStream(harness.factory)];
      for (const stream of paused) assert.equal(stream.decodeHeaders(), 4);
      new FakeStream(harness.factory).decodeHeaders();
      for (const stream of paused) {
        assert.equal(stream.replies.length, replies);
        assert.deepEqual(stream.events, events);
        // Later events neither reach the guest nor answer again.
        assert.equal(stream.encodeHeaders(), 0);
        stream.finish();
      }
    }
  });

  it("say where in the guest they happened", async () => {
    const harness = open(await load(guest("proxy_on_request_headers", TRAP)));
    run(harness);
    assert.match(
      harness.services.lines.at(-1) ?? "",
      /^5 test: Function: proxy_on_request_headers failed: Uncaught RuntimeError: unreachable\nProxy-Wasm plugin in-VM backtrace:\n {2}0: {2}0x[0-9a-f]+ - wasm-function\[\d+\]$/,
    );
  });
});

describe("allocators", () => {
  const reader = `(import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32)))
    ${LOG_IMPORT} ${MARKER} (data (i32.const 0) ":path")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (i32.store8 (i32.const 64) (i32.add (i32.const 48)
        (call $get (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 100) (i32.const 104))))
      (drop (call $log (i32.const 2) (i32.const 64) (i32.const 1)))
      (i32.const 0))`;
  const allocator = (body: string): string => `(module ${reader} (func (export "malloc") (param $size i32) (result i32) ${body}))`;

  for (const [what, body, expected] of [
    ["answers 0", "(i32.const 0)", "2 test: 6"],
    ["answers a range past the end", "(i32.const 65534)", "2 test: 6"],
    ["answers a huge pointer", "(i32.const -2)", "2 test: 6"],
    ["grows the memory", "(drop (memory.grow (i32.const 1))) (i32.const 70000)", "2 test: 0"],
    ["logs", "(drop (call $log (i32.const 2) (i32.const 0) (i32.const 5))) (i32.const 4096)", "2 test: :path,2 test: 0"],
  ] as const) {
    it(`that ${what}`, async () => {
      const harness = open(await load(allocator(body)));
      assert.equal(new FakeStream(harness.factory).decodeHeaders(), 0);
      assert.equal(harness.services.lines.join(","), expected);
    });
  }

  for (const [what, body, reason] of [
    ["traps", "(unreachable)", /failed: Uncaught RuntimeError: unreachable/],
    [
      "makes another host call",
      "(drop (call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))) (i32.const 4096)",
      /restricted callback: proxy_set_property during memory allocation/,
    ],
  ] as const) {
    it(`that ${what} ends the VM`, async () => {
      const harness = open(await load(allocator(body)));
      assert.equal(new FakeStream(harness.factory).decodeHeaders(), 4);
      assert.match(harness.plugin.failure, reason);
    });
  }

  it("start code that calls a stream function ends the VM", async () => {
    const wat = `(module (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32))) ${PRELUDE}
      (func (export "_initialize") (drop (call $set (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)))))`;
    assert.match(open(await load(wat)).plugin.failure, /restricted callback: proxy_set_property during start/);
  });
});

describe("defects of a handler", () => {
  it("become InternalFailure, are counted, and leave the VM alone", async () => {
    const wat = `(module (import "env" "proxy_get_current_time_nanoseconds" (func $now (param i32) (result i32))) ${PRELUDE}
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (i32.store (i32.const 64) (call $now (i32.const 8))) (i32.const 0)))`;
    const harness = open(await load(wat));
    harness.services.wallClockNs = () => {
      throw new TypeError("no clock");
    };
    assert.equal(new FakeStream(harness.factory).decodeHeaders(), 0);
    assert.equal(harness.plugin.acquire()?.vm.memory.u32(64), 10);
    assert.equal(harness.services.counters.get("wasm.host_call_error"), 1);
  });
});
