// Filters of stat and cluster names as the admin API takes them: RE2 expressions that may match anywhere in a name.
import { checkRegex, compileRegex } from "../base/regex.ts";

export type NameFilter = { readonly ok: true; matches(name: string): boolean } | { readonly ok: false; readonly reason: string };

export function compileNameFilter(source: string): NameFilter {
  const reason = checkRegex(source);
  if (reason !== undefined) return { ok: false, reason: reason.replace(/^error parsing regexp: /, "").replace("(?s)", "") };
  const regex = compileRegex(`.*(?:${source}).*`);
  return { ok: true, matches: (name) => regex.fullMatch(name) };
}
