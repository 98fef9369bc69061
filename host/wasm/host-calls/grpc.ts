// gRPC calls and streams: arguments read and checked, limits applied; grpc-calls.ts keeps what was started.
import { TokenKind, TokenStep, WasmResult } from "../abi.ts";
import { isMetadataAllowed, metadataValue, readGrpcService } from "../grpc-service.ts";
import { PairsError } from "../pairs.ts";
import type { Vm } from "../vm.ts";

const NoMessage = new Uint8Array(0);

export function grpcCall(
  vm: Vm,
  upstreamPtr: number,
  upstreamLen: number,
  servicePtr: number,
  serviceLen: number,
  methodPtr: number,
  methodLen: number,
  metadataPtr: number,
  metadataLen: number,
  messagePtr: number,
  messageLen: number,
  timeoutMs: number,
  tokenSlot: number,
): WasmResult {
  const message = vm.memory.bytes(messagePtr, messageLen);
  if (message === undefined) return WasmResult.InvalidMemoryAccess;
  const { maxHttpCallTimeoutMs: most } = vm.limits;
  // Without a timeout an answer that never comes would be waited for without end.
  const timeout = timeoutMs === 0 ? most : Math.min(timeoutMs >>> 0, most);
  return start(
    vm,
    upstreamPtr,
    upstreamLen,
    servicePtr,
    serviceLen,
    methodPtr,
    methodLen,
    metadataPtr,
    metadataLen,
    message,
    timeout,
    timeoutMs >>> 0,
    tokenSlot,
  );
}

export function grpcStream(
  vm: Vm,
  upstreamPtr: number,
  upstreamLen: number,
  servicePtr: number,
  serviceLen: number,
  methodPtr: number,
  methodLen: number,
  metadataPtr: number,
  metadataLen: number,
  tokenSlot: number,
): WasmResult {
  return start(
    vm,
    upstreamPtr,
    upstreamLen,
    servicePtr,
    serviceLen,
    methodPtr,
    methodLen,
    metadataPtr,
    metadataLen,
    undefined,
    0,
    0,
    tokenSlot,
  );
}

/** Without a message: a stream. `announcedMs` is what the peer is told of the deadline, 0 for nothing. */
function start(
  vm: Vm,
  upstreamPtr: number,
  upstreamLen: number,
  servicePtr: number,
  serviceLen: number,
  methodPtr: number,
  methodLen: number,
  metadataPtr: number,
  metadataLen: number,
  message: Uint8Array | undefined,
  timeoutMs: number,
  announcedMs: number,
  tokenSlot: number,
): WasmResult {
  const { memory, limits } = vm;
  const upstream = memory.bytes(upstreamPtr, upstreamLen);
  const service = memory.latin1(servicePtr, serviceLen);
  const method = memory.latin1(methodPtr, methodLen);
  const metadata = memory.pairs(metadataPtr, metadataLen, limits.maxPairsBytes, limits.maxPairs);
  if (upstream === undefined || service === undefined || method === undefined || metadata === undefined) {
    return WasmResult.InvalidMemoryAccess;
  }
  // Written before anything is sent, to test the address.
  if (!memory.setU32(tokenSlot, 0)) return WasmResult.InvalidMemoryAccess;
  if (typeof metadata === "number") return metadata === PairsError.TooLarge ? WasmResult.InternalFailure : WasmResult.BadArgument;
  const target = readGrpcService(vm, upstream);
  if (typeof target === "number") return target;
  const { names, values } = metadata;
  if (!isMethodAllowed(service) || !isMethodAllowed(method)) return WasmResult.BadArgument;
  for (let i = 0; i < names.length; i++) {
    values[i] = metadataValue(names[i], values[i]);
    if (!isMetadataAllowed(names[i], values[i])) return WasmResult.BadArgument;
  }
  const ctx = vm.context;
  const { root } = ctx;
  if (
    (message ?? NoMessage).length > limits.maxGrpcMessageBytes ||
    ctx.httpCallsInFlight >= limits.maxHttpCallsInFlightPerContext ||
    root.pendingHttpCalls + root.grpcCalls.size >= limits.maxHttpCallsInFlightPerPlugin ||
    (ctx.services !== undefined && ctx.httpCallsStarted >= limits.maxHttpCallsPerStream)
  ) {
    vm.countOverflow("grpc_call_overflow");
    return WasmResult.InternalFailure;
  }
  const token = root.grpcCalls.start(
    ctx,
    {
      ...target,
      service,
      method,
      metadata: [...target.metadata, ...names.map((name, i) => [name, values[i]] as const)],
      timeoutMs,
      announcedMs,
      maxBufferedBytes: limits.maxGrpcBufferedBytes,
    },
    message,
  );
  if (token === undefined) return WasmResult.InternalFailure;
  memory.setU32(tokenSlot, token);
  return WasmResult.Ok;
}

/** Part of the path: visible characters only. */
function isMethodAllowed(name: string): boolean {
  return /^[\x21-\x7e]*$/.test(name) && name.length <= 1024;
}

export function grpcSend(vm: Vm, token: number, ptr: number, len: number, endStream: number): WasmResult {
  const message = vm.memory.bytes(ptr, len);
  if (message === undefined) return WasmResult.InvalidMemoryAccess;
  if (token % TokenStep !== TokenKind.GrpcStream) return WasmResult.BadArgument;
  if (message.length > vm.limits.maxGrpcMessageBytes) {
    vm.countOverflow("grpc_send_overflow");
    return WasmResult.InternalFailure;
  }
  return vm.context.root.grpcCalls.send(token, message, endStream !== 0);
}

export function grpcClose(vm: Vm, token: number): WasmResult {
  return isGrpcToken(token) ? vm.context.root.grpcCalls.close(token) : WasmResult.BadArgument;
}

export function grpcCancel(vm: Vm, token: number): WasmResult {
  return isGrpcToken(token) ? vm.context.root.grpcCalls.cancel(token) : WasmResult.BadArgument;
}

function isGrpcToken(token: number): boolean {
  const kind = token % TokenStep;
  return kind === TokenKind.GrpcCall || kind === TokenKind.GrpcStream;
}
