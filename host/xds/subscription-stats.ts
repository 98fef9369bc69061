// What Envoy counts of each subscription ("xDS subscription statistics"), under the prefix of who subscribed.
import { createHash } from "node:crypto";
import type { StatsStore } from "../stats/store.ts";

/** How one subscription has fared. */
export class SubscriptionStats {
  readonly #store: StatsStore;
  readonly #prefix: string;

  constructor(store: StatsStore, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  /** It was asked for. */
  attempt(): void {
    this.#store.counter(`${this.#prefix}.update_attempt`).inc();
  }

  success(version: string, nowMs: number, tookMs: number): void {
    this.#store.counter(`${this.#prefix}.update_success`).inc();
    this.#store.gauge(`${this.#prefix}.version`).set(versionNumber(version));
    this.#store.textReadout(`${this.#prefix}.version_text`).set(version);
    this.#store.gauge(`${this.#prefix}.update_time`).set(nowMs);
    this.#store.histogram(`${this.#prefix}.update_duration`).record(tookMs);
  }

  rejected(): void {
    this.#store.counter(`${this.#prefix}.update_rejected`).inc();
  }

  /** The stream broke before an answer came. */
  failure(): void {
    this.#store.counter(`${this.#prefix}.update_failure`).inc();
  }

  fetchTimeout(): void {
    this.#store.counter(`${this.#prefix}.init_fetch_timeout`).inc();
  }
}

/** A number that is another one for another version; 48 bits, which every reader of JSON keeps exactly. */
function versionNumber(version: string): number {
  return version === "" ? 0 : createHash("sha256").update(version).digest().readUIntBE(0, 6);
}
