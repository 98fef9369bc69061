// Statistics of module delivery: those of Envoy's remote code (wasm.remote_load_*) and those of Istio's agent (istio_agent_wasm_*), which
// dashboards ask for.
import type { Counter, Gauge, Histogram, StatsStore } from "../stats/store.ts";
import type { FetchResult } from "./contract.ts";

export class ModuleStats {
  readonly #store: StatsStore;
  readonly #entries: Gauge;
  readonly #agentEntries: Gauge;
  readonly #hits: Counter;
  readonly #misses: Counter;
  readonly #negativeHits: Counter;
  readonly #successes: Counter;
  readonly #failures: Counter;
  readonly #duration: Histogram;
  readonly overflow: Counter;
  readonly cacheProblems: Counter;

  constructor(store: StatsStore) {
    this.#store = store;
    this.#entries = store.gauge("wasm.remote_load_cache_entries");
    this.#hits = store.counter("wasm.remote_load_cache_hits");
    this.#misses = store.counter("wasm.remote_load_cache_misses");
    this.#negativeHits = store.counter("wasm.remote_load_cache_negative_hits");
    this.#successes = store.counter("wasm.remote_load_fetch_successes");
    this.#failures = store.counter("wasm.remote_load_fetch_failures");
    this.overflow = store.counter("wasm.remote_load_overflow");
    this.cacheProblems = store.counter("wasm.remote_load_cache_problems");
    this.#agentEntries = store.gauge("istio_agent_wasm_cache_entries");
    this.#duration = store.histogram("istio_agent_wasm_config_conversion_duration");
  }

  entries(count: number): void {
    this.#entries.set(count);
    this.#agentEntries.set(count);
  }

  lookup(isHit: boolean): void {
    (isHit ? this.#hits : this.#misses).inc();
    this.#store.counter(`istio_agent_wasm_cache_lookup_count.hit.${isHit}`).inc();
  }

  negativeHit(): void {
    this.#negativeHits.inc();
  }

  fetched(result: FetchResult): void {
    (result === "success" ? this.#successes : this.#failures).inc();
    this.#store.counter(`istio_agent_wasm_remote_fetch_count.result.${result}`).inc();
  }

  /** From the first question for a module to its answer. */
  converted(isGood: boolean, tookMs: number): void {
    this.#store.counter(`istio_agent_wasm_config_conversion_count.result.${isGood ? "success" : "fetch_failure"}`).inc();
    this.#duration.record(tookMs);
  }
}
