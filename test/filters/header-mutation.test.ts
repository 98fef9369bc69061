// The header-mutation filter: what it does to headers, and what it refuses.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Guest } from "../support/guest-driver.ts";

describe("header-mutation", () => {
  it("removes, sets, adds and appends in this order", () => {
    const guest = Guest.load("header-mutation");
    assert.ok(
      guest.start({
        request: {
          append: { "x-set": "two" },
          add: { "X-Add": "a", "x-there": "never" },
          set: { "x-set": "one" },
          remove: ["x-drop"],
        },
      }),
    );
    const id = guest.stream();
    assert.equal(
      guest.requestHeaders(id, [
        [":path", "/"],
        ["x-drop", "1"],
        ["x-drop", "2"],
        ["x-set", "0"],
        ["x-there", "t"],
      ]),
      0,
    );
    assert.deepEqual(guest.maps[0], [
      [":path", "/"],
      ["x-there", "t"],
      ["x-set", "one"],
      ["x-add", "a"],
      ["x-set", "two"],
    ]);
  });

  it("changes responses", () => {
    const guest = Guest.load("header-mutation");
    assert.ok(guest.start({ response: { set: { "x-filter": "sluice" }, remove: ["server"] } }));
    const id = guest.stream();
    guest.responseHeaders(id, [
      [":status", "200"],
      ["server", "x"],
    ]);
    assert.deepEqual(guest.maps[2], [
      [":status", "200"],
      ["x-filter", "sluice"],
    ]);
  });

  it("does nothing without a configuration, at no host call", () => {
    const guest = Guest.load("header-mutation");
    assert.ok(guest.start(""));
    const calls = guest.countCalls(() => guest.requestHeaders(guest.stream(), [[":path", "/"]]));
    assert.equal(calls, 0);
  });

  for (const [configuration, message] of [
    [{ request: { sett: {} } }, "request.sett: unknown field; known are remove, set, add, append"],
    [{ request: { set: { "a b": "1" } } }, 'request.set.a b: "a b" is not a header name'],
    [{ request: { set: { a: "1\n2" } } }, "request.set.a: a header value holds no line breaks and no NUL"],
    [{ request: { remove: ["x", ":path"] } }, "request.remove[1]: a pseudo header can only be set"],
    [{ response: { add: { "\u00e9": "1" } } }, 'response.add.\u00e9: "\u00e9" is not a header name'],
    [{ request: { set: { "a\u007f": "1" } } }, 'request.set.a\u007f: "a\u007f" is not a header name'],
    [{ request: { set: { "": "1" } } }, 'request.set.: "" is not a header name'],
    [{ request: { set: { ":": "1" } } }, 'request.set.:: ":" is not a header name'],
    [{ request: { set: { a: "\u0000" } } }, "request.set.a: a header value holds no line breaks and no NUL"],
    [{ request: { remove: {} } }, "request.remove: expected an array"],
    [{ request: [] }, "request: expected an object"],
    ["[]", "configuration: expected an object"],
    [{ request: { set: { a: 1 } } }, "request.set.a: expected a string"],
  ] as const) {
    it(`refuses: ${message}`, () => {
      const guest = Guest.load("header-mutation");
      assert.equal(guest.start(configuration), false);
      assert.deepEqual(guest.logs, [{ level: 4, message: `header-mutation: ${message}` }]);
    });
  }
});
