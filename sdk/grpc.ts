// gRPC calls and streams to an upstream (ABI "gRPC calls"). As with HTTP calls the host answers on the root context with a token;
// this file finds the object of the token and makes its context effective again. A call whose context is gone is cancelled.

import { GrpcStatus, WasmResult } from "./abi";
import { Body, grpcMessage } from "./body";
import { ByteString } from "./bytes";
import { statusMessage } from "./calls";
import { Context } from "./context";
import { proxy_grpc_call, proxy_grpc_cancel, proxy_grpc_close, proxy_grpc_send, proxy_grpc_stream } from "./env";
import { HeaderList } from "./header-list";
import { grpcInitialMetadata, grpcTrailingMetadata, Headers } from "./headers";
import { Entry, IdTable } from "./id-table";
import { NUMBER_SLOT } from "./memory";
import { KEY_TEXT, VALUE_TEXT } from "./text";

const pending = new IdTable<GrpcExchange>();

/** What calls and streams have in common: `GrpcCall` and `GrpcStream` are the classes to extend. */
export abstract class GrpcExchange extends Entry {
  protected token: u32 = 0;

  constructor(
    /** The stream or root context that the call belongs to; it is effective inside the callbacks. */
    readonly context: Context,
    /** Whether it is a stream. */
    readonly isStream: bool,
  ) {
    super();
  }

  /** The message that has come, without the prefix of gRPC; readable inside the callback that tells of it. */
  get message(): Body {
    return grpcMessage;
  }

  /** It is over: `status` is not Ok for a call, and whatever the peer said for a stream. `reason` may be empty. */
  onClose(status: GrpcStatus, reason: string): void {}

  /** Abandons it; no callback follows. False if it is over already. 1 host call. */
  cancel(): bool {
    const token = this.forget();
    return token != 0 && proxy_grpc_cancel(token) == WasmResult.Ok;
  }

  /** The token, which means nothing from now on; 0 if it meant nothing before. */
  protected forget(): u32 {
    const token = this.token;
    this.token = 0;
    pending.delete(token);
    return token;
  }

  /** For the exports. */
  closed(status: GrpcStatus, reason: string): void {
    this.forget();
    this.onClose(status, reason);
  }

  protected begun(status: WasmResult): WasmResult {
    if (status != WasmResult.Ok) return status;
    this.token = load<u32>(NUMBER_SLOT);
    pending.set(this.token, this);
    return status;
  }
}

/**
 * One gRPC call: one message there, one back. Extend it and call `send` once. Needs the exports `proxy_on_grpc_receive` and
 * `proxy_on_grpc_close`.
 */
export abstract class GrpcCall extends GrpcExchange {
  constructor(context: Context) {
    super(context, false);
  }

  /** The answer is here, with status Ok. Read `message` here; it is gone afterwards. */
  onResponse(size: u32): void {}

  /** For the exports: the answer of a call is its end. */
  answered(size: u32): void {
    this.forget();
    this.onResponse(size);
  }

  /**
   * Sends the call. `upstream` is the name of a cluster, or a serialized `envoy.config.core.v3.GrpcService`. `timeoutMs` is in
   * milliseconds, 0 for none. Answers Ok; ParseFailure for an unknown cluster; BadArgument for a service that the host cannot
   * use; InternalFailure when nothing was sent. No callback follows unless the answer is Ok. 1 host call.
   */
  send(
    upstream: ByteString,
    service: string,
    method: string,
    message: ByteString,
    timeoutMs: u32,
    metadata: HeaderList | null = null,
  ): WasmResult {
    const pairs = metadata == null ? new HeaderList().encode() : metadata.encode();
    const servicePtr = KEY_TEXT.put(service);
    const methodPtr = VALUE_TEXT.put(method);
    store<u32>(NUMBER_SLOT, 0);
    return this.begun(
      proxy_grpc_call(
        upstream.ptr,
        upstream.length,
        servicePtr,
        KEY_TEXT.len,
        methodPtr,
        VALUE_TEXT.len,
        changetype<usize>(pairs),
        pairs.byteLength,
        message.ptr,
        message.length,
        timeoutMs,
        NUMBER_SLOT,
      ),
    );
  }
}

/**
 * A gRPC stream: messages both ways until both sides have ended. Extend it and call `open` once. Needs the exports
 * `proxy_on_grpc_receive_initial_metadata`, `proxy_on_grpc_receive`, `proxy_on_grpc_receive_trailing_metadata` and
 * `proxy_on_grpc_close`, as far as it overrides their callbacks; the last one always.
 */
export abstract class GrpcStream extends GrpcExchange {
  private isEnded: bool = false;

  constructor(context: Context) {
    super(context, true);
  }

  /** The peer has begun to answer. Read `initialMetadata` here. */
  onInitialMetadata(count: u32): void {}

  /** A message is here. Read `message`; it is gone afterwards. */
  onMessage(size: u32): void {}

  /** The peer is done; `onClose` follows. Read `trailingMetadata` here. */
  onTrailingMetadata(count: u32): void {}

  get initialMetadata(): Headers {
    return grpcInitialMetadata;
  }

  get trailingMetadata(): Headers {
    return grpcTrailingMetadata;
  }

  /** Opens the stream; `upstream` and the answer as in `GrpcCall.send`. 1 host call. */
  open(upstream: ByteString, service: string, method: string, metadata: HeaderList | null = null): WasmResult {
    const pairs = metadata == null ? new HeaderList().encode() : metadata.encode();
    const servicePtr = KEY_TEXT.put(service);
    const methodPtr = VALUE_TEXT.put(method);
    store<u32>(NUMBER_SLOT, 0);
    return this.begun(
      proxy_grpc_stream(
        upstream.ptr,
        upstream.length,
        servicePtr,
        KEY_TEXT.len,
        methodPtr,
        VALUE_TEXT.len,
        changetype<usize>(pairs),
        pairs.byteLength,
        NUMBER_SLOT,
      ),
    );
  }

  /** For the exports: the host remembers a stream until both sides have ended. */
  override closed(status: GrpcStatus, reason: string): void {
    this.end();
    super.closed(status, reason);
  }

  /** Sends one message; `end` ends this side with it. NotFound when the stream is over, InternalFailure when too much waits already. 1 host call. */
  send(message: ByteString, end: bool = false): WasmResult {
    if (this.token == 0) return WasmResult.NotFound;
    const status = <WasmResult>proxy_grpc_send(this.token, message.ptr, message.length, end ? 1 : 0);
    if (end && status == WasmResult.Ok) this.isEnded = true;
    return status;
  }

  /** Ends this side; the peer may still answer. False when the stream is over. 1 host call. */
  end(): bool {
    if (this.token == 0 || this.isEnded) return false;
    this.isEnded = true;
    return proxy_grpc_close(this.token) == WasmResult.Ok;
  }
}

/** The exchange of a token, with its context effective; one whose context is gone is cancelled. */
function exchangeOf(token: u32): GrpcExchange | null {
  const exchange = pending.get(token);
  if (exchange == null) return null;
  if (!exchange.context.isDeleted && exchange.context.makeEffective()) return exchange;
  exchange.cancel();
  return null;
}

function streamOf(token: u32): GrpcStream | null {
  const exchange = exchangeOf(token);
  return exchange != null && exchange.isStream ? changetype<GrpcStream>(exchange) : null;
}

/** Serves `proxy_on_grpc_receive_initial_metadata`. */
export function grpcInitialMetadataReceived(token: u32, count: u32): void {
  const stream = streamOf(token);
  if (stream != null) stream.onInitialMetadata(count);
}

/** Serves `proxy_on_grpc_receive`. */
export function grpcMessageReceived(token: u32, size: u32): void {
  const exchange = exchangeOf(token);
  if (exchange == null) return;
  if (exchange.isStream) {
    changetype<GrpcStream>(exchange).onMessage(size);
    return;
  }
  changetype<GrpcCall>(exchange).answered(size);
}

/** Serves `proxy_on_grpc_receive_trailing_metadata`. */
export function grpcTrailingMetadataReceived(token: u32, count: u32): void {
  const stream = streamOf(token);
  if (stream != null) stream.onTrailingMetadata(count);
}

/** Serves `proxy_on_grpc_close`. */
export function grpcClosed(token: u32, status: u32): void {
  const exchange = exchangeOf(token);
  if (exchange == null) return;
  exchange.closed(<GrpcStatus>status, statusMessage());
}
