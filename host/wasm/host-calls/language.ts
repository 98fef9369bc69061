// Imports outside the ABI that compilers put into modules: AssemblyScript's standard library and old emscripten output.
// Other hosts lack most of them; with them, plain asc output runs here.
import { LogLevel } from "../abi.ts";
import type { Vm } from "../vm.ts";

/** An AssemblyScript string: UTF-16LE with its length in bytes in front. */
function assemblyScriptString(vm: Vm, ptr: number): string {
  if (ptr === 0) return "";
  const len = vm.memory.u32((ptr >>> 0) - 4);
  const bytes = len === undefined ? undefined : vm.memory.bytes(ptr, Math.min(len, vm.limits.maxLogLineBytes));
  return bytes === undefined ? "" : Buffer.from(bytes).toString("utf16le");
}

export function abort(vm: Vm, message: number, file: number, line: number, column: number): never {
  const text = assemblyScriptString(vm, message) || "abort";
  const where = `${text} (${assemblyScriptString(vm, file)}:${line >>> 0}:${column >>> 0})`;
  vm.logGuest(LogLevel.Critical, Buffer.from(where, "utf8").latin1Slice());
  vm.exitGuest(where);
}

/** Functions without a result answer 0, which the engine drops. */
export function trace(vm: Vm, message: number): number {
  vm.logGuest(LogLevel.Trace, Buffer.from(assemblyScriptString(vm, message), "utf8").latin1Slice());
  return 0;
}

export function consoleLog(vm: Vm, message: number): number {
  vm.logGuest(LogLevel.Info, Buffer.from(assemblyScriptString(vm, message), "utf8").latin1Slice());
  return 0;
}

export function seed(vm: Vm): number {
  return vm.services.random();
}

export function dateNow(vm: Vm): number {
  return Number(vm.services.wallClockNs() / 1_000_000n);
}

export function performanceNow(vm: Vm): number {
  return vm.services.monotonicMs();
}

export function notifyMemoryGrowth(): number {
  return 0;
}

export function pthreadEqual(_vm: Vm, a: number, b: number): number {
  return a === b ? 1 : 0;
}
