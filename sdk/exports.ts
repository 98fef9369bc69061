// The callbacks of the ABI beyond `core`. A filter exports the ones it overrides by name:
//   export * from "sluice/sdk/core";
//   export { proxy_on_request_headers } from "sluice/sdk/exports";
// A callback that is not exported costs nothing: the host skips it and takes its default.

import { FilterDataStatus, FilterHeadersStatus, FilterStatus, FilterTrailersStatus, PeerType } from "./abi";
import { httpCallAnswered } from "./calls";
import { grpcClosed, grpcInitialMetadataReceived, grpcMessageReceived, grpcTrailingMetadataReceived } from "./grpc";
import { enterCallback, leaveCallback } from "./heap";
import { anyContext, httpContext, rootContext, tcpContext } from "./registry";

export function proxy_on_tick(id: u32): void {
  enterCallback();
  const root = rootContext(id);
  if (root != null) root.onTick();
  leaveCallback();
}

export function proxy_on_queue_ready(id: u32, queueId: u32): void {
  enterCallback();
  const root = rootContext(id);
  if (root != null) root.onQueueReady(queueId);
  leaveCallback();
}

export function proxy_on_request_headers(id: u32, count: u32, endOfStream: u32): u32 {
  enterCallback();
  const stream = httpContext(id);
  const status = stream == null ? FilterHeadersStatus.Continue : stream.onRequestHeaders(count, endOfStream != 0);
  leaveCallback();
  return status;
}

export function proxy_on_request_body(id: u32, size: u32, endOfStream: u32): u32 {
  enterCallback();
  const stream = httpContext(id);
  const status = stream == null ? FilterDataStatus.Continue : stream.onRequestBody(size, endOfStream != 0);
  leaveCallback();
  return status;
}

export function proxy_on_request_trailers(id: u32, count: u32): u32 {
  enterCallback();
  const stream = httpContext(id);
  const status = stream == null ? FilterTrailersStatus.Continue : stream.onRequestTrailers(count);
  leaveCallback();
  return status;
}

export function proxy_on_response_headers(id: u32, count: u32, endOfStream: u32): u32 {
  enterCallback();
  const stream = httpContext(id);
  const status = stream == null ? FilterHeadersStatus.Continue : stream.onResponseHeaders(count, endOfStream != 0);
  leaveCallback();
  return status;
}

export function proxy_on_response_body(id: u32, size: u32, endOfStream: u32): u32 {
  enterCallback();
  const stream = httpContext(id);
  const status = stream == null ? FilterDataStatus.Continue : stream.onResponseBody(size, endOfStream != 0);
  leaveCallback();
  return status;
}

export function proxy_on_response_trailers(id: u32, count: u32): u32 {
  enterCallback();
  const stream = httpContext(id);
  const status = stream == null ? FilterTrailersStatus.Continue : stream.onResponseTrailers(count);
  leaveCallback();
  return status;
}

export function proxy_on_new_connection(id: u32): u32 {
  enterCallback();
  const stream = tcpContext(id);
  const status = stream == null ? FilterStatus.Continue : stream.onNewConnection();
  leaveCallback();
  return status;
}

export function proxy_on_downstream_data(id: u32, size: u32, endOfStream: u32): u32 {
  enterCallback();
  const stream = tcpContext(id);
  const status = stream == null ? FilterStatus.Continue : stream.onDownstreamData(size, endOfStream != 0);
  leaveCallback();
  return status;
}

export function proxy_on_upstream_data(id: u32, size: u32, endOfStream: u32): u32 {
  enterCallback();
  const stream = tcpContext(id);
  const status = stream == null ? FilterStatus.Continue : stream.onUpstreamData(size, endOfStream != 0);
  leaveCallback();
  return status;
}

export function proxy_on_downstream_connection_close(id: u32, peer: u32): void {
  enterCallback();
  const stream = tcpContext(id);
  if (stream != null) stream.onDownstreamConnectionClose(<PeerType>peer);
  leaveCallback();
}

export function proxy_on_upstream_connection_close(id: u32, peer: u32): void {
  enterCallback();
  const stream = tcpContext(id);
  if (stream != null) stream.onUpstreamConnectionClose(<PeerType>peer);
  leaveCallback();
}

export function proxy_on_http_call_response(id: u32, token: u32, headerCount: u32, bodySize: u32, trailerCount: u32): void {
  enterCallback();
  httpCallAnswered(token, headerCount, bodySize, trailerCount);
  leaveCallback();
}

export function proxy_on_grpc_receive_initial_metadata(id: u32, token: u32, count: u32): void {
  enterCallback();
  grpcInitialMetadataReceived(token, count);
  leaveCallback();
}

export function proxy_on_grpc_receive(id: u32, token: u32, size: u32): void {
  enterCallback();
  grpcMessageReceived(token, size);
  leaveCallback();
}

export function proxy_on_grpc_receive_trailing_metadata(id: u32, token: u32, count: u32): void {
  enterCallback();
  grpcTrailingMetadataReceived(token, count);
  leaveCallback();
}

export function proxy_on_grpc_close(id: u32, token: u32, status: u32): void {
  enterCallback();
  grpcClosed(token, status);
  leaveCallback();
}

export function proxy_on_done(id: u32): u32 {
  enterCallback();
  const context = anyContext(id);
  const done = context == null || context.onDone();
  leaveCallback();
  return done ? 1 : 0;
}

export function proxy_on_log(id: u32): void {
  enterCallback();
  const context = anyContext(id);
  if (context != null) context.onLog();
  leaveCallback();
}
