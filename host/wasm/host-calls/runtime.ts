// Logging, clock, timers, contexts, properties, foreign functions: what belongs to the VM rather than to a message.
import { LogLevel, WasmResult } from "../abi.ts";
import { callForeignFunction as runForeignFunction } from "../foreign-functions.ts";
import { normalizePath, serializeProperty } from "../property.ts";
import type { Vm } from "../vm.ts";

export function log(vm: Vm, level: number, ptr: number, len: number): WasmResult {
  if (level >>> 0 > LogLevel.Critical) return WasmResult.BadArgument;
  if (!vm.memory.isRange(ptr, len)) return WasmResult.InvalidMemoryAccess;
  if (level < vm.services.logLevel()) return WasmResult.Ok;
  vm.logGuest(level as LogLevel, vm.memory.latin1(ptr, Math.min(len >>> 0, vm.limits.maxLogLineBytes)) ?? "");
  return WasmResult.Ok;
}

export function getLogLevel(vm: Vm, slot: number): WasmResult {
  return vm.memory.setU32(slot, vm.services.logLevel()) ? WasmResult.Ok : WasmResult.InvalidMemoryAccess;
}

export function getCurrentTimeNanoseconds(vm: Vm, slot: number): WasmResult {
  return vm.memory.setU64(slot, vm.services.wallClockNs()) ? WasmResult.Ok : WasmResult.InvalidMemoryAccess;
}

export function setTickPeriodMilliseconds(vm: Vm, periodMs: number): WasmResult {
  vm.context.root.setTickPeriod(periodMs >>> 0);
  return WasmResult.Ok;
}

export function setEffectiveContext(vm: Vm, id: number): WasmResult {
  const ctx = vm.findContext(id >>> 0);
  // A context of another plugin in the same VM is not this plugin's to act on.
  if (ctx === undefined || (vm.current !== undefined && ctx.root !== vm.current.root)) return WasmResult.BadArgument;
  vm.effective = ctx;
  return WasmResult.Ok;
}

export function done(vm: Vm): WasmResult {
  return vm.context.root.finishDone() ? WasmResult.Ok : WasmResult.NotFound;
}

export function callForeignFunction(
  vm: Vm,
  namePtr: number,
  nameLen: number,
  argsPtr: number,
  argsLen: number,
  ptrSlot: number,
  lenSlot: number,
): WasmResult {
  const name = vm.memory.latin1(namePtr, nameLen);
  const args = vm.memory.bytes(argsPtr, argsLen);
  // Both slots may be 0: the guest wants no result.
  const wantsResult = ptrSlot !== 0 || lenSlot !== 0;
  if (name === undefined || args === undefined) return WasmResult.InvalidMemoryAccess;
  if (wantsResult && !(vm.memory.isRange(ptrSlot, 4) && vm.memory.isRange(lenSlot, 4))) {
    return WasmResult.InvalidMemoryAccess;
  }
  const answer = runForeignFunction(vm, name, args);
  if (answer.result === WasmResult.NotFound || !wantsResult) return answer.result;
  const returned = vm.memory.returnBytes(answer.bytes, ptrSlot, lenSlot);
  return returned === WasmResult.Ok ? answer.result : returned;
}

export function getProperty(vm: Vm, pathPtr: number, pathLen: number, ptrSlot: number, lenSlot: number): WasmResult {
  const path = vm.memory.recurring(pathPtr, pathLen);
  if (path === undefined) return WasmResult.InvalidMemoryAccess;
  if (path.length > vm.limits.maxPropertyPathBytes) return WasmResult.NotFound;
  const normal = normalizePath(path);
  if (normal === "") return path === "" ? WasmResult.SerializationFailure : WasmResult.NotFound;
  const value = vm.property(normal);
  if (value === undefined) return WasmResult.NotFound;
  if (typeof value === "string") return vm.memory.returnLatin1(value, ptrSlot, lenSlot);
  const bytes = serializeProperty(value);
  if (bytes === undefined) return WasmResult.SerializationFailure;
  if (typeof bytes === "string") return vm.memory.returnLatin1(bytes, ptrSlot, lenSlot);
  return vm.memory.returnBytes(bytes, ptrSlot, lenSlot);
}

export function setProperty(vm: Vm, pathPtr: number, pathLen: number, valuePtr: number, valueLen: number): WasmResult {
  const path = vm.memory.latin1(pathPtr, pathLen);
  const value = vm.memory.bytes(valuePtr, valueLen);
  if (path === undefined || value === undefined) return WasmResult.InvalidMemoryAccess;
  return vm.setProperty(normalizePath(path), value);
}
