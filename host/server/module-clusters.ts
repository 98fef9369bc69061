// Modules that come through a cluster (vm_config.code.remote with the name of one): the main thread's own use of the snapshot's clusters,
// with their load balancing, endpoints and TLS. Connections last as long as the fetch does.
import { Clock } from "../base/clock.ts";
import { systemRandom, systemTime } from "../base/system.ts";
import type { Snapshot } from "../config/snapshot.ts";
import { startCallout } from "../extensions/http-callout.ts";
import { FetchError } from "../modules/contract.ts";
import type { HttpAnswer } from "../modules/http-get.ts";
import { Flusher } from "../net/flusher.ts";
import { StatsStore } from "../stats/store.ts";
import { ClusterManager } from "../upstream/cluster-manager.ts";
import type { HttpCallResponse } from "../wasm/services.ts";

interface Limits {
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

export class ModuleClusters {
  private snapshot: Snapshot | undefined = undefined;
  private readonly waiting = new Set<() => void>();

  /** A snapshot is in force. */
  update(snapshot: Snapshot): void {
    this.snapshot = snapshot;
    for (const look of this.waiting) look();
  }

  /** Throws FetchError. A cluster that is not there yet is waited for. */
  async get(name: string, url: URL, limits: Limits): Promise<HttpAnswer> {
    const startedMs = systemTime.monotonicMs();
    const snapshot = await this.withCluster(name, limits.timeoutMs);
    const timeoutMs = Math.max(1, limits.timeoutMs - (systemTime.monotonicMs() - startedMs));
    const clock = new Clock(systemTime);
    const clusters = new ClusterManager({
      clock,
      random: systemRandom,
      flusher: new Flusher(clock),
      // Of the cluster's own statistics those of the workers are true.
      stats: new StatsStore(() => {}),
      peerExchange: () => {
        throw new Error("peers exchange metadata on TCP connections, and modules come by HTTP");
      },
    });
    const used = snapshot.clusters.filter((cluster) => cluster.name === name);
    // A callout's answer is buffered whole: the limit is the module's.
    clusters.apply({ ...snapshot, clusters: used.map((cluster) => ({ ...cluster, perConnectionBufferLimitBytes: limits.maxBytes })) });
    try {
      return answerOf(await call(clusters, clock, name, url, timeoutMs), name, url);
    } finally {
      clusters.apply({ ...snapshot, clusters: [] });
    }
  }

  private withCluster(name: string, timeoutMs: number): Promise<Snapshot> {
    const find = (): Snapshot | undefined =>
      this.snapshot?.clusters.some((cluster) => cluster.name === name) === true ? this.snapshot : undefined;
    const there = find();
    if (there !== undefined) return Promise.resolve(there);
    return new Promise((resolve, reject) => {
      const timer = systemTime.setTimeout(() => {
        this.waiting.delete(look);
        reject(new FetchError(`there is no cluster ${name}`, { isTransient: true }));
      }, timeoutMs);
      const look = (): void => {
        const snapshot = find();
        if (snapshot === undefined) return;
        systemTime.clearTimeout(timer);
        this.waiting.delete(look);
        resolve(snapshot);
      };
      this.waiting.add(look);
    });
  }
}

function call(clusters: ClusterManager, clock: Clock, cluster: string, url: URL, timeoutMs: number): Promise<HttpCallResponse> {
  return new Promise((resolve, reject) => {
    clock.update();
    const headers = [
      [":method", "GET"],
      [":path", `${url.pathname}${url.search}`],
      [":authority", url.host],
      [":scheme", url.protocol.slice(0, -1)],
    ] as const;
    const request = { cluster, headers, body: new Uint8Array(0), trailers: [], timeoutMs };
    const started = startCallout(clusters, clock, request, 0, { onHttpCallComplete: (_token, response) => resolve(response) });
    if (started === undefined) reject(new FetchError(`cluster ${cluster} has no healthy endpoint`, { isTransient: true }));
    clock.afterTurn();
  });
}

function answerOf(response: HttpCallResponse, cluster: string, url: URL): HttpAnswer {
  const { headers, body, failure } = response;
  if (headers === undefined)
    throw new FetchError(`cluster ${cluster}: ${failure === "overflow" ? "the answer is larger than allowed" : failure}`, {
      isTransient: failure !== "overflow",
    });
  // A copy: the codec may write over its own.
  return {
    status: Number(headers.get(":status")),
    headers: { "retry-after": headers.get("retry-after") },
    body: Buffer.from(body),
    url,
    isPrivate: true,
  };
}
