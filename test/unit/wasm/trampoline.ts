// A guest whose one import is the host call under test: the test puts the arguments into its memory, fires a callback, and
// reads the status and what was written.

import { ProxyCalls, WasiCalls } from "../../../host/wasm/host-calls/index.ts";
import type { LoadedModule } from "../../../host/wasm/module.ts";
import { FakeStream } from "./fake-stream.ts";
import { type Harness, load, open } from "./guests.ts";

export type Argument = number | bigint;

/** Where the arguments stand in guest memory, and what the data segment holds. */
export const ARGS = 4096;
export const RESULT = 4352;
export const WHEN = 4360;
export const OUT = 8192;
export const KEY = 1024;
const TEXT = ["x-key", "value", "web", "0.2.1", "plugin_name", "compress"] as const;
export const at = (text: (typeof TEXT)[number]): number => KEY + TEXT.indexOf(text) * 32;
export const PAIRS = 2048;

/** In which callback the guest makes the call. */
export const When = {
  RequestHeaders: 1,
  VmStart: 2,
  Configure: 3,
  Tick: 4,
  RequestBody: 5,
  Response: 6,
  Log: 7,
  CallResponse: 8,
} as const;

/** A module whose one import is the call: arguments come from memory, the result goes there. */
function trampoline(module: string, name: string, params: string, result: string, version: string): string {
  const types = [...params].map((letter) => (letter === "i" ? "i32" : "i64")).join(" ");
  const load = [...params].map((letter, i) => `(${letter === "i" ? "i32" : "i64"}.load (i32.const ${ARGS + i * 8}))`).join(" ");
  const call = `(call $target ${load})`;
  const kept = result === "" ? call : `(i32.store (i32.const ${RESULT}) ${call})`;
  const callback = (exported: string, args: number, hasResult: boolean, when: number, answer: number): string => `
    (func (export "${exported}") (param ${"i32 ".repeat(args)}) ${hasResult ? "(result i32)" : ""}
      (if (i32.eq (i32.load (i32.const ${WHEN})) (i32.const ${when})) (then (call $go)))
      ${hasResult ? `(i32.const ${answer})` : ""})`;
  const data = TEXT.map((text) => `(data (i32.const ${at(text)}) "${text}")`).join("\n");
  const requestParams = version === "0_1_0" ? 2 : 3;
  return `(module
    (import "${module}" "${name}" (func $target (param ${types}) ${result === "" ? "" : "(result i32)"}))
    (memory (export "memory") 2)
    ${data}
    (data (i32.const ${PAIRS}) "\\01\\00\\00\\00\\05\\00\\00\\00\\05\\00\\00\\00x-key\\00value\\00")
    (data (i32.const ${PAIRS + 64}) "\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00:method\\00GET\\00:path\\00/\\00:authority\\00a\\00")
    (global $top (mut i32) (i32.const 65536))
    (func (export "proxy_abi_version_${version}"))
    (func (export "malloc") (param $size i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $top))
      (global.set $top (i32.add (global.get $top) (local.get $size)))
      (local.get $at))
    (func $go ${kept} (i32.store (i32.const ${WHEN}) (i32.const 0)))
    ${callback("proxy_on_request_headers", requestParams, true, When.RequestHeaders, 0)}
    ${callback("proxy_on_request_body", 3, true, When.RequestBody, 0)}
    ${callback("proxy_on_response_headers", requestParams, true, When.Response, 0)}
    ${callback("proxy_on_tick", 1, false, When.Tick, 0)}
    ${callback("proxy_on_log", 1, false, When.Log, 0)}
    ${callback("proxy_on_http_call_response", 5, false, When.CallResponse, 0)})`;
}

export interface Outcome {
  readonly result: number;
  readonly harness: Harness;
  readonly stream: FakeStream;
  out(offset: number): number;
  text(): string;
}

export interface Setup {
  readonly when?: number;
  readonly version?: string;
  prepare?(harness: Harness, stream: FakeStream): void;
}

const modules = new Map<string, LoadedModule>();

/** A fresh VM of the trampoline for one host call; compiled once. */
export async function openTrampoline(module: string, name: string, version = "0_2_1"): Promise<Harness> {
  const row = module === "env" ? ProxyCalls[name] : WasiCalls[name];
  const key = `${module} ${name} ${version}`;
  let loaded = modules.get(key);
  if (loaded === undefined) {
    loaded = await load(trampoline(module, name, row.params, row.result, version));
    modules.set(key, loaded);
  }
  return open(loaded, { environment: [["K", "v"]], configuration: Buffer.from("config") });
}

/** Stores arguments and says in which callback the call is to be made. */
export function prepareCall(harness: Harness, args: readonly Argument[], when: number): void {
  const { view } = harness.engine;
  for (const [i, value] of args.entries()) {
    if (typeof value === "bigint") view.setBigInt64(ARGS + i * 8, value, true);
    else view.setInt32(ARGS + i * 8, value, true);
  }
  view.setInt32(RESULT, -1, true);
  view.setInt32(WHEN, when, true);
}

export async function run(module: string, name: string, args: readonly Argument[], setup: Setup = {}): Promise<Outcome> {
  const harness = await openTrampoline(module, name, setup.version);
  const stream = new FakeStream(harness.factory, [["x-key", "one"]]);
  setup.prepare?.(harness, stream);
  const when = setup.when ?? When.RequestHeaders;
  prepareCall(harness, args, when);
  if (when === When.RequestHeaders) stream.decodeHeaders();
  if (when === When.RequestBody) {
    stream.decodeHeaders(false);
    stream.decodeData("hello");
  }
  if (when === When.Response) stream.encodeHeaders();
  if (when === When.Log) stream.finish();
  const after = harness.engine.view;
  return {
    result: after.getInt32(RESULT, true),
    harness,
    stream,
    out: (offset) => after.getUint32(OUT + offset, true),
    text: () => {
      const ptr = after.getUint32(OUT, true);
      return Buffer.from(after.buffer, ptr, after.getUint32(OUT + 4, true)).toString("latin1");
    },
  };
}

export interface Case extends Setup {
  readonly name: string;
  readonly args: readonly Argument[];
  readonly result: number;
  check?(outcome: Outcome): void;
}

export interface Row {
  /** Indexes of pointer arguments; a length follows "p", a slot of 4 or 8 bytes stands alone. */
  readonly ranges?: readonly number[];
  readonly slots?: readonly number[];
  readonly cases: readonly Case[];
}
