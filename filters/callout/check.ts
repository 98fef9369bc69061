// One check of one request: the call, and what its answer does to the request that waits for it.

import { ByteString, HeaderList, HttpCall, HttpContext, LocalReply, logWarn, WasmResult } from "sluice/sdk";
import { CalloutConfig, isFraming } from "./config";

/** A call to the checking service on behalf of a stream. */
export class Check extends HttpCall {
  constructor(
    private stream: HttpContext,
    private config: CalloutConfig,
  ) {
    super(stream);
  }

  /** Sends the call. False if it could not be sent. Host calls: 3, and one for each header passed. */
  start(): bool {
    const config = this.config;
    const request = this.stream.requestHeaders;
    const headers = new HeaderList().add(":method", config.method).add(":path", config.path).add(":authority", config.authority);
    const method = request.get(":method");
    if (method != null) headers.add("x-original-method", method);
    const path = request.get(":path");
    if (path != null) headers.add("x-original-path", path);
    for (let i = 0; i < config.passed.length; i++) {
      const value = request.getBytes(config.passed[i]);
      if (value != null) headers.addBytes(config.passed[i], value);
    }
    return this.send(config.cluster, headers, config.timeoutMs) == WasmResult.Ok;
  }

  override onResponse(headerCount: u32, bodySize: u32, trailerCount: u32): void {
    const text = this.headers.get(":status");
    const status = text == null ? 0 : I64.parseInt(text);
    if (this.config.allows(status)) this.allow();
    // Hosts answer 503 and 504 themselves for a peer that is away or slow: such an answer says nothing about the request.
    else if (status < 200 || status >= 500) this.fail("answer " + status.toString());
    else this.deny(<u32>status);
  }

  override onFailure(reason: string): void {
    this.fail(reason.length == 0 ? "no answer" : reason);
  }

  /** The check could not be made: the failure mode decides. */
  fail(reason: string): void {
    logWarn("callout: the check failed: " + reason);
    if (this.config.failureAllows) {
      this.dropUpstreamHeaders();
      this.stream.continueRequest();
    } else {
      new LocalReply(this.config.failureStatus).details("callout_failed").send();
    }
  }

  /** Without a check nobody vouches for these headers; what the client sent under their names must not pass for the check's. */
  dropUpstreamHeaders(): void {
    const names = this.config.upstream;
    for (let i = 0; i < names.length; i++) this.stream.requestHeaders.removeBytes(names[i]);
  }

  private allow(): void {
    const names = this.config.upstream;
    const request = this.stream.requestHeaders;
    for (let i = 0; i < names.length; i++) {
      const value = this.headers.getBytes(names[i]);
      if (value == null) request.removeBytes(names[i]);
      else request.setBytes(names[i], value);
    }
    this.stream.continueRequest();
  }

  private deny(status: u32): void {
    const reply = new LocalReply(status).details("callout_denied").bodyFrom(this.body.get());
    const list = this.headers.list();
    for (let i = 0; i < list.count; i++) {
      const name = list.nameAt(i);
      if (name.at(0) != 0x3a && !isHostHeader(name)) reply.headerBytes(name, list.valueAt(i));
    }
    reply.send();
  }
}

function isHostHeader(name: ByteString): bool {
  const text = name.toString();
  return isFraming(text) || text == "date" || text == "server" || text.startsWith("x-envoy-");
}
