// The translation of authorization policies into Envoy's RBAC filter, as Istio's control plane does it: one filter an action, one
// RBAC policy a rule, `to` as permissions and `from` as principals, `when` merged into both. Only what the comparison uses.

export interface PolicyConfig {
  readonly name: string;
  readonly action?: "ALLOW" | "DENY" | "AUDIT";
  readonly rules?: readonly RuleConfig[];
}

type Lists = Readonly<Record<string, readonly string[]>>;

export interface RuleConfig {
  readonly from?: readonly { readonly source: Lists }[];
  readonly to?: readonly { readonly operation: Lists }[];
  readonly when?: readonly {
    readonly key: string;
    readonly values?: readonly string[];
    readonly notValues?: readonly string[];
  }[];
}

type Json = Record<string, unknown>;
type Convert = (value: string) => Json;

function stringMatch(value: string, prefix = ""): Json {
  if (value === "*") return { safe_regex: { regex: ".+" } };
  if (value.startsWith("*")) {
    return prefix === "" ? { suffix: value.slice(1) } : { safe_regex: { regex: `${prefix}.*${value.slice(1)}` } };
  }
  return value.endsWith("*") ? { prefix: prefix + value.slice(0, -1) } : { exact: prefix + value };
}

function header(name: string, value: string, ignoreCase = false): Json {
  if (value === "*") return { header: { name, present_match: true } };
  return { header: { name, string_match: { ...stringMatch(value), ignore_case: ignoreCase } } };
}

function cidr(value: string): Json {
  const [address, length] = value.split("/");
  return { address_prefix: address, prefix_len: Number(length ?? (value.includes(":") ? 128 : 32)) };
}

function path(value: string): Json {
  if (!/\{\*{1,2}\}/.test(value)) return { url_path: { path: stringMatch(value) } };
  const template = value.replaceAll("{**}", "**").replaceAll("{*}", "*");
  return {
    uri_template: {
      name: "uri-template",
      typed_config: {
        "@type": "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
        path_template: template,
      },
    },
  };
}

function claim(names: readonly string[], match: Json): Json {
  const segments = ["payload", ...names].map((key) => ({ key }));
  return { metadata: { filter: "envoy.filters.http.jwt_authn", path: segments, value: match } };
}

/** A claim that is a text or a list of texts. */
function claimValue(names: readonly string[], value: string): Json {
  const one = { string_match: stringMatch(value) };
  return { or_ids: { ids: [claim(names, one), claim(names, { list_match: { one_of: one } })] } };
}

function requestPrincipal(value: string): Json {
  const any = stringMatch("*");
  const slash = value.lastIndexOf("/");
  const iss = slash < 0 ? value : value.slice(0, slash);
  const sub = slash < 0 ? "" : value.slice(slash + 1);
  let pair: [Json, Json] = [{ exact: iss }, { exact: sub }];
  if (value === "*") pair = [any, any];
  else if (value.startsWith("*")) pair = slash < 0 ? [any, { suffix: value.slice(1) }] : [stringMatch(iss), { exact: sub }];
  else if (value.endsWith("*")) pair = slash < 0 ? [{ prefix: value.slice(0, -1) }, any] : [{ exact: iss }, stringMatch(sub)];
  return { and_ids: { ids: [claim(["iss"], { string_match: pair[0] }), claim(["sub"], { string_match: pair[1] })] } };
}

const permissions: Record<string, Convert> = {
  hosts: (value) => header(":authority", value, true),
  methods: (value) => header(":method", value),
  paths: path,
  ports: (value) => ({ destination_port: Number(value) }),
  "destination.ip": (value) => ({ destination_ip: cidr(value) }),
  "destination.port": (value) => ({ destination_port: Number(value) }),
  "connection.sni": (value) => ({ requested_server_name: stringMatch(value) }),
};

const principals: Record<string, Convert> = {
  ipBlocks: (value) => ({ direct_remote_ip: cidr(value) }),
  remoteIpBlocks: (value) => ({ remote_ip: cidr(value) }),
  principals: (value) => ({ authenticated: { principal_name: stringMatch(value, "spiffe://") } }),
  namespaces: (value) => ({
    authenticated: { principal_name: { safe_regex: { regex: `.*/ns/${value.replaceAll("*", ".*")}/.*` } } },
  }),
  requestPrincipals: requestPrincipal,
};

function principalOf(key: string): Convert | undefined {
  if (key === "source.ip") return principals.ipBlocks;
  if (key === "remote.ip") return principals.remoteIpBlocks;
  if (key === "source.principal") return principals.principals;
  if (key === "source.namespace") return principals.namespaces;
  if (key === "request.auth.principal") return requestPrincipal;
  if (key === "request.auth.audiences") return (value) => claimValue(["aud"], value);
  if (key === "request.auth.presenter") return (value) => claimValue(["azp"], value);
  const names = key.slice(key.indexOf("[") + 1, -1).split("][");
  if (key.startsWith("request.headers[")) return (value) => header(names[0], value);
  return key.startsWith("request.auth.claims[") ? (value) => claimValue(names, value) : undefined;
}

type Kind = "permission" | "principal";

function or(kind: Kind, values: Json[]): Json {
  return kind === "permission" ? { or_rules: { rules: values } } : { or_ids: { ids: values } };
}

function not(kind: Kind, value: Json): Json {
  return kind === "permission" ? { not_rule: value } : { not_id: value };
}

function and(kind: Kind, values: Json[]): Json {
  if (values.length === 0) return { any: true };
  return kind === "permission" ? { and_rules: { rules: values } } : { and_ids: { ids: values } };
}

/** The conditions of a source or operation: `x` as an or-list, `notX` as a negated one. */
function lists(kind: Kind, table: Record<string, Convert>, fields: Lists): Json[] {
  return Object.entries(fields).map(([field, values]) => {
    const negated = field.startsWith("not");
    const name = negated ? field[3].toLowerCase() + field.slice(4) : field;
    const any = or(kind, values.map(table[name]));
    return negated ? not(kind, any) : any;
  });
}

function rule(config: RuleConfig): Json {
  const basePermissions: Json[] = [];
  const basePrincipals: Json[] = [];
  for (const { key, values, notValues } of config.when ?? []) {
    const kind: Kind = permissions[key] === undefined ? "principal" : "permission";
    const convert = permissions[key] ?? principalOf(key);
    if (convert === undefined) throw new Error(`no translation for ${key}`);
    const into = kind === "permission" ? basePermissions : basePrincipals;
    if (values) into.push(or(kind, values.map(convert)));
    if (notValues) into.push(not(kind, or(kind, notValues.map(convert))));
  }
  const to = (config.to ?? []).map(({ operation }) =>
    and("permission", [...lists("permission", permissions, operation), ...basePermissions]),
  );
  const from = (config.from ?? []).map(({ source }) => and("principal", [...lists("principal", principals, source), ...basePrincipals]));
  return {
    permissions: to.length > 0 ? to : [and("permission", basePermissions)],
    principals: from.length > 0 ? from : [and("principal", basePrincipals)],
  };
}

/** The RBAC filters of a policy set, in Istio's order. */
export function rbacFilters(policies: readonly PolicyConfig[]): Json[] {
  const filters: Json[] = [];
  for (const action of ["AUDIT", "DENY", "ALLOW"]) {
    const chosen = policies.filter((policy) => (policy.action ?? "ALLOW") === action);
    if (chosen.length === 0) continue;
    const rules: Record<string, Json> = {};
    for (const policy of chosen) {
      for (const [index, config] of (policy.rules ?? []).entries()) rules[`${policy.name}[${index}]`] = rule(config);
    }
    filters.push({
      name: "envoy.filters.http.rbac",
      typed_config: {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
        rules: { action: action === "AUDIT" ? "LOG" : action, policies: rules },
      },
    });
  }
  return filters;
}
