// One wasm plugin as the data plane believes it: envoy.extensions.wasm.v3.PluginConfig, resolved. Plain frozen data.

export type FailurePolicy = "FAIL_CLOSED" | "FAIL_OPEN" | "FAIL_RELOAD";

export interface PluginConfig {
  /** PluginConfig.name; property plugin_name; unique among the filters of a chain. */
  readonly name: string;
  /** Selects the registered root context inside the module. */
  readonly rootId: string;
  /** Plugins with equal vmId, vmConfiguration and module share one VM on each worker. */
  readonly vmId: string;
  /** Lower-case hex digest of the module's bytes, "" while it is being fetched; the compiled module travels beside the config under this key. */
  readonly sha256: string;
  /** Where it came from, for messages: a path or URL. */
  readonly source: string;
  /** Undefined: not configured (NOT_FOUND to the guest). */
  readonly vmConfiguration: Uint8Array | undefined;
  readonly configuration: Uint8Array | undefined;
  readonly environment: readonly (readonly [string, string])[];
  readonly failurePolicy: FailurePolicy;
  /** FAIL_RELOAD: base interval of the back-off, milliseconds. Default 1000. */
  readonly reloadBaseIntervalMs: number;
  /** capability_restriction_config: names of allowed host calls and callbacks; undefined allows all. */
  readonly allowedCapabilities: readonly string[] | undefined;
  readonly allowOnHeadersStopIteration: boolean;
}
