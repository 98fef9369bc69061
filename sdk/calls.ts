// HTTP calls to a cluster (ABI "HTTP calls"). The host answers on the root context with a token; this file finds the call
// of the token, makes its stream effective again and calls the object. An answer for a stream that is gone is dropped.

import { WasmResult } from "./abi";
import { Body, callResponseBody } from "./body";
import { ByteString } from "./bytes";
import { Context } from "./context";
import { proxy_get_status, proxy_http_call } from "./env";
import { HeaderList } from "./header-list";
import { callResponseHeaders, callResponseTrailers, Headers } from "./headers";
import { Entry, IdTable } from "./id-table";
import { clearSlots, LEN_SLOT, NUMBER_SLOT, PTR_SLOT, takeBuffer } from "./memory";
import { KEY_TEXT } from "./text";

const pending = new IdTable<HttpCall>();

/**
 * One HTTP call. Extend it, keep what the answer needs in fields, and call `send` once.
 * Needs the export `proxy_on_http_call_response`.
 */
export abstract class HttpCall extends Entry {
  constructor(
    /** The stream or root context that waits for the answer; it is effective inside the callbacks. */
    readonly context: Context,
  ) {
    super();
  }

  /**
   * The peer has answered, or the host did for it: 504 after the timeout, 503 when it cannot connect. Read `headers` and
   * `body` here; they are gone afterwards.
   */
  onResponse(headerCount: u32, bodySize: u32, trailerCount: u32): void {}

  /** There is no answer: the call was reset. `reason` is the host's word for it and may be empty. */
  onFailure(reason: string): void {}

  /** Headers of the answer. */
  get headers(): Headers {
    return callResponseHeaders;
  }

  /** Body of the answer. */
  get body(): Body {
    return callResponseBody;
  }

  /** Trailers of the answer. */
  get trailers(): Headers {
    return callResponseTrailers;
  }

  /**
   * Sends the call. `headers` must hold `:method`, `:path` and `:authority`, and must not hold a content-length other
   * than the body's. `timeoutMs` is in milliseconds, 0 for none. Answers Ok; BadArgument for an unknown cluster or missing
   * pseudo headers; InternalFailure when nothing was sent. No callback follows unless the answer is Ok. 1 host call.
   */
  send(cluster: string, headers: HeaderList, timeoutMs: u32, body: ByteString = ByteString.EMPTY): WasmResult {
    const pairs = headers.encode();
    const name = KEY_TEXT.put(cluster);
    store<u32>(NUMBER_SLOT, 0);
    const status = proxy_http_call(
      name,
      KEY_TEXT.len,
      changetype<usize>(pairs),
      pairs.byteLength,
      body.ptr,
      body.length,
      0,
      0,
      timeoutMs,
      NUMBER_SLOT,
    );
    if (status == WasmResult.Ok) pending.set(load<u32>(NUMBER_SLOT), this);
    return status;
  }
}

/** Serves `proxy_on_http_call_response`. */
export function httpCallAnswered(token: u32, headerCount: u32, bodySize: u32, trailerCount: u32): void {
  const call = pending.get(token);
  if (call == null) return;
  pending.delete(token);
  if (call.context.isDeleted || !call.context.makeEffective()) return;
  if (headerCount == 0) {
    call.onFailure(statusMessage());
  } else {
    call.onResponse(headerCount, bodySize, trailerCount);
  }
}

/** What the host says of the last call that ended. */
export function statusMessage(): string {
  clearSlots();
  if (proxy_get_status(NUMBER_SLOT, PTR_SLOT, LEN_SLOT) != WasmResult.Ok) return "";
  return String.UTF8.decode(takeBuffer());
}
