// A small JSON reader for configurations (RFC 8259). It builds a tree once, at configure time, and reads it by checked
// getters: a mistake in the text is reported with line and column, a mistake in the content with its path, as in
// `policies[0].rules[1].ports[0]: expected a string`. Nothing here traps; the first mistake is kept and reading goes on.
// Texts stay UTF-8 bytes and values are linked, not listed: a filter that reads bytes and links is smaller by the standard
// library's strings, arrays and number formats, which the other getters bring along when they are used.

import { LogLevel } from "./abi";
import { ByteString } from "./bytes";
import { parseJson } from "./json-parser";
import { addWord, Word } from "./json-words";
import { isLogged, writeLine } from "./log";
import { LINE } from "./text";

/** Kind of a JSON value. */
export const enum JsonKind {
  Absent,
  Null,
  Boolean,
  Number,
  String,
  Array,
  Object,
}

/** A parsed text and the first mistake found in it; later ones are usually its consequence. */
export class JsonDocument {
  private mistake: ByteString | null = null;
  private top: JsonValue | null = null;

  /** Parses a text. An empty text counts as `{}`, so a filter without configuration gets its defaults. */
  static parse(text: string): JsonDocument {
    return JsonDocument.parseBytes(ByteString.of(text));
  }

  /** As `parse`, from UTF-8 bytes, such as those of a configuration. */
  static parseBytes(text: ByteString): JsonDocument {
    const document = new JsonDocument();
    if (text.length == 0) {
      document.top = new JsonValue(document, JsonKind.Object, null, text);
      return document;
    }
    document.top = parseJson(document, text);
    if (document.top == null) document.keepLine();
    return document;
  }

  /** The value of the text; of kind Absent when the text could not be parsed. */
  get root(): JsonValue {
    const top = this.top;
    return top != null ? top : new JsonValue(this, JsonKind.Absent, null, ByteString.EMPTY);
  }

  /** Whether no mistake was found so far. */
  get ok(): bool {
    return this.mistake == null;
  }

  /** The first mistake, with its place; empty if there is none so far. */
  get error(): string {
    const mistake = this.mistake;
    return mistake == null ? "" : mistake.toString();
  }

  /** Whether no mistake was found so far; else the first one becomes an ERROR line that begins with `owner`. */
  accepted(owner: string): bool {
    const mistake = this.mistake;
    if (mistake == null) return true;
    if (isLogged(LogLevel.Error)) {
      LINE.clear();
      LINE.add(owner).addCode(0x3a).addCode(0x20).addBytes(mistake.ptr, mistake.length);
      writeLine(LogLevel.Error);
    }
    return false;
  }

  /** Makes what is in LINE the mistake. For this file. */
  keepLine(): void {
    this.mistake = ByteString.copy(LINE.ptr, LINE.len);
  }
}

/** One value of the tree. Reading a member that is missing gives a value of kind Absent, so getters can be chained. */
export class JsonValue {
  /** Next item or member of the value that holds this one. */
  next: JsonValue | null = null;
  /** First item of an array or member of an object, whatever the kind should be; `firstItem` and `firstMember` check it. */
  first: JsonValue | null = null;
  /** Bytes of a string, digits of a number; empty for other kinds. */
  content: ByteString = ByteString.EMPTY;
  /** Whether the value is `true`. */
  isTrue: bool = false;

  constructor(
    private document: JsonDocument,
    public kind: JsonKind,
    private parent: JsonValue | null,
    /** Name within an object; empty for items of an array. */
    readonly keyBytes: ByteString,
  ) {}

  /** Name within an object as text; empty for items of an array. */
  get key(): string {
    return this.keyBytes.toString();
  }

  /** Text of a string, digits of a number; empty for other kinds. */
  get text(): string {
    return this.content.toString();
  }

  /**
   * Value of a number, or 1 and 0 for true and false. Digits are summed up here instead of by `parseFloat`, whose tables would
   * be the largest part of a small filter.
   */
  get number(): f64 {
    if (this.kind != JsonKind.Number) return this.isTrue ? 1 : 0;
    const digits = this.content;
    let mantissa: f64 = 0;
    let fraction = 0;
    let exponent = 0;
    let hasPoint = false;
    let i = 0;
    for (; i < digits.length; i++) {
      const code = digits.at(i);
      if ((code | 0x20) == 0x65) break;
      if (code == 0x2e) hasPoint = true;
      if (code < 0x30) continue;
      mantissa = mantissa * 10 + <f64>(code - 0x30);
      if (hasPoint) fraction++;
    }
    // Larger exponents say nothing more than infinity or zero.
    for (let j = i + 1; j < digits.length && exponent < 10_000; j++) {
      const code = digits.at(j);
      if (code >= 0x30) exponent = exponent * 10 + code - 0x30;
    }
    if (digits.at(i + 1) == 0x2d) exponent = -exponent;
    exponent -= fraction;
    for (; exponent > 0 && mantissa != 0 && mantissa < Infinity; exponent--) mantissa *= 10;
    let divisor: f64 = 1;
    for (; exponent < 0 && divisor < Infinity; exponent++) divisor *= 10;
    mantissa /= divisor;
    return digits.at(0) == 0x2d ? -mantissa : mantissa;
  }

  /** Items of an array, or member values of an object, as a new list. */
  get items(): JsonValue[] {
    const items: JsonValue[] = [];
    let item = this.first;
    while (item != null) {
      items.push(item);
      item = item.next;
    }
    return items;
  }

  /** Where the value stands, as in `rules[0].from`; empty for the root. */
  get path(): string {
    LINE.clear();
    this.addPath();
    return ByteString.copy(LINE.ptr, LINE.len).toString();
  }

  /** Records a mistake at this value; `detail` is appended. */
  fail(message: string, detail: string = ""): void {
    if (!this.document.ok) return;
    this.beginFail();
    LINE.add(message).add(detail);
    this.document.keepLine();
  }

  /** Records a mistake that begins with a text of the configuration in quotes: `"a b" is not a name`. */
  failWith(quoted: ByteString, message: string): void {
    if (!this.document.ok) return;
    this.beginFail();
    LINE.addCode(0x22).addBytes(quoted.ptr, quoted.length).addCode(0x22).addCode(0x20).add(message);
    this.document.keepLine();
  }

  get exists(): bool {
    return this.kind != JsonKind.Absent;
  }

  /** Member of an object; of kind Absent if missing, null, or if this is no object (which is a mistake unless absent). */
  get(key: string): JsonValue {
    const name = ByteString.of(key);
    const found = this.expect(JsonKind.Object) ? this.member(name) : null;
    return found != null && found.kind != JsonKind.Null ? found : new JsonValue(this.document, JsonKind.Absent, this, name);
  }

  /** Member of an object, null values included; null if there is none. No mistake is recorded. */
  member(name: ByteString): JsonValue | null {
    let item = this.first;
    while (item != null && !item.keyBytes.equals(name)) item = item.next;
    return item;
  }

  /** Refuses members of an object that are not named in `keys`, a list like `"request, response"`. */
  allowOnly(keys: string): void {
    const list = ByteString.of(keys);
    let item = this.firstMember();
    while (item != null) {
      if (!isListed(list, item.keyBytes) && this.document.ok) {
        item.beginFail();
        addWord(Word.UnknownField);
        LINE.addBytes(list.ptr, list.length);
        this.document.keepLine();
      }
      item = item.next;
    }
  }

  /** First item of an array, to go on with `next`; null if empty or absent. Anything else is a mistake. */
  firstItem(): JsonValue | null {
    return this.expect(JsonKind.Array) ? this.first : null;
  }

  /** First member of an object, to go on with `next`; null if empty or absent. Anything else is a mistake. */
  firstMember(): JsonValue | null {
    return this.expect(JsonKind.Object) ? this.first : null;
  }

  /** Items of an array; empty if absent. Anything else is a mistake. */
  array(): JsonValue[] {
    return this.expect(JsonKind.Array) ? this.items : [];
  }

  /** Members of an object, to read `key` of each; empty if absent. Anything else is a mistake. */
  members(): JsonValue[] {
    return this.expect(JsonKind.Object) ? this.items : [];
  }

  /** Text of a string; `fallback` if absent. Anything else is a mistake. */
  string(fallback: string): string {
    return this.expect(JsonKind.String) ? this.text : fallback;
  }

  /** UTF-8 bytes of a string; empty if absent. Anything else is a mistake. */
  bytes(): ByteString {
    return this.expect(JsonKind.String) ? this.content : ByteString.EMPTY;
  }

  /** Items of an array of strings; empty if absent. Anything else is a mistake. */
  strings(): string[] {
    const values: string[] = [];
    let item = this.firstItem();
    while (item != null) {
      values.push(item.string(""));
      item = item.next;
    }
    return values;
  }

  /** True or false; `fallback` if absent. Anything else is a mistake. */
  bool(fallback: bool): bool {
    return this.expect(JsonKind.Boolean) ? this.isTrue : fallback;
  }

  /** A whole number in [low, high]; `fallback` if absent. Anything else is a mistake. */
  integer(fallback: i64, low: i64, high: i64): i64 {
    if (!this.expect(JsonKind.Number)) return fallback;
    const number = this.number;
    const value = <i64>number;
    if (<f64>value == number && value >= low && value <= high) return value;
    this.fail(this.text + " is not a whole number from " + low.toString(), " to " + high.toString());
    return fallback;
  }

  /** A value of the wrong kind is a mistake; an absent one is not. */
  private expect(kind: JsonKind): bool {
    if (this.kind == kind) return true;
    if (this.kind != JsonKind.Absent && this.document.ok) {
      LINE.clear();
      this.addPlace();
      addWord(Word.Expected);
      // Word has the names of kinds in the order of JsonKind.
      addWord(<Word>(<i32>kind));
      this.document.keepLine();
    }
    return false;
  }

  private beginFail(): void {
    LINE.clear();
    this.addPlace();
    LINE.addCode(0x3a).addCode(0x20);
  }

  private addPlace(): void {
    this.addPath();
    if (LINE.len == 0) addWord(Word.Configuration);
  }

  private addPath(): void {
    const parent = this.parent;
    if (parent == null) return;
    parent.addPath();
    if (parent.kind == JsonKind.Array) {
      let index: u32 = 0;
      let item = parent.first;
      while (item != null && item != this) {
        index++;
        item = item.next;
      }
      LINE.addCode(0x5b).addNumber(index).addCode(0x5d);
      return;
    }
    if (LINE.len > 0) LINE.addCode(0x2e);
    LINE.addBytes(this.keyBytes.ptr, this.keyBytes.length);
  }
}

/** Whether a name stands in a list like `a, b`. */
function isListed(list: ByteString, name: ByteString): bool {
  let start = 0;
  while (start <= list.length) {
    const comma = list.indexOfByte(0x2c, start);
    const stop = comma < 0 ? list.length : comma;
    if (list.slice(start, stop).equals(name)) return true;
    start = stop + 2;
  }
  return false;
}
