// One direction of one stream. Pending bytes stay in the host's buffer, by StopIterationAndBuffer, so that nothing is lost if
// trailers end the message: the host then lets go what it holds. Only if every chunk ends with pending bytes, and the
// host holds HOLD_BYTES, are they taken into the filter, so that memory stays bounded.

import { Body, ByteString, FilterDataStatus } from "sluice/sdk";
import { Replacer } from "./replacer";

/** The most the host is asked to hold. */
const HOLD_BYTES: i32 = 65536;

/** The state of one direction. */
export class Direction {
  /** Bytes at the front of the host's buffer that are done. */
  private done: i32 = 0;
  /** Pending bytes that the filter holds itself; empty but for streams that never stop pending. */
  private kept: ByteString = ByteString.EMPTY;

  /** Whether pending bytes would be lost if the message ended with trailers now. */
  get holdsBytes(): bool {
    return this.kept.length > 0;
  }

  /** Transforms what the buffer holds. 1 host call, 2 if something changed. */
  onBody(body: Body, replacer: Replacer, endOfStream: bool): FilterDataStatus {
    const held = body.get();
    const done = held.slice(0, this.done);
    const input = join(this.kept, held.slice(this.done));
    const output = replacer.run(input, endOfStream);
    const pending = input.slice(input.length - replacer.pending);
    const changed = replacer.changed || this.kept.length > 0;
    const ready = join(done, output);
    this.kept = ByteString.EMPTY;
    this.done = 0;
    if (pending.length == 0) {
      if (changed) body.replace(ready);
      return FilterDataStatus.Continue;
    }
    if (ready.length + pending.length <= HOLD_BYTES) {
      if (changed) body.replace(join(ready, pending));
      this.done = ready.length;
      return FilterDataStatus.StopIterationAndBuffer;
    }
    this.kept = pending;
    body.replace(ready);
    return FilterDataStatus.Continue;
  }
}

function join(first: ByteString, second: ByteString): ByteString {
  if (first.length == 0) return second;
  if (second.length == 0) return first;
  const bytes = new ArrayBuffer(first.length + second.length);
  memory.copy(changetype<usize>(bytes), first.ptr, first.length);
  memory.copy(changetype<usize>(bytes) + first.length, second.ptr, second.length);
  return ByteString.wrap(bytes);
}
