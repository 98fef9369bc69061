// What the parts of this folder say to each other: time, failures, and what a fetch gives.

export interface ModuleClock {
  nowMs(): number;
  /** Runs once, unless cancelled. */
  after(delayMs: number, run: () => void): { cancel(): void };
}

export interface ModuleLog {
  info(message: string): void;
  warn(message: string): void;
}

/** Istio's names for how a fetch ends (pkg/wasm/monitoring.go). */
export type FetchResult = "success" | "download_failure" | "manifest_failure" | "checksum_mismatched";

export class FetchError extends Error {
  readonly result: Exclude<FetchResult, "success">;
  /** Another attempt may go better. */
  readonly isTransient: boolean;
  /** When the server wants to see us again; undefined: it does not say. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    more: { readonly result?: Exclude<FetchResult, "success">; readonly isTransient?: boolean; readonly retryAfterMs?: number } = {},
  ) {
    super(message);
    this.result = more.result ?? "download_failure";
    this.isTransient = more.isTransient ?? false;
    this.retryAfterMs = more.retryAfterMs;
  }
}

export interface FetchedModule {
  /** Unpacked. */
  readonly bytes: Uint8Array;
  /** By which it may be asked for: the module's own digest, or that of its image's manifest. */
  readonly digest: string;
}

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // What failed on every address of a name has a message of its own for each.
  if (error instanceof AggregateError && error.message === "") return error.errors.map(messageOf).join("; ");
  return error.message;
}
