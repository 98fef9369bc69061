// Parity with Envoy: each group is one configuration that both run; each case is one test.
import { accessLogFilters, accessLogs } from "./cases/access-log.ts";
import { adminOutput } from "./cases/admin.ts";
import { cors } from "./cases/cors.ts";
import { failures } from "./cases/failures.ts";
import { fault } from "./cases/fault.ts";
import { grpc } from "./cases/grpc.ts";
import { grpcStats, grpcWeb } from "./cases/grpc-filters.ts";
import { address, mutations } from "./cases/headers.ts";
import { keptLimits, limits, timeouts, tunnels, unescapedLimits } from "./cases/limits.ts";
import { localReplies } from "./cases/local-reply.ts";
import { routing } from "./cases/routing.ts";
import { originalDestination } from "./cases/original-dst.ts";
import { traceReasons } from "./cases/trace-reason.ts";
import { tcpGroups } from "./cases/tcp.ts";
import { tracing } from "./cases/tracing.ts";
import { wasmBodies, wasmLimits, wasmStopIteration, wasmTrailers } from "./cases/wasm-body.ts";
import { wasmCalls } from "./cases/wasm-calls.ts";
import { wasmClosed, wasmOpen, wasmReloads, wasmSharedVm } from "./cases/wasm-failures.ts";
import { filters } from "./cases/wasm-filters.ts";
import { wasmGrpc } from "./cases/wasm-grpc.ts";
import { wasmHeaders } from "./cases/wasm-headers.ts";
import { wasmNetwork } from "./cases/wasm-network.ts";
import { wasmProperties } from "./cases/wasm-properties.ts";
import { wasmChain, wasmReplies } from "./cases/wasm-replies.ts";
import { wasmConfiguration, wasmState } from "./cases/wasm-state.ts";
import { listenerFilters, tls } from "./cases/tls.ts";
import { runGroups } from "./groups.ts";
import type { ParityGroup } from "./harness.ts";

const GROUPS: readonly ParityGroup[] = [
  routing,
  mutations,
  address,
  failures,
  grpc,
  ...grpcStats,
  grpcWeb,
  cors,
  fault,
  ...tracing,
  adminOutput,
  ...accessLogs,
  accessLogFilters,
  ...localReplies,
  limits,
  keptLimits,
  unescapedLimits,
  timeouts,
  tunnels,
  wasmHeaders,
  wasmBodies,
  wasmLimits,
  wasmTrailers,
  wasmStopIteration,
  wasmReplies,
  wasmChain,
  wasmCalls,
  wasmGrpc,
  wasmProperties,
  wasmState,
  wasmConfiguration,
  ...wasmReloads,
  wasmClosed,
  wasmOpen,
  wasmSharedVm,
  ...filters,
  ...tls,
  ...listenerFilters,
  ...tcpGroups,
  ...originalDestination,
  ...traceReasons,
  ...wasmNetwork,
];

runGroups(GROUPS);
