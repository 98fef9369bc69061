// The table of everything a guest can import: one row a function. Linking, signature checks, capability restriction, phase
// restriction and the generated tests all read it; a new host call is a handler and a row here.
import { type AbiVersion, Errno, WasmResult } from "../abi.ts";
import * as buffers from "./buffers.ts";
import * as grpc from "./grpc.ts";
import * as headers from "./headers.ts";
import { AllowedIn, type HostCall, type HostCallHandler } from "./host-call.ts";
import * as language from "./language.ts";
import * as outbound from "./outbound.ts";
import * as runtime from "./runtime.ts";
import * as shared from "./shared.ts";
import * as streams from "./streams.ts";
import * as wasi from "./wasi.ts";

const ALL: readonly AbiVersion[] = ["0.1.0", "0.2.0", "0.2.1"];
const V01: readonly AbiVersion[] = ["0.1.0"];
const V02: readonly AbiVersion[] = ["0.2.0", "0.2.1"];
const V021: readonly AbiVersion[] = ["0.2.1"];
const { Callbacks, StartAndAllocator, Start } = AllowedIn;

function proxy(
  params: string,
  versions: readonly AbiVersion[],
  allowedIn: AllowedIn,
  handler: HostCallHandler,
  resultOptional = false,
): HostCall {
  return { params, result: "i", resultOptional, versions, allowedIn, denied: WasmResult.InternalFailure, handler };
}

function wasiCall(params: string, allowedIn: AllowedIn, handler: HostCallHandler, result = "i"): HostCall {
  return { params, result, resultOptional: false, versions: ALL, allowedIn, denied: Errno.NotCapable, handler };
}

function languageCall(params: string, result: string, handler: HostCallHandler): HostCall {
  return { params, result, resultOptional: false, versions: [], allowedIn: StartAndAllocator, denied: 0, handler };
}

export const ProxyCalls: Readonly<Record<string, HostCall>> = Object.freeze({
  proxy_log: proxy("iii", ALL, StartAndAllocator, runtime.log),
  proxy_get_log_level: proxy("i", V021, StartAndAllocator, runtime.getLogLevel),
  proxy_get_current_time_nanoseconds: proxy("i", ALL, Start, runtime.getCurrentTimeNanoseconds),
  proxy_set_tick_period_milliseconds: proxy("i", ALL, Callbacks, runtime.setTickPeriodMilliseconds),
  proxy_get_status: proxy("iii", ALL, Callbacks, outbound.getStatus),
  proxy_set_effective_context: proxy("i", ALL, Callbacks, runtime.setEffectiveContext),
  proxy_done: proxy("", ALL, Callbacks, runtime.done),
  proxy_call_foreign_function: proxy("iiiiii", ALL, Callbacks, runtime.callForeignFunction),
  proxy_get_property: proxy("iiii", ALL, Callbacks, runtime.getProperty),
  proxy_set_property: proxy("iiii", ALL, Callbacks, runtime.setProperty),
  proxy_get_configuration: proxy("ii", V01, Callbacks, buffers.getConfiguration),
  proxy_get_buffer_bytes: proxy("iiiii", ALL, Callbacks, buffers.getBufferBytes),
  proxy_get_buffer_status: proxy("iii", ALL, Callbacks, buffers.getBufferStatus),
  proxy_set_buffer_bytes: proxy("iiiii", ALL, Callbacks, buffers.setBufferBytes),
  proxy_get_header_map_size: proxy("ii", ALL, Callbacks, headers.getHeaderMapSize),
  proxy_get_header_map_pairs: proxy("iii", ALL, Callbacks, headers.getHeaderMapPairs),
  proxy_set_header_map_pairs: proxy("iii", ALL, Callbacks, headers.setHeaderMapPairs),
  proxy_get_header_map_value: proxy("iiiii", ALL, Callbacks, headers.getHeaderMapValue),
  proxy_add_header_map_value: proxy("iiiii", ALL, Callbacks, headers.addHeaderMapValue),
  proxy_replace_header_map_value: proxy("iiiii", ALL, Callbacks, headers.replaceHeaderMapValue),
  proxy_remove_header_map_value: proxy("iii", ALL, Callbacks, headers.removeHeaderMapValue),
  proxy_continue_stream: proxy("i", V02, Callbacks, streams.continueStream),
  proxy_close_stream: proxy("i", V02, Callbacks, streams.closeStream),
  proxy_continue_request: proxy("", V01, Callbacks, streams.continueRequest, true),
  proxy_continue_response: proxy("", V01, Callbacks, streams.continueResponse, true),
  proxy_clear_route_cache: proxy("", V01, Callbacks, streams.clearRouteCache, true),
  proxy_send_local_response: proxy("iiiiiiii", ALL, Callbacks, streams.sendLocalResponse),
  proxy_http_call: proxy("iiiiiiiiii", ALL, Callbacks, outbound.httpCall),
  proxy_grpc_call: proxy("iiiiiiiiiiii", ALL, Callbacks, grpc.grpcCall),
  proxy_grpc_stream: proxy("iiiiiiiii", ALL, Callbacks, grpc.grpcStream),
  proxy_grpc_send: proxy("iiii", ALL, Callbacks, grpc.grpcSend),
  proxy_grpc_cancel: proxy("i", ALL, Callbacks, grpc.grpcCancel),
  proxy_grpc_close: proxy("i", ALL, Callbacks, grpc.grpcClose),
  proxy_get_shared_data: proxy("iiiii", ALL, Callbacks, shared.getSharedData),
  proxy_set_shared_data: proxy("iiiii", ALL, Callbacks, shared.setSharedData),
  proxy_register_shared_queue: proxy("iii", ALL, Callbacks, shared.registerSharedQueue),
  proxy_resolve_shared_queue: proxy("iiiii", ALL, Callbacks, shared.resolveSharedQueue),
  proxy_enqueue_shared_queue: proxy("iii", ALL, Callbacks, shared.enqueueSharedQueue),
  proxy_dequeue_shared_queue: proxy("iii", ALL, Callbacks, shared.dequeueSharedQueue),
  proxy_define_metric: proxy("iiii", ALL, Callbacks, shared.defineMetric),
  proxy_increment_metric: proxy("ij", ALL, Callbacks, shared.incrementMetric),
  proxy_record_metric: proxy("ij", ALL, Callbacks, shared.recordMetric),
  proxy_get_metric: proxy("ii", ALL, Callbacks, shared.getMetric),
});

export const WasiCalls: Readonly<Record<string, HostCall>> = Object.freeze({
  fd_write: wasiCall("iiii", StartAndAllocator, wasi.fdWrite),
  fd_pwrite: wasiCall("iiiji", StartAndAllocator, wasi.fdPwrite),
  proc_exit: wasiCall("i", StartAndAllocator, wasi.procExit, ""),
  environ_sizes_get: wasiCall("ii", Start, wasi.environSizesGet),
  environ_get: wasiCall("ii", Start, wasi.environGet),
  args_sizes_get: wasiCall("ii", Start, wasi.argsSizesGet),
  args_get: wasiCall("ii", Start, wasi.argsGet),
  clock_time_get: wasiCall("iji", StartAndAllocator, wasi.clockTimeGet),
  clock_res_get: wasiCall("ii", Start, wasi.clockResGet),
  random_get: wasiCall("ii", Start, wasi.randomGet),
  fd_close: wasiCall("i", Start, wasi.succeed),
  fd_fdstat_get: wasiCall("ii", Start, wasi.fdFdstatGet),
  fd_fdstat_set_flags: wasiCall("ii", Start, wasi.noSystemCall),
  fd_prestat_get: wasiCall("ii", Start, wasi.badFile),
  fd_prestat_dir_name: wasiCall("iii", Start, wasi.noSystemCall),
  poll_oneoff: wasiCall("iiii", StartAndAllocator, wasi.pollOneoff),
  // Go's scheduler yields when its allocator has to wait.
  sched_yield: wasiCall("", StartAndAllocator, wasi.succeed),
  fd_seek: wasiCall("ijii", Start, wasi.succeed),
  fd_read: wasiCall("iiii", Start, wasi.noSystemCall),
  fd_pread: wasiCall("iiiji", Start, wasi.noSystemCall),
  fd_filestat_get: wasiCall("ii", Start, wasi.badFile),
  fd_advise: wasiCall("ijji", Start, wasi.succeed),
  fd_allocate: wasiCall("ijj", Start, wasi.standardOnly),
  fd_datasync: wasiCall("i", Start, wasi.standardOnly),
  fd_sync: wasiCall("i", Start, wasi.standardOnly),
  fd_fdstat_set_rights: wasiCall("ijj", Start, wasi.standardOnly),
  fd_filestat_set_size: wasiCall("ij", Start, wasi.standardOnly),
  fd_filestat_set_times: wasiCall("ijji", Start, wasi.standardOnly),
  fd_readdir: wasiCall("iiiji", Start, wasi.fdReaddir),
  fd_renumber: wasiCall("ii", Start, wasi.standardNotSupported),
  fd_tell: wasiCall("ii", Start, wasi.fdTell),
  path_open: wasiCall("iiiiijjii", Start, wasi.noEntry),
  path_filestat_get: wasiCall("iiiii", Start, wasi.notSupported),
  path_filestat_set_times: wasiCall("iiiijji", Start, wasi.notSupported),
  path_create_directory: wasiCall("iii", Start, wasi.notSupported),
  path_link: wasiCall("iiiiiii", Start, wasi.notSupported),
  path_readlink: wasiCall("iiiiii", Start, wasi.pathReadlink),
  path_remove_directory: wasiCall("iii", Start, wasi.notSupported),
  path_rename: wasiCall("iiiiii", Start, wasi.notSupported),
  path_symlink: wasiCall("iiiii", Start, wasi.notSupported),
  path_unlink_file: wasiCall("iii", Start, wasi.notSupported),
  sock_accept: wasiCall("iii", Start, wasi.sockAccept),
  sock_recv: wasiCall("iiiiii", Start, wasi.sockRecv),
  sock_send: wasiCall("iiiii", Start, wasi.sockSend),
  sock_shutdown: wasiCall("ii", Start, wasi.notSupported),
});

export const LanguageCalls: Readonly<Record<string, HostCall>> = Object.freeze({
  abort: languageCall("iiii", "", language.abort),
  trace: languageCall("iiddddd", "", language.trace),
  "console.log": languageCall("i", "", language.consoleLog),
  seed: languageCall("", "d", language.seed),
  "Date.now": languageCall("", "d", language.dateNow),
  "performance.now": languageCall("", "d", language.performanceNow),
  emscripten_notify_memory_growth: languageCall("i", "", language.notifyMemoryGrowth),
  pthread_equal: languageCall("ii", "i", language.pthreadEqual),
});

/** Modules of 2020 import WASI under its older name. */
const WASI_MODULES: readonly string[] = ["wasi_snapshot_preview1", "wasi_unstable"];

export function findHostCall(module: string, name: string): HostCall | undefined {
  if (module === "env") return ownRow(ProxyCalls, name) ?? ownRow(LanguageCalls, name);
  return WASI_MODULES.includes(module) ? ownRow(WasiCalls, name) : undefined;
}

/** Names come from the module: an inherited property must not pass for a row. */
function ownRow(table: Readonly<Record<string, HostCall>>, name: string): HostCall | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
