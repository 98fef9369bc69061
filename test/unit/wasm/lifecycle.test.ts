// Order of callbacks, deferral, effective context, local replies: the semantics of proxy-wasm as Envoy has them.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderMap } from "../../../host/http/header-map.ts";
import { FakeStream } from "./fake-stream.ts";
import { type Harness, LOG_IMPORT, load, open, PRELUDE } from "./guests.ts";

const IMPORTS = `
  ${LOG_IMPORT}
  (import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_done" (func $done (result i32)))
  (import "env" "proxy_set_header_map_pairs" (func $set (param i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
`;

const CALL_DATA = `(data (i32.const 2112) "\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00:method\\00GET\\00:path\\00/\\00:authority\\00a\\00")
  (data (i32.const 2200) "web")`;
const CALL = `(drop (call $call (i32.const 2200) (i32.const 3) (i32.const 2112) (i32.const 61) (i32.const 0) (i32.const 0)
  (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 3000)))`;
const REPLY = (status: number): string =>
  `(drop (call $reply (i32.const ${status}) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))`;

/** Every callback logs one letter with its context's number, and then runs what the test gives for it. */
function guest(bodies: Record<string, string>, results: Record<string, number> = {}): string {
  const callbacks: [string, string, number, boolean][] = [
    ["proxy_on_context_create", "c", 2, false],
    ["proxy_on_vm_start", "s", 2, true],
    ["proxy_on_configure", "f", 2, true],
    ["proxy_on_request_headers", "H", 3, true],
    ["proxy_on_request_body", "B", 3, true],
    ["proxy_on_response_headers", "R", 3, true],
    ["proxy_on_http_call_response", "A", 5, false],
    ["proxy_on_tick", "t", 1, false],
    ["proxy_on_log", "l", 1, false],
    ["proxy_on_done", "d", 1, true],
    ["proxy_on_delete", "x", 1, false],
  ];
  const functions = callbacks.map(([name, letter, params, hasResult]) => {
    const isTrue = ["s", "f", "d"].includes(letter);
    return `(func (export "${name}") (param $id i32) (param ${"i32 ".repeat(params - 1)}) ${hasResult ? "(result i32)" : ""}
      (i32.store8 (i32.const 16) (i32.const ${letter.charCodeAt(0)}))
      (i32.store8 (i32.const 17) (i32.add (i32.const 48) (local.get $id)))
      (drop (call $log (i32.const 2) (i32.const 16) (i32.const 2)))
      ${bodies[letter] ?? ""}
      ${hasResult ? `(i32.const ${results[letter] ?? (isTrue ? 1 : 0)})` : ""})`;
  });
  return `(module ${IMPORTS} ${PRELUDE} ${CALL_DATA} (data (i32.const 1024) "x-new")
    (global $stream (mut i32) (i32.const 0)) ${functions.join("\n")})`;
}

function trace(harness: Harness): string {
  return harness.services.lines
    .filter((line) => line.startsWith("2 test: "))
    .map((line) => line.slice(8))
    .join(" ");
}

async function started(bodies: Record<string, string> = {}, results: Record<string, number> = {}): Promise<Harness> {
  const harness = open(await load(guest(bodies, results)));
  assert.equal(harness.plugin.failure, "");
  return harness;
}

describe("life cycle", () => {
  it("runs in Envoy's order, and logs streams that the filter never saw", async () => {
    const harness = await started();
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders(false);
    stream.decodeData("x");
    stream.encodeHeaders();
    stream.finish();
    new FakeStream(harness.factory).finish();
    harness.factory.close();
    assert.equal(trace(harness), "c1 s1 f1 c2 H2 B2 R2 l2 d2 x2 c3 l3 d3 x3 d1 x1");
    assert.equal(harness.services.counters.get("wasm.envoy.wasm.runtime.v8.active"), 0);
  });

  it("keeps a root until its streams are over and proxy_done is called", async () => {
    const harness = await started({ f: "(drop (call $tick (i32.const 100)))", t: "(drop (call $done))" }, { d: 0 });
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders();
    harness.factory.close();
    assert.equal(trace(harness), "c1 s1 f1 c2 H2");
    stream.finish();
    assert.equal(trace(harness), "c1 s1 f1 c2 H2 l2 d2 x2 d1");
    harness.services.advance(100);
    assert.equal(trace(harness), "c1 s1 f1 c2 H2 l2 d2 x2 d1 t1 x1");
    assert.equal(harness.services.armedTimers, 0);
  });

  it("refuses a plugin whose start or configuration says no", async () => {
    for (const [letter, name] of [
      ["s", "proxy_on_vm_start"],
      ["f", "proxy_on_configure"],
    ] as const) {
      const harness = open(await load(guest({}, { [letter]: 0 })));
      assert.equal(harness.plugin.failure, `${name} returned false`);
      assert.equal(harness.factory.createFilter(new FakeStream(harness.factory))?.constructor.name, "FailClosedFilter");
    }
  });
});

describe("results", () => {
  for (const [raw, expected] of [
    [0, 0],
    [1, 4],
    [2, 0],
    [3, 3],
    [4, 4],
    [9, 4],
    [-1, 4],
  ] as const) {
    it(`headers result ${raw} means ${expected}`, async () => {
      const harness = await started({}, { H: raw, R: raw });
      const stream = new FakeStream(harness.factory);
      assert.equal(stream.decodeHeaders(), expected);
      assert.equal(stream.encodeHeaders(), expected);
    });
  }

  it("headers result 1 is StopIteration where the plugin asks for it", async () => {
    const harness = open(await load(guest({}, { H: 1 })), { allowOnHeadersStopIteration: true });
    assert.equal(new FakeStream(harness.factory).decodeHeaders(), 1);
  });

  for (const [raw, expected] of [
    [0, 0],
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 3],
  ] as const) {
    it(`body result ${raw} means ${expected}`, async () => {
      const harness = await started({}, { B: raw });
      const stream = new FakeStream(harness.factory);
      stream.decodeHeaders(false);
      assert.equal(stream.decodeData("x"), expected);
    });
  }

  it("a continue in the same callback overrides its pause, and one in the other direction is deferred", async () => {
    const harness = await started({ H: "(drop (call $continue (i32.const 0)))", R: "(drop (call $continue (i32.const 0)))" }, { H: 1 });
    const stream = new FakeStream(harness.factory);
    assert.equal(stream.decodeHeaders(), 0);
    assert.deepEqual(stream.events, []);
    stream.encodeHeaders();
    assert.deepEqual(stream.events, ["continueDecoding"]);
  });
});

describe("local replies", () => {
  it("stop the message whatever the callback answers, after the guest call", async () => {
    for (const result of [0, 1]) {
      const harness = await started({ H: REPLY(403) }, { H: result });
      const stream = new FakeStream(harness.factory);
      stream.passReplies = true;
      assert.equal(stream.decodeHeaders(), 4);
      assert.equal(stream.replies.length, 1);
      // The reply passes the response callback of the same filter once H is over.
      assert.equal(trace(harness), "c1 s1 f1 c2 H2 R2");
    }
  });

  it("the first of one callback wins", async () => {
    const harness = await started({ H: REPLY(403) + REPLY(404) });
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders();
    assert.deepEqual(
      stream.replies.map(({ status }) => status),
      [403],
    );
  });

  it("a reply from a body callback stops without buffering", async () => {
    const harness = await started({ B: REPLY(403) });
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders(false);
    assert.equal(stream.decodeData("x"), 3);
  });

  it("have no effect on a root context", async () => {
    const harness = await started({ f: `(drop (call $tick (i32.const 100)))`, t: REPLY(403) });
    harness.services.advance(100);
    assert.match(harness.services.lines.at(-1) ?? "", /has no effect/);
  });
});

describe("callouts", () => {
  const remember = "(global.set $stream (local.get $id))";
  const resume = "(drop (call $effective (global.get $stream))) (drop (call $continue (i32.const 0)))";

  it("come back on the root context and act through the effective context", async () => {
    const harness = await started({ H: remember + CALL, A: resume }, { H: 1 });
    const stream = new FakeStream(harness.factory);
    assert.equal(stream.decodeHeaders(), 4);
    harness.services.httpCalls[0].complete({ headers: HeaderMap.from([[":status", "200"]]) });
    assert.equal(trace(harness), "c1 s1 f1 c2 H2 A1");
    assert.deepEqual(stream.events, ["continueDecoding"]);
  });

  it("that end at once are delivered in a later turn", async () => {
    const harness = await started({ H: remember + CALL, A: resume }, { H: 1 });
    harness.services.answerAtOnce = {};
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders();
    assert.equal(trace(harness), "c1 s1 f1 c2 H2");
    harness.services.advance(1);
    assert.equal(trace(harness), "c1 s1 f1 c2 H2 A1");
  });

  it("survive their stream; a stale id is refused, and nothing happens to it", async () => {
    const harness = await started({ H: remember + CALL, A: resume });
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders();
    stream.finish();
    harness.services.httpCalls[0].complete({});
    assert.equal(trace(harness), "c1 s1 f1 c2 H2 l2 d2 x2 A1");
    assert.deepEqual(stream.events, []);
  });

  it("are cancelled with their root", async () => {
    const harness = await started({ f: CALL });
    harness.factory.close();
    assert.equal(harness.services.httpCalls[0].isCancelled, true);
  });

  it("are bounded for each stream", async () => {
    const harness = await started({ H: CALL.repeat(11) });
    new FakeStream(harness.factory).decodeHeaders();
    assert.equal(harness.services.httpCalls.length, 10);
    assert.equal(harness.services.counters.get("wasm.http_call_overflow"), 1);
  });

  it("have a bounded timeout", async () => {
    const harness = await started({ H: CALL.replace("(i32.const 100)", "(i32.const 0)") });
    new FakeStream(harness.factory).decodeHeaders();
    assert.equal(harness.services.httpCalls[0].request.timeoutMs, 30_000);
  });
});

describe("headers", () => {
  const add = "(drop (call $add (i32.const 0) (i32.const 1024) (i32.const 5) (i32.const 1024) (i32.const 5)))";

  it("choose the route again when they are changed", async () => {
    const harness = await started({ H: add });
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders();
    assert.equal(stream.request.get("x-new"), "x-new");
    assert.deepEqual(stream.events, ["clearRouteCache"]);
  });

  it("cannot be changed once passed on", async () => {
    const harness = await started({ B: add, R: add });
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders(false);
    stream.decodeData("x");
    stream.encodeHeaders();
    assert.equal(stream.request.has("x-new"), false);
  });

  it("can be changed from a body callback while they are held", async () => {
    const harness = open(await load(guest({ B: add }, { H: 1 })), { allowOnHeadersStopIteration: true });
    const stream = new FakeStream(harness.factory);
    stream.decodeHeaders(false);
    stream.decodeData("x");
    assert.equal(stream.request.get("x-new"), "x-new");
  });
});
