// The ClientHello reader: real ones in every division, and what is none.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ClientHelloResult, readClientHello } from "../../../host/net/listener-filters/client-hello.ts";
import { ALPN, clientHello, extension, records, SNI } from "../../support/client-hello.ts";

const LIMIT = 16_384;
const whole = records(clientHello([SNI("A.example"), ALPN("h2", "http/1.1")]));

test("client hello: found whole, and asked for more at every byte before", () => {
  for (let at = 0; at < whole.length; at++) assert.equal(readClientHello(whole.subarray(0, at), LIMIT).kind, "more", `byte ${at}`);
  assert.deepEqual(readClientHello(Buffer.concat([whole, Buffer.from("x")]), LIMIT), {
    kind: "hello",
    serverName: "a.example",
    protocols: ["h2", "http/1.1"],
    length: whole.length,
  });
});

for (const size of [1, 2, 3, 5, 64, 100]) {
  test(`client hello: in records of ${size} bytes`, () => {
    const split = records(clientHello([SNI("a.example")]), size);
    for (let at = 0; at < split.length; at++) assert.equal(readClientHello(split.subarray(0, at), LIMIT).kind, "more", `byte ${at}`);
    const result = readClientHello(split, LIMIT);
    assert.equal(result.kind === "hello" ? result.serverName : result.kind, "a.example");
  });
}

const CASES: readonly (readonly [name: string, data: Buffer, kind: ClientHelloResult["kind"]])[] = [
  ["no extensions at all", records(clientHello(undefined)), "hello"],
  ["nothing", Buffer.alloc(0), "more"],
  ["plain HTTP", Buffer.from("GET / HTTP/1.1\r\n"), "not_tls"],
  ["an alert", Buffer.from([21, 3, 3, 0, 2, 2, 0]), "not_tls"],
  ["another major version", Buffer.from([22, 4, 0, 0, 5]), "not_tls"],
  ["an empty record", Buffer.from([22, 3, 1, 0, 0]), "error"],
  ["a record over the limit", Buffer.from([22, 3, 1, 0x40, 1]), "error"],
  ["another message than a ClientHello", records(Buffer.from([2, 0, 0, 1, 0])), "error"],
  ["a second record that is no handshake", Buffer.concat([Buffer.from([22, 3, 1, 0, 1, 1]), Buffer.from([23, 3, 3, 0, 1, 0])]), "error"],
  ["an extension twice", records(clientHello([SNI("a.example"), SNI("b.example")])), "error"],
  ["two server names", records(clientHello([extension(0, Buffer.from("000b0000016100000162".slice(0, 20), "hex"))])), "error"],
  ["an empty server name", records(clientHello([SNI("")])), "error"],
  ["a server name with NUL", records(clientHello([SNI("a.example\0.evil")])), "error"],
  ["a server name with a blank", records(clientHello([SNI("a example")])), "error"],
  ["a server name of 256 bytes", records(clientHello([SNI("a".repeat(256))])), "error"],
  ["an empty protocol", records(clientHello([ALPN("")])), "error"],
  ["no protocols", records(clientHello([extension(16, Buffer.from([0, 0]))])), "error"],
  ["bytes behind the extensions", records(clientHello([SNI("a.example")], Buffer.from([0]))), "error"],
];
for (const [name, data, kind] of CASES) test(`client hello: ${name}`, () => assert.equal(readClientHello(data, LIMIT).kind, kind));

test("client hello: over the limit, before it has come", () => {
  const large = records(clientHello([extension(21, Buffer.alloc(2000))]));
  assert.deepEqual(readClientHello(large.subarray(0, 12), 1000), { kind: "error", isTooLarge: true });
  assert.equal(readClientHello(large, 4000).kind, "hello");
});
