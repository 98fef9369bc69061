// Actions that a guest asked for while it was running: carried out in order once the outermost guest
// call has returned. A module must not be entered from inside one of its own host calls (its language runtime may hold
// borrowed state; Rust SDK filters panic on it).
import type { StreamType } from "./abi.ts";
import type { Context } from "./context.ts";
import type { LocalResponse } from "./services.ts";

export const DeferredKind = {
  ContinueStream: 0,
  CloseStream: 1,
  LocalResponse: 2,
  RootDelete: 3,
} as const;
export type DeferredKind = (typeof DeferredKind)[keyof typeof DeferredKind];

export interface DeferredAction {
  readonly kind: DeferredKind;
  readonly ctx: Context;
  /** Stream type. */
  readonly value: number;
  readonly payload: LocalResponse | undefined;
}

export function runDeferred(action: DeferredAction): void {
  const { ctx, kind, value } = action;
  // The stream may have ended in an earlier action of the same queue.
  if (ctx.isDeleted) return;
  switch (kind) {
    case DeferredKind.ContinueStream:
      ctx.services?.continueStream(value as StreamType);
      return;
    case DeferredKind.CloseStream:
      ctx.services?.closeStream(value as StreamType);
      return;
    case DeferredKind.LocalResponse:
      if (action.payload !== undefined) ctx.services?.sendLocalResponse(action.payload);
      return;
    case DeferredKind.RootDelete:
      ctx.root.deleteNow();
      return;
  }
}
