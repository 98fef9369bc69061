// config.route.v3.Route.
import type { ConfigReader } from "../../config/extension.ts";
import type { DirectResponseAction, RedirectAction, Route } from "../../config/route.ts";
import type { ResourceContext } from "../context.ts";
import { readDataSource } from "./data-source.ts";
import { parseMutations } from "./headers.ts";
import { parseRegexRewrite } from "./matchers.ts";
import { parseMetadata } from "./metadata.ts";
import { parsePerFilterConfig } from "./per-filter-config.ts";
import { parseRouteAction } from "./route-action.ts";
import { parseRouteMatch } from "./route-match.ts";

/** What a route takes from its table. */
export interface RouteTableSettings {
  readonly isKnownCluster: ((cluster: string) => boolean) | undefined;
  readonly maxDirectResponseBodyBytes: number;
}

export function parseRoute(reader: ConfigReader, ctx: ResourceContext, table: RouteTableSettings): Route {
  const match = reader.message("match");
  return {
    name: reader.text("name"),
    match:
      match === undefined
        ? {
            path: { kind: "prefix", value: "/" },
            caseSensitive: true,
            headers: [],
            queryParameters: [],
            runtimeFraction: undefined,
            grpc: false,
          }
        : parseRouteMatch(match, ctx),
    action: parseAction(reader, ctx, table),
    mutations: parseMutations(reader, ctx),
    perRequestBufferLimitBytes: parseBufferLimit(reader),
    perFilterConfig: parsePerFilterConfig(reader, ctx),
    metadata: parseMetadata(reader.message("metadata")),
  };
}

/** per_request_buffer_limit_bytes and its successor request_body_buffer_limit; the successor wins. */
export function parseBufferLimit(reader: ConfigReader): number | undefined {
  const old = reader.optionalNumber("per_request_buffer_limit_bytes");
  return reader.optionalNumber("request_body_buffer_limit") ?? old;
}

function parseAction(reader: ConfigReader, ctx: ResourceContext, table: RouteTableSettings): Route["action"] {
  const route = reader.message("route");
  if (route !== undefined) return parseRouteAction(route, ctx, table.isKnownCluster);
  const redirect = reader.message("redirect");
  if (redirect !== undefined) return parseRedirect(redirect, ctx);
  const direct = reader.message("direct_response");
  if (direct !== undefined) return parseDirectResponse(direct, ctx, table.maxDirectResponseBodyBytes);
  reader.message("non_forwarding_action");
  return { kind: "none" };
}

const redirectCodes = { MOVED_PERMANENTLY: 301, FOUND: 302, SEE_OTHER: 303, TEMPORARY_REDIRECT: 307, PERMANENT_REDIRECT: 308 } as const;

function parseRedirect(reader: ConfigReader, ctx: ResourceContext): RedirectAction {
  const regexRewrite = reader.message("regex_rewrite");
  return {
    kind: "redirect",
    httpsRedirect: reader.flag("https_redirect"),
    schemeRedirect: reader.text("scheme_redirect").toLowerCase(),
    hostRedirect: reader.text("host_redirect"),
    portRedirect: reader.number("port_redirect"),
    pathRedirect: reader.optionalText("path_redirect"),
    prefixRewrite: reader.optionalText("prefix_rewrite"),
    regexRewrite: regexRewrite === undefined ? undefined : parseRegexRewrite(regexRewrite, ctx),
    responseCode: redirectCodes[reader.choice<keyof typeof redirectCodes>("response_code", "MOVED_PERMANENTLY")],
    stripQuery: reader.flag("strip_query"),
  };
}

function parseDirectResponse(reader: ConfigReader, ctx: ResourceContext, maxBytes: number): DirectResponseAction {
  const body = reader.message("body");
  const bytes = body === undefined ? undefined : readDataSource(body, ctx, maxBytes);
  return {
    kind: "direct_response",
    status: reader.number("status"),
    body: bytes === undefined ? "" : Buffer.from(bytes).toString("latin1"),
  };
}
