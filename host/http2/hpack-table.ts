// The tables of HPACK: the static one (RFC 7541 appendix A) and the dynamic one (2.3.2, 4). What the rules of HTTP/2 say of a field is
// found out once, when the field enters a table ("traits"): a field that is sent again by its index is neither looked at nor copied.
import { isToken } from "../http1/fields.ts";

/** What a field is to the rules of RFC 9113 8; the low bits of its traits. */
export const Field = {
  Ordinary: 0,
  Method: 1,
  Scheme: 2,
  Path: 3,
  Authority: 4,
  Protocol: 5,
  Status: 6,
  UnknownPseudo: 7,
  /** Of one connection alone: connection, keep-alive, proxy-connection, transfer-encoding, upgrade (RFC 9113 8.2.2). */
  Connection: 8,
  Te: 9,
  Host: 10,
  ContentLength: 11,
  Cookie: 12,
} as const;
export const FIELD_MASK = 0xf;
export const Trait = { BadName: 0x10, BadValue: 0x20, ObsText: 0x40, Underscore: 0x80 } as const;
const VALUE_TRAITS = Trait.BadValue | Trait.ObsText;

const SPECIAL = new Map<string, number>([
  [":method", Field.Method],
  [":scheme", Field.Scheme],
  [":path", Field.Path],
  [":authority", Field.Authority],
  [":protocol", Field.Protocol],
  [":status", Field.Status],
  ["connection", Field.Connection],
  ["keep-alive", Field.Connection],
  ["proxy-connection", Field.Connection],
  ["transfer-encoding", Field.Connection],
  ["upgrade", Field.Connection],
  ["te", Field.Te],
  ["host", Field.Host],
  ["content-length", Field.ContentLength],
  ["cookie", Field.Cookie],
]);

export function nameTraits(name: string): number {
  const special = SPECIAL.get(name);
  if (special !== undefined) return special;
  if (name.charCodeAt(0) === 0x3a) return Field.UnknownPseudo;
  if (!isToken(name) || /[A-Z]/.test(name)) return Trait.BadName;
  return name.includes("_") ? Trait.Underscore : 0;
}

/** RFC 9113 8.2.1; blanks at the ends are let through, as Envoy does. */
export function valueTraits(value: string): number {
  let traits = 0;
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c >= 0x20 && c < 0x7f) continue;
    if (c >= 0x80) traits |= Trait.ObsText;
    else if (c !== 0x09) return Trait.BadValue;
  }
  return traits;
}

/** The traits of the name that another field had, for a field with a new value. */
export function namePart(traits: number): number {
  return traits & ~VALUE_TRAITS;
}

const STATIC_FIELDS =
  ":authority\n:method GET\n:method POST\n:path /\n:path /index.html\n:scheme http\n:scheme https\n:status 200\n:status 204\n:status 206\n" +
  ":status 304\n:status 400\n:status 404\n:status 500\naccept-charset\naccept-encoding gzip, deflate\naccept-language\naccept-ranges\naccept\n" +
  "access-control-allow-origin\nage\nallow\nauthorization\ncache-control\ncontent-disposition\ncontent-encoding\ncontent-language\n" +
  "content-length\ncontent-location\ncontent-range\ncontent-type\ncookie\ndate\netag\nexpect\nexpires\nfrom\nhost\nif-match\n" +
  "if-modified-since\nif-none-match\nif-range\nif-unmodified-since\nlast-modified\nlink\nlocation\nmax-forwards\nproxy-authenticate\n" +
  "proxy-authorization\nrange\nreferer\nrefresh\nretry-after\nserver\nset-cookie\nstrict-transport-security\ntransfer-encoding\n" +
  "user-agent\nvary\nvia\nwww-authenticate";

/** Index 1 … 61; place 0 is empty. */
export const STATIC_NAMES: string[] = [""];
export const STATIC_VALUES: string[] = [""];
export const STATIC_TRAITS: number[] = [0];
export const STATIC_COUNT = 61;

for (const line of STATIC_FIELDS.split("\n")) {
  const blank = line.indexOf(" ");
  const name = blank < 0 ? line : line.slice(0, blank);
  STATIC_NAMES.push(name);
  STATIC_VALUES.push(blank < 0 ? "" : line.slice(blank + 1));
  STATIC_TRAITS.push(nameTraits(name));
}

/** RFC 7541 4.1. */
export const ENTRY_OVERHEAD = 32;
const FIRST_CAPACITY = 32;

/** Entries are numbered from 0 in the order of their insertion; the table is a ring that holds the last `count` of them. */
export class DynamicTable {
  private names: string[] = [];
  private values: string[] = [];
  private traits: number[] = [];
  private mask = FIRST_CAPACITY - 1;
  /** Encoder only: name → number of its newest entry, which names the one before it in `previous`. */
  private readonly newest: Map<string, number> | undefined;
  private previous: number[] = [];
  /** Entries that there ever were. */
  inserted = 0;
  count = 0;
  private size = 0;
  private maxSize: number;

  constructor(maxSize: number, searchable: boolean) {
    this.maxSize = maxSize;
    this.newest = searchable ? new Map() : undefined;
  }

  get limit(): number {
    return this.maxSize;
  }

  setLimit(maxSize: number): void {
    this.maxSize = maxSize;
    while (this.size > maxSize) this.evict();
  }

  /** By distance from the newest entry, which is 0. */
  nameAt(distance: number): string {
    return this.names[(this.inserted - 1 - distance) & this.mask];
  }

  valueAt(distance: number): string {
    return this.values[(this.inserted - 1 - distance) & this.mask];
  }

  traitsAt(distance: number): number {
    return this.traits[(this.inserted - 1 - distance) & this.mask];
  }

  /** The entry of this number is still there. */
  has(number: number): boolean {
    return number >= this.inserted - this.count;
  }

  insert(name: string, value: string, traits: number): void {
    const size = name.length + value.length + ENTRY_OVERHEAD;
    while (this.count > 0 && this.size + size > this.maxSize) this.evict();
    // An entry larger than the table empties it, and is no error (RFC 7541 4.4).
    if (size > this.maxSize) return;
    if (this.count > this.mask) this.grow();
    const at = this.inserted & this.mask;
    this.names[at] = name;
    this.values[at] = value;
    this.traits[at] = traits;
    if (this.newest !== undefined) {
      this.previous[at] = this.newest.get(name) ?? -1;
      this.newest.set(name, this.inserted);
    }
    this.inserted++;
    this.count++;
    this.size += size;
  }

  private evict(): void {
    const number = this.inserted - this.count;
    const at = number & this.mask;
    const name = this.names[at];
    this.size -= name.length + this.values[at].length + ENTRY_OVERHEAD;
    this.count--;
    if (this.newest?.get(name) === number) this.newest.delete(name);
    this.names[at] = "";
    this.values[at] = "";
  }

  private grow(): void {
    const { names, values, traits, previous, mask } = this;
    this.mask = mask * 2 + 1;
    this.names = [];
    this.values = [];
    this.traits = [];
    this.previous = [];
    // In order of place, so that the new arrays have no holes.
    for (let i = 0; i <= this.mask; i++) {
      this.names.push("");
      this.values.push("");
      this.traits.push(0);
      this.previous.push(-1);
    }
    for (let number = this.inserted - this.count; number < this.inserted; number++) {
      const from = number & mask;
      const to = number & this.mask;
      this.names[to] = names[from];
      this.values[to] = values[from];
      this.traits[to] = traits[from];
      if (this.newest !== undefined) this.previous[to] = previous[from];
    }
  }

  /**
   * Encoder only: the distance of the newest entry with this name and value; -1 - d when only the name is there, at distance d;
   * NOT_FOUND when not even that.
   */
  find(name: string, value: string): number {
    const newest = this.newest?.get(name);
    if (newest === undefined) return NOT_FOUND;
    const oldest = this.inserted - this.count;
    // Names with many values are not searched to the end: writing one of them out costs less.
    for (let number = newest, tries = 0; number >= oldest && tries < MAX_TRIES; number = this.previous[number & this.mask], tries++) {
      if (this.values[number & this.mask] === value) return this.inserted - 1 - number;
    }
    return newest - this.inserted;
  }
}

export const NOT_FOUND = Number.MIN_SAFE_INTEGER;
const MAX_TRIES = 8;
