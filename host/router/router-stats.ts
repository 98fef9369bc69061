// The router's own counters (http.<stat_prefix>.*).
import type { Counter, StatsStore } from "../stats/store.ts";

export class RouterStats {
  readonly noRoute: Counter;
  readonly noCluster: Counter;
  readonly rqTotal: Counter;
  readonly rqDirectResponse: Counter;
  readonly rqRedirect: Counter;

  constructor(store: StatsStore, statPrefix: string) {
    const p = `http.${statPrefix}.`;
    this.noRoute = store.counter(`${p}no_route`);
    this.noCluster = store.counter(`${p}no_cluster`);
    this.rqTotal = store.counter(`${p}rq_total`);
    this.rqDirectResponse = store.counter(`${p}rq_direct_response`);
    this.rqRedirect = store.counter(`${p}rq_redirect`);
  }
}
