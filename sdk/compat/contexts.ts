// The context classes of the older AssemblyScript SDK, on top of the SDK's own.

import { WasmResult } from "../abi";
import { pluginConfiguration } from "../body";
import { ByteString } from "../bytes";
import { HttpCall } from "../calls";
import { Context as BaseContext, HttpContext, RootContext as SluiceRootContext } from "../context";
import { registerRootContext as register, RootFactory } from "../registry";
import { Headers, toHeaderList } from "./header-pairs";

export type HttpCallbackFunction = (origin_context: BaseContext, headers: u32, body_size: usize, trailers: u32) => void;

class CallbackCall extends HttpCall {
  constructor(
    origin: BaseContext,
    private callback: HttpCallbackFunction,
  ) {
    super(origin);
  }

  override onResponse(headerCount: u32, bodySize: u32, trailerCount: u32): void {
    this.callback(this.context, headerCount, bodySize, trailerCount);
  }

  override onFailure(reason: string): void {
    this.callback(this.context, 0, 0, 0);
  }
}

export class RootContext extends SluiceRootContext {
  private configuration_: string = "";

  get context_id(): u32 {
    return this.id;
  }

  onStart(vm_configuration_size: usize): bool {
    return true;
  }

  createContext(context_id: u32): Context {
    return new Context(context_id, this);
  }

  getConfiguration(): string {
    return this.configuration_;
  }

  /** A class that overrides this calls it, or `getConfiguration` stays empty. */
  override onConfigure(configuration_size: u32): bool {
    this.configuration_ = pluginConfiguration.text();
    return true;
  }

  override onVmStart(configurationSize: u32): bool {
    return this.onStart(configurationSize);
  }

  override createHttpContext(id: u32): HttpContext | null {
    return this.createContext(id);
  }

  /** Sends an HTTP call; trailers are not sent. `cb` gets 0 headers if there was no answer. */
  httpCall(
    cluster: string,
    headers: Headers,
    body: ArrayBuffer,
    trailers: Headers,
    timeout_milliseconds: u32,
    origin_context: BaseContext,
    cb: HttpCallbackFunction,
  ): WasmResult {
    const call = new CallbackCall(origin_context, cb);
    return call.send(cluster, toHeaderList(headers), timeout_milliseconds, ByteString.wrap(body));
  }
}

export class Context extends HttpContext {
  root_context: RootContext;

  constructor(context_id: u32, root_context: RootContext) {
    super(context_id, root_context);
    this.root_context = root_context;
  }

  get context_id(): u32 {
    return this.id;
  }

  setEffectiveContext(): WasmResult {
    return this.makeEffective() ? WasmResult.Ok : WasmResult.BadArgument;
  }
}

export function registerRootContext(factory: (context_id: u32) => RootContext, name: string): void {
  // A root context of this file is one of the SDK's; the compiler does not relate the two function types.
  register(changetype<RootFactory>(factory), name);
}
