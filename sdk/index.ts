// The public surface of the SDK: `import { … } from "sluice/sdk"`. README.md describes every name.

export {
  FilterDataStatus,
  FilterHeadersStatus,
  FilterStatus,
  FilterTrailersStatus,
  GrpcStatus,
  LogLevel,
  PeerType,
  WasmResult,
} from "./abi";
export { Body, callResponseBody, downstreamData, grpcMessage, requestBody, responseBody, upstreamData } from "./body";
export { ByteString } from "./bytes";
export { HttpCall } from "./calls";
export { Context, HttpContext, RootContext, TcpContext } from "./context";
export { callForeignFunction, setEnvoyFilterState } from "./foreign";
export { GrpcCall, GrpcStream } from "./grpc";
export { HeaderList } from "./header-list";
export {
  callResponseHeaders,
  callResponseTrailers,
  grpcInitialMetadata,
  grpcTrailingMetadata,
  Headers,
  requestHeaders,
  requestTrailers,
  responseHeaders,
  responseTrailers,
} from "./headers";
export { JsonDocument, JsonKind, JsonValue } from "./json";
export { LocalReply } from "./local-reply";
export { isLogged, log, logCritical, logDebug, logError, logInfo, logTrace, logWarn } from "./log";
export { Counter, Gauge, Histogram, labeled } from "./metrics";
export {
  connection,
  destination,
  plugin,
  Property,
  request,
  response,
  setProperty,
  source,
  upstream,
} from "./properties";
export { registerRootContext, RootFactory } from "./registry";
export { SharedQueue, SharedUpdate, SharedValue } from "./shared";
export { nowNs, Timer, Timers } from "./timer";
