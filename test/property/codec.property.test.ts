// What one codec writes the other reads as the same message, in whatever pieces; and no message gains a line on its way through.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeaderMap } from "../../host/http/header-map.ts";
import { Http1ClientConnection } from "../../host/http1/client.ts";
import { isValidFieldName, isValidFieldValue } from "../../host/http1/serialize.ts";
import { runRequests, runResponse, SERVER_OPTIONS } from "../support/codec-pair.ts";
import { FakeConnection } from "../support/fake-connection.ts";
import { Http1Reader } from "../support/http1-messages.ts";

const FRAMING = new Set(["host", "content-length", "transfer-encoding", "connection", "upgrade", "expect", "te"]);
const name = fc
  .string({ unit: fc.constantFrom(..."abcXYZ019!#$%&'*+-.^_`|~"), minLength: 1, maxLength: 12 })
  .filter((text) => !FRAMING.has(text.toLowerCase()));
const value = fc
  .string({
    unit: fc
      .integer({ min: 0x20, max: 0xff })
      .filter((c) => c !== 0x7f)
      .map((c) => String.fromCharCode(c)),
    maxLength: 20,
  })
  .map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ""));
const fields = fc.array(fc.tuple(name, value), { maxLength: 20 });
const body = fc.array(
  fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)), minLength: 1, maxLength: 40 }),
  { maxLength: 5 },
);
const cuts = fc.array(fc.nat(400), { maxLength: 6 });

function split(text: string, at: readonly number[]): Buffer[] {
  const edges = [0, ...[...new Set(at)].filter((cut) => cut > 0 && cut < text.length).sort((a, b) => a - b), text.length];
  return edges.slice(1).map((end, i) => Buffer.from(text.slice(edges[i], end), "latin1"));
}

function lineCount(text: string): number {
  return text.slice(0, text.indexOf("\r\n\r\n")).split("\r\n").length;
}

test("a request written by the client codec is read by the server codec as it was", () => {
  fc.assert(
    fc.property(
      fc.constantFrom("GET", "POST", "BREW"),
      fields,
      body,
      fields,
      cuts,
      fc.boolean(),
      (method, headers, pieces, trailers, at, hasLength) => {
        const connection = new FakeConnection();
        const client = new Http1ClientConnection(
          connection.asConnection,
          { onStreamComplete() {}, onGoAway() {}, onMaxStreamsChanged() {}, onProtocolError() {}, onClose() {} },
          { ...SERVER_OPTIONS },
        );
        const whole = pieces.join("");
        const lower = (list: readonly (readonly [string, string])[]): [string, string][] =>
          list.map(([key, text]) => [key.toLowerCase(), text]);
        const map = HeaderMap.from([
          [":authority", "a.example"],
          [":path", "/x"],
          [":method", method],
          [":scheme", "http"],
          ...lower(headers),
        ]);
        if (hasLength) map.add("content-length", String(whole.length));
        const hasTrailers = trailers.length > 0 && !hasLength;
        const encoder = client.newStream({
          decode1xxHeaders() {},
          decodeHeaders() {},
          decodeData() {},
          decodeTrailers() {},
          onReset() {},
          onAboveWriteBufferHighWatermark() {},
          onBelowWriteBufferLowWatermark() {},
        });
        encoder.encodeHeaders(map, pieces.length === 0 && !hasTrailers);
        pieces.forEach((piece, i) => {
          encoder.encodeData(Buffer.from(piece, "latin1"), i === pieces.length - 1 && !hasTrailers);
        });
        if (hasTrailers) encoder.encodeTrailers(HeaderMap.from(lower(trailers)));
        const run = runRequests(split(connection.written, at));
        assert.equal(run.refused, 0, connection.written);
        assert.equal(run.messages.length, 1);
        const [message] = run.messages;
        assert.ok(message.isComplete);
        assert.equal(message.body, whole);
        const own = new Set(["transfer-encoding", ...(hasLength ? [] : ["content-length"])]);
        assert.deepEqual(
          message.headers.filter(([key]) => !own.has(key)),
          map.entries(),
        );
        const kept = lower(trailers).filter(([key]) => !/^(te|range|cookie|host|trailer)$/.test(key));
        if (hasTrailers) assert.deepEqual(message.trailers, kept);
      },
    ),
    { seed: 10, numRuns: 2000 },
  );
});

/** Heads near to good ones: most are refused, and what is not must not grow. */
const nearRequest = fc
  .array(
    fc.constantFrom(
      "GET / HTTP/1.1\r\n",
      "Host: a\r\n",
      "X: y",
      "\r\n",
      "\r",
      "\n",
      ":",
      " ",
      "\t",
      "Content-Length: 2\r\n",
      "Transfer-Encoding: chunked\r\n",
      "hi",
      "0\r\n\r\n",
      "2\r\nhi\r\n",
      "\u0000",
      "é",
      "Connection: x, close\r\n",
      "Upgrade: websocket\r\n",
    ),
    { maxLength: 14 },
  )
  .map((parts) => `GET /a HTTP/1.1\r\nHost: a\r\n${parts.join("")}\r\n\r\n`);

test("what is forwarded has the lines that were read, and reads back the same", () => {
  fc.assert(
    fc.property(nearRequest, cuts, (text, at) => {
      const run = runRequests(split(text, at));
      run.forwarded.forEach((written, i) => {
        if (written === "") return;
        const { headers } = run.messages[i];
        const pseudo = headers.filter(([key]) => key.startsWith(":")).length;
        const framing = headers.filter(([key]) => key === "transfer-encoding").length;
        // Request line and host come from pseudo headers; the codec writes transfer-encoding itself.
        const own = /\r\ntransfer-encoding: chunked\r\n/.test(written) ? 1 : 0;
        assert.equal(lineCount(written), 2 + headers.length - pseudo - framing + own, written);
        const reader = new Http1Reader("request", () => {});
        reader.feed(Buffer.from(written, "latin1"));
        assert.deepEqual(reader.breaches, [], written);
        assert.ok(reader.messages.length <= 1, `one request became ${reader.messages.length}: ${written}`);
        if (run.messages[i].isComplete) assert.equal(reader.messages[0]?.body, run.messages[i].body);
      });
      // In one piece or in many: the same outcome.
      const whole = runRequests([Buffer.from(text, "latin1")]);
      assert.deepEqual(run.messages, whole.messages);
      assert.equal(run.refused, whole.refused);
    }),
    { seed: 11, numRuns: 20_000 },
  );
});

const nearResponse = fc
  .array(
    fc.constantFrom(
      "X: y\r\n",
      "\r\n",
      "\n",
      "\r",
      ":",
      "Content-Length: 2\r\n",
      "Transfer-Encoding: chunked\r\n",
      "hi",
      "0\r\n\r\n",
      "2\r\nhi\r\n",
      "\u0000",
      "HTTP/1.1 200 OK\r\n",
      "Set-Cookie: a=b\r\n",
    ),
    { maxLength: 14 },
  )
  .chain((parts) =>
    fc.constantFrom("200", "204", "304", "103", "404", "600").map((status) => `HTTP/1.1 ${status} OK\r\n${parts.join("")}\r\n`),
  );

test("an answer that is passed on is one answer, or is seen to be cut off", () => {
  fc.assert(
    fc.property(nearResponse, cuts, fc.constantFrom("GET", "HEAD"), fc.boolean(), (text, at, method, isEnded) => {
      const run = runResponse(split(text, at), method, isEnded);
      const reader = new Http1Reader("response", () => {});
      reader.nextMethod = () => method;
      reader.feed(Buffer.from(run.forwarded, "latin1"));
      assert.deepEqual(reader.breaches, [], run.forwarded);
      assert.ok(reader.messages.length <= 1, run.forwarded);
      if (run.message.isComplete) assert.equal(reader.messages[0]?.body, method === "HEAD" ? "" : run.message.body);
      else
        assert.ok(
          reader.messages.every((message) => !message.complete),
          run.forwarded,
        );
      const whole = runResponse([Buffer.from(text, "latin1")], method, isEnded);
      assert.equal(run.message.isComplete, whole.message.isComplete);
      if (run.message.isComplete) assert.deepEqual(run.message, whole.message);
    }),
    { seed: 12, numRuns: 20_000 },
  );
});

test("the last guard knows every byte that could make a line", () => {
  for (let c = 0; c < 0x120; c++) {
    const char = String.fromCharCode(c);
    assert.equal(isValidFieldValue(`a${char}b`), c === 9 || (c >= 0x20 && c !== 0x7f && c <= 0xff), `value with ${c}`);
    assert.equal(isValidFieldName(`a${char}b`), /[!#$%&'*+\-.^_`|~0-9a-z]/.test(char), `name with ${c}`);
  }
});
