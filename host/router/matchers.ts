// Matchers of routes and access log filters, compiled once (Envoy: type.matcher.v3.StringMatcher, route.v3.HeaderMatcher).
import type { Random } from "../base/system.ts";
import type { HeaderMatcher, QueryParameterMatcher, RuntimeFraction } from "../config/matcher.ts";
import type { HeaderMap } from "../http/header-map.ts";
import { compileStringMatcher, type StringTest } from "../net/string-matcher.ts";

export type HeaderTest = (headers: HeaderMap) => boolean;

export function compileHeaderMatcher(matcher: HeaderMatcher): HeaderTest {
  const { name, invert, treatMissingAsEmpty } = matcher;
  const match = matcher.match;
  if (match.kind === "present") {
    const wanted = match.present !== invert;
    return treatMissingAsEmpty ? () => wanted : (headers) => headers.has(name) === wanted;
  }
  const test: StringTest = match.kind === "range" ? rangeTest(match.start, match.end) : compileStringMatcher(match.matcher);
  return (headers) => {
    let seen = false;
    for (let i = 0; i < headers.names.length; i++) {
      if (headers.names[i] !== name) continue;
      seen = true;
      // Each value of a repeated header is tried on its own: joined ones would let a second value hide the first.
      if (test(headers.values[i])) return !invert;
    }
    // An absent header matches no rule, an inverted one neither (as in Envoy).
    if (!seen) return treatMissingAsEmpty && test("") !== invert;
    return invert;
  };
}

function rangeTest(start: number, end: number): StringTest {
  return (text) => {
    if (!/^-?\d{1,19}$/.test(text)) return false;
    const value = Number(text);
    return value >= start && value < end;
  };
}

export type QueryTest = (query: readonly (readonly [string, string])[]) => boolean;

export function compileQueryMatcher(matcher: QueryParameterMatcher): QueryTest {
  const { name, match } = matcher;
  if (match.kind === "present") return (query) => query.some(([key]) => key === name) === match.present;
  const test = compileStringMatcher(match.matcher);
  return (query) => {
    const found = query.find(([key]) => key === name);
    return found !== undefined && test(found[1]);
  };
}

/** Undecoded pairs, as Envoy matches them. */
export function parseQuery(path: string): (readonly [string, string])[] {
  const at = path.indexOf("?");
  if (at < 0) return [];
  return path
    .slice(at + 1)
    .split("&")
    .map((pair) => {
      const equals = pair.indexOf("=");
      return equals < 0 ? ([pair, ""] as const) : ([pair.slice(0, equals), pair.slice(equals + 1)] as const);
    });
}

/** True for the configured share of draws; the runtime may override numerator by key. */
export function compileFraction(fraction: RuntimeFraction, runtime: RuntimeReader): (random: Random) => boolean {
  return (random) => {
    const override = fraction.runtimeKey === "" ? undefined : runtime(fraction.runtimeKey);
    const numerator = typeof override === "number" ? override : fraction.numerator;
    const denominator = typeof override === "number" ? 100 : fraction.denominator;
    return random.next() * denominator < numerator;
  };
}

/** Reads layered_runtime. */
export type RuntimeReader = (key: string) => number | string | boolean | undefined;
