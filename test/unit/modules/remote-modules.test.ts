// What is asked of remote modules, answered at once; downloads, failures and the cache behind it.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { RemoteCode } from "../../../host/config/module-code.ts";
import { FetchError, type FetchedModule } from "../../../host/modules/contract.ts";
import { DiskCache } from "../../../host/modules/disk-cache.ts";
import { ModuleStats } from "../../../host/modules/module-stats.ts";
import { RemoteModules } from "../../../host/modules/remote-modules.ts";
import { StatsStore } from "../../../host/stats/store.ts";
import { sha256 } from "../../support/fake-registry.ts";
import { manualClock } from "../xds/support.ts";
import { moduleBytes, remoteCode } from "./support.ts";

interface Fetch {
  readonly code: RemoteCode;
  readonly known: (digest: string) => Uint8Array | undefined;
  readonly signal: AbortSignal;
  succeed(bytes: Uint8Array, digest?: string): Promise<void>;
  fail(error: Error): Promise<void>;
}

interface Rig {
  readonly directory: string;
  readonly modules: RemoteModules;
  readonly clock: ReturnType<typeof manualClock>;
  readonly fetches: Fetch[];
  readonly stat: (name: string) => number;
  readonly log: string[];
  /** How often it called back. */
  readonly changes: () => number;
  /** As after a restart, with the same folder. */
  restart(): Rig;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function start(t: TestContext, options: Partial<ConstructorParameters<typeof RemoteModules>[0]> = {}, given?: string): Rig {
  const directory = given ?? mkdtempSync(join(tmpdir(), "sluice-remote-"));
  if (given === undefined) t.after(() => rmSync(directory, { recursive: true, force: true }));
  const store = new StatsStore(() => {});
  const clock = manualClock();
  const fetches: Fetch[] = [];
  const log: string[] = [];
  const modules = new RemoteModules({
    clock,
    log: { info: (line) => log.push(line), warn: (line) => log.push(line) },
    cache: new DiskCache({
      directory,
      maxBytes: 1_000_000,
      expiryMs: 86_400_000,
      uid: undefined,
      nowMs: () => clock.nowMs(),
      onProblem: (line) => log.push(line),
    }),
    stats: new ModuleStats(store),
    purgeIntervalMs: 3_600_000,
    maxModules: 3,
    maxDownloads: 2,
    maxMemoryBytes: 100,
    fetch: (code, known, signal) =>
      new Promise<FetchedModule>((resolve, reject) => {
        fetches.push({
          code,
          known,
          signal,
          succeed: (bytes, digest = sha256(bytes)) => {
            resolve({ bytes, digest });
            return turn();
          },
          fail: (error) => {
            reject(error);
            return turn();
          },
        });
      }),
    ...options,
  });
  let changes = 0;
  modules.onChange(() => {
    changes++;
  });
  t.after(() => modules.close());
  const stat = (name: string): number => (name.endsWith("entries") ? store.gauge(name).value : store.counter(name).value);
  return { directory, modules, clock, fetches, stat, log, changes: () => changes, restart: () => start(t, options, directory) };
}

const url = "http://x/m.wasm";
const module = moduleBytes("m");
const ready = { sha256: sha256(module), source: url };

test("pending, then there: one download for all that ask", async (t) => {
  const { modules, fetches, stat, changes } = start(t);
  assert.deepEqual(modules.resolve(remoteCode(url)), { pending: url });
  assert.deepEqual(modules.resolve(remoteCode(url, { resource: "ns.other", resourceVersion: "7" })), { pending: url });
  assert.equal(fetches.length, 1);
  assert.equal(modules.refresh(), false);
  await fetches[0].succeed(module);
  assert.equal(changes(), 1);
  assert.equal(modules.refresh(), true);
  assert.equal(modules.refresh(), false);
  assert.deepEqual(modules.resolve(remoteCode(url)), ready);
  assert.deepEqual(Buffer.from(modules.bytesOf(ready.sha256) ?? []), module);
  assert.equal(modules.bytesOf("0".repeat(64)), undefined);
  const counted: Readonly<Record<string, number>> = {
    "wasm.remote_load_cache_entries": 1,
    "wasm.remote_load_cache_misses": 1,
    "wasm.remote_load_cache_hits": 0,
    "wasm.remote_load_fetch_successes": 1,
    istio_agent_wasm_cache_entries: 1,
    "istio_agent_wasm_cache_lookup_count.hit.false": 1,
    "istio_agent_wasm_remote_fetch_count.result.success": 1,
    "istio_agent_wasm_config_conversion_count.result.success": 1,
  };
  for (const [name, value] of Object.entries(counted)) assert.equal(stat(name), value, name);
});

const asksAgain: readonly (readonly [what: string, code: RemoteCode, second: Partial<RemoteCode>, asks: boolean])[] = [
  ["by URL", remoteCode(url), { resourceVersion: "2" }, false],
  ["by URL, always", remoteCode(url, { pullPolicy: "ALWAYS" }), { resourceVersion: "2" }, true],
  ["by URL, always, the same version", remoteCode(url, { pullPolicy: "ALWAYS" }), {}, false],
  ["by URL, always, with its digest", remoteCode(url, { pullPolicy: "ALWAYS", sha256: sha256(module) }), { resourceVersion: "2" }, false],
  ["tag", remoteCode("oci://r.io/a:1"), { resourceVersion: "2" }, false],
  ["tag, always", remoteCode("oci://r.io/a:1", { pullPolicy: "ALWAYS" }), { resourceVersion: "2" }, true],
  ["latest", remoteCode("oci://r.io/a"), { resourceVersion: "2" }, true],
  ["latest, if not present", remoteCode("oci://r.io/a", { pullPolicy: "IF_NOT_PRESENT" }), { resourceVersion: "2" }, false],
  ["latest with a digest", remoteCode(`oci://r.io/a:latest@sha256:${sha256(module)}`), { resourceVersion: "2" }, false],
  ["another URL", remoteCode(url), { url: "http://x/n.wasm" }, true],
  ["another secret", remoteCode("oci://r.io/a:1"), { pullSecret: "{}" }, false],
];

for (const [what, code, second, asks] of asksAgain) {
  test(`asked ${asks ? "again" : "once"}: ${what}`, async (t) => {
    const { modules, fetches } = start(t);
    modules.resolve(code);
    await fetches[0].succeed(module);
    const answer = modules.resolve({ ...code, ...second });
    assert.equal("sha256" in answer, !asks);
    assert.equal(fetches.length, asks ? 2 : 1);
  });
}

test("a restart with a warm cache fetches nothing; what is always asked for has its module at hand", async (t) => {
  const rig = start(t);
  rig.modules.resolve(remoteCode(url));
  await rig.fetches[0].succeed(module);
  const latest = remoteCode("oci://r.io/a");
  rig.modules.resolve(latest);
  await rig.fetches[1].succeed(module, sha256("manifest"));
  rig.modules.close();

  const { modules, fetches, stat } = rig.restart();
  assert.equal(stat("wasm.remote_load_cache_entries"), 2);
  assert.deepEqual(modules.resolve(remoteCode(url)), ready);
  assert.deepEqual(modules.resolve(remoteCode(`oci://r.io/a@sha256:${sha256("manifest")}`)), {
    ...ready,
    source: `oci://r.io/a@sha256:${sha256("manifest")}`,
  });
  assert.equal(stat("wasm.remote_load_cache_hits"), 2);
  assert.equal(fetches.length, 0);
  assert.deepEqual(modules.resolve(latest), { pending: latest.url });
  const [{ known, succeed }] = fetches;
  assert.deepEqual(Buffer.from(known(sha256("manifest")) ?? []), module);
  assert.equal(known(sha256("other")), undefined);
  await succeed(module, sha256("manifest"));
  assert.deepEqual(modules.resolve(latest), { ...ready, source: latest.url });
});

test("a failure is remembered, tried again later and later, and ends", async (t) => {
  const { modules, clock, fetches, stat, changes, log } = start(t);
  const code = remoteCode(url);
  modules.resolve(code);
  const pauses: number[] = [];
  for (let count = 0; count < 7; count++) {
    await fetches[count].fail(new FetchError("gone"));
    assert.equal(changes(), count + 1);
    assert.deepEqual(modules.resolve(code), { problem: `cannot fetch Wasm module ${url}: gone` });
    const [{ state, retryAtMs }] = modules.states;
    assert.equal(state, "failed");
    const pauseMs = (retryAtMs ?? 0) - clock.nowMs();
    pauses.push(pauseMs / 1000);
    clock.advance(pauseMs - 1);
    assert.equal(fetches.length, count + 1);
    clock.advance(1);
    assert.equal(fetches.length, count + 2);
    // While it is tried, its failure is what is known.
    assert.ok("problem" in modules.resolve(code));
  }
  assert.deepEqual(pauses, [10, 20, 40, 80, 160, 300, 300]);
  assert.equal(stat("wasm.remote_load_cache_negative_hits"), 7);
  assert.equal(stat("wasm.remote_load_fetch_failures"), 7);
  assert.equal(log.length, 1);
  await fetches[7].succeed(module);
  assert.deepEqual(modules.resolve(code), ready);
});

test("a failure that nothing asks for any more is not tried again", async (t) => {
  const { modules, clock, fetches } = start(t);
  modules.resolve(remoteCode(url));
  await fetches[0].fail(new FetchError("gone"));
  clock.advance(10_000);
  assert.equal(fetches.length, 1);
  assert.deepEqual(modules.states, []);
});

test("how a fetch fails is counted under Istio's names", async (t) => {
  for (const result of ["download_failure", "manifest_failure", "checksum_mismatched"] as const) {
    const { modules, fetches, stat } = start(t);
    modules.resolve(remoteCode(url));
    await fetches[0].fail(new FetchError("no", { result }));
    assert.equal(stat(`istio_agent_wasm_remote_fetch_count.result.${result}`), 1);
    assert.equal(stat("istio_agent_wasm_config_conversion_count.result.fetch_failure"), 1);
  }
});

test("messages have no secrets of the URL", async (t) => {
  const { modules, fetches, log } = start(t);
  const code = remoteCode("https://me:secret@x/m.wasm?token=secret");
  assert.deepEqual(modules.resolve(code), { pending: "https://x/m.wasm" });
  await fetches[0].fail(new FetchError("no"));
  assert.deepEqual(modules.resolve(code), { problem: "cannot fetch Wasm module https://x/m.wasm: no" });
  assert.doesNotMatch(log.join() + JSON.stringify(modules.states), /secret/);
  const pinned = `oci://r.io/a@sha256:${"a".repeat(64)}`;
  assert.deepEqual(modules.resolve(remoteCode(pinned)), { pending: pinned });
});

test("a pull secret that is missing is a failure by itself", (t) => {
  const { modules, fetches } = start(t);
  assert.deepEqual(modules.resolve(remoteCode(url, { pullSecret: "" })), {
    problem: `cannot fetch Wasm module ${url}: missing image pulling secret`,
  });
  assert.equal(fetches.length, 0);
});

test("limits: downloads at a time, and modules", async (t) => {
  const { modules, fetches, stat } = start(t);
  const urls = ["a", "b", "c", "d"].map((name) => `http://x/${name}`);
  for (const each of urls.slice(0, 3)) assert.deepEqual(modules.resolve(remoteCode(each)), { pending: each });
  assert.deepEqual(modules.resolve(remoteCode(urls[3])), {
    problem: "cannot fetch Wasm module http://x/d: more than 3 are asked for",
  });
  assert.equal(stat("wasm.remote_load_overflow"), 1);
  assert.equal(fetches.length, 2);
  await fetches[0].succeed(module);
  assert.equal(fetches.length, 3);
  // One that is ready, and that nothing uses, makes room.
  assert.deepEqual(modules.resolve(remoteCode(urls[3])), { pending: urls[3] });
  modules.release(new Set([ready.sha256]));
});

test("without a disk modules are kept in memory, up to a limit", async (t) => {
  const cache = new DiskCache({
    directory: "/dev/null/x",
    maxBytes: 1,
    expiryMs: 1,
    uid: undefined,
    nowMs: () => 0,
    onProblem: () => undefined,
  });
  const { modules, fetches, stat } = start(t, { cache });
  modules.resolve(remoteCode(url));
  await fetches[0].succeed(module);
  assert.deepEqual(modules.resolve(remoteCode(url)), ready);
  assert.deepEqual(Buffer.from(modules.bytesOf(ready.sha256) ?? []), module);
  modules.resolve(remoteCode("http://x/large"));
  await fetches[1].succeed(moduleBytes("x".repeat(100)));
  const answer = modules.resolve(remoteCode("http://x/large"));
  assert.match("problem" in answer ? answer.problem : "", /more than the 100 bytes that are allowed/);
  assert.equal(stat("wasm.remote_load_overflow"), 1);
});

test("a module that is gone from the disk is fetched again", async (t) => {
  const { modules, fetches, directory } = start(t);
  modules.resolve(remoteCode(url));
  await fetches[0].succeed(module);
  assert.equal(modules.refresh(), true);
  rmSync(directory, { recursive: true });
  assert.equal(modules.bytesOf(ready.sha256), undefined);
  assert.equal(modules.refresh(), true);
  assert.deepEqual(modules.resolve(remoteCode(url)), { pending: url });
  assert.equal(fetches.length, 2);
});

test("what is in use outlives its time in the cache", async (t) => {
  const { modules, fetches, clock, stat } = start(t);
  modules.resolve(remoteCode(url));
  await fetches[0].succeed(module);
  for (let hour = 0; hour < 50; hour++) clock.advance(3_600_000);
  assert.equal(stat("wasm.remote_load_cache_entries"), 1);
  assert.ok(modules.bytesOf(ready.sha256));
});

test("closing ends what is being fetched", (t) => {
  const { modules, fetches } = start(t);
  modules.resolve(remoteCode(url));
  modules.close();
  assert.equal(fetches[0].signal.aborted, true);
});
