// The TCP proxy over real sockets: ends of both directions, attempts, time-outs, back-pressure, limits.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { Socket } from "node:net";
import { test, type TestContext } from "node:test";
import type { Fields } from "../support/data-plane.ts";
import { closedPort, startTcp, startUpstream, tcpProxy } from "../support/tcp.ts";

test("bytes go both ways and each direction ends by itself: the client first", async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startTcp(t, [tcpProxy()], [{ name: "service", ports: [upstream.port] }]);
  const client = plane.connect();
  client.send("question");
  const server = await upstream.peer();
  await server.got("question");
  client.socket.end();
  await server.ended("fin");
  server.send("late answer");
  await client.got("late answer");
  server.socket.end();
  await client.until((peer) => peer.isClosed, "close");
  assert.deepEqual(
    ["downstream_cx_total", "downstream_cx_rx_bytes_total", "downstream_cx_tx_bytes_total"].map((name) => plane.counter(`tcp.t.${name}`)),
    [1, 8, 11],
  );
  await server.until((peer) => peer.isClosed, "close");
  assert.equal(plane.counter("cluster.service.upstream_cx_destroy_remote"), 1);
  assert.equal(plane.gauge("cluster.service.upstream_cx_active"), 0);
  assert.equal(plane.gauge("cluster.service.upstream_rq_active"), 0);
});

test("the upstream first: what the client still sends arrives", async (t) => {
  const upstream = await startUpstream(t);
  const plane = await startTcp(t, [tcpProxy()], [{ name: "service", ports: [upstream.port] }]);
  const client = plane.connect();
  const server = await upstream.peer();
  server.socket.end("bye");
  await client.ended("fin");
  client.send("still here");
  await server.got("still here");
  client.socket.end();
  await server.until((peer) => peer.isClosed, "close");
  assert.equal(client.bytes, "bye");
});

for (const from of ["client", "upstream"] as const) {
  test(`an RST of the ${from} is passed on`, async (t) => {
    const upstream = await startUpstream(t);
    const plane = await startTcp(t, [tcpProxy()], [{ name: "service", ports: [upstream.port] }]);
    const client = plane.connect();
    client.send("x");
    const server = await upstream.peer();
    await server.got("x");
    (from === "client" ? client : server).socket.resetAndDestroy();
    await (from === "client" ? server : client).ended("reset");
  });
}

interface Failure {
  readonly name: string;
  readonly fields: Parameters<typeof tcpProxy>[0];
  readonly cluster?: Fields;
  readonly hosts: "closed" | "none" | "open";
  readonly counters: Readonly<Record<string, number>>;
}

const cluster = (name: string): string => `cluster.service.upstream_${name}`;

const failures: readonly Failure[] = [
  {
    name: "one attempt at a closed port",
    fields: {},
    hosts: "closed",
    counters: { [cluster("cx_total")]: 1, [cluster("cx_connect_fail")]: 1, [cluster("cx_connect_attempts_exceeded")]: 1 },
  },
  {
    name: "three attempts",
    fields: { max_connect_attempts: 3 },
    hosts: "closed",
    counters: { [cluster("cx_total")]: 3, [cluster("cx_connect_fail")]: 3, [cluster("rq_pending_failure_eject")]: 3 },
  },
  {
    name: "two attempts with a back-off",
    fields: { max_connect_attempts: 2, backoff_options: { base_interval: "0.001s" } },
    hosts: "closed",
    counters: { [cluster("cx_total")]: 2, [cluster("cx_connect_attempts_exceeded")]: 1 },
  },
  { name: "no host", fields: {}, hosts: "none", counters: { [cluster("cx_none_healthy")]: 1, [cluster("cx_total")]: 0 } },
  { name: "no cluster", fields: { cluster: "nowhere" }, hosts: "open", counters: { "tcp.t.downstream_cx_no_route": 1 } },
  {
    name: "no room for a connection",
    fields: {},
    hosts: "open",
    cluster: { circuit_breakers: { thresholds: [{ max_connections: 0 }] } },
    counters: { [cluster("cx_overflow")]: 1, [cluster("cx_total")]: 0 },
  },
  {
    name: "no room for one that is being made",
    fields: {},
    hosts: "open",
    cluster: { circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] } },
    counters: { [cluster("rq_pending_overflow")]: 1, [cluster("cx_connect_attempts_exceeded")]: 1 },
  },
];

async function checkFailure(t: TestContext, failure: Failure): Promise<void> {
  const upstream = await startUpstream(t);
  const ports = { closed: [await closedPort()], none: [], open: [upstream.port] }[failure.hosts];
  const plane = await startTcp(t, [tcpProxy(failure.fields)], [{ name: "service", ports, cluster: failure.cluster }]);
  const client = plane.connect();
  await client.until((peer) => peer.end !== "", "the end");
  for (const [name, count] of Object.entries(failure.counters)) assert.equal(plane.counter(name), count, name);
  assert.equal(plane.gauge("cluster.service.upstream_cx_active"), 0);
}

for (const failure of failures) test(`no upstream: ${failure.name}`, (t) => checkFailure(t, failure));

test("idle_timeout and max_downstream_connection_duration close both sides", async (t) => {
  for (const [field, counter] of [
    ["idle_timeout", "idle_timeout"],
    ["max_downstream_connection_duration", "max_downstream_connection_duration"],
  ]) {
    const upstream = await startUpstream(t);
    const plane = await startTcp(t, [tcpProxy({ [field]: "0.03s" })], [{ name: "service", ports: [upstream.port] }]);
    const client = plane.connect();
    const server = await upstream.peer();
    await client.ended("fin");
    await server.ended("fin");
    assert.equal(plane.counter(`tcp.t.${counter}`), 1);
  }
});

test("early data waits for the upstream, no more of it than allowed is read ahead", async (t) => {
  const upstream = await startUpstream(t, (text) => `<${text}>`);
  const fields = { upstream_connect_mode: "ON_DOWNSTREAM_DATA", max_early_data_bytes: 4 };
  const plane = await startTcp(t, [tcpProxy(fields)], [{ name: "service", ports: [upstream.port] }]);
  const client = plane.connect();
  await once(client.socket, "connect");
  assert.equal(plane.counter("cluster.service.upstream_cx_total"), 0);
  client.send("abcdefgh");
  await client.got("<abcdefgh>");
  assert.equal(plane.counter("tcp.t.early_data_received_count_total"), 1);
});

test("weights choose the cluster", async (t) => {
  const [a, b] = [await startUpstream(t, () => "a"), await startUpstream(t, () => "b")];
  const clusters = {
    clusters: [
      { name: "a", weight: 3 },
      { name: "b", weight: 1 },
    ],
  };
  const plane = await startTcp(
    t,
    [tcpProxy({ weighted_clusters: clusters })],
    [
      { name: "a", ports: [a.port] },
      { name: "b", ports: [b.port] },
    ].map((spec) => ({ ...spec, cluster: { lb_policy: "ROUND_ROBIN" } })),
    { random: { next: () => 0, uuid: () => "" } },
  );
  const said: string[] = [];
  for (const draw of [0, 0.74, 0.76, 0.99]) {
    Object.assign(plane.dataPlane.random, { next: () => draw });
    const client = plane.connect();
    client.send("x");
    await client.until((peer) => peer.bytes !== "", "an answer");
    said.push(client.bytes);
  }
  assert.deepEqual(said, ["a", "a", "b", "b"]);
});

/** Sends until the socket stays full; how much went away. */
async function fill(socket: Socket, limit: number): Promise<number> {
  const chunk = Buffer.alloc(64 * 1024, "x");
  let sent = 0;
  let quiet = 0;
  while (quiet < 20 && sent < limit) {
    if (socket.writableLength === 0) {
      socket.write(chunk);
      sent += chunk.length;
      quiet = 0;
    } else quiet++;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  return sent;
}

for (const slow of ["upstream", "client"] as const) {
  test(`a ${slow} that does not read stops the other side; everything arrives once it does`, async (t) => {
    const upstream = await startUpstream(t);
    const listener = { per_connection_buffer_limit_bytes: 65536 };
    const plane = await startTcp(
      t,
      [tcpProxy()],
      [{ name: "service", ports: [upstream.port], cluster: { per_connection_buffer_limit_bytes: 65536 } }],
      { listener },
    );
    const client = plane.connect();
    const server = await upstream.peer();
    const [from, to] = slow === "upstream" ? [client, server] : [server, client];
    to.socket.pause();
    const limit = 64 * 1024 * 1024;
    const before = process.memoryUsage().arrayBuffers;
    const sent = await fill(from.socket, limit);
    assert.ok(sent < limit, "the sender was stopped");
    assert.ok(process.memoryUsage().arrayBuffers - before < 8 * 1024 * 1024, "what is held is bounded");
    const paused =
      slow === "upstream"
        ? "tcp.t.downstream_flow_control_paused_reading_total"
        : "cluster.service.upstream_flow_control_paused_reading_total";
    assert.ok(plane.counter(paused) > 0, paused);
    to.socket.resume();
    from.socket.end();
    await to.ended("fin");
    assert.equal(to.byteCount, sent);
  });
}
