// What the admin API shows and does, as the composition root hands it over. Plain data and a few actions: this folder sees no worker,
// no socket of the data plane and no xDS. Every function is called for each request that needs it and has to be cheap or cached.
import type { Cluster, EndpointAssignment, PipeAddress, SocketAddress } from "../config/cluster.ts";
import type { Node } from "../config/snapshot.ts";
import type { MergedStats } from "../stats/merged-stats.ts";
import type { TagSpecifier } from "../stats/tags.ts";

/** envoy.admin.v3.ServerInfo.State */
export type AdminServerState = "LIVE" | "DRAINING" | "PRE_INITIALIZING" | "INITIALIZING";

export interface AdminViews {
  /** Of the package: "0.1.0". */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  /** With what the command line said merged in. */
  readonly node: Node;
  /** Proto-JSON of the bootstrap as it was read, after merging; redacted here. */
  readonly bootstrapJson: unknown;
  /** Flags as given, long names without dashes in front: "config-path", "drain-time-s". */
  readonly commandLine: Readonly<Record<string, string | boolean>>;
  readonly concurrency: number;
  /** stats_config of the bootstrap. */
  readonly statsTags: readonly TagSpecifier[];
  readonly useAllDefaultTags: boolean;

  readonly stats: MergedStats;
  /** Brings gauges that nobody keeps (uptime, memory, connections) up to date; called before statistics are read. */
  refreshStats(): void;

  /** DRAINING also while POST /healthcheck/fail is in force: /ready answers 503 for everything but LIVE. */
  state(): AdminServerState;
  /** Clusters in force, of the snapshot that the workers have. */
  clusters(): readonly AdminCluster[];
  /** Listeners in force with the ports that they really have. */
  listeners(): readonly AdminListener[];
  /** Every resource, static ones included. */
  resources(): readonly AdminResource[];
  /** Modules that are fetched, and how far each is. */
  modules(): readonly AdminModule[];
  /** Every wasm plugin of the configuration, in force or refused. */
  plugins(): readonly AdminPlugin[];
  /** Certificates in use; none without TLS. */
  certificates(): readonly AdminCertificate[];
  /** Runtime values in force by key. */
  runtime(): Readonly<Record<string, number | string | boolean>>;
  memory(): AdminMemory;

  /** Components of the log with their levels, in order. */
  logLevels(): readonly (readonly [component: string, level: string])[];
  /** Both were checked against logLevels() and LOG_LEVELS. `component` undefined: all of them. */
  setLogLevel(component: string | undefined, level: string): void;

  drainListeners(options: DrainOptions): void;
  /** Called after the answer was sent. */
  quit(): void;
  setHealthCheckFailed(isFailed: boolean): void;
  reopenLogs(): void;
}

export interface DrainOptions {
  readonly inboundOnly: boolean;
  readonly graceful: boolean;
  readonly skipExit: boolean;
}

export interface AdminCluster {
  readonly config: Cluster;
  /** false: of the bootstrap. */
  readonly addedViaApi: boolean;
  /** From EDS or DNS; undefined: endpoints stand in the cluster. */
  readonly assignment: EndpointAssignment | undefined;
}

export interface AdminListener {
  readonly name: string;
  readonly addresses: readonly (SocketAddress | PipeAddress)[];
}

export type AdminResourceKind = "listener" | "cluster" | "route_configuration" | "endpoints" | "extension_config" | "secret";

export interface AdminProblem {
  readonly path: string;
  readonly reason: string;
  readonly line?: number;
}

/** One resource; what xds/resource-status.ts describes fits as it is. */
export interface AdminResource {
  readonly kind: AdminResourceKind;
  readonly name: string;
  /** "static", or where it came from. */
  readonly source: string;
  readonly versionInfo: string;
  /** When it was accepted; undefined: never. */
  readonly lastUpdatedMs: number | undefined;
  /** "replacing": warming, while a version before it is in force. "refused": no version of it is in force. */
  readonly state: "active" | "warming" | "replacing" | "draining" | "refused";
  /** Proto-JSON without "@type"; undefined for a refused one. */
  readonly json: unknown;
  /** The last attempt, if it failed. */
  readonly error: { readonly versionInfo: string; readonly atMs: number; readonly problems: readonly AdminProblem[] } | undefined;
}

export interface AdminModule {
  readonly url: string;
  readonly state: "fetching" | "ready" | "failed";
  readonly sha256: string | undefined;
  readonly problem: string | undefined;
  /** When a failed one is tried again. */
  readonly retryAtMs: number | undefined;
}

export interface AdminPlugin {
  /** The resource's id ("WasmPlugin/default.my-plugin"), or the plugin's name where a filter config brought it. */
  readonly id: string;
  /** PluginConfig.name: what stands in logs and statistics. */
  readonly name: string;
  /** File or URL of the resource, or of the module. */
  readonly source: string;
  /** Lower-case hex digest of the module in force; undefined: none is. */
  readonly sha256: string | undefined;
  /** Since when the version in force is; undefined: none is. */
  readonly acceptedAtMs: number | undefined;
  /** Where the module of its newest version is being fetched; undefined: it is not. */
  readonly fetching: string | undefined;
  /** Workers on which it runs at this moment. */
  readonly workers: readonly AdminPluginWorker[];
  /** The last attempt to change it, if it was refused. */
  readonly rejected: { readonly atMs: number; readonly problems: readonly AdminProblem[] } | undefined;
  /** The resource as it was read; redacted here. */
  readonly json: unknown;
}

export interface AdminPluginWorker {
  readonly workerId: number;
  readonly isLoaded: boolean;
  /** Digest that this worker runs; differs from the plugin's while an update is under way. */
  readonly sha256: string;
  /** Why it is not loaded, or "". */
  readonly failure: string;
}

export interface AdminCertificate {
  readonly caCert: AdminCertificateFile | undefined;
  readonly certChain: readonly AdminCertificateFile[];
}

export interface AdminCertificateFile {
  /** "<inline>" for one that stands in the configuration. */
  readonly path: string;
  readonly pem: string;
}

/** Bytes. */
export interface AdminMemory {
  readonly allocatedBytes: number;
  readonly heapSizeBytes: number;
  /** Reserved by the heap and unused. */
  readonly heapFreeBytes: number;
  /** Resident memory of the process. */
  readonly physicalBytes: number;
}
