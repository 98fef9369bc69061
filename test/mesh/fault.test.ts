// fault beyond what is held against Envoy (test/parity/cases/fault.ts): times, the pace of a slowed response, limits.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { Clock } from "../../host/base/clock.ts";
import { ResponseLimiter } from "../../host/extensions/response-limiter.ts";
import type { FilterCallbacks } from "../../host/http/filter.ts";
import type { Json } from "../../host/xds/message.ts";
import { type Fields, startDataPlane, type TestDataPlane } from "../support/data-plane.ts";
import { ManualTime } from "../support/manual-time.ts";
import { type Client, nodeClient, nodeUpstream } from "../support/node-http.ts";

const all: Json = { numerator: 100, denominator: "HUNDRED" };
const ROUTER: Json = { name: "router", typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } };
const fault = (config: Fields): Fields => ({
  http_filters: [
    {
      name: "envoy.filters.http.fault",
      typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault", ...config },
    },
    ROUTER,
  ],
});

/** A limiter, what it let go and when it pushed back. */
function limiter(kbps: number, bufferLimit = 1_000_000): { time: ManualTime; limiter: ResponseLimiter; events: string[] } {
  const time = new ManualTime();
  const clock = new Clock(time);
  const events: string[] = [];
  const start = time.monotonicMs();
  const at = (): string => String(Math.round(time.monotonicMs() - start));
  const callbacks: Partial<FilterCallbacks> = {
    injectEncodedData: (data, endStream) => events.push(`${at()} ${data.length}${endStream ? " end" : ""}`),
    continueEncoding: () => events.push(`${at()} trailers`),
    onEncoderWatermark: (above) => events.push(above ? "above" : "below"),
    bufferLimit: () => bufferLimit,
  };
  return { time, limiter: new ResponseLimiter(kbps, clock, callbacks as FilterCallbacks), events };
}

test("a slowed response goes in slices of 50 ms, and its first second is no burst", () => {
  const { time, limiter: limited, events } = limiter(20); // 1024 bytes a slice
  limited.write(Buffer.alloc(2500), true);
  time.advance(1000);
  assert.deepEqual(events, ["1 1024", "51 1024", "101 452 end"]);
});

test("trailers wait for the body, and an empty end goes at once", () => {
  const first = limiter(20);
  first.limiter.write(Buffer.alloc(1500), false);
  assert.equal(first.limiter.holdsTrailers(), true);
  first.time.advance(1000);
  assert.deepEqual(first.events, ["1 1024", "51 476", "51 trailers"]);
  const second = limiter(20);
  second.limiter.write(Buffer.alloc(0), true);
  second.time.advance(10);
  assert.deepEqual(second.events, ["1 0 end"]);
});

test("what waits pushes back on the upstream above the limit, once", () => {
  const { time, limiter: limited, events } = limiter(20, 3000);
  limited.write(Buffer.alloc(2500), false);
  limited.write(Buffer.alloc(2500), false);
  time.advance(10_000);
  assert.deepEqual(
    events.filter((event) => event === "above" || event === "below"),
    ["above", "below"],
  );
  assert.equal(
    events.reduce((sum, event) => sum + (Number(event.split(" ")[1]) || 0), 0),
    5000,
  );
});

test("a stopped limiter lets nothing go", () => {
  const { time, limiter: limited, events } = limiter(20);
  limited.write(Buffer.alloc(2500), true);
  limited.stop();
  time.advance(1000);
  assert.deepEqual(events, []);
});

interface Started {
  readonly plane: TestDataPlane;
  readonly client: Client;
  counter(name: string): number;
}

async function start(t: { after(run: () => Promise<void>): void }, config: Fields): Promise<Started> {
  const upstream = await nodeUpstream("HTTP/1.1", () => ({ body: [Buffer.from("ok")] }));
  const plane = await startDataPlane(
    [{ name: "in", manager: { ...fault(config), use_remote_address: false } }],
    [{ name: "in", ports: [upstream.port] }],
  );
  const client = nodeClient("HTTP/1.1", plane.port("in"));
  t.after(async () => {
    client.close();
    await plane.stop();
    await upstream.close();
  });
  return { plane, client, counter: (name) => plane.counter(`http.in.fault.${name}`) };
}

test("above max_active_faults requests pass, and a fault that is over makes room", async (t) => {
  const { client, counter, plane } = await start(t, { max_active_faults: 1, delay: { fixed_delay: "0.2s", percentage: all } });
  const slow = client.send({ path: "/slow" });
  for (let i = 0; i < 200 && plane.gauge("http.in.fault.active_faults") === 0; i++) await new Promise((resolve) => setTimeout(resolve, 1));
  const before = performance.now();
  assert.equal((await client.send({ path: "/fast" })).status, 200);
  assert.ok(performance.now() - before < 150, "it did not wait");
  assert.equal((await slow).status, 200);
  assert.deepEqual([counter("delays_injected"), counter("faults_overflow"), plane.gauge("http.in.fault.active_faults")], [1, 1, 0]);
  await client.send({ path: "/again" });
  assert.equal(counter("delays_injected"), 2);
});

test("a client that leaves while it waits frees its fault", async (t) => {
  const { plane } = await start(t, { delay: { fixed_delay: "60s", percentage: all } });
  const socket = connect(plane.port("in"), "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
  const until = async (count: number): Promise<void> => {
    for (let i = 0; i < 400 && plane.gauge("http.in.fault.active_faults") !== count; i++)
      await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(plane.gauge("http.in.fault.active_faults"), count);
  };
  await until(1);
  socket.resetAndDestroy();
  await until(0);
});

test("callers that name themselves anew each time get no statistics of their own without end", async (t) => {
  const { client, counter } = await start(t, { abort: { http_status: 503, percentage: all } });
  const send = (cluster: string): Promise<unknown> =>
    client.send({ path: "/", headers: { "x-envoy-downstream-service-cluster": cluster } });
  for (let i = 0; i < 110; i++) await send(`c${i}`);
  await send("x".repeat(200));
  await send("c0");
  assert.deepEqual([counter("aborts_injected"), counter("c0.aborts_injected")], [112, 2]);
  assert.deepEqual(
    [counter("c99.aborts_injected"), counter("c100.aborts_injected"), counter(`${"x".repeat(200)}.aborts_injected`)],
    [1, 0, 0],
  );
});
