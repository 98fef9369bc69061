// Retries (Envoy: x-envoy-retry-on, route retry policies), mirrors and circuit breakers, with upstreams that follow a script.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Fields, type ProxyOptions, startProxy } from "../support/data-plane.ts";
import { headerOf } from "../support/http1-messages.ts";
import { ManualTime } from "../support/manual-time.ts";
import { get, RawClient, turn, turns } from "../support/raw-client.ts";
import { echo, type UpstreamExchange } from "../support/raw-upstream.ts";
import { SeededRandom } from "../support/seeded-random.ts";

type Step = number | "reset" | "silence" | "cut";

function play(step: Step | undefined, exchange: UpstreamExchange, headers = ""): void {
  if (step === "reset") exchange.connection.socket.resetAndDestroy();
  else if (step === "cut") {
    exchange.connection.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi");
    exchange.connection.socket.end();
  } else if (typeof step === "number") exchange.connection.write(`HTTP/1.1 ${step} X\r\n${headers}Content-Length: 2\r\n\r\nno`);
  else if (step === undefined) echo(exchange);
}

const policy = (fields: Fields, more: Fields = {}): ProxyOptions => ({
  routes: [{ match: { prefix: "/" }, route: { cluster: "service", retry_policy: fields, ...more } }],
});
const post = (body: string): string => `POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
const chunked = "POST /p HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";
const internal = { internal_address_config: { cidr_ranges: [{ address_prefix: "127.0.0.0", prefix_len: 8 }] } };

interface Case {
  readonly name: string;
  readonly options: ProxyOptions;
  readonly send?: string;
  /** What happens to each attempt; echo when the list is over. */
  readonly steps: readonly Step[];
  readonly answerHeaders?: string;
  readonly status: number | undefined;
  readonly attempts: number;
  readonly counters?: Readonly<Record<string, number>>;
}

const CASES: readonly Case[] = [
  { name: "no policy, no retry", options: {}, steps: [503], status: 503, attempts: 1 },
  {
    name: "5xx",
    options: policy({ retry_on: "5xx" }),
    steps: [503],
    status: 200,
    attempts: 2,
    counters: { upstream_rq_retry: 1, upstream_rq_retry_success: 1 },
  },
  {
    name: "5xx, twice by number",
    options: policy({ retry_on: "5xx", num_retries: 2 }),
    steps: [500, 501, 502],
    status: 502,
    attempts: 3,
    counters: { upstream_rq_retry: 2, upstream_rq_retry_limit_exceeded: 1 },
  },
  { name: "5xx does not mean 404", options: policy({ retry_on: "5xx" }), steps: [404], status: 404, attempts: 1 },
  { name: "gateway-error means 502", options: policy({ retry_on: "gateway-error" }), steps: [502], status: 200, attempts: 2 },
  { name: "gateway-error does not mean 500", options: policy({ retry_on: "gateway-error" }), steps: [500], status: 500, attempts: 1 },
  { name: "retriable-4xx means 409", options: policy({ retry_on: "retriable-4xx" }), steps: [409], status: 200, attempts: 2 },
  { name: "retriable-4xx does not mean 410", options: policy({ retry_on: "retriable-4xx" }), steps: [410], status: 410, attempts: 1 },
  {
    name: "retriable-status-codes",
    options: policy({ retry_on: "retriable-status-codes", retriable_status_codes: [418] }),
    steps: [418],
    status: 200,
    attempts: 2,
  },
  { name: "reset without an answer", options: policy({ retry_on: "reset" }), steps: ["reset"], status: 200, attempts: 2 },
  { name: "5xx covers a reset", options: policy({ retry_on: "5xx" }), steps: ["reset"], status: 200, attempts: 2 },
  {
    name: "connect-failure does not cover a reset",
    options: policy({ retry_on: "connect-failure" }),
    steps: ["reset"],
    status: 503,
    attempts: 1,
  },
  {
    name: "an answer that is cut off is never repeated",
    options: policy({ retry_on: "5xx,reset" }),
    steps: ["cut"],
    status: undefined,
    attempts: 1,
  },
  { name: "the body is sent again", options: policy({ retry_on: "5xx" }), send: post("hello"), steps: [503], status: 200, attempts: 2 },
  {
    name: "a chunked body is sent again",
    options: policy({ retry_on: "5xx", num_retries: 3 }),
    send: chunked,
    steps: [503, "reset", 500],
    status: 200,
    attempts: 4,
  },
  {
    name: "a body over the limit is not",
    options: { ...policy({ retry_on: "5xx" }), listener: { per_connection_buffer_limit_bytes: 4 } },
    send: chunked,
    steps: [503],
    status: 503,
    attempts: 1,
    counters: { retry_or_shadow_abandoned: 1 },
  },
  {
    name: "a body over the route's limit is not",
    options: {
      routes: [
        { match: { prefix: "/" }, route: { cluster: "service", retry_policy: { retry_on: "5xx" } }, per_request_buffer_limit_bytes: 4 },
      ],
    },
    send: chunked,
    steps: [503],
    status: 503,
    attempts: 1,
    counters: { retry_or_shadow_abandoned: 1 },
  },
  {
    name: "per_try_timeout and again",
    options: policy({ retry_on: "5xx", per_try_timeout: "0.1s" }),
    steps: ["silence"],
    status: 200,
    attempts: 2,
    counters: { upstream_rq_per_try_timeout: 1 },
  },
  {
    name: "the route's timeout covers all attempts",
    options: policy({ retry_on: "5xx", num_retries: 100, per_try_timeout: "0.1s" }, { timeout: "0.25s" }),
    steps: ["silence", "silence", "silence"],
    status: 504,
    attempts: 2,
    counters: { upstream_rq_timeout: 1 },
  },
  {
    name: "headers of an internal client",
    options: { manager: internal },
    send: get("/", "x-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 2\r\n"),
    steps: [503, 503],
    status: 200,
    attempts: 3,
  },
  {
    name: "headers of an external client are nothing",
    options: {},
    send: get("/", "x-envoy-retry-on: 5xx\r\n"),
    steps: [503],
    status: 503,
    attempts: 1,
  },
  {
    name: "the breaker allows none",
    options: { ...policy({ retry_on: "5xx" }), cluster: { circuit_breakers: { thresholds: [{ max_retries: 0 }] } } },
    steps: [503],
    status: 503,
    attempts: 1,
    counters: { upstream_rq_retry_overflow: 1 },
  },
  {
    name: "retriable headers of the answer",
    options: policy({ retry_on: "retriable-headers", retriable_headers: [{ name: "x-again", present_match: true }] }),
    answerHeaders: "x-again: 1\r\n",
    steps: [200],
    status: 200,
    attempts: 2,
  },
  {
    name: "a rate-limited answer waits as long as it says",
    options: policy({
      retry_on: "5xx",
      rate_limited_retry_back_off: { reset_headers: [{ name: "retry-after", format: "SECONDS" }], max_interval: "10s" },
    }),
    answerHeaders: "retry-after: 2\r\n",
    steps: [503],
    status: 200,
    attempts: 2,
    counters: { upstream_rq_retry_backoff_ratelimited: 1 },
  },
];

for (const given of CASES) {
  test(`retries: ${given.name}`, async (t) => {
    const time = new ManualTime();
    const proxy = await startProxy(t, { ...given.options, time, random: new SeededRandom(1) });
    let attempts = 0;
    proxy.upstream.respond = (exchange) => play(given.steps[attempts++], exchange, given.answerHeaders);
    const client = new RawClient(proxy.port());
    client.write(given.send ?? get("/"));
    for (let i = 0; client.responses.length === 0 && !client.hasEnded && i < 1000; i++) {
      await turns(5);
      time.advance(10);
    }
    assert.equal(client.responses[0]?.status, given.status);
    assert.equal(attempts, given.attempts);
    const bodies = new Set(proxy.upstream.requests.map((request) => request.body));
    assert.equal(bodies.size, 1, "attempts differ in their bodies");
    for (const [name, value] of Object.entries(given.counters ?? {})) assert.equal(proxy.counter(`cluster.service.${name}`), value, name);
    await turns(3);
    assert.equal(proxy.gauge("cluster.service.upstream_rq_active"), 0);
    client.destroy();
  });
}

test("a connection that cannot be made is tried on another host, which is not the one before", async (t) => {
  const retry = {
    retry_on: "connect-failure",
    num_retries: 1,
    retry_host_predicate: [
      {
        name: "envoy.retry_host_predicates.previous_hosts",
        typed_config: { "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate" },
      },
    ],
    host_selection_retry_max_attempts: 20,
  };
  const time = new ManualTime();
  const proxy = await startProxy(t, { ...policy(retry), cluster: { lb_policy: "RANDOM" }, random: new SeededRandom(5), time });
  // A port on which nobody listens.
  const gone = proxy.upstream.port === 1 ? 2 : 1;
  await proxy.reconfigure({ ports: [gone, proxy.upstream.port] });
  for (let i = 0; i < 20; i++) {
    const client = new RawClient(proxy.port());
    client.write(get("/"));
    while (client.responses.length === 0) {
      await turns(5);
      time.advance(10);
    }
    assert.equal(client.responses[0].status, 200);
    client.destroy();
  }
  assert.ok(proxy.counter("cluster.service.upstream_cx_connect_fail") > 3);
});

test("mirrors get a copy, and their answers and failures change nothing", async (t) => {
  const mirror = (fields: Fields): Fields => ({ cluster: "shadow", ...fields });
  const routes = [
    {
      match: { prefix: "/none" },
      route: { cluster: "service", request_mirror_policies: [mirror({ runtime_fraction: { default_value: { numerator: 0 } } })] },
    },
    { match: { prefix: "/" }, route: { cluster: "service", request_mirror_policies: [mirror({})] } },
  ];
  const proxy = await startProxy(t, { others: ["shadow"], routes });
  proxy.other.shadow.respond = ({ connection }) => connection.socket.resetAndDestroy();
  const client = new RawClient(proxy.port());
  client.write(get("/none/1") + post("hello") + chunked + get("/4"));
  await client.until(() => client.responses.length === 4);
  await proxy.other.shadow.until(() => proxy.other.shadow.requests.length === 3);
  assert.deepEqual(client.statuses, [200, 200, 200, 200]);
  assert.deepEqual(proxy.other.shadow.requests.map(({ method, body }) => `${method} ${body}`).sort(), [
    "GET ",
    "POST abcdef",
    "POST hello",
  ]);
  for (const request of proxy.other.shadow.requests) assert.equal(headerOf(request, "host"), "a.example-shadow");
  await turns(3);
  assert.equal(proxy.gauge("cluster.shadow.upstream_rq_active"), 0);
  client.destroy();
});

test("an early answer does not spoil the mirror's copy", async (t) => {
  const proxy = await startProxy(t, {
    others: ["shadow"],
    routes: [{ match: { prefix: "/" }, route: { cluster: "service", request_mirror_policies: [{ cluster: "shadow" }] } }],
  });
  proxy.upstream.onHead = ({ connection }) => connection.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
  proxy.upstream.respond = ({ connection }) => connection.write("0\r\n\r\n");
  const client = new RawClient(proxy.port());
  client.write("POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhe");
  await client.until(() => client.reader.messages.length > 0);
  client.write("llo");
  await client.response();
  await proxy.other.shadow.until(() => proxy.other.shadow.requests.length === 1);
  assert.equal(proxy.other.shadow.requests[0].body, "hello");
  assert.deepEqual(proxy.other.shadow.breaches, []);
  client.destroy();
});

interface BreakerCase {
  readonly name: string;
  readonly thresholds: Fields;
  readonly clients: number;
  /** Statuses in order of size, when the upstream answers only after all have asked. */
  readonly statuses: readonly number[];
  readonly connections: number;
  readonly counter: string;
}
const BREAKERS: readonly BreakerCase[] = [
  {
    name: "one connection, and the others wait",
    thresholds: { max_connections: 1 },
    clients: 4,
    statuses: [200, 200, 200, 200],
    connections: 1,
    counter: "upstream_cx_overflow",
  },
  {
    name: "one connection, one may wait",
    thresholds: { max_connections: 1, max_pending_requests: 1 },
    clients: 4,
    statuses: [200, 200, 503, 503],
    connections: 1,
    counter: "upstream_rq_pending_overflow",
  },
  {
    name: "two requests",
    thresholds: { max_requests: 2 },
    clients: 4,
    statuses: [200, 200, 503, 503],
    connections: 2,
    counter: "upstream_rq_pending_overflow",
  },
];
for (const given of BREAKERS) {
  test(`circuit breakers: ${given.name}`, async (t) => {
    const proxy = await startProxy(t, { cluster: { circuit_breakers: { thresholds: [given.thresholds] } } });
    const held: UpstreamExchange[] = [];
    proxy.upstream.respond = (exchange) => held.push(exchange);
    const clients: RawClient[] = [];
    for (let i = 0; i < given.clients; i++) {
      const client = await new RawClient(proxy.port()).connected();
      clients.push(client);
      client.write(get(`/${i}`));
      // Each has its connection, or its place in the queue, before the next asks.
      while (
        held.length +
          proxy.gauge("cluster.service.upstream_rq_pending_active") +
          clients.filter((other) => other.responses.length > 0).length <=
        i
      )
        await turn();
      if (i === 0) await proxy.upstream.until(() => held.length === 1);
      else await turns(6);
    }
    proxy.upstream.respond = echo;
    for (const exchange of held) echo(exchange);
    const responses = await Promise.all(clients.map((client) => client.response()));
    assert.deepEqual(responses.map((response) => response?.status).sort(), given.statuses);
    for (const response of responses) if (response?.status === 503) assert.equal(headerOf(response, "x-envoy-overloaded"), "true");
    assert.equal(proxy.upstream.connections.length, given.connections);
    assert.ok(proxy.counter(`cluster.service.${given.counter}`) > 0);
    for (const client of clients) client.destroy();
  });
}

test("weighted clusters share the requests by weight", async (t) => {
  const weighted_clusters = {
    clusters: [
      { name: "service", weight: 70 },
      { name: "blue", weight: 30 },
      { name: "off", weight: 0 },
    ],
  };
  const proxy = await startProxy(t, {
    others: ["blue", "off"],
    routes: [{ match: { prefix: "/" }, route: { weighted_clusters } }],
    random: new SeededRandom(7),
  });
  const client = new RawClient(proxy.port());
  client.write(get("/").repeat(1000));
  await client.response(1000);
  const share = proxy.other.blue.requests.length;
  assert.ok(share > 250 && share < 350, `${share} of 1000, wanted 300`);
  assert.equal(proxy.other.off.requests.length, 0);
  assert.equal(proxy.upstream.requests.length + share, 1000);
  client.destroy();
});
