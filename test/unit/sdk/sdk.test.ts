// The SDK from a user's side: compiled outside the package, driven by a small host.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { Guest, type Header } from "../../support/guest-driver.ts";
import { compileFixture, compileSource, readmeExample } from "./compile.ts";

describe("SDK", () => {
  let wasm: Uint8Array;
  before(() => {
    wasm = compileFixture("probe");
  });

  function start(): Guest {
    const guest = new Guest(wasm);
    assert.ok(guest.start(""));
    return guest;
  }

  function check(guest: Guest, name: string, text = "", more: Header[] = []): string | undefined {
    const id = guest.stream();
    guest.requestHeaders(id, [["x-check", name], ["x-text", text], ...more]);
    guest.end(id);
    return guest.maps[0]?.find(([key]) => key === "x-answer")?.[1];
  }

  for (const [text, expected] of [
    ['{"value": "a\\u00e9\\n\\"\\/"}', 'aé\n"/|0.0'],
    ['{"value": "\\ud83d\\ude00 \\ud83d 😀"}', "😀 \ufffd\ufffd\ufffd 😀|0.0"],
    ['{"value": -12.5e2}', "-12.5e2|-1250.0"],
    ['{"value": 1.5E+3}', "1.5E+3|1500.0"],
    ['{"value": 125e-2}', "125e-2|1.25"],
    ['{"value": 1e999}', "1e999|Infinity"],
    ['{"value": 0e9999999999}', "0e9999999999|0.0"],
    ['{"value": 0}', "0|0.0"],
    ['{"value": true}', "|1.0"],
    ['{"value": null}', "absent"],
    ["", "absent"],
    ['{"value": 01}', 'line 1, column 12: expected "," or "}"'],
    ['{"value": "a\nb"}', "line 1, column 13: expected the end of the string"],
    ['{"value": "\\x"}', "line 1, column 13: expected an escape"],
    ['{"value": "\\u12g4"}', "line 1, column 16: expected four hexadecimal digits"],
    ['{"value": "', "line 1, column 12: expected the end of the string"],
    ['{"value": 1} x', "line 1, column 14: expected the end of the text"],
    ['{\n "a": 1,\n "a": 2}', "line 3, column 2: expected a name not given before"],
    ['{"value" 1}', 'line 1, column 10: expected ":"'],
    ["[1, 2", 'line 1, column 6: expected "," or "]"'],
    ['{"value": tru}', "line 1, column 11: expected a value"],
    ["[".repeat(70), "line 1, column 66: expected at most 64 levels"],
  ] as const) {
    it(`reads JSON ${JSON.stringify(text.slice(0, 30))}`, () => {
      assert.equal(check(start(), "json", text), expected);
    });
  }

  it("handles bytes", () => {
    assert.equal(check(start(), "bytes", "aXb"), "2|Xb|a|axb|-1|no");
  });

  it("reads properties of every kind, absent ones included", () => {
    const guest = start();
    assert.equal(check(guest, "properties"), "null|0|plain|no path|0");
    guest.properties.set("source\0address", "1.2.3.4:5").set("destination\0port", 80).set("connection\0mtls", true).set("list", ["a", "b"]);
    assert.equal(check(guest, "properties"), "1.2.3.4:5|80|mtls|no path|2");
  });

  it("counts metrics", () => {
    const guest = start();
    assert.equal(check(guest, "metrics"), "5|5");
    assert.equal(guest.shared.metrics.get("requests.method=GET;.code=200;."), 5n);
    assert.equal(guest.shared.metrics.get("sizes"), 9n);
  });

  it("shares data with versions", () => {
    assert.equal(check(start(), "shared", "v"), "absent|v|8");
  });

  it("shares queues", () => {
    const guest = start();
    assert.equal(check(guest, "queue", "item"), "none|1");
    guest.call("proxy_on_queue_ready", guest.rootId, 1);
    guest.call("proxy_on_queue_ready", guest.rootId, 1);
    assert.deepEqual(
      guest.logs.filter(({ message }) => message.startsWith("queue")).map(({ message }) => message),
      ["queue item", "queue empty"],
    );
  });

  it("lives without a foreign function", () => {
    assert.equal(check(start(), "foreign"), "null");
  });

  it("runs several timers on one tick", () => {
    const guest = start();
    assert.equal(guest.tickPeriodMs, 100);
    const ran: string[] = [];
    for (let i = 0; i < 5; i++) {
      guest.nowNs += 100_000_000n;
      guest.logs.length = 0;
      guest.tick();
      ran.push(guest.logs.map(({ message }) => message.replace("timer ", "")).join(" "));
    }
    assert.deepEqual(ran, ["fast", "fast", "fast slow", "fast", "fast"]);
  });

  it("reads every value of a header", () => {
    const guest = start();
    check(guest, "foreign", "", [
      ["x-many", "a"],
      ["x-other", "-"],
      ["x-many", "b"],
    ]);
    assert.equal(guest.maps[0]?.find(([name]) => name === "x-all")?.[1], "a+b");
  });

  it("writes no log line below the host's level", () => {
    const guest = start();
    check(guest, "foreign");
    assert.deepEqual(guest.logs, [{ level: 2, message: "log with headers" }]);
  });

  it("turns every refused host call into a value", () => {
    const guest = start();
    const id = guest.stream();
    guest.maps[0] = undefined;
    assert.equal(guest.call("proxy_on_request_headers", id, 0, 1), 1);
    assert.equal(guest.call("proxy_on_request_headers", 999, 0, 1), 0);
    guest.call("proxy_on_log", 999);
    guest.call("proxy_on_delete", 999);
    guest.call("proxy_on_tick", 999);
  });

  it("says in one CRITICAL line why it traps", () => {
    const guest = start();
    assert.throws(() => check(guest, "trap", "x"), /unreachable/);
    assert.equal(guest.logs.length, 1);
    assert.equal(guest.logs[0].level, 5);
    assert.match(guest.logs[0].message, /^Index out of range at .*:\d+:\d+$/);
  });

  it("keeps 50,000 streams apart that end in any order", () => {
    const guest = start();
    let state = 1;
    const open: number[] = [];
    for (let i = 0; i < 50_000; i++) {
      open.push(guest.stream());
      if (open.length > 40) {
        state = (Math.imul(state, 1103515245) + 12345) >>> 0;
        const [id] = open.splice(state % open.length, 1);
        assert.equal(guest.requestHeaders(id, []), 1);
        guest.call("proxy_on_delete", id);
        assert.equal(guest.requestHeaders(id, []), 0);
      }
    }
  });
});

describe("README", () => {
  it("has a first filter that works", () => {
    const guest = new Guest(compileSource(readmeExample()));
    assert.ok(guest.start(""));
    assert.equal(guest.requestHeaders(guest.stream(), [["x-key", "open"]]), 0);
    assert.equal(guest.requestHeaders(guest.stream(), []), 1);
    assert.deepEqual(
      guest.replies.map(({ status, body }) => [status, body]),
      [[403, "closed"]],
    );
  });
});

describe("compat", () => {
  it("runs a header filter", () => {
    const guest = new Guest(compileFixture("compat-headers"));
    assert.ok(guest.start("x-internal", "stamp"));
    const id = guest.stream();
    guest.maps[0] = [];
    guest.responseHeaders(id, [
      [":status", "200"],
      ["x-internal-a", "1"],
      ["x-keep", "1"],
    ]);
    assert.deepEqual(guest.maps[2], [
      [":status", "200"],
      ["x-keep", "1"],
      ["x-stamp", "2"],
      ["x-path", ""],
    ]);
  });

  it("runs an HTTP call with a callback", () => {
    const guest = new Guest(compileFixture("compat-auth"));
    guest.clusters.add("gate");
    assert.ok(guest.start("gate", "gate"));
    const [first, second, third] = [guest.stream(), guest.stream(), guest.stream()];
    assert.equal(guest.requestHeaders(first, [[":path", "/"]]), 1);
    guest.answer(guest.callouts[0], [[":status", "200"]]);
    assert.deepEqual(
      [guest.continued, guest.maps[0]],
      [
        [0],
        [
          [":path", "/"],
          ["x-gate", "open"],
        ],
      ],
    );
    guest.requestHeaders(second, [[":path", "/"]]);
    guest.answer(guest.callouts[1], [[":status", "403"]], "shut");
    guest.requestHeaders(third, [[":path", "/"]]);
    guest.answer(guest.callouts[2], []);
    assert.deepEqual(
      guest.replies.map(({ status, body, grpcStatus }) => [status, body, grpcStatus]),
      [
        [401, "shut", 16],
        [401, "", 16],
      ],
    );
  });

  it("chooses between several root ids", () => {
    const wasm = compileFixture("compat-shared");
    const fetcher = new Guest(wasm);
    fetcher.clusters.add("tokens");
    assert.ok(fetcher.start("tokens", "fetcher"));
    assert.equal(fetcher.tickPeriodMs, 250);
    fetcher.tick();
    fetcher.answer(fetcher.callouts[0], [[":status", "200"]], "t0ken");
    const checker = new Guest(wasm, fetcher.shared);
    assert.ok(checker.start("", "checker"));
    assert.equal(checker.requestHeaders(checker.stream(), [["x-token", "t0ken"]]), 0);
    assert.equal(checker.requestHeaders(checker.stream(), [["x-token", "other"]]), 1);
    assert.deepEqual(
      checker.replies.map(({ status, headers }) => [status, headers]),
      [[401, [["x-why", "token"]]]],
    );
    const unknown = new Guest(wasm);
    assert.equal(unknown.start("", "nobody"), false);
    assert.equal(unknown.logs[0].message, 'no root context is registered for root_id "nobody"; there are "checker" "fetcher"');
  });
});
