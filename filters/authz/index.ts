// Authorization policies with the semantics of Istio's AuthorizationPolicy, decided as Envoy's RBAC filter decides them.
// README.md has the schema.

export * from "sluice/sdk/core";
export { proxy_on_request_headers } from "sluice/sdk/exports";

import {
  ByteString,
  Counter,
  FilterHeadersStatus,
  HttpContext,
  JsonDocument,
  LocalReply,
  registerRootContext,
  RootContext,
  setProperty,
} from "sluice/sdk";
import { parsePolicies } from "./parse";
import { PolicySet } from "./policy";

class AuthzRoot extends RootContext {
  policies: PolicySet = new PolicySet();
  private denied: Counter | null = null;

  override onConfigure(configurationSize: u32): bool {
    const document = JsonDocument.parseBytes(this.configuration());
    const policies = parsePolicies(document.root);
    if (!document.accepted("authz")) return false;
    this.policies = policies;
    this.denied = new Counter("authz.denied");
    return true;
  }

  override createHttpContext(id: u32): HttpContext | null {
    return new AuthzFilter(id, this);
  }

  deny(reason: string): void {
    const denied = this.denied;
    if (denied != null) denied.increment();
    new LocalReply(403)
      .body("RBAC: access denied")
      .details("rbac_access_denied_matched_policy[" + reason + "]")
      .send();
  }
}

class AuthzFilter extends HttpContext {
  override onRequestHeaders(count: u32, endOfStream: bool): FilterHeadersStatus {
    const root = this.root as AuthzRoot;
    const allowed = root.policies.decide();
    const audited = root.policies.audited;
    if (audited != null) setProperty("authz.audit", ByteString.of(audited.name));
    if (allowed) return FilterHeadersStatus.Continue;
    root.deny(root.policies.reason);
    return FilterHeadersStatus.StopIteration;
  }
}

registerRootContext((id: u32): RootContext => new AuthzRoot(id));
