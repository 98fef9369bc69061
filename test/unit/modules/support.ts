// Shared by the tests of this folder.
import type { FetchedModule, ModuleClock } from "../../../host/modules/contract.ts";
import { HttpGetter } from "../../../host/modules/http-get.ts";
import { type ClusterGet, ModuleFetcher } from "../../../host/modules/module-fetcher.ts";
import type { RemoteCode } from "../../../host/config/module-code.ts";
import type { Lookup } from "../../../host/modules/address-guard.ts";

/** The eight bytes of an empty module, and a custom section that makes modules differ. */
export function moduleBytes(tail = ""): Buffer {
  const payload = Buffer.from(`\u0001x${tail}`);
  return Buffer.concat([Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 0, payload.length]), payload]);
}

/**
 * Real time with shorter waits: pauses of seconds end at once. Time-outs of an attempt (15 s) and of all (30 s) stay long enough for a busy
 * machine to answer before them.
 */
export const fastClock: ModuleClock = {
  nowMs: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs < 15_000 ? delayMs / 100 : delayMs < 30_000 ? 3000 : 5000);
    return { cancel: () => clearTimeout(timer) };
  },
};

export function remoteCode(url: string, more: Partial<RemoteCode> = {}): RemoteCode {
  return {
    kind: "remote",
    url,
    cluster: undefined,
    sha256: undefined,
    timeoutMs: 30_000,
    retries: { count: 4, baseIntervalMs: 500, maxIntervalMs: 10_000 },
    pullPolicy: "UNSPECIFIED",
    pullSecret: undefined,
    resource: "ns.p",
    resourceVersion: "1",
    ...more,
  };
}

export interface FetchOptions {
  readonly insecure?: readonly string[];
  readonly maxBytes?: number;
  /** Default: a fast one. */
  readonly clock?: ModuleClock;
  readonly lookup?: Lookup;
  /** Servers of this machine count as servers of the Internet. */
  readonly isPublic?: boolean;
  readonly authorities?: readonly string[];
  readonly clusterGet?: ClusterGet;
  readonly known?: (digest: string) => Uint8Array | undefined;
}

export function fetchModule(code: RemoteCode, options: FetchOptions = {}): Promise<FetchedModule> {
  const { insecure = [], maxBytes = 100_000, lookup, authorities, clusterGet, clock = fastClock, known = () => undefined } = options;
  const getter = new HttpGetter({
    clock,
    authorities,
    isInsecure: (host) => insecure.includes("*") || insecure.includes(host),
    ...(lookup === undefined ? {} : { lookup }),
    ...(options.isPublic === true ? { isPrivate: () => false } : {}),
  });
  const fetcher = new ModuleFetcher({
    getter,
    clock,
    maxBytes,
    random: () => 0.5,
    clusterGet: clusterGet ?? (() => Promise.reject(new Error("no clusters here"))),
  });
  return fetcher.fetch(code, known, new AbortController().signal);
}
