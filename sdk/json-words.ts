// The words of which the JSON reader's mistakes are made. They are parts of one text, because a text of its own costs a module
// 20 bytes besides its characters.

import { LINE } from "./text";

/** A part of WORDS, by its place. The first ones are what a kind of value is called, in the order of JsonKind. */
export const enum Word {
  Value,
  MemberName,
  Boolean,
  Number,
  String,
  Array,
  Object,
  AnotherName,
  Colon,
  CommaOrBracket,
  CommaOrBrace,
  EndOfString,
  EndOfText,
  Escape,
  HexDigits,
  Digit,
  Levels,
  Expected,
  Line,
  Column,
  UnknownField,
  Configuration,
}

// One literal, because the compiler would join parts at start, with code for it.
const WORDS =
  'a value|a member name|true or false|a number|a string|an array|an object|a name not given before|":"|"," or "]"|"," or "}"|the end of the string|the end of the text|an escape|four hexadecimal digits|a digit|at most 64 levels|: expected |line |, column |unknown field; known are |configuration|';

/** Appends a word to LINE. */
export function addWord(word: Word): void {
  let left: i32 = word;
  for (let i = 0; left >= 0; i++) {
    const code = WORDS.charCodeAt(i);
    if (code == 0x7c) left--;
    else if (left == 0) LINE.addCode(code);
  }
}
