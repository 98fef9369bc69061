// The clusters of one worker by name. A mesh gives every proxy thousands of clusters, of which it calls a few: beyond a number of them a
// cluster's hosts and statistics are made when the first request asks for it (Envoy: deferred_stat_options).
import type { Cluster } from "../config/cluster.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { EMPTY_SNAPSHOT } from "../config/snapshot-delta.ts";
import { type ClusterContext, ClusterEntry } from "./cluster.ts";

/** So many are made at once, so that the statistics of an ordinary configuration are all there from the beginning. */
const EAGER_CLUSTERS = 250;

export class ClusterManager {
  private readonly ctx: ClusterContext;
  private readonly entries = new Map<string, ClusterEntry>();
  private configs = new Map<string, Cluster>();
  private snapshot: Snapshot = EMPTY_SNAPSHOT;

  constructor(ctx: ClusterContext) {
    this.ctx = ctx;
  }

  get(name: string): ClusterEntry | undefined {
    return this.entries.get(name) ?? this.make(name);
  }

  private make(name: string): ClusterEntry | undefined {
    const config = this.configs.get(name);
    if (config === undefined) return undefined;
    const entry = new ClusterEntry(config, this.ctx);
    this.entries.set(name, entry);
    this.update(entry, config);
    return entry;
  }

  private update(entry: ClusterEntry, config: Cluster): void {
    const { endpoints, secrets } = this.snapshot;
    entry.update(config, config.type === "STATIC" ? undefined : endpoints[config.edsServiceName || config.name], secrets);
  }

  /** Takes over a snapshot's clusters and endpoints; unchanged ones (the same objects) are not touched. */
  apply(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    this.configs = new Map(snapshot.clusters.map((config) => [config.name, config]));
    for (const [name, entry] of this.entries) {
      const config = this.configs.get(name);
      if (config !== undefined) this.update(entry, config);
      else {
        entry.close();
        this.entries.delete(name);
      }
    }
    if (this.configs.size <= EAGER_CLUSTERS) for (const name of this.configs.keys()) this.get(name);
  }
}
