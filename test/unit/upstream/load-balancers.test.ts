// Which host the next request goes to: policies, weights, priorities, degraded hosts and panic (Envoy: "Load balancing"), on seeded
// randomness. Shares are of 10,000 draws.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cluster, HealthStatus, LbPolicy, LocalityEndpoints } from "../../../host/config/cluster.ts";
import { StatsStore } from "../../../host/stats/store.ts";
import { ClusterStats } from "../../../host/upstream/cluster-stats.ts";
import { Host } from "../../../host/upstream/host.ts";
import { HostSet } from "../../../host/upstream/host-set.ts";
import { createPicker } from "../../../host/upstream/load-balancer.ts";
import { makeSnapshot } from "../../support/data-plane.ts";
import { SeededRandom } from "../../support/seeded-random.ts";

const DRAWS = 10_000;
const store = new StatsStore(() => {});
const [base] = makeSnapshot([], [{ name: "c", ports: [] }]).clusters;

/** "P0 H3 D1 U1": priority 0 with three healthy hosts, one degraded and one unhealthy. */
function makeHosts(text: string): Host[] {
  const hosts: Host[] = [];
  let priority = 0;
  const health: Readonly<Record<string, HealthStatus>> = { H: "HEALTHY", D: "DEGRADED", U: "UNHEALTHY", X: "DRAINING" };
  for (const part of text.split(" ")) {
    const count = Number(part.slice(1));
    if (part[0] === "P") {
      priority = count;
      continue;
    }
    for (let i = 0; i < count; i++) {
      const name = `${priority}${part[0]}${i}`;
      const locality: LocalityEndpoints = { region: "", zone: "", subZone: "", priority, weight: undefined, endpoints: [] };
      const endpoint = {
        address: { kind: "pipe" as const, path: name },
        hostname: "",
        healthStatus: health[part[0]],
        healthCheck: undefined,
        failedActiveHealthCheck: false,
        isIgnored: false,
        weight: 1,
        metadata: {},
      };
      hosts.push(new Host(endpoint, locality, store, "c"));
    }
  }
  return hosts;
}

interface Case {
  readonly name: string;
  readonly hosts: string;
  readonly cluster?: Partial<Cluster>;
  /** Percent by the first two letters of a host's name: priority and health. "-": no host. */
  readonly shares: Readonly<Record<string, number>>;
  readonly panics?: boolean;
}
const CASES: readonly Case[] = [
  { name: "all healthy", hosts: "P0 H4", shares: { "0H": 100 } },
  { name: "unhealthy hosts get nothing", hosts: "P0 H8 U2", shares: { "0H": 100 } },
  { name: "no hosts", hosts: "P0", shares: { "-": 100 } },
  { name: "the first priority takes all while it can", hosts: "P0 H4 P1 H4", shares: { "0H": 100 } },
  { name: "72 % healthy is enough with a factor of 1.4", hosts: "P0 H8 U3 P1 H4", shares: { "0H": 100 } },
  { name: "half healthy takes 70 %", hosts: "P0 H5 U5 P1 H4", shares: { "0H": 70, "1H": 30 } },
  { name: "a factor of 1", hosts: "P0 H5 U5 P1 H4", cluster: { overprovisioningFactor: 100 }, shares: { "0H": 50, "1H": 50 } },
  { name: "nobody healthy in the first", hosts: "P0 U4 P1 H4", shares: { "1H": 100 } },
  { name: "three priorities", hosts: "P0 H1 U3 P1 H1 U1 P2 H2", shares: { "0H": 35, "1H": 65 } },
  { name: "degraded hosts of the first before healthy ones of the second", hosts: "P0 H5 D5 P1 H4", shares: { "0H": 70, "1H": 30 } },
  { name: "only degraded", hosts: "P0 D4", shares: { "0D": 100 } },
  { name: "panic: too few healthy hosts anywhere", hosts: "P0 H1 U9", shares: { "0H": 10, "0U": 90 }, panics: true },
  { name: "panic off", hosts: "P0 H1 U9", cluster: { commonLb: { ...base.commonLb, healthyPanicThreshold: 0 } }, shares: { "0H": 100 } },
  {
    name: "panic fails instead",
    hosts: "P0 H1 U9",
    cluster: { commonLb: { ...base.commonLb, failTrafficOnPanic: true } },
    shares: { "-": 100 },
    panics: true,
  },
  { name: "nobody healthy: panic", hosts: "P0 U4", shares: { "0U": 100 }, panics: true },
  { name: "nobody healthy in any priority: by number of hosts", hosts: "P0 U3 P1 U1", shares: { "0U": 75, "1U": 25 }, panics: true },
  { name: "nobody healthy, the first priority empty", hosts: "P0 P1 U4", shares: { "1U": 100 }, panics: true },
  {
    name: "every priority in panic: by number of hosts",
    hosts: "P0 H1 U9 P1 H1 U9 P2 U20",
    shares: { "0H": 2.5, "0U": 22.5, "1H": 2.5, "1U": 22.5, "2U": 50 },
    panics: true,
  },
  { name: "draining hosts get nothing, not even in panic", hosts: "P0 U3 X1", shares: { "0U": 100 }, panics: true },
];

for (const given of CASES) {
  test(`host set: ${given.name}`, () => {
    const random = new SeededRandom(42);
    const stats = new ClusterStats(new StatsStore(() => {}), "c");
    const config = { ...base, ...given.cluster };
    const set = new HostSet(config, config.overprovisioningFactor, makeHosts(given.hosts), random, stats);
    const counts: Record<string, number> = {};
    for (let i = 0; i < DRAWS; i++) {
      const key = set.choose()?.address.slice(0, 2) ?? "-";
      counts[key] = (counts[key] ?? 0) + 1;
    }
    const shares = Object.fromEntries(Object.entries(counts).map(([key, count]) => [key, (count * 100) / DRAWS]));
    assert.deepEqual(Object.keys(shares).sort(), Object.keys(given.shares).sort());
    for (const [key, share] of Object.entries(given.shares))
      assert.ok(Math.abs(shares[key] - share) < 2, `${key}: ${shares[key]} %, wanted ${share} %`);
    assert.equal(stats.lbHealthyPanic.value > 0, given.panics === true);
  });
}

const POLICIES: readonly (readonly [name: string, policy: LbPolicy, weights: readonly number[], tolerance: number])[] = [
  ["round robin", { kind: "ROUND_ROBIN" }, [1, 1, 1, 1], 0.01],
  ["round robin by weight", { kind: "ROUND_ROBIN" }, [1, 2, 3, 10], 0.1],
  ["random", { kind: "RANDOM" }, [1, 1, 1, 1], 1.5],
  ["least request on idle hosts", { kind: "LEAST_REQUEST", choiceCount: 2, activeRequestBias: 1 }, [1, 1, 1, 1], 1.5],
  ["least request by weight", { kind: "LEAST_REQUEST", choiceCount: 2, activeRequestBias: 1 }, [1, 3], 0.1],
];
for (const [name, policy, weights, tolerance] of POLICIES) {
  test(`${name}: shares follow the weights`, () => {
    const hosts = makeHosts(`P0 H${weights.length}`);
    hosts.forEach((host, i) => {
      host.endpoint = { ...host.endpoint, weight: weights[i] };
    });
    const picker = createPicker(policy, hosts, new SeededRandom(3));
    const counts = new Map<Host, number>(hosts.map((host) => [host, 0]));
    for (let i = 0; i < DRAWS; i++) {
      const host = picker.pick();
      if (host !== undefined) counts.set(host, (counts.get(host) ?? 0) + 1);
    }
    const sum = weights.reduce((a, b) => a + b, 0);
    hosts.forEach((host, i) => {
      const share = ((counts.get(host) ?? 0) * 100) / DRAWS;
      assert.ok(Math.abs(share - (weights[i] * 100) / sum) <= tolerance, `host ${i}: ${share} %`);
    });
  });
}

test("round robin takes every host before any again", () => {
  const hosts = makeHosts("P0 H5");
  const picker = createPicker({ kind: "ROUND_ROBIN" }, hosts, new SeededRandom(1));
  for (let round = 0; round < 5; round++) assert.equal(new Set(Array.from({ length: 5 }, () => picker.pick())).size, 5);
});

test("least request avoids the busy host", () => {
  const hosts = makeHosts("P0 H2");
  hosts[0].activeRequests = 10;
  const picker = createPicker({ kind: "LEAST_REQUEST", choiceCount: 2, activeRequestBias: 1 }, hosts, new SeededRandom(9));
  let busy = 0;
  for (let i = 0; i < DRAWS; i++) if (picker.pick() === hosts[0]) busy++;
  // Both draws must fall on it: a quarter.
  assert.ok(Math.abs(busy / DRAWS - 0.25) < 0.02, `${busy}`);
});
