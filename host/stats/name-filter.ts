// Filters of stat and cluster names as the admin API takes them: RE2 expressions that may match anywhere in a name.
import { checkRegex, compileRegex } from "../base/regex.ts";

export type NameFilter = { readonly ok: true; matches(name: string): boolean } | { readonly ok: false; readonly reason: string };

/** Why RE2 refuses the expression, in its own words; undefined: it does not. */
export function regexProblem(source: string): string | undefined {
  return checkRegex(source)
    ?.replace(/^error parsing regexp: /, "")
    .replace("(?s)", "");
}

export function compileNameFilter(source: string): NameFilter {
  const reason = regexProblem(source);
  if (reason !== undefined) return { ok: false, reason };
  const regex = compileRegex(`.*(?:${source}).*`);
  return { ok: true, matches: (name) => regex.fullMatch(name) };
}
