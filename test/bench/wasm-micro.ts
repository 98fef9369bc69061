// What one stream through a wasm authorization filter costs, without a proxy around it: context creation, a request headers
// callback with three host calls, log, done, delete. Run: node dist/test/bench/wasm-micro.js
import { FakeStream } from "../unit/wasm/fake-stream.ts";
import { load, open, PRELUDE } from "../unit/wasm/guests.ts";

const GUEST = `(module
  (import "env" "proxy_get_header_map_value"
    (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value"
    (func $add (param i32 i32 i32 i32 i32) (result i32)))
  ${PRELUDE}
  (data (i32.const 1024) "authorization:pathx-authok")
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (global.set $top (i32.const 32768))
    (drop (call $get (i32.const 0) (i32.const 1024) (i32.const 13) (i32.const 512) (i32.const 516)))
    (drop (call $get (i32.const 0) (i32.const 1037) (i32.const 5) (i32.const 512) (i32.const 516)))
    (drop (call $add (i32.const 0) (i32.const 1042) (i32.const 6) (i32.const 1048) (i32.const 2)))
    (i32.const 0))
  (func (export "proxy_on_log") (param i32))
  (func (export "proxy_on_done") (param i32) (result i32) (i32.const 1))
  (func (export "proxy_on_delete") (param i32)))`;

const ROUNDS = 300_000;
const { factory } = open(await load(GUEST));
const stream = new FakeStream(factory, [
  ["authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln"],
  ["accept", "*/*"],
  ["user-agent", "bench/1.0"],
]);
stream.clearRouteCache = () => {};

function life(): void {
  const filter = factory.createFilter(stream);
  if (filter === undefined) throw new Error("no filter");
  filter.decodeHeaders(stream.request, true);
  filter.onStreamComplete();
  filter.onDestroy();
  stream.request.remove("x-auth");
}

let best = Number.POSITIVE_INFINITY;
for (let run = 0; run < 8; run++) {
  const start = process.cpuUsage();
  for (let i = 0; i < ROUNDS; i++) life();
  const spent = process.cpuUsage(start);
  best = Math.min(best, (spent.user + spent.system) / ROUNDS);
}
console.log(`stream life with three host calls: ${best.toFixed(2)} µs of CPU`);
