// A client that sends FIN behind its request still gets its answers (RFC 9112 9.6); one that sends it inside a request gets none, and
// the upstream never sees that request as complete.
import assert from "node:assert/strict";
import { test } from "node:test";
import { startProxy } from "../support/data-plane.ts";
import { get, RawClient, turn } from "../support/raw-client.ts";
import type { UpstreamExchange } from "../support/raw-upstream.ts";

interface Case {
  readonly name: string;
  readonly send: string;
  readonly targets: readonly string[];
  readonly isAborted?: boolean;
}

const chunked = "POST /c HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n";
const CASES: readonly Case[] = [
  { name: "behind a request", send: get("/1"), targets: ["/1"] },
  { name: "behind pipelined requests", send: get("/1") + get("/2") + get("/3"), targets: ["/1", "/2", "/3"] },
  { name: "behind a body", send: `${chunked}2\r\nhi\r\n0\r\n\r\n`, targets: ["/c"] },
  { name: "behind many, more than one turn reads", send: get("/x").repeat(50), targets: Array.from({ length: 50 }, () => "/x") },
  { name: "without a request", send: "", targets: [] },
  { name: "inside a head", send: "GET /1 HT", targets: [] },
  { name: "inside a chunk", send: `${chunked}5\r\nhe`, targets: [], isAborted: true },
  { name: "before the last chunk", send: `${chunked}2\r\nhi\r\n`, targets: [], isAborted: true },
  {
    name: "inside a body with a length",
    send: "POST /l HTTP/1.1\r\nHost: a.example\r\nContent-Length: 9\r\n\r\nhi",
    targets: [],
    isAborted: true,
  },
];

for (const given of CASES) {
  test(`half close ${given.name}`, async (t) => {
    const proxy = await startProxy(t);
    const waiting: UpstreamExchange[] = [];
    const echo = proxy.upstream.respond;
    // Answered only after FIN has been seen.
    proxy.upstream.respond = (exchange) => waiting.push(exchange);
    const client = await new RawClient(proxy.port()).connected();
    client.write(given.send);
    if (given.isAborted === true) await proxy.upstream.until(() => proxy.upstream.incomplete > 0);
    client.socket.end();
    for (let i = 0; i < given.targets.length; i++) {
      await proxy.upstream.until(() => waiting.length > i);
      for (let turns = 0; turns < 3; turns++) await turn();
      echo(waiting[i]);
      await client.response(i + 1);
    }
    await client.closed();
    assert.deepEqual(
      proxy.upstream.requests.map((request) => request.target),
      given.targets,
    );
    assert.equal(client.responses.length, given.targets.length);
    if (given.isAborted === true) await proxy.upstream.until(() => proxy.upstream.connections.every((connection) => connection.isClosed));
    assert.equal(proxy.gauge("http.in.downstream_cx_active"), 0);
    assert.equal(proxy.gauge("cluster.service.upstream_rq_active"), 0);
  });
}

test("an answer that the client reads slowly arrives whole behind its FIN", async (t) => {
  // A limit that lets the whole answer wait inside: the request is over when FIN comes, and the answer is not.
  const proxy = await startProxy(t, { listener: { per_connection_buffer_limit_bytes: 64 * 1024 * 1024 } });
  const size = 24 * 1024 * 1024;
  proxy.upstream.respond = ({ connection }) => connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${"x".repeat(size)}`);
  const client = await new RawClient(proxy.port()).connected();
  client.socket.pause();
  client.write(get("/"));
  await proxy.upstream.until(() => proxy.upstream.requests.length === 1);
  while (proxy.gauge("http.in.downstream_rq_active") > 0) await turn();
  client.socket.end();
  for (let turns = 0; turns < 20; turns++) await turn();
  client.socket.resume();
  const response = await client.response();
  assert.equal(response?.body.length, size);
});
