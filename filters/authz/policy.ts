// Policies and the decision. Order as in Istio: AUDIT policies only mark; a DENY policy that matches denies; if there are
// ALLOW policies, one of them must match. Within a policy one rule is enough; within a rule one source, one operation and
// all conditions; a rule without them matches every request, a policy without rules matches none.

import { Attribute, resetHeaders } from "./attributes";
import { Matcher } from "./matchers";

/** Some values for one attribute, one of which must match, or none if negated. */
export class Condition {
  readonly matchers: Matcher[] = [];

  constructor(
    private attribute: Attribute,
    private negated: bool,
  ) {}

  holds(): bool {
    for (let i = 0; i < this.matchers.length; i++) {
      if (this.matchers[i].matches(this.attribute)) return !this.negated;
    }
    return this.negated;
  }
}

/** A source, an operation, or the `when` of a rule: all conditions must hold. */
export class Conditions {
  readonly all: Condition[] = [];

  hold(): bool {
    for (let i = 0; i < this.all.length; i++) {
      if (!this.all[i].holds()) return false;
    }
    return true;
  }
}

/** One rule of a policy. */
export class Rule {
  readonly from: Conditions[] = [];
  readonly to: Conditions[] = [];
  when: Conditions = new Conditions();

  matches(): bool {
    // Operations first: method, host and path are cheaper to fetch than properties of the connection.
    return anyHolds(this.to) && anyHolds(this.from) && this.when.hold();
  }
}

/** What a policy does when it matches. */
export const enum Action {
  Allow,
  Deny,
  Audit,
}

/** A named set of rules with one action. */
export class Policy {
  readonly rules: Rule[] = [];

  constructor(
    readonly name: string,
    readonly action: Action,
  ) {}

  /** The first rule that matches; -1 if none does. */
  matchingRule(): i32 {
    for (let i = 0; i < this.rules.length; i++) {
      if (this.rules[i].matches()) return i;
    }
    return -1;
  }
}

/** All policies of a configuration, and the attributes they share. */
export class PolicySet {
  readonly policies: Policy[] = [];
  readonly attributes: Attribute[] = [];
  /** After `decide`: the policy and rule that denied, as `name[rule]`, or `none` if no ALLOW policy matched. */
  reason: string = "";
  /** After `decide`: the first AUDIT policy that matched; null if none did. */
  audited: Policy | null = null;

  /** Whether the current request may pass. */
  decide(): bool {
    for (let i = 0; i < this.attributes.length; i++) this.attributes[i].reset();
    resetHeaders();
    this.audited = this.firstMatch(Action.Audit);
    if (this.firstMatch(Action.Deny) != null) return false;
    if (!this.has(Action.Allow) || this.firstMatch(Action.Allow) != null) return true;
    this.reason = "none";
    return false;
  }

  private firstMatch(action: Action): Policy | null {
    for (let i = 0; i < this.policies.length; i++) {
      const policy = this.policies[i];
      if (policy.action != action) continue;
      const rule = policy.matchingRule();
      if (rule < 0) continue;
      if (action == Action.Deny) this.reason = policy.name + "[" + rule.toString() + "]";
      return policy;
    }
    return null;
  }

  private has(action: Action): bool {
    for (let i = 0; i < this.policies.length; i++) {
      if (this.policies[i].action == action) return true;
    }
    return false;
  }
}

function anyHolds(alternatives: Conditions[]): bool {
  for (let i = 0; i < alternatives.length; i++) {
    if (alternatives[i].hold()) return true;
  }
  return alternatives.length == 0;
}
