// Says each refusal once in the log, and its end once.
import type { XdsLog } from "./clock.ts";

export class RefusalLog {
  readonly #log: XdsLog;
  #said: ReadonlyMap<string, string> = new Map();

  constructor(log: XdsLog) {
    this.#log = log;
  }

  /** `now`: what is refused at present, and why. */
  update(now: ReadonlyMap<string, string>): void {
    for (const [what, reason] of now) if (this.#said.get(what) !== reason) this.#log.warn(`${what} refused: ${reason}`);
    for (const what of this.#said.keys()) if (!now.has(what)) this.#log.info(`${what} accepted`);
    this.#said = now;
  }
}
