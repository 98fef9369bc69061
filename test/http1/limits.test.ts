// Limits that a configuration can set, on both sides: what is over one is refused with its own status, and the connection ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FilterDataStatus, FilterHeadersStatus, PassThroughFilter, type StreamFilterFactory } from "../../host/http/filter.ts";
import { type ProxyOptions, startProxy } from "../support/data-plane.ts";
import { get, RawClient, turns } from "../support/raw-client.ts";

class Buffering extends PassThroughFilter {
  override decodeHeaders(_headers: unknown, endStream: boolean): FilterHeadersStatus {
    return endStream ? FilterHeadersStatus.Continue : FilterHeadersStatus.StopIteration;
  }
  override decodeData(_data: Uint8Array, endStream: boolean): FilterDataStatus {
    return endStream ? FilterDataStatus.Continue : FilterDataStatus.StopIterationAndBuffer;
  }
  override encodeHeaders(_headers: unknown, endStream: boolean): FilterHeadersStatus {
    return endStream ? FilterHeadersStatus.Continue : FilterHeadersStatus.StopIteration;
  }
  override encodeData(_data: Uint8Array, endStream: boolean): FilterDataStatus {
    return endStream ? FilterDataStatus.Continue : FilterDataStatus.StopIterationAndBuffer;
  }
}
const buffering: StreamFilterFactory = { name: "buffering", createFilter: () => new Buffering(), close: () => {} };

const lines = (count: number): string => "X-A: 1\r\n".repeat(count);
const post = (body: string): string => `POST /p HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
/** In chunks of a byte and the rest: the first is held when the second comes. */
const inPieces = (size: number): string =>
  `Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n${(size - 1).toString(16)}\r\n${"x".repeat(size - 1)}\r\n0\r\n\r\n`;
const postInPieces = (size: number): string => `POST /p HTTP/1.1\r\nHost: a.example\r\n${inPieces(size)}`;
const chunkedPost = (trailers: string): string =>
  `POST /p HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n${trailers}\r\n`;
const headers = (count: number): ProxyOptions => ({ manager: { common_http_protocol_options: { max_headers_count: count } } });
const kilobytes = (count: number): ProxyOptions => ({ manager: { max_request_headers_kb: count } });
const buffer: ProxyOptions = { filters: { buffering }, listener: { per_connection_buffer_limit_bytes: 1024 } };
const underscores = (action: string): ProxyOptions => ({
  manager: { common_http_protocol_options: { headers_with_underscores_action: action } },
});

interface Case {
  readonly name: string;
  readonly options?: ProxyOptions;
  readonly send: string;
  readonly answer?: string;
  readonly status: number;
  /** Default: statuses of 400 and above close. */
  readonly stays?: boolean;
}

const CASES: readonly Case[] = [
  { name: "as many headers as allowed", options: headers(5), send: get("/", lines(4)), status: 200 },
  { name: "one header more", options: headers(5), send: get("/", lines(5)), status: 431 },
  { name: "header bytes below the limit", options: kilobytes(2), send: get("/", `X-A: ${"a".repeat(1900)}\r\n`), status: 200 },
  { name: "header bytes above the limit", options: kilobytes(2), send: get("/", `X-A: ${"a".repeat(2048)}\r\n`), status: 431 },
  { name: "a head without an end", options: kilobytes(2), send: `GET / HTTP/1.1\r\n${lines(400)}`, status: 431 },
  { name: "a request line without an end", options: kilobytes(2), send: `GET /${"a".repeat(4000)}`, status: 414 },
  { name: "a target of 16 KiB", send: get(`/${"a".repeat(16 * 1024 - 1)}`), status: 200 },
  { name: "a target of 16 KiB and a byte", send: get(`/${"a".repeat(16 * 1024)}`), status: 414 },
  { name: "a larger limit than the default", options: kilobytes(90), send: get("/", `X-A: ${"a".repeat(80_000)}\r\n`), status: 200 },
  { name: "100 trailers", send: chunkedPost(lines(100)), status: 200 },
  { name: "101 trailers", send: chunkedPost(lines(101)), status: 431 },
  { name: "trailers over 16 KiB", send: chunkedPost(`X-A: ${"a".repeat(17_000)}\r\n`), status: 431 },
  { name: "a body that a filter may hold", options: buffer, send: postInPieces(1024), status: 200 },
  { name: "a body that a filter may not hold", options: buffer, send: postInPieces(1025), status: 413 },
  {
    name: "a held answer that is too large",
    options: buffer,
    send: get("/"),
    answer: `HTTP/1.1 200 OK\r\n${inPieces(2000)}`,
    status: 500,
    stays: true,
  },
  {
    name: "a streamed body of any size",
    options: { listener: { per_connection_buffer_limit_bytes: 1024 } },
    send: post("x".repeat(300_000)),
    status: 200,
  },
  { name: "underscores allowed", send: get("/", "X_A: 1\r\n"), status: 200 },
  { name: "underscores refused", options: underscores("REJECT_REQUEST"), send: get("/", "X_A: 1\r\n"), status: 400 },
  { name: "underscores dropped", options: underscores("DROP_HEADER"), send: get("/", "X_A: 1\r\n"), status: 200 },
  {
    name: "an answer with 101 headers",
    send: get("/"),
    answer: `HTTP/1.1 200 OK\r\n${lines(101)}Content-Length: 0\r\n\r\n`,
    status: 502,
    stays: true,
  },
  {
    name: "an answer with more headers than the cluster allows",
    options: { common: { max_headers_count: 3 } },
    send: get("/"),
    answer: `HTTP/1.1 200 OK\r\n${lines(3)}Content-Length: 0\r\n\r\n`,
    status: 502,
    stays: true,
  },
];

for (const given of CASES) {
  test(`limits: ${given.name}`, async (t) => {
    const proxy = await startProxy(t, given.options);
    const { answer } = given;
    if (answer !== undefined) proxy.upstream.respond = ({ connection }) => connection.write(answer);
    const client = new RawClient(proxy.port());
    client.write(given.send);
    const response = await client.response();
    assert.equal(response?.status, given.status);
    if (given.status >= 400 && given.stays !== true) await client.closed();
    await turns(2);
    assert.equal(client.hasEnded, given.status >= 400 && given.stays !== true);
    if (given.status >= 400 && answer === undefined) assert.equal(proxy.upstream.requests.length, 0);
    if (given.name === "underscores dropped") assert.ok(!proxy.upstream.bytes.includes("x_a"));
    client.destroy();
  });
}

const CONNECTION_LIMITS: readonly (readonly [name: string, options: ProxyOptions, counter: string])[] = [
  ["of the process", { maxConnections: 2, listener: { stat_prefix: "own" } }, "listener.own.downstream_global_cx_overflow"],
];
for (const [name, options, counter] of CONNECTION_LIMITS) {
  test(`connections over the limit ${name} are closed at once, and there is room again when one ends`, async (t) => {
    const proxy = await startProxy(t, options);
    const clients = [await new RawClient(proxy.port()).connected(), await new RawClient(proxy.port()).connected()];
    for (const client of clients) {
      client.write(get("/"));
      await client.response();
    }
    const third = await new RawClient(proxy.port()).connected();
    await third.closed();
    assert.equal(proxy.counter(counter), 1);
    clients[0].destroy();
    await clients[0].until(() => clients[0].isClosed);
    await turns(4);
    const fourth = new RawClient(proxy.port());
    fourth.write(get("/"));
    assert.equal((await fourth.response())?.status, 200);
    for (const client of [...clients, third, fourth]) client.destroy();
  });
}
