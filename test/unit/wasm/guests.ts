// Guests for tests: WAT assembled by binaryen, with the parts that every proxy-wasm module needs.
import binaryen from "binaryen";
import type { PluginConfig } from "../../../host/config/plugin.ts";
import { WasmFilterFactory } from "../../../host/extensions/wasm/http-filter.ts";
import { DefaultLimits, type WasmLimits } from "../../../host/wasm/limits.ts";
import { type LoadedModule, loadModule } from "../../../host/wasm/module.ts";
import type { Plugin } from "../../../host/wasm/plugin.ts";
import { WasmRuntime } from "../../../host/wasm/runtime.ts";
import { FakeServices, LookingEngine, pluginConfig } from "./fake-services.ts";

export function assemble(wat: string): Uint8Array {
  const module = binaryen.parseText(wat);
  module.setFeatures(binaryen.Features.All);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

/** Marker, memory, and an allocator that moves up from 32768. */
export const PRELUDE = `
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 32768))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (global.get $top))
    (global.set $top (i32.add (global.get $top) (local.get $size)))
    (local.get $at))
`;

export const LOG_IMPORT = `(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))`;

/** `name` logs `text` at info when it runs; `address` must be free. */
export function logging(address: number, text: string): string {
  return `(drop (call $log (i32.const 2) (i32.const ${address}) (i32.const ${text.length})))`;
}

export async function load(wat: string): Promise<LoadedModule> {
  const result = await loadModule(assemble(wat));
  if (!result.ok) throw new Error(result.errors.join("; "));
  return result.module;
}

export interface Harness {
  readonly services: FakeServices;
  readonly engine: LookingEngine;
  readonly runtime: WasmRuntime;
  readonly plugin: Plugin;
  readonly factory: WasmFilterFactory;
}

export function open(
  module: LoadedModule,
  config: Partial<PluginConfig> = {},
  limits: Partial<WasmLimits> = {},
  services = new FakeServices(),
): Harness {
  const engine = new LookingEngine();
  const runtime = new WasmRuntime(services, { engine, limits: { ...DefaultLimits, ...limits } });
  const plugin = runtime.openPlugin(pluginConfig({ ...config }), module);
  const factory = new WasmFilterFactory("wasm", plugin, undefined, (closed) => runtime.closePlugin(closed));
  return { services, engine, runtime, plugin, factory };
}
