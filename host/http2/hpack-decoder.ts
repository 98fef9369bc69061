// Header blocks to fields (RFC 7541 3, 6). A block is decoded to its end whatever the rules of HTTP say of its fields, because the
// table is shared by all later blocks; only what is no HPACK at all ends the connection (RFC 9113 4.3).
import { huffmanDecode } from "./huffman.ts";
import {
  DynamicTable,
  namePart,
  nameTraits,
  STATIC_COUNT,
  STATIC_NAMES,
  STATIC_TRAITS,
  STATIC_VALUES,
  valueTraits,
} from "./hpack-table.ts";

export interface FieldSink {
  /** `traits`: see hpack-table.ts. */
  onField(name: string, value: string, traits: number): void;
}

/** What every table may have before the peer has heard of ours (RFC 9113 6.5.2). */
const DEFAULT_TABLE_SIZE = 4096;
const MALFORMED = -1;
const MAX_PLACES = 32;
const MAX_REMEMBERED_LENGTH = 64;
/** Names seen before, as one string each: comparing equal strings that are one is comparing pointers. */
const KNOWN_NAMES = new Map<string, string>();
const MAX_KNOWN_NAMES = 1024;
const MAX_KNOWN_NAME_LENGTH = 64;
for (const name of STATIC_NAMES) KNOWN_NAMES.set(name, name);

export class HpackDecoder {
  private readonly table: DynamicTable;
  /** The largest size that the peer may set. */
  private limit: number;
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;
  private end = 0;
  /** The literal values that stood at each place of the last block, and what was found out of them: most come again. */
  private readonly lastValues: string[] = [];
  private readonly lastTraits: number[] = [];

  constructor(tableSize: number) {
    this.limit = Math.max(tableSize, DEFAULT_TABLE_SIZE);
    this.table = new DynamicTable(DEFAULT_TABLE_SIZE, false);
  }

  /** The peer has acknowledged our SETTINGS_HEADER_TABLE_SIZE. */
  onSettingsAcknowledged(tableSize: number): void {
    this.limit = tableSize;
    if (this.table.limit > tableSize) this.table.setLimit(tableSize);
  }

  /** Hands each field to the sink; false when the block is malformed. */
  decode(bytes: Buffer, start: number, end: number, sink: FieldSink): boolean {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    const table = this.table;
    let fields = 0;
    while (this.at < end) {
      const first = bytes[this.at];
      if (first >= 0x80) {
        const index = this.readInteger(0x7f);
        if (index <= 0) return false;
        if (index <= STATIC_COUNT) sink.onField(STATIC_NAMES[index], STATIC_VALUES[index], STATIC_TRAITS[index]);
        else {
          const distance = index - STATIC_COUNT - 1;
          if (distance >= table.count) return false;
          sink.onField(table.nameAt(distance), table.valueAt(distance), table.traitsAt(distance));
        }
        fields++;
      } else if (first >= 0x40) {
        if (!this.readLiteral(0x3f, true, fields, sink)) return false;
        fields++;
      } else if (first >= 0x20) {
        const size = this.readInteger(0x1f);
        // At the beginning of a block only (RFC 7541 4.2).
        if (size < 0 || size > this.limit || fields > 0) return false;
        table.setLimit(size);
      } else {
        if (!this.readLiteral(0x0f, false, fields, sink)) return false;
        fields++;
      }
    }
    return true;
  }

  private readLiteral(mask: number, insert: boolean, place: number, sink: FieldSink): boolean {
    const index = this.readInteger(mask);
    if (index < 0) return false;
    let name: string;
    let traits: number;
    if (index === 0) {
      const read = this.readString();
      if (read === undefined) return false;
      name = knownName(read);
      traits = nameTraits(name);
    } else if (index <= STATIC_COUNT) {
      name = STATIC_NAMES[index];
      traits = STATIC_TRAITS[index];
    } else {
      const distance = index - STATIC_COUNT - 1;
      if (distance >= this.table.count) return false;
      name = this.table.nameAt(distance);
      traits = namePart(this.table.traitsAt(distance));
    }
    const value = this.readString();
    if (value === undefined) return false;
    traits |= this.traitsOf(value, place);
    if (insert) this.table.insert(name, value, traits);
    sink.onField(name, value, traits);
    return true;
  }

  private traitsOf(value: string, place: number): number {
    if (this.lastValues[place] === value) return this.lastTraits[place];
    const traits = valueTraits(value);
    if (place < MAX_PLACES && value.length <= MAX_REMEMBERED_LENGTH) {
      this.lastValues[place] = value;
      this.lastTraits[place] = traits;
    }
    return traits;
  }

  /** RFC 7541 5.1, up to 2^28: nothing here may be larger. */
  private readInteger(mask: number): number {
    let value = this.bytes[this.at++] & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.at >= this.end) return MALFORMED;
      const byte = this.bytes[this.at++];
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return MALFORMED;
  }

  private readString(): string | undefined {
    if (this.at >= this.end) return undefined;
    const isHuffman = this.bytes[this.at] >= 0x80;
    const length = this.readInteger(0x7f);
    if (length < 0 || length > this.end - this.at) return undefined;
    const start = this.at;
    this.at += length;
    return isHuffman ? huffmanDecode(this.bytes, start, this.at) : this.bytes.latin1Slice(start, this.at);
  }
}

function knownName(name: string): string {
  const known = KNOWN_NAMES.get(name);
  if (known !== undefined) return known;
  // Bounded: names come from peers.
  if (KNOWN_NAMES.size < MAX_KNOWN_NAMES && name.length <= MAX_KNOWN_NAME_LENGTH) KNOWN_NAMES.set(name, name);
  return name;
}
