// The rules of the RBAC network filter, compiled once: each is a test of what is known of a connection (config.rbac.v3).
import type { RbacPolicy, RbacRule, RbacRules } from "../../config/network-filter.ts";
import { CidrSet } from "../../net/cidr.ts";
import type { ConnectionInfo } from "../../net/connection-info.ts";
import { namesOf } from "../../net/tls-info.ts";
import { compileStringMatcher } from "../../net/string-matcher.ts";

type RuleTest = (info: ConnectionInfo) => boolean;

interface CompiledPolicy {
  readonly name: string;
  readonly permissions: RuleTest;
  readonly principals: RuleTest;
}

export interface RbacDecision {
  readonly allowed: boolean;
  /** The first policy that matches, by name; "" when none does. */
  readonly policy: string;
}

export class RbacEngine {
  readonly action: RbacRules["action"];
  private readonly policies: readonly CompiledPolicy[];

  constructor(rules: RbacRules) {
    this.action = rules.action;
    this.policies = rules.policies.map(compilePolicy);
  }

  decide(info: ConnectionInfo): RbacDecision {
    const policy = this.policies.find((candidate) => candidate.permissions(info) && candidate.principals(info))?.name ?? "";
    const isMatched = policy !== "";
    return { allowed: this.action === "LOG" || isMatched === (this.action === "ALLOW"), policy };
  }
}

function compilePolicy({ name, permissions, principals }: RbacPolicy): CompiledPolicy {
  return { name, permissions: anyOf(permissions), principals: anyOf(principals) };
}

function anyOf(rules: readonly RbacRule[]): RuleTest {
  const tests = rules.map(compileRule);
  return (info) => tests.some((test) => test(info));
}

function compileRule(rule: RbacRule): RuleTest {
  switch (rule.kind) {
    case "any":
      return () => true;
    case "never":
      return () => false;
    case "and": {
      const tests = rule.rules.map(compileRule);
      return (info) => tests.every((test) => test(info));
    }
    case "or":
      return anyOf(rule.rules);
    case "not": {
      const test = compileRule(rule.rule);
      return (info) => !test(info);
    }
    case "destination_ip": {
      const set = new CidrSet([rule.cidr]);
      return (info) => set.contains(info.localIp);
    }
    // PROXY protocol changes the address that both of these mean; forwarded addresses are a matter of requests.
    case "source_ip":
    case "remote_ip": {
      const set = new CidrSet([rule.cidr]);
      return (info) => set.contains(info.remoteIp);
    }
    case "direct_remote_ip": {
      const set = new CidrSet([rule.cidr]);
      return (info) => set.contains(info.directRemoteIp);
    }
    case "destination_port":
      return (info) => info.localPort >= rule.start && info.localPort < rule.end;
    case "requested_server_name": {
      const test = compileStringMatcher(rule.matcher);
      return (info) => test(info.requestedServerName);
    }
    case "authenticated": {
      if (rule.principalName === undefined) return (info) => info.mtls;
      const test = compileStringMatcher(rule.principalName);
      return (info) => info.mtls && peerNames(info).some((name) => test(name));
    }
  }
}

/** Names of the client's certificate as Envoy tries them: URIs, then DNS names, else its subject. */
function peerNames({ tls }: ConnectionInfo): readonly string[] {
  const peer = tls?.peer;
  if (peer === undefined) return [];
  const names = [...namesOf(peer, "URI"), ...namesOf(peer, "DNS")];
  return names.length > 0 ? names : [peer.subject];
}
