// What the compiler calls when a filter cannot go on (array bounds, failed assert, out of memory), and its source of
// random seeds. asconfig.json binds them with `--use`, so that a module imports neither `env.abort` nor `env.seed`.

import { LogLevel, WasmResult } from "./abi";
import { proxy_get_current_time_nanoseconds } from "./env";
import { writeLine } from "./log";
import { NUMBER_SLOT } from "./memory";
import { LINE } from "./text";

/** Writes one CRITICAL line with message, file and position, then traps. The host applies its failure policy. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  LINE.put(message == null ? "abort" : message);
  LINE.add(" at ");
  if (file != null) LINE.add(file);
  LINE.addCode(0x3a).addNumber(line).addCode(0x3a).addNumber(column);
  writeLine(LogLevel.Critical);
  unreachable();
}

/** Seeds `Math.random` from the host's clock: the ABI has no entropy of its own. Not for secrets. */
export function seed(): f64 {
  store<u64>(NUMBER_SLOT, 0x9e3779b97f4a7c15);
  const status = proxy_get_current_time_nanoseconds(NUMBER_SLOT);
  const bits = load<u64>(NUMBER_SLOT) ^ (status == WasmResult.Ok ? 0 : 0x5bf03635);
  return reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000);
}
