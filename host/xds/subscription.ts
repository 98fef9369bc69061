// What the configuration knows of one subscription, wherever its resources come from: a file, a stream, or this process itself.
import type { Problem } from "./problems.ts";
import type { AcceptedResource, ResourceKind } from "./resource-kinds.ts";

/** One subscription to resources of one kind from one source. */
export interface ResourceSubscription<K extends ResourceKind> {
  readonly kind: K;
  /** A path, or the name of the stream; for messages and config_dump. */
  readonly path: string;
  readonly resources: ReadonlyMap<string, AcceptedResource<K>>;
  readonly status: SubscriptionStatus;
  /** Which resources are wanted, with the prefix of the stats of each. Files hold what they hold. */
  setNames(names: ReadonlyMap<string, string>): void;
  /** Reads again what may have changed; true: its resources did. `force`: although its text did not (a module behind it did). */
  refresh(force: boolean): boolean;
  /** The source has said that there is no such resource, so nothing waits for it. */
  isAbsent(name: string): boolean;
  /** Nobody waits for this resource any longer (initial_fetch_timeout). */
  onFetchTimeout(name: string): void;
  /** Version and time of one resource. */
  versionOf(name: string): ResourceVersion;
  close(): void;
}

export interface ResourceVersion {
  readonly versionInfo: string;
  readonly updatedAtMs: number | undefined;
}

export interface SubscriptionStatus {
  readonly kind: ResourceKind;
  readonly path: string;
  /** Of the last update that was accepted; "" before the first. For a file that gives none, the digest of its content. */
  readonly versionInfo: string;
  readonly acceptedAtMs: number | undefined;
  /** The last attempt that failed; undefined again when a later one succeeds. */
  readonly rejected: Rejection | undefined;
}

export interface Rejection {
  readonly versionInfo: string;
  readonly atMs: number;
  readonly problems: readonly Problem[];
  /** Names of the resources that are wrong, with their own problems. */
  readonly resources: ReadonlyMap<string, readonly Problem[]>;
}
