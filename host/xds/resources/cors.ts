// extensions.filters.http.cors.v3: the filter itself says nothing, policies stand in typed_per_filter_config.
import type { ConfigReader, HttpFilterExtension, ParseContext } from "../../config/extension.ts";
import type { CorsPolicy } from "../../config/http-filters.ts";
import type { RuntimeFraction } from "../../config/matcher.ts";
import { parseRuntimeFraction, parseStringMatcher } from "./matchers.ts";

export const cors: HttpFilterExtension = {
  name: "envoy.filters.http.cors",
  typeNames: ["envoy.extensions.filters.http.cors.v3.Cors"],
  isTerminal: false,
  parse: (_reader, { name, disabled }) => ({ kind: "cors", name, disabled }),
  perRoute: { typeNames: ["envoy.extensions.filters.http.cors.v3.CorsPolicy"], parse: parseCorsPolicy },
};

function parseCorsPolicy(reader: ConfigReader, ctx: ParseContext): CorsPolicy {
  return {
    allowOrigins: reader.messages("allow_origin_string_match").map((matcher) => parseStringMatcher(matcher, ctx)),
    allowMethods: reader.text("allow_methods"),
    allowHeaders: reader.text("allow_headers"),
    exposeHeaders: reader.text("expose_headers"),
    maxAge: reader.text("max_age"),
    allowCredentials: reader.optionalFlag("allow_credentials"),
    allowPrivateNetworkAccess: reader.optionalFlag("allow_private_network_access"),
    forwardNotMatchingPreflights: reader.optionalFlag("forward_not_matching_preflights"),
    filterEnabled: optionalFraction(reader, "filter_enabled"),
    shadowEnabled: optionalFraction(reader, "shadow_enabled"),
  };
}

function optionalFraction(reader: ConfigReader, field: string): RuntimeFraction | undefined {
  const fraction = reader.message(field);
  return fraction === undefined ? undefined : parseRuntimeFraction(fraction);
}
