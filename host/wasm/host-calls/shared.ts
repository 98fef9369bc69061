// Shared data, shared queues and metrics: state that outlives a stream. The stores are shared by all workers.
import { MetricType, WasmResult } from "../abi.ts";
import { QueueResult } from "../shared-queue.ts";
import type { Vm } from "../vm.ts";

export function getSharedData(vm: Vm, keyPtr: number, keyLen: number, ptrSlot: number, lenSlot: number, casSlot: number): WasmResult {
  const key = vm.memory.latin1(keyPtr, keyLen);
  if (key === undefined || !vm.memory.isRange(casSlot, 4)) return WasmResult.InvalidMemoryAccess;
  const found = vm.services.sharedData.get(vm.vmId, key);
  if (found === undefined) return WasmResult.NotFound;
  // The copy is made before the guest's allocator runs: the store's lock is not held while guest code does.
  const { cas } = found;
  const result = vm.memory.returnBytes(found.value, ptrSlot, lenSlot);
  if (result === WasmResult.Ok) vm.memory.setU32(casSlot, cas);
  return result;
}

export function setSharedData(vm: Vm, keyPtr: number, keyLen: number, valuePtr: number, valueLen: number, cas: number): WasmResult {
  const key = vm.memory.latin1(keyPtr, keyLen);
  const value = vm.memory.bytes(valuePtr, valueLen);
  if (key === undefined || value === undefined) return WasmResult.InvalidMemoryAccess;
  const result = vm.services.sharedData.set(vm.vmId, key, value, cas >>> 0);
  // Over the quota. CasMismatch would send a guest's retry loop round for ever.
  if (result === WasmResult.InternalFailure) vm.countOverflow("shared_data_overflow");
  return result;
}

export function registerSharedQueue(vm: Vm, namePtr: number, nameLen: number, idSlot: number): WasmResult {
  const name = vm.memory.latin1(namePtr, nameLen);
  if (name === undefined || !vm.memory.isRange(idSlot, 4)) return WasmResult.InvalidMemoryAccess;
  const root = vm.context.root;
  const id = vm.registerQueue(root, name);
  if (id === undefined) {
    vm.countOverflow("shared_queue_overflow");
    return WasmResult.InternalFailure;
  }
  vm.memory.setU32(idSlot, id);
  return WasmResult.Ok;
}

export function resolveSharedQueue(vm: Vm, vmIdPtr: number, vmIdLen: number, namePtr: number, nameLen: number, idSlot: number): WasmResult {
  const vmId = vm.memory.latin1(vmIdPtr, vmIdLen);
  const name = vm.memory.latin1(namePtr, nameLen);
  if (vmId === undefined || name === undefined || !vm.memory.isRange(idSlot, 4)) {
    return WasmResult.InvalidMemoryAccess;
  }
  const id = vm.services.sharedQueues.resolve(vmId === "" ? vm.vmId : vmId, name);
  if (id === undefined) return WasmResult.NotFound;
  vm.memory.setU32(idSlot, id);
  return WasmResult.Ok;
}

export function enqueueSharedQueue(vm: Vm, id: number, ptr: number, len: number): WasmResult {
  const item = vm.memory.bytes(ptr, len);
  if (item === undefined) return WasmResult.InvalidMemoryAccess;
  const result = vm.services.sharedQueues.enqueue(id >>> 0, item);
  if (result === QueueResult.Full) {
    // The only failure that every SDK turns into an error value.
    vm.countOverflow("shared_queue_overflow");
    return WasmResult.NotFound;
  }
  if (result === QueueResult.NotFound) return WasmResult.NotFound;
  vm.notifyQueue(id >>> 0);
  return WasmResult.Ok;
}

export function dequeueSharedQueue(vm: Vm, id: number, ptrSlot: number, lenSlot: number): WasmResult {
  // Looked at first: an item that could not be handed over would be lost.
  if (!vm.memory.isRange(ptrSlot, 4) || !vm.memory.isRange(lenSlot, 4)) return WasmResult.InvalidMemoryAccess;
  const item = vm.services.sharedQueues.dequeue(id >>> 0);
  if (item === QueueResult.NotFound) return WasmResult.NotFound;
  if (item === QueueResult.Empty) return WasmResult.Empty;
  return vm.memory.returnBytes(item, ptrSlot, lenSlot);
}

export function defineMetric(vm: Vm, type: number, namePtr: number, nameLen: number, idSlot: number): WasmResult {
  if (type >>> 0 > MetricType.Histogram) return WasmResult.BadArgument;
  const name = vm.memory.latin1(namePtr, nameLen);
  if (name === undefined || !vm.memory.isRange(idSlot, 4)) return WasmResult.InvalidMemoryAccess;
  const id = vm.metrics.define(type as MetricType, name);
  if (id === undefined) {
    vm.countOverflow("metric_overflow");
    return WasmResult.InternalFailure;
  }
  vm.memory.setU32(idSlot, id);
  return WasmResult.Ok;
}

export function incrementMetric(vm: Vm, id: number, offset: bigint): WasmResult {
  return vm.metrics.increment(id >>> 0, Number(offset));
}

export function recordMetric(vm: Vm, id: number, value: bigint): WasmResult {
  return vm.metrics.record(id >>> 0, Number(BigInt.asUintN(64, value)));
}

export function getMetric(vm: Vm, id: number, valueSlot: number): WasmResult {
  if (!vm.memory.isRange(valueSlot, 8)) return WasmResult.InvalidMemoryAccess;
  const value = vm.metrics.value(id >>> 0);
  if (typeof value !== "bigint") return value;
  vm.memory.setU64(valueSlot, value);
  return WasmResult.Ok;
}
