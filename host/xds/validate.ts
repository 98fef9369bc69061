// `sluice validate -c FILE`: what loading would say, without starting anything.
import type { XdsServices } from "./context.ts";
import { type BootstrapText, loadBootstrap } from "./load-bootstrap.ts";
import type { Problem } from "./problems.ts";

export interface Validation {
  readonly ok: boolean;
  /** All of them, in the order of the document as far as one pass finds them; empty when ok. */
  readonly problems: readonly Problem[];
}

export function validateBootstrap(text: string, services: XdsServices, options: Omit<BootstrapText, "file"> = {}): Validation {
  const result = loadBootstrap({ ...options, file: text }, services);
  return result.ok ? { ok: true, problems: [] } : { ok: false, problems: result.problems };
}
