// The cache on disk: what was written is what is read, and nothing stays for ever.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { DiskCache } from "../../../host/modules/disk-cache.ts";
import { sha256 } from "../../support/fake-registry.ts";
import { moduleBytes } from "./support.ts";

const hourMs = 3_600_000;
const name = "oci://r.io/a/b";
const module = moduleBytes("cached");
const digest = sha256("the manifest");

interface Started {
  readonly directory: string;
  readonly cache: DiskCache;
  readonly problems: string[];
  readonly time: { nowMs: number };
  readonly again: () => DiskCache;
}

function start(t: TestContext, options: { readonly maxBytes?: number; readonly uid?: number } = {}): Started {
  const directory = join(mkdtempSync(join(tmpdir(), "sluice-cache-")), "wasm");
  t.after(() => rmSync(join(directory, ".."), { recursive: true, force: true }));
  const problems: string[] = [];
  const time = { nowMs: 1_700_000_000_000 };
  const again = (): DiskCache =>
    new DiskCache({
      directory,
      maxBytes: options.maxBytes ?? 1_000_000,
      expiryMs: 24 * hourMs,
      uid: options.uid,
      nowMs: () => time.nowMs,
      onProblem: (message) => problems.push(message),
    });
  return { directory, cache: again(), problems, time, again };
}

const fileOf = (directory: string): string => join(directory, sha256(name), `${digest}.wasm`);

test("what was put is found, also by the next process", (t) => {
  const { directory, cache, again, problems } = start(t);
  assert.equal(cache.find(name, digest), undefined);
  assert.equal(cache.put(name, `${name}:1`, digest, module), true);
  for (const each of [cache, again()]) {
    assert.deepEqual(each.find(name, digest), { bytes: module, sha256: sha256(module) });
    assert.equal(each.digestOf(name, `${name}:1`), digest);
    assert.equal(each.digestOf(name, `${name}:2`), undefined);
    assert.equal(each.find("other", digest), undefined);
    assert.equal(each.size, 1);
  }
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  assert.equal(statSync(fileOf(directory)).mode & 0o777, 0o600);
  assert.deepEqual(problems, []);
  assert.deepEqual(
    readdirSync(join(directory, sha256(name))).filter((file) => file.endsWith(".tmp")),
    [],
  );
});

const spoilings: Readonly<Record<string, (file: string) => void>> = {
  "another content": (file) => writeFileSync(file, moduleBytes("evil")),
  "cut short": (file) => writeFileSync(file, module.subarray(0, 10)),
  "another sum": (file) => writeFileSync(`${file}.sum`, "0".repeat(64)),
  "no sum": (file) => rmSync(`${file}.sum`),
  "no file": (file) => rmSync(file),
};

for (const [what, spoil] of Object.entries(spoilings)) {
  test(`not found: ${what}`, (t) => {
    const { directory, cache } = start(t);
    cache.put(name, name, digest, module);
    spoil(fileOf(directory));
    assert.equal(cache.find(name, digest), undefined);
    assert.equal(cache.put(name, name, digest, module), true);
    assert.deepEqual(cache.find(name, digest)?.bytes, module);
  });
}

test("refs that are spoiled are as if there were none", (t) => {
  const { directory, cache, problems } = start(t);
  cache.put(name, name, digest, module);
  writeFileSync(join(directory, sha256(name), "refs.json"), "{");
  assert.equal(cache.digestOf(name, name), undefined);
  assert.equal(problems.length, 1);
  writeFileSync(join(directory, sha256(name), "refs.json"), JSON.stringify({ [name]: "../../x" }));
  assert.equal(cache.digestOf(name, name), undefined);
});

test("a tag that moved", (t) => {
  const { directory, cache } = start(t);
  cache.put(name, `${name}:1`, digest, module);
  cache.put(name, `${name}:1`, sha256("two"), moduleBytes("two"));
  assert.equal(cache.digestOf(name, `${name}:1`), sha256("two"));
  cache.remember(name, `${name}:1`, digest);
  assert.equal(cache.digestOf(name, `${name}:1`), digest);
  for (let i = 0; i < 1001; i++) cache.remember(name, `${name}:t${i}`, digest);
  assert.equal(Object.keys(JSON.parse(readFileSync(join(directory, sha256(name), "refs.json"), "utf8")) as object).length, 1000);
  assert.equal(cache.digestOf(name, `${name}:1`), undefined);
});

test("what was not used for a day goes", (t) => {
  const { cache, time } = start(t);
  cache.put(name, name, digest, module);
  time.nowMs += 23 * hourMs;
  cache.purge();
  assert.ok(cache.find(name, digest));
  // Found is used.
  time.nowMs += 23 * hourMs;
  cache.purge();
  assert.equal(cache.size, 1);
  time.nowMs += 2 * hourMs;
  cache.purge();
  assert.equal(cache.size, 0);
  assert.equal(cache.find(name, digest), undefined);
});

test("over its size, what was used least lately goes", (t) => {
  const { cache, time } = start(t, { maxBytes: module.length * 3 });
  for (const each of ["a", "b", "c", "d"]) {
    time.nowMs += 1000;
    cache.put(name, `${name}:${each}`, sha256(each), moduleBytes(`cache${each}`));
    if (each === "c") cache.find(name, sha256("a"));
  }
  assert.deepEqual(
    ["a", "b", "c", "d"].map((each) => cache.find(name, sha256(each)) !== undefined),
    [true, false, true, true],
  );
});

test("a folder of someone else, or none at all: nothing is kept, and it is said once", (t) => {
  const { cache, problems } = start(t, { uid: 4242 });
  assert.equal(cache.put(name, name, digest, module), false);
  assert.equal(cache.find(name, digest), undefined);
  assert.match(problems.join(), /modules are not cached: .*: it belongs to someone else$/);
  const lines: string[] = [];
  const file = new DiskCache({
    directory: "/dev/null/x",
    maxBytes: 1,
    expiryMs: 1,
    uid: undefined,
    nowMs: () => 0,
    onProblem: (message) => lines.push(message),
  });
  assert.equal(file.put(name, name, digest, module), false);
  assert.match(lines.join(), /^modules are not cached: \/dev\/null\/x: ENOTDIR/);
});

test("a disk that refuses: said, and not kept", (t) => {
  const { directory, cache, problems } = start(t);
  assert.equal(cache.find(name, digest), undefined);
  writeFileSync(join(directory, sha256(name)), "a file where a folder should be");
  assert.equal(cache.put(name, name, digest, module), false);
  assert.match(problems[0], /^a module is not cached: /);
});
