// One stream to a control plane, kept open: aggregated, or of one type. Holds the state of each type, sends what is due in the order of
// types, hands responses to who subscribed, one at a time for each type, and opens the stream again when it breaks.
import type { XdsClock, XdsLog } from "../clock.ts";
import type { XdsClient, XdsClientStatus, XdsSubscription, XdsVerdict, XdsWatcher } from "./contract.ts";
import type { DiscoveryMessage, DiscoveryMessages } from "./messages.ts";
import { Lifetimes } from "./lifetimes.ts";
import type { StreamStats } from "./stream-stats.ts";
import { TypeState } from "./type-state.ts";

/** Clusters before what names them: "xDS protocol: eventual consistency considerations". */
const ORDER = ["Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration", "TypedExtensionConfig", "Secret"];

/** Responses of one type that may wait for the answer to the one before; a server that sends more does not wait for answers at all. */
const MAX_WAITING = 64;

const FIRST_BACK_OFF_MS = 500;
const MAX_BACK_OFF_MS = 30_000;

/** How the bytes travel. */
export interface XdsTransport {
  /** Opens a stream; `onEnd` is called once, whatever happens. */
  open(handlers: XdsCallHandlers): XdsCall;
  close(): void;
}

export interface XdsCallHandlers {
  onMessage(bytes: Uint8Array): void;
  /** What was written has gone out: more may be. */
  onDrain(): void;
  /** "" is an end in good order. */
  onEnd(error: string): void;
}

export interface XdsCall {
  /** false: no more until onDrain(); this one was taken. */
  send(bytes: Buffer): boolean;
  cancel(): void;
}

/** What takes tens of milliseconds to load, and a host without a control plane never needs. */
export interface StreamParts {
  readonly transport: XdsTransport;
  readonly messages: DiscoveryMessages;
}

export interface StreamClientOptions {
  readonly isDelta: boolean;
  /** Called once; a failure is one of the stream. */
  load(): Promise<StreamParts>;
  readonly clock: XdsClock;
  readonly log: XdsLog;
  readonly stats: StreamStats;
  /** For messages. */
  readonly name: string;
  /** From 0 to 1. */
  random(): number;
}

interface TypeEntry {
  readonly typeUrl: string;
  readonly rank: number;
  readonly state: TypeState;
  readonly watcher: XdsWatcher;
  readonly lifetimes: Lifetimes;
  readonly waiting: DiscoveryMessage[];
  isBusy: boolean;
}

export class StreamClient implements XdsClient {
  readonly #options: StreamClientOptions;
  readonly #types = new Map<string, TypeEntry>();
  #parts: StreamParts | undefined;
  #call: XdsCall | undefined;
  /** Which stream this is: what belongs to an older one is dropped. */
  #generation = 0;
  #isBlocked = false;
  #isFirstRequest = true;
  #hasAnswered = false;
  #backOffMs = FIRST_BACK_OFF_MS;
  #retry: { cancel(): void } | undefined;
  #isClosed = false;
  #disconnectedSinceMs: number | undefined;
  #lastError = "";
  #controlPlane = "";

  constructor(options: StreamClientOptions) {
    this.#options = options;
    this.#disconnectedSinceMs = options.clock.nowMs();
  }

  get status(): XdsClientStatus {
    return {
      isConnected: this.#hasAnswered,
      disconnectedSinceMs: this.#disconnectedSinceMs,
      lastError: this.#lastError,
      streams: this.#generation,
      controlPlane: this.#controlPlane,
    };
  }

  subscribe(typeUrl: string, names: ReadonlySet<string> | "wildcard", watcher: XdsWatcher): XdsSubscription {
    if (this.#types.has(typeUrl)) throw new Error(`${typeUrl} is subscribed to already`);
    const entry: TypeEntry = {
      typeUrl,
      rank: rankOf(typeUrl),
      state: new TypeState(this.#options.isDelta, names),
      watcher,
      lifetimes: new Lifetimes(this.#options.clock, (name) => this.#expire(entry, name)),
      waiting: [],
      isBusy: false,
    };
    this.#types.set(typeUrl, entry);
    if (this.#generation === 0) this.#open();
    this.#flush();
    return {
      setNames: (wanted) => {
        entry.state.setWanted(wanted);
        this.#flush();
      },
      close: () => {
        // The protocol has no end of a type; with no names wanted nothing comes any more.
        entry.state.setWanted(new Set());
        this.#flush();
        entry.lifetimes.close();
        this.#types.delete(typeUrl);
      },
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    for (const { lifetimes } of this.#types.values()) lifetimes.close();
    this.#call?.cancel();
    this.#parts?.transport.close();
  }

  // ── The stream ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #open(): void {
    this.#retry = undefined;
    const generation = ++this.#generation;
    this.#isBlocked = false;
    this.#isFirstRequest = true;
    this.#hasAnswered = false;
    for (const entry of this.#types.values()) {
      entry.state.onStreamOpened();
      // What came on the old stream and nobody has looked at comes again.
      entry.waiting.length = 0;
    }
    if (this.#parts !== undefined) this.#start(this.#parts, generation);
    else
      this.#options.load().then(
        (parts) => {
          if (this.#isClosed) return parts.transport.close();
          this.#parts = parts;
          this.#start(parts, generation);
        },
        (error: unknown) => this.#onEnd(error instanceof Error ? error.message : String(error)),
      );
  }

  #start({ transport, messages }: StreamParts, generation: number): void {
    const isCurrent = (): boolean => generation === this.#generation && this.#call !== undefined;
    this.#call = transport.open({
      onMessage: (bytes) => {
        if (isCurrent()) this.#onMessage(bytes, messages);
      },
      onDrain: () => {
        if (!isCurrent()) return;
        this.#isBlocked = false;
        this.#flush();
      },
      onEnd: (error) => {
        if (generation === this.#generation) this.#onEnd(error);
      },
    });
    this.#flush();
  }

  #onEnd(error: string): void {
    this.#call = undefined;
    const wasConnected = this.#hasAnswered;
    this.#hasAnswered = false;
    this.#options.stats.connected(false);
    this.#lastError = error;
    if (wasConnected || this.#disconnectedSinceMs === undefined) this.#disconnectedSinceMs = this.#options.clock.nowMs();
    if (this.#isClosed) return;
    // A server that ends a stream which worked (its connection is old, it restarts) is asked again at once, but not by all at once.
    const limit = wasConnected ? FIRST_BACK_OFF_MS : this.#backOffMs;
    if (!wasConnected) this.#backOffMs = Math.min(this.#backOffMs * 2, MAX_BACK_OFF_MS);
    const delayMs = Math.round(limit * this.#options.random());
    const why = error === "" ? "closed by the server" : error;
    this.#options.log[wasConnected && error === "" ? "info" : "warn"](`${this.#options.name}: stream ended: ${why}; next in ${delayMs} ms`);
    for (const { watcher } of this.#types.values()) watcher.onFailure(why);
    this.#retry = this.#options.clock.after(delayMs, () => this.#open());
  }

  /** Ends the stream for a fault of the other side. */
  #break(reason: string): void {
    const call = this.#call;
    this.#onEnd(reason);
    call?.cancel();
  }

  #flush(): void {
    if (this.#call === undefined || this.#parts === undefined) return;
    const { messages } = this.#parts;
    let pending = 0;
    const entries = [...this.#types.values()].sort((a, b) => a.rank - b.rank);
    for (const entry of entries) {
      while (!this.#isBlocked) {
        const request = entry.state.next();
        if (request === undefined) break;
        const bytes = messages.encode(entry.typeUrl, request, this.#isFirstRequest);
        this.#isFirstRequest = false;
        this.#isBlocked = !this.#call.send(bytes);
      }
      if (!entry.state.isIdle) pending++;
    }
    this.#options.stats.pending(pending);
  }

  // ── Responses ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  #onMessage(bytes: Uint8Array, messages: DiscoveryMessages): void {
    let message: DiscoveryMessage;
    try {
      message = messages.decode(bytes);
    } catch (error) {
      this.#options.stats.malformed();
      this.#break(`a response cannot be decoded: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    if (!this.#hasAnswered) {
      this.#hasAnswered = true;
      this.#disconnectedSinceMs = undefined;
      this.#backOffMs = FIRST_BACK_OFF_MS;
      this.#options.stats.connected(true);
    }
    if (message.controlPlane !== "") this.#controlPlane = message.controlPlane;
    const entry = this.#types.get(message.typeUrl);
    if (entry === undefined) {
      // Something that was given up meanwhile, or that nobody asked for: there is nobody to answer for it.
      this.#options.stats.unexpected();
      return;
    }
    entry.state.onResponse(message.nonce);
    if (entry.isBusy) {
      if (entry.waiting.length >= MAX_WAITING) {
        this.#options.stats.overflow();
        this.#break(`${MAX_WAITING} responses of ${message.typeUrl} wait for an answer`);
        return;
      }
      entry.waiting.push(message);
    } else this.#deliver(entry, message);
  }

  #deliver(entry: TypeEntry, message: DiscoveryMessage): void {
    const generation = this.#generation;
    const duplicate = duplicateOf(message);
    if (duplicate !== undefined) {
      this.#answer(entry, message, generation, {
        ok: false,
        names: [],
        errorDetail: `duplicate name ${duplicate} found among added/updated resources`,
      });
      return;
    }
    entry.isBusy = true;
    const { versionInfo, resources, removed } = message;
    const isWholeState = !this.#options.isDelta && entry.state.isWildcard;
    entry.watcher.onUpdate({ versionInfo, isWholeState, resources, removed }, (verdict) => {
      entry.isBusy = false;
      this.#answer(entry, message, generation, verdict);
      const next = entry.waiting.shift();
      if (next !== undefined) this.#deliver(entry, next);
    });
  }

  #answer(entry: TypeEntry, message: DiscoveryMessage, generation: number, verdict: XdsVerdict): void {
    const versions = new Map(message.resources.map(({ name, version }) => [name, version]));
    if (this.#options.isDelta) for (const name of verdict.names) entry.state.setVersion(name, versions.get(name) ?? "");
    for (const name of message.removed) {
      entry.state.setVersion(name, undefined);
      entry.lifetimes.set(name, undefined);
    }
    for (const { name } of message.resources) if (!message.lifetimes.has(name)) entry.lifetimes.set(name, undefined);
    for (const [name, lifetimeMs] of message.lifetimes) entry.lifetimes.set(name, lifetimeMs);
    // The answer belongs to the stream that the response came on.
    if (generation !== this.#generation || this.#call === undefined) return;
    entry.state.answer(message.nonce, message.versionInfo, verdict.ok ? undefined : verdict.errorDetail);
    this.#flush();
  }

  /** The server did not renew a resource: it is as if it had been removed. */
  #expire(entry: TypeEntry, name: string): void {
    entry.state.setVersion(name, undefined);
    this.#options.log.warn(`${this.#options.name}: the time to live of ${name} is over`);
    const update = { versionInfo: "", isWholeState: false, resources: [], removed: [name] };
    entry.watcher.onUpdate(update, () => {});
  }
}

function duplicateOf(message: DiscoveryMessage): string | undefined {
  const seen = new Set<string>();
  for (const { name } of message.resources) {
    if (name === "") continue;
    if (seen.has(name)) return name;
    seen.add(name);
  }
  return undefined;
}

function rankOf(typeUrl: string): number {
  const at = ORDER.indexOf(typeUrl.slice(typeUrl.lastIndexOf(".") + 1));
  return at < 0 ? ORDER.length : at;
}
