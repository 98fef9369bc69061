// Every row of rejections.ts gives exactly its problems; and none of them stops the others from being found.
import assert from "node:assert/strict";
import { test } from "node:test";
import { loadBootstrap } from "../../../host/xds/load-bootstrap.ts";
import type { Json } from "../../../host/xds/message.ts";
import { networkFilterRejections } from "./network-filter-rejections.ts";
import { rejections } from "./rejections.ts";
import { tlsRejections } from "./tls-rejections.ts";
import { bootstrapJson, testServices, withValue } from "./support.ts";

function problemsOf(json: Json): readonly string[] {
  const result = loadBootstrap({ file: JSON.stringify(json) }, testServices());
  return result.ok ? [] : result.problems.map((problem) => `${problem.path}: ${problem.reason}`);
}

test("the bootstrap that the rows change is accepted", () => {
  assert.deepEqual(problemsOf(bootstrapJson()), []);
});

for (const { set, problems } of [...rejections, ...tlsRejections, ...networkFilterRejections]) {
  test(`refused: ${problems.join("; ").slice(0, 200)}`, () => {
    let json = bootstrapJson();
    for (const [path, value] of Object.entries(set)) json = withValue(json, path, value);
    assert.deepEqual(problemsOf(json), problems);
  });
}

test("all problems of a document are found in one pass", () => {
  let json = bootstrapJson();
  json = withValue(json, "admin.nope", 1);
  json = withValue(json, "static_resources.clusters[0].connect_timeout", "0s");
  json = withValue(json, "static_resources.listeners[0].transparent", true);
  assert.equal(problemsOf(json).length, 3);
});
