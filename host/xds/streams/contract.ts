// What a stream of discovery responses is to the rest of this folder: whoever wants resources subscribes and is told of updates; who
// talks to the control plane, in which of the protocol's variants and how often it had to connect again, does not show here.

/** One resource of a response. */
export interface XdsResource {
  /** In a delta response the name that the server gives; in the state of the world "", because it stands in the message alone. */
  readonly name: string;
  readonly version: string;
  /** Without type.googleapis.com/. */
  readonly typeName: string;
  /** Any.value. */
  readonly bytes: Uint8Array;
}

export interface XdsUpdate {
  readonly versionInfo: string;
  /** State of the world for a wildcard: what is not listed is gone. */
  readonly isWholeState: boolean;
  readonly resources: readonly XdsResource[];
  readonly removed: readonly string[];
}

/** `names`: the resources that were read and taken, with the version of each; a later stream says that they are known. */
export type XdsVerdict =
  | { readonly ok: true; readonly names: readonly string[] }
  | { readonly ok: false; readonly names: readonly string[]; readonly errorDetail: string };

export interface XdsWatcher {
  /** `done` is called exactly once, now or later; the next response of this type waits for it. */
  onUpdate(update: XdsUpdate, done: (verdict: XdsVerdict) => void): void;
  /** A stream could not be opened or broke; it is opened again. */
  onFailure(reason: string): void;
}

export interface XdsSubscription {
  /** Of a named subscription: which resources are wanted from now on. */
  setNames(names: ReadonlySet<string>): void;
  close(): void;
}

export interface XdsClient {
  /** One subscription for each type URL. */
  subscribe(typeUrl: string, names: ReadonlySet<string> | "wildcard", watcher: XdsWatcher): XdsSubscription;
  readonly status: XdsClientStatus;
  close(): void;
}

export interface XdsClientStatus {
  readonly isConnected: boolean;
  /** When the stream broke, or the client began; undefined while connected. */
  readonly disconnectedSinceMs: number | undefined;
  readonly lastError: string;
  /** Streams opened so far. */
  readonly streams: number;
  /** What the server calls itself; "" before it said. */
  readonly controlPlane: string;
}
