// Persistent connections (RFC 9112 9.3): reuse on both sides, pipelining, framing both ways, and what ends a connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ProxyOptions, startProxy } from "../support/data-plane.ts";
import { headerOf } from "../support/http1-messages.ts";
import { get, RawClient, turn } from "../support/raw-client.ts";
import type { UpstreamExchange } from "../support/raw-upstream.ts";

interface Case {
  readonly name: string;
  readonly options?: ProxyOptions;
  readonly methods?: readonly string[];
  readonly send: string;
  /** What the upstream answers to each target; echo when absent. */
  readonly answers?: Readonly<Record<string, string>>;
  readonly statuses: readonly number[];
  readonly bodies?: readonly string[];
  readonly upstreamBodies?: readonly string[];
  readonly upstreamTrailers?: readonly (readonly [string, string])[];
  readonly trailers?: readonly (readonly [string, string])[];
  /** Values of connection in the answers. */
  readonly connection?: readonly (string | undefined)[];
  readonly closes?: boolean;
  /** Answers to HTTP/1.0 have no chunked framing. */
  readonly bytesHold?: string;
}

const post = (target: string, body: string): string =>
  `POST ${target} HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const chunked = "POST /chunked HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n";
const trailersOn = { manager: { http_protocol_options: { enable_trailers: true } }, http1: { enable_trailers: true } };
const http10: ProxyOptions = { manager: { http_protocol_options: { accept_http_10: true, default_host_for_http_10: "default.example" } } };
const CHUNKED_ANSWER =
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-T: 1\r\nContent-Length: 9\r\n\r\n";

const CASES: readonly Case[] = [
  { name: "one after the other", send: get("/1") + get("/2"), statuses: [200, 200], connection: [undefined, undefined] },
  {
    name: "bodies and chunks in one write",
    send: `${post("/1", "one")}${chunked}3\r\ntwo\r\n0\r\n\r\n${get("/3")}`,
    statuses: [200, 200, 200],
    upstreamBodies: ["one", "two", ""],
  },
  {
    name: "chunked answer",
    send: get("/c") + get("/2"),
    answers: { "/c": CHUNKED_ANSWER },
    statuses: [200, 200],
    bodies: ["hello", "ok"],
    trailers: [],
  },
  {
    name: "trailers both ways, without those that say how a message is framed",
    options: trailersOn,
    send: `POST /c HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Q: 2\r\nHost: evil\r\n\r\n`,
    answers: { "/c": CHUNKED_ANSWER },
    statuses: [200],
    bodies: ["hello"],
    trailers: [["x-t", "1"]],
    upstreamBodies: ["hi"],
    upstreamTrailers: [["x-q", "2"]],
  },
  {
    name: "trailers are dropped by default",
    send: `${chunked}2\r\nhi\r\n0\r\nX-Q: 2\r\n\r\n`,
    statuses: [200],
    upstreamBodies: ["hi"],
    upstreamTrailers: [],
  },
  {
    name: "HEAD, 204 and 304 have no body, and the next answer is whole",
    methods: ["HEAD", "GET", "GET", "GET"],
    send: `HEAD /h HTTP/1.1\r\nHost: a.example\r\n\r\n${get("/204")}${get("/304")}${get("/4")}`,
    answers: {
      "/h": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
      "/204": "HTTP/1.1 204 No Content\r\n\r\n",
      "/304": "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
    },
    statuses: [200, 204, 304, 200],
    bodies: ["", "", "", "ok"],
  },
  { name: "the client asks to close", send: get("/1", "Connection: close\r\n"), statuses: [200], connection: ["close"], closes: true },
  {
    name: "close in a list of options",
    send: get("/1", "Connection: keep-alive, Close\r\n"),
    statuses: [200],
    connection: ["close"],
    closes: true,
  },
  { name: "what follows close is not read", send: get("/1", "Connection: close\r\n") + get("/2"), statuses: [200], closes: true },
  {
    name: "max_requests_per_connection",
    options: { manager: { common_http_protocol_options: { max_requests_per_connection: 2 } } },
    send: get("/1") + get("/2") + get("/3"),
    statuses: [200, 200],
    connection: [undefined, "close"],
    closes: true,
  },
  {
    name: "an upstream that closes does not close the client's connection",
    send: get("/u") + get("/2"),
    answers: { "/u": "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi" },
    statuses: [200, 200],
    bodies: ["hi", "ok"],
    connection: [undefined, undefined],
  },
  {
    name: "HTTP/1.0 closes",
    options: http10,
    send: "GET /1 HTTP/1.0\r\nHost: a.example\r\n\r\n",
    statuses: [200],
    connection: ["close"],
    closes: true,
  },
  {
    name: "HTTP/1.0 with keep-alive",
    options: http10,
    send: "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    statuses: [200, 200],
    connection: ["keep-alive", "keep-alive"],
  },
  {
    name: "HTTP/1.0 gets no chunks",
    options: http10,
    send: "GET /c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    answers: { "/c": CHUNKED_ANSWER },
    statuses: [200],
    bodies: ["hello"],
    connection: ["close"],
    closes: true,
    bytesHold: "\r\n\r\nhello",
  },
  {
    name: "HTTP/1.0 is refused unless accepted",
    send: "GET /1 HTTP/1.0\r\nHost: a.example\r\n\r\n",
    statuses: [426],
    connection: ["close"],
    closes: true,
  },
];

for (const given of CASES) {
  test(`keep-alive: ${given.name}`, async (t) => {
    const proxy = await startProxy(t, given.options);
    const echo = proxy.upstream.respond;
    proxy.upstream.respond = (exchange): void => {
      const answer = given.answers?.[exchange.request.target];
      if (answer === undefined) echo(exchange);
      else exchange.connection.write(answer);
    };
    const client = new RawClient(proxy.port(), given.methods);
    client.write(given.send);
    await client.until(() => client.hasEnded || (given.closes !== true && client.responses.length === given.statuses.length));
    assert.deepEqual(client.statuses, given.statuses);
    assert.equal(client.hasEnded, given.closes === true);
    if (given.bodies !== undefined)
      assert.deepEqual(
        client.responses.map((response) => response.body),
        given.bodies,
      );
    if (given.connection !== undefined)
      assert.deepEqual(
        client.responses.map((response) => headerOf(response, "connection")),
        given.connection,
      );
    if (given.trailers !== undefined) assert.deepEqual(client.responses[0].trailers, given.trailers);
    if (given.upstreamBodies !== undefined)
      assert.deepEqual(
        proxy.upstream.requests.map((request) => request.body),
        given.upstreamBodies,
      );
    if (given.upstreamTrailers !== undefined) assert.deepEqual(proxy.upstream.requests[0].trailers, given.upstreamTrailers);
    if (given.bytesHold !== undefined) assert.ok(client.bytes.endsWith(given.bytesHold), client.bytes);
    assert.deepEqual([...client.reader.breaches, ...proxy.upstream.breaches], []);
    client.destroy();
  });
}

test("one upstream connection carries requests that come one after the other", async (t) => {
  const proxy = await startProxy(t);
  const client = new RawClient(proxy.port());
  for (let i = 1; i <= 20; i++) {
    client.write(get(`/${i}`));
    const response = await client.response(i);
    assert.equal(response && headerOf(response, "x-target"), `/${i}`);
  }
  assert.equal(proxy.upstream.connections.length, 1);
  assert.equal(proxy.counter("cluster.service.upstream_cx_total"), 1);
  assert.equal(proxy.counter("http.in.downstream_cx_total"), 1);
  client.destroy();
});

test("pipelined requests go out one at a time and are answered in order, however slow the upstream", async (t) => {
  const proxy = await startProxy(t);
  const waiting: UpstreamExchange[] = [];
  const echo = proxy.upstream.respond;
  proxy.upstream.respond = (exchange) => waiting.push(exchange);
  const client = new RawClient(proxy.port());
  const count = 40;
  client.write(Array.from({ length: count }, (_, i) => get(`/${i}`)).join(""));
  for (let i = 0; i < count; i++) {
    await proxy.upstream.until(() => waiting.length === i + 1);
    await turn();
    assert.equal(waiting.length, i + 1, "a second request left before the first was answered");
    assert.equal(client.responses.length, i);
    echo(waiting[i]);
    await client.response(i + 1);
  }
  assert.deepEqual(
    client.responses.map((response) => headerOf(response, "x-target")),
    Array.from({ length: count }, (_, i) => `/${i}`),
  );
  client.destroy();
});

test("a client that pipelines without end does not keep others waiting", async (t) => {
  const proxy = await startProxy(t, {
    routes: [{ match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "hi" } } }],
  });
  const greedy = await new RawClient(proxy.port()).connected();
  const polite = await new RawClient(proxy.port()).connected();
  greedy.write(get("/").repeat(2000));
  polite.write(get("/"));
  await polite.response();
  assert.ok(greedy.responses.length < 1000, `${greedy.responses.length} answers before the other's first`);
  await greedy.response(2000);
  assert.equal(greedy.responses.length, 2000);
  greedy.destroy();
  polite.destroy();
});

test("a client that goes away ends its request upstream", async (t) => {
  const proxy = await startProxy(t);
  proxy.upstream.respond = () => {};
  const client = new RawClient(proxy.port());
  client.write(get("/"));
  await proxy.upstream.until(() => proxy.upstream.requests.length === 1);
  client.socket.resetAndDestroy();
  const [connection] = proxy.upstream.connections;
  await proxy.upstream.until(() => connection.isClosed);
  assert.equal(proxy.gauge("cluster.service.upstream_rq_active"), 0);
  // Over HTTP/1.1 the connection ends: resets are counted where they are frames, as in Envoy.
  assert.equal(proxy.counter("cluster.service.upstream_rq_tx_reset"), 0);
  assert.equal(proxy.counter("http.in.downstream_rq_rx_reset"), 1);
  assert.equal(proxy.gauge("http.in.downstream_rq_active"), 0);
});

test("upstream max_requests_per_connection", async (t) => {
  const proxy = await startProxy(t, { common: { max_requests_per_connection: 2 } });
  const client = new RawClient(proxy.port());
  for (let i = 1; i <= 5; i++) {
    client.write(get(`/${i}`));
    await client.response(i);
  }
  assert.equal(proxy.upstream.connections.length, 3);
  assert.equal(proxy.counter("cluster.service.upstream_cx_max_requests"), 2);
  client.destroy();
});
