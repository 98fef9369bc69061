// Bounds on what one plugin may take. Each has a stat or a status for the overflow and a test that reaches it.

export interface WasmLimits {
  readonly maxModuleBytes: number;
  readonly maxFunctions: number;
  readonly maxFunctionBodyBytes: number;
  readonly maxLocals: number;
  readonly maxTableEntries: number;
  /** Serialized pairs that a guest hands in, and how many of them. */
  readonly maxPairsBytes: number;
  readonly maxPairs: number;
  /** Pages that memory.grow stops at; a module that starts with more than half of it gets twice its start. */
  readonly maxMemoryPages: number;
  readonly hardMaxMemoryPages: number;
  readonly logLinesPerSecond: number;
  readonly logBurst: number;
  readonly maxLogLineBytes: number;
  readonly maxMetrics: number;
  readonly maxMetricNameBytes: number;
  readonly maxHttpCallsInFlightPerContext: number;
  readonly maxHttpCallsInFlightPerPlugin: number;
  readonly maxHttpCallsPerStream: number;
  readonly maxHttpCallBodyBytes: number;
  readonly maxHttpCallTimeoutMs: number;
  /** One message of a gRPC call or stream, either way. */
  readonly maxGrpcMessageBytes: number;
  /** Messages of one gRPC stream that its peer has not taken yet. */
  readonly maxGrpcBufferedBytes: number;
  readonly minTickPeriodMs: number;
  /** start, vm_start, configure and done of a plugin. */
  readonly startTimeoutMs: number;
  readonly maxReloadIntervalMs: number;
  readonly maxUncompressedBytes: number;
  /** Entries of a header map, and bytes of one header, that a guest may make. */
  readonly maxHeaders: number;
  readonly maxHeaderBytes: number;
  /** Bytes that a body may have after an edit. */
  readonly maxBodyBytes: number;
  /** Entries of one stream's filter state, and bytes of one. */
  readonly maxFilterState: number;
  readonly maxFilterStateBytes: number;
  readonly maxPropertyPathBytes: number;
}

export const DefaultLimits: WasmLimits = Object.freeze({
  maxModuleBytes: 8 << 20,
  maxFunctions: 20_000,
  maxFunctionBodyBytes: 512 << 10,
  maxLocals: 1000,
  maxTableEntries: 65_536,
  maxPairsBytes: 64 << 10,
  maxPairs: 128,
  maxMemoryPages: 256,
  hardMaxMemoryPages: 1024,
  logLinesPerSecond: 50,
  logBurst: 100,
  maxLogLineBytes: 4096,
  maxMetrics: 200,
  maxMetricNameBytes: 256,
  // Ten, not eight: a filter that starts ten calls from one callback gets ten answers in Envoy.
  maxHttpCallsInFlightPerContext: 10,
  maxHttpCallsInFlightPerPlugin: 64,
  maxHttpCallsPerStream: 10,
  maxHttpCallBodyBytes: 64 << 10,
  maxHttpCallTimeoutMs: 30_000,
  maxGrpcMessageBytes: 1 << 20,
  maxGrpcBufferedBytes: 1 << 20,
  minTickPeriodMs: 10,
  startTimeoutMs: 500,
  maxReloadIntervalMs: 60_000,
  maxUncompressedBytes: 1 << 20,
  maxHeaders: 256,
  maxHeaderBytes: 64 << 10,
  maxBodyBytes: 16 << 20,
  maxFilterState: 256,
  maxFilterStateBytes: 64 << 10,
  maxPropertyPathBytes: 4096,
});
