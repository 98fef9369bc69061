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
