// One module from wherever its code says: a registry, a URL, or the endpoints of a cluster.
import type { RemoteCode } from "../config/module-code.ts";
import { FetchError, type FetchedModule, type ModuleClock } from "./contract.ts";
import { moduleOfAnswer, packingBytes } from "./http-fetcher.ts";
import type { HttpAnswer, HttpGetter } from "./http-get.ts";
import { fetchImageModule } from "./image-module.ts";
import { parseImage } from "./image-reference.ts";
import { RegistryClient } from "./registry-client.ts";
import { withRetries } from "./retry.ts";

/** The cluster's side, which belongs to whoever knows clusters. Throws FetchError. */
export type ClusterGet = (
  cluster: string,
  url: URL,
  options: { readonly timeoutMs: number; readonly maxBytes: number },
) => Promise<HttpAnswer>;

export interface ModuleFetcherOptions {
  readonly getter: HttpGetter;
  readonly clusterGet: ClusterGet;
  readonly clock: ModuleClock;
  readonly maxBytes: number;
  random(): number;
}

/** Where the configuration sets none (Istio: 5 s would be the agent's own; istiod always sends 30 s). */
const defaultTimeoutMs = 30_000;

export class ModuleFetcher {
  readonly #options: ModuleFetcherOptions;

  constructor(options: ModuleFetcherOptions) {
    this.#options = options;
  }

  async fetch(code: RemoteCode, known: (digest: string) => Uint8Array | undefined, end: AbortSignal): Promise<FetchedModule> {
    const { clock } = this.#options;
    const attemptMs = code.timeoutMs > 0 ? code.timeoutMs : defaultTimeoutMs;
    const { count, maxIntervalMs } = code.retries;
    // Istio's time is for all attempts, Envoy's for each.
    const timeoutMs = code.cluster === undefined ? attemptMs : attemptMs * (count + 1) + maxIntervalMs * count;
    const random = (): number => this.#options.random();
    return withRetries({ times: code.retries, timeoutMs, clock, random, signal: end }, (signal) =>
      this.#attempt(code, attemptMs, signal, known),
    );
  }

  async #attempt(
    code: RemoteCode,
    timeoutMs: number,
    signal: AbortSignal,
    known: (digest: string) => Uint8Array | undefined,
  ): Promise<FetchedModule> {
    const { getter, clock, maxBytes } = this.#options;
    const image = parseImage(code.url);
    if (image !== undefined) {
      const client = new RegistryClient({ image, pullSecret: code.pullSecret, getter, clock, signal });
      return fetchImageModule(client, image, code.sha256, maxBytes, known);
    }
    const url = new URL(code.url);
    if (url.protocol === "oci:") throw new FetchError("not the name of an image", { result: "manifest_failure" });
    const limits = { timeoutMs, maxBytes: maxBytes + packingBytes };
    const answer =
      code.cluster === undefined
        ? await getter.get({ url, headers: { accept: "application/wasm, */*" }, maxBytes: limits.maxBytes, signal })
        : await this.#options.clusterGet(code.cluster, url, limits);
    return moduleOfAnswer(answer, code.sha256, maxBytes, clock);
  }
}
