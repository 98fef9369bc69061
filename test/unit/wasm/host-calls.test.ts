// Every host call with readable arguments, with bad pointers, and where what it asks for is not there. The cases are checked
// against the host-call table: a call without cases, or a pointer that no case makes bad, fails the suite.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderMap } from "../../../host/http/header-map.ts";
import { Errno, WasmResult } from "../../../host/wasm/abi.ts";
import { ProxyCalls, WasiCalls } from "../../../host/wasm/host-calls/index.ts";
import { FakeStream } from "./fake-stream.ts";
import { ProxyCases } from "./proxy-call-cases.ts";
import { type Argument, at, OUT, openTrampoline, prepareCall, RESULT, type Row, run, When } from "./trampoline.ts";
import { WasiCases } from "./wasi-call-cases.ts";

const END = 2 * 65536;
const BAD_RANGES: readonly (readonly [number, number])[] = [
  [-1, 1],
  [END, 1],
  [END - 1, 2],
  [-2147483648, 16],
  [16, -1],
  [-16, -1],
];
const BAD_SLOTS: readonly number[] = [-1, END, END - 3, -2147483648, -4];

function suite(module: string, table: Readonly<Record<string, { params: string }>>, rows: Record<string, Row>, fault: number): void {
  it(`${module}: every row of the table has cases, and no case lacks a row`, () => {
    assert.deepEqual(Object.keys(rows).sort(), Object.keys(table).sort());
  });
  for (const [name, row] of Object.entries(rows)) {
    describe(name, () => {
      for (const entry of row.cases) {
        it(`${entry.name} (${entry.args.join(", ")})`, async () => {
          const outcome = await run(module, name, entry.args, entry);
          assert.equal(outcome.result, entry.result);
          entry.check?.(outcome);
          assert.equal(outcome.harness.services.counters.get("wasm.host_call_error"), undefined);
        });
      }
      const base = row.cases[0];
      const bad: [string, Argument[]][] = [];
      for (const index of row.ranges ?? []) {
        for (const [ptr, len] of BAD_RANGES) {
          const args = [...base.args];
          args[index] = ptr;
          args[index + 1] = len;
          bad.push([`range ${index} = ${ptr}, ${len}`, args]);
        }
      }
      for (const index of row.slots ?? []) {
        for (const ptr of BAD_SLOTS) {
          const args = [...base.args];
          args[index] = ptr;
          bad.push([`slot ${index} = ${ptr}`, args]);
        }
      }
      if (bad.length === 0) return;
      it(`bad pointers: ${bad.length} combinations`, async () => {
        for (const [what, args] of bad) {
          const outcome = await run(module, name, args, base);
          assert.equal(outcome.result, fault, what);
          assert.equal(outcome.harness.services.counters.get("wasm.host_call_error"), undefined, what);
        }
      });
    });
  }
}

describe("host calls", () => {
  suite("env", ProxyCalls, ProxyCases, WasmResult.InvalidMemoryAccess);
  suite("wasi_snapshot_preview1", WasiCalls, WasiCases, Errno.Fault);
});

describe("random arguments", () => {
  const numbers = [0, 1, 2, 3, 4, 5, 6, 7, 8, 64, 1024, 2048, 2112, 8192, 65535, END - 4, END, -1, -2147483648, 2147483647];
  let seed = 42;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % below;
  };
  const argument = (letter: string): Argument => {
    const value = random(3) === 0 ? random(END) : numbers[random(numbers.length)];
    return letter === "j" ? BigInt(value) * BigInt(random(5) === 0 ? 2 ** 31 : 1) : value;
  };
  const tables = { env: ProxyCalls, wasi_snapshot_preview1: WasiCalls };
  for (const [module, table] of Object.entries(tables)) {
    it(`never make a handler of ${module} throw, nor end the VM`, async () => {
      for (const [name, { params }] of Object.entries(table)) {
        if (name === "proc_exit") continue;
        const harness = await openTrampoline(module, name);
        for (let i = 0; i < 300; i++) {
          const args = [...params].map(argument);
          const stream = new FakeStream(harness.factory, [["x-key", "one"]]);
          prepareCall(harness, args, [When.RequestHeaders, When.RequestBody, When.Response, When.Log][i % 4]);
          stream.decodeHeaders(false);
          stream.decodeData("hello");
          stream.encodeHeaders();
          stream.finish();
          assert.equal(harness.plugin.failure, "", `${name}(${args.join(", ")})`);
        }
        const errors = harness.services.counters.get("wasm.host_call_error");
        assert.equal(errors, undefined, `${name}: ${harness.services.lines.filter((line) => line.startsWith("4"))}`);
      }
    });
  }
});

const ARGUMENTS: readonly number[] = [6, at("x-key"), 5, OUT, OUT + 4];

describe("callout maps and buffers", () => {
  it("are readable in on_http_call_response only", async () => {
    const outcome = await run("env", "proxy_get_header_map_value", ARGUMENTS, {
      when: When.CallResponse,
      prepare: (harness) => {
        const { plugin, engine } = harness;
        const root = plugin.acquire();
        assert.ok(root);
        const token = root.startHttpCall(root, {
          cluster: "web",
          headers: [],
          body: new Uint8Array(0),
          trailers: [],
          timeoutMs: 1,
        });
        assert.ok(token);
        prepareCall(harness, ARGUMENTS, When.CallResponse);
        root.onHttpCallComplete(token, {
          headers: HeaderMap.from([["x-key", "answer"]]),
          body: new Uint8Array(0),
          trailers: undefined,
          failure: "",
        });
        assert.equal(engine.view.getInt32(RESULT, true), 0);
        assert.equal(engine.view.getUint32(OUT + 4, true), 6);
      },
    });
    assert.equal(outcome.result, -1);
  });
});
