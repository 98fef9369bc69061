// Bodies, configurations and callout bodies (proxy-wasm 0.2.1, "Buffers").
import { BufferType, MaxBufferType, WasmResult } from "../abi.ts";
import type { Vm } from "../vm.ts";

export function getBufferBytes(vm: Vm, type: number, start: number, maxBytes: number, ptrSlot: number, lenSlot: number): WasmResult {
  if (type >>> 0 > MaxBufferType) return WasmResult.BadArgument;
  const buffer = vm.buffer(type as BufferType);
  if (buffer === undefined) return WasmResult.NotFound;
  // Guests ask for 0xFFFFFFFF bytes to mean everything; both numbers are cut to what there is.
  const from = Math.min(start >>> 0, buffer.length);
  const to = Math.min(from + (maxBytes >>> 0), buffer.length);
  if (from === to) return vm.memory.returnLatin1("", ptrSlot, lenSlot);
  const bytes = buffer.bytes();
  return vm.memory.returnBytes(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), ptrSlot, lenSlot);
}

export function getBufferStatus(vm: Vm, type: number, lenSlot: number, flagsSlot: number): WasmResult {
  if (type >>> 0 > MaxBufferType) return WasmResult.BadArgument;
  const buffer = vm.buffer(type as BufferType);
  if (buffer === undefined) return WasmResult.NotFound;
  if (!vm.memory.isRange(lenSlot, 4) || !vm.memory.setU32(flagsSlot, 0)) return WasmResult.InvalidMemoryAccess;
  vm.memory.setU32(lenSlot, buffer.length);
  return WasmResult.Ok;
}

/** The specification's whole range: 0, 0 prepends, a start at or past the end appends, anything between replaces. */
export function setBufferBytes(vm: Vm, type: number, start: number, size: number, ptr: number, len: number): WasmResult {
  const kind = type >>> 0;
  if (kind > MaxBufferType) return WasmResult.BadArgument;
  const data = vm.memory.bytes(ptr, len);
  if (data === undefined) return WasmResult.InvalidMemoryAccess;
  if (kind > BufferType.UpstreamData) return vm.buffer(kind as BufferType) === undefined ? WasmResult.NotFound : WasmResult.BadArgument;
  const buffer = vm.mutableBuffer(kind as BufferType);
  if (buffer === undefined) return WasmResult.BadArgument;
  const from = Math.min(start >>> 0, buffer.length);
  const replaced = Math.min(size >>> 0, buffer.length - from);
  if (buffer.length - replaced + data.length > vm.limits.maxBodyBytes) {
    vm.countOverflow("body_overflow");
    return WasmResult.BadArgument;
  }
  buffer.splice(from, replaced, data);
  return WasmResult.Ok;
}

/** 0.1.0: the plugin's configuration inside on_configure, otherwise the VM's. */
export function getConfiguration(vm: Vm, ptrSlot: number, lenSlot: number): WasmResult {
  const type = vm.isConfiguring ? BufferType.PluginConfiguration : BufferType.VmConfiguration;
  const buffer = vm.buffer(type);
  if (buffer === undefined) return vm.memory.returnLatin1("", ptrSlot, lenSlot);
  return vm.memory.returnBytes(buffer.bytes(), ptrSlot, lenSlot);
}
