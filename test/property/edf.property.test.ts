// Earliest deadline first: turns in proportion to weights, at every point of the run and not only in the long.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { EdfScheduler } from "../../host/upstream/edf-scheduler.ts";

test("after n turns each item has had its share, give or take the others' one turn each", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 128 }), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 600 }),
      (weights, turns) => {
        const scheduler = new EdfScheduler(
          weights.map((weight, id) => ({ weight, id })),
          (item) => item.weight,
        );
        const counts = weights.map(() => 0);
        for (let i = 0; i < turns; i++) counts[scheduler.pick().id]++;
        const sum = weights.reduce((a, b) => a + b, 0);
        weights.forEach((weight, i) => {
          const share = (turns * weight) / sum;
          assert.ok(
            Math.abs(counts[i] - share) <= 1 + weights.length * (weight / sum),
            `weight ${weight} of ${sum}: ${counts[i]} of ${turns}, wanted ${share.toFixed(2)}`,
          );
        });
      },
    ),
    { seed: 5, numRuns: 1000 },
  );
});

test("a weight that changes is in force from the next turn on", () => {
  const items = [{ weight: 1 }, { weight: 1 }];
  const scheduler = new EdfScheduler(items, (item) => item.weight);
  for (let i = 0; i < 100; i++) scheduler.pick();
  items[0].weight = 9;
  let first = 0;
  for (let i = 0; i < 1000; i++) if (scheduler.pick() === items[0]) first++;
  assert.ok(Math.abs(first - 900) < 10, `${first}`);
});
