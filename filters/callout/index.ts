// Asks an HTTP service whether a request may pass. README.md has the schema.

export * from "sluice/sdk/core";
export { proxy_on_http_call_response, proxy_on_request_headers } from "sluice/sdk/exports";

import { FilterHeadersStatus, HttpContext, JsonDocument, registerRootContext, RootContext } from "sluice/sdk";
import { Check } from "./check";
import { CalloutConfig } from "./config";

class CalloutRoot extends RootContext {
  config: CalloutConfig | null = null;

  override onConfigure(configurationSize: u32): bool {
    const document = JsonDocument.parseBytes(this.configuration());
    const config = new CalloutConfig(document.root);
    if (!document.accepted("callout")) return false;
    this.config = config;
    return true;
  }

  override createHttpContext(id: u32): HttpContext | null {
    return new CalloutFilter(id, this);
  }
}

class CalloutFilter extends HttpContext {
  override onRequestHeaders(count: u32, endOfStream: bool): FilterHeadersStatus {
    const config = (this.root as CalloutRoot).config;
    if (config == null) return FilterHeadersStatus.Continue;
    const check = new Check(this, config);
    if (check.start()) return FilterHeadersStatus.StopAllIterationAndWatermark;
    if (config.failureAllows) {
      check.dropUpstreamHeaders();
      return FilterHeadersStatus.Continue;
    }
    check.fail("the call could not be sent to " + config.cluster);
    return FilterHeadersStatus.StopIteration;
  }
}

registerRootContext((id: u32): RootContext => new CalloutRoot(id));
