// Real events of the file system: each way of changing a file is in force within 200 ms of the write, with room for a slow machine.
import assert from "node:assert/strict";
import { mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Snapshot } from "../../../host/config/snapshot.ts";
import { systemClock } from "../../../host/xds/clock.ts";
import { ConfigControl } from "../../../host/xds/control.ts";
import { loadBootstrap } from "../../../host/xds/load-bootstrap.ts";
import { clusterJson, silentLog, temporaryFolder, testServices, types } from "./support.ts";

const clusters = (name: string): string => JSON.stringify({ resources: [{ "@type": types.cluster, ...(clusterJson(name) as object) }] });

interface Case {
  readonly name: string;
  prepare(folder: string): void;
  change(folder: string): void;
}

const cases: readonly Case[] = [
  {
    name: "a write in place",
    prepare: (folder) => writeFileSync(join(folder, "cds.json"), clusters("old")),
    change: (folder) => writeFileSync(join(folder, "cds.json"), clusters("new")),
  },
  {
    name: "an atomic rename",
    prepare: (folder) => writeFileSync(join(folder, "cds.json"), clusters("old")),
    change(folder) {
      writeFileSync(join(folder, ".cds.tmp"), clusters("new"));
      renameSync(join(folder, ".cds.tmp"), join(folder, "cds.json"));
    },
  },
  {
    name: "a symlink swap",
    prepare(folder) {
      for (const [version, name] of [
        ["..1", "old"],
        ["..2", "new"],
      ]) {
        mkdirSync(join(folder, version));
        writeFileSync(join(folder, version, "cds.json"), clusters(name));
      }
      symlinkSync("..1", join(folder, "..data"));
      symlinkSync("..data/cds.json", join(folder, "cds.json"));
    },
    change(folder) {
      symlinkSync("..2", join(folder, "..new"));
      renameSync(join(folder, "..new"), join(folder, "..data"));
    },
  },
];

for (const { name, prepare, change } of cases) {
  test(name, { timeout: 10_000 }, async (t) => {
    const folder = temporaryFolder(t);
    prepare(folder);
    const services = testServices();
    const bootstrap = { dynamic_resources: { cds_config: { path_config_source: { path: join(folder, "cds.json") } } } };
    const loaded = loadBootstrap({ file: JSON.stringify(bootstrap) }, services);
    assert.ok(loaded.ok);
    let seen: (snapshot: Snapshot) => void = () => undefined;
    const control = new ConfigControl({
      loaded: loaded.value,
      services,
      clock: systemClock,
      log: silentLog,
      onSnapshot: (snapshot) => seen(snapshot),
      watch: { rescanMs: 0 },
    });
    t.after(() => control.close());
    control.start();
    assert.equal(control.snapshot?.clusters[0].name, "old");
    // fs.watch does not keep a process alive; the test does.
    const alive = setInterval(() => undefined, 1000);
    const startedAtMs = performance.now();
    const arrived = new Promise<number>((resolve) => {
      seen = (snapshot) => {
        if (snapshot.clusters[0]?.name === "new") resolve(performance.now() - startedAtMs);
      };
    });
    change(folder);
    const tookMs = await arrived;
    clearInterval(alive);
    t.diagnostic(`in force after ${tookMs.toFixed(0)} ms`);
    assert.ok(tookMs < 1000, `took ${tookMs} ms`);
  });
}
