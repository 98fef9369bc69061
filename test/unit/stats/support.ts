// Stores of several threads and what is merged of them, without threads.
import { MergedStats } from "../../../host/stats/merged-stats.ts";
import { type StatAnnouncement, type StatDefinition, StatsStore } from "../../../host/stats/store.ts";

export class StatsBench {
  readonly merged = new MergedStats();
  readonly definitions: StatDefinition[] = [];
  private readonly waiting: (readonly [workerId: number, announcement: StatAnnouncement])[] = [];
  private readonly stores = new Map<number, StatsStore>();

  store(workerId: number): StatsStore {
    let store = this.stores.get(workerId);
    if (store === undefined) {
      store = new StatsStore((announcement) => this.waiting.push([workerId, announcement]));
      this.stores.set(workerId, store);
    }
    return store;
  }

  /** Stores announce in a microtask; tests that read at once ask for it. */
  flushAnnouncements(): void {
    for (const store of this.stores.values()) store.announceNow();
    for (const [workerId, announcement] of this.waiting.splice(0)) {
      this.definitions.push(...announcement.definitions);
      this.merged.announce(workerId, announcement);
    }
  }
}
