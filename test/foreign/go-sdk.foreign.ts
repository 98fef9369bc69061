// Filters written with the Go SDK, compiled by Go itself (wasip1, c-shared), run in this runtime. Needs a Go toolchain of 1.24
// or later and its module proxy, so it is no part of `npm test`: node --test dist/test/foreign/go-sdk.foreign.js
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { PluginConfig } from "../../host/config/plugin.ts";
import { HeaderMap } from "../../host/http/header-map.ts";
import { loadModule } from "../../host/wasm/module.ts";
import { FakeStream } from "../unit/wasm/fake-stream.ts";
import { type Harness, open } from "../unit/wasm/guests.ts";

const PROGRAMS = ["headers", "body", "httpcall", "shared", "tick", "local"] as const;
type Program = (typeof PROGRAMS)[number];

/** Compiled tests stand in dist/, the Go sources where they were written. */
function sourceFolder(): string {
  const found = ["../../../test/foreign/go", "go"].map((path) => join(import.meta.dirname, path)).find(existsSync);
  if (found === undefined) throw new Error("the Go sources are not there");
  return found;
}

describe("Go SDK filters", () => {
  let folder = "";

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "sluice-go-"));
    for (const program of PROGRAMS) {
      execFileSync("go", ["build", "-buildmode=c-shared", "-o", join(folder, `${program}.wasm`), "."], {
        cwd: join(process.env.SLUICE_GO_SOURCES ?? sourceFolder(), program),
        env: { ...process.env, GOOS: "wasip1", GOARCH: "wasm" },
        stdio: ["ignore", "ignore", "inherit"],
      });
    }
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  async function start(program: Program, config: Partial<PluginConfig> = {}): Promise<Harness> {
    const result = await loadModule(readFileSync(join(folder, `${program}.wasm`)));
    assert.ok(result.ok, JSON.stringify(result));
    const harness = open(result.module, config, { startTimeoutMs: 5000 });
    assert.equal(harness.plugin.failure, "");
    return harness;
  }

  function criticals(harness: Harness): string[] {
    return harness.services.lines.filter((line) => line.startsWith("5 "));
  }

  function infos(harness: Harness): string[] {
    return harness.services.lines.filter((line) => line.startsWith("2 ")).map((line) => line.slice("2 test: ".length));
  }

  it("edits headers and reads configuration and properties", async () => {
    const harness = await start("headers", { configuration: Buffer.from("configured") });
    const stream = new FakeStream(harness.factory, [
      ["x-removed", "1"],
      ["x-replaced", "old"],
      ["x-bytes", "\xe9\xff"],
    ]);
    assert.equal(stream.decodeHeaders(), 0);
    assert.equal(stream.encodeHeaders(), 0);
    stream.finish();
    assert.deepEqual(criticals(harness), []);
    assert.deepEqual(stream.request.entries().slice(4), [
      ["x-bytes", "\xe9\xff"],
      ["x-added", "configured"],
      ["x-replaced", "new"],
    ]);
    assert.deepEqual(stream.response?.get("x-response"), "configured");
    assert.deepEqual(infos(harness).slice(-3), ["source 10.0.0.1:4000", "plugin test", "stream 2 done"]);
  });

  it("refuses to start without a configuration", async () => {
    const result = await loadModule(readFileSync(join(folder, "headers.wasm")));
    assert.ok(result.ok);
    const harness = open(result.module, {}, { startTimeoutMs: 5000 });
    assert.equal(harness.plugin.failure, "proxy_on_configure returned false");
  });

  for (const [edit, expected] of [
    ["prepend", "<hello world"],
    ["append", "hello world>"],
    ["replace", "replaced"],
    ["none", "hello world"],
  ] as const) {
    it(`edits a body in two chunks: ${edit}`, async () => {
      const harness = await start("body");
      const stream = new FakeStream(harness.factory, [
        ["x-edit", edit],
        ["content-length", "11"],
      ]);
      assert.equal(stream.decodeHeaders(false), 0);
      assert.equal(stream.decodeData("hello ", false), 1);
      assert.equal(stream.decodeData("world", true), 0);
      assert.equal(Buffer.from(stream.requestBody.bytes()).toString(), expected);
      assert.equal(stream.request.has("content-length"), false);
      assert.deepEqual(infos(harness), ["body of 11 bytes: hello world"]);
      assert.deepEqual(criticals(harness), []);
    });
  }

  it("answers by itself", async () => {
    const harness = await start("body");
    const stream = new FakeStream(harness.factory);
    stream.passReplies = true;
    assert.equal(stream.decodeHeaders(true), 4);
    assert.deepEqual(
      stream.replies.map(({ status, body, headers }) => [status, body, headers]),
      [[400, "a body is needed", [["x-reason", "no body"]]]],
    );
  });

  it("holds a request for a callout", async () => {
    const harness = await start("httpcall");
    const stream = new FakeStream(harness.factory);
    assert.equal(stream.decodeHeaders(), 4);
    const [call] = harness.services.httpCalls;
    assert.deepEqual(Buffer.from(call.request.body).toString(), "ask");
    call.complete({ headers: HeaderMap.from([[":status", "200"]]), body: Buffer.from("alice") });
    assert.equal(stream.request.get("x-user"), "alice");
    assert.deepEqual(stream.events, ["clearRouteCache", "continueDecoding"]);
    assert.deepEqual(criticals(harness), []);
  });

  it("refuses when the callout fails, also after the stream is gone", async () => {
    const harness = await start("httpcall");
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders();
    harness.services.httpCalls[0].complete({ failure: "timeout" });
    assert.equal(stream.replies[0].status, 403);
    const gone = new FakeStream(harness.factory);
    gone.decodeHeaders();
    gone.finish();
    harness.services.httpCalls[1].complete({ failure: "reset" });
    assert.equal(harness.plugin.failure, "");
    assert.deepEqual(criticals(harness), []);
  });

  it("shares data, queues and metrics", async () => {
    const harness = await start("shared");
    for (let i = 0; i < 2; i++) {
      const stream = new FakeStream(harness.factory);
      stream.decodeHeaders();
      stream.finish();
    }
    for (const { queue } of harness.services.notified) harness.runtime.onQueueReady(queue);
    assert.deepEqual(infos(harness), ["request number 1", "request number 2", "dequeued /x?q=1", "dequeued /x?q=1"]);
    assert.deepEqual(
      [...harness.services.series].map(([name, { value }]) => [name, value]),
      [
        ["wasmcustom.requests", 2],
        ["wasmcustom.active", 0],
        ["wasmcustom.path_bytes", 6],
      ],
    );
    assert.deepEqual(criticals(harness), []);
  });

  it("ticks, calls out from the tick, and stops", async () => {
    const harness = await start("tick");
    for (let i = 0; i < 5; i++) {
      harness.services.advance(100);
      harness.services.httpCalls[i]?.complete({ headers: HeaderMap.from([[":status", "200"]]) });
    }
    assert.deepEqual(infos(harness), ["answer 1 with 1 headers", "answer 2 with 1 headers", "answer 3 with 1 headers"]);
    assert.equal(harness.services.armedTimers, 0);
  });

  it("is failed by a panic and reloaded", async () => {
    const harness = await start("tick", { failurePolicy: "FAIL_RELOAD" });
    const stream = new FakeStream(harness.factory);
    stream.request.set(":path", "/panic");
    assert.equal(stream.decodeHeaders(), 4);
    assert.equal(stream.replies[0].details, "wasm_fail_stream");
    assert.ok(harness.services.lines.some((line) => line.includes("asked to")));
    harness.services.advance(2000);
    const next = new FakeStream(harness.factory);
    assert.equal(next.decodeHeaders(), 0);
    assert.equal(harness.services.counters.get("wasm.test.vm_reload_success"), 1);
  });

  it("answers in the response phase and uses foreign functions", async () => {
    const harness = await start("local");
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders();
    assert.equal(stream.encodeHeaders("500"), 4);
    assert.deepEqual(
      stream.replies.map(({ status, body, headers }) => [status, body, headers]),
      [[502, "upstream failed", [["x-was", "500"]]]],
    );
    assert.deepEqual(infos(harness), ['789c gives "aaaaaaaaaaaaaaaaaaaaaaaa", <nil>', "color green, <nil>"]);
    assert.deepEqual(criticals(harness), []);
  });
});
