// One type of resource on one stream after another: what is wanted, what is known, which responses still need their answer. No I/O.
// What must stay true:
// - Every response of the present stream is answered once, with its own nonce; of a state of the world only the newest needs it, as
//   its answer stands for those before it. Nothing of an earlier stream is answered.
// - An answer and a change of what is wanted are two messages, the answer first: istiod calls their mixture an error.
// - A reconnect tells the server every resource that the watcher has or is about to have. One that was left out could be removed
//   meanwhile, and nobody would say so.
import type { XdsClock } from "../clock.ts";
import { checkResponse } from "./check-response.ts";
import type { XdsResource, XdsSubscription, XdsSubscriptionStatus, XdsUpdate, XdsVerdict, XdsWatcher } from "./contract.ts";
import { type Arrival, type Delivery, merge, newDelivery } from "./inbox.ts";
import { DeltaInterest, type Interest, SotwInterest, type Wanted } from "./interest.ts";
import { Lifetimes } from "./lifetimes.ts";
import { isNewStyleName, type ReceivedResource, typeNameOf, type XdsRequest, type XdsResponse, type XdsVariant } from "./messages.ts";

/** Answers that wait to be written, and responses that wait for a watcher: a server that goes on without reading is not to be served. */
const MAX_UNANSWERED = 1000;
const MAX_WAITING_BYTES = 128 * 1024 * 1024;

/** Of a NACK: what any server's limits of a message take. */
const MAX_DETAIL = 16_384;

/** A resource whose time ran out while its successor is being judged is looked at again after so long. */
const EXPIRY_RETRY_MS = 1000;

interface Answer {
  readonly nonce: string;
  readonly errorDetail: string | undefined;
}

export interface StateOptions {
  readonly typeUrl: string;
  readonly variant: XdsVariant;
  readonly clock: XdsClock;
  /** next() has something to say. */
  onDue(): void;
  /** A limit was reached; the stream has to end. */
  onOverflow(reason: string): void;
  /** The stream cannot say what is wanted; another one can. */
  onStale(): void;
}

export class SubscriptionState {
  readonly typeUrl: string;
  readonly #options: StateOptions;
  readonly #interest: Interest;
  readonly #lifetimes: Lifetimes;
  #watcher: XdsWatcher | undefined;
  #answers: Answer[] = [];
  /** What the watcher is busy with, and what waits for it. */
  #busy: Delivery | undefined;
  #waiting: Delivery | undefined;
  /** Of what the watcher has. */
  readonly #versions = new Map<string, string>();
  #acceptedVersion = "";
  /** Counts streams. */
  #stream = 0;
  #isStreaming = false;
  /** Of the last response on this stream. */
  #lastNonce = "";
  #updatedAtMs: number | undefined;
  #hasAnswered = false;
  #refusedNames: readonly string[] = [];
  #lastRejection: XdsSubscriptionStatus["lastRejection"];

  constructor(options: StateOptions) {
    this.typeUrl = options.typeUrl;
    this.#options = options;
    this.#interest = options.variant === "delta" ? new DeltaInterest() : new SotwInterest();
    this.#lifetimes = new Lifetimes(options.clock, (names) => this.#expire(names));
  }

  get isOpen(): boolean {
    return this.#watcher !== undefined;
  }

  // ── What is wanted ──────────────────────────────────────────────────────────────────────────────────────────────────────

  open(wanted: Wanted, watcher: XdsWatcher): XdsSubscription {
    if (this.#watcher !== undefined) throw new Error(`there is a subscription to ${this.typeUrl} already`);
    this.#watcher = watcher;
    this.#want(wanted);
    const isMine = (): boolean => this.#watcher === watcher;
    const status = (): XdsSubscriptionStatus => this.status;
    return {
      setNames: (names) => {
        if (isMine() && !this.#interest.isWildcard) this.#want(names);
      },
      close: () => {
        if (isMine()) this.#close();
      },
      get status() {
        return status();
      },
    };
  }

  #want(wanted: Wanted): void {
    let askable = wanted;
    if (wanted !== "wildcard") {
      this.#refusedNames = [...wanted].filter(isNewStyleName);
      askable = new Set([...wanted].filter((name) => !isNewStyleName(name)));
    }
    this.#interest.want(askable);
    for (const name of [...this.#versions.keys()]) if (!this.#interest.isWanted(name)) this.#forget(name);
    if (!this.#isStreaming) return;
    if (this.#interest.isDue) this.#options.onDue();
    // A server does not repeat a state of the world that it has sent on this stream to a watcher before this one.
    else if (wanted === "wildcard") this.#options.onStale();
  }

  #forget(name: string): void {
    this.#versions.delete(name);
    this.#lifetimes.set(name, undefined);
  }

  #close(): void {
    this.#watcher = undefined;
    // Nobody is left to judge them, and nothing waits for their answers but the server's own bookkeeping.
    for (const delivery of [this.#busy, this.#waiting]) for (const arrival of delivery?.arrivals ?? []) this.#answer(arrival, undefined);
    this.#interest.want(undefined);
    this.#versions.clear();
    this.#lifetimes.clear();
    this.#busy = undefined;
    this.#waiting = undefined;
    this.#acceptedVersion = "";
    this.#hasAnswered = false;
    this.#updatedAtMs = undefined;
    this.#lastRejection = undefined;
    this.#refusedNames = [];
    if (this.#isStreaming) this.#options.onDue();
  }

  // ── Streams ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  beginStream(): void {
    this.#stream++;
    this.#isStreaming = true;
    this.#answers = [];
    this.#lastNonce = "";
    this.#interest.beginStream();
  }

  endStream(cause: string): void {
    this.#isStreaming = false;
    this.#answers = [];
    this.#watcher?.onFailure?.(cause);
  }

  /** Messages that could be sent now. */
  get pendingCount(): number {
    return this.#answers.length + (this.#isChangeDue ? 1 : 0);
  }

  get #isChangeDue(): boolean {
    if (!this.#interest.isDue) return false;
    // In a state of the world every message names a response and would be taken for its answer.
    return this.#options.variant === "delta" || !this.#isUnanswered;
  }

  get #isUnanswered(): boolean {
    return [this.#busy, this.#waiting].some((delivery) => delivery?.arrivals.some((arrival) => arrival.stream === this.#stream));
  }

  /** The next message; undefined: there is nothing to say. */
  next(): XdsRequest | undefined {
    const answer = this.#answers.shift();
    if (answer !== undefined) return this.#request({ names: this.#interest.namesInAnswer, ...answer });
    if (!this.#isChangeDue) return undefined;
    const { names, unsubscribe, isFirst } = this.#interest.take();
    const nonce = this.#options.variant === "sotw" ? this.#lastNonce : "";
    const initialVersions = isFirst && this.#options.variant === "delta" ? this.#versionsToTell() : new Map<string, string>();
    return this.#request({ names, unsubscribe, nonce, initialVersions });
  }

  #request(given: Partial<XdsRequest> & Pick<XdsRequest, "names" | "nonce">): XdsRequest {
    const versionInfo = this.#options.variant === "sotw" ? this.#acceptedVersion : "";
    return { typeUrl: this.typeUrl, unsubscribe: [], initialVersions: new Map(), versionInfo, errorDetail: undefined, ...given };
  }

  #versionsToTell(): ReadonlyMap<string, string> {
    const versions = new Map(this.#versions);
    for (const delivery of [this.#busy, this.#waiting]) {
      for (const name of delivery?.removed ?? []) versions.delete(name);
      for (const { name, version } of delivery?.resources.values() ?? []) if (this.#interest.isWanted(name)) versions.set(name, version);
    }
    return versions;
  }

  // ── Responses ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  receive(response: XdsResponse): void {
    this.#lastNonce = response.nonce;
    // As Envoy: nobody is there, so there is nothing to say about it.
    if (this.#watcher === undefined) return;
    this.#hasAnswered = true;
    const arrival: Arrival = { nonce: response.nonce, versionInfo: response.versionInfo, stream: this.#stream, keys: new Set() };
    const problem = checkResponse(response, this.#options.variant);
    if (problem !== undefined) {
      this.#reject(arrival, problem);
      this.#watcher.onRefused?.(problem);
      return;
    }
    const delivery = this.#deliveryOf(response, arrival);
    if (delivery === undefined) this.#answer(arrival, undefined);
    else this.#deliver(delivery);
  }

  /** undefined: there is nothing in it for the watcher. */
  #deliveryOf(response: XdsResponse, arrival: Arrival): Delivery | undefined {
    const { isWildcard } = this.#interest;
    const delivery = newDelivery(response.versionInfo, isWildcard && this.#options.variant === "sotw");
    let heartbeats = 0;
    response.resources.forEach((resource, i) => {
      if (resource.bytes === undefined) {
        heartbeats++;
        if (this.#isKnown(resource, response)) this.#lifetimes.set(resource.name, resource.ttlMs);
        return;
      }
      // One without a name is for the watcher to refuse.
      if (resource.name !== "" && !this.#interest.isWanted(resource.name)) return;
      const key = resource.name === "" ? `\0${response.nonce} ${i}` : resource.name;
      delivery.resources.set(key, resource);
      delivery.bytes += resource.bytes.length;
      arrival.keys.add(key);
    });
    for (const name of response.removed) if (this.#interest.isWanted(name)) delivery.removed.add(name);
    // Next to heartbeats the rest is no whole state: what they speak of is there too.
    if (heartbeats > 0) delivery.isWholeState = false;
    delivery.arrivals.push(arrival);
    const isEmpty = delivery.resources.size === 0 && delivery.removed.size === 0;
    // An empty response to a wildcard says that there is nothing; heartbeats say nothing else, and names of others nothing to us.
    const isForOthers = response.resources.length + response.removed.length > 0;
    return isEmpty && (heartbeats > 0 || (isForOthers && !isWildcard)) ? undefined : delivery;
  }

  /** A heartbeat is for the version that it names; in a state of the world the wrapper has none, and it stands for the response's. */
  #isKnown(heartbeat: ReceivedResource, response: XdsResponse): boolean {
    const known = this.#versions.get(heartbeat.name);
    if (this.#options.variant === "delta") return known !== undefined && known === heartbeat.version;
    return known !== undefined && this.#acceptedVersion === response.versionInfo;
  }

  #deliver(delivery: Delivery): void {
    if (this.#busy === undefined) {
      this.#hand(delivery);
      return;
    }
    if (this.#waiting === undefined) this.#waiting = delivery;
    else merge(this.#waiting, delivery);
    if (this.#options.variant === "sotw") this.#waiting.arrivals.splice(0, this.#waiting.arrivals.length - 1);
    const isOver = this.#waiting.arrivals.length > MAX_UNANSWERED || this.#waiting.bytes > MAX_WAITING_BYTES;
    if (!isOver) return;
    // The next stream's first request leaves these out, so that they come again.
    this.#waiting = undefined;
    this.#options.onOverflow(`${this.typeUrl}: too many responses wait to be applied`);
  }

  #hand(delivery: Delivery): void {
    const watcher = this.#watcher;
    if (watcher === undefined) return;
    this.#busy = delivery;
    const resources = [...delivery.resources.values()].map((resource): XdsResource => {
      const { name, version, typeUrl, bytes = new Uint8Array(0) } = resource;
      return { name, version, typeName: typeNameOf(typeUrl), bytes };
    });
    const { versionInfo, isWholeState, removed } = delivery;
    const update: XdsUpdate = { versionInfo, isWholeState, resources, removed: [...removed] };
    watcher.onUpdate(update, (verdict) => {
      if (this.#busy === delivery) this.#finish(delivery, verdict);
    });
  }

  #finish(delivery: Delivery, verdict: XdsVerdict): void {
    this.#busy = undefined;
    this.#updatedAtMs = this.#options.clock.nowMs();
    const rejected: ReadonlySet<string> = verdict.ok ? new Set() : verdict.rejected;
    this.#keep(delivery, rejected);
    if (verdict.ok) {
      if (delivery.arrivals.length > 0) this.#acceptedVersion = delivery.versionInfo;
      this.#lastRejection = undefined;
    }
    // Who is to blame is said by names; if none of them is in any response, all are.
    const isBlamed = ({ keys }: Arrival): boolean => [...keys].some((key) => key.startsWith("\0") || rejected.has(key));
    const hasBlamed = delivery.arrivals.some(isBlamed);
    for (const arrival of delivery.arrivals) {
      if (verdict.ok || (hasBlamed && !isBlamed(arrival))) this.#answer(arrival, undefined);
      else this.#reject(arrival, verdict.errorDetail);
    }
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) this.#hand(waiting);
  }

  #keep(delivery: Delivery, rejected: ReadonlySet<string>): void {
    if (delivery.isWholeState) for (const name of [...this.#versions.keys()]) if (!delivery.resources.has(name)) this.#forget(name);
    for (const name of delivery.removed) this.#forget(name);
    for (const { name, version, ttlMs } of delivery.resources.values()) {
      if (name === "" || rejected.has(name) || !this.#interest.isWanted(name)) continue;
      this.#versions.set(name, version);
      this.#lifetimes.set(name, ttlMs);
    }
  }

  #expire(names: readonly string[]): void {
    const delivery = newDelivery(this.#acceptedVersion, false);
    for (const name of names) {
      // A newer one is on its way to the watcher, which ends this life or begins another.
      if (this.#busy?.resources.has(name) || this.#waiting?.resources.has(name)) this.#lifetimes.set(name, EXPIRY_RETRY_MS);
      else delivery.removed.add(name);
    }
    if (delivery.removed.size > 0) this.#deliver(delivery);
  }

  // ── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #reject(arrival: Arrival, errorDetail: string): void {
    const detail = errorDetail.length <= MAX_DETAIL ? errorDetail : `${errorDetail.slice(0, MAX_DETAIL)} …`;
    this.#lastRejection = { versionInfo: arrival.versionInfo, errorDetail: detail, atMs: this.#options.clock.nowMs() };
    this.#answer(arrival, detail);
  }

  #answer({ nonce, stream }: Arrival, errorDetail: string | undefined): void {
    if (stream !== this.#stream || !this.#isStreaming) return;
    this.#answers.push({ nonce, errorDetail });
    if (this.#answers.length > MAX_UNANSWERED) this.#options.onOverflow(`${this.typeUrl}: too many answers wait to be sent`);
    else this.#options.onDue();
  }

  get status(): XdsSubscriptionStatus {
    return {
      versionInfo: this.#acceptedVersion,
      updatedAtMs: this.#updatedAtMs,
      hasAnswered: this.#hasAnswered,
      refusedNames: this.#refusedNames,
      lastRejection: this.#lastRejection,
    };
  }
}
