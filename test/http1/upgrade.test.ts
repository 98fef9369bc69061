// Upgrades and CONNECT (RFC 9110 7.8, 9.3.6): a tunnel begins with the upstream's consent and not a byte before, carries both ways, and
// ends with either side. A refused one leaves an ordinary connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ProxyOptions, startProxy } from "../support/data-plane.ts";
import { headerOf } from "../support/http1-messages.ts";
import { get, RawClient, turns } from "../support/raw-client.ts";
import { echo, type UpstreamExchange } from "../support/raw-upstream.ts";

const WEBSOCKET = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n";
const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
const CONNECT = "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n";
const websocket: ProxyOptions = { manager: { upgrade_configs: [{ upgrade_type: "websocket" }] } };
const connect: ProxyOptions = {
  routes: [
    { match: { connect_matcher: {} }, route: { cluster: "service", upgrade_configs: [{ upgrade_type: "CONNECT" }] } },
    { match: { prefix: "/" }, route: { cluster: "service" } },
  ],
};

function accept(answer: string): (exchange: UpstreamExchange) => void {
  return ({ connection }) => {
    connection.reader.switchToTunnel();
    connection.write(answer);
  };
}

const TUNNELS: readonly (readonly [
  name: string,
  options: ProxyOptions,
  request: string,
  answer: string,
  method: string,
  status: number,
])[] = [
  ["websocket", websocket, get("/ws", WEBSOCKET), SWITCH, "GET", 101],
  ["CONNECT", connect, CONNECT, "HTTP/1.1 200 OK\r\n\r\n", "CONNECT", 200],
];

for (const [name, options, request, answer, method, status] of TUNNELS) {
  test(`${name}: bytes go both ways once the upstream agreed, and none before`, async (t) => {
    const proxy = await startProxy(t, options);
    const held: UpstreamExchange[] = [];
    proxy.upstream.respond = (exchange) => held.push(exchange);
    const client = new RawClient(proxy.port(), [method]);
    client.write(`${request}early`);
    await proxy.upstream.until(() => held.length === 1);
    await turns(4);
    const [{ connection }] = held;
    assert.ok(!connection.bytes.includes("early"), "tunnelled before the upstream agreed");
    if (method === "GET") {
      assert.equal(headerOf(held[0].request, "upgrade"), "WebSocket");
      assert.equal(headerOf(held[0].request, "connection"), "upgrade");
    } else assert.equal(held[0].request.target, "a.example:443");
    accept(answer)(held[0]);
    await proxy.upstream.until(() => connection.reader.tunnel === "early");
    connection.write("from upstream");
    await client.until(() => client.reader.tunnel === "from upstream");
    client.write("GET /not-a-request HTTP/1.1\r\n\r\n");
    await proxy.upstream.until(() => connection.reader.tunnel.endsWith("\r\n\r\n"));
    assert.equal(proxy.upstream.requests.length, 1);
    assert.equal(Number(client.reader.messages[0]?.startLine.split(" ")[1]), status);
    assert.equal(proxy.gauge("http.in.downstream_cx_upgrades_active"), 1);
    client.destroy();
    await proxy.upstream.until(() => connection.isClosed);
    await turns(5);
    assert.equal(proxy.gauge("http.in.downstream_cx_upgrades_active"), 0);
  });

  test(`${name}: the upstream's end ends the tunnel, its last bytes included`, async (t) => {
    const proxy = await startProxy(t, options);
    proxy.upstream.respond = (exchange) => {
      accept(`${answer}last words`)(exchange);
      exchange.connection.socket.end();
    };
    const client = new RawClient(proxy.port(), [method]);
    client.write(request);
    await client.closed();
    assert.equal(client.reader.tunnel, "last words");
  });

  test(`${name}: after the client's half close the upstream's bytes still arrive`, async (t) => {
    const proxy = await startProxy(t, options);
    proxy.upstream.respond = accept(answer);
    const client = new RawClient(proxy.port(), [method]);
    client.write(request);
    await client.until(() => client.reader.messages.length > 0);
    const [connection] = proxy.upstream.connections;
    // The reader's own handler answers FIN with FIN: the last bytes go first.
    connection.socket.prependOnceListener("end", () => connection.write("afterwards"));
    client.write("bye");
    client.socket.end();
    await client.closed();
    assert.equal(client.reader.tunnel, "afterwards");
    assert.equal(connection.reader.tunnel, "bye");
    assert.equal(proxy.gauge("http.in.downstream_cx_active"), 0);
  });

  test(`${name}: a refusal leaves an ordinary connection`, async (t) => {
    const proxy = await startProxy(t, options);
    proxy.upstream.respond = (exchange) => {
      if (exchange.request.target === "/next") echo(exchange);
      else exchange.connection.write("HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno");
    };
    const client = new RawClient(proxy.port(), [""]);
    client.write(request + get("/next"));
    await client.until(() => client.responses.length === 2);
    assert.deepEqual(client.statuses, [426, 200]);
    assert.equal(headerOf(client.responses[1], "x-target"), "/next");
    client.destroy();
  });
}

const REFUSED: readonly (readonly [name: string, options: ProxyOptions, request: string, status: number])[] = [
  ["websocket where no upgrade is allowed", {}, get("/ws", WEBSOCKET), 403],
  ["another protocol than the one allowed", websocket, get("/ws", "Connection: upgrade\r\nUpgrade: foo\r\n"), 403],
  [
    "a route that turns it off",
    {
      ...websocket,
      routes: [{ match: { prefix: "/" }, route: { cluster: "service", upgrade_configs: [{ upgrade_type: "websocket", enabled: false }] } }],
    },
    get("/ws", WEBSOCKET),
    403,
  ],
  ["CONNECT without a route", {}, CONNECT, 404],
  [
    "CONNECT on a route that does not allow it",
    { routes: [{ match: { connect_matcher: {} }, route: { cluster: "service" } }] },
    CONNECT,
    403,
  ],
];
for (const [name, options, request, status] of REFUSED) {
  test(`refused: ${name}`, async (t) => {
    const proxy = await startProxy(t, options);
    const client = new RawClient(proxy.port(), [""]);
    client.write(`${request}${get("/evil")}`);
    await client.closed();
    assert.deepEqual(client.statuses, [status]);
    assert.equal(proxy.upstream.bytes, "");
  });
}

const WRONG: readonly (readonly [name: string, answer: string])[] = [
  ["to another protocol", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"],
  ["to nothing", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n"],
  ["with a length", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello"],
];
for (const [name, answer] of WRONG) {
  test(`an upstream that switches ${name} is refused`, async (t) => {
    const proxy = await startProxy(t, websocket);
    proxy.upstream.respond = ({ connection }) => connection.write(answer);
    const client = new RawClient(proxy.port());
    client.write(get("/ws", WEBSOCKET));
    const response = await client.response();
    assert.equal(response?.status, 502);
    client.destroy();
  });
}
