// A snapshot that is split into parts and joined again is the same snapshot, whatever its sizes are.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RouteConfiguration } from "../../../host/config/route.ts";
import type { Snapshot } from "../../../host/config/snapshot.ts";
import { applyDelta, diffSnapshots, EMPTY_SNAPSHOT, joinDelta, splitDelta } from "../../../host/config/snapshot-delta.ts";

const named = (prefix: string, count: number): { name: string }[] => Array.from({ length: count }, (_, i) => ({ name: `${prefix}${i}` }));

/** `shape`: how many routes each virtual host has. */
function table(name: string, shape: readonly number[]): RouteConfiguration {
  const virtualHosts = shape.map((count, i) => ({ name: `${name}-v${i}`, domains: [`d${i}`], routes: named(`${name}-v${i}-r`, count) }));
  return { name, virtualHosts } as unknown as RouteConfiguration;
}

function snapshot(clusters: number, endpoints: number, shapes: readonly (readonly number[])[]): Snapshot {
  const tables = shapes.map((shape, i) => table(`t${i}`, shape));
  return {
    ...EMPTY_SNAPSHOT,
    version: 1,
    clusters: named("c", clusters) as unknown as Snapshot["clusters"],
    endpoints: Object.fromEntries(named("e", endpoints).map((item) => [item.name, item])) as unknown as Snapshot["endpoints"],
    routeConfigurations: Object.fromEntries(tables.map((item) => [item.name, item])),
  };
}

const cases: readonly (readonly [clusters: number, endpoints: number, shapes: readonly (readonly number[])[]])[] = [
  [0, 0, []],
  [1, 1, [[1]]],
  [150, 0, []],
  [151, 0, []],
  [10_000, 10_000, []],
  [0, 0, [[10_000]]],
  [0, 0, [Array.from({ length: 3000 }, () => 1)]],
  [0, 0, [[149], [150], [151], [0, 0, 0], []]],
  [7, 3, [[148, 0, 149, 1, 1, 300, 0, 450]]],
  [0, 0, [[149, 1]]],
  [200, 0, [[150, 150, 150]]],
];

for (const [clusters, endpoints, shapes] of cases) {
  test(`${clusters} clusters, ${endpoints} assignments, tables of ${JSON.stringify(shapes).slice(0, 60)}`, () => {
    const after = snapshot(clusters, endpoints, shapes);
    const { parts, rest } = structuredClone(splitDelta(diffSnapshots(EMPTY_SNAPSHOT, after)));
    assert.deepEqual(applyDelta(EMPTY_SNAPSHOT, joinDelta(rest, parts)), after);
    for (const part of parts) {
      const routes = (part.routes?.virtualHosts ?? []).reduce((sum, host) => sum + host.routes.length, 0);
      assert.ok(part.clusters.length <= 150 && Object.keys(part.endpoints).length <= 150 && routes <= 150);
    }
  });
}
