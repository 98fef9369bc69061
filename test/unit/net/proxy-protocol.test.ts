// The PROXY protocol reader: good headers in every division, and a table of malformed ones.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ProxyHeaderResult, readProxyHeader } from "../../../host/net/listener-filters/proxy-protocol.ts";

const SIGNATURE = "0d0a0d0a000d0a515549540a";
const v2 = (rest: string): Buffer => Buffer.from(SIGNATURE + rest.replaceAll(" ", ""), "hex");
const ADDRESSES = "0a000001 c0000202 1f90 01bb";
const ADDRESSES6 = `20010db8000000000000000000000001 ${"0".repeat(31)}1 1f90 01bb`;

const GOOD: readonly (readonly [name: string, data: Buffer, addresses: string])[] = [
  ["v1 TCP4", Buffer.from("PROXY TCP4 10.0.0.1 192.0.2.2 8080 443\r\n"), "10.0.0.1 8080 192.0.2.2 443"],
  ["v1 TCP6", Buffer.from("PROXY TCP6 2001:db8::1 ::1 8080 443\r\n"), "2001:db8::1 8080 ::1 443"],
  ["v1 UNKNOWN", Buffer.from("PROXY UNKNOWN\r\n"), ""],
  ["v1 UNKNOWN with more", Buffer.from("PROXY UNKNOWN a b c d\r\n"), ""],
  ["v2 TCP4", v2(`21 11 000c ${ADDRESSES}`), "10.0.0.1 8080 192.0.2.2 443"],
  ["v2 TCP6", v2(`21 21 0024 ${ADDRESSES6}`), "2001:db8::1 8080 ::1 443"],
  ["v2 UDP4", v2(`21 12 000c ${ADDRESSES}`), "10.0.0.1 8080 192.0.2.2 443"],
  ["v2 LOCAL", v2("20 00 0000"), ""],
  ["v2 LOCAL with a body to skip", v2("20 11 0003 aabbcc"), ""],
  ["v2 with TLVs", v2(`21 11 0011 ${ADDRESSES} e0 0002 6162`), "10.0.0.1 8080 192.0.2.2 443"],
];
for (const [name, data, addresses] of GOOD) {
  test(`proxy protocol: ${name}`, () => {
    for (let at = 0; at < data.length; at++) assert.equal(readProxyHeader(data.subarray(0, at)).kind, "more", `byte ${at}`);
    const result = readProxyHeader(Buffer.concat([data, Buffer.from("GET /")]));
    assert.equal(result.kind, "header");
    if (result.kind !== "header") return;
    assert.equal(result.length, data.length);
    const found = result.addresses;
    assert.equal(
      found === undefined ? "" : `${found.sourceIp} ${found.sourcePort} ${found.destinationIp} ${found.destinationPort}`,
      addresses,
    );
  });
}

const BAD: readonly (readonly [data: string | Buffer, kind: ProxyHeaderResult["kind"]])[] = [
  ["GET / HTTP/1.1\r\n", "absent"],
  ["PROXZ", "absent"],
  ["proxy TCP4 ", "absent"],
  ["\r\n\r\nx", "absent"],
  ["PROXY TCP4 10.0.0.1 192.0.2.2 8080\r\n", "invalid"],
  ["PROXY TCP4 10.0.0.1 192.0.2.2 8080 443 1\r\n", "invalid"],
  ["PROXY TCP4  10.0.0.1 192.0.2.2 8080 443\r\n", "invalid"],
  ["PROXY TCP4 10.0.0.256 192.0.2.2 8080 443\r\n", "invalid"],
  ["PROXY TCP4 ::1 ::1 8080 443\r\n", "invalid"],
  ["PROXY TCP6 10.0.0.1 192.0.2.2 8080 443\r\n", "invalid"],
  ["PROXY TCP6 fe80::1%eth0 ::1 8080 443\r\n", "invalid"],
  ["PROXY TCP4 10.0.0.1 192.0.2.2 65536 443\r\n", "invalid"],
  ["PROXY TCP4 10.0.0.1 192.0.2.2 08 443\r\n", "invalid"],
  ["PROXY TCP4 10.0.0.1 192.0.2.2 -1 443\r\n", "invalid"],
  ["PROXY TCP4 10.0.0.1 192.0.2.2 8080 443\n\r\n", "invalid"],
  ["PROXY UDP4 10.0.0.1 192.0.2.2 8080 443\r\n", "invalid"],
  ["PROXY \r\n", "invalid"],
  [`PROXY UNKNOWN ${"x".repeat(120)}`, "invalid"],
  [v2("31 11 000c"), "invalid"],
  [v2("11 11 000c"), "invalid"],
  [v2(`22 11 000c ${ADDRESSES}`), "invalid"],
  [v2("21 11 000b"), "invalid"],
  [v2(`21 13 000c ${ADDRESSES}`), "invalid"],
  [v2("21 00 0000"), "invalid"],
  [v2(`21 31 000c ${ADDRESSES}`), "invalid"],
  [v2(`21 11 000e ${ADDRESSES} e000`), "invalid"],
  [v2(`21 11 000f ${ADDRESSES} e0 0001`), "invalid"],
];
for (const [data, kind] of BAD) {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  test(`proxy protocol: ${kind} ${JSON.stringify(bytes.toString("latin1")).slice(0, 70)}`, () =>
    assert.equal(readProxyHeader(bytes).kind, kind));
}
