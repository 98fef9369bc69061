// A group is one configuration that both run; each of its cases is one test.
import { after, before, describe, test } from "node:test";
import { envoyBinary, Pair, type ParityGroup } from "./harness.ts";

export function runGroups(groups: readonly ParityGroup[]): void {
  // Before anything is started that would have to be ended again.
  envoyBinary();
  for (const group of groups) {
    describe(`parity: ${group.name}`, () => {
      let pair: Pair;
      before(async () => {
        pair = await Pair.start(group);
      });
      after(() => pair?.stop());
      for (const parityCase of group.cases) test(parityCase.name, () => pair.check(parityCase));
    });
  }
}
