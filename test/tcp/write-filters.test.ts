// Filters of what goes to the client: they see everything once and in order, may hold and change it, and what they hold pushes back.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import type { BodyBuffer } from "../../host/base/body-buffer.ts";
import { FilterStatus, type NetworkFilter } from "../../host/net/network-filter.ts";
import type { Json } from "../../host/xds/message.ts";
import { networkFilter, startTcp, startUpstream, type TcpPlane, tcpProxy } from "../support/tcp.ts";

/** Any module will do: the test's plugin host makes the filter. */
const PLUGIN = networkFilter("writes", "wasm.v3.Wasm", {
  config: { name: "writes", vm_config: { runtime: "envoy.wasm.runtime.v8", code: { local: { inline_bytes: "AGFzbQEAAAA=" } } } },
});

class WriteFilter implements NetworkFilter {
  readonly seen: string[] = [];
  private readonly edit: (data: BodyBuffer, end: boolean) => FilterStatus;

  constructor(edit: (data: BodyBuffer, end: boolean) => FilterStatus) {
    this.edit = edit;
  }

  onNewConnection(): FilterStatus {
    return FilterStatus.Continue;
  }

  onData(): FilterStatus {
    return FilterStatus.Continue;
  }

  onWrite(data: BodyBuffer, end: boolean): FilterStatus {
    if (this.seen.length < 100) this.seen.push(`${Buffer.from(data.bytes()).latin1Slice().slice(0, 40)}${end ? "|end" : ""}`);
    return this.edit(data, end);
  }

  onClose(): void {}
}

async function start(t: TestContext, filter: WriteFilter, terminal: Json, port: number, limit = 65536): Promise<TcpPlane> {
  const networkFilters = { createFilter: () => filter, close: () => {} };
  const noHttpFilter = (): never => {
    throw new Error("no HTTP filter is a plugin here");
  };
  return startTcp(t, [PLUGIN, terminal], [{ name: "service", ports: [port], cluster: { per_connection_buffer_limit_bytes: 65536 } }], {
    listener: { per_connection_buffer_limit_bytes: limit },
    pluginHost: () => ({ filter: noHttpFilter, networkFilter: () => networkFilters }),
  });
}

test("a write filter holds until a line is whole, and changes it", async (t) => {
  const upstream = await startUpstream(t);
  const filter = new WriteFilter((data) => {
    const text = Buffer.from(data.bytes()).latin1Slice();
    if (!text.endsWith("\n")) return FilterStatus.StopIteration;
    data.splice(0, data.length, Buffer.from(text.toUpperCase()));
    return FilterStatus.Continue;
  });
  const plane = await start(t, filter, tcpProxy(), upstream.port);
  const client = plane.connect();
  const server = await upstream.peer();
  for (const piece of ["one ", "line\n", "two\n"]) {
    server.send(piece);
    const want = filter.seen.length + 1;
    while (filter.seen.length < want) await new Promise((resolve) => setImmediate(resolve));
  }
  await client.got("ONE LINE\nTWO\n");
  assert.deepEqual(filter.seen, ["one ", "one line\n", "two\n"]);
  assert.equal(plane.counter("tcp.t.downstream_cx_tx_bytes_total"), 13);
});

test("an end that a write filter holds does not reach the client, until the connection is over", async (t) => {
  const upstream = await startUpstream(t);
  const filter = new WriteFilter((_data, end) => (end ? FilterStatus.StopIteration : FilterStatus.Continue));
  const plane = await start(t, filter, tcpProxy(), upstream.port);
  const client = plane.connect();
  const server = await upstream.peer();
  server.socket.end("bye");
  await client.got("bye");
  while (filter.seen.at(-1) !== "|end") await new Promise((resolve) => setImmediate(resolve));
  assert.equal(client.end, "");
  client.socket.end();
  await client.ended("fin");
});

test("what a write filter holds stops the upstream at the connection's limit", async (t) => {
  const upstream = await startUpstream(t);
  let held = 0;
  const filter = new WriteFilter((data) => {
    held = Math.max(held, data.length);
    return FilterStatus.StopIteration;
  });
  const plane = await start(t, filter, tcpProxy(), upstream.port);
  plane.connect();
  const server = await upstream.peer();
  const chunk = Buffer.alloc(65536, "x");
  for (let i = 0; i < 256; i++) server.socket.write(chunk);
  const paused = "cluster.service.upstream_flow_control_paused_reading_total";
  while (plane.counter(paused) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(held > 65536 && held <= 3 * 65536, `${held} bytes held`);
  assert.equal(plane.counter(paused), 1);
});

test("a write filter before a connection manager sees its answers", async (t) => {
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
  const filter = new WriteFilter((data) => {
    data.splice(data.length, 0, Buffer.from("!"));
    return FilterStatus.Continue;
  });
  const plane = await start(t, filter, manager, 1);
  const client = plane.connect();
  client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
  await client.ended("fin");
  assert.match(client.bytes, /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\nhi!$/);
  assert.equal(filter.seen.length, 1);
});
