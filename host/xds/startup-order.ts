// Which stream is asked first, and when the configuration counts as there. Clusters come first; listeners are asked for when the
// clusters have answered and are warm, or were waited for long enough; then they have their own time. As Envoy's init manager does.
import type { XdsClock } from "./clock.ts";
import type { AcceptedResource } from "./resource-kinds.ts";
import type { ConfigSource } from "../config/extension.ts";
import { StreamSubscription } from "./stream-source.ts";
import type { ResourceSubscription } from "./subscription.ts";

interface Root<K extends "cluster" | "listener"> {
  readonly subscription: ResourceSubscription<K>;
  readonly source: ConfigSource;
}

export interface StartupOrderOptions {
  readonly cds: Root<"cluster"> | undefined;
  readonly lds: Root<"listener"> | undefined;
  readonly clock: XdsClock;
  /** Some resource of the subscription waits for what it depends on and has no version before. */
  isWarming(resource: AcceptedResource<"cluster"> | AcceptedResource<"listener">): boolean;
  /** A root has not answered in time. */
  onTimeout(): void;
  /** Called once. */
  onInitialized(): void;
}

type Phase = "clusters" | "listeners" | "initialized";

export class StartupOrder {
  readonly #options: StartupOrderOptions;
  readonly #timedOut = new Set<ResourceSubscription<"cluster"> | ResourceSubscription<"listener">>();
  readonly #timers: { cancel(): void }[] = [];
  #phase: Phase = "clusters";

  constructor(options: StartupOrderOptions) {
    this.#options = options;
  }

  get isInitialized(): boolean {
    return this.#phase === "initialized";
  }

  start(): void {
    this.#ask(this.#options.cds);
    this.update();
  }

  /** Something came, or was given up. */
  update(): void {
    const { cds, lds, onInitialized } = this.#options;
    if (this.#phase === "clusters" && this.#isThere(cds)) {
      this.#phase = "listeners";
      this.#ask(lds);
    }
    if (this.#phase === "listeners" && this.#isThere(lds)) {
      this.#phase = "initialized";
      onInitialized();
    }
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  #ask(root: Root<"cluster"> | Root<"listener"> | undefined): void {
    if (root === undefined || !(root.subscription instanceof StreamSubscription)) return;
    root.subscription.start();
    const { initialFetchTimeoutMs } = root.source;
    if (initialFetchTimeoutMs === 0) return;
    const { subscription } = root;
    this.#timers.push(
      this.#options.clock.after(initialFetchTimeoutMs, () => {
        if (hasAnswered(subscription)) return;
        this.#timedOut.add(subscription);
        subscription.onFetchTimeout("");
        this.#options.onTimeout();
      }),
    );
  }

  #isThere(root: Root<"cluster"> | Root<"listener"> | undefined): boolean {
    if (root === undefined || this.#timedOut.has(root.subscription)) return true;
    if (!hasAnswered(root.subscription)) return false;
    const resources: Iterable<AcceptedResource<"cluster"> | AcceptedResource<"listener">> = root.subscription.resources.values();
    for (const resource of resources) if (this.#options.isWarming(resource)) return false;
    return true;
  }
}

/** A file has answered as soon as it was read. */
function hasAnswered(subscription: ResourceSubscription<"cluster"> | ResourceSubscription<"listener">): boolean {
  return !(subscription instanceof StreamSubscription) || subscription.hasAnswered;
}
