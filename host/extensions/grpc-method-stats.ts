// Statistics of gRPC methods below a cluster (Envoy's Grpc::Context): cluster.<name>.<grpc|grpc-web>.<service>.<method>.*, or without
// service and method. Clients choose these names, so a filter remembers a bounded number of methods and counts the rest without names.
import type { Counter, Histogram, StatsStore } from "../stats/store.ts";

const MAX_METHODS = 1000;
const MAX_NAME_LENGTH = 256;
const MAX_STATUS = 16;

/** What is counted of one method. */
export class GrpcMethodStats {
  readonly requestMessages: Counter;
  readonly responseMessages: Counter;
  private readonly store: StatsStore;
  private readonly prefix: string;
  private readonly success: Counter;
  private readonly failure: Counter;
  private readonly total: Counter;
  private readonly byStatus: (Counter | undefined)[] = [];
  private time: Histogram | undefined = undefined;

  constructor(store: StatsStore, prefix: string, countsMessages: boolean) {
    this.store = store;
    this.prefix = prefix;
    this.success = store.counter(`${prefix}success`);
    this.failure = store.counter(`${prefix}failure`);
    this.total = store.counter(`${prefix}total`);
    this.requestMessages = countsMessages ? store.counter(`${prefix}request_message_count`) : this.total;
    this.responseMessages = countsMessages ? store.counter(`${prefix}response_message_count`) : this.total;
  }

  /** grpc-status as it came. A text that is no status makes no name. */
  charge(status: string | undefined): void {
    if (status === undefined) return;
    (status === "0" ? this.success : this.failure).inc();
    this.total.inc();
    const code = /^\d{1,2}$/.test(status) ? Number(status) : MAX_STATUS + 1;
    if (code > MAX_STATUS) return;
    let counter = this.byStatus[code];
    if (counter === undefined) {
      counter = this.store.counter(`${this.prefix}${code}`);
      this.byStatus[code] = counter;
    }
    counter.inc();
  }

  /** Made on first use: a histogram takes 6 KiB. */
  recordTime(ms: number): void {
    this.time ??= this.store.histogram(`${this.prefix}upstream_rq_time`);
    this.time.record(ms);
  }
}

export interface GrpcMethod {
  readonly service: string;
  readonly method: string;
}

/** "/service/method" and nothing else, but for a query (Envoy's resolveServiceAndMethod). */
export function methodOf(path: string | undefined): GrpcMethod | undefined {
  const parts = (path ?? "")
    .split("?", 1)[0]
    .split("/")
    .filter((part) => part !== "");
  return parts.length === 2 ? { service: parts[0], method: parts[1] } : undefined;
}

/** The methods that one filter has counted, by cluster. */
export class GrpcMethodTable {
  private readonly store: StatsStore;
  private readonly protocol: "grpc" | "grpc-web";
  private readonly known = new Map<string, GrpcMethodStats>();
  private methods = 0;

  constructor(store: StatsStore, protocol: "grpc" | "grpc-web") {
    this.store = store;
    this.protocol = protocol;
  }

  /** `cluster` is the name under which it counts; without a method, or with too many, the counters have no names. */
  get(cluster: string, method: GrpcMethod | undefined): GrpcMethodStats {
    if (method === undefined || method.service.length + method.method.length > MAX_NAME_LENGTH) return this.nameless(cluster);
    const prefix = `cluster.${cluster}.${this.protocol}.${method.service}.${method.method}.`;
    const known = this.known.get(prefix);
    if (known !== undefined) return known;
    if (this.methods >= MAX_METHODS) return this.nameless(cluster);
    this.methods++;
    return this.make(prefix);
  }

  private nameless(cluster: string): GrpcMethodStats {
    const prefix = `cluster.${cluster}.${this.protocol}.`;
    return this.known.get(prefix) ?? this.make(prefix);
  }

  private make(prefix: string): GrpcMethodStats {
    const stats = new GrpcMethodStats(this.store, prefix, this.protocol === "grpc");
    this.known.set(prefix, stats);
    return stats;
  }
}
