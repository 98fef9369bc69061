// The grammar of RFC 8259, by recursive descent over UTF-8. Depth is bounded, because a stack overflow would trap; members
// given twice are refused, because which of them counts would be a guess.
// There is one parser for the module, in variables, which take less code to reach than fields. Callbacks do not overlap, and no
// collection runs within one, so the addresses stay good until the parser returns.

import { ByteString } from "./bytes";
import { JsonDocument, JsonKind, JsonValue } from "./json";
import { addWord, Word } from "./json-words";
import { newBuffer } from "./memory";
import { LINE, putUnit } from "./text";

const MAX_DEPTH: i32 = 64;
const NOTHING: i32 = -1;

/** The next byte. */
let at: usize = 0;
/** Behind the last byte. After a mistake nothing is left to read, so that every loop ends. */
let end: usize = 0;
/** Where the bytes of the next string or number go: no text is longer decoded than written, so one buffer holds all. */
let out: usize = 0;
/** What should have stood at `place`; NOTHING while all is well. */
let expected: i32 = NOTHING;
let place: usize = 0;

/** The value of a text. A mistake leaves it in parts, and its line and column in LINE; then the answer is null. */
export function parseJson(document: JsonDocument, text: ByteString): JsonValue | null {
  const contents = newBuffer(text.length);
  at = text.ptr;
  end = at + text.length;
  out = changetype<usize>(contents);
  expected = NOTHING;
  const root = parseValue(document, ByteString.wrap(contents), null, ByteString.EMPTY, 0);
  space();
  if (at < end) fail(Word.EndOfText);
  if (expected == NOTHING) return root;
  describe(text.ptr);
  return null;
}

/** Composes the mistake in LINE. */
function describe(from: usize): void {
  let line = 1;
  let column = 1;
  for (; from < place; from++) {
    const byte = load<u8>(from);
    // The bytes that continue a character are no columns.
    if ((byte & 0xc0) != 0x80) column++;
    if (byte == 0x0a) {
      line++;
      column = 1;
    }
  }
  LINE.clear();
  addWord(Word.Line);
  LINE.addNumber(line);
  addWord(Word.Column);
  LINE.addNumber(column);
  addWord(Word.Expected);
  addWord(<Word>expected);
}

function parseValue(document: JsonDocument, contents: ByteString, parent: JsonValue | null, key: ByteString, depth: i32): JsonValue {
  const value = new JsonValue(document, JsonKind.Null, parent, key);
  space();
  const first = next();
  if (depth > MAX_DEPTH) fail(Word.Levels);
  else if (first == 0x7b || first == 0x5b) container(document, contents, value, depth + 1);
  else if (first == 0x22) {
    value.kind = JsonKind.String;
    value.content = string(contents);
  } else if (first == 0x2d || isDigit(first)) {
    value.kind = JsonKind.Number;
    value.content = number(contents);
    // The rest of a word is compared at once, as the little-endian number that its four letters are.
  } else if (word(0, 0x65757274)) {
    value.kind = JsonKind.Boolean;
    value.isTrue = true;
  } else if (first == 0x66 && word(1, 0x65736c61)) value.kind = JsonKind.Boolean;
  else if (!word(0, 0x6c6c756e)) fail(Word.Value);
  return value;
}

/** An object or an array: a list in brackets, whose items have names or have none. */
function container(document: JsonDocument, contents: ByteString, parent: JsonValue, depth: i32): void {
  const isObject = next() == 0x7b;
  parent.kind = isObject ? JsonKind.Object : JsonKind.Array;
  // In ASCII both closing brackets stand two places behind their opening ones.
  const close = next() + 2;
  at++;
  space();
  if (take(close)) return;
  let last: JsonValue | null = null;
  do {
    let key = ByteString.EMPTY;
    if (isObject) {
      space();
      const start = at;
      if (next() != 0x22) fail(Word.MemberName);
      key = string(contents);
      if (parent.member(key) != null) {
        at = start;
        fail(Word.AnotherName);
      }
      space();
      if (!take(0x3a)) fail(Word.Colon);
    }
    const item = parseValue(document, contents, parent, key, depth);
    if (last == null) parent.first = item;
    else last.next = item;
    last = item;
    space();
  } while (take(0x2c));
  if (!take(close)) fail(isObject ? Word.CommaOrBrace : Word.CommaOrBracket);
}

function string(contents: ByteString): ByteString {
  const start = out;
  let before: u32 = 0;
  at++;
  while (true) {
    let code = next();
    if (code < 0x20) {
      fail(Word.EndOfString);
      break;
    }
    at++;
    if (code == 0x22) break;
    if (code == 0x5c) {
      code = escape();
      out = putUnit(out, code, before);
    } else store<u8>(out++, code);
    before = code;
  }
  return written(contents, start);
}

function escape(): i32 {
  const code = next();
  at++;
  if (code == 0x75) {
    let unit = 0;
    for (let i = 0; i < 4; i++) {
      const digit = next();
      const lower = digit | 0x20;
      if (isDigit(digit)) unit = unit * 16 + digit - 0x30;
      else if (lower >= 0x61 && lower <= 0x66) unit = unit * 16 + lower - 0x57;
      else {
        fail(Word.HexDigits);
        return 0;
      }
      at++;
    }
    return unit;
  }
  if (code == 0x22 || code == 0x5c || code == 0x2f) return code;
  if (code == 0x6e) return 0x0a;
  if (code == 0x74) return 0x09;
  if (code == 0x72) return 0x0d;
  if (code == 0x62) return 0x08;
  if (code == 0x66) return 0x0c;
  at--;
  fail(Word.Escape);
  return 0;
}

/** Only its form is checked here; who asks for the number computes it. */
function number(contents: ByteString): ByteString {
  const start = out;
  const from = at;
  take(0x2d);
  // A leading zero stands alone: a digit behind it is where the comma should be.
  if (!take(0x30)) digits();
  if (take(0x2e)) digits();
  if ((next() | 0x20) == 0x65) {
    at++;
    if (!take(0x2d)) take(0x2b);
    digits();
  }
  memory.copy(out, from, at - from);
  out += at - from;
  return written(contents, start);
}

function digits(): void {
  if (!isDigit(next())) fail(Word.Digit);
  while (isDigit(next())) at++;
}

function written(contents: ByteString, start: usize): ByteString {
  return contents.slice(<i32>(start - contents.ptr), <i32>(out - contents.ptr));
}

function word(skip: usize, letters: u32): bool {
  if (at + skip + 4 > end || load<u32>(at + skip) != letters) return false;
  at += skip + 4;
  return true;
}

function space(): void {
  while (true) {
    const code = next();
    if (code != 0x20 && code != 0x0a && code != 0x0d && code != 0x09) return;
    at++;
  }
}

/** The next byte; -1 at the end and after a mistake. */
function next(): i32 {
  return at < end ? load<u8>(at) : -1;
}

function take(code: i32): bool {
  if (next() != code) return false;
  at++;
  return true;
}

function fail(word: Word): void {
  if (expected == NOTHING) {
    expected = word;
    place = at;
  }
  end = at;
}

function isDigit(code: i32): bool {
  return <u32>(code - 0x30) < 10;
}
