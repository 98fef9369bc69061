// When garbage is collected. A filter runs in short callbacks, and between two of them no value lives on the stack: that is
// where the whole heap is marked and swept, once enough has been allocated. So the compiler needs no shadow stack, which
// halves the size of a small filter and makes every function cheaper. asconfig.json selects the runtime "minimal"
// and binds `__new` and `__renew` to the counting functions here.

import { __new as allocate, __renew as reallocate } from "rt/tcms";

/** Bytes of allocation between two collections of a small heap. */
const MIN_BUDGET: i32 = 32768;
/** Pages of a heap from which its own size, not MIN_BUDGET, sets the pace; bytes would overflow 32 bits. */
const MAX_PAGES: i32 = 8192;

let budget: i32 = MIN_BUDGET;
let depth: i32 = 0;

/** Allocates a managed object and counts it. The compiler calls this for every `new`. */
export function countedNew(size: usize, id: i32): usize {
  budget -= <i32>size + 32;
  return allocate(size, id);
}

/** Grows a managed object and counts it. */
export function countedRenew(ptr: usize, size: usize): usize {
  budget -= <i32>size;
  return reallocate(ptr, size);
}

/** The host has called a callback. */
export function enterCallback(): void {
  depth++;
}

/**
 * The callback is over. Collects if enough was allocated; a host that calls back from inside a host call is tolerated
 * by never collecting below the outermost callback.
 */
export function leaveCallback(): void {
  depth--;
  if (budget >= 0 || depth > 0) return;
  __collect();
  // A collection visits the whole heap, so a larger heap is collected less often, in proportion.
  budget = max(MIN_BUDGET, min(memory.size(), MAX_PAGES) << 15);
}
