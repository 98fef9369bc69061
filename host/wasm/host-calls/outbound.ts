// HTTP callouts, and the status of the last callout of either kind.
import { WasmResult } from "../abi.ts";
import { PairsError } from "../pairs.ts";
import type { Vm } from "../vm.ts";
import { isHeaderAllowed } from "./headers.ts";

export function httpCall(
  vm: Vm,
  clusterPtr: number,
  clusterLen: number,
  headersPtr: number,
  headersLen: number,
  bodyPtr: number,
  bodyLen: number,
  trailersPtr: number,
  trailersLen: number,
  timeoutMs: number,
  tokenSlot: number,
): WasmResult {
  const { memory, limits } = vm;
  const cluster = memory.latin1(clusterPtr, clusterLen);
  const headers = memory.pairs(headersPtr, headersLen, limits.maxPairsBytes, limits.maxPairs);
  const body = memory.bytes(bodyPtr, bodyLen);
  const trailers = memory.pairs(trailersPtr, trailersLen, limits.maxPairsBytes, limits.maxPairs);
  if (cluster === undefined || headers === undefined || body === undefined || trailers === undefined) {
    return WasmResult.InvalidMemoryAccess;
  }
  // Written before anything is sent, to test the address.
  if (!memory.setU32(tokenSlot, 0)) return WasmResult.InvalidMemoryAccess;
  if (typeof headers === "number" || typeof trailers === "number") {
    const tooLarge = headers === PairsError.TooLarge || trailers === PairsError.TooLarge;
    return tooLarge ? WasmResult.InternalFailure : WasmResult.BadArgument;
  }
  if ((timeoutMs | 0) < 0 || !vm.services.hasCluster(cluster)) return WasmResult.BadArgument;
  const { names, values } = headers;
  for (const required of [":method", ":path", ":authority"]) {
    if (!names.includes(required) && !(required === ":authority" && names.includes("host"))) {
      return WasmResult.BadArgument;
    }
  }
  for (let i = 0; i < names.length; i++) {
    if (names[i] === "host") names[i] = ":authority";
    if (!isHeaderAllowed(names[i], values[i])) return WasmResult.BadArgument;
  }
  const ctx = vm.context;
  const root = ctx.root;
  if (
    body.length > limits.maxHttpCallBodyBytes ||
    ctx.httpCallsInFlight >= limits.maxHttpCallsInFlightPerContext ||
    root.pendingHttpCalls + root.grpcCalls.size >= limits.maxHttpCallsInFlightPerPlugin ||
    (ctx.services !== undefined && ctx.httpCallsStarted >= limits.maxHttpCallsPerStream)
  ) {
    vm.countOverflow("http_call_overflow");
    return WasmResult.InternalFailure;
  }
  const token = root.startHttpCall(ctx, {
    cluster,
    headers: names.map((name, i) => [name, values[i]] as const),
    body,
    trailers: trailers.names.map((name, i) => [name, trailers.values[i]] as const),
    // No timeout means "as long as it takes" to a guest; a call that is never answered would hold its context forever.
    timeoutMs: timeoutMs === 0 ? limits.maxHttpCallTimeoutMs : Math.min(timeoutMs, limits.maxHttpCallTimeoutMs),
  });
  if (token === undefined) return WasmResult.InternalFailure;
  memory.setU32(tokenSlot, token);
  return WasmResult.Ok;
}

/** The status of the last callout, as the root context keeps it. */
export function getStatus(vm: Vm, codeSlot: number, ptrSlot: number, lenSlot: number): WasmResult {
  const root = vm.context.root;
  if (!vm.memory.isRange(codeSlot, 4)) return WasmResult.InvalidMemoryAccess;
  const result = vm.memory.returnLatin1(root.lastStatusMessage, ptrSlot, lenSlot);
  if (result === WasmResult.Ok) vm.memory.setU32(codeSlot, root.lastStatus);
  return result;
}
