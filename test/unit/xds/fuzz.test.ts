// Whatever is in a file, reading it ends with a result: nothing throws out of the boundary.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createResourceContext } from "../../../host/xds/context.ts";
import { loadBootstrap } from "../../../host/xds/load-bootstrap.ts";
import type { Json } from "../../../host/xds/message.ts";
import { readPlugin } from "../../../host/xds/plugin-resource.ts";
import { loadCodecs } from "../../../host/xds/protos.ts";
import { wireToJson } from "../../../host/xds/wire.ts";
import { at, bootstrapJson, testServices, withValue } from "./support.ts";

const value = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Json>;
const paths = [
  ...Object.values(at),
  "node",
  "admin",
  "admin.address",
  "layered_runtime",
  "dynamic_resources",
  "dynamic_resources.cds_config",
  "stats_config",
  `${at.manager}.http_filters`,
  `${at.manager}.access_log`,
  `${at.route}.match`,
  `${at.action}.retry_policy`,
  `${at.cluster}.load_assignment.policy`,
  `${at.manager}.rds`,
];
const services = testServices();

test("any text as a bootstrap", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (file) => typeof loadBootstrap({ file }, services).ok === "boolean"),
    { numRuns: 300 },
  );
});

test("any JSON in any place of a bootstrap", () => {
  fc.assert(
    fc.property(fc.constantFrom(...paths), value, (path, json) => {
      const result = loadBootstrap({ file: JSON.stringify(withValue(bootstrapJson(), path, json)) }, services);
      return result.ok || result.problems.length > 0;
    }),
    { numRuns: 500 },
  );
});

test("any JSON as a plugin resource", () => {
  const ctx = createResourceContext(services, undefined);
  fc.assert(
    fc.property(
      value,
      value,
      (spec, metadata) =>
        typeof readPlugin({ apiVersion: "extensions.istio.io/v1alpha1", kind: "WasmPlugin", metadata, spec }, "/x/p.yaml", ctx).ok ===
        "boolean",
    ),
    { numRuns: 300 },
  );
});

test("any bytes as a message", async () => {
  const codecs = await loadCodecs();
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      (bytes) => typeof wireToJson(codecs, "envoy.config.listener.v3.Listener", bytes).ok === "boolean",
    ),
    { numRuns: 300 },
  );
});

test("deeply nested text ends too", () => {
  for (const file of ["[".repeat(20_000), "{a: ".repeat(5000), `{"a":`.repeat(20_000), "- ".repeat(3000)])
    assert.equal(loadBootstrap({ file }, services).ok, false);
});
