// Header maps and trailers (proxy-wasm 0.2.1, "HTTP fields"). Which map is there when is the services' knowledge.
// Reading a map that is not there now answers NotFound where Envoy answers BadArgument: a Rust guest traps on the latter.
import { MapType, MaxMapType, WasmResult } from "../abi.ts";
import { PairsError } from "../pairs.ts";
import type { Vm } from "../vm.ts";

const NAME = /^:?[!#$%&'*+\-.^_`|~0-9a-z]+$/;
// Exactly these end or split a header line.
const FORBIDDEN_IN_VALUE = /[\0\r\n]/;

/** "host" from a guest means :authority, as in Envoy. */
function resolveName(type: number, name: string): string {
  return name === "host" && type === MapType.HttpRequestHeaders ? ":authority" : name;
}

/** What would break the framing of the message on the wire must not get into it (request smuggling, splitting). */
export function isHeaderAllowed(name: string, value: string): boolean {
  return NAME.test(name) && !FORBIDDEN_IN_VALUE.test(value);
}

export function getHeaderMapSize(vm: Vm, type: number, sizeSlot: number): WasmResult {
  if (type >>> 0 > MaxMapType) return WasmResult.BadArgument;
  const map = vm.headerMap(type as MapType);
  if (map === undefined) return WasmResult.BadArgument;
  return vm.memory.setU32(sizeSlot, map.byteSize()) ? WasmResult.Ok : WasmResult.InvalidMemoryAccess;
}

export function getHeaderMapPairs(vm: Vm, type: number, ptrSlot: number, lenSlot: number): WasmResult {
  if (type >>> 0 > MaxMapType) return WasmResult.BadArgument;
  const map = vm.headerMap(type as MapType);
  if (map === undefined) return vm.memory.returnLatin1("", ptrSlot, lenSlot);
  return vm.memory.returnPairs(map.names, map.values, ptrSlot, lenSlot);
}

export function setHeaderMapPairs(vm: Vm, type: number, ptr: number, len: number): WasmResult {
  if (type >>> 0 > MaxMapType) return WasmResult.BadArgument;
  const pairs = vm.memory.pairs(ptr, len, vm.limits.maxPairsBytes, vm.limits.maxPairs);
  if (pairs === undefined) return WasmResult.InvalidMemoryAccess;
  if (pairs === PairsError.TooLarge) return WasmResult.BadArgument;
  const map = vm.mutableHeaderMap(type as MapType);
  if (map === undefined) return WasmResult.BadArgument;
  if (pairs === PairsError.Malformed) {
    // cpp-host decodes malformed bytes to the empty list, and so the map ends up empty.
    map.clear();
    return WasmResult.Ok;
  }
  const { names, values } = pairs;
  for (let i = 0; i < names.length; i++) {
    names[i] = resolveName(type, names[i]);
    if (!isHeaderAllowed(names[i], values[i])) return WasmResult.BadArgument;
  }
  map.clear();
  for (let i = 0; i < names.length; i++) map.append(names[i], values[i]);
  return WasmResult.Ok;
}

export function getHeaderMapValue(vm: Vm, type: number, keyPtr: number, keyLen: number, ptrSlot: number, lenSlot: number): WasmResult {
  if (type >>> 0 > MaxMapType) return WasmResult.BadArgument;
  const name = vm.memory.headerName(keyPtr, keyLen);
  if (name === undefined) return WasmResult.InvalidMemoryAccess;
  const value = vm.headerMap(type as MapType)?.get(resolveName(type, name));
  if (value !== undefined) return vm.memory.returnLatin1(value, ptrSlot, lenSlot);
  // Modules of 0.1.0 take any status but Ok for a fault.
  if (vm.abiVersion === "0.1.0") return vm.memory.returnLatin1("", ptrSlot, lenSlot);
  return WasmResult.NotFound;
}

export function addHeaderMapValue(vm: Vm, type: number, keyPtr: number, keyLen: number, valuePtr: number, valueLen: number): WasmResult {
  return changeHeader(vm, type, keyPtr, keyLen, valuePtr, valueLen, false);
}

export function replaceHeaderMapValue(
  vm: Vm,
  type: number,
  keyPtr: number,
  keyLen: number,
  valuePtr: number,
  valueLen: number,
): WasmResult {
  return changeHeader(vm, type, keyPtr, keyLen, valuePtr, valueLen, true);
}

function changeHeader(
  vm: Vm,
  type: number,
  keyPtr: number,
  keyLen: number,
  valuePtr: number,
  valueLen: number,
  replace: boolean,
): WasmResult {
  if (type >>> 0 > MaxMapType) return WasmResult.BadArgument;
  const key = vm.memory.headerName(keyPtr, keyLen);
  const value = vm.memory.latin1(valuePtr, valueLen);
  if (key === undefined || value === undefined) return WasmResult.InvalidMemoryAccess;
  const name = resolveName(type, key);
  if (!isHeaderAllowed(name, value)) return WasmResult.BadArgument;
  const map = vm.mutableHeaderMap(type as MapType);
  if (map === undefined) return vm.refuseMapWrite(type);
  if (name.length + value.length > vm.limits.maxHeaderBytes || map.names.length >= vm.limits.maxHeaders) {
    vm.countOverflow("header_overflow");
    return WasmResult.BadArgument;
  }
  if (replace) {
    // Not in place: as in Envoy, the new value stands where an added one would.
    map.remove(name);
    map.add(name, value);
  } else map.append(name, value);
  return WasmResult.Ok;
}

export function removeHeaderMapValue(vm: Vm, type: number, keyPtr: number, keyLen: number): WasmResult {
  if (type >>> 0 > MaxMapType) return WasmResult.BadArgument;
  const key = vm.memory.headerName(keyPtr, keyLen);
  if (key === undefined) return WasmResult.InvalidMemoryAccess;
  const map = vm.mutableHeaderMap(type as MapType);
  if (map === undefined) return vm.refuseMapWrite(type);
  map.remove(resolveName(type, key));
  return WasmResult.Ok;
}
