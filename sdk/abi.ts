// Constants of the proxy-wasm ABI 0.2.1 (https://github.com/proxy-wasm/spec, "Enums").
// Numbers here are the ones that cross the boundary between the filter and the host; nothing else in the SDK spells one.

/** Result of a host call. `Ok` is 0; every other number is a reason that the SDK turns into a value, never into a trap. */
export const enum WasmResult {
  Ok = 0,
  NotFound = 1,
  BadArgument = 2,
  SerializationFailure = 3,
  ParseFailure = 4,
  BadExpression = 5,
  InvalidMemoryAccess = 6,
  Empty = 7,
  CasMismatch = 8,
  ResultMismatch = 9,
  InternalFailure = 10,
  BrokenConnection = 11,
  Unimplemented = 12,
}

/** Severity of a log line, least severe first. */
export const enum LogLevel {
  Trace = 0,
  Debug = 1,
  Info = 2,
  Warn = 3,
  Error = 4,
  Critical = 5,
}

/** Answer of `onRequestHeaders` and `onResponseHeaders`. */
export const enum FilterHeadersStatus {
  /** Hand the headers to the next filter. */
  Continue = 0,
  /** Hold the headers. Hosts also hold body and trailers unless the plugin allows iteration to stop at headers only. */
  StopIteration = 1,
  /** Hand the headers on and end the message with them. */
  ContinueAndEndStream = 2,
  /** Hold everything, buffer the body up to the host's limit (then 413 or 500). */
  StopAllIterationAndBuffer = 3,
  /** Hold everything, push back on the peer at the host's limit. */
  StopAllIterationAndWatermark = 4,
}

/** Answer of `onRequestBody` and `onResponseBody`. */
export const enum FilterDataStatus {
  /** Pass on what has been held, and this chunk. */
  Continue = 0,
  /** Hold this chunk; the next call sees the whole body so far. The host fails the message at its buffer limit. */
  StopIterationAndBuffer = 1,
  /** As above, but the host pushes back on the peer at its buffer limit. */
  StopIterationAndWatermark = 2,
  /** Swallow this chunk: it is neither passed on nor held. */
  StopIterationNoBuffer = 3,
}

/** Answer of `onRequestTrailers` and `onResponseTrailers`. */
export const enum FilterTrailersStatus {
  /** Pass on everything held, then the trailers. */
  Continue = 0,
  /** Hold the trailers. */
  StopIteration = 1,
}

/** Answer of the callbacks of a TCP connection. */
export const enum FilterStatus {
  /** Hand the bytes to the next filter. */
  Continue = 0,
  /** Hold the bytes; the next call sees them again, and what has come since. */
  StopIteration = 1,
}

/** Who closed a connection. */
export const enum PeerType {
  Unknown = 0,
  /** The proxy. */
  Local = 1,
  /** The peer. */
  Remote = 2,
}

/** Which header map a host call means. */
export const enum MapType {
  HttpRequestHeaders = 0,
  HttpRequestTrailers = 1,
  HttpResponseHeaders = 2,
  HttpResponseTrailers = 3,
  GrpcReceiveInitialMetadata = 4,
  GrpcReceiveTrailingMetadata = 5,
  HttpCallResponseHeaders = 6,
  HttpCallResponseTrailers = 7,
}

/** Which buffer a host call means. */
export const enum BufferType {
  HttpRequestBody = 0,
  HttpResponseBody = 1,
  DownstreamData = 2,
  UpstreamData = 3,
  HttpCallResponseBody = 4,
  GrpcReceiveBuffer = 5,
  VmConfiguration = 6,
  PluginConfiguration = 7,
  CallData = 8,
}

/** Which direction of a stream a host call means. */
export const enum StreamType {
  HttpRequest = 0,
  HttpResponse = 1,
  Downstream = 2,
  Upstream = 3,
}

/** Kind of a metric. */
export const enum MetricType {
  Counter = 0,
  Gauge = 1,
  Histogram = 2,
}

/** gRPC status codes; `None` means that the reply is not a gRPC one. */
export const enum GrpcStatus {
  None = -1,
  Ok = 0,
  Cancelled = 1,
  Unknown = 2,
  InvalidArgument = 3,
  DeadlineExceeded = 4,
  NotFound = 5,
  AlreadyExists = 6,
  PermissionDenied = 7,
  ResourceExhausted = 8,
  FailedPrecondition = 9,
  Aborted = 10,
  OutOfRange = 11,
  Unimplemented = 12,
  Internal = 13,
  Unavailable = 14,
  DataLoss = 15,
  Unauthenticated = 16,
}
