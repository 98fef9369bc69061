// The table of load balancers and their algorithms (Envoy: "Supported load balancers"). A picker is built for each list of hosts and
// thrown away when the list changes; picking allocates nothing.
import type { Random } from "../base/system.ts";
import type { LbPolicy } from "../config/cluster.ts";
import { EdfScheduler } from "./edf-scheduler.ts";
import type { Host } from "./host.ts";

export interface Picker {
  pick(): Host | undefined;
}

const NONE: Picker = { pick: () => undefined };

function equalWeights(hosts: readonly Host[]): boolean {
  return hosts.every((host) => host.weight === hosts[0].weight);
}

class RoundRobin implements Picker {
  private readonly hosts: readonly Host[];
  private next: number;

  constructor(hosts: readonly Host[], random: Random) {
    this.hosts = hosts;
    // Workers start at different places, so that they do not all hit the first host.
    this.next = Math.floor(random.next() * hosts.length);
  }

  pick(): Host {
    const host = this.hosts[this.next];
    this.next = this.next + 1 === this.hosts.length ? 0 : this.next + 1;
    return host;
  }
}

class WeightedRoundRobin implements Picker {
  private readonly scheduler: EdfScheduler<Host>;

  constructor(hosts: readonly Host[], random: Random) {
    this.scheduler = new EdfScheduler(hosts, (host) => host.weight);
    const skip = Math.floor(random.next() * hosts.length);
    for (let i = 0; i < skip; i++) this.scheduler.pick();
  }

  pick(): Host {
    return this.scheduler.pick();
  }
}

/** Power of `choiceCount` random choices over active requests. */
class LeastRequest implements Picker {
  private readonly hosts: readonly Host[];
  private readonly random: Random;
  private readonly choiceCount: number;

  constructor(hosts: readonly Host[], random: Random, choiceCount: number) {
    this.hosts = hosts;
    this.random = random;
    this.choiceCount = choiceCount;
  }

  pick(): Host {
    const hosts = this.hosts;
    let best = hosts[Math.floor(this.random.next() * hosts.length)];
    for (let i = 1; i < this.choiceCount; i++) {
      const other = hosts[Math.floor(this.random.next() * hosts.length)];
      if (other.activeRequests < best.activeRequests) best = other;
    }
    return best;
  }
}

class RandomPicker implements Picker {
  private readonly hosts: readonly Host[];
  private readonly random: Random;

  constructor(hosts: readonly Host[], random: Random) {
    this.hosts = hosts;
    this.random = random;
  }

  pick(): Host {
    return this.hosts[Math.floor(this.random.next() * this.hosts.length)];
  }
}

type PolicyOf<Kind extends LbPolicy["kind"]> = Extract<LbPolicy, { kind: Kind }>;

/** Adding a load balancer is a kind in config/cluster.ts and a row here. */
const LOAD_BALANCERS: { readonly [Kind in LbPolicy["kind"]]: (policy: PolicyOf<Kind>, hosts: readonly Host[], random: Random) => Picker } =
  {
    ROUND_ROBIN: (_policy, hosts, random) => (equalWeights(hosts) ? new RoundRobin(hosts, random) : new WeightedRoundRobin(hosts, random)),
    LEAST_REQUEST: (policy, hosts, random) =>
      equalWeights(hosts)
        ? new LeastRequest(hosts, random, policy.choiceCount)
        : new EdfScheduler(hosts, (host) => host.weight / (host.activeRequests + 1) ** policy.activeRequestBias),
    RANDOM: (_policy, hosts, random) => new RandomPicker(hosts, random),
    // Such a cluster has no list to pick from: cluster.ts asks it.
    CLUSTER_PROVIDED: () => NONE,
  };

export function createPicker(policy: LbPolicy, hosts: readonly Host[], random: Random): Picker {
  if (hosts.length === 0) return NONE;
  switch (policy.kind) {
    case "ROUND_ROBIN":
      return LOAD_BALANCERS.ROUND_ROBIN(policy, hosts, random);
    case "LEAST_REQUEST":
      return LOAD_BALANCERS.LEAST_REQUEST(policy, hosts, random);
    case "RANDOM":
      return LOAD_BALANCERS.RANDOM(policy, hosts, random);
    case "CLUSTER_PROVIDED":
      return LOAD_BALANCERS.CLUSTER_PROVIDED(policy, hosts, random);
  }
}
