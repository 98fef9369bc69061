// Every timeout that has a field, on a clock that the tests move: nothing happens a millisecond before, and the right thing then.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ProxyOptions, type StartedProxy, startProxy } from "../support/data-plane.ts";
import { ManualTime } from "../support/manual-time.ts";
import { get, RawClient, turns } from "../support/raw-client.ts";

const route = (fields: Record<string, string | Record<string, string>>): ProxyOptions => ({
  routes: [{ match: { prefix: "/" }, route: { cluster: "service", ...fields } }],
});
const POST_HEAD = "POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100\r\n\r\n";

interface Case {
  readonly name: string;
  readonly options: ProxyOptions;
  readonly send: string;
  /** What the upstream sends to the request, or as soon as it has the head; nothing by default. */
  readonly answer?: string;
  readonly afterMs: number;
  /** Undefined: the connection closes without an answer (or with the answer it has begun). */
  readonly status: number | undefined;
  readonly closes: boolean;
  readonly counter: string;
}

const CASES: readonly Case[] = [
  {
    name: "request_headers_timeout",
    options: { manager: { request_headers_timeout: "0.5s" } },
    send: "GET / HTTP/1.1\r\nHost:",
    afterMs: 500,
    status: 408,
    closes: true,
    counter: "http.in.downstream_rq_header_timeout",
  },
  {
    name: "request_headers_timeout behind a request in the same read",
    options: { manager: { request_headers_timeout: "0.5s" }, routes: [{ match: { prefix: "/" }, direct_response: { status: 200 } }] },
    send: `${get("/1")}GET / HTTP/1.1\r\nHost:`,
    afterMs: 500,
    status: 408,
    closes: true,
    counter: "http.in.downstream_rq_header_timeout",
  },
  {
    name: "a head without request_headers_timeout has the stream's idle timeout",
    options: { manager: { stream_idle_timeout: "0.5s" } },
    send: "GET / HTTP/1.1\r\nHost:",
    afterMs: 500,
    status: 408,
    closes: true,
    counter: "http.in.downstream_rq_header_timeout",
  },
  {
    name: "stream_idle_timeout while the request comes",
    options: { manager: { stream_idle_timeout: "0.5s" } },
    send: `${POST_HEAD}hello`,
    afterMs: 500,
    status: 408,
    closes: true,
    counter: "http.in.downstream_rq_idle_timeout",
  },
  {
    name: "stream_idle_timeout while the answer is awaited",
    options: { manager: { stream_idle_timeout: "0.5s" } },
    send: get("/"),
    afterMs: 500,
    status: 504,
    closes: false,
    counter: "http.in.downstream_rq_idle_timeout",
  },
  {
    name: "stream_idle_timeout inside an answer",
    options: { manager: { stream_idle_timeout: "0.5s" } },
    send: get("/"),
    answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
    afterMs: 500,
    status: undefined,
    closes: true,
    counter: "http.in.downstream_rq_idle_timeout",
  },
  {
    name: "a route's idle_timeout",
    options: route({ idle_timeout: "0.3s" }),
    send: get("/"),
    afterMs: 300,
    status: 504,
    closes: false,
    counter: "http.in.downstream_rq_idle_timeout",
  },
  {
    name: "request_timeout",
    options: { manager: { request_timeout: "0.5s" } },
    send: `${POST_HEAD}hello`,
    afterMs: 500,
    status: 408,
    closes: true,
    counter: "http.in.downstream_rq_timeout",
  },
  {
    name: "max_stream_duration",
    options: { manager: { common_http_protocol_options: { max_stream_duration: "0.5s" } } },
    send: get("/"),
    afterMs: 500,
    status: 504,
    closes: false,
    counter: "http.in.downstream_rq_max_duration_reached",
  },
  {
    name: "a route's max_stream_duration",
    options: route({ max_stream_duration: { max_stream_duration: "0.4s" } }),
    send: get("/"),
    afterMs: 400,
    status: 504,
    closes: false,
    counter: "http.in.downstream_rq_max_duration_reached",
  },
  {
    name: "route timeout",
    options: route({ timeout: "0.25s" }),
    send: get("/"),
    afterMs: 250,
    status: 504,
    closes: false,
    counter: "cluster.service.upstream_rq_timeout",
  },
  {
    name: "route timeout inside an answer",
    options: route({ timeout: "0.25s" }),
    send: get("/"),
    answer: "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi",
    afterMs: 250,
    status: undefined,
    closes: true,
    counter: "cluster.service.upstream_rq_timeout",
  },
  {
    name: "route timeout of 15 s by default",
    options: {},
    send: get("/"),
    afterMs: 15_000,
    status: 504,
    closes: false,
    counter: "cluster.service.upstream_rq_timeout",
  },
  {
    name: "per_try_timeout",
    options: route({ retry_policy: { retry_on: "connect-failure", per_try_timeout: "0.2s" } }),
    send: get("/"),
    afterMs: 200,
    status: 504,
    closes: false,
    counter: "cluster.service.upstream_rq_per_try_timeout",
  },
  {
    name: "per_try_idle_timeout",
    options: route({ retry_policy: { retry_on: "connect-failure", per_try_idle_timeout: "0.2s" } }),
    send: get("/"),
    afterMs: 200,
    status: 504,
    closes: false,
    counter: "cluster.service.upstream_rq_per_try_idle_timeout",
  },
  {
    name: "x-envoy-upstream-rq-timeout-ms of an internal client",
    options: { manager: { internal_address_config: { cidr_ranges: [{ address_prefix: "127.0.0.0", prefix_len: 8 }] } } },
    send: get("/", "x-envoy-upstream-rq-timeout-ms: 123\r\n"),
    afterMs: 123,
    status: 504,
    closes: false,
    counter: "cluster.service.upstream_rq_timeout",
  },
  {
    name: "idle_timeout of the connection",
    options: { manager: { common_http_protocol_options: { idle_timeout: "5s" } } },
    send: "",
    afterMs: 5000,
    status: undefined,
    closes: true,
    counter: "http.in.downstream_cx_idle_timeout",
  },
  {
    name: "max_connection_duration",
    options: { manager: { common_http_protocol_options: { max_connection_duration: "5s" } } },
    send: "",
    afterMs: 5000,
    status: undefined,
    closes: true,
    counter: "http.in.downstream_cx_max_duration_reached",
  },
];

/** Until the proxy has read what was sent and the upstream has it, as far as it goes there. */
async function sent(proxy: StartedProxy, given: Case): Promise<void> {
  if (given.send.endsWith("Host:") || given.send === "") await turns(6);
  else await proxy.upstream.until(() => proxy.upstream.connections.some((connection) => connection.reader.messages.length > 0));
  await turns(6);
}

for (const given of CASES) {
  test(`timeout: ${given.name}`, async (t) => {
    const time = new ManualTime();
    const proxy = await startProxy(t, { ...given.options, time });
    const { answer } = given;
    proxy.upstream.respond = ({ connection }) => {
      if (answer !== undefined) connection.write(answer);
    };
    const client = await new RawClient(proxy.port()).connected();
    client.write(given.send);
    await sent(proxy, given);
    const before = client.responses.length;
    time.advance(given.afterMs - 1);
    await turns(4);
    assert.equal(client.responses.length, before, "answered too early");
    assert.equal(client.hasEnded, false, "closed too early");
    assert.equal(proxy.counter(given.counter), 0);
    time.advance(1);
    if (given.status !== undefined) assert.equal((await client.response(before + 1))?.status, given.status);
    if (given.closes) await client.closed();
    await turns(4);
    assert.equal(client.hasEnded, given.closes);
    assert.equal(client.responses.length, before + (given.status === undefined ? 0 : 1));
    assert.equal(proxy.counter(given.counter), 1);
    assert.ok(
      proxy.upstream.connections.every((connection) => connection.isClosed || !connection.reader.isInMessage),
      "the upstream's request was left open",
    );
    assert.equal(proxy.gauge("cluster.service.upstream_rq_active"), 0);
    client.destroy();
  });
}

test("each byte puts the idle timeout off, in both directions", async (t) => {
  const time = new ManualTime();
  const proxy = await startProxy(t, { manager: { stream_idle_timeout: "1s", request_timeout: "0s" }, time });
  proxy.upstream.respond = () => {};
  const client = await new RawClient(proxy.port()).connected();
  client.write("POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\n");
  for (const byte of "hello") {
    await turns(4);
    time.advance(900);
    client.write(byte);
  }
  await proxy.upstream.until(() => proxy.upstream.requests.length === 1);
  const [connection] = proxy.upstream.connections;
  connection.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  for (const byte of "world") {
    await turns(4);
    time.advance(900);
    connection.write(byte);
  }
  assert.equal((await client.response())?.body, "world");
  client.destroy();
});

test("the idle timeout of a connection does not run during a request", async (t) => {
  const time = new ManualTime();
  const proxy = await startProxy(t, { manager: { common_http_protocol_options: { idle_timeout: "1s" } }, time });
  const client = await new RawClient(proxy.port()).connected();
  proxy.upstream.respond = () => {};
  client.write(get("/"));
  await proxy.upstream.until(() => proxy.upstream.requests.length === 1);
  time.advance(5000);
  proxy.upstream.connections[0].write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  assert.equal((await client.response())?.status, 200);
  await turns(2);
  time.advance(999);
  await turns(2);
  assert.equal(client.hasEnded, false);
  time.advance(1);
  await client.closed();
});

test("an idle upstream connection closes after its idle_timeout, and is not missed", async (t) => {
  const time = new ManualTime();
  const proxy = await startProxy(t, { common: { idle_timeout: "2s" }, time });
  const client = await new RawClient(proxy.port()).connected();
  client.write(get("/1"));
  await client.response(1);
  const [connection] = proxy.upstream.connections;
  time.advance(2000);
  await proxy.upstream.until(() => connection.isClosed);
  assert.equal(proxy.counter("cluster.service.upstream_cx_idle_timeout"), 1);
  client.write(get("/2"));
  assert.equal((await client.response(2))?.status, 200);
  client.destroy();
});

test("delayed_close_timeout: a client that does not close is cut off, one that still reads is not", async (t) => {
  const time = new ManualTime();
  const proxy = await startProxy(t, { manager: { delayed_close_timeout: "1s" }, time });
  const size = 32 * 1024 * 1024;
  proxy.upstream.respond = ({ connection }) => connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${"x".repeat(size)}`);
  const client = await new RawClient(proxy.port()).connected();
  client.write(get("/", "Connection: close\r\n"));
  // Reads a piece in each of its seconds: the connection lasts longer than one of them.
  client.socket.pause();
  for (let second = 0; second < 5; second++) {
    const had = client.bytes.length;
    client.socket.resume();
    while (client.bytes.length < had + size / 16) await turns(1);
    client.socket.pause();
    await turns(8);
    time.advance(900);
  }
  client.socket.resume();
  while (!client.hasEnded) await turns(1);
  assert.equal(client.responses[0]?.body.length, size);
  assert.equal(proxy.gauge("http.in.downstream_cx_active"), 1, "the client has not closed yet");
  time.advance(2000);
  await turns(4);
  assert.equal(proxy.gauge("http.in.downstream_cx_active"), 0);
  client.destroy();
});
