// The table of callbacks that a host may call in a module (proxy-wasm 0.2.1 with what 0.1.0 differs in), and their resolution
// to functions once for each VM. A callback that is not exported, or that capability restriction denies, is skipped.
import type { AbiVersion } from "./abi.ts";
import type { EngineInstance, GuestFunction } from "./engine.ts";

interface GuestCall {
  readonly export: string;
  readonly params: number;
  /** Where 0.1.0 has fewer parameters. */
  readonly params01?: number;
  readonly result: boolean;
}

const Table = {
  onContextCreate: { export: "proxy_on_context_create", params: 2, result: false },
  onVmStart: { export: "proxy_on_vm_start", params: 2, result: true },
  onConfigure: { export: "proxy_on_configure", params: 2, result: true },
  onTick: { export: "proxy_on_tick", params: 1, result: false },
  onQueueReady: { export: "proxy_on_queue_ready", params: 2, result: false },
  onRequestHeaders: { export: "proxy_on_request_headers", params: 3, params01: 2, result: true },
  onRequestBody: { export: "proxy_on_request_body", params: 3, result: true },
  onRequestTrailers: { export: "proxy_on_request_trailers", params: 2, result: true },
  onResponseHeaders: { export: "proxy_on_response_headers", params: 3, params01: 2, result: true },
  onResponseBody: { export: "proxy_on_response_body", params: 3, result: true },
  onResponseTrailers: { export: "proxy_on_response_trailers", params: 2, result: true },
  onNewConnection: { export: "proxy_on_new_connection", params: 1, result: true },
  onDownstreamData: { export: "proxy_on_downstream_data", params: 3, result: true },
  onUpstreamData: { export: "proxy_on_upstream_data", params: 3, result: true },
  onDownstreamConnectionClose: { export: "proxy_on_downstream_connection_close", params: 2, result: false },
  onUpstreamConnectionClose: { export: "proxy_on_upstream_connection_close", params: 2, result: false },
  onHttpCallResponse: { export: "proxy_on_http_call_response", params: 5, result: false },
  onGrpcReceiveInitialMetadata: { export: "proxy_on_grpc_receive_initial_metadata", params: 3, result: false },
  onGrpcReceive: { export: "proxy_on_grpc_receive", params: 3, result: false },
  onGrpcReceiveTrailingMetadata: { export: "proxy_on_grpc_receive_trailing_metadata", params: 3, result: false },
  onGrpcClose: { export: "proxy_on_grpc_close", params: 3, result: false },
  onDone: { export: "proxy_on_done", params: 1, result: true },
  onLog: { export: "proxy_on_log", params: 1, result: false },
  onDelete: { export: "proxy_on_delete", params: 1, result: false },
} as const satisfies Record<string, GuestCall>;

export type GuestCallName = keyof typeof Table;
export type GuestCalls = { readonly [Name in GuestCallName]: GuestFunction | undefined };

export function resolveGuestCalls(instance: EngineInstance, allows: (name: string) => boolean): GuestCalls {
  const find = (name: GuestCallName): GuestFunction | undefined => {
    const exported = Table[name].export;
    return allows(exported) ? instance.exportedFunction(exported) : undefined;
  };
  return {
    onContextCreate: find("onContextCreate"),
    onVmStart: find("onVmStart"),
    onConfigure: find("onConfigure"),
    onTick: find("onTick"),
    onQueueReady: find("onQueueReady"),
    onRequestHeaders: find("onRequestHeaders"),
    onRequestBody: find("onRequestBody"),
    onRequestTrailers: find("onRequestTrailers"),
    onResponseHeaders: find("onResponseHeaders"),
    onResponseBody: find("onResponseBody"),
    onResponseTrailers: find("onResponseTrailers"),
    onNewConnection: find("onNewConnection"),
    onDownstreamData: find("onDownstreamData"),
    onUpstreamData: find("onUpstreamData"),
    onDownstreamConnectionClose: find("onDownstreamConnectionClose"),
    onUpstreamConnectionClose: find("onUpstreamConnectionClose"),
    onHttpCallResponse: find("onHttpCallResponse"),
    onGrpcReceiveInitialMetadata: find("onGrpcReceiveInitialMetadata"),
    onGrpcReceive: find("onGrpcReceive"),
    onGrpcReceiveTrailingMetadata: find("onGrpcReceiveTrailingMetadata"),
    onGrpcClose: find("onGrpcClose"),
    onDone: find("onDone"),
    onLog: find("onLog"),
    onDelete: find("onDelete"),
  };
}

/** What is wrong with the signature under which a module exports a callback, or undefined. */
export function checkCallbackSignature(name: string, signature: string, version: AbiVersion): string | undefined {
  const call = Object.values<GuestCall>(Table).find((candidate) => candidate.export === name);
  if (call === undefined) return undefined;
  const expected = callbackSignature(call.params, call.result);
  if (signature === expected) return undefined;
  // Modules of 0.1.0 have either count: SDKs changed before the marker did. Surplus arguments are dropped by the engine.
  const older = call.params01 === undefined ? undefined : callbackSignature(call.params01, call.result);
  if (version === "0.1.0" && signature === older) return undefined;
  return `${name} has signature "${signature}", expected "${expected}"`;
}

function callbackSignature(params: number, hasResult: boolean): string {
  return `${"i32 ".repeat(params)}-> ${hasResult ? "i32" : ""}`.trim();
}
