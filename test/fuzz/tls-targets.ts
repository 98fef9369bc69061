// Fuzz targets of what a client sends before it is known: ClientHello, PROXY header, certificate.
import assert from "node:assert/strict";
import { readCertificate } from "../../host/net/certificate.ts";
import { DerError } from "../../host/net/der.ts";
import { readClientHello } from "../../host/net/listener-filters/client-hello.ts";
import { readProxyHeader } from "../../host/net/listener-filters/proxy-protocol.ts";
import { dns, email, ip, issue, uri } from "../support/certificates.ts";
import { ALPN, clientHello, records, SNI } from "../support/client-hello.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import type { Target } from "./targets.ts";

const bytes = (...values: readonly number[]): Buffer => Buffer.from(values);

export function clientHelloTarget(): Target {
  const hellos = [
    clientHello([SNI("a.example"), ALPN("h2", "http/1.1")]),
    clientHello([]),
    clientHello(undefined),
    clientHello([SNI("a".repeat(200))]),
  ];
  return {
    corpus: hellos.flatMap((hello) => [records(hello), records(hello, 1), records(hello, 40)]),
    tokens: [bytes(22, 3, 1), bytes(0, 0), bytes(0, 16), bytes(0xff, 0xff), bytes(1, 0, 0, 0)],
    run(input: Buffer, random: SeededRandom): boolean {
      const result = readClientHello(input, 16_384);
      // More bytes never change what was decided.
      const cut = random.below(input.length + 1);
      const early = readClientHello(input.subarray(0, cut), 16_384);
      if (early.kind !== "more") assert.deepEqual(early, result);
      if (result.kind !== "hello") return false;
      assert.match(result.serverName, /^[\x21-\x7e]*$/);
      assert.ok(result.length <= input.length);
      return true;
    },
  };
}

export function proxyProtocolTarget(): Target {
  const v2 = "0d0a0d0a000d0a515549540a";
  return {
    corpus: [
      Buffer.from("PROXY TCP4 10.0.0.1 192.0.2.2 8080 443\r\nGET"),
      Buffer.from("PROXY TCP6 2001:db8::1 ::1 8080 443\r\n"),
      Buffer.from("PROXY UNKNOWN\r\n"),
      Buffer.from(`${v2}211100110a000001c00002021f9001bbe000026162`, "hex"),
      Buffer.from(`${v2}21210024${"20010db8".padEnd(32, "0")}${"1".padStart(32, "0")}1f9001bb`, "hex"),
      Buffer.from(`${v2}20000000`, "hex"),
    ],
    tokens: ["PROXY ", "TCP4", "TCP6", "UNKNOWN", "\r\n", " ", "65536", "::1", "255.255.255.255"].map((text) => Buffer.from(text)),
    run(input: Buffer, random: SeededRandom): boolean {
      const result = readProxyHeader(input);
      const early = readProxyHeader(input.subarray(0, random.below(input.length + 1)));
      if (early.kind !== "more") assert.deepEqual(early, result);
      if (result.kind !== "header") return false;
      assert.ok(result.length <= input.length);
      for (const tlv of result.tlvs) assert.ok(tlv.value.length < result.length);
      return true;
    },
  };
}

export function derTarget(): Target {
  const authority = issue({ isAuthority: true });
  const leaf = issue({ issuer: authority, names: [dns("a.example"), uri("spiffe://td/x"), email("a@b"), ip(10, 0, 0, 1)] });
  return {
    corpus: [authority.raw, leaf.raw],
    tokens: [
      bytes(0x30, 0x80),
      bytes(0x30, 0x84, 0xff, 0xff, 0xff, 0xff),
      bytes(0x82, 0),
      bytes(0),
      bytes(6, 3, 0x55, 0x1d, 0x11),
      bytes(1, 1, 0xff),
    ],
    run(input: Buffer): boolean {
      try {
        const certificate = readCertificate(input);
        for (const { kind, text } of certificate.names) {
          if (kind !== "OTHER_NAME") assert.match(text, /^[\x20-\x7e]*$/);
        }
        return true;
      } catch (error) {
        // Refused with a reason; anything else is a crash.
        if (error instanceof DerError) return false;
        throw error;
      }
    },
  };
}
