// Node's own HTTP/2 server against our client codec, and our two codecs against each other.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createServer, type Http2Server, type Http2Session } from "node:http2";
import { HeaderMap } from "../../host/http/header-map.ts";
import { Http2TestClient, requestHeaders } from "../support/http2-client.ts";

const SIZE = 3_000_000;
let server: Http2Server;
let client: Http2TestClient;
const sessions: Http2Session[] = [];

before(async () => {
  server = createServer({ settings: { enableConnectProtocol: true, maxConcurrentStreams: 50 } });
  server.on("session", (session) => sessions.push(session));
  server.on("stream", (stream, headers) => {
    stream.on("error", () => {
      // The client resets some of them.
    });
    const path = headers[":path"] ?? "";
    if (headers[":method"] === "CONNECT") {
      stream.respond({ ":status": 200 });
      stream.end(`${headers[":protocol"] ?? "plain"} ${path}`);
      return;
    }
    if (path === "/refuse") {
      stream.close(7);
      return;
    }
    if (path === "/early") {
      stream.respond({ ":status": 413 });
      stream.end("no");
      return;
    }
    if (path === "/big") {
      stream.respond({ ":status": 200 });
      stream.end(Buffer.alloc(SIZE, "b"));
      return;
    }
    const body: Buffer[] = [];
    let trailers = "";
    stream.on("trailers", (fields) => {
      trailers = String(fields["x-sum"]);
    });
    stream.on("data", (data: Buffer) => body.push(data));
    stream.on("end", () => {
      if (path === "/hint") stream.additionalHeaders({ ":status": 103 });
      stream.respond(
        { ":status": 200, "x-cookie": String(headers.cookie), "x-back": String(headers["x-back"]) },
        { waitForTrailers: trailers !== "" },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "x-sum": trailers }));
      stream.end(Buffer.concat(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  client = new Http2TestClient(typeof address === "object" && address !== null ? address.port : 0);
});

after(async () => {
  client.connection.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
});

test("requests side by side, with a field that comes again", async () => {
  const exchanges = Array.from({ length: 20 }, (_, i) =>
    client.send(
      requestHeaders("/", "GET", [
        ["x-back", `é${i % 3}`],
        ["cookie", "a=1; b=2"],
      ]),
    ),
  );
  await Promise.all(exchanges.map(({ ended }) => ended));
  exchanges.forEach(({ headers, status }, i) => {
    assert.equal(status, "200");
    assert.ok(headers.some(([name, value]) => name === "x-back" && value === `é${i % 3}`));
    assert.ok(headers.some(([name, value]) => name === "x-cookie" && value === "a=1; b=2"));
  });
});

test("bodies larger than all windows, trailers, an interim answer", async () => {
  const upload = client.send(requestHeaders("/", "POST"), Buffer.alloc(SIZE, "u"), [["x-sum", "7"]]);
  const download = client.send(requestHeaders("/big"));
  const hint = client.send(requestHeaders("/hint"));
  await Promise.all([upload.ended, download.ended, hint.ended]);
  assert.equal(upload.text.length, SIZE);
  assert.deepEqual(upload.trailers, [["x-sum", "7"]]);
  assert.equal(download.text.length, SIZE);
  assert.deepEqual(hint.informational, ["103"]);
});

test("tunnels, a refused stream, an answer before the end of its request, a request given up", async () => {
  const connect = client.send(
    HeaderMap.from([
      [":authority", "a.example:443"],
      [":method", "CONNECT"],
    ]),
  );
  const upgrade = client.begin();
  upgrade.encoder?.encodeHeaders(
    requestHeaders("/chat", "GET", [
      ["connection", "upgrade"],
      ["upgrade", "websocket"],
    ]),
    false,
  );
  const refused = client.send(requestHeaders("/refuse"));
  const early = client.begin();
  early.encoder?.encodeHeaders(requestHeaders("/early", "POST"), false);
  const given = client.begin();
  given.encoder?.encodeHeaders(requestHeaders("/", "POST"), false);
  given.encoder?.resetStream("LocalReset");
  await Promise.all([connect.ended, upgrade.ended, refused.ended, early.ended]);
  assert.equal(connect.text, "plain ");
  assert.equal(upgrade.status, "101");
  assert.deepEqual(upgrade.headers.slice(-2), [
    ["upgrade", "websocket"],
    ["connection", "upgrade"],
  ]);
  assert.equal(upgrade.text, "websocket /chat");
  assert.deepEqual(refused.reset, ["RemoteRefusedStreamReset", "http2.remote_refuse"]);
  assert.equal(early.text, "no");
  assert.equal(given.reset, undefined);
});

test("a reader that stops gets the rest when it goes on", async () => {
  const exchange = client.begin();
  exchange.encoder?.readDisable(true);
  exchange.encoder?.encodeHeaders(requestHeaders("/big"), true);
  const other = client.send(requestHeaders("/"));
  await other.ended;
  assert.equal(exchange.text.length, 0);
  exchange.encoder?.readDisable(false);
  await exchange.ended;
  assert.equal(exchange.text.length, SIZE);
});

test("the server's limit and its GOAWAY reach the pool", async () => {
  assert.equal(client.codec.maxConcurrentStreams, 50);
  assert.equal(client.stats.streamsActive.value, 0);
  assert.equal(client.stats.pendingSendBytes.value, 0);
  const completed = client.completed;
  sessions[0].close();
  await client.closed;
  assert.equal(client.goAways, 1);
  assert.equal(client.codec.maxConcurrentStreams, 0);
  assert.equal(client.completed, completed);
});
