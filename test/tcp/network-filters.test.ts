// The network filters before the terminal one, and the small terminal ones: rules as a table, limits and chains over real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { TokenBucket } from "../../host/extensions/network/local-ratelimit.ts";
import { RbacEngine } from "../../host/extensions/network/rbac-rules.ts";
import type { RbacRule } from "../../host/config/network-filter.ts";
import type { ConnectionInfo } from "../../host/net/connection-info.ts";
import type { Json } from "../../host/xds/message.ts";
import { networkFilter, startTcp, startUpstream, tcpProxy } from "../support/tcp.ts";

const connection: ConnectionInfo = {
  connectionId: 1,
  remoteAddress: "10.1.2.3:4000",
  remoteIp: "10.1.2.3",
  remotePort: 4000,
  localAddress: "192.0.2.1:443",
  localIp: "192.0.2.1",
  localPort: 443,
  isLocalAddressRestored: false,
  directRemoteAddress: "10.1.2.3:4000",
  directRemoteIp: "10.1.2.3",
  directLocalAddress: "192.0.2.1:443",
  tls: undefined,
  handshakeMs: undefined,
  dynamicMetadata: undefined,
  requestedServerName: "db.example",
  tlsVersion: "",
  mtls: false,
  direction: 1,
  listenerName: "in",
  filterChainName: "",
  listenerMetadata: {},
};

const any: RbacRule = { kind: "any" };
const rules: readonly (readonly [name: string, rule: RbacRule, matches: boolean])[] = [
  ["any", any, true],
  ["never", { kind: "never" }, false],
  ["not", { kind: "not", rule: any }, false],
  ["and", { kind: "and", rules: [any, { kind: "never" }] }, false],
  ["or", { kind: "or", rules: [{ kind: "never" }, any] }, true],
  ["destination_ip", { kind: "destination_ip", cidr: "192.0.2.0/24" }, true],
  ["another destination_ip", { kind: "destination_ip", cidr: "10.0.0.0/8" }, false],
  ["source_ip", { kind: "source_ip", cidr: "10.0.0.0/8" }, true],
  ["direct_remote_ip", { kind: "direct_remote_ip", cidr: "10.1.2.3/32" }, true],
  ["remote_ip", { kind: "remote_ip", cidr: "10.1.2.4/32" }, false],
  ["destination_port", { kind: "destination_port", start: 443, end: 444 }, true],
  ["a range ends before its end", { kind: "destination_port", start: 1, end: 443 }, false],
  ["requested_server_name", { kind: "requested_server_name", matcher: { kind: "suffix", value: ".example", ignoreCase: false } }, true],
  ["authenticated without TLS", { kind: "authenticated", principalName: undefined }, false],
  ["a principal without TLS", { kind: "authenticated", principalName: { kind: "prefix", value: "spiffe://", ignoreCase: false } }, false],
];

for (const [name, rule, matches] of rules) {
  test(`RBAC rule: ${name}`, () => {
    for (const action of ["ALLOW", "DENY", "LOG"] as const) {
      const engine = new RbacEngine({
        action,
        policies: [
          { name: "never", permissions: [any], principals: [{ kind: "never" }] },
          { name: "p", permissions: [rule], principals: [any] },
        ],
      });
      const allowed = action === "LOG" || (action === "ALLOW") === matches;
      assert.deepEqual(engine.decide(connection), { allowed, policy: matches ? "p" : "" }, action);
    }
  });
}

test("a token bucket fills all the time, up to its size", () => {
  const bucket = new TokenBucket({ maxTokens: 2, tokensPerFill: 1, fillIntervalMs: 100 }, 0);
  const taken = [0, 0, 0, 50, 99, 100, 100, 1_000_000, 1_000_000, 1_000_000].map((now) => bucket.consume(now));
  assert.deepEqual(taken, [true, true, false, false, false, true, false, true, true, false]);
});

const rbac = (fields: Readonly<Record<string, Json>>): Json => networkFilter("rbac", "rbac.v3.RBAC", { stat_prefix: "tcp.", ...fields });
const policies = (rule: Json): Json => ({ p: { permissions: [rule], principals: [{ any: true }] } });
const limit = networkFilter("limit", "connection_limit.v3.ConnectionLimit", { stat_prefix: "c", max_connections: 1 });
const slowLimit = networkFilter("limit", "connection_limit.v3.ConnectionLimit", { stat_prefix: "c", max_connections: 1, delay: "0.03s" });
const rate = (runtimeKey: string): Json =>
  networkFilter("rate", "local_ratelimit.v3.LocalRateLimit", {
    stat_prefix: "r",
    token_bucket: { max_tokens: 1, fill_interval: "1000s" },
    runtime_enabled: { default_value: true, runtime_key: runtimeKey },
  });

interface ChainCase {
  readonly name: string;
  readonly filters: readonly Json[];
  /** What each of the clients gets, one after the other while the others stay; "" is the end without a byte. */
  readonly answers: readonly string[];
  readonly counters: Readonly<Record<string, number>>;
}

const chains: readonly ChainCase[] = [
  {
    name: "RBAC allows",
    filters: [rbac({ rules: { policies: policies({ any: true }) } })],
    answers: ["<x>"],
    counters: { "tcp.rbac.allowed": 1 },
  },
  {
    name: "RBAC denies what no policy allows",
    filters: [rbac({ rules: { policies: policies({ destination_port: 1 }) } })],
    answers: [""],
    counters: { "tcp.rbac.denied": 1, "tcp.rbac.allowed": 0 },
  },
  {
    name: "RBAC denies later",
    filters: [rbac({ rules: { action: "DENY", policies: policies({ any: true }) }, delay_deny: "0.02s" })],
    answers: [""],
    counters: { "tcp.rbac.denied": 1 },
  },
  {
    name: "shadow rules only count",
    filters: [rbac({ shadow_rules: { action: "DENY", policies: policies({ any: true }) }, shadow_rules_stat_prefix: "s" })],
    answers: ["<x>"],
    counters: { "tcp.rbac.s.shadow_denied": 1, "tcp.rbac.denied": 0 },
  },
  {
    name: "one connection at a time",
    filters: [limit],
    answers: ["<x>", "", ""],
    counters: { "connection_limit.c.limited_connections": 2, "tcp.t.downstream_cx_total": 3, "cluster.service.upstream_cx_total": 1 },
  },
  {
    name: "one too many is kept a while",
    filters: [slowLimit],
    answers: ["<x>", ""],
    counters: { "connection_limit.c.limited_connections": 1 },
  },
  { name: "one token", filters: [rate("")], answers: ["<x>", "", ""], counters: { "local_rate_limit.r.rate_limited": 2 } },
  {
    name: "the runtime turns a filter off",
    filters: [rate("rate.off")],
    answers: ["<x>", "<x>"],
    counters: { "local_rate_limit.r.rate_limited": 0 },
  },
  {
    name: "no server name, no cluster of its own",
    filters: [networkFilter("sni", "sni_cluster.v3.SniCluster")],
    answers: ["<x>"],
    counters: {},
  },
];

const runtime = { layered_runtime: { layers: [{ name: "static", static_layer: { "rate.off": false } }] } };

for (const { name, filters, answers, counters } of chains) {
  test(`chain: ${name}`, async (t) => {
    const upstream = await startUpstream(t, (text) => `<${text}>`);
    const plane = await startTcp(t, [...filters, tcpProxy()], [{ name: "service", ports: [upstream.port] }], { bootstrap: runtime });
    for (const answer of answers) {
      const client = plane.connect();
      client.send("x");
      await client.until((peer) => (answer === "" ? peer.end !== "" : peer.bytes === answer), answer === "" ? "the end" : answer);
      assert.equal(client.bytes, answer);
    }
    for (const [stat, count] of Object.entries(counters)) assert.equal(plane.counter(stat), count, stat);
  });
}

test("a connection that ends gives its place back", async (t) => {
  const upstream = await startUpstream(t, (text) => `<${text}>`);
  const plane = await startTcp(t, [limit, tcpProxy()], [{ name: "service", ports: [upstream.port] }]);
  for (let i = 0; i < 3; i++) {
    const client = plane.connect();
    client.send("x");
    await client.got("<x>");
    client.socket.resetAndDestroy();
    await (await upstream.peer(i)).ended("reset");
    assert.equal(plane.gauge("connection_limit.c.active_connections"), 0);
  }
});

test("direct_response says it and closes; echo sends back", async (t) => {
  const direct = await startTcp(t, [networkFilter("d", "direct_response.v3.Config", { response: { inline_string: "no\n" } })], []);
  const refused = direct.connect();
  await refused.ended("fin");
  assert.equal(refused.bytes, "no\n");
  const echo = await startTcp(t, [networkFilter("e", "echo.v3.Echo")], []);
  const client = echo.connect();
  client.send("abc");
  await client.got("abc");
});

test("a connection manager behind another filter serves HTTP", async (t) => {
  const manager: Json = {
    name: "hcm",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
      stat_prefix: "h",
      route_config: {
        virtual_hosts: [
          {
            name: "all",
            domains: ["*"],
            routes: [{ match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: "hi" } } }],
          },
        ],
      },
      http_filters: [
        {
          name: "envoy.filters.http.router",
          typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        },
      ],
    },
  };
  const plane = await startTcp(t, [rbac({ rules: { policies: policies({ any: true }) } }), manager], []);
  const client = plane.connect();
  client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
  await client.until((peer) => peer.bytes.split("\r\n\r\nhi").length === 3, "two answers");
  assert.equal(plane.counter("http.h.downstream_rq_total"), 2);
  assert.equal(plane.counter("tcp.rbac.allowed"), 1);
  client.socket.end();
  await client.ended("fin");
  assert.equal(plane.counter("http.h.downstream_cx_destroy"), 1);
});
