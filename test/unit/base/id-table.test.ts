// The table of contexts against a Map.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { IdTable } from "../../../host/base/id-table.ts";

test("behaves as a Map does", () => {
  const step = fc.record({ kind: fc.constantFrom("set", "delete"), id: fc.integer({ min: 1, max: 400 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 1500 }), (steps) => {
      const table = new IdTable<string>();
      const model = new Map<number, string>();
      steps.forEach(({ kind, id }, i) => {
        if (kind === "set") {
          table.set(id, String(i));
          model.set(id, String(i));
        } else assert.equal(table.delete(id), model.delete(id));
        assert.equal(table.get(id), model.get(id));
        assert.equal(table.size, model.size);
      });
      for (let id = 1; id <= 400; id++) assert.equal(table.get(id), model.get(id));
      assert.deepEqual(table.all().sort(), [...model.values()].sort());
    }),
    { numRuns: 100 },
  );
});

test("ids that count up stay cheap", () => {
  const table = new IdTable<number>();
  for (let id = 1; id < 100_000; id++) {
    table.set(id, id);
    if (id > 50) assert.equal(table.delete(id - 50), true);
  }
  assert.equal(table.size, 50);
});
