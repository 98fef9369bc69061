// control_plane.*: how the streams to the control plane fare ("Management server: statistics").
import type { Counter, Gauge, StatsStore } from "../../stats/store.ts";

export class StreamStats {
  readonly #connected: Gauge;
  readonly #pending: Gauge;
  readonly #malformed: Counter;
  readonly #unexpected: Counter;
  readonly #overflow: Counter;

  constructor(store: StatsStore) {
    this.#connected = store.gauge("control_plane.connected_state");
    this.#pending = store.gauge("control_plane.pending_requests");
    this.#malformed = store.counter("control_plane.malformed_response");
    this.#unexpected = store.counter("control_plane.unexpected_response");
    this.#overflow = store.counter("control_plane.response_overflow");
  }

  connected(isConnected: boolean): void {
    this.#connected.set(isConnected ? 1 : 0);
  }

  /** Types that have something to say and cannot yet. */
  pending(types: number): void {
    this.#pending.set(types);
  }

  malformed(): void {
    this.#malformed.inc();
  }

  unexpected(): void {
    this.#unexpected.inc();
  }

  overflow(): void {
    this.#overflow.inc();
  }
}
