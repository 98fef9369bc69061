// Where a module's code comes from, and what is known of it.

export type ModuleCode = FileCode | InlineCode | RemoteCode;

export interface FileCode {
  readonly kind: "file";
  readonly path: string;
  readonly sha256: string | undefined;
}

export interface InlineCode {
  readonly kind: "inline";
  readonly bytes: Uint8Array;
}

/** Istio's PullPolicy. UNSPECIFIED: ALWAYS for an image with the tag latest, else IF_NOT_PRESENT. */
export type PullPolicy = "UNSPECIFIED" | "IF_NOT_PRESENT" | "ALWAYS";

export interface RemoteCode {
  readonly kind: "remote";
  /** http:, https: or oci:. */
  readonly url: string;
  /** Whose endpoints are asked; undefined: the host that the URL names. */
  readonly cluster: string | undefined;
  /** Lower-case hex: of the module where it comes by HTTP, of the image's manifest where it comes from a registry (as in Istio). */
  readonly sha256: string | undefined;
  /** For all attempts together; through a cluster, for each. */
  readonly timeoutMs: number;
  readonly retries: RetryTimes;
  readonly pullPolicy: PullPolicy;
  /** Docker's config.json; "": one was asked for and is missing; undefined: none. */
  readonly pullSecret: string | undefined;
  /** Who asks; with its version, what ALWAYS means: once for each version of a resource. */
  readonly resource: string;
  readonly resourceVersion: string;
}

export interface RetryTimes {
  readonly count: number;
  readonly baseIntervalMs: number;
  readonly maxIntervalMs: number;
}

/** `pending`: it is being fetched from there; what names it is to be read again when it has come or failed. */
export type ResolvedModule =
  | { readonly sha256: string; readonly source: string }
  | { readonly pending: string }
  | { readonly problem: string };

/** A URL for messages: without what may be secret in it. */
export function shownUrl(url: string): string {
  return url.replace(/^([a-z]+:\/\/)[^/@]*@(?!sha256:)/i, "$1").replace(/\?.*$/s, "");
}
