// Stream control: continue, close, local responses, route cache. Everything here is carried out after the outermost guest
// call has returned (cpp-host's addAfterVmCallAction): the guest may not be entered from inside one of its own calls.
import { StreamType, WasmResult } from "../abi.ts";
import { DeferredKind } from "../deferred.ts";
import { PairsError } from "../pairs.ts";
import type { Vm } from "../vm.ts";
import { isHeaderAllowed } from "./headers.ts";

export function continueStream(vm: Vm, type: number): WasmResult {
  if (type >>> 0 > StreamType.Upstream) return WasmResult.BadArgument;
  // The write path has nothing to resume: what is held goes on with the next bytes, as in Envoy.
  if (type === StreamType.Upstream) return WasmResult.Unimplemented;
  const ctx = vm.context;
  if (ctx.services === undefined) return WasmResult.Ok;
  // Inside a callback of the same direction the callback's own result becomes Continue: one step instead of two.
  if (ctx === vm.current && vm.direction === type) vm.continueRequested = true;
  else vm.defer(DeferredKind.ContinueStream, ctx, type, undefined);
  return WasmResult.Ok;
}

export function closeStream(vm: Vm, type: number): WasmResult {
  if (type >>> 0 > StreamType.Upstream) return WasmResult.BadArgument;
  const ctx = vm.context;
  if (ctx.services !== undefined) vm.defer(DeferredKind.CloseStream, ctx, type, undefined);
  return WasmResult.Ok;
}

export function continueRequest(vm: Vm): WasmResult {
  return continueStream(vm, StreamType.HttpRequest);
}

export function continueResponse(vm: Vm): WasmResult {
  return continueStream(vm, StreamType.HttpResponse);
}

export function clearRouteCache(vm: Vm): WasmResult {
  vm.context.services?.clearRouteCache();
  return WasmResult.Ok;
}

/** Always Ok for readable arguments, as cpp-host: a call that cannot be honoured is logged, not answered with a status. */
export function sendLocalResponse(
  vm: Vm,
  status: number,
  detailsPtr: number,
  detailsLen: number,
  bodyPtr: number,
  bodyLen: number,
  headersPtr: number,
  headersLen: number,
  grpcStatus: number,
): WasmResult {
  const details = vm.memory.latin1(detailsPtr, detailsLen);
  const body = vm.memory.latin1(bodyPtr, bodyLen);
  const pairs = vm.memory.pairs(headersPtr, headersLen, vm.limits.maxPairsBytes, vm.limits.maxPairs);
  if (details === undefined || body === undefined || pairs === undefined) return WasmResult.InvalidMemoryAccess;
  const ctx = vm.context;
  if (ctx.services === undefined) {
    vm.warn("proxy_send_local_response on a context without a stream has no effect");
    return WasmResult.Ok;
  }
  if (!ctx.services.canReply) return WasmResult.Ok;
  if (vm.localResponseSent && ctx === vm.current) {
    vm.warn("a second proxy_send_local_response in one callback has no effect");
    return WasmResult.Ok;
  }
  const headers: [string, string][] = [];
  if (pairs !== PairsError.Malformed && pairs !== PairsError.TooLarge) {
    for (let i = 0; i < pairs.names.length; i++) {
      const name = pairs.names[i];
      // The status argument wins; other pseudo headers have no place in a response.
      if (name.charCodeAt(0) !== 0x3a && isHeaderAllowed(name, pairs.values[i])) headers.push([name, pairs.values[i]]);
    }
  }
  if (ctx === vm.current) vm.localResponseSent = true;
  vm.defer(DeferredKind.LocalResponse, ctx, 0, {
    status: status >= 200 && status <= 599 ? status : 500,
    details: details.replaceAll(" ", "_"),
    body,
    headers,
    grpcStatus: grpcStatus >= 0 && grpcStatus <= 16 ? grpcStatus : undefined,
  });
  return WasmResult.Ok;
}
