// The clusters of one worker by name.
import type { Snapshot } from "../config/snapshot.ts";
import { type ClusterContext, ClusterEntry } from "./cluster.ts";

export class ClusterManager {
  private readonly ctx: ClusterContext;
  private readonly clusters = new Map<string, ClusterEntry>();

  constructor(ctx: ClusterContext) {
    this.ctx = ctx;
  }

  get(name: string): ClusterEntry | undefined {
    return this.clusters.get(name);
  }

  /** Takes over a snapshot's clusters and endpoints; unchanged ones (the same objects) are not touched. */
  apply(snapshot: Snapshot): void {
    const gone = new Set(this.clusters.keys());
    for (const config of snapshot.clusters) {
      gone.delete(config.name);
      let entry = this.clusters.get(config.name);
      if (entry === undefined) {
        entry = new ClusterEntry(config, this.ctx);
        this.clusters.set(config.name, entry);
      }
      entry.update(
        config,
        config.type === "STATIC" ? undefined : snapshot.endpoints[config.edsServiceName || config.name],
        snapshot.secrets,
      );
    }
    for (const name of gone) {
      this.clusters.get(name)?.close();
      this.clusters.delete(name);
    }
  }
}
