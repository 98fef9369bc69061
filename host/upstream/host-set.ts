// The hosts of a cluster by priority, and which priority and health class the next request goes to (Envoy: "Priority levels",
// "Panic threshold", "Degraded endpoints"). Rebuilt when membership changes; choosing allocates nothing.
import type { Random } from "../base/system.ts";
import type { Cluster } from "../config/cluster.ts";
import type { ClusterStats } from "./cluster-stats.ts";
import type { Host } from "./host.ts";
import { createPicker, type Picker } from "./load-balancer.ts";

interface PriorityLevel {
  readonly healthy: Picker;
  readonly degraded: Picker;
  readonly all: Picker;
  readonly panic: boolean;
  /** Share of the traffic in percent. */
  readonly healthyLoad: number;
  readonly degradedLoad: number;
}

export class HostSet {
  private readonly levels: PriorityLevel[] = [];
  private readonly random: Random;
  private readonly stats: ClusterStats;
  private readonly failOnPanic: boolean;
  readonly hosts: readonly Host[];

  constructor(cluster: Cluster, overprovisioningFactor: number, hosts: readonly Host[], random: Random, stats: ClusterStats) {
    this.random = random;
    this.stats = stats;
    this.hosts = hosts;
    this.failOnPanic = cluster.commonLb.failTrafficOnPanic;
    const count = hosts.reduce((max, host) => Math.max(max, host.locality.priority + 1), 0);
    const groups: Host[][] = Array.from({ length: count }, () => []);
    for (const host of hosts) groups[host.locality.priority].push(host);
    this.build(cluster, overprovisioningFactor, groups);
  }

  private build(cluster: Cluster, factor: number, groups: Host[][]): void {
    const healthyShare: number[] = [];
    const degradedShare: number[] = [];
    for (const group of groups) {
      const total = group.length;
      const share = (count: number): number => (total === 0 ? 0 : Math.min(100, (factor * count) / total));
      healthyShare.push(share(group.filter((host) => host.health === "healthy").length));
      degradedShare.push(share(group.filter((host) => host.health === "degraded").length));
    }
    const totalShare = Math.min(100, healthyShare.reduce((sum, n) => sum + n, 0) + degradedShare.reduce((sum, n) => sum + n, 0));
    const assign = (shares: number[], remaining: number): [number[], number] => {
      let left = remaining;
      const loads = shares.map((share) => {
        const load = totalShare === 0 ? 0 : Math.min(left, (share * 100) / totalShare);
        left -= load;
        return load;
      });
      return [loads, left];
    };
    const [healthyLoads, afterHealthy] = assign(healthyShare, 100);
    const [degradedLoads] = assign(degradedShare, afterHealthy);
    const nothingHealthy = totalShare === 0;
    const threshold = cluster.commonLb.healthyPanicThreshold;
    const panics = groups.map((group) => {
      const usable = group.filter((host) => host.health !== "unhealthy").length;
      return totalShare < 100 && (group.length === 0 ? threshold > 0 : (usable * 100) / group.length < threshold);
    });
    // All levels in panic: health says nothing any more, and load follows the number of hosts (recalculateLoadInTotalPanic).
    const totalPanic = panics.every((panic) => panic);
    const hostCount = groups.reduce((sum, group) => sum + group.length, 0);
    const loadOf = (i: number): number => {
      if (totalPanic) return (groups[i].length * 100) / hostCount;
      return nothingHealthy ? (i === 0 ? 100 : 0) : healthyLoads[i];
    };
    groups.forEach((group, i) => {
      const policy = cluster.lbPolicy;
      this.levels.push({
        healthy: createPicker(
          policy,
          group.filter((host) => host.health === "healthy"),
          this.random,
        ),
        degraded: createPicker(
          policy,
          group.filter((host) => host.health === "degraded"),
          this.random,
        ),
        all: createPicker(
          policy,
          group.filter((host) => !host.excluded),
          this.random,
        ),
        panic: panics[i],
        healthyLoad: loadOf(i),
        degradedLoad: totalPanic ? 0 : degradedLoads[i],
      });
    });
  }

  choose(): Host | undefined {
    const levels = this.levels;
    if (levels.length === 0) return undefined;
    if (levels.length === 1 && !levels[0].panic && levels[0].degradedLoad === 0) return levels[0].healthy.pick();
    let draw = this.random.next() * 100;
    for (const level of levels) {
      if (draw < level.healthyLoad) return level.panic ? this.panic(level) : level.healthy.pick();
      draw -= level.healthyLoad;
    }
    for (const level of levels) {
      if (draw < level.degradedLoad) return level.panic ? this.panic(level) : level.degraded.pick();
      draw -= level.degradedLoad;
    }
    // Rounding left a crumb: the first level that takes traffic gets it.
    const first = levels.find((level) => level.healthyLoad > 0) ?? levels[0];
    return first.panic ? this.panic(first) : (first.healthy.pick() ?? first.degraded.pick());
  }

  private panic(level: PriorityLevel): Host | undefined {
    this.stats.lbHealthyPanic.inc();
    return this.failOnPanic ? undefined : level.all.pick();
  }
}
