// Random orders of events and host calls over several streams of one VM: the guest is never entered while it runs, a stream
// that is over hears nothing more, and nothing throws. The guest itself checks the first two and traps on a violation.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { WasmFilterFactory } from "../../../host/extensions/wasm/http-filter.ts";
import type { LocalReply } from "../../../host/http/filter.ts";
import { HeaderMap } from "../../../host/http/header-map.ts";
import { FakeStream } from "./fake-stream.ts";
import { type Harness, load, open, PRELUDE } from "./guests.ts";

// Where the test says what the next callback does, and what it answers.
const ACTION = 64;
const RESULT = 68;
const TARGET = 72;
const ACTIONS = 8;

const GUEST = `(module
  (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
  (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
  (import "env" "proxy_send_local_response" (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
  (import "env" "proxy_http_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  ${PRELUDE}
  (data (i32.const 2112) "\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00:method\\00GET\\00:path\\00/\\00:authority\\00a\\00web")
  (global $busy (mut i32) (i32.const 0))
  ;; One byte for each context from 4096 on: 1 while it lives.
  (func $enter (param $id i32)
    (if (global.get $busy) (then (unreachable)))
    (if (i32.ne (i32.load8_u offset=4096 (local.get $id)) (i32.const 1)) (then (unreachable)))
    (global.set $busy (i32.const 1)))
  (func $act (param $id i32) (local $action i32)
    (call $enter (local.get $id))
    (global.set $top (i32.const 32768))
    (local.set $action (i32.load (i32.const ${ACTION})))
    (if (i32.eq (local.get $action) (i32.const 1)) (then (drop (call $continue (i32.const 0)))))
    (if (i32.eq (local.get $action) (i32.const 2)) (then (drop (call $continue (i32.const 1)))))
    (if (i32.eq (local.get $action) (i32.const 3)) (then (call $answer)))
    (if (i32.eq (local.get $action) (i32.const 4)) (then (drop (call $close (i32.const 0)))))
    (if (i32.eq (local.get $action) (i32.const 5)) (then
      (drop (call $call (i32.const 2173) (i32.const 3) (i32.const 2112) (i32.const 61) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 100) (i32.const 3000)))))
    (if (i32.eq (local.get $action) (i32.const 6)) (then
      (drop (call $effective (i32.load (i32.const ${TARGET})))) (call $answer)))
    (if (i32.eq (local.get $action) (i32.const 7)) (then
      (drop (call $effective (i32.load (i32.const ${TARGET})))) (drop (call $continue (i32.const 0)))))
    (global.set $busy (i32.const 0)))
  (func $answer
    (drop (call $reply (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1))))
  (func (export "proxy_on_context_create") (param $id i32) (param i32)
    (if (global.get $busy) (then (unreachable)))
    (i32.store8 offset=4096 (local.get $id) (i32.const 1)))
  (func (export "proxy_on_delete") (param $id i32)
    (call $enter (local.get $id))
    (i32.store8 offset=4096 (local.get $id) (i32.const 2))
    (global.set $busy (i32.const 0)))
  ${["request_headers", "request_body", "response_headers", "response_body"]
    .map(
      (name) => `(func (export "proxy_on_${name}") (param $id i32) (param i32 i32) (result i32)
        (call $act (local.get $id)) (i32.load (i32.const ${RESULT})))`,
    )
    .join("\n")}
  (func (export "proxy_on_http_call_response") (param $id i32) (param i32 i32 i32 i32) (call $act (local.get $id)))
  (func (export "proxy_on_log") (param $id i32) (call $act (local.get $id)))
  (func (export "proxy_on_done") (param $id i32) (result i32) (call $act (local.get $id)) (i32.const 1)))`;

/** Behaves as a chain does: a continue delivers what waited, a reply runs through the filter's response callbacks. */
class ReenteringStream extends FakeStream {
  private isOver = false;
  private depth = 0;

  override continueDecoding(): void {
    super.continueDecoding();
    if (!this.isOver && this.depth++ < 3) this.decodeData("more", true);
  }

  override continueEncoding(): void {
    super.continueEncoding();
    if (!this.isOver && this.depth++ < 3) this.encodeData("more", true);
  }

  override sendLocalReply(reply: LocalReply): void {
    if (this.replies.length > 0) return;
    super.sendLocalReply(reply);
    this.encodeHeaders(String(reply.status), false);
    this.encodeData(reply.body, true);
  }

  override finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    super.finish();
  }

  get ended(): boolean {
    return this.isOver;
  }
}

interface Step {
  readonly event: number;
  readonly stream: number;
  readonly action: number;
  readonly result: number;
  readonly target: number;
}

const steps = fc.array(
  fc.record({
    event: fc.nat(6),
    stream: fc.nat(2),
    action: fc.nat(ACTIONS - 1),
    result: fc.nat(5),
    target: fc.nat(6),
  }),
  { maxLength: 40 },
);

function play(harness: Harness, factory: WasmFilterFactory, script: readonly Step[]): void {
  const streams = Array.from({ length: 3 }, () => new ReenteringStream(factory));
  for (const step of script) {
    const { view } = harness.engine;
    view.setInt32(ACTION, step.action, true);
    view.setInt32(RESULT, step.result, true);
    view.setInt32(TARGET, step.target, true);
    const stream = streams[step.stream];
    harness.services.advance(1);
    if (step.event === 6) harness.services.answerAtOnce = step.result > 2 ? {} : undefined;
    if (step.event === 5) harness.services.httpCalls.shift()?.complete({ headers: HeaderMap.from([[":status", "200"]]) });
    if (stream.ended) continue;
    if (step.event === 0) stream.decodeHeaders(false);
    if (step.event === 1) stream.decodeData("x", false);
    if (step.event === 2) stream.encodeHeaders("200", false);
    if (step.event === 3) stream.encodeData("y", false);
    if (step.event === 4) stream.finish();
  }
  for (const stream of streams) stream.finish();
  factory.close();
}

describe("random orders", () => {
  it("keep the rules of re-entrancy", async () => {
    const module = await load(GUEST);
    fc.assert(
      fc.property(steps, (script) => {
        const harness = open(module);
        play(harness, harness.factory, script);
        assert.equal(harness.plugin.failure, "");
        assert.equal(harness.services.counters.get("wasm.host_call_error"), undefined);
        assert.equal(harness.services.counters.get("wasm.envoy.wasm.runtime.v8.active"), 0);
      }),
      { numRuns: 1000 },
    );
  });
});
