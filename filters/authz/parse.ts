// From the JSON configuration to policies. Whatever is not understood is refused with its path: a policy that is read
// differently from what its author meant is worse than none.

import { ByteString, JsonValue } from "sluice/sdk";
import { CidrRange, parseDecimal } from "./address";
import { AddressAttribute, Attribute, ClaimAttribute, HeaderAttribute, PathAttribute, PortAttribute, TextAttribute } from "./attributes";
import { CidrMatcher, GlobMatcher, Matcher, PortMatcher, RequestPrincipalMatcher, TemplateMatcher, TextMatcher } from "./matchers";
import { PathTemplate } from "./path-template";
import { Action, Condition, Conditions, Policy, PolicySet, Rule } from "./policy";

/** Reads the whole configuration. Mistakes are recorded in its document. */
export function parsePolicies(config: JsonValue): PolicySet {
  const parser = new Parser(config.get("directAddressProperty").strings());
  config.allowOnly("policies, directAddressProperty");
  const policies = config.get("policies").array();
  for (let i = 0; i < policies.length; i++) parser.policy(policies[i]);
  return parser.set;
}

class Parser {
  readonly set: PolicySet = new PolicySet();

  constructor(private directAddress: string[]) {
    if (directAddress.length == 0) this.directAddress = ["source", "address"];
  }

  policy(config: JsonValue): void {
    config.allowOnly("name, action, rules");
    const name = config.get("name").string("");
    if (name.length == 0) config.get("name").fail("a policy needs a name");
    const word = config.get("action").string("ALLOW");
    let action: Action = Action.Allow;
    if (word == "DENY") action = Action.Deny;
    else if (word == "AUDIT") action = Action.Audit;
    else if (word == "CUSTOM") config.get("action").fail("CUSTOM is not supported; use the callout filter");
    else if (word != "ALLOW") config.get("action").fail('"' + word + '" is not one of ALLOW, DENY, AUDIT');
    const policy = new Policy(name, action);
    const rules = config.get("rules").array();
    for (let i = 0; i < rules.length; i++) policy.rules.push(this.rule(rules[i]));
    this.set.policies.push(policy);
  }

  private rule(config: JsonValue): Rule {
    const rule = new Rule();
    config.allowOnly("from, to, when");
    const from = config.get("from").array();
    for (let i = 0; i < from.length; i++) {
      from[i].allowOnly("source");
      rule.from.push(this.source(from[i].get("source")));
    }
    const to = config.get("to").array();
    for (let i = 0; i < to.length; i++) {
      to[i].allowOnly("operation");
      rule.to.push(this.operation(to[i].get("operation")));
    }
    const when = config.get("when").array();
    for (let i = 0; i < when.length; i++) this.when(rule.when, when[i]);
    return rule;
  }

  private source(config: JsonValue): Conditions {
    const into = new Conditions();
    config.allowOnly(
      "principals, notPrincipals, requestPrincipals, notRequestPrincipals, namespaces, notNamespaces, " +
        "ipBlocks, notIpBlocks, remoteIpBlocks, notRemoteIpBlocks",
    );
    this.pair(into, config, "ipBlocks", "notIpBlocks", "source.ip");
    this.pair(into, config, "remoteIpBlocks", "notRemoteIpBlocks", "remote.ip");
    this.pair(into, config, "namespaces", "notNamespaces", "source.namespace");
    this.pair(into, config, "requestPrincipals", "notRequestPrincipals", "request.auth.principal");
    this.pair(into, config, "principals", "notPrincipals", "source.principal");
    if (into.all.length == 0) config.fail("a source needs at least one field");
    return into;
  }

  private operation(config: JsonValue): Conditions {
    const into = new Conditions();
    config.allowOnly("hosts, notHosts, ports, notPorts, methods, notMethods, paths, notPaths");
    this.pair(into, config, "methods", "notMethods", "method");
    this.pair(into, config, "paths", "notPaths", "path");
    this.pair(into, config, "hosts", "notHosts", "host");
    this.pair(into, config, "ports", "notPorts", "destination.port");
    if (into.all.length == 0) config.fail("an operation needs at least one field");
    return into;
  }

  private when(into: Conditions, config: JsonValue): void {
    config.allowOnly("key, values, notValues");
    const key = config.get("key").string("");
    const before = into.all.length;
    this.pair(into, config, "values", "notValues", key);
    if (into.all.length == before) config.fail("a condition needs values or notValues");
  }

  private pair(into: Conditions, config: JsonValue, field: string, notField: string, key: string): void {
    this.condition(into, config.get(field), key, false);
    this.condition(into, config.get(notField), key, true);
  }

  private condition(into: Conditions, values: JsonValue, key: string, negated: bool): void {
    const items = values.array();
    if (items.length == 0) return;
    const attribute = this.attribute(key);
    if (attribute == null) {
      values.fail('unknown key "' + key + '"');
      return;
    }
    const condition = new Condition(attribute, negated);
    for (let i = 0; i < items.length; i++) {
      const value = items[i].string("");
      if (value.length == 0) items[i].fail("must not be empty");
      const matcher = this.matcher(items[i], attribute, value);
      if (matcher != null) condition.matchers.push(matcher);
    }
    into.all.push(condition);
  }

  private matcher(place: JsonValue, attribute: Attribute, value: string): Matcher | null {
    const key = attribute.key;
    if (attribute instanceof AddressAttribute) {
      const range = CidrRange.parse(value);
      if (range != null) return new CidrMatcher(range);
      place.fail('"' + value + '" is not a CIDR');
      return null;
    }
    if (attribute instanceof PortAttribute) {
      const port = parseDecimal(ByteString.of(value), 5);
      if (port < 1 || port > 65535) place.fail('"' + value + '" is not a port from 1 to 65535');
      return new PortMatcher(port);
    }
    if (attribute instanceof PathAttribute && PathTemplate.isTemplate(value)) {
      const template = PathTemplate.parse(value);
      if (template != null) return new TemplateMatcher(template);
      place.fail('"' + value + '" is not a path template: {*} and {**} fill a segment, and {**} comes last');
      return null;
    }
    if (key == "source.principal") return principalMatcher(value);
    if (key == "source.namespace") return new GlobMatcher("*/ns/" + value + "/*");
    if (key == "request.auth.principal") return RequestPrincipalMatcher.parse(value, this.claim(["sub"]));
    if (attribute instanceof HeaderAttribute) return TextMatcher.parseHeader(value, key == "host");
    return TextMatcher.parse(value);
  }

  /** The attribute of a key, shared between policies; null for an unknown key. */
  private attribute(key: string): Attribute | null {
    if (key == "method") return this.share(new HeaderAttribute(key, ":method"));
    if (key == "path") return this.share(new PathAttribute(key));
    if (key == "host") return this.share(new HeaderAttribute(key, ":authority"));
    if (key == "source.ip") return this.share(new AddressAttribute(key, this.directAddress));
    if (key == "remote.ip") return this.share(new AddressAttribute(key, ["source", "address"]));
    if (key == "destination.ip") return this.share(new AddressAttribute(key, ["destination", "address"]));
    if (key == "destination.port") return this.share(new PortAttribute(key));
    if (key == "connection.sni") return this.share(new TextAttribute(key, ["connection", "requested_server_name"]));
    if (key == "source.principal" || key == "source.namespace") {
      return this.share(new TextAttribute(key, ["connection", "uri_san_peer_certificate"]));
    }
    if (key == "request.auth.principal") return this.share(new ClaimAttribute(key, ["iss"]));
    if (key == "request.auth.audiences") return this.claim(["aud"]);
    if (key == "request.auth.presenter") return this.claim(["azp"]);
    const names = bracketed(key);
    if (names.length == 1 && key.startsWith("request.headers[")) {
      const name = ByteString.of(names[0]).toLowerCase().toString();
      return this.share(new HeaderAttribute("request.headers[" + name + "]", name));
    }
    if (names.length > 0 && key.startsWith("request.auth.claims[")) return this.claim(names);
    return null;
  }

  private claim(path: string[]): Attribute {
    return this.share(new ClaimAttribute("request.auth.claims[" + path.join("][") + "]", path));
  }

  private share(attribute: Attribute): Attribute {
    const known = this.set.attributes;
    for (let i = 0; i < known.length; i++) {
      if (known[i].key == attribute.key) return known[i];
    }
    known.push(attribute);
    return attribute;
  }
}

/** Principals are written without their scheme: `cluster.local/ns/prod/sa/web`. */
function principalMatcher(value: string): Matcher {
  if (value == "*") return TextMatcher.notEmpty();
  if (value.startsWith("*")) return new GlobMatcher("spiffe://*" + value.substring(1));
  return TextMatcher.parse("spiffe://" + value);
}

/** The names in `key[a][b]`; none if the brackets are not in order. */
function bracketed(key: string): string[] {
  const open = key.indexOf("[");
  if (open < 0 || !key.endsWith("]")) return [];
  const names = key.substring(open + 1, key.length - 1).split("][");
  for (let i = 0; i < names.length; i++) {
    if (names[i].length == 0 || names[i].includes("[") || names[i].includes("]")) return [];
  }
  return names;
}
