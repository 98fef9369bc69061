// Parity with Envoy: each group is one configuration that both run; each case is one test.
import { after, before, describe, test } from "node:test";
import { failures } from "./cases/failures.ts";
import { address, mutations } from "./cases/headers.ts";
import { routing } from "./cases/routing.ts";
import { Pair, type ParityGroup } from "./harness.ts";

const GROUPS: readonly ParityGroup[] = [routing, mutations, address, failures];

for (const group of GROUPS) {
  describe(`parity: ${group.name}`, () => {
    let pair: Pair;
    before(async () => {
      pair = await Pair.start(group);
    });
    after(() => pair?.stop());
    for (const parityCase of group.cases) test(parityCase.name, () => pair.check(parityCase));
  });
}
