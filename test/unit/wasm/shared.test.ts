// Shared data and queues against a plain model, at their limits, and from several threads at once.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Worker } from "node:worker_threads";
import { WasmResult } from "../../../host/wasm/abi.ts";
import { SharedArena } from "../../../host/wasm/shared-arena.ts";
import { DefaultSharedDataLimits, SharedDataStore } from "../../../host/wasm/shared-data.ts";
import { QueueResult, SharedQueueStore } from "../../../host/wasm/shared-queue.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");

describe("shared data", () => {
  it("numbers every set, and compares when asked to", () => {
    const store = new SharedDataStore(SharedArena.create(1 << 20));
    assert.equal(store.set("", "a", bytes("1"), 0), WasmResult.Ok);
    assert.deepEqual(store.get("", "a"), { value: new Uint8Array(bytes("1")), cas: 1 });
    assert.equal(store.set("", "a", bytes("2"), 2), WasmResult.CasMismatch);
    assert.equal(store.set("", "a", bytes("2"), 1), WasmResult.Ok);
    assert.equal(store.set("", "new", bytes("3"), 77), WasmResult.Ok);
    assert.equal(store.get("", "a")?.cas, 2);
    assert.equal(store.get("other", "a"), undefined);
    assert.equal(store.set("", "empty", bytes(""), 0), WasmResult.Ok);
    assert.equal(store.get("", "empty")?.value.length, 0);
  });

  it("agrees with a map over many random steps", () => {
    const store = new SharedDataStore(SharedArena.create(8 << 20));
    const model = new Map<string, string>();
    let seed = 7;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let i = 0; i < 20_000; i++) {
      const space = `vm${random(3)}`;
      const key = `key${random(200)}`;
      if (random(3) === 0) {
        const value = "v".repeat(random(300)) + i;
        assert.equal(store.set(space, key, bytes(value), 0), WasmResult.Ok);
        model.set(`${space}/${key}`, value);
      } else {
        const found = store.get(space, key);
        assert.equal(found === undefined ? undefined : Buffer.from(found.value).toString("latin1"), model.get(`${space}/${key}`));
      }
    }
  });

  it("has limits", () => {
    const store = new SharedDataStore(SharedArena.create(8 << 20));
    assert.equal(store.set("", "k".repeat(257), bytes(""), 0), WasmResult.InternalFailure);
    assert.equal(store.set("", "k", new Uint8Array((64 << 10) + 1), 0), WasmResult.InternalFailure);
    let stored = 0;
    while (store.set("", `k${stored}`, new Uint8Array(60_000), 0) === WasmResult.Ok) stored++;
    assert.equal(stored, 17);
    // A key that is there can still be replaced by something no larger.
    assert.equal(store.set("", "k0", new Uint8Array(60_000), 0), WasmResult.Ok);
    assert.equal(store.set("other", "k", bytes("x"), 0), WasmResult.Ok);
    const small = new SharedDataStore(SharedArena.create(64 << 10), { ...DefaultSharedDataLimits });
    while (small.set("", `${stored++}`, new Uint8Array(1000), 0) === WasmResult.Ok);
    assert.equal(small.get("", "17")?.value.length, 1000);
  });

  it("forgets a namespace with the last VM of its id", () => {
    const store = new SharedDataStore(SharedArena.create(1 << 20));
    for (let round = 0; round < 1000; round++) {
      store.open("vm");
      store.open("vm");
      store.set("vm", "k", new Uint8Array(5000), 0);
      store.close("vm");
      assert.ok(store.get("vm", "k"));
      store.close("vm");
      assert.equal(store.get("vm", "k"), undefined);
    }
  });

  it("loses no update between threads", async () => {
    const arena = SharedArena.create(1 << 20);
    const store = new SharedDataStore(arena);
    const modules = ["shared-arena", "shared-data"].map((name) => new URL(`../../../host/wasm/${name}.js`, import.meta.url).href);
    const code = `
      const { workerData } = require("node:worker_threads");
      Promise.all(${JSON.stringify(modules)}.map((url) => import(url))).then(([{ SharedArena }, { SharedDataStore }]) => {
        const store = new SharedDataStore(new SharedArena(workerData));
        for (let i = 0; i < 5000; i++) {
          for (;;) {
            const found = store.get("vm", "count");
            const count = found === undefined ? 0 : Number(Buffer.from(found.value).toString());
            if (store.set("vm", "count", Buffer.from(String(count + 1)), found?.cas ?? 0) === 0) break;
          }
        }
      });`;
    store.set("vm", "count", bytes("0"), 0);
    const exits = Array.from({ length: 3 }, () => {
      const worker = new Worker(code, { eval: true, workerData: arena.buffer });
      return new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
    });
    await Promise.all(exits);
    assert.equal(Buffer.from(store.get("vm", "count")?.value ?? []).toString(), "15000");
  });

  it("goes on, empty, when a thread died with the lock", () => {
    const arena = SharedArena.create(1 << 20, 50);
    const store = new SharedDataStore(arena);
    store.set("", "k", bytes("v"), 0);
    arena.lock();
    assert.equal(store.get("", "k"), undefined);
    assert.equal(arena.generation, 1);
    assert.equal(store.set("", "k", bytes("v"), 0), WasmResult.Ok);
    assert.ok(store.get("", "k"));
  });
});

describe("shared queues", () => {
  it("are numbered over the process, keep their number and their items, and belong to the last registrant", () => {
    const store = new SharedQueueStore(SharedArena.create(4 << 20));
    assert.equal(store.register("vm", "a", 0), 1);
    assert.equal(store.register("vm", "b", 0), 2);
    assert.equal(store.register("v", "ma", 0), 3);
    store.enqueue(1, bytes("x"));
    assert.equal(store.register("vm", "a", 5), 1);
    assert.equal(store.owner(1), 5);
    assert.equal(store.resolve("vm", "a"), 1);
    assert.equal(store.resolve("vm", "c"), undefined);
    assert.equal(store.owner(9), undefined);
    assert.deepEqual(store.dequeue(1), new Uint8Array(bytes("x")));
    assert.equal(store.dequeue(1), QueueResult.Empty);
    assert.equal(store.dequeue(0), QueueResult.NotFound);
    assert.equal(store.enqueue(0, bytes("x")), QueueResult.NotFound);
  });

  it("are first in first out, and bounded by items and bytes", () => {
    const store = new SharedQueueStore(SharedArena.create(8 << 20));
    store.register("vm", "q", 0);
    for (let i = 0; i < 1024; i++) assert.equal(store.enqueue(1, bytes(String(i))), QueueResult.Ok);
    assert.equal(store.enqueue(1, bytes("x")), QueueResult.Full);
    for (let i = 0; i < 1024; i++) assert.deepEqual(store.dequeue(1), new Uint8Array(bytes(String(i))));
    let items = 0;
    while (store.enqueue(1, new Uint8Array(100_000)) === QueueResult.Ok) items++;
    assert.equal(items, 10);
    let ids = 1;
    while (store.register("vm", `q${ids}`, 0) !== undefined) ids++;
    assert.equal(ids, 256);
  });
});
