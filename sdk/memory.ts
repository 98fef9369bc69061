// The memory that crosses the boundary: static slots for results, the allocator the host calls, and the take-over of
// what it wrote. ABI "Memory management": the host asks for a block, fills it, and from then on the filter owns it.
// The block is an ordinary ArrayBuffer from the start, so taking it over copies nothing and it is collected like
// any other value. Invariant: between the host's request and `takeBuffer` no filter code runs, so one root is enough.

/** Slot in which the host stores the pointer of a result. */
export const PTR_SLOT: usize = memory.data(8, 8);
/** Slot in which the host stores the size of a result. */
export const LEN_SLOT: usize = memory.data(8, 8);
/** Slot for a number result of up to 64 bits. */
export const NUMBER_SLOT: usize = memory.data(8, 8);

let handed: ArrayBuffer | null = null;

/** A buffer whose bytes are still to be written. `new ArrayBuffer` would clear it first and carry an error text. */
export function newBuffer(size: u32): ArrayBuffer {
  return changetype<ArrayBuffer>(__new(size, idof<ArrayBuffer>()));
}

/** Serves `proxy_on_memory_allocate`: a block of `size` bytes that stays reachable until the SDK takes it over. */
export function allocateForHost(size: u32): usize {
  const buffer = newBuffer(size);
  handed = buffer;
  return changetype<usize>(buffer);
}

/** Clears the result slots, so that a host which reports success and writes nothing yields an empty value. */
export function clearSlots(): void {
  store<usize>(PTR_SLOT, 0);
  store<u32>(LEN_SLOT, 0);
}

/** The result of the host call that just succeeded. Costs no copy when the host filled the block it asked for. */
export function takeBuffer(): ArrayBuffer {
  const ptr = load<usize>(PTR_SLOT);
  const len = ptr == 0 ? 0 : load<u32>(LEN_SLOT);
  const buffer = handed;
  handed = null;
  if (buffer != null && ptr == changetype<usize>(buffer) && <u32>buffer.byteLength == len) return buffer;
  // A host may hand out part of a larger block; the value is then copied, so that its length is its own.
  const copy = newBuffer(len);
  memory.copy(changetype<usize>(copy), ptr, len);
  return copy;
}
