// envoy.type.matcher.v3 and the matchers of config.route.v3.
import type { ConfigReader, ParseContext } from "../../config/extension.ts";
import type { HeaderMatcher, QueryParameterMatcher, RegexRewrite, RuntimeFraction, StringMatcher } from "../../config/matcher.ts";

/** type.matcher.v3.RegexMatcher; "" after a refusal. */
export function parseRegex(reader: ConfigReader | undefined, ctx: ParseContext): string {
  if (reader === undefined) return "";
  // google_re2 only ever chose the engine; its max_program_size has had no effect since runtime limits replaced it.
  reader.ignore("google_re2");
  const regex = reader.text("regex");
  const reason = ctx.checkRegex(regex);
  if (reason !== undefined) reader.refuse("regex", reason);
  return regex;
}

export function parseStringMatcher(reader: ConfigReader, ctx: ParseContext): StringMatcher {
  const ignoreCase = reader.flag("ignore_case");
  const kind = reader.which("match_pattern");
  switch (kind) {
    case "exact":
    case "prefix":
    case "suffix":
    case "contains":
      return { kind, value: reader.text(kind), ignoreCase };
    case "safe_regex":
      if (ignoreCase) reader.refuse("ignore_case", "ignore_case has no effect for safe_regex.");
      return { kind: "regex", regex: parseRegex(reader.message("safe_regex"), ctx) };
    default:
      return { kind: "exact", value: "", ignoreCase };
  }
}

export function parseHeaderMatcher(reader: ConfigReader, ctx: ParseContext): HeaderMatcher {
  return {
    name: reader.text("name").toLowerCase(),
    invert: reader.flag("invert_match"),
    treatMissingAsEmpty: reader.flag("treat_missing_header_as_empty"),
    match: parseHeaderMatch(reader, ctx),
  };
}

function parseHeaderMatch(reader: ConfigReader, ctx: ParseContext): HeaderMatcher["match"] {
  const plain = (kind: "exact" | "prefix" | "suffix" | "contains", field: string): HeaderMatcher["match"] => ({
    kind: "string",
    matcher: { kind, value: reader.text(field), ignoreCase: false },
  });
  switch (reader.which("header_match_specifier")) {
    case undefined:
      return { kind: "present", present: true };
    case "present_match":
      return { kind: "present", present: reader.flag("present_match") };
    case "exact_match":
      return plain("exact", "exact_match");
    case "prefix_match":
      return plain("prefix", "prefix_match");
    case "suffix_match":
      return plain("suffix", "suffix_match");
    case "contains_match":
      return plain("contains", "contains_match");
    case "safe_regex_match":
      return { kind: "string", matcher: { kind: "regex", regex: parseRegex(reader.message("safe_regex_match"), ctx) } };
    case "range_match": {
      const range = reader.message("range_match");
      return { kind: "range", start: range?.number("start") ?? 0, end: range?.number("end") ?? 0 };
    }
    default: {
      const matcher = reader.message("string_match");
      return {
        kind: "string",
        matcher: matcher === undefined ? { kind: "exact", value: "", ignoreCase: false } : parseStringMatcher(matcher, ctx),
      };
    }
  }
}

export function parseQueryParameterMatcher(reader: ConfigReader, ctx: ParseContext): QueryParameterMatcher {
  const matcher = reader.message("string_match");
  return {
    name: reader.text("name"),
    match:
      matcher === undefined
        ? { kind: "present", present: reader.flag("present_match", true) }
        : { kind: "string", matcher: parseStringMatcher(matcher, ctx) },
  };
}

const denominators = { HUNDRED: 100, TEN_THOUSAND: 10_000, MILLION: 1_000_000 } as const;

/** core.v3.RuntimeFractionalPercent. */
export function parseRuntimeFraction(reader: ConfigReader): RuntimeFraction {
  return { runtimeKey: reader.text("runtime_key"), ...parseFraction(reader.message("default_value")) };
}

/** type.v3.FractionalPercent; unset is 0. */
export function parseFraction(reader: ConfigReader | undefined): { readonly numerator: number; readonly denominator: number } {
  const denominator = denominators[reader?.choice<keyof typeof denominators>("denominator", "HUNDRED") ?? "HUNDRED"];
  return { numerator: reader?.number("numerator") ?? 0, denominator };
}

/** type.matcher.v3.RegexMatchAndSubstitute. */
export function parseRegexRewrite(reader: ConfigReader, ctx: ParseContext): RegexRewrite {
  return { regex: parseRegex(reader.message("pattern"), ctx), substitution: reader.text("substitution") };
}
