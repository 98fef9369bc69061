// What one subscription wants, and what of that the server of the present stream has been told. Two variants of one question:
// what has to be said next? The rules that matter:
// - An empty first request of a type means "everything", so a named subscription without names says nothing at all.
// - Who drops a name and takes it up again has nothing of it any more, and wants it sent again.
// - After a first request with names an empty list means "nothing" in a state of the world.

export type Wanted = ReadonlySet<string> | "wildcard";

export interface Interest {
  /** What is wanted from now on; undefined: nothing any more, the subscription was closed. */
  want(wanted: Wanted | undefined): void;
  isWanted(name: string): boolean;
  readonly isWildcard: boolean;
  /** Nothing was said on this stream yet. */
  beginStream(): void;
  /** Something is to be said. */
  readonly isDue: boolean;
  /** What to say next, which then counts as said; to be called while isDue. */
  take(): Change;
  /** What an answer has to repeat. */
  readonly namesInAnswer: readonly string[];
}

export interface Change {
  readonly names: readonly string[];
  readonly unsubscribe: readonly string[];
  /** It is the first message of this type on this stream. */
  readonly isFirst: boolean;
}

const EVERYTHING = "*";

/** Says what is added and what is dropped. */
export class DeltaInterest implements Interest {
  #wanted: Wanted | undefined = new Set();
  readonly #added = new Set<string>();
  readonly #dropped = new Set<string>();
  #hasSpoken = false;

  get isWildcard(): boolean {
    return this.#wanted === "wildcard";
  }

  isWanted(name: string): boolean {
    return this.#wanted === "wildcard" || (this.#wanted?.has(name) ?? false);
  }

  want(wanted: Wanted | undefined): void {
    const before = namesOf(this.#wanted);
    const now = namesOf(wanted);
    for (const name of before) {
      if (now.has(name)) continue;
      this.#added.delete(name);
      this.#dropped.add(name);
    }
    for (const name of now) {
      if (before.has(name)) continue;
      this.#dropped.delete(name);
      this.#added.add(name);
    }
    this.#wanted = wanted;
  }

  beginStream(): void {
    this.#hasSpoken = false;
    this.#dropped.clear();
    this.#added.clear();
  }

  get isDue(): boolean {
    if (!this.#hasSpoken) return this.isWildcard || namesOf(this.#wanted).size > 0;
    return this.#added.size > 0 || this.#dropped.size > 0;
  }

  take(): Change {
    const isFirst = !this.#hasSpoken;
    // An empty first request means everything to every server; "*" is the younger way to say so.
    const all = this.isWildcard ? [] : [...namesOf(this.#wanted)];
    const change = isFirst ? { names: all, unsubscribe: [] } : { names: [...this.#added], unsubscribe: [...this.#dropped] };
    this.#hasSpoken = true;
    this.#added.clear();
    this.#dropped.clear();
    return { ...change, isFirst };
  }

  get namesInAnswer(): readonly string[] {
    return [];
  }
}

/** Says each time all that is wanted. */
export class SotwInterest implements Interest {
  #wanted: Wanted | undefined = new Set();
  /** undefined: nothing was said on this stream. */
  #said: readonly string[] | undefined;
  /** Names that the server has been told, that were dropped since, and that it has to hear as dropped before it hears them again. */
  readonly #forgotten = new Set<string>();

  get isWildcard(): boolean {
    return this.#wanted === "wildcard";
  }

  isWanted(name: string): boolean {
    return this.#wanted === "wildcard" || (this.#wanted?.has(name) ?? false);
  }

  want(wanted: Wanted | undefined): void {
    for (const name of this.#said ?? []) if (!namesOf(wanted).has(name)) this.#forgotten.add(name);
    this.#wanted = wanted;
  }

  beginStream(): void {
    this.#said = undefined;
    this.#forgotten.clear();
  }

  get isDue(): boolean {
    const said = this.#said;
    if (said === undefined) return this.isWildcard || namesOf(this.#wanted).size > 0;
    // There is no way to say that everything is wanted no longer: the list would be empty either way.
    if (this.#wanted === undefined && said.length === 0) return false;
    const wanted = this.#listed();
    return this.#forgotten.size > 0 || wanted.length !== said.length || said.some((name) => !this.isWanted(name));
  }

  take(): Change {
    const isFirst = this.#said === undefined;
    const names = this.#listed().filter((name) => !this.#forgotten.has(name));
    this.#forgotten.clear();
    this.#said = names;
    return { names, unsubscribe: [], isFirst };
  }

  get namesInAnswer(): readonly string[] {
    return this.#said ?? [];
  }

  #listed(): readonly string[] {
    return this.#wanted === "wildcard" ? [] : [...namesOf(this.#wanted)];
  }
}

function namesOf(wanted: Wanted | undefined): ReadonlySet<string> {
  if (wanted === undefined) return new Set();
  return wanted === "wildcard" ? new Set([EVERYTHING]) : wanted;
}
