// Changes while traffic runs: a listener that goes lets its requests finish, a route or a host that changes loses none.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startProxy } from "../support/data-plane.ts";
import { headerOf } from "../support/http1-messages.ts";
import { get, RawClient, turns } from "../support/raw-client.ts";
import { echo, type UpstreamExchange } from "../support/raw-upstream.ts";

test("a removed listener takes no connection, finishes its request, and closes with the answer", async (t) => {
  const proxy = await startProxy(t, { drainTimeMs: 60_000 });
  const port = proxy.port();
  const held: UpstreamExchange[] = [];
  proxy.upstream.respond = (exchange) => held.push(exchange);
  const busy = new RawClient(port);
  busy.write(get("/busy") + get("/never"));
  const idle = await new RawClient(port).connected();
  await proxy.upstream.until(() => held.length === 1);
  await proxy.reconfigure({ isRemoved: true });
  await turns(3);
  const late = new RawClient(port);
  await late.closed();
  assert.equal(late.error, "ECONNREFUSED");
  echo(held[0]);
  const response = await busy.response();
  assert.equal(response?.status, 200);
  assert.equal(headerOf(response, "connection"), "close");
  await busy.closed();
  assert.equal(proxy.upstream.requests.length, 1, "a request behind the last answer was taken");
  // An idle connection ends with its next answer, or when it is told to.
  assert.equal(idle.hasEnded, false);
  proxy.dataPlane.closeIdle();
  await idle.closed();
  assert.equal(proxy.counter("http.in.downstream_cx_drain_close"), 1);
});

test("an idle connection of a removed listener may ask once more", async (t) => {
  const proxy = await startProxy(t, { drainTimeMs: 60_000 });
  const client = new RawClient(proxy.port());
  client.write(get("/1"));
  await client.response(1);
  await proxy.reconfigure({ isRemoved: true });
  client.write(get("/2"));
  const response = await client.response(2);
  assert.equal(response && headerOf(response, "connection"), "close");
  await client.closed();
});

test("connections of a removed listener are cut off when the drain time is over", async (t) => {
  const proxy = await startProxy(t, { drainTimeMs: 50 });
  proxy.upstream.respond = () => {};
  const client = new RawClient(proxy.port());
  client.write(get("/"));
  await proxy.upstream.until(() => proxy.upstream.requests.length === 1);
  await proxy.reconfigure({ isRemoved: true });
  await client.closed();
  assert.equal(client.responses.length, 0);
});

test("a changed route holds for the next request of the same connection, and not for the one in progress", async (t) => {
  const proxy = await startProxy(t, { others: ["blue"] });
  const held: UpstreamExchange[] = [];
  proxy.upstream.respond = (exchange) => held.push(exchange);
  const client = new RawClient(proxy.port());
  client.write(get("/1") + get("/2"));
  await proxy.upstream.until(() => held.length === 1);
  await proxy.reconfigure({ routes: [{ match: { prefix: "/" }, route: { cluster: "blue" } }] });
  echo(held[0]);
  await client.response(2);
  assert.deepEqual(client.statuses, [200, 200]);
  assert.equal(held.length, 1);
  assert.deepEqual(
    proxy.other.blue.requests.map((request) => request.target),
    ["/2"],
  );
  assert.equal(client.hasEnded, false, "a route change does not touch connections");
  client.destroy();
});

test("a removed host finishes what it has, and its connections close", async (t) => {
  const proxy = await startProxy(t, { upstreams: 2 });
  const [first, second] = proxy.upstreams;
  await proxy.reconfigure({ ports: [first.port] });
  const held: UpstreamExchange[] = [];
  first.respond = (exchange) => held.push(exchange);
  const client = new RawClient(proxy.port());
  client.write(get("/1"));
  await first.until(() => held.length === 1);
  await proxy.reconfigure({ ports: [second.port] });
  echo(held[0]);
  assert.equal((await client.response(1))?.status, 200);
  await first.until(() => first.connections.every((connection) => connection.isClosed));
  client.write(get("/2"));
  assert.equal((await client.response(2))?.status, 200);
  assert.equal(second.requests.length, 1);
  client.destroy();
});

test("requests that wait for a connection survive a change of hosts, of breakers and of connection options", async (t) => {
  const changes = [
    { ports: [] as number[] },
    { cluster: { circuit_breakers: { thresholds: [{ max_connections: 7 }] } } },
    { common: { idle_timeout: "7s" } },
  ];
  for (const change of changes) {
    const proxy = await startProxy(t);
    const clients = Array.from({ length: 5 }, () => new RawClient(proxy.port()));
    await Promise.all(clients.map((client) => client.connected()));
    for (const client of clients) client.write(get("/"));
    // Requests have been read when their clusters' connections are being made: the change comes in between.
    while (proxy.gauge("cluster.service.upstream_rq_pending_active") === 0 && proxy.upstream.requests.length === 0) await turns(1);
    await proxy.reconfigure(change);
    const responses = await Promise.all(clients.map((client) => client.response()));
    // All hosts gone: requests that had not been read yet find none.
    const allowed = "ports" in change ? [200, 503] : [200];
    assert.ok(
      responses.every((response) => response !== undefined && allowed.includes(response.status)),
      JSON.stringify([change, responses.map((response) => response?.status)]),
    );
    assert.ok(
      responses.some((response) => response?.status === 200),
      JSON.stringify(change),
    );
    await proxy.upstream.until(
      () => "cluster" in change || "common" in change || proxy.upstream.connections.every((connection) => connection.isClosed),
    );
    for (const client of clients) client.destroy();
  }
});
