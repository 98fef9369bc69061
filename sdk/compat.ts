// Names and signatures of `@solo-io/proxy-runtime` 0.1, so that filters written for it compile when only their import paths
// change: `"sluice/sdk/compat"` for the classes and functions, `"sluice/sdk/compat/proxy"` for the callbacks.
// What trapped there on a refused host call answers an empty value or a status here.

export {
  FilterDataStatus as FilterDataStatusValues,
  FilterHeadersStatus as FilterHeadersStatusValues,
  FilterTrailersStatus as FilterTrailersStatusValues,
  WasmResult as WasmResultValues,
} from "./abi";
export { Context, registerRootContext, RootContext } from "./compat/contexts";
export {
  BufferTypeValues,
  FilterMetadataStatusValues,
  FilterStatusValues,
  GrpcStatusValues,
  LogLevelValues,
  PeerTypeValues,
} from "./compat/enums";
export {
  call_foreign_function,
  continue_request,
  continue_response,
  Counter,
  dequeue_shared_queue,
  DequeueSharedQueueResult,
  enqueue_shared_queue,
  Gauge,
  get_buffer_bytes,
  get_current_time_nanoseconds,
  get_property,
  get_shared_data,
  GetSharedData,
  Histogram,
  log,
  proxy_set_effective_context,
  register_shared_queue,
  resolve_shared_queue,
  send_local_response,
  set_property,
  set_shared_data,
  set_tick_period_milliseconds,
  TokenSharedQueueResult,
} from "./compat/functions";
export { HeaderPair, Headers, makeHeaderPair, stream_context } from "./compat/header-pairs";
export { Context as BaseContext } from "./context";
