// Every callback that the older AssemblyScript SDK had, for filters written for it: `export * from "sluice/sdk/compat/proxy"`. Those of
// gRPC are not among them: a filter that exports them imports the host's gRPC functions too.

export * from "../core";
export {
  proxy_on_done,
  proxy_on_http_call_response,
  proxy_on_log,
  proxy_on_queue_ready,
  proxy_on_request_body,
  proxy_on_request_headers,
  proxy_on_request_trailers,
  proxy_on_response_body,
  proxy_on_response_headers,
  proxy_on_response_trailers,
  proxy_on_tick,
} from "../exports";
