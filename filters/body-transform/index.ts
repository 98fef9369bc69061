// Replaces texts in request and response bodies while they stream. README.md has the schema.

export * from "sluice/sdk/core";
export {
  proxy_on_request_body,
  proxy_on_request_headers,
  proxy_on_request_trailers,
  proxy_on_response_body,
  proxy_on_response_headers,
  proxy_on_response_trailers,
} from "sluice/sdk/exports";

import {
  FilterDataStatus,
  FilterHeadersStatus,
  FilterTrailersStatus,
  Headers,
  HttpContext,
  JsonDocument,
  logError,
  registerRootContext,
  RootContext,
} from "sluice/sdk";
import { Direction } from "./direction";
import { Replacer } from "./replacer";

class BodyTransformRoot extends RootContext {
  request: Replacer | null = null;
  response: Replacer | null = null;

  override onConfigure(configurationSize: u32): bool {
    const document = JsonDocument.parseBytes(this.configuration());
    const config = document.root;
    config.allowOnly("request, response");
    const request = new Replacer(config.get("request"));
    const response = new Replacer(config.get("response"));
    if (!document.accepted("body-transform")) return false;
    this.request = request.isEmpty ? null : request;
    this.response = response.isEmpty ? null : response;
    return true;
  }

  override createHttpContext(id: u32): HttpContext | null {
    return new BodyTransform(id, this);
  }
}

class BodyTransform extends HttpContext {
  private request: Direction | null = null;
  private response: Direction | null = null;

  override onRequestHeaders(count: u32, endOfStream: bool): FilterHeadersStatus {
    const wanted = (this.root as BodyTransformRoot).request != null && !endOfStream;
    if (wanted && prepare(this.requestHeaders)) this.request = new Direction();
    return FilterHeadersStatus.Continue;
  }

  override onRequestBody(size: usize, endOfStream: bool): FilterDataStatus {
    const direction = this.request;
    const replacer = (this.root as BodyTransformRoot).request;
    if (direction == null || replacer == null) return FilterDataStatus.Continue;
    return direction.onBody(this.requestBody, replacer, endOfStream);
  }

  override onRequestTrailers(count: u32): FilterTrailersStatus {
    const direction = this.request;
    if (direction != null && direction.holdsBytes) this.fail();
    return FilterTrailersStatus.Continue;
  }

  override onResponseHeaders(count: u32, endOfStream: bool): FilterHeadersStatus {
    const wanted = (this.root as BodyTransformRoot).response != null && !endOfStream;
    if (wanted && prepare(this.responseHeaders)) this.response = new Direction();
    return FilterHeadersStatus.Continue;
  }

  override onResponseBody(size: usize, endOfStream: bool): FilterDataStatus {
    const direction = this.response;
    const replacer = (this.root as BodyTransformRoot).response;
    if (direction == null || replacer == null) return FilterDataStatus.Continue;
    return direction.onBody(this.responseBody, replacer, endOfStream);
  }

  override onResponseTrailers(count: u32): FilterTrailersStatus {
    const direction = this.response;
    if (direction != null && direction.holdsBytes) this.fail();
    return FilterTrailersStatus.Continue;
  }

  /** A body cannot be extended once its trailers are here; a reset is better than a body that lacks its end. */
  private fail(): void {
    logError("body-transform: trailers came while a text was half received; the stream is reset");
    this.closeRequest();
  }
}

/** Whether the body can be transformed: a compressed one cannot. Its length will change, so content-length goes. 2 host calls. */
function prepare(headers: Headers): bool {
  const encoding = headers.get("content-encoding");
  if (encoding != null && encoding != "identity") return false;
  headers.remove("content-length");
  return true;
}

registerRootContext((id: u32): RootContext => new BodyTransformRoot(id));
