// DNS clusters: names become endpoints, the last good answer stays, literal addresses need no answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cluster } from "../../../host/config/cluster.ts";
import type { Snapshot } from "../../../host/config/snapshot.ts";
import { EMPTY_SNAPSHOT } from "../../../host/config/snapshot-delta.ts";
import { DnsResolver, type Lookup } from "../../../host/server/dns-resolver.ts";
import { StatsStore } from "../../../host/stats/store.ts";

type Answers = Record<string, readonly string[] | Error>;

function cluster(type: Cluster["type"], names: readonly string[], family: Cluster["dns"]["lookupFamily"] = "V4_ONLY"): Cluster {
  const endpoints = names.map((address) => ({
    address: { kind: "socket", address, port: 80 },
    hostname: "",
    healthStatus: "UNKNOWN",
    weight: 1,
    metadata: {},
  }));
  // Only what the resolver reads.
  return {
    name: "dns",
    altStatName: "",
    type,
    endpoints: [{ region: "", zone: "", subZone: "", priority: 0, weight: undefined, endpoints }],
    dns: { refreshRateMs: 30, respectDnsTtl: false, lookupFamily: family },
    dropPerMillion: 0,
  } as unknown as Cluster;
}

class Rig {
  readonly answers: Answers;
  readonly failures: string[] = [];
  readonly resolver: DnsResolver;
  private changed: () => void = () => {};

  constructor(answers: Answers) {
    this.answers = answers;
    const lookup: Lookup = {
      resolve: async (name, family) => {
        const answer = this.answers[`${name}/${family}`] ?? new Error(`${name} does not resolve`);
        if (answer instanceof Error) throw answer;
        return answer.map((address) => ({ address, ttl: 60 }));
      },
    };
    this.resolver = new DnsResolver({
      lookup,
      stats: new StatsStore(() => {}),
      onChange: () => this.changed(),
      onFailure: (_cluster, name) => this.failures.push(name),
    });
  }

  nextChange(): Promise<void> {
    return new Promise((resolve) => {
      this.changed = resolve;
    });
  }

  endpoints(config: Cluster): string[] {
    const snapshot: Snapshot = { ...EMPTY_SNAPSHOT, clusters: [config] };
    const assignment = this.resolver.decorate(snapshot).endpoints.dns;
    return assignment.localities.flatMap((locality) =>
      locality.endpoints.map(({ address }) => (address.kind === "socket" ? `${address.address}:${address.port}` : address.path)),
    );
  }
}

const cases: readonly (readonly [string, Cluster, Answers, readonly string[]])[] = [
  ["STRICT_DNS takes every answer", cluster("STRICT_DNS", ["a"]), { "a/4": ["10.0.0.1", "10.0.0.2"] }, ["10.0.0.1:80", "10.0.0.2:80"]],
  [
    "STRICT_DNS with two names",
    cluster("STRICT_DNS", ["a", "b"]),
    { "a/4": ["10.0.0.1"], "b/4": ["10.0.1.1"] },
    ["10.0.0.1:80", "10.0.1.1:80"],
  ],
  ["LOGICAL_DNS takes the first answer", cluster("LOGICAL_DNS", ["a"]), { "a/4": ["10.0.0.1", "10.0.0.2"] }, ["10.0.0.1:80"]],
  ["AUTO prefers IPv6", cluster("STRICT_DNS", ["a"], "AUTO"), { "a/4": ["10.0.0.1"], "a/6": ["::1"] }, ["::1:80"]],
  ["AUTO falls back to IPv4", cluster("STRICT_DNS", ["a"], "AUTO"), { "a/4": ["10.0.0.1"] }, ["10.0.0.1:80"]],
  ["ALL takes both", cluster("STRICT_DNS", ["a"], "ALL"), { "a/4": ["10.0.0.1"], "a/6": ["::1"] }, ["10.0.0.1:80", "::1:80"]],
];

for (const [name, config, answers, expected] of cases) {
  test(name, async () => {
    const rig = new Rig(answers);
    const change = rig.nextChange();
    assert.deepEqual(rig.endpoints(config), []);
    await change;
    assert.deepEqual(rig.endpoints(config), expected);
    rig.resolver.close();
  });
}

test("literal addresses are there at once", () => {
  const rig = new Rig({});
  assert.deepEqual(rig.endpoints(cluster("STRICT_DNS", ["10.9.9.9"])), ["10.9.9.9:80"]);
  rig.resolver.close();
});

test("the last answer stays while the name does not resolve, and a new one is taken", async () => {
  // The resolver's own timers do not hold the process.
  const alive = setInterval(() => {}, 1000);
  const rig = new Rig({ "a/4": ["10.0.0.1"] });
  const config = cluster("STRICT_DNS", ["a"]);
  let change = rig.nextChange();
  rig.endpoints(config);
  await change;
  rig.answers["a/4"] = new Error("SERVFAIL");
  while (rig.failures.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(rig.endpoints(config), ["10.0.0.1:80"]);
  change = rig.nextChange();
  rig.answers["a/4"] = ["10.0.0.7"];
  await change;
  assert.deepEqual(rig.endpoints(config), ["10.0.0.7:80"]);
  rig.resolver.close();
  clearInterval(alive);
});
