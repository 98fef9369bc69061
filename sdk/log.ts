// Log lines, gated by the host's level. The level is asked for once a VM start or configuration, not per line:
// a line below the level costs one comparison. A message built by concatenation is built before the call, so guard
// costly ones with `isLogged`.

import { LogLevel, WasmResult } from "./abi";
import { proxy_get_log_level, proxy_log } from "./env";
import { NUMBER_SLOT } from "./memory";
import { LINE } from "./text";

let threshold: u32 = LogLevel.Trace;

/** Reads the host's log level again (1 host call). The SDK does this at VM start and at each configuration. */
export function refreshLogLevel(): void {
  store<u32>(NUMBER_SLOT, 0);
  if (proxy_get_log_level(NUMBER_SLOT) == WasmResult.Ok) threshold = load<u32>(NUMBER_SLOT);
}

/** Whether a line of this level reaches the host's log. No host call. */
export function isLogged(level: LogLevel): bool {
  return <u32>level >= threshold;
}

/** Writes one line. One host call if the level is logged, none otherwise. */
export function log(level: LogLevel, message: string): void {
  if (<u32>level < threshold) return;
  LINE.put(message);
  writeLine(level);
}

/** Writes what is in LINE, whatever the threshold. 1 host call. */
export function writeLine(level: LogLevel): void {
  proxy_log(level, LINE.ptr, LINE.len);
}

export function logTrace(message: string): void {
  log(LogLevel.Trace, message);
}

export function logDebug(message: string): void {
  log(LogLevel.Debug, message);
}

export function logInfo(message: string): void {
  log(LogLevel.Info, message);
}

export function logWarn(message: string): void {
  log(LogLevel.Warn, message);
}

export function logError(message: string): void {
  log(LogLevel.Error, message);
}

export function logCritical(message: string): void {
  log(LogLevel.Critical, message);
}
