// HTTP/1.1 and HTTP/2 in all four pairs through the whole data plane, between Node's own clients and servers: the same exchange has the
// same outcome whatever either side speaks.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "../../host/xds/message.ts";
import { startDataPlane } from "../support/data-plane.ts";
import { type Answer, type Exchange, nodeClient, nodeUpstream, type Protocol, type Reply, type Seen } from "../support/node-http.ts";

interface Case {
  readonly name: string;
  readonly send: Exchange;
  readonly reply?: Reply;
  readonly upstream?: Partial<Pick<Seen, "method" | "path" | "body" | "trailers">> & {
    readonly headers?: Readonly<Record<string, string | undefined>>;
  };
  readonly answer: Partial<Omit<Answer, "headers">> & {
    readonly headers?: Readonly<Record<string, string | undefined>>;
    readonly fails?: boolean;
  };
}

const bytes = (size: number): Buffer => Buffer.alloc(size, "0123456789abcdef");
const BIG = Array.from({ length: 40 }, (_, i) => Buffer.alloc(100_000, String.fromCharCode(97 + (i % 26))));

const CASES: readonly Case[] = [
  {
    name: "GET",
    send: { path: "/a?b=c", headers: { "x-a": "1", "user-agent": "t", cookie: "a=1; b=2" } },
    reply: { headers: { "x-up": "yes", "content-length": "2" }, body: [Buffer.from("ok")] },
    upstream: { method: "GET", path: "/a?b=c", headers: { "x-a": "1", cookie: "a=1; b=2", "x-forwarded-proto": "http" } },
    answer: { status: 200, headers: { "x-up": "yes", "content-length": "2", server: "envoy" }, body: Buffer.from("ok") },
  },
  {
    name: "HEAD",
    send: { method: "HEAD", path: "/" },
    reply: { headers: { "content-length": "7" } },
    answer: { status: 200, body: Buffer.alloc(0) },
  },
  { name: "an answer without a body", send: { path: "/" }, reply: { status: 204 }, answer: { status: 204, body: Buffer.alloc(0) } },
  {
    name: "POST with a length",
    send: { method: "POST", path: "/p", headers: { "content-length": "100000" }, body: [bytes(100_000)] },
    upstream: { method: "POST", headers: { "content-length": "100000" }, body: bytes(100_000) },
    answer: { status: 200 },
  },
  {
    name: "bodies of many parts, without a length",
    send: { method: "PUT", path: "/p", body: BIG },
    reply: { body: BIG },
    upstream: { body: Buffer.concat(BIG) },
    answer: { status: 200, body: Buffer.concat(BIG) },
  },
  {
    name: "trailers both ways",
    send: { method: "POST", path: "/t", headers: { te: "trailers" }, body: [Buffer.from("q")], trailers: { "x-q": "1" } },
    reply: { body: [Buffer.from("r")], trailers: { "x-r": "2" } },
    upstream: { body: Buffer.from("q"), trailers: { "x-q": "1" } },
    answer: { status: 200, body: Buffer.from("r"), trailers: { "x-r": "2" } },
  },
  {
    name: "hop-by-hop headers go no further",
    send: { path: "/" },
    reply: { headers: { "x-kept": "1" }, body: [Buffer.from("x")] },
    upstream: { headers: { connection: undefined, "keep-alive": undefined } },
    answer: { status: 200, headers: { "x-kept": "1" } },
  },
  {
    name: "early hints are dropped without proxy_100_continue",
    send: { path: "/" },
    reply: { early: { link: "</a>; rel=preload" } },
    answer: { status: 200, informational: [] },
  },
  {
    name: "an answer that breaks off",
    send: { path: "/" },
    reply: { body: [Buffer.from("half")], abort: true },
    answer: { status: 200, fails: true },
  },
  { name: "a local reply", send: { path: "/nowhere" }, answer: { status: 404 } },
  { name: "a local reply to a body", send: { method: "POST", path: "/nowhere", body: [bytes(50_000)] }, answer: { status: 404 } },
];

const PROTOCOLS: readonly Protocol[] = ["HTTP/1.1", "HTTP/2"];
const routes: readonly Json[] = [
  { match: { prefix: "/nowhere" }, direct_response: { status: 404 } },
  { match: { prefix: "/" }, route: { cluster: "service" } },
];
const trailersOn = { http_protocol_options: { enable_trailers: true } };

for (const down of PROTOCOLS)
  for (const up of PROTOCOLS) {
    test(`${down} to ${up}`, async (t) => {
      let reply: Reply = {};
      const upstream = await nodeUpstream(up, () => reply);
      const cluster = {
        name: "service",
        ports: [upstream.port],
        ...(up === "HTTP/2" ? { http2: {} } : { http1: { enable_trailers: true } }),
      };
      const plane = await startDataPlane([{ name: "in", routes, manager: trailersOn }], [cluster]);
      t.after(async () => {
        await plane.stop();
        await upstream.close();
      });
      for (const item of CASES) {
        await t.test(item.name, async () => {
          reply = item.reply ?? {};
          upstream.seen.length = 0;
          const client = nodeClient(down, plane.port("in"));
          const answer = await client.send(item.send);
          client.close();
          const { fails = false, headers = {}, ...wanted } = item.answer;
          assert.equal(answer.error !== "", fails, answer.error);
          for (const [name, value] of Object.entries(wanted)) assert.deepEqual(plain(answer[name as keyof Answer]), plain(value), name);
          for (const [name, value] of Object.entries(headers)) assert.equal(answer.headers[name], value, name);
          if (item.upstream === undefined) return;
          const [seen] = upstream.seen;
          const { headers: sent = {}, ...facts } = item.upstream;
          for (const [name, value] of Object.entries(facts)) assert.deepEqual(plain(seen[name as keyof Seen]), plain(value), name);
          // An HTTP/1.1 server is told its own connection's business.
          for (const [name, value] of Object.entries(sent))
            if (!(up === "HTTP/1.1" && name === "connection")) assert.equal(seen.headers[name], value, name);
        });
      }
      await t.test("100 at once", async () => {
        reply = { body: [Buffer.from("ok")] };
        upstream.seen.length = 0;
        const client = nodeClient(down, plane.port("in"));
        const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => client.send({ path: `/${i}` })));
        client.close();
        assert.deepEqual(
          answers.map((answer) => answer.status),
          new Array(100).fill(200),
        );
        assert.equal(new Set(upstream.seen.map((seen) => seen.path)).size, 100);
        // What is over leaves nothing behind.
        for (const name of [
          "http.in.downstream_rq_active",
          "cluster.service.upstream_rq_active",
          "cluster.service.upstream_rq_pending_active",
        ])
          assert.equal(plane.gauge(name), 0, name);
      });
    });
  }

/** Objects without a prototype compare equal to literals. */
function plain(value: unknown): unknown {
  return typeof value === "object" && value !== null && !Buffer.isBuffer(value) && !Array.isArray(value) ? { ...value } : value;
}
