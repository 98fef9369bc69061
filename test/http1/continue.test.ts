// Expect: 100-continue (RFC 9110 10.1.1): the proxy answers it itself, or leaves it to the upstream (proxy_100_continue); an upstream
// that gives its final answer before the body never makes the rest of that body the next request.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ProxyOptions, startProxy } from "../support/data-plane.ts";
import { headerOf } from "../support/http1-messages.ts";
import { get, RawClient } from "../support/raw-client.ts";

const HEAD = "POST /p HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
const proxied: ProxyOptions = { manager: { proxy_100_continue: true } };

test("the proxy answers 100 once and sends no Expect upstream", async (t) => {
  const proxy = await startProxy(t);
  const client = new RawClient(proxy.port());
  client.write(HEAD);
  await client.until(() => client.informational.length > 0);
  client.write("hello");
  const response = await client.response();
  assert.equal(response?.status, 200);
  assert.deepEqual(
    client.informational.map((message) => message.status),
    [100],
  );
  assert.equal(headerOf(proxy.upstream.requests[0], "expect"), undefined);
  assert.equal(proxy.upstream.requests[0].body, "hello");
  client.destroy();
});

test("proxy_100_continue: the upstream's 100 is passed on, once", async (t) => {
  const proxy = await startProxy(t, proxied);
  proxy.upstream.onHead = ({ connection }) => connection.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
  const client = new RawClient(proxy.port());
  client.write(HEAD);
  await client.until(() => client.informational.length > 0);
  client.write("hello");
  await client.response();
  assert.deepEqual(
    client.informational.map((message) => message.status),
    [100],
  );
  assert.equal(headerOf(proxy.upstream.requests[0], "expect"), "100-continue");
  client.destroy();
});

for (const [options, wanted] of [
  [{}, []],
  [proxied, [100, 103]],
] as const) {
  test(`interim answers ${wanted.length > 0 ? "are passed on with" : "go no further without"} proxy_100_continue`, async (t) => {
    const proxy = await startProxy(t, options);
    proxy.upstream.onHead = ({ connection }) =>
      connection.write("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    const client = new RawClient(proxy.port());
    client.write(get("/"));
    const response = await client.response();
    assert.equal(response?.status, 200);
    assert.deepEqual(
      client.informational.map((message) => message.status),
      wanted,
    );
    client.destroy();
  });
}

const EARLY: readonly (readonly [name: string, options: ProxyOptions, answer: string])[] = [
  ["with a body", {}, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"],
  ["without a body", {}, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"],
  ["proxied expectation", proxied, "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n"],
];
for (const [name, options, answer] of EARLY) {
  test(`an early final answer ${name}: the next request is answered right, every time`, async (t) => {
    const proxy = await startProxy(t, options);
    proxy.upstream.onHead = ({ request, connection }) => {
      if (request.target === "/p") connection.write(answer);
    };
    const echo = proxy.upstream.respond;
    proxy.upstream.respond = (exchange) => {
      if (exchange.request.target !== "/p") echo(exchange);
    };
    for (let i = 0; i < 100; i++) {
      const client = new RawClient(proxy.port());
      // The body is itself a request: read as one it would be answered.
      client.write(`POST /p HTTP/1.1\r\nHost: a.example\r\nExpect: 100-continue\r\nContent-Length: ${get("/evil").length}\r\n\r\n`);
      const first = await client.response(1);
      assert.ok(first !== undefined && first.status >= 400 && first.status < 500, first?.startLine);
      client.write(get("/evil") + get("/next"));
      await client.until(() => client.hasEnded || client.responses.length === 2);
      for (const response of client.responses.slice(1)) assert.equal(headerOf(response, "x-target"), "/next");
      client.destroy();
      const next = new RawClient(proxy.port());
      next.write(get(`/n${i}`));
      const response = await next.response();
      assert.equal(response && headerOf(response, "x-target"), `/n${i}`);
      next.destroy();
    }
    assert.ok(proxy.upstream.requests.every((request) => request.target !== "/evil"));
  });
}

test("other expectations are refused and nothing goes upstream", async (t) => {
  const proxy = await startProxy(t);
  for (const value of ["100-continuex", "200-ok", "", "100-continue, x"]) {
    const client = new RawClient(proxy.port());
    client.write(`POST /p HTTP/1.1\r\nHost: a.example\r\nExpect: ${value}\r\nContent-Length: 5\r\n\r\nhello`);
    await client.closed();
    assert.deepEqual(client.statuses, [417], value);
  }
  assert.equal(proxy.upstream.requests.length, 0);
});
