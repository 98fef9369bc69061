// Node's own HTTP/2 client against our server codec: a foreign implementation (nghttp2) that agrees on every byte.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type IncomingHttpHeaders } from "node:http2";
import { HeaderMap } from "../../host/http/header-map.ts";
import { ECHO, Http2TestServer, type ServedStream } from "../support/http2-server.ts";

interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders;
  readonly informational: number[];
  readonly code: number;
}

async function answerTo(request: ClientHttp2Stream): Promise<Answer> {
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  const informational: number[] = [];
  const body: Buffer[] = [];
  request.on("headers", (fields) => informational.push(Number(fields[":status"])));
  request.on("response", (fields) => {
    headers = fields;
  });
  request.on("trailers", (fields: IncomingHttpHeaders) => {
    trailers = fields;
  });
  request.on("data", (data: Buffer) => body.push(data));
  request.on("error", () => {
    // Told by the code.
  });
  await new Promise((resolve) => request.on("close", resolve));
  return { headers, trailers, informational, body: Buffer.concat(body).toString("latin1"), code: request.rstCode };
}

const server = new Http2TestServer(
  {},
  {
    onRequest(stream) {
      const path = stream.header(":path");
      if (path === "/informational") {
        stream.encoder.encode1xxHeaders(HeaderMap.from([[":status", "103"]]));
        stream.answer([[":status", "200"]], "late");
      } else if (path === "/head")
        stream.answer(
          [
            [":status", "200"],
            ["content-length", "2"],
          ],
          "ok",
        );
      else if (path === "/short")
        stream.answer(
          [
            [":status", "200"],
            ["content-length", "9"],
          ],
          "ok",
        );
      else if (path === "/reset") stream.encoder.resetStream("LocalRefusedStreamReset");
      else if (path.startsWith("/bytes/")) sendBytes(stream, Number(path.slice(7)));
      else ECHO.onRequest(stream);
    },
    onHeaders(stream) {
      if (stream.header(":path") === "/early") stream.answer([[":status", "413"]], "no");
      if (stream.encoder.upgrade !== "") {
        stream.encoder.encodeHeaders(HeaderMap.from([[":status", stream.encoder.upgrade === "connect" ? "200" : "101"]]), false);
        stream.encoder.encodeData(Buffer.from(`${stream.header(":method")} ${stream.header("upgrade")} `), false);
      }
    },
    onData(stream, data) {
      if (stream.encoder.upgrade !== "") stream.encoder.encodeData(Buffer.from(data), true);
    },
    onWritable: (stream) => sendMore(stream),
  },
);

const toSend = new Map<ServedStream, number>();
const PIECE = Buffer.alloc(50_000, "z");

function sendBytes(stream: ServedStream, count: number): void {
  stream.encoder.encodeHeaders(HeaderMap.from([[":status", "200"]]), false);
  toSend.set(stream, count);
  sendMore(stream);
}

function sendMore(stream: ServedStream): void {
  let left = toSend.get(stream) ?? 0;
  while (left > 0 && !stream.isAbove) {
    const piece = PIECE.subarray(0, Math.min(left, PIECE.length));
    left -= piece.length;
    toSend.set(stream, left);
    stream.encoder.encodeData(piece, left === 0);
  }
}

let client: ClientHttp2Session;

before(async () => {
  await server.listen();
  client = connect(`http://127.0.0.1:${server.port}`);
});

after(async () => {
  client.close();
  await server.close();
});

test("a request without a body", async () => {
  const answer = await answerTo(client.request({ ":path": "/" }));
  assert.equal(answer.headers[":status"], 200);
  assert.equal(answer.body, "ok");
});

test("a body, trailers, and every byte that a value may have", async () => {
  const value = Array.from({ length: 255 }, (_, i) => i + 1)
    .filter((c) => c >= 0x21 && c !== 0x7f)
    .map((c) => String.fromCharCode(c))
    .join("");
  for (let round = 0; round < 3; round++) {
    const request = client.request({ ":path": "/echo", ":method": "POST", "x-all": value }, { waitForTrailers: true });
    request.on("wantTrailers", () => request.sendTrailers({ "x-sum": "1" }));
    request.end(`body ${round}`);
    const answer = await answerTo(request);
    assert.equal(answer.headers["x-all"], value);
    assert.equal(answer.body, `body ${round}`);
    assert.equal(answer.trailers["x-sum"], "1");
  }
});

test("interim answers, HEAD, a short body, a reset, an early answer", async () => {
  assert.deepEqual((await answerTo(client.request({ ":path": "/informational" }))).informational, [103]);
  const head = await answerTo(client.request({ ":path": "/head", ":method": "HEAD" }));
  assert.equal(head.headers["content-length"], "2");
  assert.equal(head.body, "");
  assert.equal((await answerTo(client.request({ ":path": "/short" }))).code, constants.NGHTTP2_INTERNAL_ERROR);
  assert.equal((await answerTo(client.request({ ":path": "/reset" }))).code, constants.NGHTTP2_REFUSED_STREAM);
  const early = client.request({ ":path": "/early", ":method": "POST" });
  early.write("begun");
  const answer = await answerTo(early);
  assert.equal(answer.headers[":status"], 413);
  assert.equal(answer.body, "no");
  assert.equal(answer.code, constants.NGHTTP2_NO_ERROR);
});

test("bodies larger than all windows, side by side, both ways", async () => {
  const size = 3_000_000;
  const answers = await Promise.all(Array.from({ length: 8 }, () => answerTo(client.request({ ":path": `/bytes/${size}` }))));
  for (const { body } of answers) assert.equal(body.length, size);
  const upload = client.request({ ":path": "/echo", ":method": "POST" });
  upload.end(Buffer.alloc(size, "u"));
  assert.equal((await answerTo(upload)).body.length, size);
});

test("CONNECT and extended CONNECT", async () => {
  const plain = client.request({ ":method": "CONNECT", ":authority": "a.example:443" });
  plain.write("hi");
  assert.equal((await answerTo(plain)).body, "CONNECT  hi");
  const extended = client.request({ ":method": "CONNECT", ":protocol": "websocket", ":path": "/chat", ":scheme": "http" });
  extended.write("hi");
  const answer = await answerTo(extended);
  assert.equal(answer.headers[":status"], 200);
  assert.equal(answer.body, "GET websocket hi");
});

test("nothing is left of any stream", () => {
  assert.equal(server.stats.streamsActive.value, 0);
  assert.equal(server.stats.pendingSendBytes.value, 0);
  assert.equal(server.connections[0].error, "");
});
