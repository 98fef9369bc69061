// Request mirroring (request_mirror_policies): a copy of the whole request to another cluster, its answer thrown away.
import type { Random } from "../base/system.ts";
import type { MirrorPolicy } from "../config/route.ts";
import type { RequestEncoder } from "../http/codec.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { ClusterEntry } from "../upstream/cluster.ts";
import type { ClusterManager } from "../upstream/cluster-manager.ts";
import type { PoolCallbacks } from "../upstream/conn-pool.ts";
import type { Host } from "../upstream/host.ts";
import { compileFraction, type RuntimeReader } from "./matchers.ts";

export interface ShadowContext {
  readonly clusters: ClusterManager;
  readonly random: Random;
  readonly runtime: RuntimeReader;
  newHeaderMap(): HeaderMap;
}

export function shadowRequests(
  ctx: ShadowContext,
  policies: readonly MirrorPolicy[],
  headers: HeaderMap,
  body: readonly Uint8Array[],
  trailers: HeaderMap | undefined,
): void {
  for (const policy of policies) {
    if (policy.fraction !== undefined && !compileFraction(policy.fraction, ctx.runtime)(ctx.random)) continue;
    const name = policy.cluster !== "" ? policy.cluster : (headers.get(policy.clusterHeader) ?? "");
    const cluster = ctx.clusters.get(name);
    const host = cluster?.chooseHost();
    if (cluster === undefined || host === undefined) continue;
    const copy = headers.clone();
    if (!policy.disableShadowHostSuffixAppend) copy.set(":authority", shadowHost(copy.get(":authority") ?? ""));
    new Shadow(cluster, host, copy, body.slice(), trailers?.clone()).start();
  }
}

/** "a.example:80" → "a.example-shadow:80". */
function shadowHost(authority: string): string {
  const port = /:\d+$/.exec(authority);
  return port === null || authority.endsWith("]") ? `${authority}-shadow` : `${authority.slice(0, port.index)}-shadow${port[0]}`;
}

class Shadow implements PoolCallbacks {
  private readonly cluster: ClusterEntry;
  private readonly host: Host;
  private readonly headers: HeaderMap;
  private readonly body: readonly Uint8Array[];
  private readonly trailers: HeaderMap | undefined;
  private active = false;

  constructor(cluster: ClusterEntry, host: Host, headers: HeaderMap, body: readonly Uint8Array[], trailers: HeaderMap | undefined) {
    this.cluster = cluster;
    this.host = host;
    this.headers = headers;
    this.body = body;
    this.trailers = trailers;
  }

  start(): void {
    this.cluster.pool(this.host, "DEFAULT", "HTTP/1.1", this.headers).newStream(this);
  }

  onPoolReady(encoder: RequestEncoder): void {
    this.active = true;
    this.cluster.stats.upstreamRqTotal.inc();
    this.cluster.stats.upstreamRqActive.inc();
    this.host.requestStarted();
    const last = this.body.length - 1;
    encoder.encodeHeaders(this.headers, last < 0 && this.trailers === undefined);
    for (let i = 0; i <= last; i++) encoder.encodeData(this.body[i], i === last && this.trailers === undefined);
    if (this.trailers !== undefined) encoder.encodeTrailers(this.trailers);
  }

  private end(): void {
    if (!this.active) return;
    this.active = false;
    this.cluster.stats.upstreamRqActive.dec();
    this.host.requestEnded();
  }

  // The pool has counted the failure; a mirror has nobody to tell.
  onPoolFailure(): void {}
  decode1xxHeaders(): void {}
  decodeHeaders(headers: HeaderMap, endStream: boolean): void {
    this.cluster.stats.countCode(Number(headers.get(":status")), false);
    if (endStream) this.end();
  }
  decodeData(_data: Uint8Array, endStream: boolean): void {
    if (endStream) this.end();
  }
  decodeTrailers(): void {
    this.end();
  }
  onReset(): void {
    this.end();
  }
  onAboveWriteBufferHighWatermark(): void {}
  onBelowWriteBufferLowWatermark(): void {}
}
