// Matchers shared by routes, access log filters and policies: envoy.type.matcher.v3 and route.v3 matchers, resolved.
// Plain frozen data: regular expressions are their RE2 source here and are compiled by base/regex.ts where they are used.

export type StringMatcher =
  | { readonly kind: "exact"; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: "prefix"; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: "suffix"; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: "contains"; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: "regex"; readonly regex: string };

export interface HeaderMatcher {
  /** Lower case. */
  readonly name: string;
  readonly invert: boolean;
  readonly treatMissingAsEmpty: boolean;
  readonly match:
    | { readonly kind: "string"; readonly matcher: StringMatcher }
    /** [start, end) of a base-10 value. */
    | { readonly kind: "range"; readonly start: number; readonly end: number }
    | { readonly kind: "present"; readonly present: boolean };
}

export interface QueryParameterMatcher {
  readonly name: string;
  readonly match: { readonly kind: "string"; readonly matcher: StringMatcher } | { readonly kind: "present"; readonly present: boolean };
}

/** core.v3.RuntimeFractionalPercent with its default; numerator of `denominator` (100, 10000 or 1000000). */
export interface RuntimeFraction {
  readonly runtimeKey: string;
  readonly numerator: number;
  readonly denominator: number;
}

/** type.matcher.v3.RegexMatchAndSubstitute. */
export interface RegexRewrite {
  readonly regex: string;
  /** RE2 substitution: \0 … \9. */
  readonly substitution: string;
}
