// /_wasm/filters: what became of each plugin.
import assert from "node:assert/strict";
import test from "node:test";
import type { AdminModule, AdminPlugin } from "../../../host/admin/views.ts";
import { ask, fakeViews } from "./support.ts";

const loaded = { workerId: 1, isLoaded: true, sha256: "ab", failure: "" };

const plugin: AdminPlugin = {
  id: "WasmPlugin/default.authz",
  name: "default.authz",
  source: "/etc/plugins/a.yaml",
  sha256: "ab",
  acceptedAtMs: 0,
  fetching: undefined,
  workers: [loaded, { ...loaded, workerId: 2 }],
  rejected: undefined,
  json: { kind: "WasmPlugin" },
};

const summary = {
  id: "WasmPlugin/default.authz",
  name: "default.authz",
  source: "/etc/plugins/a.yaml",
  accepted: true,
  loaded: "2 of 2 workers",
  loaded_workers: 2,
  workers_total: 2,
  sha256: "ab",
  since: "1970-01-01T00:00:00.000Z",
  last_error: null,
};

test("states of a plugin", () => {
  const cases: readonly (readonly [Partial<AdminPlugin>, Record<string, unknown>])[] = [
    [{}, {}],
    // An update is under way: one worker runs the module before.
    [{ workers: [loaded, { ...loaded, workerId: 2, sha256: "cd" }] }, { loaded: "1 of 2 workers", loaded_workers: 1 }],
    [
      { workers: [loaded, { ...loaded, workerId: 2, isLoaded: false, failure: "unreachable" }] },
      { loaded: "1 of 2 workers", loaded_workers: 1, last_error: { stage: "running", causes: ["unreachable"], on_workers: [2] } },
    ],
    [
      { rejected: { atMs: 1000, problems: [{ path: "spec.url", reason: "no such file", line: 7 }] } },
      {
        accepted: false,
        last_error: { stage: "configuration", at: "1970-01-01T00:00:01.000Z", causes: ["line 7: spec.url: no such file"] },
      },
    ],
    [
      { sha256: undefined, acceptedAtMs: undefined, workers: [] },
      { sha256: null, since: null, loaded: "0 of 2 workers", loaded_workers: 0 },
    ],
    [{ fetching: "oci://r/a:1" }, { fetching: "oci://r/a:1" }],
  ];
  for (const [changes, expected] of cases) {
    const answer = ask(fakeViews({ plugins: () => [{ ...plugin, ...changes }] }), "/_wasm/filters");
    assert.deepEqual(JSON.parse(answer.body), { filters: [{ ...summary, ...expected }], modules: [] });
  }
});

test("modules that are fetched", () => {
  const none = { sha256: undefined, problem: undefined, retryAtMs: undefined };
  const modules: readonly AdminModule[] = [
    { ...none, url: "oci://r/a:1", state: "fetching" },
    { ...none, url: "oci://r/b:1", state: "ready", sha256: "ab" },
    { ...none, url: "oci://r/c:1", state: "failed", problem: "got 404", retryAtMs: 1000 },
  ];
  const answer = ask(fakeViews({ modules: () => modules }), "/_wasm/filters");
  assert.deepEqual(JSON.parse(answer.body), {
    filters: [],
    modules: [
      { url: "oci://r/a:1", state: "fetching", sha256: null },
      { url: "oci://r/b:1", state: "ready", sha256: "ab" },
      { url: "oci://r/c:1", state: "failed", sha256: null, problem: "got 404", next_attempt: "1970-01-01T00:00:01.000Z" },
    ],
  });
});

test("one plugin by its id, the last part of it, or its name", () => {
  const views = fakeViews({ plugins: () => [plugin] });
  for (const name of ["WasmPlugin/default.authz", "WasmPlugin%2Fdefault.authz", "default.authz"]) {
    assert.deepEqual(JSON.parse(ask(views, `/_wasm/filters/${name}`).body), {
      ...summary,
      workers: [
        { worker: 1, loaded: true, sha256: "ab" },
        { worker: 2, loaded: true, sha256: "ab" },
      ],
      resource: { kind: "WasmPlugin" },
    });
  }
  assert.equal(ask(views, "/_wasm/filters/%zz").status, 404);
});
