// use_original_dst: a connection goes on at the listener of the address that its client meant, which may have no socket of its own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readSocketAddress } from "../../host/net/listener-filters/original-dst.ts";
import { startDataPlane } from "../support/data-plane.ts";
import { rawRequest } from "./raw-request.ts";
import type { Fields } from "./support.ts";

const prefix = "type.googleapis.com/envoy.extensions.filters.listener.";
const proxyProtocol = { name: "p", typed_config: { "@type": `${prefix}proxy_protocol.v3.ProxyProtocol` } };
const originalDst = { name: "o", typed_config: { "@type": `${prefix}original_dst.v3.OriginalDst` } };

const at = (address: string, port_value: number): Fields => ({ address: { socket_address: { address, port_value } }, bind_to_port: false });
const answering = (name: string): readonly Fields[] => [
  { match: { prefix: "/" }, direct_response: { status: 200, body: { inline_string: name } } },
];

const CASES: readonly (readonly [destination: string, answer: string])[] = [
  ["192.0.2.2 8080 443", "exact"],
  ["192.0.2.9 8080 443", "everywhere"],
  ["192.0.2.2 8080 444", "front"],
];

test("a restored destination leads to its listener", async (t) => {
  const front = { listener_filters: [proxyProtocol, originalDst], use_original_dst: true };
  const plane = await startDataPlane(
    [
      { name: "front", listener: front, routes: answering("front") },
      { name: "exact", listener: at("192.0.2.2", 443), routes: answering("exact") },
      { name: "everywhere", listener: at("0.0.0.0", 443), routes: answering("everywhere") },
    ],
    [],
  );
  t.after(() => plane.stop());
  const request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  for (const [destination, answer] of CASES) {
    const [ip, from, to] = destination.split(" ");
    const text = await rawRequest(plane.port("front"), `PROXY TCP4 10.0.0.1 ${ip} ${from} ${to}\r\n${request}`);
    assert.equal(text.slice(text.indexOf("\r\n\r\n") + 4), answer, destination);
  }
  assert.equal(plane.counter("listener.192.0.2.2_443.downstream_cx_total"), 1);
  assert.equal(plane.counter("listener.127.0.0.1_0.downstream_cx_total"), 1);
  // The client's FIN comes a turn of the loop after ours.
  for (let turn = 0; turn < 50 && plane.dataPlane.connectionCount > 0; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(plane.dataPlane.connectionCount, 0);
});

const ADDRESSES: readonly (readonly [hex: string, address: string | undefined])[] = [
  ["0200 01bb c0000202 0000000000000000", "192.0.2.2 443"],
  ["0a00 01bb 00000000 20010db8000000000000000000000001 00000000", "2001:db8::1 443"],
  ["0100 01bb c0000202 0000000000000000", undefined],
];
for (const [hex, address] of ADDRESSES) {
  test(`socket address ${hex}`, () => {
    const read = readSocketAddress(Buffer.from(hex.replaceAll(" ", ""), "hex"));
    assert.equal(read === undefined ? undefined : `${read.ip} ${read.port}`, address);
  });
}
