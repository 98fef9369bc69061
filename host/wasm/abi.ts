// Constants of the proxy-wasm ABI 0.1.0, 0.2.0 and 0.2.1 with the specification's names and numbers.
// https://github.com/proxy-wasm/spec/tree/main/abi-versions; numbers that only proxy-wasm-cpp-host defines are marked.

export const WasmResult = {
  Ok: 0,
  NotFound: 1,
  BadArgument: 2,
  SerializationFailure: 3,
  ParseFailure: 4,
  InvalidMemoryAccess: 6,
  Empty: 7,
  CasMismatch: 8,
  InternalFailure: 10,
  /** cpp-host only: what proxy_get_status says after a callout that was reset. */
  BrokenConnection: 11,
  Unimplemented: 12,
} as const;
export type WasmResult = (typeof WasmResult)[keyof typeof WasmResult];

export const LogLevel = { Trace: 0, Debug: 1, Info: 2, Warn: 3, Error: 4, Critical: 5 } as const;
export type LogLevel = (typeof LogLevel)[keyof typeof LogLevel];

export const BufferType = {
  HttpRequestBody: 0,
  HttpResponseBody: 1,
  DownstreamData: 2,
  UpstreamData: 3,
  HttpCallResponseBody: 4,
  GrpcReceive: 5,
  VmConfiguration: 6,
  PluginConfiguration: 7,
  ForeignFunctionArguments: 8,
} as const;
export type BufferType = (typeof BufferType)[keyof typeof BufferType];
export const MaxBufferType: number = BufferType.ForeignFunctionArguments;

export const MapType = {
  HttpRequestHeaders: 0,
  HttpRequestTrailers: 1,
  HttpResponseHeaders: 2,
  HttpResponseTrailers: 3,
  GrpcInitialMetadata: 4,
  GrpcTrailingMetadata: 5,
  HttpCallResponseHeaders: 6,
  HttpCallResponseTrailers: 7,
} as const;
export type MapType = (typeof MapType)[keyof typeof MapType];
export const MaxMapType: number = MapType.HttpCallResponseTrailers;

export const StreamType = { HttpRequest: 0, HttpResponse: 1, Downstream: 2, Upstream: 3 } as const;
export type StreamType = (typeof StreamType)[keyof typeof StreamType];

/** Who closed a connection. */
export const PeerType = { Unknown: 0, Local: 1, Remote: 2 } as const;
export type PeerType = (typeof PeerType)[keyof typeof PeerType];

export const MetricType = { Counter: 0, Gauge: 1, Histogram: 2 } as const;
export type MetricType = (typeof MetricType)[keyof typeof MetricType];

/** What the guest answers to a headers callback; 1 is the specification's Pause, 2 to 4 are Envoy's wider set. */
export const HeadersAction = {
  Continue: 0,
  StopIteration: 1,
  ContinueAndEndStream: 2,
  StopAllIterationAndBuffer: 3,
  StopAllIterationAndWatermark: 4,
} as const;
export const DataAction = {
  Continue: 0,
  StopIterationAndBuffer: 1,
  StopIterationAndWatermark: 2,
  StopIterationNoBuffer: 3,
} as const;
/** What the guest answers to a callback of a TCP connection. */
export const FilterStatus = { Continue: 0, StopIteration: 1 } as const;
export const TrailersAction = { Continue: 0, StopIteration: 1 } as const;

/** Errno numbers of wasi_snapshot_preview1. */
export const Errno = {
  Success: 0,
  BadFile: 8,
  NotDirectory: 20,
  Fault: 21,
  Invalid: 28,
  NoEntry: 44,
  NoSystemCall: 52,
  NotSupported: 58,
  NotCapable: 76,
} as const;

export type AbiVersion = "0.1.0" | "0.2.0" | "0.2.1";

/** The marker exports, as cpp-host looks for them: a function that is never called. */
export const AbiMarkers: Readonly<Record<string, AbiVersion>> = Object.freeze({
  proxy_abi_version_0_1_0: "0.1.0",
  proxy_abi_version_0_2_0: "0.2.0",
  proxy_abi_version_0_2_1: "0.2.1",
});

/** Callout tokens and metric ids step by four with the kind in the low two bits, as in Envoy. */
export const TokenStep = 4;
export const TokenKind = { HttpCall: 0, GrpcCall: 1, GrpcStream: 2 } as const;
