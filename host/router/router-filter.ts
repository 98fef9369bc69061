// The router: the terminal HTTP filter (Envoy's Router::Filter). Chooses route, cluster and host, sends the request, decides about
// retries and timeouts, mirrors, and turns failures into answers.
// Longer than its siblings because one request's attempts, timers, body and answer are one state machine: cut apart, each half would need all of its fields.
import { type Clock, Timer, type TimerOwner } from "../base/clock.ts";
import { retain } from "../base/read-buffer.ts";
import type { Random } from "../base/system.ts";
import type { RouterConfig } from "../config/listener.ts";
import type { DirectResponseAction, RedirectAction, RouteAction } from "../config/route.ts";
import { FilterDataStatus, FilterHeadersStatus, FilterTrailersStatus, PassThroughFilter, type RouteView } from "../http/filter.ts";
import type { DownstreamWatermarkCallbacks, FilterContext } from "../http/filter-context.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { type AlpnOverride, ResponseFlag } from "../http/stream-info.ts";
import type { ClusterEntry, Priority } from "../upstream/cluster.ts";
import type { ClusterManager } from "../upstream/cluster-manager.ts";
import type { PooledConnection } from "../upstream/conn-pool.ts";
import type { Host } from "../upstream/host.ts";
import { failureBody, failureDetails, failureFlag, failureStatus, type UpstreamFailure } from "./failure.ts";
import { type ResetKind, RetryState } from "./retry-policy.ts";
import { Choice, RouteEntry, setHost, WeightedChoice } from "./route-entry.ts";
import { TlsRedirect } from "./route-table.ts";
import type { RouterStats } from "./router-stats.ts";
import { type ShadowContext, shadowRequests } from "./shadow.ts";
import { finalTimeouts, type RequestTimeouts } from "./timeouts.ts";
import { type AttemptOwner, UpstreamRequest } from "./upstream-request.ts";

export interface RouterContext extends ShadowContext {
  readonly clusters: ClusterManager;
  readonly random: Random;
  readonly config: RouterConfig;
  readonly stats: RouterStats;
  readonly clock: Clock;
}

const TIMER_ROUTE = 0;
const TIMER_BACK_OFF = 1;

export class RouterFilter extends PassThroughFilter implements AttemptOwner, TimerOwner, DownstreamWatermarkCallbacks {
  private readonly ctx: RouterContext;
  private readonly callbacks: FilterContext;
  private entry!: RouteEntry;
  private action!: RouteAction;
  private choice: WeightedChoice | undefined = undefined;
  private cluster!: ClusterEntry;
  private priority: Priority = "DEFAULT";
  private headers!: HeaderMap;
  private attempt: UpstreamRequest | undefined = undefined;
  private retryState: RetryState | undefined = undefined;
  private timeouts!: RequestTimeouts;
  private routeTimer: Timer | undefined = undefined;
  private backOffTimer: Timer | undefined = undefined;
  /** The request body as far as a retry or a mirror may need it; undefined once it is too large or not needed. */
  private keptBody: Uint8Array[] | undefined = undefined;
  private keptBytes = 0;
  private keptTrailers: HeaderMap | undefined = undefined;
  private requestEnded = false;
  private responseStarted = false;
  private done = false;
  private retrying = false;
  private attempts = 0;
  private triedHosts: Host[] | undefined = undefined;
  private wantsShadow = false;
  private internal = false;
  private pushedBack = 0;
  private downstreamAbove = false;

  constructor(ctx: RouterContext, callbacks: FilterContext) {
    super();
    this.ctx = ctx;
    this.callbacks = callbacks;
  }

  override decodeHeaders(headers: HeaderMap, endStream: boolean): FilterHeadersStatus {
    this.headers = headers;
    this.requestEnded = endStream;
    const route = this.callbacks.route();
    if (route === undefined) {
      this.ctx.stats.noRoute.inc();
      this.reply(404, "", "route_not_found", ResponseFlag.NoRouteFound);
      return FilterHeadersStatus.StopIteration;
    }
    if (route instanceof TlsRedirect) {
      this.ctx.stats.rqRedirect.inc();
      this.callbacks.sendLocalReply({
        status: 301,
        body: "",
        details: "direct_response",
        headers: [["location", route.location(headers)]],
      });
      return FilterHeadersStatus.StopIteration;
    }
    const entry = entryOf(route);
    this.entry = entry;
    this.choice = route instanceof WeightedChoice ? route : undefined;
    const action = entry.config.action;
    switch (action.kind) {
      case "redirect":
        this.redirect(action, headers);
        break;
      case "direct_response":
        this.direct(action);
        break;
      case "route":
        this.action = action;
        this.forward(route.clusterName, headers, endStream);
        break;
      case "none":
        this.reply(404, "", "route_not_found", ResponseFlag.NoRouteFound);
    }
    return FilterHeadersStatus.StopIteration;
  }

  private reply(status: number, body: string, details: string, flags: number): void {
    this.callbacks.sendLocalReply({ status, body, details, flags });
  }

  private redirect(action: RedirectAction, headers: HeaderMap): void {
    this.ctx.stats.rqRedirect.inc();
    this.localWithMutations(action.responseCode, "", [["location", this.entry.redirectLocation(action, headers)]]);
  }

  private direct(action: DirectResponseAction): void {
    this.ctx.stats.rqDirectResponse.inc();
    this.localWithMutations(action.status, action.body, []);
  }

  /** Redirects and direct responses carry the route's response header mutations. */
  private localWithMutations(status: number, body: string, headers: (readonly [string, string])[]): void {
    const own = this.ctx.newHeaderMap();
    for (const [name, value] of headers) own.add(name, value);
    this.entry.finalizeResponseHeaders(own, this.callbacks.info, this.choice);
    this.callbacks.sendLocalReply({ status, body, details: "direct_response", headers: own.entries() });
  }

  private forward(clusterName: string, headers: HeaderMap, endStream: boolean): void {
    const info = this.callbacks.info;
    this.ctx.stats.rqTotal.inc();
    const cluster = clusterName === "" ? undefined : this.ctx.clusters.get(clusterName);
    if (cluster === undefined) {
      this.ctx.stats.noCluster.inc();
      info.clusterName = "";
      this.reply(this.action.clusterNotFoundResponseCode, "", "cluster_not_found", ResponseFlag.NoClusterFound);
      return;
    }
    this.cluster = cluster;
    this.priority = this.action.priority;
    info.clusterName = cluster.config.name;
    info.clusterMetadata = cluster.config.metadata;
    info.clusterAltName = cluster.config.altStatName;
    if (cluster.dropPerMillion > 0 && this.ctx.random.next() * 1_000_000 < cluster.dropPerMillion) {
      cluster.stats.upstreamRqDropOverload.inc();
      this.reply(503, "drop overload", "drop_overload", ResponseFlag.DropOverLoad);
      return;
    }
    this.internal = headers.get("x-envoy-internal") === "true";
    this.retryState = RetryState.create(this.entry.retryPolicy, headers);
    this.timeouts = finalTimeouts(this.action, this.entry.retryPolicy?.config, headers, this.ctx.config);
    this.entry.finalizeRequestHeaders(headers, info, this.choice);
    this.wantsShadow =
      this.entry.table.requestMirrorPolicies.length +
        this.entry.virtualHost.requestMirrorPolicies.length +
        this.action.requestMirrorPolicies.length >
      0;
    if ((this.retryState !== undefined || this.wantsShadow) && !endStream) this.keptBody = [];
    this.callbacks.setDownstreamWatermarkCallbacks(this);
    const host = cluster.chooseHost(info.connection, headers);
    if (host === undefined) {
      this.noHealthyUpstream();
      return;
    }
    if (this.wantsShadow && endStream) this.mirror();
    this.startAttempt(host);
    if (endStream && !this.done) this.onRequestComplete();
  }

  private noHealthyUpstream(): void {
    this.callbacks.info.upstreamRequestAttemptCount = Math.max(1, this.attempts);
    this.cluster.stats.upstreamCxNoneHealthy.inc();
    this.cluster.stats.countCode(503, this.internal);
    this.reply(503, "no healthy upstream", "no_healthy_upstream", ResponseFlag.NoHealthyUpstream);
  }

  private startAttempt(host: Host): void {
    const headers = this.headers;
    const info = this.callbacks.info;
    this.attempts++;
    info.upstreamRequestAttemptCount = this.attempts;
    info.upstreamHost = host.address;
    info.upstreamHostMetadata = host.metadata;
    info.upstreamLocality = host.locality;
    if (this.retryState?.avoidsPreviousHosts === true) {
      this.triedHosts ??= [];
      this.triedHosts.push(host);
    }
    if (this.entry.virtualHost.includeRequestAttemptCount) headers.set("x-envoy-attempt-count", String(this.attempts));
    const rewrite = this.action.hostRewrite;
    if (rewrite?.kind === "auto" && host.endpoint.hostname !== "")
      setHost(headers, host.endpoint.hostname, this.action.appendXForwardedHost);
    if (this.attempts > 1) this.shortenExpectedTimeout();
    const attempt = new UpstreamRequest(this, this.cluster, host, this.priority, headers);
    this.attempt = attempt;
    if (this.downstreamAbove) attempt.readDisable(true);
    attempt.start(this.requestEnded && (this.keptBody === undefined || this.keptBody.length === 0) && this.keptTrailers === undefined);
    // A repeated attempt gets what has come in so far; the first one gets its data as it comes.
    if (this.attempts > 1 && this.attempt === attempt) this.replay(attempt);
  }

  /** A repeated attempt has only what is left of the route timeout. */
  private shortenExpectedTimeout(): void {
    const { routeMs, perTryMs } = this.timeouts;
    if (routeMs === 0 || perTryMs > 0 || this.ctx.config.suppressEnvoyHeaders) return;
    const passed = this.ctx.clock.now - this.callbacks.info.upstreamLastByteSentAt;
    this.headers.set("x-envoy-expected-rq-timeout-ms", String(Math.max(1, Math.ceil(routeMs - passed))));
  }

  private replay(attempt: UpstreamRequest): void {
    const body = this.keptBody ?? [];
    for (let i = 0; i < body.length && this.attempt === attempt; i++) {
      attempt.encodeData(body[i], this.requestEnded && i === body.length - 1 && this.keptTrailers === undefined);
    }
    if (this.keptTrailers !== undefined && this.attempt === attempt) attempt.encodeTrailers(this.keptTrailers);
    if (this.requestEnded && this.attempt === attempt) attempt.startPerTryTimers(this.timeouts.perTryMs, this.timeouts.perTryIdleMs);
  }

  override decodeData(data: Uint8Array, endStream: boolean): FilterDataStatus {
    if (this.done) return FilterDataStatus.StopIterationNoBuffer;
    if (endStream) this.requestEnded = true;
    if (this.keptBody !== undefined && data.length > 0) this.keep(data);
    if (!this.retrying) this.attempt?.encodeData(data, endStream);
    if (endStream && !this.done) {
      if (this.wantsShadow) this.mirror();
      this.onRequestComplete();
    }
    return FilterDataStatus.StopIterationNoBuffer;
  }

  private keep(data: Uint8Array): void {
    this.keptBytes += data.length;
    // A route's limit is about retries and mirrors only; filters before this one have the connection's.
    if (this.keptBytes <= Math.min(this.callbacks.bufferLimit(), this.entry.bufferLimitBytes ?? Number.POSITIVE_INFINITY)) {
      this.keptBody?.push(retain(data));
      return;
    }
    // Too large to send again: the request goes on without retries and mirrors.
    this.cluster.stats.retryOrShadowAbandoned.inc();
    this.keptBody = undefined;
    this.retryState = undefined;
    this.wantsShadow = false;
  }

  override decodeTrailers(trailers: HeaderMap): FilterTrailersStatus {
    if (this.done) return FilterTrailersStatus.StopIteration;
    this.requestEnded = true;
    this.keptTrailers = trailers;
    if (!this.retrying) this.attempt?.encodeTrailers(trailers);
    if (this.wantsShadow) this.mirror();
    this.onRequestComplete();
    return FilterTrailersStatus.StopIteration;
  }

  /** Timeouts run from the end of the request (Envoy: route timeout, per try timeout). */
  private onRequestComplete(): void {
    const info = this.callbacks.info;
    info.upstreamLastByteSentAt = this.ctx.clock.now;
    if (this.timeouts.routeMs > 0) {
      this.routeTimer = new Timer(this, TIMER_ROUTE);
      this.ctx.clock.start(this.routeTimer, this.timeouts.routeMs);
    }
    if (this.timeouts.perTryMs > 0 || this.timeouts.perTryIdleMs > 0)
      this.attempt?.startPerTryTimers(this.timeouts.perTryMs, this.timeouts.perTryIdleMs);
  }

  private mirror(): void {
    this.wantsShadow = false;
    const policies = [
      ...this.action.requestMirrorPolicies,
      ...this.entry.virtualHost.requestMirrorPolicies,
      ...this.entry.table.requestMirrorPolicies,
    ];
    shadowRequests(this.ctx, policies, this.headers, this.keptBody ?? [], this.keptTrailers);
  }

  // ---- AttemptOwner ----

  get upstreamAlpn(): AlpnOverride | undefined {
    return this.callbacks.info.upstreamAlpn;
  }
  get downstreamProtocol(): string {
    return this.callbacks.info.protocol;
  }

  onAttemptReady(attempt: UpstreamRequest, connection: PooledConnection): void {
    const info = this.callbacks.info;
    const now = this.ctx.clock.now;
    info.upstreamHost = attempt.host.address;
    info.upstreamLocalAddress = connection.localAddress;
    info.upstreamProtocol = connection.protocol;
    info.upstreamTls = connection.tls;
    info.upstreamConnectionReadyAt = now;
    info.upstreamFirstByteSentAt = now;
    if (!this.headers.has(":method")) this.refuseHeaders(attempt, "missing required header: :method");
  }

  /** A filter left a request that cannot be written: Envoy's codec finds that out, on a connection that is ready. */
  private refuseHeaders(attempt: UpstreamRequest, why: string): void {
    this.done = true;
    this.attempt = undefined;
    attempt.cancel();
    this.reply(503, why, `filter_removed_required_request_headers{${why}}`, ResponseFlag.DownstreamProtocolError);
  }

  onUpstream1xx(_attempt: UpstreamRequest, headers: HeaderMap): void {
    this.callbacks.encode1xxHeaders(headers);
  }

  onUpstreamHeaders(attempt: UpstreamRequest, headers: HeaderMap, endStream: boolean): void {
    if (this.done) return;
    const info = this.callbacks.info;
    const now = this.ctx.clock.now;
    const code = Number(headers.get(":status"));
    info.upstreamFirstByteReceivedAt = now;
    if (code >= 500) attempt.host.stats.rqError.inc();
    else attempt.host.stats.rqSuccess.inc();
    if (this.retryState !== undefined) {
      if (this.retryState.wantsStatus(code, headers)) {
        if (this.retry(headers)) {
          this.cluster.stats.countRetriedCode(code);
          if (!endStream) attempt.cancel();
          return;
        }
      } else if (this.attempts > 1 && code < 500) this.cluster.stats.upstreamRqRetrySuccess.inc();
      this.retryState = undefined;
    }
    this.cluster.stats.countCode(code, this.internal);
    if (!this.wantsShadow) this.keptBody = undefined;
    this.responseStarted = true;
    info.responseCodeDetails = "via_upstream";
    if (endStream) this.finishResponse(now);
    // Only when the whole request was received: an early answer took no time that could be told.
    if (!this.ctx.config.suppressEnvoyHeaders && info.upstreamLastByteSentAt > 0) {
      headers.set("x-envoy-upstream-service-time", String(Math.floor(now - info.upstreamLastByteSentAt)));
    }
    if (this.entry.virtualHost.includeAttemptCountInResponse) headers.set("x-envoy-attempt-count", String(this.attempts));
    info.responseHeaders = headers;
    info.responseCode = code;
    this.entry.finalizeResponseHeaders(headers, info, this.choice);
    this.callbacks.encodeHeaders(headers, endStream);
  }

  onUpstreamData(_attempt: UpstreamRequest, data: Uint8Array, endStream: boolean): void {
    if (this.done) return;
    this.callbacks.info.upstreamBytesReceived += data.length;
    if (endStream) this.finishResponse(this.ctx.clock.now);
    this.callbacks.encodeData(data, endStream);
  }

  onUpstreamTrailers(_attempt: UpstreamRequest, trailers: HeaderMap): void {
    if (this.done) return;
    this.finishResponse(this.ctx.clock.now);
    this.callbacks.encodeTrailers(trailers);
  }

  private finishResponse(now: number): void {
    const info = this.callbacks.info;
    info.upstreamLastByteReceivedAt = now;
    // Whole milliseconds, as Envoy records them.
    const took = Math.floor(now - info.upstreamFirstByteSentAt);
    this.cluster.stats.upstreamRqTime.record(took);
    (this.internal ? this.cluster.stats.internalRqTime : this.cluster.stats.externalRqTime).record(took);
    this.attempt = undefined;
    this.routeTimer?.clear();
    this.done = true;
  }

  onUpstreamFailure(attempt: UpstreamRequest, failure: UpstreamFailure): void {
    if (this.done || (this.attempt !== undefined && this.attempt !== attempt)) return;
    this.attempt = undefined;
    const info = this.callbacks.info;
    info.upstreamTransportFailureReason = failure.transport;
    if (failure.reason !== "overflow") attempt.host.stats.rqError.inc();
    if (this.responseStarted) {
      info.setFlag(failureFlag(failure));
      this.abort(failureDetails(failure, "after"));
      return;
    }
    if (this.retryState?.wantsReset(resetKind(failure), attempt.requestSent) === true && this.retry(undefined)) return;
    this.fail(failureStatus(failure), failureBody(failure, this.attempts > 1), failureDetails(failure, "before"), failureFlag(failure));
  }

  private fail(status: number, body: string, details: string, flag: number): void {
    if (status !== 0) this.cluster.stats.countCode(status, this.internal);
    this.done = true;
    this.routeTimer?.clear();
    const overflow = flag === ResponseFlag.UpstreamOverflow ? ([["x-envoy-overloaded", "true"]] as const) : undefined;
    this.callbacks.sendLocalReply({
      status,
      body,
      details,
      flags: flag,
      headers: overflow !== undefined && !this.ctx.config.suppressEnvoyHeaders ? overflow : undefined,
    });
  }

  private abort(details: string): void {
    this.done = true;
    this.routeTimer?.clear();
    this.callbacks.resetStream(details);
  }

  onPerTryTimeout(attempt: UpstreamRequest, idle: boolean): void {
    if (this.done) return;
    const stats = this.cluster.stats;
    if (idle) stats.upstreamRqPerTryIdleTimeout.inc();
    else stats.upstreamRqPerTryTimeout.inc();
    attempt.host.stats.rqTimeout.inc();
    attempt.cancel();
    this.attempt = undefined;
    const details = idle ? "upstream_per_try_idle_timeout" : "upstream_per_try_timeout";
    if (this.responseStarted) {
      this.callbacks.info.setFlag(ResponseFlag.UpstreamRequestTimeout);
      this.abort(details);
      return;
    }
    if (this.retryState?.wantsReset("per-try-timeout", attempt.requestSent) === true && this.retry(undefined)) return;
    this.fail(
      this.timeouts.timeoutStatus,
      this.timeouts.timeoutStatus === 204 ? "" : "upstream request timeout",
      details,
      ResponseFlag.UpstreamRequestTimeout,
    );
  }

  onUpstreamWatermark(above: boolean): void {
    this.pushedBack += above ? 1 : -1;
    this.callbacks.onDecoderWatermark(above);
  }

  onDownstreamWatermark(above: boolean): void {
    if (above) this.cluster.stats.upstreamFlowControlPaused.inc();
    else this.cluster.stats.upstreamFlowControlResumed.inc();
    this.downstreamAbove = above;
    this.attempt?.readDisable(above);
  }

  // ---- retries and timeouts ----

  /** Schedules another attempt; false when budget, breaker or count forbid it. */
  private retry(response: HeaderMap | undefined): boolean {
    const state = this.retryState;
    const stats = this.cluster.stats;
    if (state === undefined || (this.keptBody === undefined && this.keptBytes > 0)) return false;
    if (state.remaining === 0) {
      this.callbacks.info.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
      stats.upstreamRqRetryLimitExceeded.inc();
      return false;
    }
    const breaker = this.cluster.breaker(this.priority).retries;
    if (!breaker.canCreate) {
      stats.upstreamRqRetryOverflow.inc();
      this.callbacks.info.setFlag(ResponseFlag.UpstreamRetryLimitExceeded);
      return false;
    }
    state.remaining--;
    stats.upstreamRqRetry.inc();
    breaker.inc();
    this.retrying = true;
    this.attempt = undefined;
    const rateLimited = response === undefined ? undefined : state.rateLimitedBackOffMs(response, this.ctx.clock.wallMs(), this.ctx.random);
    if (rateLimited !== undefined) stats.upstreamRqRetryBackoffRatelimited.inc();
    else stats.upstreamRqRetryBackoffExponential.inc();
    this.backOffTimer ??= new Timer(this, TIMER_BACK_OFF);
    this.ctx.clock.start(this.backOffTimer, Math.max(1, rateLimited ?? state.backOffMs(this.ctx.random)));
    return true;
  }

  private endRetryWait(): void {
    if (!this.retrying) return;
    this.retrying = false;
    this.cluster.breaker(this.priority).retries.dec();
  }

  onTimer(kind: number): void {
    if (kind === TIMER_BACK_OFF) {
      this.endRetryWait();
      const host = this.chooseForRetry();
      if (host === undefined) {
        this.done = true;
        this.noHealthyUpstream();
      } else this.startAttempt(host);
      return;
    }
    this.onRouteTimeout();
  }

  private chooseForRetry(): Host | undefined {
    let host = this.cluster.chooseHost(this.callbacks.info.connection, this.headers);
    const tried = this.triedHosts;
    if (tried === undefined || this.retryState === undefined) return host;
    for (let i = 1; i < this.retryState.hostSelectionAttempts && host !== undefined && tried.includes(host); i++)
      host = this.cluster.chooseHost(this.callbacks.info.connection, this.headers);
    return host;
  }

  private onRouteTimeout(): void {
    this.cluster.stats.upstreamRqTimeout.inc();
    const attempt = this.attempt;
    if (attempt !== undefined) {
      attempt.host.stats.rqTimeout.inc();
      attempt.cancel();
      this.attempt = undefined;
    }
    this.stopWaiting();
    if (this.responseStarted) {
      this.callbacks.info.setFlag(ResponseFlag.UpstreamRequestTimeout);
      this.abort("response_timeout");
      return;
    }
    const status = this.timeouts.timeoutStatus;
    this.fail(status, status === 204 ? "" : "upstream request timeout", "response_timeout", ResponseFlag.UpstreamRequestTimeout);
  }

  private stopWaiting(): void {
    this.endRetryWait();
    this.backOffTimer?.clear();
    this.routeTimer?.clear();
  }

  override onDestroy(): void {
    this.done = true;
    this.stopWaiting();
    const attempt = this.attempt;
    this.attempt = undefined;
    attempt?.cancel();
    this.callbacks.setDownstreamWatermarkCallbacks(undefined);
  }
}

function entryOf(route: RouteView): RouteEntry {
  if (route instanceof RouteEntry) return route;
  if (route instanceof Choice) return route.entry;
  throw new Error(`router: a route of unknown kind (${route.routeName})`);
}

function resetKind(failure: UpstreamFailure): ResetKind {
  switch (failure.reason) {
    case "remote connection failure":
    case "connection timeout":
      return "connect-failure";
    case "overflow":
      return "overflow";
    case "remote refused stream reset":
      return "refused-stream";
    default:
      return "reset";
  }
}
