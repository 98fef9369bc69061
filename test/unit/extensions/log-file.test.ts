// Access log files: batches, a stalled or broken destination, rotation.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, renameSync, rmSync } from "node:fs";
import { constants } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Clock } from "../../../host/base/clock.ts";
import type { Logger } from "../../../host/base/log.ts";
import { systemTime } from "../../../host/base/system.ts";
import { LogFiles } from "../../../host/extensions/log-file.ts";
import { StatsStore } from "../../../host/stats/store.ts";

function rig(): { files: LogFiles; stats: StatsStore; messages: string[] } {
  const messages: string[] = [];
  const logger: Logger = { enabled: () => true, log: (_level, _component, message) => messages.push(message) };
  const stats = new StatsStore(() => {});
  return { files: new LogFiles(new Clock(systemTime), stats, logger, 5), stats, messages };
}

const counter = (stats: StatsStore, name: string): number => stats.counter(`filesystem.${name}`).value;

describe("access log files", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-log-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("lines arrive whole and in order, in few writes", async () => {
    const { files, stats } = rig();
    const path = join(folder, "a.log");
    const file = files.acquire(path);
    const lines = Array.from({ length: 5000 }, (_, i) => `line ${i}\n`);
    for (const line of lines) file.write(line);
    await files.flush();
    assert.equal(readFileSync(path, "latin1"), lines.join(""));
    assert.equal(counter(stats, "write_buffered"), 5000);
    assert.ok(counter(stats, "write_completed") < 20);
    assert.equal(stats.gauge("filesystem.write_total_buffered").value, 0);
    files.release(file);
  });

  test("a path that cannot be written is said once, counted, and stops nothing", async () => {
    const { files, stats, messages } = rig();
    const file = files.acquire(join(folder, "no", "such", "folder.log"));
    for (let i = 0; i < 3; i++) {
      file.write("x\n");
      await files.flush();
    }
    assert.equal(messages.length, 1);
    assert.match(messages[0], /ENOENT/);
    assert.equal(counter(stats, "dropped"), 3);
    files.release(file);
  });

  test("a full device drops and counts", async () => {
    const { files, stats, messages } = rig();
    const file = files.acquire("/dev/full");
    file.write("x\n");
    await files.flush();
    assert.match(messages[0], /ENOSPC/);
    assert.equal(counter(stats, "write_failed"), 1);
    files.release(file);
  });

  test("a stalled pipe holds at most a megabyte; the oldest lines go", async () => {
    const path = join(folder, "pipe");
    execFileSync("mkfifo", [path]);
    // A reader that never reads: opening for writing succeeds, the pipe fills up.
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const { files, stats } = rig();
    const file = files.acquire(path);
    const line = `${"x".repeat(1023)}\n`;
    for (let i = 0; i < 4000; i++) {
      file.write(line);
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(stats.gauge("filesystem.write_total_buffered").value <= 1024 * 1024);
    assert.ok(counter(stats, "dropped") > 1000);
    // Lets the write that waits end, so that the test does.
    const { readSync, closeSync } = await import("node:fs");
    const sink = Buffer.alloc(1 << 20);
    const deadline = performance.now() + 5000;
    while (file.pending && performance.now() < deadline) {
      try {
        readSync(reader, sink);
      } catch (error) {
        // Nothing to read at the moment.
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
      file.flush();
    }
    files.release(file);
    closeSync(reader);
  });

  test("reopen follows a rotation", async () => {
    const { files } = rig();
    const path = join(folder, "rotated.log");
    const file = files.acquire(path);
    file.write("one\n");
    await files.flush();
    renameSync(path, `${path}.1`);
    files.reopen();
    file.write("two\n");
    await files.flush();
    assert.equal(readFileSync(`${path}.1`, "latin1"), "one\n");
    assert.equal(readFileSync(path, "latin1"), "two\n");
    files.release(file);
  });
});
