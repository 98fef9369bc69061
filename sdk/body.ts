// One body buffer (ABI "Buffers"). Inside a body callback it holds this chunk, or everything held so far if the
// filter answered StopIterationAndBuffer before. The object holds no bytes: every method asks the host.

import { BufferType, WasmResult } from "./abi";
import { ByteString } from "./bytes";
import { proxy_get_buffer_bytes, proxy_get_buffer_status, proxy_set_buffer_bytes } from "./env";
import { clearSlots, LEN_SLOT, NUMBER_SLOT, PTR_SLOT, takeBuffer } from "./memory";

/** Access to a buffer of the host. Offsets and lengths are bytes. */
@unmanaged
export class Body {
  /** Which buffer. As with Headers, the object is its number and lies nowhere. */
  private get type(): BufferType {
    return <BufferType>(changetype<usize>(this) - 1);
  }

  /** The buffer of a number. */
  @inline
  static of(type: BufferType): Body {
    return changetype<Body>(<usize>type + 1);
  }

  /** Bytes from `start`, at most `length` of them; fewer when the buffer ends before. Empty when there is no buffer. 1 host call. */
  get(start: u32 = 0, length: u32 = u32.MAX_VALUE): ByteString {
    clearSlots();
    const status = proxy_get_buffer_bytes(this.type, start, length, PTR_SLOT, LEN_SLOT);
    if (status != WasmResult.Ok) clearSlots();
    return ByteString.wrap(takeBuffer());
  }

  /** The buffer as UTF-8 text. 1 host call. */
  text(): string {
    return this.get().toString();
  }

  /** Size of the buffer in bytes; 0 when there is none. 1 host call. */
  get length(): u32 {
    store<u32>(LEN_SLOT, 0);
    return proxy_get_buffer_status(this.type, LEN_SLOT, NUMBER_SLOT) == WasmResult.Ok ? load<u32>(LEN_SLOT) : 0;
  }

  /** Replaces the whole buffer. False if it cannot be written now. 1 host call. */
  replace(data: ByteString): bool {
    return this.splice(0, u32.MAX_VALUE, data);
  }

  /** Puts bytes before the buffer. 1 host call. */
  prepend(data: ByteString): bool {
    return this.splice(0, 0, data);
  }

  /** Puts bytes behind the buffer. 1 host call. */
  append(data: ByteString): bool {
    return this.splice(u32.MAX_VALUE, 0, data);
  }

  /** Drops the first `length` bytes. 1 host call. */
  drop(length: u32): bool {
    return this.splice(0, length, ByteString.EMPTY);
  }

  /**
   * Replaces `length` bytes at `start`. Envoy takes only a start of 0 or one at or behind the end and answers false
   * for one strictly inside; `replace` with an edited copy works on every host. 1 host call.
   */
  splice(start: u32, length: u32, data: ByteString): bool {
    return proxy_set_buffer_bytes(this.type, start, length, data.ptr, data.length) == WasmResult.Ok;
  }
}

export const requestBody = Body.of(BufferType.HttpRequestBody);
export const responseBody = Body.of(BufferType.HttpResponseBody);
/** Bytes of a TCP connection that have not been passed on. */
export const downstreamData = Body.of(BufferType.DownstreamData);
export const upstreamData = Body.of(BufferType.UpstreamData);
/** Body of the answer to an HTTP call; readable inside `HttpCall.onResponse` only. */
export const callResponseBody = Body.of(BufferType.HttpCallResponseBody);
/** A gRPC message; readable inside the callback that tells of it. */
export const grpcMessage = Body.of(BufferType.GrpcReceiveBuffer);
export const vmConfiguration = Body.of(BufferType.VmConfiguration);
export const pluginConfiguration = Body.of(BufferType.PluginConfiguration);
