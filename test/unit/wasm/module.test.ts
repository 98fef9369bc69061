// What a module must be to be loaded, and that any bytes get an answer.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import asc from "assemblyscript/asc";
import { DefaultLimits } from "../../../host/wasm/limits.ts";
import { loadModule } from "../../../host/wasm/module.ts";
import { scanModule } from "../../../host/wasm/module-scan.ts";
import { assemble, LOG_IMPORT, load, logging, open, PRELUDE } from "./guests.ts";

async function errorsOf(bytes: Uint8Array, limits = DefaultLimits): Promise<readonly string[]> {
  const result = await loadModule(bytes, { limits });
  return result.ok ? [] : result.errors;
}

const minimal = (body: string): Uint8Array => assemble(`(module ${body})`);

describe("module checks", () => {
  it("accepts a minimal module of each version", async () => {
    for (const version of ["0_1_0", "0_2_0", "0_2_1"]) {
      const bytes = minimal(PRELUDE.replace("0_2_1", version));
      assert.deepEqual(await errorsOf(bytes), []);
    }
  });

  it("names what is missing, all at once", async () => {
    const bytes = minimal(`
      (import "env" "pong" (func (param i32)))
      (import "env" "toString" (func))
      (import "other" "proxy_log" (func (param i32 i32 i32) (result i32)))
      (memory (export "memory") 1)`);
    assert.deepEqual(await errorsOf(bytes), [
      "missing import: env.pong (function)",
      "missing import: env.toString (function)",
      "missing import: other.proxy_log (function)",
      "missing or unknown ABI version",
      "neither proxy_on_memory_allocate nor malloc is exported",
    ]);
  });

  it("refuses signatures other than the ABI's", async () => {
    const imported = minimal(`(import "env" "proxy_log" (func (param i32 i32) (result i32))) ${PRELUDE}`);
    assert.deepEqual(await errorsOf(imported), ['import env.proxy_log has signature "i32 i32 -> i32", expected "i32 i32 i32 -> i32"']);
    const exported = minimal(`${PRELUDE} (func (export "proxy_on_log") (param i32 i32))`);
    assert.deepEqual(await errorsOf(exported), ['proxy_on_log has signature "i32 i32 ->", expected "i32 ->"']);
  });

  it("takes old imports without a result and old callbacks with either arity", async () => {
    const old = PRELUDE.replace("0_2_1", "0_1_0");
    assert.deepEqual(await errorsOf(minimal(`(import "env" "proxy_continue_request" (func)) ${old}`)), []);
    for (const params of ["i32 i32", "i32 i32 i32"]) {
      const callback = `(func (export "proxy_on_request_headers") (param ${params}) (result i32) (i32.const 0))`;
      assert.deepEqual(await errorsOf(minimal(`${old} ${callback}`)), []);
    }
  });

  for (const [feature, body] of [
    ["shared memory", PRELUDE.replace('(memory (export "memory") 1)', '(memory (export "memory") 1 2 shared)')],
    ["64-bit memory", PRELUDE.replace('(memory (export "memory") 1)', '(memory (export "memory") i64 1 2)')],
    ["multiple memories", `${PRELUDE} (memory $second 1)`],
    ["exceptions", `${PRELUDE} (tag $e (param i32))`],
    ["garbage-collected types", `${PRELUDE} (type $s (struct (field i32))) (func (export "f") (drop (struct.new_default $s)))`],
  ] as const) {
    it(`refuses ${feature}`, async () => {
      assert.ok((await errorsOf(minimal(body))).includes(`uses ${feature}, which is not allowed`));
    });
  }

  it("bounds the module", async () => {
    const bytes = minimal(`${PRELUDE} (table 100 funcref) (func (export "f") (local i32 i32 i32 i32))`);
    assert.deepEqual(await errorsOf(bytes, { ...DefaultLimits, maxModuleBytes: 10 }), [
      `module has ${bytes.length} bytes, the limit is 10`,
    ]);
    const tight = { ...DefaultLimits, maxFunctions: 1, maxTableEntries: 99, maxLocals: 3, maxFunctionBodyBytes: 2 };
    assert.deepEqual(
      (await errorsOf(bytes, tight)).map((error) => error.split(":")[0]),
      ["functions", "bytes of one function", "locals of one function", "table entries"],
    );
    const large = minimal(PRELUDE.replace('"memory") 1', '"memory") 1025'));
    assert.deepEqual(await errorsOf(large), ["initial memory pages: 1025, the limit is 1024"]);
  });

  it("bounds the memory, of an imported one too", async () => {
    const grow = `(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
      (i32.store (i32.const 64) (memory.grow (i32.const 300)))
      (i32.store (i32.const 68) (memory.grow (i32.const 100)))
      (i32.const 0))`;
    const imported = PRELUDE.replace('(memory (export "memory") 1)', "");
    for (const wat of [`(module ${PRELUDE} ${grow})`, `(module (import "env" "memory" (memory 1)) ${imported} ${grow})`]) {
      const harness = open(await load(wat));
      assert.equal(harness.plugin.failure, "");
      const { FakeStream } = await import("./fake-stream.ts");
      const stream = new FakeStream(harness.factory);
      assert.equal(stream.decodeHeaders(), 0);
      const root = harness.plugin.acquire();
      assert.equal(root?.vm.memory.u32(64), 0xffffffff);
      assert.equal(root?.vm.memory.u32(68), 1);
    }
  });

  it("gives an answer to any bytes", async () => {
    const good = Buffer.from(minimal(`${LOG_IMPORT} ${PRELUDE}`));
    let seed = 1;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return seed % below;
    };
    for (let i = 0; i < 2000; i++) {
      const bytes = Buffer.from(good);
      for (let change = random(4); change >= 0; change--) bytes[8 + random(bytes.length - 8)] = random(256);
      scanModule(bytes.subarray(0, 8 + random(bytes.length)));
      if (i % 10 === 0) await loadModule(bytes);
    }
    assert.deepEqual(await errorsOf(new Uint8Array(0)), ["not a WebAssembly 1.0 module"]);
    assert.deepEqual(await errorsOf(good.subarray(0, 20)), ["malformed module"]);
  });

  it("lets a rewriter change the module", async () => {
    let asked = 0;
    const result = await loadModule(minimal(PRELUDE), {
      rewriters: [
        (bytes) => {
          asked++;
          return bytes;
        },
      ],
    });
    assert.ok(result.ok);
    assert.equal(asked, 1);
  });
});

describe("start", () => {
  const start = (exports: string): string => `(module ${LOG_IMPORT} ${PRELUDE}
    (data (i32.const 0) "start,init,main,begin")
    ${exports})`;
  const f = (name: string, at: number, text: string, sig = ""): string =>
    `(func (export "${name}") ${sig} ${logging(at, text)} ${sig.includes("result") ? "(i32.const 0)" : ""})`;

  it("calls _initialize and then main, and not _start", async () => {
    const wat = start(`${f("_start", 16, "begin")} ${f("_initialize", 6, "init")}
      ${f("main", 11, "main", "(param i32 i32) (result i32)")}`);
    assert.deepEqual(open(await load(wat)).services.lines, ["2 test: init", "2 test: main"]);
  });

  it("calls _start alone", async () => {
    assert.deepEqual(open(await load(start(f("_start", 16, "begin")))).services.lines, ["2 test: begin"]);
  });

  it("runs a start section when the memory is there", async () => {
    const wat = start(`(func $s ${logging(0, "start")}) (start $s) ${f("_initialize", 6, "init")}`);
    assert.deepEqual(open(await load(wat)).services.lines, ["2 test: start", "2 test: init"]);
  });

  it("stops a start that does not end", async () => {
    for (const spin of [`(func $s (loop $l (br $l))) (start $s)`, `(func (export "_initialize") (loop $l (br $l)))`]) {
      const harness = open(await load(start(spin)), {}, { startTimeoutMs: 50 });
      assert.match(harness.plugin.failure, /Function: start failed: Uncaught Error: Script execution timed out/);
    }
  });

  it("runs what AssemblyScript's compiler makes without options", async () => {
    const sources: Record<string, string> = {
      "guest.ts": `
        @external("env", "proxy_log") declare function log(level: i32, at: usize, size: i32): i32;
        const text = String.UTF8.encode("top level");
        log(2, changetype<usize>(text), text.byteLength);
        export function proxy_abi_version_0_2_1(): void {}
        export function malloc(size: i32): usize { return __pin(__new(size, idof<ArrayBuffer>())); }
        export function proxy_on_vm_start(id: i32, size: i32): i32 { assert(id != 1, "no root of that id"); return 1; }`,
    };
    let binary: Uint8Array | undefined;
    const { error, stderr } = await asc.main(["guest.ts", "--outFile", "guest.wasm", "--exportRuntime"], {
      readFile: (name: string) => sources[name] ?? null,
      writeFile: (_name: string, content: string | Uint8Array) => {
        if (typeof content !== "string") binary = content;
      },
      listFiles: () => [],
    });
    assert.equal(error, null, stderr.toString());
    assert.ok(binary);
    const result = await loadModule(binary);
    assert.ok(result.ok, JSON.stringify(result));
    const harness = open(result.module);
    assert.deepEqual(harness.services.lines.slice(0, 2), ["2 test: top level", "5 test: no root of that id (guest.ts:7:70)"]);
    assert.match(harness.plugin.failure, /no root of that id/);
  });
});
