// A control plane without a network: resources by type, and what each stream has been told of them. It speaks both variants as the
// protocol's text says; what a test wants otherwise it changes in the responses on their way.
import type { XdsVariant } from "../../host/xds/streams/messages.ts";

export interface ServedResource {
  readonly name: string;
  readonly version: string;
  readonly typeUrl: string;
  /** undefined: a heartbeat. */
  readonly bytes: Uint8Array | undefined;
  readonly ttlMs: number | undefined;
}

/** As a server reads it. */
export interface SeenRequest {
  /** Counts from 1. */
  readonly stream: number;
  readonly typeUrl: string;
  /** Delta: to subscribe; state of the world: all. */
  readonly names: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly initialVersions: Readonly<Record<string, string>>;
  readonly versionInfo: string;
  readonly nonce: string;
  /** undefined: no NACK. */
  readonly errorDetail: string | undefined;
  /** node.id; undefined: the message has no node. */
  readonly nodeId: string | undefined;
}

export interface Outgoing {
  readonly stream: number;
  readonly typeUrl: string;
  readonly versionInfo: string;
  readonly nonce: string;
  readonly resources: readonly ServedResource[];
  readonly removed: readonly string[];
}

interface Watched {
  isWildcard: boolean;
  readonly names: Set<string>;
  /** Name → version, as the client has it. */
  readonly sent: Map<string, string>;
  nonce: string;
}

export class XdsServerModel {
  readonly #resources = new Map<string, Map<string, ServedResource>>();
  #versions = 0;
  #nonces = 0;

  set(typeUrl: string, name: string, bytes: Uint8Array, ttlMs?: number): void {
    let ofType = this.#resources.get(typeUrl);
    if (ofType === undefined) {
      ofType = new Map();
      this.#resources.set(typeUrl, ofType);
    }
    ofType.set(name, { name, version: `${++this.#versions}`, typeUrl, bytes, ttlMs });
  }

  remove(typeUrl: string, name: string): void {
    if (this.#resources.get(typeUrl)?.delete(name) === true) this.#versions++;
  }

  of(typeUrl: string): ReadonlyMap<string, ServedResource> {
    return this.#resources.get(typeUrl) ?? new Map<string, ServedResource>();
  }

  get version(): string {
    return `${this.#versions}`;
  }

  newNonce(): string {
    return `n${++this.#nonces}`;
  }
}

/** What one stream has been told. */
export class ModelStream {
  readonly id: number;
  readonly #model: XdsServerModel;
  readonly #variant: XdsVariant;
  readonly #watched = new Map<string, Watched>();

  constructor(id: number, model: XdsServerModel, variant: XdsVariant) {
    this.id = id;
    this.#model = model;
    this.#variant = variant;
  }

  get types(): readonly string[] {
    return [...this.#watched.keys()];
  }

  /** What the request asks for; undefined: nothing new. */
  receive(request: SeenRequest): Outgoing | undefined {
    return this.#variant === "delta" ? this.#receiveDelta(request) : this.#receiveSotw(request);
  }

  #receiveDelta(request: SeenRequest): Outgoing | undefined {
    const { typeUrl, names } = request;
    let watched = this.#watched.get(typeUrl);
    const isFirst = watched === undefined;
    if (watched === undefined) {
      watched = { isWildcard: names.length === 0, names: new Set(), sent: new Map(Object.entries(request.initialVersions)), nonce: "" };
      this.#watched.set(typeUrl, watched);
    }
    for (const name of names) {
      if (name === "*") watched.isWildcard = true;
      else watched.names.add(name);
      if (!isFirst) watched.sent.delete(name);
    }
    for (const name of request.unsubscribe) {
      if (name === "*") {
        watched.isWildcard = false;
        watched.sent.clear();
      }
      watched.names.delete(name);
      watched.sent.delete(name);
    }
    if (!isFirst && names.length === 0) return undefined;
    const missing = names.filter((name) => name !== "*" && !this.#model.of(typeUrl).has(name));
    return this.#delta(typeUrl, watched, isFirst, missing);
  }

  #delta(typeUrl: string, watched: Watched, always: boolean, missing: readonly string[]): Outgoing | undefined {
    const all = this.#model.of(typeUrl);
    const wanted = [...all.values()].filter(({ name }) => watched.isWildcard || watched.names.has(name));
    const resources = wanted.filter(({ name, version }) => watched.sent.get(name) !== version);
    const removed = new Set([...[...watched.sent.keys()].filter((name) => !all.has(name)), ...missing]);
    if (resources.length === 0 && removed.size === 0 && !always) return undefined;
    for (const { name, version } of resources) watched.sent.set(name, version);
    for (const name of removed) watched.sent.delete(name);
    return this.#outgoing(typeUrl, watched, resources, [...removed]);
  }

  #receiveSotw(request: SeenRequest): Outgoing | undefined {
    const { typeUrl, names, nonce } = request;
    const before = this.#watched.get(typeUrl);
    if (before !== undefined && nonce !== before.nonce) return undefined;
    const isWildcard = names.length === 0 && (before === undefined || before.isWildcard);
    const watched: Watched = { isWildcard, names: new Set(names), sent: new Map(), nonce: before?.nonce ?? "" };
    this.#watched.set(typeUrl, watched);
    const isAdded = before === undefined || names.some((name) => !before.names.has(name));
    return isAdded ? this.#whole(typeUrl, watched) : undefined;
  }

  #whole(typeUrl: string, watched: Watched): Outgoing {
    const wanted = [...this.#model.of(typeUrl).values()].filter(({ name }) => watched.isWildcard || watched.names.has(name));
    return this.#outgoing(typeUrl, watched, wanted, []);
  }

  #outgoing(typeUrl: string, watched: Watched, resources: readonly ServedResource[], removed: readonly string[]): Outgoing {
    watched.nonce = this.#model.newNonce();
    return { stream: this.id, typeUrl, versionInfo: this.#model.version, nonce: watched.nonce, resources, removed };
  }

  /** What changed since the client was told; undefined: nothing, or nobody asked. */
  push(typeUrl: string): Outgoing | undefined {
    const watched = this.#watched.get(typeUrl);
    if (watched === undefined) return undefined;
    return this.#variant === "delta" ? this.#delta(typeUrl, watched, false, []) : this.#whole(typeUrl, watched);
  }
}
