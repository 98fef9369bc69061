// Adds, sets, appends and removes request and response headers as the configuration says. README.md has the schema.

export * from "sluice/sdk/core";
export { proxy_on_request_headers, proxy_on_response_headers } from "sluice/sdk/exports";

import { FilterHeadersStatus, HttpContext, JsonDocument, logError, registerRootContext, RootContext } from "sluice/sdk";
import { Mutations } from "./mutations";

class HeaderMutationRoot extends RootContext {
  request: Mutations = new Mutations();
  response: Mutations = new Mutations();

  override onConfigure(configurationSize: u32): bool {
    const document = JsonDocument.parse(this.configuration().toString());
    const config = document.root;
    config.allowOnly("request, response");
    this.request = Mutations.parse(config.get("request"));
    this.response = Mutations.parse(config.get("response"));
    if (!document.ok) logError("header-mutation: " + document.error);
    return document.ok;
  }

  override createHttpContext(id: u32): HttpContext | null {
    return new HeaderMutation(id, this);
  }
}

class HeaderMutation extends HttpContext {
  override onRequestHeaders(count: u32, endOfStream: bool): FilterHeadersStatus {
    (this.root as HeaderMutationRoot).request.apply(this.requestHeaders);
    return FilterHeadersStatus.Continue;
  }

  override onResponseHeaders(count: u32, endOfStream: bool): FilterHeadersStatus {
    (this.root as HeaderMutationRoot).response.apply(this.responseHeaders);
    return FilterHeadersStatus.Continue;
  }
}

registerRootContext((id: u32): RootContext => new HeaderMutationRoot(id));
