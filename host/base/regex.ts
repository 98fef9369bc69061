// Regular expressions from configuration, in linear time. RE2's syntax is the contract (type.matcher.v3.RegexMatcher):
// look-around and back-references are refused. V8 runs the pattern with its linear-time engine taking over on excessive
// backtracking; that engine cannot take counted repetition, so such patterns go to re2js, a port of RE2.
import { RE2JS } from "re2js";
import { setFlagsFromString } from "node:v8";

setFlagsFromString("--enable-experimental-regexp-engine-on-excessive-backtracks");

/** RE2's program size is bounded too (re2.max_program_size.error_level defaults to 100 in Envoy's runtime; ours is on source). */
const MAX_SOURCE_LENGTH = 4096;

export interface Regex {
  /** True when the whole text matches, as Envoy's RegexMatcher does. */
  fullMatch(text: string): boolean;
  /** Replaces every match; `substitution` uses \0 … \9. */
  replaceAll(text: string, substitution: string): string;
}

const COUNTED = /\{\d+(,\d*)?\}/;
const UNSUPPORTED_SUBSTITUTION = /\\[^0-9\\]/;

class V8Regex implements Regex {
  private readonly full: RegExp;
  private readonly global: RegExp;

  constructor(source: string) {
    this.full = new RegExp(`^(?:${source})$`, "s");
    this.global = new RegExp(source, "gs");
  }

  fullMatch(text: string): boolean {
    return this.full.test(text);
  }

  replaceAll(text: string, substitution: string): string {
    return text.replace(this.global, (...groups) => substitute(substitution, groups as (string | undefined)[]));
  }
}

class LinearRegex implements Regex {
  private readonly re: ReturnType<typeof RE2JS.compile>;

  constructor(source: string) {
    this.re = RE2JS.compile(source, RE2JS.DOTALL);
  }

  fullMatch(text: string): boolean {
    return this.re.matches(text);
  }

  replaceAll(text: string, substitution: string): string {
    const matcher = this.re.matcher(text);
    let out = "";
    let from = 0;
    while (matcher.find()) {
      const groups: (string | undefined)[] = [];
      for (let i = 0; i <= matcher.groupCount(); i++) groups.push(matcher.group(i) ?? undefined);
      out += text.slice(from, matcher.start()) + substitute(substitution, groups);
      from = matcher.end();
    }
    return out + text.slice(from);
  }
}

function substitute(substitution: string, groups: readonly (string | undefined)[]): string {
  return substitution.replace(/\\([0-9\\])/g, (_whole, what: string) => (what === "\\" ? "\\" : (groups[Number(what)] ?? "")));
}

/** Why the pattern is refused, or undefined when compileRegex takes it. */
export function checkRegex(source: string): string | undefined {
  if (source.length > MAX_SOURCE_LENGTH) return `regex is longer than ${MAX_SOURCE_LENGTH} characters`;
  try {
    RE2JS.compile(source, RE2JS.DOTALL);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return undefined;
}

export function checkSubstitution(source: string, substitution: string): string | undefined {
  if (UNSUPPORTED_SUBSTITUTION.test(substitution)) return "substitution: invalid escape";
  const groups = RE2JS.compile(source).groupCount();
  for (const found of substitution.matchAll(/\\([0-9])/g)) {
    if (Number(found[1]) > groups) return `substitution requests group ${found[1]}, but the regex has ${groups}`;
  }
  return undefined;
}

/** Compiles a pattern that checkRegex accepted. Syntax that V8 reads differently than RE2 goes to re2js. */
export function compileRegex(source: string): Regex {
  if (COUNTED.test(source) || /\(\?[^:]|\\[ACEGPQRXZapzQ]|\[\[:|\\[pP]/.test(source)) return new LinearRegex(source);
  try {
    return new V8Regex(source);
  } catch {
    // Legal in RE2, not in V8 (for example "a**"): RE2's own engine takes it.
    return new LinearRegex(source);
  }
}
