// One compiled route: does it match, which cluster does it choose, how does it rewrite (Envoy's RouteEntryImplBase).
import { compileRegex, type Regex } from "../base/regex.ts";
import type { Random } from "../base/system.ts";
import type {
  MaxStreamDuration,
  HeaderMutations,
  PerFilterConfig,
  PerFilterOverride,
  RedirectAction,
  Route,
  RouteAction,
  RouteConfiguration,
  VirtualHost,
  WeightedCluster,
} from "../config/route.ts";
import type { RouteView } from "../http/filter.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { isGrpcRequest } from "../http/grpc.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import { configOf } from "./filter-overrides.ts";
import { HeaderMutation } from "./header-mutation.ts";
import {
  compileFraction,
  compileHeaderMatcher,
  compileQueryMatcher,
  type HeaderTest,
  parseQuery,
  type QueryTest,
  type RuntimeReader,
} from "./matchers.ts";
import { CompiledRetryPolicy } from "./retry-policy.ts";

/** Header mutations of the levels above a route, compiled once for all its routes. */
export interface LevelMutations {
  readonly request: HeaderMutation;
  readonly response: HeaderMutation;
}

export function compileMutations(mutations: HeaderMutations): LevelMutations {
  return {
    request: new HeaderMutation(mutations.requestToAdd, mutations.requestToRemove),
    response: new HeaderMutation(mutations.responseToAdd, mutations.responseToRemove),
  };
}

type PathTest = (pathOnly: string) => boolean;

function compilePath(route: Route): PathTest {
  const { path, caseSensitive } = route.match;
  const fold = (text: string): string => (caseSensitive ? text : text.toLowerCase());
  switch (path.kind) {
    case "prefix": {
      const value = fold(path.value);
      if (value === "/") return (text) => text.charCodeAt(0) === 0x2f;
      return caseSensitive ? (text) => text.startsWith(value) : (text) => text.toLowerCase().startsWith(value);
    }
    case "path": {
      const value = fold(path.value);
      return (text) => fold(text) === value;
    }
    case "path_separated_prefix": {
      const value = fold(path.value);
      return (text) => {
        const folded = fold(text);
        return folded.startsWith(value) && (folded.length === value.length || folded.charCodeAt(value.length) === 0x2f);
      };
    }
    case "safe_regex": {
      const regex = compileRegex(path.regex);
      return (text) => regex.fullMatch(text);
    }
    case "connect_matcher":
      return () => false;
  }
}

export interface RouteContext {
  readonly table: RouteConfiguration;
  readonly virtualHost: VirtualHost;
  readonly tableMutations: LevelMutations;
  readonly hostMutations: LevelMutations;
  readonly runtime: RuntimeReader;
}

export class RouteEntry implements RouteView {
  readonly config: Route;
  readonly virtualHost: VirtualHost;
  readonly table: RouteConfiguration;
  private readonly pathTest: PathTest;
  private readonly isConnect: boolean;
  private readonly headerTests: readonly HeaderTest[];
  private readonly queryTests: readonly QueryTest[];
  private readonly fraction: ((random: Random) => boolean) | undefined;
  private readonly requestMutations: readonly HeaderMutation[];
  private readonly responseMutations: readonly HeaderMutation[];
  private readonly pathRegex: Regex | undefined;
  private readonly hostRegex: Regex | undefined;
  private readonly weighted: readonly WeightedChoice[];
  private readonly hasOverrides: boolean;
  readonly retryPolicy: CompiledRetryPolicy | undefined;

  constructor(config: Route, ctx: RouteContext) {
    this.config = config;
    this.virtualHost = ctx.virtualHost;
    this.table = ctx.table;
    this.hasOverrides = [config, ctx.virtualHost, ctx.table].some((level) => Object.keys(level.perFilterConfig).length > 0);
    const match = config.match;
    this.pathTest = compilePath(config);
    this.isConnect = match.path.kind === "connect_matcher";
    this.headerTests = match.headers.map(compileHeaderMatcher);
    this.queryTests = match.queryParameters.map(compileQueryMatcher);
    this.fraction = match.runtimeFraction === undefined ? undefined : compileFraction(match.runtimeFraction, ctx.runtime);
    const own = compileMutations(config.mutations);
    const levels = [own, ctx.hostMutations, ctx.tableMutations];
    if (ctx.table.mostSpecificHeaderMutationsWins) levels.reverse();
    this.requestMutations = levels.map((level) => level.request).filter((mutation) => !mutation.empty);
    this.responseMutations = levels.map((level) => level.response).filter((mutation) => !mutation.empty);
    const action = config.action;
    const rewrite = action.kind === "route" || action.kind === "redirect" ? action.regexRewrite : undefined;
    this.pathRegex = rewrite === undefined ? undefined : compileRegex(rewrite.regex);
    const hostRewrite = action.kind === "route" ? action.hostRewrite : undefined;
    this.hostRegex = hostRewrite?.kind === "path_regex" ? compileRegex(hostRewrite.rewrite.regex) : undefined;
    this.weighted =
      action.kind === "route" && action.cluster.kind === "weighted"
        ? action.cluster.clusters.map((cluster) => new WeightedChoice(this, cluster))
        : [];
    const retry = action.kind === "route" ? (action.retryPolicy ?? ctx.virtualHost.retryPolicy) : undefined;
    this.retryPolicy = retry === undefined ? undefined : new CompiledRetryPolicy(retry);
  }

  /** `pathOnly` is the path without its query; `path` the whole. */
  matches(headers: HeaderMap, path: string, pathOnly: string, random: Random): boolean {
    if (this.isConnect ? headers.get(":method") !== "CONNECT" : !this.pathTest(pathOnly)) return false;
    if (this.config.match.grpc && !isGrpcRequest(headers)) return false;
    for (const test of this.headerTests) if (!test(headers)) return false;
    if (this.queryTests.length > 0) {
      const query = parseQuery(path);
      for (const test of this.queryTests) if (!test(query)) return false;
    }
    return this.fraction === undefined || this.fraction(random);
  }

  /** The view for one request: itself, or one that knows which weighted or header-named cluster was drawn. */
  choose(headers: HeaderMap, random: Random): RouteView {
    const action = this.config.action;
    if (action.kind !== "route") return this;
    switch (action.cluster.kind) {
      case "cluster":
        return this;
      case "cluster_header":
        return new HeaderChoice(this, headers.get(action.cluster.header) ?? "");
      case "weighted": {
        let draw = this.drawWeight(action.cluster, headers, random);
        for (const choice of this.weighted) {
          draw -= choice.weight;
          if (draw < 0) return choice.clusterHeader === "" ? choice : new HeaderChoice(this, headers.get(choice.clusterHeader) ?? "");
        }
        return this.weighted[this.weighted.length - 1];
      }
    }
  }

  /** weighted_clusters.header_name lets the client (or a filter) name the random value, modulo the total. */
  private drawWeight(cluster: { readonly totalWeight: number; readonly headerName: string }, headers: HeaderMap, random: Random): number {
    const given = cluster.headerName === "" ? undefined : headers.get(cluster.headerName);
    if (given !== undefined && /^\d{1,15}$/.test(given)) return Number(given) % cluster.totalWeight;
    return Math.floor(random.next() * cluster.totalWeight);
  }

  // ---- RouteView ----

  get routeName(): string {
    return this.config.name;
  }
  get virtualHostName(): string {
    return this.virtualHost.name;
  }
  get clusterName(): string {
    const action = this.config.action;
    return action.kind === "route" && action.cluster.kind === "cluster" ? action.cluster.name : "";
  }
  get forwards(): boolean {
    return this.config.action.kind === "route";
  }
  get metadata(): Readonly<Record<string, unknown>> {
    return this.config.metadata;
  }
  get virtualHostMetadata(): Readonly<Record<string, unknown>> {
    return this.virtualHost.metadata;
  }
  get streamIdleTimeoutMs(): number | undefined {
    return this.config.action.kind === "route" ? this.config.action.idleTimeoutMs : undefined;
  }
  get maxStreamDuration(): MaxStreamDuration | undefined {
    return this.config.action.kind === "route" ? this.config.action.maxStreamDuration : undefined;
  }
  get bufferLimitBytes(): number | undefined {
    return this.config.perRequestBufferLimitBytes ?? this.virtualHost.perRequestBufferLimitBytes;
  }
  upgradeAllowed(type: string): boolean | undefined {
    const action = this.config.action;
    return action.kind === "route" && Object.hasOwn(action.upgrades, type) ? action.upgrades[type] : undefined;
  }
  perFilterConfig(filterName: string): unknown {
    return this.override(filterName)?.config;
  }
  perFilterConfigs(filterName: string): readonly unknown[] {
    if (!this.hasOverrides) return [];
    return this.levels().flatMap((level) => configOf(level, filterName));
  }
  filterDisabled(filterName: string): boolean | undefined {
    return this.hasOverrides ? this.override(filterName)?.disabled : undefined;
  }

  private levels(): readonly PerFilterConfig[] {
    return [this.config.perFilterConfig, this.virtualHost.perFilterConfig, this.table.perFilterConfig];
  }

  private override(filterName: string): PerFilterOverride | undefined {
    for (const level of this.levels()) {
      if (Object.hasOwn(level, filterName)) return level[filterName];
    }
    return undefined;
  }

  // ---- for the router ----

  finalizeRequestHeaders(headers: HeaderMap, info: StreamInfo, choice: WeightedChoice | undefined): void {
    choice?.requestMutation.apply(headers, info);
    for (const mutation of this.requestMutations) mutation.apply(headers, info);
    const action = this.config.action;
    if (action.kind !== "route") return;
    const host = choice?.hostRewriteLiteral ?? this.rewrittenHost(action, headers);
    if (host !== undefined && host !== "") setHost(headers, host, action.appendXForwardedHost);
    this.rewritePath(action, headers);
  }

  finalizeResponseHeaders(headers: HeaderMap, info: StreamInfo, choice: WeightedChoice | undefined): void {
    choice?.responseMutation.apply(headers, info);
    for (const mutation of this.responseMutations) mutation.apply(headers, info);
  }

  private rewrittenHost(action: RouteAction, headers: HeaderMap): string | undefined {
    const rewrite = action.hostRewrite;
    switch (rewrite?.kind) {
      case "literal":
        return rewrite.value;
      case "header":
        return headers.get(rewrite.header);
      case "path_regex":
        return this.hostRegex?.replaceAll((headers.get(":path") ?? "").split("?")[0], rewrite.rewrite.substitution);
      default:
        return undefined;
    }
  }

  private rewritePath(action: RouteAction, headers: HeaderMap): void {
    const path = headers.get(":path");
    if (path === undefined) return;
    const rewritten = this.newPath(path, action.prefixRewrite, action.regexRewrite?.substitution);
    if (rewritten === undefined) return;
    if (!headers.has("x-envoy-original-path")) headers.add("x-envoy-original-path", path);
    headers.set(":path", rewritten);
  }

  private newPath(path: string, prefixRewrite: string | undefined, substitution: string | undefined): string | undefined {
    const query = path.indexOf("?");
    const pathOnly = query < 0 ? path : path.slice(0, query);
    const rest = query < 0 ? "" : path.slice(query);
    if (prefixRewrite !== undefined) {
      const match = this.config.match.path;
      const matched = match.kind === "safe_regex" || match.kind === "connect_matcher" ? pathOnly.length : match.value.length;
      return prefixRewrite + pathOnly.slice(matched) + rest;
    }
    if (this.pathRegex !== undefined && substitution !== undefined) return this.pathRegex.replaceAll(pathOnly, substitution) + rest;
    return undefined;
  }

  /** The value of the location header of a redirect. */
  redirectLocation(action: RedirectAction, headers: HeaderMap): string {
    const scheme = headers.get("x-forwarded-proto") ?? headers.get(":scheme") ?? "http";
    const newScheme = action.httpsRedirect ? "https" : action.schemeRedirect || scheme;
    const authority = headers.get(":authority") ?? "";
    let host = action.hostRedirect || authority;
    const port = /:\d+$/.exec(host);
    if (port !== null && !host.endsWith("]")) {
      const drop =
        action.portRedirect !== 0 ||
        (newScheme !== scheme && ((scheme === "http" && port[0] === ":80") || (scheme === "https" && port[0] === ":443")));
      if (drop) host = host.slice(0, -port[0].length);
    }
    if (action.portRedirect !== 0) host = `${host}:${action.portRedirect}`;
    const path = headers.get(":path") ?? "/";
    let newPath = action.pathRedirect ?? this.newPath(path, action.prefixRewrite, action.regexRewrite?.substitution) ?? path;
    if (action.pathRedirect !== undefined && !action.stripQuery && !newPath.includes("?")) {
      const query = path.indexOf("?");
      if (query >= 0) newPath += path.slice(query);
    }
    if (action.stripQuery) newPath = newPath.split("?")[0];
    return `${newScheme}://${host}${newPath}`;
  }
}

export function setHost(headers: HeaderMap, host: string, appendXForwardedHost: boolean): void {
  const old = headers.get(":authority") ?? "";
  if (old === host) return;
  if (appendXForwardedHost && old !== "") headers.appendCopy("x-forwarded-host", old);
  headers.set(":authority", host);
}

/** What a route view delegates to its entry when only the cluster differs. */
export abstract class Choice implements RouteView {
  readonly entry: RouteEntry;
  abstract readonly clusterName: string;

  constructor(entry: RouteEntry) {
    this.entry = entry;
  }
  get routeName(): string {
    return this.entry.routeName;
  }
  get virtualHostName(): string {
    return this.entry.virtualHostName;
  }
  get forwards(): boolean {
    return true;
  }
  get metadata(): Readonly<Record<string, unknown>> {
    return this.entry.metadata;
  }
  get virtualHostMetadata(): Readonly<Record<string, unknown>> {
    return this.entry.virtualHostMetadata;
  }
  get streamIdleTimeoutMs(): number | undefined {
    return this.entry.streamIdleTimeoutMs;
  }
  get maxStreamDuration(): MaxStreamDuration | undefined {
    return this.entry.maxStreamDuration;
  }
  get bufferLimitBytes(): number | undefined {
    return this.entry.bufferLimitBytes;
  }
  upgradeAllowed(type: string): boolean | undefined {
    return this.entry.upgradeAllowed(type);
  }
  perFilterConfig(filterName: string): unknown {
    return this.entry.perFilterConfig(filterName);
  }
  perFilterConfigs(filterName: string): readonly unknown[] {
    return this.entry.perFilterConfigs(filterName);
  }
  filterDisabled(filterName: string): boolean | undefined {
    return this.entry.filterDisabled(filterName);
  }
}

export class HeaderChoice extends Choice {
  readonly clusterName: string;
  constructor(entry: RouteEntry, clusterName: string) {
    super(entry);
    this.clusterName = clusterName;
  }
}

export class WeightedChoice extends Choice {
  readonly clusterName: string;
  readonly clusterHeader: string;
  readonly weight: number;
  readonly hostRewriteLiteral: string | undefined;
  readonly requestMutation: HeaderMutation;
  readonly responseMutation: HeaderMutation;
  private readonly filterConfig: PerFilterConfig;

  constructor(entry: RouteEntry, cluster: WeightedCluster) {
    super(entry);
    this.clusterName = cluster.name;
    this.clusterHeader = cluster.clusterHeader;
    this.weight = cluster.weight;
    this.hostRewriteLiteral = cluster.hostRewriteLiteral;
    const mutations = compileMutations(cluster.mutations);
    this.requestMutation = mutations.request;
    this.responseMutation = mutations.response;
    this.filterConfig = cluster.perFilterConfig;
  }

  override perFilterConfig(filterName: string): unknown {
    return Object.hasOwn(this.filterConfig, filterName) ? this.filterConfig[filterName].config : this.entry.perFilterConfig(filterName);
  }

  override perFilterConfigs(filterName: string): readonly unknown[] {
    return [...configOf(this.filterConfig, filterName), ...this.entry.perFilterConfigs(filterName)];
  }

  override filterDisabled(filterName: string): boolean | undefined {
    return Object.hasOwn(this.filterConfig, filterName) ? this.filterConfig[filterName].disabled : this.entry.filterDisabled(filterName);
  }
}
