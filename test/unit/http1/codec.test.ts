// One codec at a time, without sockets: what a filter can do to a message must not make two of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RequestDecoder, ResponseDecoder, ResponseEncoder } from "../../../host/http/codec.ts";
import { HeaderMap } from "../../../host/http/header-map.ts";
import { Http1ClientConnection } from "../../../host/http1/client.ts";
import { Http1ServerConnection } from "../../../host/http1/server.ts";
import { SERVER_OPTIONS } from "../../support/codec-pair.ts";
import { FakeConnection } from "../../support/fake-connection.ts";

class Recorder implements RequestDecoder, ResponseDecoder {
  readonly events: string[] = [];
  decode1xxHeaders(): void {}
  decodeHeaders(_headers: HeaderMap, endStream: boolean): void {
    this.events.push(endStream ? "headers, end" : "headers");
  }
  decodeData(data: Uint8Array, endStream: boolean): void {
    this.events.push(`data ${data.length}${endStream ? ", end" : ""}`);
  }
  decodeTrailers(): void {
    this.events.push("trailers");
  }
  onReset(reason: string, details: string): void {
    this.events.push(`reset ${reason} ${details}`);
  }
  onAboveWriteBufferHighWatermark(): void {
    this.events.push("above");
  }
  onBelowWriteBufferLowWatermark(): void {
    this.events.push("below");
  }
}

interface ClientCase {
  readonly name: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly data: readonly string[];
  readonly ends: boolean;
  readonly written: string;
  readonly reset?: string;
}
const HEAD: readonly (readonly [string, string])[] = [
  [":authority", "a"],
  [":path", "/"],
  [":method", "POST"],
];
const CLIENT_CASES: readonly ClientCase[] = [
  {
    name: "chunks",
    headers: HEAD,
    data: ["hi", ""],
    ends: true,
    written: "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
  },
  { name: "no body", headers: HEAD, data: [], ends: true, written: "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n" },
  {
    name: "a transfer-encoding that a filter set is not written",
    headers: [...HEAD, ["transfer-encoding", "gzip"]],
    data: ["hi"],
    ends: true,
    written: "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
  },
  {
    name: "an upgrade field alone opens no tunnel",
    headers: [...HEAD, ["upgrade", "websocket"]],
    data: ["hi"],
    ends: true,
    written: "POST / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
  },
  {
    name: "more than content-length says",
    headers: [...HEAD, ["content-length", "2"]],
    data: ["hi", "!"],
    ends: true,
    written: "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi",
    reset: "reset LocalReset http1.content_length_exceeded",
  },
  {
    name: "less than content-length says",
    headers: [...HEAD, ["content-length", "3"]],
    data: ["hi"],
    ends: true,
    written: "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nhi",
    reset: "reset LocalReset http1.content_length_unmet",
  },
];
for (const given of CLIENT_CASES) {
  test(`client codec: ${given.name}`, () => {
    const connection = new FakeConnection();
    const recorder = new Recorder();
    const client = new Http1ClientConnection(
      connection.asConnection,
      { onStreamComplete() {}, onGoAway() {}, onMaxStreamsChanged() {}, onProtocolError() {}, onClose() {} },
      SERVER_OPTIONS,
    );
    const encoder = client.newStream(recorder);
    encoder.encodeHeaders(HeaderMap.from(given.headers), given.data.length === 0 && given.ends);
    given.data.forEach((piece, i) => {
      encoder.encodeData(Buffer.from(piece), given.ends && i === given.data.length - 1);
    });
    assert.equal(connection.written, given.written);
    assert.deepEqual(recorder.events, given.reset === undefined ? [] : [given.reset]);
    assert.equal(connection.isOpen, given.reset === undefined);
  });
}

interface ServerCase {
  readonly name: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly data: readonly string[];
  /** Behind the date and so on that are not the codec's. */
  readonly written: string;
  readonly events: readonly string[];
  readonly closes: boolean;
}
const SERVER_CASES: readonly ServerCase[] = [
  {
    name: "a 204 that a filter gave a length",
    headers: [
      [":status", "204"],
      ["content-length", "5"],
    ],
    data: [],
    written: "HTTP/1.1 204 No Content\r\n\r\n",
    events: ["headers, end"],
    closes: false,
  },
  {
    name: "a body behind 304",
    headers: [[":status", "304"]],
    data: ["hi"],
    written: "HTTP/1.1 304 Not Modified\r\n\r\n",
    events: ["headers, end"],
    closes: false,
  },
  {
    name: "more than content-length says",
    headers: [
      [":status", "200"],
      ["content-length", "2"],
    ],
    data: ["hi", "!"],
    written: "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    events: ["headers, end", "reset LocalReset http1.content_length_exceeded"],
    closes: true,
  },
  {
    name: "less than content-length says",
    headers: [
      [":status", "200"],
      ["content-length", "3"],
    ],
    data: ["hi"],
    written: "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi",
    events: ["headers, end", "reset LocalReset http1.content_length_unmet"],
    closes: true,
  },
  {
    name: "an unknown status",
    headers: [[":status", "799"]],
    data: [],
    written: "HTTP/1.1 799 Unknown\r\ncontent-length: 0\r\n\r\n",
    events: ["headers, end"],
    closes: false,
  },
];
for (const given of SERVER_CASES) {
  test(`server codec: ${given.name}`, () => {
    const connection = new FakeConnection();
    const recorder = new Recorder();
    let encoder: ResponseEncoder | undefined;
    const callbacks = {
      newStream: (made: ResponseEncoder): Recorder => {
        encoder = made;
        return recorder;
      },
      onPartialHead() {},
      onConnectionError() {},
      onProtocolError() {},
    };
    const server = new Http1ServerConnection(connection.asConnection, callbacks, SERVER_OPTIONS);
    server.onData(Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    encoder?.encodeHeaders(HeaderMap.from(given.headers), given.data.length === 0);
    given.data.forEach((piece, i) => {
      encoder?.encodeData(Buffer.from(piece), i === given.data.length - 1);
    });
    assert.equal(connection.written, given.written);
    assert.deepEqual(recorder.events, given.events);
    assert.equal(server.closeAfterAnswer, given.closes);
  });
}
