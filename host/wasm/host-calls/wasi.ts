// The part of WASI preview1 that language runtimes need to start inside a filter (C++, Rust, TinyGo, Go 1.24 and later), with
// cpp-host's answers: no files, no arguments, standard output to the log. https://github.com/WebAssembly/WASI, preview1.
import { Errno, LogLevel } from "../abi.ts";
import type { Vm } from "../vm.ts";

const STDOUT = 1;
const STDERR = 2;
const MAX_IOVECS = 1024;

export function fdWrite(vm: Vm, fd: number, iovecs: number, count: number, writtenSlot: number): number {
  if (fd !== STDOUT && fd !== STDERR) return Errno.BadFile;
  const { memory } = vm;
  const total = count >>> 0;
  if (!memory.isRange(writtenSlot, 4) || total > MAX_IOVECS || !memory.isRange(iovecs, total * 8)) return Errno.Fault;
  let text = "";
  let written = 0;
  for (let i = 0; i < total; i++) {
    const at = (iovecs >>> 0) + i * 8;
    const len = memory.u32(at + 4) ?? 0;
    // What is too long for the log is counted as written all the same.
    const room = Math.max(0, vm.limits.maxLogLineBytes - text.length);
    const ptr = memory.u32(at) ?? 0;
    if (!memory.isRange(ptr, len)) return Errno.Fault;
    text += memory.latin1(ptr, Math.min(len, room)) ?? "";
    written += len;
  }
  memory.setU32(writtenSlot, written);
  const line = text.replace(/\r?\n$/, "");
  if (written > 0) vm.logGuest(fd === STDOUT ? LogLevel.Info : LogLevel.Error, line);
  return Errno.Success;
}

export function fdPwrite(vm: Vm, fd: number, iovecs: number, count: number, _offset: bigint, writtenSlot: number): number {
  return fdWrite(vm, fd, iovecs, count, writtenSlot);
}

/** Ends the guest here: its next instruction would be unreachable anyway. */
export function procExit(vm: Vm, code: number): never {
  vm.exitGuest(`proc_exit(${code})`);
}

export function environSizesGet(vm: Vm, countSlot: number, bytesSlot: number): number {
  const environment = vm.environment;
  let bytes = 0;
  for (const entry of environment) bytes += entry.length;
  if (!vm.memory.setU32(countSlot, environment.length) || !vm.memory.setU32(bytesSlot, bytes)) return Errno.Fault;
  return Errno.Success;
}

export function environGet(vm: Vm, pointers: number, buffer: number): number {
  let slot = pointers >>> 0;
  let at = buffer >>> 0;
  for (const entry of vm.environment) {
    if (!vm.memory.setU32(slot, at) || !vm.memory.setBytes(at, entry)) return Errno.Fault;
    slot += 4;
    at += entry.length;
  }
  return Errno.Success;
}

export function argsSizesGet(vm: Vm, countSlot: number, bytesSlot: number): number {
  return vm.memory.setU32(countSlot, 0) && vm.memory.setU32(bytesSlot, 0) ? Errno.Success : Errno.Fault;
}

export function argsGet(_vm: Vm, _pointers: number, _buffer: number): number {
  return Errno.Success;
}

export function clockTimeGet(vm: Vm, id: number, _precision: bigint, slot: number): number {
  if (id !== 0 && id !== 1) return Errno.NotSupported;
  const ns = id === 0 ? vm.services.wallClockNs() : vm.services.monotonicNs();
  return vm.memory.setU64(slot, ns) ? Errno.Success : Errno.Fault;
}

export function clockResGet(vm: Vm, id: number, slot: number): number {
  if (id !== 0 && id !== 1) return Errno.NotSupported;
  return vm.memory.setU64(slot, 1n) ? Errno.Success : Errno.Fault;
}

export function randomGet(vm: Vm, ptr: number, len: number): number {
  if (len >>> 0 > 65536) return Errno.Invalid;
  return vm.memory.fillWith(ptr, len, (target) => vm.services.fillRandom(target)) ? Errno.Success : Errno.Fault;
}

/** 1 and 2 are character devices that may be written (rights bit 6). */
export function fdFdstatGet(vm: Vm, fd: number, slot: number): number {
  if (fd !== STDOUT && fd !== STDERR) return Errno.BadFile;
  if (!vm.memory.zero(slot, 24)) return Errno.Fault;
  vm.memory.setU64((slot >>> 0) + 8, 64n);
  return Errno.Success;
}

/** No events and success: Go's runtime gives up on any error here. */
export function pollOneoff(vm: Vm, _in: number, _out: number, _count: number, eventsSlot: number): number {
  return vm.memory.setU32(eventsSlot, 0) ? Errno.Success : Errno.Fault;
}

export function succeed(): number {
  return Errno.Success;
}

export function badFile(): number {
  return Errno.BadFile;
}

export function noSystemCall(): number {
  return Errno.NoSystemCall;
}

export function noEntry(): number {
  return Errno.NoEntry;
}

export function notSupported(): number {
  return Errno.NotSupported;
}

/** fd_sync and its like: nothing to do for the two descriptors there are. */
export function standardOnly(_vm: Vm, fd: number): number {
  return fd === STDOUT || fd === STDERR ? Errno.Success : Errno.BadFile;
}

export function standardNotSupported(_vm: Vm, fd: number): number {
  return fd === STDOUT || fd === STDERR ? Errno.NotSupported : Errno.BadFile;
}

export function fdTell(vm: Vm, fd: number, slot: number): number {
  if (fd !== STDOUT && fd !== STDERR) return Errno.BadFile;
  return vm.memory.setU64(slot, 0n) ? Errno.Success : Errno.Fault;
}

export function fdReaddir(vm: Vm, _fd: number, _buffer: number, _len: number, _cookie: bigint, usedSlot: number): number {
  return vm.memory.setU32(usedSlot, 0) ? Errno.NotDirectory : Errno.Fault;
}

export function pathReadlink(
  vm: Vm,
  _fd: number,
  _path: number,
  _pathLen: number,
  _buffer: number,
  _len: number,
  usedSlot: number,
): number {
  return vm.memory.setU32(usedSlot, 0) ? Errno.NotSupported : Errno.Fault;
}

export function sockAccept(vm: Vm, _fd: number, _flags: number, slot: number): number {
  return vm.memory.setU32(slot, 0) ? Errno.NotSupported : Errno.Fault;
}

export function sockRecv(
  vm: Vm,
  _fd: number,
  _iovecs: number,
  _count: number,
  _flags: number,
  sizeSlot: number,
  flagsSlot: number,
): number {
  return vm.memory.setU32(sizeSlot, 0) && vm.memory.setU32(flagsSlot, 0) ? Errno.NotSupported : Errno.Fault;
}

export function sockSend(vm: Vm, _fd: number, _iovecs: number, _count: number, _flags: number, sizeSlot: number): number {
  return vm.memory.setU32(sizeSlot, 0) ? Errno.NotSupported : Errno.Fault;
}
