// A small JSON reader for configurations (RFC 8259). It builds a tree once, at configure time, and reads it by checked
// getters: a mistake in the text is reported with line and column, a mistake in the content with its path, as in
// `policies[0].rules[1].ports[0]: expected a string`. Nothing here traps; the first mistake is kept and reading goes on.

import { parseJson } from "./json-parser";

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

/** The first mistake found while reading; later ones are usually its consequence. */
export class JsonError {
  /** Place and reason; empty if there is no mistake so far. */
  message: string = "";

  get exists(): bool {
    return this.message.length > 0;
  }

  /** Records a mistake unless there is one already. */
  set(message: string): void {
    if (this.message.length == 0) this.message = message;
  }
}

/** A parsed text and the first mistake found in it. */
export class JsonDocument {
  private constructor(
    private found: JsonError,
    /** The value of the text; of kind Absent when the text could not be parsed. */
    readonly root: JsonValue,
  ) {}

  /** Parses a text. An empty text counts as `{}`, so a filter without configuration gets its defaults. */
  static parse(text: string): JsonDocument {
    const error = new JsonError();
    if (text.length == 0) return new JsonDocument(error, new JsonValue(error, JsonKind.Object, null, ""));
    return new JsonDocument(error, parseJson(error, text));
  }

  /** Whether no mistake was found so far. */
  get ok(): bool {
    return !this.found.exists;
  }

  /** The first mistake, with its place; empty if there is none so far. */
  get error(): string {
    return this.found.message;
  }
}

/** One value of the tree. Reading a member that is missing gives a value of kind Absent, so getters can be chained. */
export class JsonValue {
  /** Text of a string, digits of a number. */
  text: string = "";
  /** Value of a number, or 1 and 0 for true and false. */
  number: f64 = 0;
  /** Items of an array, or member values of an object. */
  items: JsonValue[] = [];

  constructor(
    private error: JsonError,
    public kind: JsonKind,
    private parent: JsonValue | null,
    /** Name within an object; empty for items of an array. */
    readonly key: string,
  ) {}

  /** Where the value stands, as in `rules[0].from`; empty for the root. */
  get path(): string {
    const parent = this.parent;
    if (parent == null) return "";
    const before = parent.path;
    if (parent.kind == JsonKind.Array) return before + "[" + parent.items.indexOf(this).toString() + "]";
    return before.length == 0 ? this.key : before + "." + this.key;
  }

  /** Records a mistake at this value. */
  fail(message: string): void {
    const path = this.path;
    this.error.set((path.length == 0 ? "configuration" : path) + ": " + message);
  }

  get exists(): bool {
    return this.kind != JsonKind.Absent;
  }

  /** Member of an object; of kind Absent if missing, null, or if this is no object (which is a mistake unless absent). */
  get(key: string): JsonValue {
    if (this.expect(JsonKind.Object)) {
      for (let i = 0; i < this.items.length; i++) {
        const item = this.items[i];
        if (item.key == key && item.kind != JsonKind.Null) return item;
      }
    }
    return new JsonValue(this.error, JsonKind.Absent, this, key);
  }

  /** Refuses members of an object that are not named in `keys`, a list like `"request, response"`. */
  allowOnly(keys: string): void {
    if (!this.expect(JsonKind.Object)) return;
    for (let i = 0; i < this.items.length; i++) {
      const member = this.items[i];
      if (!(", " + keys + ",").includes(" " + member.key + ",")) member.fail("unknown field; known are " + keys);
    }
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

  /** Items of an array of strings; empty if absent. Anything else is a mistake. */
  strings(): string[] {
    const values: string[] = [];
    const items = this.array();
    for (let i = 0; i < items.length; i++) values.push(items[i].string(""));
    return values;
  }

  /** True or false; `fallback` if absent. Anything else is a mistake. */
  bool(fallback: bool): bool {
    return this.expect(JsonKind.Boolean) ? this.number != 0 : fallback;
  }

  /** A whole number in [low, high]; `fallback` if absent. Anything else is a mistake. */
  integer(fallback: i64, low: i64, high: i64): i64 {
    if (!this.expect(JsonKind.Number)) return fallback;
    const value = <i64>this.number;
    if (<f64>value == this.number && value >= low && value <= high) return value;
    this.fail(this.text + " is not a whole number from " + low.toString() + " to " + high.toString());
    return fallback;
  }

  /** A value of the wrong kind is a mistake; an absent one is not. */
  private expect(kind: JsonKind): bool {
    if (this.kind == kind) return true;
    if (this.kind != JsonKind.Absent) this.fail("expected " + nameOf(kind));
    return false;
  }
}

function nameOf(kind: JsonKind): string {
  if (kind == JsonKind.Boolean) return "true or false";
  if (kind == JsonKind.Number) return "a number";
  if (kind == JsonKind.String) return "a string";
  return kind == JsonKind.Array ? "an array" : "an object";
}
