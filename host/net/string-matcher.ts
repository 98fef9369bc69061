// type.matcher.v3.StringMatcher, compiled once.
import { compileRegex } from "../base/regex.ts";
import type { StringMatcher } from "../config/matcher.ts";

export type StringTest = (text: string) => boolean;

export function compileStringMatcher(matcher: StringMatcher): StringTest {
  if (matcher.kind === "regex") {
    const regex = compileRegex(matcher.regex);
    return (text) => regex.fullMatch(text);
  }
  const fold = matcher.ignoreCase;
  const value = fold ? matcher.value.toLowerCase() : matcher.value;
  const read = (text: string): string => (fold ? text.toLowerCase() : text);
  switch (matcher.kind) {
    case "exact":
      return (text) => read(text) === value;
    case "prefix":
      return (text) => read(text).startsWith(value);
    case "suffix":
      return (text) => read(text).endsWith(value);
    case "contains":
      return (text) => read(text).includes(value);
  }
}
