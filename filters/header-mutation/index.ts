// Adds, sets, appends and removes request and response headers as the configuration says. README.md has the schema.

export * from "sluice/sdk/core";
export { proxy_on_request_headers, proxy_on_response_headers } from "sluice/sdk/exports";

import { FilterHeadersStatus, HttpContext, JsonDocument, registerRootContext, RootContext } from "sluice/sdk";
import { applyMutations, Mutation, parseMutations } from "./mutations";

class HeaderMutationRoot extends RootContext {
  request: Mutation | null = null;
  response: Mutation | null = null;

  override onConfigure(configurationSize: u32): bool {
    const document = JsonDocument.parseBytes(this.configuration());
    const config = document.root;
    config.allowOnly("request, response");
    this.request = parseMutations(config.get("request"));
    this.response = parseMutations(config.get("response"));
    return document.accepted("header-mutation");
  }

  override createHttpContext(id: u32): HttpContext | null {
    return new HeaderMutation(id, this);
  }
}

class HeaderMutation extends HttpContext {
  override onRequestHeaders(count: u32, endOfStream: bool): FilterHeadersStatus {
    applyMutations((this.root as HeaderMutationRoot).request, this.requestHeaders);
    return FilterHeadersStatus.Continue;
  }

  override onResponseHeaders(count: u32, endOfStream: bool): FilterHeadersStatus {
    applyMutations((this.root as HeaderMutationRoot).response, this.responseHeaders);
    return FilterHeadersStatus.Continue;
  }
}

registerRootContext((id: u32): RootContext => new HeaderMutationRoot(id));
