// How a guest ends: its traps, its own exit, the end of its stack; and how that is told, in the words of Envoy's log.
import { isNativeError } from "node:util/types";

/** Thrown by proc_exit and abort to leave the guest; never seen outside this folder. */
export class GuestExit extends Error {}

export function isStackOverflow(error: unknown): boolean {
  return error instanceof RangeError && error.message.startsWith("Maximum call stack");
}

const MAX_FRAMES = 20;
/** "at name (wasm://wasm/hash:wasm-function[n]:0xoffset)", the name only where the module has one. */
const FRAME = /^\s*at (?:(.*) \()?wasm:\/\/[^:]*:(wasm-function\[\d+\]):(0x[0-9a-f]+)\)?$/;

export function describeTrap(name: string, error: unknown): string {
  // Errors of a timed run come from another realm: instanceof does not know them.
  if (!isNativeError(error)) return `Function: ${name} failed: ${String(error)}`;
  if (error instanceof GuestExit) return `Function: ${name} failed: ${error.message}${backtrace(error)}`;
  return `Function: ${name} failed: Uncaught ${error.name}: ${error.message}${backtrace(error)}`;
}

function backtrace(error: Error): string {
  const frames: string[] = [];
  for (const line of (error.stack ?? "").split("\n")) {
    const found = FRAME.exec(line);
    if (found !== null) frames.push(`  ${frames.length}:  ${found[3]} - ${found[1] ?? found[2]}`);
    if (frames.length === MAX_FRAMES) break;
  }
  return frames.length === 0 ? "" : `\nProxy-Wasm plugin in-VM backtrace:\n${frames.join("\n")}`;
}
