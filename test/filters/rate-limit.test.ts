// The rate-limit filter: buckets, refills, several workers, and races between them.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Guest, type Header, SharedState } from "../support/guest-driver.ts";

const limit = (more: Record<string, unknown> = {}): unknown => ({
  headers: true,
  limits: [{ name: "u", descriptor: [{ header: "x-user" }], tokens: 2, fillIntervalMs: 1000, ...more }],
});

function ask(guest: Guest, user: string): boolean {
  const headers: Header[] = [
    [":path", "/"],
    ["x-user", user],
  ];
  return guest.requestHeaders(guest.stream(), headers) === 0;
}

describe("rate-limit", () => {
  it("lets as many requests pass as there are tokens, for each value of the descriptor", () => {
    const guest = Guest.load("rate-limit");
    assert.ok(guest.start(limit()));
    assert.deepEqual(
      ["a", "a", "a", "b"].map((user) => ask(guest, user)),
      [true, true, false, true],
    );
    assert.deepEqual(guest.replies, [
      {
        status: 429,
        details: "rate_limited",
        headers: [
          ["x-ratelimit-limit", "2"],
          ["x-ratelimit-remaining", "0"],
          ["x-ratelimit-reset", "1"],
        ],
        body: "rate limited",
        grpcStatus: -1,
      },
    ]);
    assert.equal(guest.shared.metrics.get("rate_limit.limited"), 1n);
    assert.equal(guest.shared.metrics.get("rate_limit.passed"), 3n);
  });

  it("fills the bucket by intervals and never above its size", () => {
    const guest = Guest.load("rate-limit");
    assert.ok(guest.start(limit({ tokensPerFill: 1 })));
    assert.deepEqual([ask(guest, "a"), ask(guest, "a"), ask(guest, "a")], [true, true, false]);
    guest.nowNs += 999_999_999n;
    assert.equal(ask(guest, "a"), false);
    guest.nowNs += 1n;
    assert.deepEqual([ask(guest, "a"), ask(guest, "a")], [true, false]);
    guest.nowNs += 86_400_000_000_000n * 365n;
    assert.deepEqual([ask(guest, "a"), ask(guest, "a"), ask(guest, "a")], [true, true, false]);
  });

  it("tells clients what is left", () => {
    const guest = Guest.load("rate-limit");
    assert.ok(guest.start(limit()));
    const id = guest.stream();
    guest.requestHeaders(id, [["x-user", "a"]]);
    guest.responseHeaders(id, [[":status", "200"]]);
    assert.deepEqual(guest.maps[2], [
      [":status", "200"],
      ["x-ratelimit-limit", "2"],
      ["x-ratelimit-remaining", "1"],
      ["x-ratelimit-reset", "1"],
    ]);
  });

  it("leaves requests alone that lack the descriptor", () => {
    const guest = Guest.load("rate-limit");
    assert.ok(guest.start(limit({ tokens: 1 })));
    for (let i = 0; i < 3; i++) assert.equal(guest.requestHeaders(guest.stream(), [[":path", "/"]]), 0);
  });

  it("shares buckets between workers", () => {
    const shared = new SharedState();
    const workers = [Guest.load("rate-limit", shared), Guest.load("rate-limit", shared)];
    for (const worker of workers) assert.ok(worker.start(limit()));
    assert.deepEqual([ask(workers[0], "a"), ask(workers[1], "a"), ask(workers[0], "a"), ask(workers[1], "a")], [true, true, false, false]);
  });

  it("loses no token when two workers take at once, the first time included", () => {
    const shared = new SharedState();
    const [first, second] = [Guest.load("rate-limit", shared), Guest.load("rate-limit", shared)];
    for (const worker of [first, second]) assert.ok(worker.start(limit({ tokens: 3 })));
    for (let left = 3; left > 1; left -= 2) {
      first.beforeSharedWrite = () => {
        first.beforeSharedWrite = undefined;
        assert.equal(ask(second, "a"), true);
      };
      assert.equal(ask(first, "a"), true);
    }
    assert.deepEqual([ask(first, "a"), ask(second, "a")], [true, false]);
  });

  it("bounds the number of keys", () => {
    const guest = Guest.load("rate-limit");
    assert.ok(guest.start(limit({ maxKeys: 4 })));
    for (let i = 0; i < 100; i++) ask(guest, `user-${i}`);
    assert.ok(guest.shared.data.size <= 4);
  });

  it("refuses a limit without tokens", () => {
    const guest = Guest.load("rate-limit");
    assert.equal(guest.start({ limits: [{ name: "x" }] }), false);
    assert.equal(guest.logs[0].message, "rate-limit: limits[0].tokens: required");
  });
});
