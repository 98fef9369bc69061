// What the rest of the configuration sees of xDS streams: subscriptions, updates, verdicts. Nothing of gRPC, nonces or reconnects is
// in here: a subscription outlives every connection, and what it was told stays true until it is told otherwise.

export interface XdsResource {
  readonly name: string;
  /** "" where the server gives none for each resource (state of the world; istiod). */
  readonly version: string;
  /** "envoy.config.cluster.v3.Cluster" */
  readonly typeName: string;
  /** Any.value; a copy, so that keeping one resource does not keep the whole message. */
  readonly bytes: Uint8Array;
}

export interface XdsUpdate {
  readonly versionInfo: string;
  /** State of the world for a wildcard type (LDS, CDS): what is not listed is gone. */
  readonly isWholeState: boolean;
  readonly resources: readonly XdsResource[];
  /** Gone at the server, or their time to live ran out. */
  readonly removed: readonly string[];
}

export type XdsVerdict =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** Goes to the server as error_detail. */
      readonly errorDetail: string;
      /** The names of the bad resources. The others count as accepted: their versions are told to the server on a reconnect. */
      readonly rejected: ReadonlySet<string>;
    };

export interface XdsWatcher {
  /**
   * `done` is to be called once, now or later; the next update of this subscription waits for it. What comes meanwhile is merged into
   * one waiting update: of a resource that came twice only the newer state is shown.
   */
  onUpdate(update: XdsUpdate, done: (verdict: XdsVerdict) => void): void;
  /** The stream could not be opened, or it broke. The last state stays in force. For update_failure. */
  onFailure?(cause: string): void;
  /** A response was refused before its resources were looked at: a name twice, a wrong type, bytes that are no message. */
  onRefused?(errorDetail: string): void;
}

export interface XdsSubscription {
  /** Named subscriptions only. A name that was dropped and is added again is sent by the server again. */
  setNames(names: ReadonlySet<string>): void;
  close(): void;
  readonly status: XdsSubscriptionStatus;
}

export interface XdsSubscriptionStatus {
  /** Of the last response that was accepted whole; "" before the first. */
  readonly versionInfo: string;
  /** Wall clock of the last update that the watcher answered. */
  readonly updatedAtMs: number | undefined;
  /** Some response has come on some stream. */
  readonly hasAnswered: boolean;
  /** Names of the form xdstp://…, which are not asked for: not implemented. */
  readonly refusedNames: readonly string[];
  readonly lastRejection: { readonly versionInfo: string; readonly errorDetail: string; readonly atMs: number } | undefined;
}

export interface XdsClient {
  /** At most one open subscription for each type. */
  subscribe(typeUrl: string, names: ReadonlySet<string> | "wildcard", watcher: XdsWatcher): XdsSubscription;
  start(): void;
  close(): void;
  readonly status: XdsClientStatus;
}

export interface XdsClientStatus {
  readonly isConnected: boolean;
  /** Wall clock; undefined: connected, or not started. */
  readonly disconnectedSinceMs: number | undefined;
  readonly lastError: string | undefined;
  /** Streams that were opened after the first one. */
  readonly reconnects: number;
  /** control_plane.identifier of the last response; "" before the first. */
  readonly identifier: string;
}
