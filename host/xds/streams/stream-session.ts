// One stream after another to one method of a control plane, with the subscriptions that ride on it: all of them on an aggregated
// stream, one on a stream of its own. What is to be said waits in the subscriptions' states, merged, until it can be written; so a
// blocked writer costs no memory and stops no reader.
import type { XdsClock, XdsLog } from "../clock.ts";
import { BackOff } from "./back-off.ts";
import type { DiscoveryCodec } from "./codec.ts";
import type { XdsSubscription, XdsWatcher } from "./contract.ts";
import type { Wanted } from "./interest.ts";
import type { XdsResponse, XdsVariant } from "./messages.ts";
import { SubscriptionState } from "./subscription-state.ts";
import type { EndCause, StreamEnd, XdsStream, XdsTransport } from "./transport.ts";

export interface SessionOptions {
  readonly method: string;
  readonly variant: XdsVariant;
  readonly transport: XdsTransport;
  readonly codec: DiscoveryCodec;
  readonly clock: XdsClock;
  readonly random: () => number;
  readonly log: XdsLog;
  /** Connected, disconnected, more or fewer messages pending. */
  onChange(): void;
  onEnded(cause: EndCause): void;
}

export class StreamSession {
  readonly #options: SessionOptions;
  readonly #states = new Map<string, SubscriptionState>();
  readonly #backOff: BackOff;
  #stream: XdsStream | undefined;
  #timer: { cancel(): void } | undefined;
  #isStarted = false;
  #isPumping = false;
  #hasSpoken = false;
  #hasHeard = false;
  #openedAtMs = 0;
  #openedCount = 0;
  #isConnected = false;
  #disconnectedSinceMs: number | undefined;
  #lastError: string | undefined;
  #identifier = "";
  #lastLogged = "";

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#backOff = new BackOff(options.random);
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get disconnectedSinceMs(): number | undefined {
    return this.#disconnectedSinceMs;
  }

  get lastError(): string | undefined {
    return this.#lastError;
  }

  get reconnects(): number {
    return Math.max(0, this.#openedCount - 1);
  }

  get identifier(): string {
    return this.#identifier;
  }

  get pendingCount(): number {
    let count = 0;
    if (this.#stream !== undefined) for (const state of this.#states.values()) count += state.pendingCount;
    return count;
  }

  subscribe(typeUrl: string, wanted: Wanted, watcher: XdsWatcher): XdsSubscription {
    let state = this.#states.get(typeUrl);
    if (state === undefined) {
      state = new SubscriptionState({
        typeUrl,
        variant: this.#options.variant,
        clock: this.#options.clock,
        onDue: () => this.#pump(),
        onOverflow: (reason) => this.#abort("overflow", reason),
        onStale: () => this.#restart(),
      });
      this.#states.set(typeUrl, state);
      if (this.#stream !== undefined) state.beginStream();
    }
    return state.open(wanted, watcher);
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#disconnectedSinceMs = this.#options.clock.nowMs();
    this.#open();
  }

  close(): void {
    this.#isStarted = false;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#stream?.cancel();
    this.#stream = undefined;
    this.#setConnected(false);
  }

  // ── The stream ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #open(): void {
    const { transport, method, clock } = this.#options;
    this.#hasSpoken = false;
    this.#hasHeard = false;
    this.#openedAtMs = clock.nowMs();
    this.#openedCount++;
    const isThis = (): boolean => this.#stream === stream;
    const stream = transport.open(method, {
      onConnected: () => {
        if (isThis()) this.#setConnected(true);
      },
      onMessage: (bytes) => {
        if (isThis()) this.#receive(bytes);
      },
      onWritable: () => {
        if (isThis()) this.#pump();
      },
      onEnd: (end) => {
        if (isThis()) this.#ended(end);
      },
    });
    this.#stream = stream;
    for (const state of this.#states.values()) state.beginStream();
    this.#pump();
  }

  /** Ends the stream from this side, for a reason. */
  #abort(cause: EndCause, message: string): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.cancel();
    this.#ended({ cause, message });
  }

  /** A new stream at once, without a fault. */
  #restart(): void {
    if (this.#stream === undefined) return;
    this.#stream.cancel();
    this.#stream = undefined;
    this.#setConnected(false);
    this.#open();
  }

  #ended({ cause, message }: StreamEnd): void {
    const { clock, log, method } = this.#options;
    this.#stream = undefined;
    this.#setConnected(false);
    this.#lastError = message;
    const delayMs = this.#backOff.delayMs(cause, clock.nowMs() - this.#openedAtMs, this.#hasHeard);
    // The same fault again and again is said once; status and counters tell how often.
    const line = `${method}: stream closed: ${message}`;
    if (line !== this.#lastLogged) log.warn(line);
    this.#lastLogged = line;
    this.#timer = clock.after(delayMs, () => {
      this.#timer = undefined;
      this.#open();
    });
    this.#options.onEnded(cause);
    for (const state of this.#states.values()) state.endStream(message);
  }

  #setConnected(isConnected: boolean): void {
    if (this.#isConnected && !isConnected) this.#disconnectedSinceMs = this.#options.clock.nowMs();
    if (isConnected) this.#disconnectedSinceMs = undefined;
    this.#isConnected = isConnected;
    this.#options.onChange();
  }

  // ── Messages ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  #receive(bytes: Uint8Array): void {
    const { codec, log } = this.#options;
    let response: XdsResponse;
    try {
      response = codec.decode(bytes);
    } catch (error) {
      // Without a nonce there is no NACK.
      this.#abort("broken", `unable to parse a response: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    this.#setConnected(true);
    this.#hasHeard = true;
    this.#lastLogged = "";
    if (response.identifier !== "") this.#identifier = response.identifier;
    const state = this.#states.get(response.typeUrl);
    if (state === undefined) log.warn(`ignoring the response for ${response.typeUrl}, which nobody asked for`);
    for (const error of response.resourceErrors) log.warn(`${response.typeUrl}: the control plane cannot give ${error}`);
    state?.receive(response);
  }

  #pump(): void {
    // What a watcher says while a message is written waits for its turn.
    if (this.#isPumping) return;
    this.#isPumping = true;
    for (const state of this.#states.values()) {
      while (this.#stream?.isWritable) {
        const request = state.next();
        if (request === undefined) break;
        const isFirst = !this.#hasSpoken;
        this.#hasSpoken = true;
        this.#stream.write(this.#options.codec.encode(request, isFirst));
      }
    }
    this.#isPumping = false;
    this.#options.onChange();
  }
}
