// Every host function of the proxy-wasm ABI 0.2.1 as an import declaration, and nothing else.
// An import that a filter does not reach is not emitted, so a module imports exactly what it uses.
// All parameters are byte ranges (pointer, size) or numbers; all results are a `WasmResult`.
// `returnPtr`/`returnSize` are addresses of slots in which the host stores the answer's pointer and size.

@external("env", "proxy_log")
export declare function proxy_log(level: u32, message: usize, size: u32): u32;

@external("env", "proxy_get_log_level")
export declare function proxy_get_log_level(returnLevel: usize): u32;

@external("env", "proxy_get_current_time_nanoseconds")
export declare function proxy_get_current_time_nanoseconds(returnTime: usize): u32;

@external("env", "proxy_set_tick_period_milliseconds")
export declare function proxy_set_tick_period_milliseconds(period: u32): u32;

@external("env", "proxy_get_status")
export declare function proxy_get_status(returnCode: usize, returnPtr: usize, returnSize: usize): u32;

@external("env", "proxy_set_effective_context")
export declare function proxy_set_effective_context(contextId: u32): u32;

@external("env", "proxy_done")
export declare function proxy_done(): u32;

@external("env", "proxy_call_foreign_function")
export declare function proxy_call_foreign_function(
  name: usize,
  nameSize: u32,
  args: usize,
  argsSize: u32,
  returnPtr: usize,
  returnSize: usize,
): u32;

@external("env", "proxy_get_property")
export declare function proxy_get_property(path: usize, pathSize: u32, returnPtr: usize, returnSize: usize): u32;

@external("env", "proxy_set_property")
export declare function proxy_set_property(path: usize, pathSize: u32, value: usize, valueSize: u32): u32;

@external("env", "proxy_get_buffer_bytes")
export declare function proxy_get_buffer_bytes(
  type: u32,
  start: u32,
  length: u32,
  returnPtr: usize,
  returnSize: usize,
): u32;

@external("env", "proxy_get_buffer_status")
export declare function proxy_get_buffer_status(type: u32, returnLength: usize, returnFlags: usize): u32;

@external("env", "proxy_set_buffer_bytes")
export declare function proxy_set_buffer_bytes(type: u32, start: u32, length: u32, data: usize, size: u32): u32;

@external("env", "proxy_get_header_map_size")
export declare function proxy_get_header_map_size(type: u32, returnSize: usize): u32;

@external("env", "proxy_get_header_map_pairs")
export declare function proxy_get_header_map_pairs(type: u32, returnPtr: usize, returnSize: usize): u32;

@external("env", "proxy_set_header_map_pairs")
export declare function proxy_set_header_map_pairs(type: u32, data: usize, size: u32): u32;

@external("env", "proxy_get_header_map_value")
export declare function proxy_get_header_map_value(
  type: u32,
  key: usize,
  keySize: u32,
  returnPtr: usize,
  returnSize: usize,
): u32;

@external("env", "proxy_add_header_map_value")
export declare function proxy_add_header_map_value(
  type: u32,
  key: usize,
  keySize: u32,
  value: usize,
  valueSize: u32,
): u32;

@external("env", "proxy_replace_header_map_value")
export declare function proxy_replace_header_map_value(
  type: u32,
  key: usize,
  keySize: u32,
  value: usize,
  valueSize: u32,
): u32;

@external("env", "proxy_remove_header_map_value")
export declare function proxy_remove_header_map_value(type: u32, key: usize, keySize: u32): u32;

@external("env", "proxy_continue_stream")
export declare function proxy_continue_stream(type: u32): u32;

@external("env", "proxy_close_stream")
export declare function proxy_close_stream(type: u32): u32;

@external("env", "proxy_send_local_response")
export declare function proxy_send_local_response(
  status: u32,
  details: usize,
  detailsSize: u32,
  body: usize,
  bodySize: u32,
  headers: usize,
  headersSize: u32,
  grpcStatus: i32,
): u32;

@external("env", "proxy_http_call")
export declare function proxy_http_call(
  upstream: usize,
  upstreamSize: u32,
  headers: usize,
  headersSize: u32,
  body: usize,
  bodySize: u32,
  trailers: usize,
  trailersSize: u32,
  timeout: u32,
  returnToken: usize,
): u32;

@external("env", "proxy_grpc_call")
export declare function proxy_grpc_call(
  upstream: usize,
  upstreamSize: u32,
  service: usize,
  serviceSize: u32,
  method: usize,
  methodSize: u32,
  metadata: usize,
  metadataSize: u32,
  message: usize,
  messageSize: u32,
  timeout: u32,
  returnToken: usize,
): u32;

@external("env", "proxy_grpc_stream")
export declare function proxy_grpc_stream(
  upstream: usize,
  upstreamSize: u32,
  service: usize,
  serviceSize: u32,
  method: usize,
  methodSize: u32,
  metadata: usize,
  metadataSize: u32,
  returnToken: usize,
): u32;

@external("env", "proxy_grpc_send")
export declare function proxy_grpc_send(token: u32, message: usize, messageSize: u32, endOfStream: u32): u32;

@external("env", "proxy_grpc_cancel")
export declare function proxy_grpc_cancel(token: u32): u32;

@external("env", "proxy_grpc_close")
export declare function proxy_grpc_close(token: u32): u32;

@external("env", "proxy_get_shared_data")
export declare function proxy_get_shared_data(
  key: usize,
  keySize: u32,
  returnPtr: usize,
  returnSize: usize,
  returnCas: usize,
): u32;

@external("env", "proxy_set_shared_data")
export declare function proxy_set_shared_data(key: usize, keySize: u32, value: usize, valueSize: u32, cas: u32): u32;

@external("env", "proxy_register_shared_queue")
export declare function proxy_register_shared_queue(name: usize, nameSize: u32, returnId: usize): u32;

@external("env", "proxy_resolve_shared_queue")
export declare function proxy_resolve_shared_queue(
  vmId: usize,
  vmIdSize: u32,
  name: usize,
  nameSize: u32,
  returnId: usize,
): u32;

@external("env", "proxy_enqueue_shared_queue")
export declare function proxy_enqueue_shared_queue(id: u32, data: usize, size: u32): u32;

@external("env", "proxy_dequeue_shared_queue")
export declare function proxy_dequeue_shared_queue(id: u32, returnPtr: usize, returnSize: usize): u32;

@external("env", "proxy_define_metric")
export declare function proxy_define_metric(type: u32, name: usize, nameSize: u32, returnId: usize): u32;

@external("env", "proxy_increment_metric")
export declare function proxy_increment_metric(id: u32, offset: i64): u32;

@external("env", "proxy_record_metric")
export declare function proxy_record_metric(id: u32, value: u64): u32;

@external("env", "proxy_get_metric")
export declare function proxy_get_metric(id: u32, returnValue: usize): u32;
