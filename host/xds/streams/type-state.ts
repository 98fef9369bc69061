// What one client knows of one type on its stream: the pure part of the protocol ("xDS REST and gRPC protocol"). It says which requests
// are due and takes no step of its own. Two variants share everything but the shape of their requests.
//   An answer and a change of names are never one message: istiod takes one that is both for an error.
//   An empty list of names means "everything" in the first request of a stream, so a named type with no names asks for nothing.

/** A request, without the node and the type. */
export interface TypeRequest {
  readonly versionInfo: string;
  readonly nonce: string;
  readonly errorDetail: string | undefined;
  /** State of the world: all names. */
  readonly names: readonly string[];
  /** Delta: what changed. */
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  readonly initialVersions: Readonly<Record<string, string>>;
}

const Nothing: TypeRequest = {
  versionInfo: "",
  nonce: "",
  errorDetail: undefined,
  names: [],
  subscribe: [],
  unsubscribe: [],
  initialVersions: {},
};

interface Answer {
  readonly nonce: string;
  readonly errorDetail: string | undefined;
}

export class TypeState {
  readonly isDelta: boolean;
  /** undefined: everything. */
  #wanted: ReadonlySet<string> | undefined;
  /** What this stream was asked for; undefined: nothing yet. */
  #asked: ReadonlySet<string> | undefined;
  /** Delta: the resources that are held, and in which version. */
  readonly #versions = new Map<string, string>();
  /** State of the world: of the last response that was accepted, and the nonce of the last one of this stream. */
  #acceptedVersion = "";
  #lastNonce = "";
  readonly #answers: Answer[] = [];

  constructor(isDelta: boolean, wanted: ReadonlySet<string> | "wildcard") {
    this.isDelta = isDelta;
    this.#wanted = wanted === "wildcard" ? undefined : wanted;
  }

  get isWildcard(): boolean {
    return this.#wanted === undefined;
  }

  setWanted(names: ReadonlySet<string>): void {
    this.#wanted = names;
    for (const name of this.#versions.keys()) if (!names.has(name)) this.#versions.delete(name);
  }

  /** A new stream: the server knows nothing, and what was to be answered is gone with the old one. */
  onStreamOpened(): void {
    this.#asked = undefined;
    this.#lastNonce = "";
    this.#answers.length = 0;
  }

  /** A resource that is held from now on, or with undefined is not. */
  setVersion(name: string, version: string | undefined): void {
    if (version === undefined) this.#versions.delete(name);
    else if (this.#wanted === undefined || this.#wanted.has(name)) this.#versions.set(name, version);
  }

  /** The names of a whole state that came: others are not held any longer. */
  keepOnly(names: ReadonlySet<string>): void {
    for (const name of this.#versions.keys()) if (!names.has(name)) this.#versions.delete(name);
  }

  /** A response came, which is the newest of its type on this stream. */
  onResponse(nonce: string): void {
    this.#lastNonce = nonce;
  }

  /** That response was dealt with; `errorDetail`: refused. */
  answer(nonce: string, versionInfo: string, errorDetail: string | undefined): void {
    if (errorDetail === undefined) this.#acceptedVersion = versionInfo;
    this.#answers.push({ nonce, errorDetail });
  }

  get isIdle(): boolean {
    return this.#answers.length === 0 && !this.#isNamesChangeDue();
  }

  /** The next request that is due, which counts as sent; undefined: none is. */
  next(): TypeRequest | undefined {
    if (this.#asked === undefined) return this.#isNamesChangeDue() ? this.#first() : undefined;
    const answer = this.#answers.shift();
    if (answer !== undefined) return this.#answered(answer);
    return this.#isNamesChangeDue() ? this.#changed(this.#asked) : undefined;
  }

  #isNamesChangeDue(): boolean {
    const wanted = this.#wanted;
    if (this.#asked === undefined) return wanted === undefined || wanted.size > 0;
    if (wanted === undefined || wanted === this.#asked) return false;
    if (wanted.size !== this.#asked.size) return true;
    for (const name of wanted) if (!this.#asked.has(name)) return true;
    return false;
  }

  #first(): TypeRequest {
    const names = this.#wanted ?? new Set<string>();
    this.#asked = names;
    if (this.isDelta) return { ...Nothing, subscribe: [...names], initialVersions: Object.fromEntries(this.#versions) };
    return { ...Nothing, names: [...names], versionInfo: this.#acceptedVersion };
  }

  #answered({ nonce, errorDetail }: Answer): TypeRequest {
    if (this.isDelta) return { ...Nothing, nonce, errorDetail };
    return { ...Nothing, nonce, errorDetail, names: [...(this.#asked ?? [])], versionInfo: this.#acceptedVersion };
  }

  #changed(asked: ReadonlySet<string>): TypeRequest {
    const wanted = this.#wanted ?? new Set<string>();
    this.#asked = wanted;
    if (!this.isDelta) return { ...Nothing, names: [...wanted], versionInfo: this.#acceptedVersion, nonce: this.#lastNonce };
    const subscribe = [...wanted].filter((name) => !asked.has(name));
    return { ...Nothing, subscribe, unsubscribe: [...asked].filter((name) => !wanted.has(name)) };
  }
}
