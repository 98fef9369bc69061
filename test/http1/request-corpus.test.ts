// Every case of the request corpus through the whole data plane, over real sockets, in each way of delivery:
//   whole     one write
//   bytes     a byte at a time (larger cases in small pieces, so that a byte costs no turn of the loop)
//   splits    two writes, cut at every offset (cases under 512 bytes)
//   between   after a valid request and before a canary
// and whole again through a route that allows upgrades, through a filter that holds the body, and with trailers on.
// A lane is one listener, cluster and upstream: what an upstream saw belongs to the one case that its lane runs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FilterDataStatus, FilterHeadersStatus, type StreamFilterFactory, PassThroughFilter } from "../../host/http/filter.ts";
import { type Fields, startDataPlane, type TestDataPlane } from "../support/data-plane.ts";
import { RawClient, turn, withDeadline } from "../support/raw-client.ts";
import { RawUpstream } from "../support/raw-upstream.ts";
import { CANARY, judge, loadCases, type Outcome, PREFIX, type RequestCase, ROUTES, type Route } from "./request-cases.ts";

const MODES = ["whole", "bytes", "splits", "between"] as const;
type Mode = (typeof MODES)[number];

interface Delivery {
  readonly given: RequestCase;
  readonly mode: Mode;
  readonly route: Route;
  /** Of a split. */
  readonly cut: number;
}

/** "patient": a streaming route for cases in many pieces, which on a busy machine take longer than the time for a head. */
const QUEUES = [...ROUTES, "patient"] as const;
type Queue = (typeof QUEUES)[number];
const LANES: Readonly<Record<Queue, number>> = { streaming: 48, upgrade: 12, buffering: 12, trailers: 12, patient: 12 };
const TIMEOUTS: Fields = { request_headers_timeout: "2s", stream_idle_timeout: "2s" };
const MANAGERS: Readonly<Record<Queue, Fields>> = {
  patient: {},
  streaming: TIMEOUTS,
  upgrade: { ...TIMEOUTS, upgrade_configs: [{ upgrade_type: "websocket" }, { upgrade_type: "CONNECT" }] },
  buffering: TIMEOUTS,
  trailers: { ...TIMEOUTS, http_protocol_options: { enable_trailers: true } },
};
/** No case waits longer than the idle timeout of 2 s and the reply; on a busy machine that takes its time. */
const PATIENCE_MS = 15_000;

/** Holds the whole request body, as a filter does that must see it before it decides. */
class BufferingFilter extends PassThroughFilter {
  override decodeHeaders(_headers: unknown, endStream: boolean): FilterHeadersStatus {
    return endStream ? FilterHeadersStatus.Continue : FilterHeadersStatus.StopIteration;
  }
  override decodeData(_data: Uint8Array, endStream: boolean): FilterDataStatus {
    return endStream ? FilterDataStatus.Continue : FilterDataStatus.StopIterationAndBuffer;
  }
}
const buffering: StreamFilterFactory = { name: "buffering", createFilter: () => new BufferingFilter(), close: () => {} };

interface Lane {
  readonly queue: Queue;
  readonly port: number;
  readonly upstream: RawUpstream;
}

async function deliver(lane: Lane, { given, mode, route, cut }: Delivery): Promise<string[]> {
  const { upstream } = lane;
  upstream.forget();
  const hasPrefix = mode === "between";
  const hasCanary = mode === "between" && given.eof !== true && given.delivery !== "stall";
  const client = await new RawClient(lane.port, hasPrefix ? ["GET"] : [/^\w+/.exec(given.raw)?.[0] ?? ""]).connected();
  await turn();
  const raw = (hasPrefix ? PREFIX : "") + given.raw + (hasCanary ? CANARY : "");
  if (mode === "bytes" || given.delivery === "byte-at-a-time") {
    // More than 512 turns of the loop would take longer than the time for a head.
    const size = Math.ceil(raw.length / 512);
    for (let at = 0; at < raw.length && !client.hasEnded; at += size) {
      client.write(raw.slice(at, at + size));
      await turn();
    }
  } else if (mode === "splits") {
    client.write(raw.slice(0, cut));
    await turn();
    client.write(raw.slice(cut));
  } else client.write(raw);
  if (given.eof === true) client.socket.end();

  const wanted = (given.upstream?.count ?? 1) + (hasPrefix ? 1 : 0) + (hasCanary ? 1 : 0);
  const isServed = (): boolean => given.expect !== "reject" && client.responses.length >= wanted;
  // Refusals end with the end of the connection, everything else with its answers.
  const isDone = await client.untilOrTimeout(
    () => client.hasEnded || isServed() || (given.statusAny?.includes(200) === true && client.responses.length >= wanted),
    PATIENCE_MS,
  );
  const closes = client.responses.at(-1)?.headers.some(([name, value]) => name === "connection" && value === "close") === true;
  if (isDone && closes) await client.untilOrTimeout(() => client.hasEnded, PATIENCE_MS);
  const isClosed = client.hasEnded;
  client.socket.resetAndDestroy();
  const leftOpen = (): number =>
    upstream.connections.reduce((sum, c) => sum + (c.isClosed ? 0 : c.reader.messages.filter((message) => !message.complete).length), 0);
  // What the data plane wrote or aborted last is on its way to the upstream for a turn or two.
  for (let turns = 0; turns < 4; turns++) await turn();
  await withDeadline(
    upstream.until(() => leftOpen() === 0),
    1000,
  );
  const outcome: Outcome = {
    route,
    hasPrefix,
    hasCanary,
    responses: client.responses,
    isClosed,
    clientBreaches: client.reader.breaches,
    requests: upstream.requests,
    leftOpen: leftOpen(),
    upstreamBytes: upstream.bytes,
    upstreamBreaches: upstream.breaches,
  };
  const problems = judge(given, outcome);
  if (!isDone) problems.unshift(`nothing happened for ${PATIENCE_MS} ms`);
  return problems;
}

function isWaiting({ given }: Delivery): boolean {
  return given.delivery === "stall" || given.neverCompletes === true;
}

function queueOf(delivery: Delivery): Queue {
  const needsTimeout = delivery.given.delivery === "stall" || delivery.given.statusAny?.includes(408) === true;
  return delivery.mode === "bytes" && !needsTimeout ? "patient" : delivery.route;
}

function deliveries(cases: readonly RequestCase[]): Delivery[] {
  const all: Delivery[] = [];
  for (const given of cases) {
    const routes = ROUTES.filter((route) => given.routes?.includes(route) ?? true);
    for (const route of routes) all.push({ given, mode: "whole", route, cut: 0 }, { given, mode: "between", route, cut: 0 });
    if (!routes.includes("streaming")) continue;
    all.push({ given, mode: "bytes", route: "streaming", cut: 0 });
    if (given.raw.length >= 512 || given.delivery === "stall") continue;
    for (let cut = 1; cut < given.raw.length; cut++) all.push({ given, mode: "splits", route: "streaming", cut });
  }
  // Those that wait for a timeout first: the others run meanwhile.
  return all.sort((a, b) => Number(isWaiting(b)) - Number(isWaiting(a)));
}

test("request corpus", { timeout: 120_000 }, async (t) => {
  const cases = ["http1-cases.json", "http1-own.json"].flatMap((name) =>
    loadCases(new URL(`../../../test/corpora/${name}`, import.meta.url)),
  );
  const startedAt = performance.now();
  const names = QUEUES.flatMap((queue) => Array.from({ length: LANES[queue] }, (_, i) => ({ queue, name: `${queue}-${i}` })));
  const upstreams = await Promise.all(names.map(() => new RawUpstream().listen()));
  const plane: TestDataPlane = await startDataPlane(
    names.map(({ queue, name }) => ({ name, manager: MANAGERS[queue], filters: queue === "buffering" ? ["buffering"] : [] })),
    names.map(({ queue, name }, i) => ({ name, ports: [upstreams[i].port], http1: { enable_trailers: queue === "trailers" } })),
    { filters: { buffering } },
  );
  t.after(async () => {
    await plane.stop();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
  });

  const queues = new Map<Queue, Delivery[]>(QUEUES.map((queue) => [queue, []]));
  for (const delivery of deliveries(cases)) queues.get(queueOf(delivery))?.push(delivery);
  const tally = new Map<string, { run: number; passed: number; cases: Set<string> }>();
  const failures: string[] = [];
  const run = async (lane: Lane): Promise<void> => {
    const queue = queues.get(lane.queue) ?? [];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const problems = await deliver(lane, next);
      const key = next.route === "streaming" ? next.mode : `${next.mode}, ${next.route}`;
      const row = tally.get(key) ?? { run: 0, passed: 0, cases: new Set<string>() };
      tally.set(key, row);
      row.run++;
      row.cases.add(next.given.name);
      if (problems.length === 0) row.passed++;
      else failures.push(`${next.given.name} [${key}${next.mode === "splits" ? ` at ${next.cut}` : ""}]: ${problems.join("; ")}`);
    }
  };
  await Promise.all(names.map(({ queue, name }, i) => run({ queue, port: plane.port(name), upstream: upstreams[i] })));

  const rows = [...tally].map(([key, { run: count, passed, cases: seen }]) => `${key} ${passed}/${count} (${seen.size} cases)`);
  t.diagnostic(`request corpus: ${cases.length} cases, ${((performance.now() - startedAt) / 1000).toFixed(1)} s: ${rows.join("; ")}`);
  assert.deepEqual(failures.slice(0, 200), []);
});
