// A short hot-loading run (the long one is test/load/hot-loading.ts): nothing fails, no request sees two versions, everything that
// must be refused is.
import assert from "node:assert/strict";
import { test } from "node:test";
import { runHotLoading } from "../load/hot-loading.ts";

test("configuration and modules change under load", { timeout: 60_000 }, async () => {
  const result = await runHotLoading({ seconds: 14, rate: 200, concurrency: 2 });
  assert.deepEqual(result.firstFailures, []);
  assert.equal(result.failures, 0);
  assert.equal(result.mixed, 0);
  assert.ok(result.pluginVersions >= 3 && result.routeVersions >= 3 && result.upstreams === 2, JSON.stringify(result));
  assert.ok(
    result.refusals.some((line) => line.includes("malformed module")),
    result.refusals.join("\n"),
  );
  assert.ok(
    result.refusals.some((line) => line.includes("sha256")),
    result.refusals.join("\n"),
  );
});
