// config.route.v3.RouteMatch.
import type { ConfigReader, ParseContext } from "../../config/extension.ts";
import type { RouteMatch } from "../../config/route.ts";
import { parseHeaderMatcher, parseQueryParameterMatcher, parseRegex, parseRuntimeFraction } from "./matchers.ts";

export function parseRouteMatch(reader: ConfigReader, ctx: ParseContext): RouteMatch {
  const fraction = reader.message("runtime_fraction");
  return {
    path: parsePath(reader, ctx),
    caseSensitive: reader.flag("case_sensitive", true),
    headers: reader.messages("headers").map((matcher) => parseHeaderMatcher(matcher, ctx)),
    queryParameters: reader.messages("query_parameters").map((matcher) => parseQueryParameterMatcher(matcher, ctx)),
    runtimeFraction: fraction === undefined ? undefined : parseRuntimeFraction(fraction),
    grpc: reader.message("grpc") !== undefined,
  };
}

function parsePath(reader: ConfigReader, ctx: ParseContext): RouteMatch["path"] {
  const kind = reader.which("path_specifier");
  switch (kind) {
    case "prefix":
    case "path":
    case "path_separated_prefix":
      return { kind, value: reader.text(kind) };
    case "safe_regex":
      return { kind, regex: parseRegex(reader.message(kind), ctx) };
    case "connect_matcher":
      reader.message(kind);
      return { kind };
    default:
      // path_match_policy, which finish() refuses, or nothing, which the constraints have refused.
      return { kind: "prefix", value: "/" };
  }
}
