// Linear memory stays flat however many requests pass: 100,000 through each filter, measured after a warm-up that fills every
// buffer once.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Guest, type Header } from "../support/guest-driver.ts";

const requests = 100_000;
const warmUp = 20_000;

const headers: Header[] = [
  [":authority", "a.example"],
  [":path", "/api/items?x=1"],
  [":method", "GET"],
  ["x-user", "ann"],
  ["x-many", "a"],
  ["x-many", "b"],
];

/** One request as each filter sees it. */
const filters: Record<string, { configuration: unknown; run: (guest: Guest, id: number) => void }> = {
  "header-mutation": {
    configuration: { request: { set: { "x-a": "1" }, add: { "x-b": "2" } }, response: { remove: ["server"] } },
    run: (guest, id) => {
      guest.requestHeaders(id, [...headers]);
      guest.responseHeaders(id, [[":status", "200"]]);
    },
  },
  authz: {
    configuration: {
      policies: [
        { name: "d", action: "DENY", rules: [{ when: [{ key: "request.headers[x-many]", values: ["c"] }] }] },
        { name: "a", rules: [{ to: [{ operation: { paths: ["/api/{*}"], hosts: ["A.example"] } }] }] },
      ],
    },
    run: (guest, id) => {
      assert.equal(guest.requestHeaders(id, headers), 0);
    },
  },
  "rate-limit": {
    configuration: {
      headers: true,
      limits: [{ name: "u", descriptor: [{ header: "x-user" }], tokens: 50_000, fillIntervalMs: 60_000 }],
    },
    run: (guest, id) => {
      guest.requestHeaders(id, headers);
      guest.responseHeaders(id, [[":status", "200"]]);
      guest.replies.length = 0;
    },
  },
  "body-transform": {
    configuration: { request: { replace: [{ from: "secret", to: "******" }] } },
    run: (guest, id) => {
      guest.requestHeaders(id, [...headers], false);
      const first = guest.body(id, "request", `${"x".repeat(2000)}sec`, false);
      guest.body(id, "request", `${first.text}ret`, true);
    },
  },
  callout: {
    configuration: { cluster: "check", headers: ["x-user"], upstreamHeaders: ["x-id"] },
    run: (guest, id) => {
      guest.clusters.add("check");
      guest.requestHeaders(id, [...headers]);
      const call = guest.callouts.pop();
      assert.ok(call);
      guest.answer(call, [
        [":status", "200"],
        ["x-id", "7"],
      ]);
      guest.continued.length = 0;
    },
  },
};

describe("memory over 100,000 requests", () => {
  for (const [name, { configuration, run }] of Object.entries(filters)) {
    it(`${name} stays flat`, () => {
      const guest = Guest.load(name);
      assert.equal(guest.start(configuration), true, JSON.stringify(guest.logs));
      let before = 0;
      for (let i = 0; i < requests + warmUp; i++) {
        if (i === warmUp) before = guest.memory.buffer.byteLength;
        const id = guest.stream();
        run(guest, id);
        guest.end(id);
      }
      assert.equal(guest.memory.buffer.byteLength, before);
      assert.ok(before <= 1_048_576, `${before} bytes`);
    });
  }
});
