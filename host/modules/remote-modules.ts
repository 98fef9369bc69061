// Every module that has to be fetched, and how far it is. Questions are answered at once: from the cache, "being fetched", or with why it
// failed. Plugins that want one module share one download. A failure is remembered for a while (Envoy: 10 s; longer each time), then
// tried again as long as something still asks, so that a registry that comes back needs nobody to tell us.
import { createHash } from "node:crypto";
import type { RemoteModuleSource } from "../config/extension.ts";
import { type RemoteCode, type ResolvedModule, shownUrl } from "../config/module-code.ts";
import { FetchError, type FetchedModule, messageOf, type ModuleClock, type ModuleLog } from "./contract.ts";
import type { DiskCache } from "./disk-cache.ts";
import { cacheName, parseImage } from "./image-reference.ts";
import type { ModuleStats } from "./module-stats.ts";

export interface RemoteModulesOptions {
  readonly clock: ModuleClock;
  readonly log: ModuleLog;
  readonly cache: DiskCache;
  readonly stats: ModuleStats;
  readonly purgeIntervalMs: number;
  /** Modules that configuration may ask for at a time. */
  readonly maxModules: number;
  /** At a time. */
  readonly maxDownloads: number;
  /** Bytes of modules that could not be cached. */
  readonly maxMemoryBytes: number;
  /** `known`: a module under a digest that is at hand. Throws FetchError. */
  fetch(code: RemoteCode, known: (digest: string) => Uint8Array | undefined, signal: AbortSignal): Promise<FetchedModule>;
}

export interface ModuleState {
  readonly url: string;
  readonly state: "fetching" | "ready" | "failed";
  readonly sha256: string | undefined;
  readonly problem: string | undefined;
  /** When a failed one is tried again. */
  readonly retryAtMs: number | undefined;
}

interface Entry {
  readonly code: RemoteCode;
  readonly name: string;
  state: ModuleState["state"];
  sha256: string | undefined;
  digest: string | undefined;
  problem: string | undefined;
  failures: number;
  retryAtMs: number | undefined;
  timer: { cancel(): void } | undefined;
  /** The round of questions in which it was asked for last. */
  round: number;
}

const firstPauseMs = 10_000;
const longestPauseMs = 300_000;
/** A module that nothing asks for any more is forgotten after that many rounds. */
const forgottenAfter = 2;

export class RemoteModules implements RemoteModuleSource {
  readonly #options: RemoteModulesOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #downloads = new Map<string, Promise<FetchedModule>>();
  readonly #waiting: (() => void)[] = [];
  readonly #listeners = new Set<() => void>();
  /** Of modules that are not on disk, by their sha256. */
  readonly #memory = new Map<string, Uint8Array>();
  readonly #end = new AbortController();
  #inUse: ReadonlySet<string> = new Set();
  #running = 0;
  #round = 0;
  #isChanged = false;
  #isClosed = false;
  #purgeTimer: { cancel(): void };

  constructor(options: RemoteModulesOptions) {
    this.#options = options;
    options.cache.purge();
    options.stats.entries(options.cache.size);
    this.#purgeTimer = options.clock.after(options.purgeIntervalMs, () => this.#purge());
  }

  get states(): readonly ModuleState[] {
    return [...this.#entries.values()].map(({ code, state, sha256, problem, retryAtMs }) => ({
      url: shownUrl(code.url),
      state,
      sha256,
      problem,
      retryAtMs,
    }));
  }

  resolve(code: RemoteCode): ResolvedModule {
    const { stats } = this.#options;
    if (code.pullSecret === "") return { problem: `cannot fetch Wasm module ${shownUrl(code.url)}: missing image pulling secret` };
    const key = keyOf(code);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      known.round = this.#round;
      if (known.state === "failed") stats.negativeHit();
      return answerOf(known);
    }
    if (this.#entries.size >= this.#options.maxModules) this.#forgetUnused();
    if (this.#entries.size >= this.#options.maxModules) {
      stats.overflow.inc();
      return { problem: `cannot fetch Wasm module ${shownUrl(code.url)}: more than ${this.#options.maxModules} are asked for` };
    }
    const name = cacheName(code.url);
    const entry: Entry = {
      code,
      name,
      state: "fetching",
      sha256: undefined,
      digest: undefined,
      problem: undefined,
      failures: 0,
      retryAtMs: undefined,
      timer: undefined,
      round: this.#round,
    };
    this.#entries.set(key, entry);
    const isFound = this.#findCached(entry);
    stats.lookup(isFound);
    if (!isFound) void this.#fetch(entry);
    return answerOf(entry);
  }

  bytesOf(sha256: string): Uint8Array | undefined {
    const inMemory = this.#memory.get(sha256);
    if (inMemory !== undefined) return inMemory;
    for (const [key, entry] of this.#entries) {
      if (entry.sha256 !== sha256 || entry.digest === undefined) continue;
      const cached = this.#options.cache.find(entry.name, entry.digest);
      if (cached?.sha256 === sha256) return cached.bytes;
      // Gone from the disk: the next question fetches it again.
      this.#entries.delete(key);
      this.#isChanged = true;
    }
    return undefined;
  }

  refresh(): boolean {
    const isChanged = this.#isChanged;
    this.#isChanged = false;
    return isChanged;
  }

  release(inUse: ReadonlySet<string>): void {
    this.#inUse = inUse;
    for (const sha256 of this.#memory.keys()) {
      const isWanted = [...this.#entries.values()].some((entry) => entry.sha256 === sha256);
      if (!isWanted && !inUse.has(sha256)) this.#memory.delete(sha256);
    }
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#isClosed = true;
    this.#end.abort(new FetchError("the proxy ends"));
    this.#purgeTimer.cancel();
    for (const entry of this.#entries.values()) entry.timer?.cancel();
    this.#listeners.clear();
  }

  #findCached(entry: Entry): boolean {
    const { code, name } = entry;
    const { cache } = this.#options;
    const pinned = code.sha256 ?? parseImage(code.url)?.digest;
    const digest = pinned ?? (asksAlways(code) ? undefined : cache.digestOf(name, code.url));
    const cached = digest === undefined ? undefined : cache.find(name, digest);
    if (cached === undefined) return false;
    entry.state = "ready";
    entry.sha256 = cached.sha256;
    entry.digest = digest;
    return true;
  }

  async #fetch(entry: Entry): Promise<void> {
    const { clock, stats, log } = this.#options;
    const startedMs = clock.nowMs();
    const url = shownUrl(entry.code.url);
    try {
      const module = await this.#download(entry);
      if (this.#isClosed) return;
      const sha256 = createHash("sha256").update(module.bytes).digest("hex");
      this.#keep(entry, module, sha256);
      Object.assign(entry, { state: "ready", sha256, digest: module.digest, problem: undefined, failures: 0, retryAtMs: undefined });
      stats.converted(true, clock.nowMs() - startedMs);
      log.info(`fetched Wasm module ${url}: ${module.bytes.length} bytes, sha256 ${sha256}`);
    } catch (error) {
      if (this.#isClosed) return;
      stats.converted(false, clock.nowMs() - startedMs);
      this.#fail(entry, error);
    }
    this.#announce();
  }

  /** Waits for its turn, or for another's download of the same. */
  #download(entry: Entry): Promise<FetchedModule> {
    const { code, name } = entry;
    const key = JSON.stringify([code.url, code.cluster, code.sha256, code.pullSecret]);
    const running = this.#downloads.get(key);
    if (running !== undefined) return running;
    const { cache, stats, fetch } = this.#options;
    const download = this.#inTurn(() => fetch(code, (digest) => cache.find(name, digest)?.bytes, this.#end.signal)).finally(() =>
      this.#downloads.delete(key),
    );
    this.#downloads.set(key, download);
    download.then(
      () => stats.fetched("success"),
      (error: unknown) => stats.fetched(error instanceof FetchError ? error.result : "download_failure"),
    );
    return download;
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#options.maxDownloads) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      return await run();
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  #keep({ code, name }: Entry, { bytes, digest }: FetchedModule, sha256: string): void {
    const { cache, stats, maxMemoryBytes } = this.#options;
    if (cache.find(name, digest)?.sha256 === sha256) cache.remember(name, code.url, digest);
    else if (!cache.put(name, code.url, digest, bytes)) {
      const used = [...this.#memory.values()].reduce((sum, module) => sum + module.length, bytes.length);
      if (used > maxMemoryBytes) {
        stats.overflow.inc();
        throw new FetchError(`modules that could not be cached have more than the ${maxMemoryBytes} bytes that are allowed`);
      }
      this.#memory.set(sha256, bytes);
    }
    stats.entries(cache.size);
  }

  #fail(entry: Entry, error: unknown): void {
    const { clock, log } = this.#options;
    const pauseMs = Math.min(firstPauseMs * 2 ** entry.failures, longestPauseMs);
    const problem = `cannot fetch Wasm module ${shownUrl(entry.code.url)}: ${messageOf(error)}`;
    if (problem !== entry.problem) log.warn(`${problem}; the next attempt is in ${pauseMs / 1000} s`);
    entry.state = "failed";
    entry.problem = problem;
    entry.failures++;
    entry.retryAtMs = clock.nowMs() + pauseMs;
    entry.timer = clock.after(pauseMs, () => this.#retry(entry));
  }

  #retry(entry: Entry): void {
    // Nothing asked for it since its failure was announced.
    if (entry.round < this.#round) {
      this.#forget(entry);
      return;
    }
    entry.state = "fetching";
    entry.retryAtMs = undefined;
    void this.#fetch(entry);
  }

  #announce(): void {
    this.#round++;
    this.#isChanged = true;
    for (const entry of this.#entries.values())
      if (entry.state === "ready" && entry.round < this.#round - forgottenAfter) this.#forget(entry);
    for (const listener of this.#listeners) listener();
  }

  #forgetUnused(): void {
    for (const entry of this.#entries.values())
      if (entry.state === "ready" && entry.sha256 !== undefined && !this.#inUse.has(entry.sha256)) this.#forget(entry);
  }

  #forget(entry: Entry): void {
    entry.timer?.cancel();
    this.#entries.delete(keyOf(entry.code));
  }

  #purge(): void {
    const { cache, stats, clock, purgeIntervalMs } = this.#options;
    for (const { state, name, digest } of this.#entries.values()) if (state === "ready" && digest !== undefined) cache.touch(name, digest);
    cache.purge();
    stats.entries(cache.size);
    this.#purgeTimer = clock.after(purgeIntervalMs, () => this.#purge());
  }
}

/** Istio: shouldIgnoreResourceVersion. */
function asksAlways(code: RemoteCode): boolean {
  if (code.pullPolicy !== "UNSPECIFIED") return code.pullPolicy === "ALWAYS";
  return code.cluster === undefined && parseImage(code.url)?.tag === "latest" && parseImage(code.url)?.digest === undefined;
}

/** What makes a module another one: with ALWAYS, also who asks in which version. */
function keyOf(code: RemoteCode): string {
  const always = asksAlways(code) ? [code.resource, code.resourceVersion] : [];
  return JSON.stringify([code.url, code.cluster, code.sha256, code.pullSecret, always]);
}

function answerOf({ code, state, sha256, problem }: Entry): ResolvedModule {
  if (sha256 !== undefined && state === "ready") return { sha256, source: shownUrl(code.url) };
  // While a failed one is tried again its failure is what is known.
  return problem === undefined ? { pending: shownUrl(code.url) } : { problem };
}
