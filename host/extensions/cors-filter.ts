// envoy.filters.http.cors: answers preflight requests and marks responses for the origins that the route's policy allows.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/cors_filter and https://fetch.spec.whatwg.org/#http-cors-protocol
// A field that the route's policy leaves out is the virtual host's, then the route configuration's: Envoy merges them one by one.
import type { Random } from "../base/system.ts";
import type { CorsPolicy } from "../config/http-filters.ts";
import { FilterHeadersStatus, PassThroughFilter } from "../http/filter.ts";
import type { FilterCallbacks, StreamFilter, StreamFilterFactory } from "../http/filter.ts";
import { HeaderMap } from "../http/header-map.ts";
import { compileStringMatcher, type StringTest } from "../net/string-matcher.ts";
import { compileFraction, type RuntimeReader } from "../router/matchers.ts";
import type { Counter } from "../stats/store.ts";
import type { ExtensionContext } from "./context.ts";

/** One level's policy, compiled once for as long as its configuration lives. */
class CompiledPolicy {
  readonly config: CorsPolicy;
  readonly origins: readonly StringTest[];
  readonly isEnabled: (random: Random) => boolean;
  readonly isShadow: (random: Random) => boolean;

  constructor(config: CorsPolicy, runtime: RuntimeReader) {
    this.config = config;
    this.origins = config.allowOrigins.map(compileStringMatcher);
    this.isEnabled = config.filterEnabled === undefined ? () => true : compileFraction(config.filterEnabled, runtime);
    this.isShadow = config.shadowEnabled === undefined ? () => false : compileFraction(config.shadowEnabled, runtime);
  }
}

class CorsFilter extends PassThroughFilter {
  private readonly factory: CorsFactory;
  private readonly callbacks: FilterCallbacks;
  private policies: readonly CompiledPolicy[] = [];
  private origin = "";
  private isAllowed = false;

  constructor(factory: CorsFactory, callbacks: FilterCallbacks) {
    super();
    this.factory = factory;
    this.callbacks = callbacks;
  }

  override decodeHeaders(headers: HeaderMap): FilterHeadersStatus {
    const route = this.callbacks.route();
    if (route === undefined || !route.forwards) return FilterHeadersStatus.Continue;
    this.policies = this.factory.policiesOf(route.perFilterConfigs(this.factory.name));
    const { random } = this.factory;
    const isEnabled = this.policies.length > 0 && this.policies[0].isEnabled(random);
    if (!isEnabled && !(this.policies.length > 0 && this.policies[0].isShadow(random))) return FilterHeadersStatus.Continue;
    this.origin = headers.get("origin") ?? "";
    if (this.origin === "") return FilterHeadersStatus.Continue;
    const isPreflight = headers.get(":method") === "OPTIONS" && (headers.get("access-control-request-method") ?? "") !== "";
    if (!this.allowsOrigin()) {
      this.factory.originInvalid.inc();
      if (!isEnabled || !isPreflight || this.first("forwardNotMatchingPreflights") !== false) return FilterHeadersStatus.Continue;
      this.callbacks.respond(this.preflightAnswer(headers), "cors_response");
      return FilterHeadersStatus.StopIteration;
    }
    this.factory.originValid.inc();
    if (!isEnabled) return FilterHeadersStatus.Continue;
    this.isAllowed = true;
    if (!isPreflight) return FilterHeadersStatus.Continue;
    this.callbacks.respond(this.preflightAnswer(headers), "cors_response");
    return FilterHeadersStatus.StopIteration;
  }

  override encodeHeaders(headers: HeaderMap): FilterHeadersStatus {
    if (!this.isAllowed) return FilterHeadersStatus.Continue;
    headers.set("access-control-allow-origin", this.origin);
    if (this.first("allowCredentials") === true) headers.set("access-control-allow-credentials", "true");
    setGiven(headers, "access-control-expose-headers", this.firstText("exposeHeaders"));
    return FilterHeadersStatus.Continue;
  }

  private preflightAnswer(request: HeaderMap): HeaderMap {
    const answer = HeaderMap.from([[":status", "200"]]);
    if (this.isAllowed) answer.set("access-control-allow-origin", this.origin);
    if (this.first("allowCredentials") === true) answer.set("access-control-allow-credentials", "true");
    setGiven(answer, "access-control-allow-methods", this.firstText("allowMethods"));
    setGiven(answer, "access-control-allow-headers", this.firstText("allowHeaders"));
    setGiven(answer, "access-control-max-age", this.firstText("maxAge"));
    // https://wicg.github.io/private-network-access/#cors-preflight
    const asksForPrivate = request.get("access-control-request-private-network") === "true";
    if (asksForPrivate && this.first("allowPrivateNetworkAccess") === true) answer.set("access-control-allow-private-network", "true");
    return answer;
  }

  private allowsOrigin(): boolean {
    const origins = this.policies.find((policy) => policy.origins.length > 0)?.origins ?? [];
    return origins.some((test) => test(this.origin));
  }

  private firstText(field: "allowMethods" | "allowHeaders" | "exposeHeaders" | "maxAge"): string {
    return this.policies.find((policy) => policy.config[field] !== "")?.config[field] ?? "";
  }

  private first(field: "allowCredentials" | "allowPrivateNetworkAccess" | "forwardNotMatchingPreflights"): boolean | undefined {
    return this.policies.find((policy) => policy.config[field] !== undefined)?.config[field];
  }
}

function setGiven(headers: HeaderMap, name: string, value: string): void {
  if (value !== "") headers.set(name, value);
}

export class CorsFactory implements StreamFilterFactory {
  readonly name: string;
  readonly random: Random;
  readonly originValid: Counter;
  readonly originInvalid: Counter;
  private readonly runtime: RuntimeReader;
  private readonly compiled = new WeakMap<CorsPolicy, CompiledPolicy>();

  constructor(name: string, statPrefix: string, ctx: ExtensionContext) {
    this.name = name;
    this.random = ctx.random;
    this.runtime = ctx.runtime;
    this.originValid = ctx.stats.counter(`http.${statPrefix}.cors.origin_valid`);
    this.originInvalid = ctx.stats.counter(`http.${statPrefix}.cors.origin_invalid`);
  }

  /** What the levels' own parser made: only policies stand under this filter's name. */
  policiesOf(configs: readonly unknown[]): readonly CompiledPolicy[] {
    return configs.map((config) => this.compile(config as CorsPolicy));
  }

  private compile(config: CorsPolicy): CompiledPolicy {
    let policy = this.compiled.get(config);
    if (policy === undefined) {
      policy = new CompiledPolicy(config, this.runtime);
      this.compiled.set(config, policy);
    }
    return policy;
  }

  createFilter(callbacks: FilterCallbacks): StreamFilter {
    return new CorsFilter(this, callbacks);
  }

  close(): void {}
}
