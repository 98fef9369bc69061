// Fields to header blocks (RFC 7541 6). A field that was sent before costs one byte or two; which fields are worth a place in the
// table is known by name: what differs in each message is not, and secrets never are (7.1.3). Fields that may not stand in an HTTP/2
// message (RFC 9113 8.2.2) are left out, whoever set them.
import type { HeaderMap } from "../http/header-map.ts";
import { huffmanEncode, huffmanLength } from "./huffman.ts";
import { DynamicTable, ENTRY_OVERHEAD, NOT_FOUND, STATIC_COUNT, STATIC_NAMES, STATIC_VALUES } from "./hpack-table.ts";

const Policy = { Index: 0, WithoutIndex: 1, NeverIndex: 2, Skip: 3, Te: 4, Cookie: 5 } as const;
type Policy = (typeof Policy)[keyof typeof Policy];

/** What is known of a name without looking at a table. */
class NameInfo {
  readonly policy: Policy;
  /** First static entry of that name, 0 when there is none; the entries of one name stand together. */
  readonly staticIndex: number;
  readonly staticCount: number;

  constructor(policy: Policy, staticIndex: number, staticCount: number) {
    this.policy = policy;
    this.staticIndex = staticIndex;
    this.staticCount = staticCount;
  }
}

const POLICIES = new Map<string, Policy>();
const assign = (policy: Policy, names: string): void => {
  for (const name of names.split(" ")) POLICIES.set(name, policy);
};
assign(Policy.Skip, "connection keep-alive proxy-connection transfer-encoding upgrade host");
assign(Policy.NeverIndex, "authorization proxy-authorization x-api-key");
assign(Policy.Te, "te");
assign(Policy.Cookie, "cookie");
assign(
  Policy.WithoutIndex,
  ":path age content-length content-range etag expires if-modified-since if-none-match last-modified location set-cookie range " +
    "x-request-id traceparent x-b3-traceid x-b3-spanid x-b3-parentspanid b3 x-envoy-upstream-service-time grpc-timeout grpc-message",
);

const NAMES = new Map<string, NameInfo>();
for (const [name, policy] of POLICIES) NAMES.set(name, new NameInfo(policy, 0, 0));
for (let index = 1; index <= STATIC_COUNT; index++) {
  const name = STATIC_NAMES[index];
  if (STATIC_NAMES[index - 1] === name) continue;
  let count = 1;
  while (STATIC_NAMES[index + count] === name) count++;
  NAMES.set(name, new NameInfo(POLICIES.get(name) ?? Policy.Index, index, count));
}
const ANY_NAME = new NameInfo(Policy.Index, 0, 0);

/** A short cookie could be guessed by watching how well it compresses (RFC 7541 7.1.3). */
const SHORT_COOKIE = 20;
/** A field takes at most this much more than its characters: three integers of five bytes. */
const FIELD_BYTES = 16;
const UPDATE_BYTES = 12;
/** As long as an id or a path usually is. */
const MAX_PLAIN = 48;
/** Shorter ones are written faster than Buffer is called. */
const MAX_BY_BYTE = 20;
/** Fields of a block that are remembered for the next one. */
const MAX_PLACES = 32;
/** What a peer has before it says otherwise (RFC 9113 6.5.2). */
const DEFAULT_TABLE_SIZE = 4096;

export class HpackEncoder {
  private readonly table = new DynamicTable(DEFAULT_TABLE_SIZE, true);
  private readonly maxTableSize: number;
  private readonly huffman: boolean;
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  /** To be announced in the next block: the smallest size since the last one, and the size now; -1: nothing is. */
  private smallestSize = -1;
  /** The blocks of a connection are much alike: what stood at each place of the last one, and which entry of the table it became. */
  private place = 0;
  private readonly lastNames: string[] = [];
  private readonly lastInfos: NameInfo[] = [];
  private readonly lastValues: string[] = [];
  private readonly lastEntries: number[] = [];

  constructor(maxTableSize: number, huffman: boolean) {
    this.maxTableSize = maxTableSize;
    this.huffman = huffman;
    if (maxTableSize < DEFAULT_TABLE_SIZE) this.resize(maxTableSize);
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setPeerLimit(size: number): void {
    this.resize(Math.min(size, this.maxTableSize));
  }

  private resize(size: number): void {
    if (size === this.table.limit && this.smallestSize < 0) return;
    this.smallestSize = this.smallestSize < 0 ? size : Math.min(this.smallestSize, size);
    this.table.setLimit(size);
  }

  /** Bytes that a block may take at most. */
  bound(headers: HeaderMap): number {
    const { names, values } = headers;
    let bytes = UPDATE_BYTES;
    for (let i = 0; i < names.length; i++) bytes += names[i].length + values[i].length + FIELD_BYTES;
    return bytes;
  }

  /** begin(), then field() for each, then end(): the place behind the block. */
  begin(bytes: Buffer, at: number): void {
    this.bytes = bytes;
    this.at = at;
    this.place = 0;
    if (this.smallestSize < 0) return;
    // RFC 7541 4.2: the smallest size in between is announced too, as entries were evicted for it.
    if (this.smallestSize < this.table.limit) this.writeInteger(0x20, 0x1f, this.smallestSize);
    this.writeInteger(0x20, 0x1f, this.table.limit);
    this.smallestSize = -1;
  }

  end(): number {
    return this.at;
  }

  field(name: string, value: string): void {
    const place = this.place++;
    if (place >= MAX_PLACES) {
      this.encode(name, value, NAMES.get(name) ?? ANY_NAME);
      return;
    }
    if (this.lastNames[place] === name) {
      const entry = this.lastEntries[place];
      if (this.lastValues[place] === value && this.table.has(entry)) {
        this.writeInteger(0x80, 0x7f, this.table.inserted - entry + STATIC_COUNT);
        return;
      }
    } else {
      this.lastNames[place] = name;
      this.lastInfos[place] = NAMES.get(name) ?? ANY_NAME;
    }
    const entry = this.encode(name, value, this.lastInfos[place]);
    this.lastEntries[place] = entry;
    this.lastValues[place] = entry < 0 ? "" : value;
  }

  /** The number of the entry that it became in the table, or -1. */
  private encode(name: string, value: string, info: NameInfo): number {
    let policy = info.policy;
    if (info.staticCount > 0) {
      for (let index = info.staticIndex; index < info.staticIndex + info.staticCount; index++) {
        if (STATIC_VALUES[index] !== value || value === "") continue;
        this.bytes[this.at++] = 0x80 | index;
        return -1;
      }
    }
    if (policy !== Policy.Index) {
      if (policy === Policy.Skip) return -1;
      if (policy === Policy.Te) {
        if (value !== "trailers") return -1;
        policy = Policy.Index;
      } else if (policy === Policy.Cookie) policy = value.length < SHORT_COOKIE ? Policy.NeverIndex : Policy.Index;
    }
    if (policy === Policy.NeverIndex) this.writeName(0x10, 0x0f, info.staticIndex, NOT_FOUND, name);
    else {
      const found = info.staticIndex > 0 && policy === Policy.WithoutIndex ? NOT_FOUND : this.table.find(name, value);
      if (found >= 0) {
        this.writeInteger(0x80, 0x7f, found + STATIC_COUNT + 1);
        return this.table.inserted - 1 - found;
      }
      // A value that will not come again is put into the table once, for its name. An entry that pushes most others out pays seldom.
      const isWorthIt = policy === Policy.Index || (found === NOT_FOUND && info.staticIndex === 0);
      if (isWorthIt && name.length + value.length + ENTRY_OVERHEAD <= this.table.limit >> 1) {
        this.writeName(0x40, 0x3f, info.staticIndex, found, name);
        this.writeString(value);
        this.table.insert(name, value, 0);
        return this.table.inserted - 1;
      }
      this.writeName(0, 0x0f, info.staticIndex, found, name);
    }
    this.writeOnce(value);
    return -1;
  }

  /** A value that differs in each message: the few bytes that the Huffman code saves cost more time than sending them. */
  private writeOnce(value: string): void {
    if (value.length > MAX_PLAIN) {
      this.writeString(value);
      return;
    }
    this.writeInteger(0, 0x7f, value.length);
    if (value.length > MAX_BY_BYTE) this.at += this.bytes.latin1Write(value, this.at);
    else for (let i = 0; i < value.length; i++) this.bytes[this.at++] = value.charCodeAt(i);
  }

  private writeName(first: number, mask: number, staticIndex: number, found: number, name: string): void {
    if (staticIndex > 0) this.writeInteger(first, mask, staticIndex);
    else if (found !== NOT_FOUND) this.writeInteger(first, mask, STATIC_COUNT - found);
    else {
      this.bytes[this.at++] = first;
      this.writeString(name);
    }
  }

  private writeInteger(first: number, mask: number, value: number): void {
    if (value < mask) {
      this.bytes[this.at++] = first | value;
      return;
    }
    this.bytes[this.at++] = first | mask;
    let rest = value - mask;
    while (rest >= 0x80) {
      this.bytes[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.at++] = rest;
  }

  private writeString(text: string): void {
    if (this.huffman) {
      const length = huffmanLength(text);
      if (length < text.length) {
        this.writeInteger(0x80, 0x7f, length);
        this.at = huffmanEncode(text, this.bytes, this.at);
        return;
      }
    }
    this.writeInteger(0, 0x7f, text.length);
    this.at += this.bytes.latin1Write(text, this.at);
  }
}
