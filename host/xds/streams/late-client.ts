// A client whose parts are still being loaded: it takes subscriptions at once and hands them on when the real one is there.
import type { XdsLog } from "../clock.ts";
import type { XdsClient, XdsClientStatus, XdsSubscription, XdsSubscriptionStatus, XdsWatcher } from "./contract.ts";

interface Early {
  readonly typeUrl: string;
  readonly watcher: XdsWatcher;
  names: ReadonlySet<string> | "wildcard";
  subscription: XdsSubscription | undefined;
  isClosed: boolean;
}

const NoStatus: XdsSubscriptionStatus = {
  versionInfo: "",
  updatedAtMs: undefined,
  hasAnswered: false,
  refusedNames: [],
  lastRejection: undefined,
};

export class LateClient implements XdsClient {
  readonly #load: () => Promise<XdsClient>;
  readonly #log: XdsLog;
  readonly #createdAtMs: number;
  #early: Early[] = [];
  #client: XdsClient | undefined;
  #failure: string | undefined;
  #isClosed = false;

  /** `load` is called by start(); when it fails there is no client, which the status and the log say. */
  constructor(load: () => Promise<XdsClient>, log: XdsLog, nowMs: number) {
    this.#load = load;
    this.#log = log;
    this.#createdAtMs = nowMs;
  }

  start(): void {
    this.#load().then(
      (client) => this.#begin(client),
      (error: unknown) => {
        this.#failure = error instanceof Error ? error.message : String(error);
        this.#log.warn(`no stream to the control plane: ${this.#failure}`);
        for (const { watcher } of this.#early) watcher.onFailure?.(this.#failure);
      },
    );
  }

  #begin(client: XdsClient): void {
    if (this.#isClosed) return;
    this.#client = client;
    for (const early of this.#early) if (!early.isClosed) early.subscription = client.subscribe(early.typeUrl, early.names, early.watcher);
    this.#early = [];
    client.start();
  }

  subscribe(typeUrl: string, names: ReadonlySet<string> | "wildcard", watcher: XdsWatcher): XdsSubscription {
    if (this.#client !== undefined) return this.#client.subscribe(typeUrl, names, watcher);
    const early: Early = { typeUrl, watcher, names, subscription: undefined, isClosed: false };
    this.#early.push(early);
    return {
      setNames: (wanted) => {
        early.names = wanted;
        early.subscription?.setNames(wanted);
      },
      close: () => {
        early.isClosed = true;
        early.subscription?.close();
      },
      get status() {
        return early.subscription?.status ?? NoStatus;
      },
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#client?.close();
  }

  get status(): XdsClientStatus {
    return (
      this.#client?.status ?? {
        isConnected: false,
        disconnectedSinceMs: this.#createdAtMs,
        lastError: this.#failure,
        reconnects: 0,
        identifier: "",
      }
    );
  }
}
