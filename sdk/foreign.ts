// Functions that a host offers beyond the ABI, by name (ABI "Foreign function interface"). A filter that uses one must live
// without it: other hosts answer NotFound.

import { WasmResult } from "./abi";
import { ByteString } from "./bytes";
import { proxy_call_foreign_function } from "./env";
import { clearSlots, LEN_SLOT, PTR_SLOT, takeBuffer } from "./memory";
import { KEY_TEXT } from "./text";

/** Calls a host's own function; null if it is unknown or fails. 1 host call. */
export function callForeignFunction(name: string, args: ByteString): ByteString | null {
  const ptr = KEY_TEXT.put(name);
  clearSlots();
  const status = proxy_call_foreign_function(ptr, KEY_TEXT.len, args.ptr, args.length, PTR_SLOT, LEN_SLOT);
  const result = takeBuffer();
  return status == WasmResult.Ok ? ByteString.wrap(result) : null;
}

/**
 * Sets filter state under Envoy's own names, such as `envoy.tcp_proxy.cluster`, by which a TCP proxy behind this filter chooses
 * its cluster. False where the host does not offer it. 1 host call.
 */
export function setEnvoyFilterState(name: string, value: ByteString): bool {
  // SetEnvoyFilterStateArguments {path 1, value 2, span 3}; a span of 1 is the connection's.
  const path = ByteString.of(name);
  const size = 4 + varintSize(path.length) + path.length + varintSize(value.length) + value.length;
  const args = new ArrayBuffer(size);
  let at = changetype<usize>(args);
  at = field(at, 0x0a, path);
  at = field(at, 0x12, value);
  store<u16>(at, 0x0118);
  return callForeignFunction("set_envoy_filter_state", ByteString.wrap(args)) != null;
}

function varintSize(value: i32): i32 {
  let size = 1;
  for (let left = <u32>value >> 7; left != 0; left >>= 7) size++;
  return size;
}

function field(at: usize, tag: u8, bytes: ByteString): usize {
  store<u8>(at++, tag);
  let left = <u32>bytes.length;
  for (; left > 0x7f; left >>= 7) store<u8>(at++, <u8>((left & 0x7f) | 0x80));
  store<u8>(at++, <u8>left);
  memory.copy(at, bytes.ptr, bytes.length);
  return at + bytes.length;
}
