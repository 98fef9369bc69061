// THE table of listener filters: kind → how it is made, with status and security posture. Adding one is a file, a kind in
// config/listener-filter.ts, a parser row in xds/resources/listener-filters.ts and a row here.
import type { Clock } from "../../base/clock.ts";
import type { Listener } from "../../config/listener.ts";
import type { ListenerFilterConfig, ListenerFilterPredicate } from "../../config/listener-filter.ts";
import type { StatsStore } from "../../stats/store.ts";
import type { AcceptedFacts } from "../accepted-facts.ts";
import type { ListenerFilter, ListenerFilterStatus } from "./filter.ts";
import { HttpInspectorFilter } from "./http-inspector.ts";
import { LocalRateLimitFilter } from "./local-ratelimit.ts";
import { OriginalDstFilter } from "./original-dst.ts";
import { ProxyProtocolFilter } from "./proxy-protocol-filter.ts";
import { TlsInspectorFilter } from "./tls-inspector.ts";

export interface ListenerFilterContext {
  readonly stats: StatsStore;
  readonly clock: Clock;
  runtime(key: string): number | string | boolean | undefined;
}

type KindOf<Kind extends ListenerFilterConfig["kind"]> = Extract<ListenerFilterConfig, { kind: Kind }>;

interface FilterRow<Kind extends ListenerFilterConfig["kind"]> {
  /** As in Envoy's extension pages. */
  readonly name: string;
  readonly status: "stable" | "alpha";
  readonly securityPosture: "robust_to_untrusted_downstream" | "requires_trusted_downstream_and_upstream" | "unknown";
  create(config: KindOf<Kind>, ctx: ListenerFilterContext): ListenerFilter;
}

export const LISTENER_FILTERS: { readonly [Kind in ListenerFilterConfig["kind"]]: FilterRow<Kind> } = {
  tls_inspector: {
    name: "envoy.filters.listener.tls_inspector",
    status: "stable",
    securityPosture: "robust_to_untrusted_downstream",
    create: (config, ctx) => new TlsInspectorFilter(config, ctx.stats),
  },
  http_inspector: {
    name: "envoy.filters.listener.http_inspector",
    status: "stable",
    securityPosture: "requires_trusted_downstream_and_upstream",
    create: (_config, ctx) => new HttpInspectorFilter(ctx.stats),
  },
  proxy_protocol: {
    name: "envoy.filters.listener.proxy_protocol",
    status: "stable",
    securityPosture: "robust_to_untrusted_downstream",
    create: (config, ctx) => new ProxyProtocolFilter(config, ctx.stats),
  },
  original_dst: {
    name: "envoy.filters.listener.original_dst",
    status: "stable",
    securityPosture: "robust_to_untrusted_downstream",
    create: () => new OriginalDstFilter(),
  },
  local_ratelimit: {
    name: "envoy.filters.listener.local_ratelimit",
    status: "stable",
    securityPosture: "robust_to_untrusted_downstream",
    create: (config, ctx) => new LocalRateLimitFilter(config, ctx.stats, ctx.clock, (key) => ctx.runtime(key)),
  },
};

/** use_original_dst brings the filter along, as in Envoy. */
export function createListenerFilters(listener: Listener, ctx: ListenerFilterContext): readonly ListenerFilter[] {
  const filters = listener.listenerFilters.map((config) => {
    const filter = (LISTENER_FILTERS[config.kind] as FilterRow<ListenerFilterConfig["kind"]>).create(config as never, ctx);
    return config.filterDisabled === undefined ? filter : new PredicateFilter(filter, config.filterDisabled);
  });
  const hasOriginalDst = listener.listenerFilters.some((config) => config.kind === "original_dst");
  return listener.useOriginalDst && !hasOriginalDst ? [...filters, new OriginalDstFilter()] : filters;
}

/** filter_disabled. */
class PredicateFilter implements ListenerFilter {
  readonly maxReadBytes: number;
  readonly asksKernel: boolean;
  private readonly filter: ListenerFilter;
  private readonly disabled: ListenerFilterPredicate;

  constructor(filter: ListenerFilter, disabled: ListenerFilterPredicate) {
    this.filter = filter;
    this.disabled = disabled;
    this.maxReadBytes = filter.maxReadBytes;
    this.asksKernel = filter.asksKernel === true;
  }

  onAccept(facts: AcceptedFacts): ListenerFilterStatus {
    return holds(this.disabled, facts) ? "continue" : this.filter.onAccept(facts);
  }

  onData(data: Buffer, facts: AcceptedFacts): ListenerFilterStatus {
    return this.filter.onData(data, facts);
  }
}

function holds(predicate: ListenerFilterPredicate, facts: AcceptedFacts): boolean {
  switch (predicate.kind) {
    case "any":
      return true;
    case "not":
      return !holds(predicate.rule, facts);
    case "and":
      return predicate.rules.every((rule) => holds(rule, facts));
    case "or":
      return predicate.rules.some((rule) => holds(rule, facts));
    case "destination_port":
      return facts.localPort >= predicate.start && facts.localPort < predicate.end;
  }
}
