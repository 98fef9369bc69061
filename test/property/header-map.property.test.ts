// The header map against a plain list of pairs: every operation, in any order.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeaderMap } from "../../host/http/header-map.ts";

/** As long as "b" by the last five bits of its length. */
const LONG = `x-${"long".repeat(7)}-er`;
const NAMES = [":path", ":status", "a", "b", "via", "x-envoy-a", "cookie", "__proto__", "constructor", LONG] as const;
/** Of which Envoy keeps one value in a fixed place. */
const INLINE: readonly string[] = [":path", ":status", "via", "x-envoy-a"];
type Pair = [string, string];
const isPseudo = (name: string): boolean => name.startsWith(":");

/** add() keeps pseudo headers in front. */
function addTo(list: Pair[], name: string, value: string): Pair[] {
  if (!isPseudo(name)) return [...list, [name, value]];
  const at = list.findIndex(([other]) => !isPseudo(other));
  return at < 0 ? [...list, [name, value]] : [...list.slice(0, at), [name, value], ...list.slice(at)];
}

const OPERATIONS = {
  add: (map: HeaderMap, list: Pair[], name: string, value: string): Pair[] => {
    map.add(name, value);
    return addTo(list, name, value);
  },
  push: (map: HeaderMap, list: Pair[], name: string, value: string): Pair[] => {
    if (isPseudo(name)) return list;
    map.push(name, value);
    return [...list, [name, value]];
  },
  clear: (map: HeaderMap, list: Pair[], name: string, value: string): Pair[] => {
    if (value !== "") return list;
    map.clear();
    assert.equal(map.has(name), false);
    return [];
  },
  set: (map: HeaderMap, list: Pair[], name: string, value: string): Pair[] => {
    map.set(name, value);
    const at = list.findIndex(([other]) => other === name);
    if (at < 0) return addTo(list, name, value);
    if (!INLINE.includes(name)) return [...list.filter(([other]) => other !== name), [name, value]];
    return list.filter(([other], i) => other !== name || i === at).map(([other, old]) => (other === name ? [other, value] : [other, old]));
  },
  remove: (map: HeaderMap, list: Pair[], name: string): Pair[] => {
    assert.equal(
      map.remove(name),
      list.some(([other]) => other === name),
    );
    return list.filter(([other]) => other !== name);
  },
  removeIf: (map: HeaderMap, list: Pair[], name: string, value: string): Pair[] => {
    const drop = (other: string, old: string): boolean => other === name && old !== value;
    assert.equal(map.removeIf(drop), list.filter(([other, old]) => drop(other, old)).length);
    return list.filter(([other, old]) => !drop(other, old));
  },
  appendCopy: (map: HeaderMap, list: Pair[], name: string, value: string): Pair[] => {
    map.appendCopy(name, value);
    const at = list.findIndex(([other]) => other === name);
    return at < 0 ? addTo(list, name, value) : list.map(([other, old], i) => (i === at ? [other, `${old},${value}`] : [other, old]));
  },
  append: (map: HeaderMap, list: Pair[], name: string, value: string): Pair[] => {
    map.append(name, value);
    const at = INLINE.includes(name) ? list.findIndex(([other]) => other === name) : -1;
    if (at < 0) return addTo(list, name, value);
    return list.map(([other, old], i) => (i === at ? [other, [old, value].filter((part) => part !== "").join(",")] : [other, old]));
  },
  clone: (map: HeaderMap, list: Pair[], name: string, value: string): Pair[] => {
    const copy = map.clone();
    assert.equal(copy.get(name), list.find(([other]) => other === name)?.[1]);
    copy.set(name, `${value}!`);
    return list;
  },
};

const operation = fc.record({
  kind: fc.constantFrom(...(Object.keys(OPERATIONS) as (keyof typeof OPERATIONS)[])),
  name: fc.constantFrom(...NAMES),
  value: fc.string({ maxLength: 3 }),
});

test("header map behaves as a list of pairs", () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const map = new HeaderMap();
      let list: Pair[] = [];
      for (const { kind, name, value } of operations) {
        list = OPERATIONS[kind](map, list, name, value);
        assert.deepEqual(map.entries(), list);
      }
      for (const name of NAMES) {
        const values = list.filter(([other]) => other === name).map(([, value]) => value);
        assert.equal(map.get(name), values[0]);
        assert.equal(map.has(name), values.length > 0);
        assert.deepEqual(map.getAll(name), values);
        assert.equal(map.getJoined(name), values.length === 0 ? undefined : values.join(","));
      }
      assert.equal(
        map.byteSize(),
        list.reduce((sum, [name, value]) => sum + name.length + value.length, 0),
      );
      assert.deepEqual(
        HeaderMap.from(list.filter(([name]) => !isPseudo(name))).entries(),
        list.filter(([name]) => !isPseudo(name)),
      );
    }),
    { seed: 1, numRuns: 1000 },
  );
});
