// extensions.filters.network.rbac.v3.RBAC with the rules of config.rbac.v3 that a connection can meet. What only HTTP has is either
// refused (headers, as in Envoy) or met by no connection (paths, as in Envoy).
import type { ConfigReader } from "../../config/extension.ts";
import type { NetworkRbac, RbacPolicy, RbacRule, RbacRules } from "../../config/network-filter.ts";
import type { ResourceContext } from "../context.ts";
import { parseCidrs } from "./address.ts";
import { parseStringMatcher } from "./matchers.ts";

/** What a rule may hold in another; deeper nesting is refused rather than followed. */
const maxDepth = 32;

export function parseNetworkRbac(reader: ConfigReader, ctx: ResourceContext): NetworkRbac {
  for (const field of ["matcher", "shadow_matcher"]) if (reader.has(field)) reader.refuse(field, "not implemented: give rules");
  return {
    statPrefix: reader.text("stat_prefix"),
    shadowRulesStatPrefix: reader.text("shadow_rules_stat_prefix"),
    rules: parseRules(reader.message("rules"), ctx),
    shadowRules: parseRules(reader.message("shadow_rules"), ctx),
    isContinuous: reader.choice<string>("enforcement_type", "ONE_TIME_ON_FIRST_BYTE") === "CONTINUOUS",
    delayDenyMs: reader.optionalDurationMs("delay_deny") ?? 0,
  };
}

function parseRules(reader: ConfigReader | undefined, ctx: ResourceContext): RbacRules | undefined {
  if (reader === undefined) return undefined;
  if (reader.has("audit_logging_options")) reader.refuse("audit_logging_options", "not implemented");
  const policies = reader.messageMap("policies").map(([name, policy]) => parsePolicy(name, policy, ctx));
  return {
    action: reader.choice<RbacRules["action"]>("action", "ALLOW"),
    policies: policies.sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function parsePolicy(name: string, reader: ConfigReader, ctx: ResourceContext): RbacPolicy {
  for (const field of ["condition", "checked_condition", "cel_config"]) {
    if (reader.has(field)) reader.refuse(field, "not implemented: there is no CEL compiler");
  }
  return {
    name,
    permissions: reader.messages("permissions").map((rule) => parsePermission(rule, ctx, 0)),
    principals: reader.messages("principals").map((rule) => parsePrincipal(rule, ctx, 0)),
  };
}

type ParseRule = (reader: ConfigReader, ctx: ResourceContext, depth: number) => RbacRule;

const never: RbacRule = { kind: "never" };

/** Refused by name; the result is not used. */
function refuseRule(reader: ConfigReader, field: string): RbacRule {
  reader.refuse(
    field,
    field === "header" ? "Found header rule,not supported by RBAC network filter" : "not implemented for the RBAC network filter",
  );
  return never;
}

function parseSet(reader: ConfigReader, field: string, list: string, parse: ParseRule, ctx: ResourceContext, depth: number): RbacRule {
  const kind = field.startsWith("and") ? "and" : "or";
  const set = reader.message(field);
  if (depth >= maxDepth) {
    reader.refuse(field, `rules are nested deeper than ${maxDepth}`);
    return never;
  }
  return { kind, rules: (set?.messages(list) ?? []).map((rule) => parse(rule, ctx, depth + 1)) };
}

function parseNot(reader: ConfigReader, field: string, parse: ParseRule, ctx: ResourceContext, depth: number): RbacRule {
  const inner = reader.message(field);
  if (depth >= maxDepth) {
    reader.refuse(field, `rules are nested deeper than ${maxDepth}`);
    return never;
  }
  return { kind: "not", rule: inner === undefined ? never : parse(inner, ctx, depth + 1) };
}

function parseCidr(reader: ConfigReader, field: string, kind: "destination_ip" | "source_ip" | "direct_remote_ip" | "remote_ip"): RbacRule {
  const range = reader.message(field);
  const [cidr] = range === undefined ? [] : parseCidrs([range]);
  return cidr === undefined ? never : { kind, cidr };
}

/** No connection has a path, so none is equal to one; what the matcher says has been read all the same. */
function parsePath(reader: ConfigReader, ctx: ResourceContext): RbacRule {
  const path = reader.message("url_path")?.message("path");
  if (path !== undefined) parseStringMatcher(path, ctx);
  return never;
}

function parsePermission(reader: ConfigReader, ctx: ResourceContext, depth: number): RbacRule {
  const kind = reader.which("rule") ?? "";
  switch (kind) {
    case "and_rules":
    case "or_rules":
      return parseSet(reader, kind, "rules", parsePermission, ctx, depth);
    case "not_rule":
      return parseNot(reader, kind, parsePermission, ctx, depth);
    case "any":
      reader.flag("any");
      return { kind: "any" };
    case "destination_ip":
      return parseCidr(reader, kind, kind);
    case "destination_port": {
      const port = reader.number("destination_port");
      return { kind: "destination_port", start: port, end: port + 1 };
    }
    case "destination_port_range": {
      const range = reader.message(kind);
      return { kind: "destination_port", start: range?.number("start") ?? 0, end: range?.number("end") ?? 0 };
    }
    case "requested_server_name": {
      const matcher = reader.message(kind);
      return matcher === undefined ? never : { kind, matcher: parseStringMatcher(matcher, ctx) };
    }
    case "url_path":
      return parsePath(reader, ctx);
    default:
      return kind === "" ? never : refuseRule(reader, kind);
  }
}

function parsePrincipal(reader: ConfigReader, ctx: ResourceContext, depth: number): RbacRule {
  const kind = reader.which("identifier") ?? "";
  switch (kind) {
    case "and_ids":
    case "or_ids":
      return parseSet(reader, kind, "ids", parsePrincipal, ctx, depth);
    case "not_id":
      return parseNot(reader, kind, parsePrincipal, ctx, depth);
    case "any":
      reader.flag("any");
      return { kind: "any" };
    case "authenticated": {
      const name = reader.message(kind)?.message("principal_name");
      return { kind, principalName: name === undefined ? undefined : parseStringMatcher(name, ctx) };
    }
    case "source_ip":
    case "direct_remote_ip":
    case "remote_ip":
      return parseCidr(reader, kind, kind);
    case "url_path":
      return parsePath(reader, ctx);
    default:
      return kind === "" ? never : refuseRule(reader, kind);
  }
}
