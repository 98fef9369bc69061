// The grammar of RFC 8259, by recursive descent. Depth is bounded, because a stack overflow would trap; members
// given twice are refused, because which of them counts would be a guess.

import { JsonError, JsonKind, JsonValue } from "./json";

const MAX_DEPTH: i32 = 64;

/** The value of a text; of kind Absent after a mistake, which is recorded with line and column. */
export function parseJson(error: JsonError, text: string): JsonValue {
  const parser = new Parser(error, text);
  const value = parser.value(null, "", 0);
  parser.space();
  if (parser.next() >= 0) parser.fail("the end of the text");
  return error.exists ? new JsonValue(error, JsonKind.Absent, null, "") : value;
}

class Parser {
  private at: i32 = 0;

  constructor(
    private error: JsonError,
    private text: string,
  ) {}

  value(parent: JsonValue | null, key: string, depth: i32): JsonValue {
    this.space();
    const value = new JsonValue(this.error, JsonKind.Null, parent, key);
    const first = this.next();
    if (depth > MAX_DEPTH) this.fail("at most " + MAX_DEPTH.toString() + " levels");
    else if (first == 0x7b) this.object(value, depth);
    else if (first == 0x5b) this.array(value, depth);
    else if (first == 0x22) {
      value.kind = JsonKind.String;
      value.text = this.string();
    } else if (first == 0x2d || isDigit(first)) this.number(value);
    else if (this.word("true")) {
      value.kind = JsonKind.Boolean;
      value.number = 1;
    } else if (this.word("false")) value.kind = JsonKind.Boolean;
    else if (!this.word("null")) this.fail("a value");
    return value;
  }

  space(): void {
    while (true) {
      const code = this.next();
      if (code != 0x20 && code != 0x0a && code != 0x0d && code != 0x09) return;
      this.at++;
    }
  }

  /** The next UTF-16 unit; -1 at the end, and after a mistake, so that every loop ends. */
  next(): i32 {
    return this.at < this.text.length && !this.error.exists ? this.text.charCodeAt(this.at) : -1;
  }

  fail(expected: string): void {
    let line = 1;
    let column = 1;
    for (let i = 0; i < this.at; i++) {
      column++;
      if (this.text.charCodeAt(i) == 0x0a) {
        line++;
        column = 1;
      }
    }
    this.error.set("line " + line.toString() + ", column " + column.toString() + ": expected " + expected);
  }

  private object(value: JsonValue, depth: i32): void {
    value.kind = JsonKind.Object;
    this.at++;
    this.space();
    if (this.take(0x7d)) return;
    do {
      this.space();
      if (this.next() != 0x22) {
        this.fail("a member name");
        return;
      }
      const start = this.at;
      const key = this.string();
      for (let i = 0; i < value.items.length; i++) {
        if (value.items[i].key != key) continue;
        this.at = start;
        this.fail('"' + key + '" only once');
      }
      this.space();
      if (!this.take(0x3a)) this.fail('":"');
      value.items.push(this.value(value, key, depth + 1));
      this.space();
    } while (this.take(0x2c));
    if (!this.take(0x7d)) this.fail('"," or "}"');
  }

  private array(value: JsonValue, depth: i32): void {
    value.kind = JsonKind.Array;
    this.at++;
    this.space();
    if (this.take(0x5d)) return;
    do {
      value.items.push(this.value(value, "", depth + 1));
      this.space();
    } while (this.take(0x2c));
    if (!this.take(0x5d)) this.fail('"," or "]"');
  }

  private string(): string {
    this.at++;
    let text = "";
    let start = this.at;
    while (true) {
      const code = this.next();
      if (code == 0x22) {
        text += this.text.substring(start, this.at++);
        return text;
      }
      if (code < 0x20) {
        this.fail("the end of the string");
        return text;
      }
      if (code != 0x5c) {
        this.at++;
        continue;
      }
      text += this.text.substring(start, this.at++);
      text += String.fromCharCode(this.escape());
      start = this.at;
    }
  }

  private escape(): i32 {
    const code = this.next();
    this.at++;
    if (code == 0x75) return this.hex();
    if (code == 0x22 || code == 0x5c || code == 0x2f) return code;
    if (code == 0x6e) return 0x0a;
    if (code == 0x74) return 0x09;
    if (code == 0x72) return 0x0d;
    if (code == 0x62) return 0x08;
    if (code == 0x66) return 0x0c;
    this.at--;
    this.fail("an escape");
    return 0;
  }

  private hex(): i32 {
    let unit = 0;
    for (let i = 0; i < 4; i++) {
      const code = this.next();
      const lower = code | 0x20;
      if (isDigit(code)) unit = unit * 16 + code - 0x30;
      else if (lower >= 0x61 && lower <= 0x66) unit = unit * 16 + lower - 0x57;
      else {
        this.fail("four hexadecimal digits");
        return 0;
      }
      this.at++;
    }
    return unit;
  }

  /** Digits are summed up here instead of by `parseFloat`, whose tables would be the largest part of a small filter. */
  private number(value: JsonValue): void {
    const start = this.at;
    const negative = this.take(0x2d);
    const zero = this.next() == 0x30;
    let number = this.digits();
    if (zero && this.at - start > (negative ? 2 : 1)) this.fail("a number without leading zeros");
    if (this.take(0x2e)) {
      const from = this.at;
      const fraction = this.digits();
      number += fraction / power(this.at - from);
    }
    if ((this.next() | 0x20) == 0x65) {
      this.at++;
      const down = this.take(0x2d);
      if (!down) this.take(0x2b);
      const exponent = <i32>min(this.digits(), 400.0);
      number = down ? number / power(exponent) : number * power(exponent);
    }
    value.kind = JsonKind.Number;
    value.number = negative ? -number : number;
    value.text = this.text.substring(start, this.at);
  }

  private digits(): f64 {
    if (!isDigit(this.next())) this.fail("a digit");
    let number: f64 = 0;
    while (isDigit(this.next())) number = number * 10 + <f64>(this.text.charCodeAt(this.at++) - 0x30);
    return number;
  }

  private take(code: i32): bool {
    if (this.next() != code) return false;
    this.at++;
    return true;
  }

  private word(word: string): bool {
    if (this.error.exists || this.text.substr(this.at, word.length) != word) return false;
    this.at += word.length;
    return true;
  }
}

function isDigit(code: i32): bool {
  return code >= 0x30 && code <= 0x39;
}

function power(exponent: i32): f64 {
  let result: f64 = 1;
  for (let i = 0; i < exponent; i++) result *= 10;
  return result;
}
