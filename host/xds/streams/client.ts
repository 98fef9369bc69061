// A control plane as the configuration sees it: one aggregated stream, or one stream for each type. Runs on the main thread alone.
import type { StatsStore } from "../../stats/store.ts";
import type { XdsClock, XdsLog } from "../clock.ts";
import type { Codecs } from "../protos.ts";
import { DiscoveryCodec } from "./codec.ts";
import type { XdsClient, XdsClientStatus, XdsSubscription, XdsWatcher } from "./contract.ts";
import type { XdsVariant } from "./messages.ts";
import { aggregatedMethod, singleMethod } from "./services.ts";
import { StreamSession } from "./stream-session.ts";
import type { EndCause, XdsTransport } from "./transport.ts";

export interface XdsClientOptions {
  readonly variant: XdsVariant;
  /** true: everything rides on the stream of the aggregated service. */
  readonly isAggregated: boolean;
  /** core.v3.Node as bytes (encodeMessage). */
  readonly node: Uint8Array;
  readonly codecs: Codecs;
  readonly transport: XdsTransport;
  readonly clock: XdsClock;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly log: XdsLog;
  readonly stats: StatsStore;
  /** "control_plane" of the aggregated stream; "cluster_manager.cds.control_plane" and so on of others. */
  readonly statPrefix: string;
}

/** Counters of our own beside Envoy's: each limit that a control plane can run into. */
const COUNTED: Partial<Record<EndCause, string>> = { too_large: "rx_message_too_large", broken: "rx_message_broken", overflow: "overflow" };

export function createXdsClient(options: XdsClientOptions): XdsClient {
  return new StreamClient(options);
}

class StreamClient implements XdsClient {
  readonly #options: XdsClientOptions;
  readonly #codec: DiscoveryCodec;
  /** By method. */
  readonly #sessions = new Map<string, StreamSession>();
  #isStarted = false;
  #identifier = "";

  constructor(options: XdsClientOptions) {
    this.#options = options;
    this.#codec = new DiscoveryCodec(options.codecs, options.variant, options.node);
    if (options.isAggregated) this.#session(aggregatedMethod(options.variant));
    options.stats.textReadout(`${options.statPrefix}.identifier`);
    this.#count();
  }

  /** Throws for a type that has no service of its own; readers of configuration refuse such a source before. */
  subscribe(typeUrl: string, names: ReadonlySet<string> | "wildcard", watcher: XdsWatcher): XdsSubscription {
    const { isAggregated, variant } = this.#options;
    const method = isAggregated ? aggregatedMethod(variant) : singleMethod(variant, typeUrl);
    if (method === undefined) throw new Error(`there is no discovery service for ${typeUrl}`);
    const session = this.#session(method);
    const subscription = session.subscribe(typeUrl, names, watcher);
    if (this.#isStarted) session.start();
    return subscription;
  }

  start(): void {
    this.#isStarted = true;
    for (const session of this.#sessions.values()) session.start();
  }

  close(): void {
    this.#isStarted = false;
    for (const session of this.#sessions.values()) session.close();
  }

  get status(): XdsClientStatus {
    const sessions = [...this.#sessions.values()];
    const since = sessions.flatMap((session) => session.disconnectedSinceMs ?? []);
    return {
      isConnected: this.#isConnected,
      disconnectedSinceMs: since.length === 0 ? undefined : Math.min(...since),
      lastError: sessions.find((session) => session.lastError !== undefined && !session.isConnected)?.lastError ?? lastErrorOf(sessions),
      reconnects: sessions.reduce((sum, session) => sum + session.reconnects, 0),
      identifier: sessions.find((session) => session.identifier !== "")?.identifier ?? "",
    };
  }

  get #isConnected(): boolean {
    const sessions = [...this.#sessions.values()];
    return sessions.length > 0 && sessions.every((session) => session.isConnected);
  }

  #session(method: string): StreamSession {
    const known = this.#sessions.get(method);
    if (known !== undefined) return known;
    const { variant, transport, clock, random, log } = this.#options;
    const session = new StreamSession({
      method,
      variant,
      transport,
      codec: this.#codec,
      clock,
      random,
      log,
      onChange: () => this.#count(),
      onEnded: (cause) => {
        const name = COUNTED[cause];
        if (name !== undefined) this.#options.stats.counter(`${this.#options.statPrefix}.${name}`).inc();
      },
    });
    this.#sessions.set(method, session);
    return session;
  }

  #count(): void {
    const { stats, statPrefix } = this.#options;
    let pending = 0;
    const { identifier } = this.status;
    if (identifier !== this.#identifier) {
      this.#identifier = identifier;
      stats.textReadout(`${statPrefix}.identifier`).set(identifier);
    }
    for (const session of this.#sessions.values()) pending += session.pendingCount;
    stats.gauge(`${statPrefix}.connected_state`).set(this.#isConnected ? 1 : 0);
    stats.gauge(`${statPrefix}.pending_requests`).set(pending);
    stats.gauge(`${statPrefix}.disconnected_since`).set(this.status.disconnectedSinceMs ?? 0);
  }
}

function lastErrorOf(sessions: readonly StreamSession[]): string | undefined {
  return sessions.find((session) => session.lastError !== undefined)?.lastError;
}
