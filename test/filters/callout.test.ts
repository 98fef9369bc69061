// The callout filter: what it asks, what each answer does to the request, and what happens without an answer.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Callout, Guest, type Header } from "../support/guest-driver.ts";

const configuration = {
  cluster: "check",
  path: "/check",
  headers: ["x-user", "x-none"],
  upstreamHeaders: ["x-id"],
  timeoutMs: 250,
};

function ask(more: Record<string, unknown> = {}): { guest: Guest; id: number; call: Callout } {
  const guest = Guest.load("callout");
  guest.clusters.add("check");
  assert.ok(guest.start({ ...configuration, ...more }));
  const id = guest.stream();
  const headers: Header[] = [
    [":method", "PUT"],
    [":path", "/p?q"],
    ["x-user", "ann"],
    ["x-id", "forged"],
    ["content-length", "9"],
  ];
  assert.equal(guest.requestHeaders(id, headers, false), 4);
  return { guest, id, call: guest.callouts[0] };
}

describe("callout", () => {
  it("passes the chosen headers and nothing else", () => {
    const { call } = ask();
    assert.equal(call.timeoutMs, 250);
    assert.deepEqual(call.headers, [
      [":method", "GET"],
      [":path", "/check"],
      [":authority", "check"],
      ["x-original-method", "PUT"],
      ["x-original-path", "/p?q"],
      ["x-user", "ann"],
    ]);
  });

  it("resumes an allowed request with the headers of the answer", () => {
    const { guest, id, call } = ask();
    guest.answer(call, [
      [":status", "200"],
      ["x-id", "7"],
    ]);
    assert.deepEqual(guest.continued, [0]);
    assert.equal(guest.effective, id);
    assert.deepEqual(
      guest.maps[0]?.filter(([name]) => name === "x-id"),
      [["x-id", "7"]],
    );
  });

  it("drops the client's header when the answer has none", () => {
    const { guest, call } = ask();
    guest.answer(call, [[":status", "200"]]);
    assert.deepEqual(
      guest.maps[0]?.filter(([name]) => name === "x-id"),
      [],
    );
  });

  it("carries a denied reply through", () => {
    const { guest, call } = ask();
    guest.answer(
      call,
      [
        [":status", "401"],
        ["www-authenticate", "Basic"],
        ["content-length", "4"],
        ["date", "x"],
        ["set-cookie", "a"],
        ["set-cookie", "b"],
      ],
      "who?",
    );
    assert.deepEqual(guest.continued, []);
    assert.deepEqual(guest.replies, [
      {
        status: 401,
        details: "callout_denied",
        headers: [
          ["www-authenticate", "Basic"],
          ["set-cookie", "a"],
          ["set-cookie", "b"],
        ],
        body: "who?",
        grpcStatus: -1,
      },
    ]);
  });

  for (const [name, headers] of [
    ["a reset", []],
    ["a timeout", [[":status", "504"]]],
    ["a server error", [[":status", "500"]]],
  ] as const) {
    it(`denies after ${name} by default, and allows when told so`, () => {
      const closed = ask();
      closed.guest.answer(
        closed.call,
        headers.map(([key, value]): Header => [key, value]),
      );
      assert.deepEqual(
        closed.guest.replies.map(({ status, details }) => [status, details]),
        [[403, "callout_failed"]],
      );
      const open = ask({ failureMode: "allow" });
      open.guest.answer(
        open.call,
        headers.map(([key, value]): Header => [key, value]),
      );
      assert.deepEqual(open.guest.continued, [0]);
      assert.deepEqual(
        open.guest.maps[0]?.filter(([key]) => key === "x-id"),
        [],
      );
    });
  }

  it("drops an answer that comes after the stream", () => {
    const { guest, id, call } = ask();
    guest.end(id);
    guest.answer(call, [[":status", "401"]]);
    assert.deepEqual([guest.replies, guest.continued], [[], []]);
  });

  it("applies the failure mode at once when the cluster is unknown", () => {
    for (const [failureMode, action] of [
      ["deny", 1],
      ["allow", 0],
    ] as const) {
      const guest = Guest.load("callout");
      assert.ok(guest.start({ ...configuration, failureMode }));
      assert.equal(
        guest.requestHeaders(guest.stream(), [
          [":path", "/"],
          ["x-id", "forged"],
        ]),
        action,
      );
      assert.equal(guest.replies.length, action);
    }
  });

  for (const [more, message] of [
    [{ cluster: "" }, "cluster: required"],
    [{ headers: ["content-length"] }, 'headers[0]: "content-length" cannot be passed on'],
    [{ failureMode: "open" }, 'failureMode: "open" is not one of deny, allow'],
    [{ timeoutMs: 0 }, "timeoutMs: 0 is not a whole number from 1 to 60000"],
  ] as const) {
    it(`refuses: ${message}`, () => {
      const guest = Guest.load("callout");
      assert.equal(guest.start({ ...configuration, ...more }), false);
      assert.equal(guest.logs[0].message, `callout: ${message}`);
    });
  }
});
