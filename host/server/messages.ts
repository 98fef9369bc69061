// What the main thread and its workers tell each other. Plain data, except compiled modules and shared memory, which structured
// clone hands over as they are.
import type { LogComponent, LogLevel } from "../base/log.ts";
import type { Node } from "../config/snapshot.ts";
import type { SnapshotDelta, SnapshotPart } from "../config/snapshot-delta.ts";
import type { PluginState, SharedMemory } from "../extensions/plugin-host.ts";
import type { StatAnnouncement } from "../stats/store.ts";
import type { LoadedModule } from "../wasm/module.ts";
import type { ListenerFailure } from "./data-plane.ts";

export interface WorkerData {
  /** From 1. */
  readonly workerId: number;
  readonly node: Node;
  readonly shared: SharedMemory;
  readonly localIp: string;
  readonly hostname: string;
  readonly maxConnections: number;
  readonly drainTimeMs: number;
  readonly fileFlushIntervalMs: number | undefined;
  readonly levels: readonly (readonly [LogComponent, LogLevel])[];
}

export type ToWorker =
  /** Of the snapshot that follows; answered with "part_taken". */
  | { readonly kind: "snapshot_part"; readonly part: SnapshotPart }
  | {
      readonly kind: "snapshot";
      readonly delta: SnapshotDelta;
      readonly modules: readonly LoadedModule[];
      readonly modulesInUse: readonly string[];
    }
  | { readonly kind: "log_levels"; readonly levels: readonly (readonly [LogComponent, LogLevel])[] }
  | { readonly kind: "queue_ready"; readonly queueId: number }
  | { readonly kind: "drain_listeners"; readonly inboundOnly: boolean }
  | { readonly kind: "close_idle" }
  | { readonly kind: "reopen_logs" }
  | { readonly kind: "report" }
  | { readonly kind: "stop" };

export interface WorkerReport {
  readonly connections: number;
  readonly plugins: readonly PluginState[];
  readonly memory: { readonly heapUsed: number; readonly heapTotal: number; readonly external: number; readonly arrayBuffers: number };
}

export type FromWorker =
  | { readonly kind: "started" }
  | { readonly kind: "part_taken" }
  | { readonly kind: "applied"; readonly version: number; readonly failures: readonly ListenerFailure[]; readonly report: WorkerReport }
  | { readonly kind: "stats"; readonly announcement: StatAnnouncement }
  | { readonly kind: "log"; readonly level: LogLevel; readonly component: LogComponent; readonly message: string }
  | { readonly kind: "queue_ready"; readonly workerId: number; readonly queueId: number }
  | { readonly kind: "report"; readonly report: WorkerReport }
  | { readonly kind: "stopped" };
