// The free functions of the older AssemblyScript SDK. Where that one trapped on a refused host call, these answer an empty
// value or a status.

import { StreamType, WasmResult } from "../abi";
import { Body } from "../body";
import { ByteString } from "../bytes";
import { proxy_continue_stream, proxy_set_effective_context as setEffectiveContext, proxy_set_tick_period_milliseconds } from "../env";
import { callForeignFunction } from "../foreign";
import { LocalReply } from "../local-reply";
import { log as write } from "../log";
import { Counter as SluiceCounter, Gauge as SluiceGauge, Histogram as SluiceHistogram } from "../metrics";
import { Property, setProperty } from "../properties";
import { SharedQueue, SharedValue } from "../shared";
import { nowNs } from "../timer";
import { BufferTypeValues, GrpcStatusValues, LogLevelValues } from "./enums";
import { Headers } from "./header-pairs";

export function log(level: LogLevelValues, logMessage: string): void {
  write(level as i32, logMessage);
}

export function get_property(path: string): ArrayBuffer {
  const value = new Property([path]).bytes();
  return value == null ? new ArrayBuffer(0) : value.toBuffer();
}

export function set_property(path: string, data: ArrayBuffer): WasmResult {
  return setProperty(path, ByteString.wrap(data)) ? WasmResult.Ok : WasmResult.NotFound;
}

export function get_buffer_bytes(typ: BufferTypeValues, start: u32, length: u32): ArrayBuffer {
  return Body.of(typ as i32)
    .get(start, length)
    .toBuffer();
}

export function get_current_time_nanoseconds(): u64 {
  return nowNs();
}

export function set_tick_period_milliseconds(millisecond: u32): void {
  proxy_set_tick_period_milliseconds(millisecond);
}

export function proxy_set_effective_context(id: u32): WasmResult {
  return setEffectiveContext(id);
}

export function continue_request(): WasmResult {
  return proxy_continue_stream(StreamType.HttpRequest);
}

export function continue_response(): WasmResult {
  return proxy_continue_stream(StreamType.HttpResponse);
}

export function send_local_response(
  response_code: u32,
  response_code_details: string,
  body: ArrayBuffer,
  additional_headers: Headers,
  grpc_status: GrpcStatusValues,
): WasmResult {
  const reply = new LocalReply(response_code)
    .details(response_code_details)
    .bodyFrom(ByteString.wrap(body))
    .grpcStatus(grpc_status as i32);
  for (let i = 0; i < additional_headers.length; i++) {
    const header = additional_headers[i];
    reply.headerBytes(ByteString.wrap(header.key), ByteString.wrap(header.value));
  }
  return reply.send() ? WasmResult.Ok : WasmResult.InternalFailure;
}

export class GetSharedData {
  value: ArrayBuffer | null = null;
  result: WasmResult = WasmResult.NotFound;
  cas: usize = 0;
}

export function get_shared_data(key: string): GetSharedData {
  const shared = new SharedValue(ByteString.of(key));
  const data = new GetSharedData();
  const value = shared.get();
  if (value == null) return data;
  data.value = value.toBuffer();
  data.cas = shared.version;
  data.result = WasmResult.Ok;
  return data;
}

export function set_shared_data(key: string, value: ArrayBuffer, cas: u32 = 0): WasmResult {
  return new SharedValue(ByteString.of(key)).set(ByteString.wrap(value), cas);
}

export class TokenSharedQueueResult {
  result: WasmResult = WasmResult.NotFound;
  token: u32 = 0;
}

export class DequeueSharedQueueResult {
  result: WasmResult = WasmResult.Empty;
  data: ArrayBuffer | null = null;
}

export function register_shared_queue(queue_name: string): TokenSharedQueueResult {
  return queueResult(SharedQueue.register(queue_name));
}

export function resolve_shared_queue(vm_id: string, queue_name: string): TokenSharedQueueResult {
  return queueResult(SharedQueue.resolve(vm_id, queue_name));
}

export function enqueue_shared_queue(token: u32, data: ArrayBuffer): WasmResult {
  return SharedQueue.of(token).enqueue(ByteString.wrap(data)) ? WasmResult.Ok : WasmResult.NotFound;
}

export function dequeue_shared_queue(token: u32): DequeueSharedQueueResult {
  const result = new DequeueSharedQueueResult();
  const item = SharedQueue.of(token).dequeue();
  if (item == null) return result;
  result.data = item.toBuffer();
  result.result = WasmResult.Ok;
  return result;
}

export function call_foreign_function(function_name: string, argument: string): ArrayBuffer {
  const result = callForeignFunction(function_name, ByteString.of(argument));
  return result == null ? new ArrayBuffer(0) : result.toBuffer();
}

function queueResult(queue: SharedQueue | null): TokenSharedQueueResult {
  const result = new TokenSharedQueueResult();
  if (queue == null) return result;
  result.token = queue.id;
  result.result = WasmResult.Ok;
  return result;
}

export class Counter {
  private metric: SluiceCounter;

  constructor(name: string) {
    this.metric = new SluiceCounter(name);
  }

  increment(offset: u32): WasmResult {
    return this.metric.increment(offset) ? WasmResult.Ok : WasmResult.BadArgument;
  }
}

export class Gauge {
  private metric: SluiceGauge;

  constructor(name: string) {
    this.metric = new SluiceGauge(name);
  }

  increment(offset: i64): WasmResult {
    return this.metric.add(offset) ? WasmResult.Ok : WasmResult.BadArgument;
  }

  /** `metric_id` is not used: the gauge knows its own. */
  record(metric_id: u32, value: u64): WasmResult {
    return this.metric.set(value) ? WasmResult.Ok : WasmResult.BadArgument;
  }
}

export class Histogram {
  private metric: SluiceHistogram;

  constructor(name: string) {
    this.metric = new SluiceHistogram(name);
  }

  /** `metric_id` is not used: the histogram knows its own. */
  record(metric_id: u32, value: u64): WasmResult {
    return this.metric.record(value) ? WasmResult.Ok : WasmResult.BadArgument;
  }
}
