// Limits that no single host call shows: each is reached, and what happens then.
import assert from "node:assert/strict";
import { generateKeyPairSync, sign as signText } from "node:crypto";
import { describe, it } from "node:test";
import { deflateSync } from "node:zlib";
import { MetricType, WasmResult } from "../../../host/wasm/abi.ts";
import { callForeignFunction, ForeignFunctionNames } from "../../../host/wasm/foreign-functions.ts";
import { protobufBytes, protobufNumber, protobufText, readProtobuf, writeBytesField } from "../../../host/base/protobuf-reader.ts";
import { StreamContext } from "../../../host/wasm/stream-context.ts";
import type { Vm } from "../../../host/wasm/vm.ts";
import { FakeStream } from "./fake-stream.ts";
import { type Harness, LOG_IMPORT, load, open, PRELUDE } from "./guests.ts";

function vmOf(harness: Harness): Vm {
  const root = harness.plugin.acquire();
  if (root === undefined) throw new Error(harness.plugin.failure);
  return root.vm;
}

describe("log", () => {
  const flood = `(module ${LOG_IMPORT} ${PRELUDE} (data (i32.const 64) "\\1b[31m\\00x")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $i i32)
      (loop $l
        (drop (call $log (i32.const 2) (i32.const 64) (i32.const 7)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 1000000))))
      (i32.const 0))
    (func (export "proxy_on_log") (param i32) (drop (call $log (i32.const 3) (i32.const 0) (i32.const 65536)))))`;

  it("is bounded in lines and bytes, says what was dropped, and cannot be forged", async () => {
    const harness = open(await load(flood));
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders();
    const { services } = harness;
    assert.equal(services.lines.length, 100);
    assert.equal(services.lines[0], "2 test: \\x1b[31m\\x00x");
    services.advance(1000);
    stream.finish();
    assert.equal(services.lines.length, 102);
    assert.equal(services.lines[100], "3 test: 999900 log lines dropped");
    assert.ok(services.lines[101].length < 4096 * 4 + 20);
    assert.equal(services.counters.get("wasm.log_dropped"), 999_900);
  });

  it("below the level costs no token", async () => {
    const harness = open(await load(flood));
    harness.services.level = 3;
    new FakeStream(harness.factory).decodeHeaders();
    assert.deepEqual(harness.services.lines, []);
  });
});

describe("metrics", () => {
  it("are bounded in number and name", async () => {
    const harness = open(await load(`(module ${PRELUDE})`));
    const { metrics } = vmOf(harness);
    assert.equal(metrics.define(MetricType.Counter, "n".repeat(257)), undefined);
    for (let i = 0; i < 200; i++) assert.equal(metrics.define(MetricType.Counter, `m${i}`), 4 * (i + 1));
    assert.equal(metrics.define(MetricType.Counter, "one more"), undefined);
    assert.equal(metrics.increment(800, 1), WasmResult.Ok);
    assert.equal(metrics.increment(804, 1), WasmResult.NotFound);
  });
});

describe("ticks", () => {
  it("have a shortest period, do not overlap, and end with the root", async () => {
    const harness = open(
      await load(`(module ${LOG_IMPORT} ${PRELUDE}
      (func (export "proxy_on_tick") (param i32) (drop (call $log (i32.const 2) (i32.const 0) (i32.const 0)))))`),
    );
    const root = harness.plugin.acquire();
    root?.setTickPeriod(1);
    harness.services.advance(100);
    assert.equal(harness.services.lines.length, 10);
    assert.equal(harness.services.armedTimers, 1);
    harness.factory.close();
    assert.equal(harness.services.armedTimers, 0);
  });
});

describe("header and state quotas", () => {
  const grow = `(module
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32)))
    ${PRELUDE} (data (i32.const 0) "name")
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (local $i i32)
      (loop $l
        (i32.store (i32.const 64) (call $add (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4)))
        (i32.store (i32.const 8) (local.get $i))
        (i32.store (i32.const 68) (call $set (i32.const 8) (i32.const 4) (i32.const 0) (i32.const 4)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 1000))))
      (i32.const 0)))`;

  it("hold", async () => {
    const harness = open(await load(grow));
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders();
    assert.equal(stream.request.size, 256);
    assert.equal(stream.info.filterState?.size, 256);
    const { memory } = vmOf(harness);
    assert.deepEqual([memory.u32(64), memory.u32(68)], [2, 2]);
  });
});

describe("foreign functions", async () => {
  const harness = open(await load(`(module ${PRELUDE})`));
  const vm = vmOf(harness);
  const call = (name: string, args: Uint8Array): { result: number; bytes: Uint8Array } => callForeignFunction(vm, name, args);
  const text = (value: string): Uint8Array => Buffer.from(value, "latin1");

  it("are Envoy's, and names are not looked up on the prototype", () => {
    assert.equal(ForeignFunctionNames.length, 7);
    for (const name of ["", "toString", "expr_create"]) assert.equal(call(name, text("")).result, WasmResult.NotFound);
  });

  it("compress and uncompress zlib, within a bound", () => {
    const packed = call("compress", text("hello"));
    assert.equal(Buffer.from(packed.bytes).toString("hex").slice(0, 4), "789c");
    assert.equal(Buffer.from(call("uncompress", packed.bytes).bytes).toString(), "hello");
    assert.equal(call("uncompress", text("garbage")).result, WasmResult.SerializationFailure);
    assert.equal(call("uncompress", deflateSync(Buffer.alloc(2 << 20))).result, WasmResult.SerializationFailure);
  });

  it("sign and verify", () => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", {
      modulusLength: 2048,
      publicKeyEncoding: { type: "spki", format: "der" },
      privateKeyEncoding: { type: "pkcs8", format: "der" },
    });
    const signed = call(
      "sign",
      Buffer.concat([writeBytesField(1, text("sha256")), writeBytesField(2, privateKey), writeBytesField(3, text("message"))]),
    );
    const fields = readProtobuf(signed.bytes) ?? [];
    assert.equal(protobufNumber(fields, 1), 1);
    const signature = protobufBytes(fields, 2);
    const pem = { key: privateKey, format: "der", type: "pkcs8" } as const;
    assert.deepEqual(Buffer.from(signature), signText("sha256", text("message"), pem));
    const verify = (key: Uint8Array, hash: string, message: string): [number, string] => {
      const args = [
        writeBytesField(1, key),
        writeBytesField(2, text(hash)),
        writeBytesField(3, signature),
        writeBytesField(4, text(message)),
      ];
      const answer = readProtobuf(call("verify_signature", Buffer.concat(args)).bytes) ?? [];
      return [protobufNumber(answer, 1), protobufText(answer, 2)];
    };
    assert.deepEqual(verify(publicKey, "sha256", "message"), [1, ""]);
    assert.deepEqual(verify(publicKey, "sha256", "other"), [0, "Failed to verify digest."]);
    assert.deepEqual(verify(publicKey, "md4", "message"), [0, "md4 is not supported."]);
    assert.deepEqual(verify(text("no key"), "sha256", "message"), [0, "Failed to initialize digest verify."]);
    assert.equal(call("verify_signature", text("\xff\xff\xff")).result, WasmResult.BadArgument);
  });

  it("declare properties once, and hold them to it", () => {
    const declare = Buffer.concat([writeBytesField(1, text("once")), Uint8Array.from([0x10, 1])]);
    vm.current = harness.plugin.acquire();
    assert.equal(call("declare_property", declare).result, WasmResult.Ok);
    assert.equal(call("declare_property", declare).result, WasmResult.BadArgument);
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders();
    const ctx = vm.findContext(2);
    assert.ok(ctx instanceof StreamContext);
    vm.current = ctx;
    assert.equal(vm.setProperty("once", text("1")), WasmResult.Ok);
    assert.equal(vm.setProperty("once", text("2")), WasmResult.BadArgument);
    assert.equal(vm.setProperty("other", text("1")), WasmResult.Ok);
    assert.equal(vm.setProperty("other", text("2")), WasmResult.Ok);
    const state = Buffer.concat([writeBytesField(1, text("envoy.key")), writeBytesField(2, text("v"))]);
    assert.equal(call("set_envoy_filter_state", state).result, WasmResult.Ok);
    assert.equal(Buffer.from(stream.info.filterState?.get("envoy.key") ?? []).toString(), "v");
    call("clear_route_cache", text(""));
    assert.deepEqual(stream.events, ["clearRouteCache"]);
    vm.current = undefined;
  });
});

describe("callouts in flight", () => {
  it("are bounded for each plugin", async () => {
    const wat = `(module
      (import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
      ${PRELUDE}
      (data (i32.const 2112) "\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00:method\\00GET\\00:path\\00/\\00:authority\\00a\\00web")
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (i32.store (i32.const 64) (call $call (i32.const 2173) (i32.const 3) (i32.const 2112) (i32.const 61) (i32.const 0) (i32.const 0)
          (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 3000)))
        (i32.const 1)))`;
    const harness = open(await load(wat));
    for (let i = 0; i < 65; i++) new FakeStream(harness.factory).decodeHeaders();
    assert.equal(harness.services.httpCalls.length, 64);
    assert.equal(vmOf(harness).memory.u32(64), WasmResult.InternalFailure);
    harness.services.httpCalls[0].complete({});
    new FakeStream(harness.factory).decodeHeaders();
    assert.equal(harness.services.httpCalls.length, 65);
  });
});
