// The pair encoding: round trips, the specification's example, and decoding of anything.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { GuestMemory } from "../../../host/wasm/memory.ts";
import { type DecodedPairs, decodePairs, encodePairs, PairsError, pairsSize } from "../../../host/wasm/pairs.ts";

const MAX = 1 << 20;

function encode(pairs: readonly (readonly [string, string])[]): Buffer {
  const names = pairs.map(([name]) => name);
  const values = pairs.map(([, value]) => value);
  const buf = Buffer.alloc(pairsSize(names, values));
  encodePairs(buf, 0, names, values);
  return buf;
}

function decode(buf: Buffer, maxBytes = MAX, maxPairs = 1024): DecodedPairs | PairsError {
  return decodePairs(buf, 0, buf.length, maxBytes, maxPairs);
}

describe("pairs", () => {
  it("are laid out as the specification says", () => {
    const expected = "02000000 0100000001000000 0100000002000000 61003100 6200323200".replaceAll(" ", "");
    const buf = encode([
      ["a", "1"],
      ["b", "22"],
    ]);
    assert.equal(buf.toString("hex"), expected);
    assert.deepEqual(decode(buf), { names: ["a", "b"], values: ["1", "22"] });
  });

  it("survive a round trip, every byte of them", () => {
    const latin1 = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 60 }).map((codes) => String.fromCharCode(...codes));
    const name = fc.stringMatching(/^[a-z0-9-]{0,30}$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, latin1), { maxLength: 40 }), (pairs) => {
        const decoded = decode(encode(pairs));
        assert.deepEqual(decoded, { names: pairs.map(([key]) => key), values: pairs.map(([, value]) => value) });
      }),
    );
  });

  it("are refused when any byte is wrong, without reading past the end", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(12), (bytes, count) => {
        const buf = Buffer.from(bytes);
        if (buf.length > 3) buf.writeUInt32LE(count, 0);
        const decoded = decode(buf);
        if (typeof decoded === "number") return;
        // What is accepted encodes to the same bytes (but for the three forms of nothing, and upper case).
        const again = encode(decoded.names.map((name, i) => [name, decoded.values[i]]));
        assert.ok(
          decoded.names.length === 0 || again.toString("latin1") === buf.toString("latin1").toLowerCase() || again.length === buf.length,
        );
      }),
      { numRuns: 5000 },
    );
  });

  it("come in three forms of nothing", () => {
    for (const hex of ["", "00", "00000000"]) assert.deepEqual(decode(Buffer.from(hex, "hex")), { names: [], values: [] });
  });

  it("are cut neither short nor long", () => {
    const buf = encode([["a", "1"]]);
    assert.equal(decode(buf.subarray(0, -1)), PairsError.Malformed);
    assert.equal(decode(Buffer.concat([buf, Buffer.from([0])])), PairsError.Malformed);
    const lengths = Buffer.from(buf);
    lengths.writeUInt32LE(0xffffffff, 4);
    assert.equal(decode(lengths), PairsError.Malformed);
    assert.equal(decode(Buffer.from("ffffffff", "hex")), PairsError.Malformed);
  });

  it("have limits", () => {
    const buf = encode(Array.from({ length: 10 }, (_, i) => [`n${i}`, "v"]));
    assert.equal(decode(buf, MAX, 9), PairsError.TooLarge);
    assert.equal(decode(buf, buf.length - 1), PairsError.TooLarge);
  });
});

describe("guest memory", () => {
  it("has nothing to read before it is attached", () => {
    const memory = new GuestMemory();
    assert.equal(memory.latin1(0, 1), undefined);
    assert.equal(memory.setU32(0, 1), false);
    assert.equal(memory.latin1(5, 0), "");
  });

  it("follows growth", () => {
    const memory = new GuestMemory();
    const guest = new WebAssembly.Memory({ initial: 1 });
    memory.attach(guest, undefined);
    assert.equal(memory.setU32(65536, 1), false);
    guest.grow(1);
    assert.equal(memory.setU32(65536, 0xdeadbeef), true);
    assert.equal(memory.u32(65536), 0xdeadbeef);
    assert.equal(memory.byteLength, 131072);
  });

  it("gives names in lower case, whatever their bytes and length", () => {
    const memory = new GuestMemory();
    const guest = new WebAssembly.Memory({ initial: 1 });
    memory.attach(guest, undefined);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 60 }), (codes) => {
        new Uint8Array(guest.buffer).set(codes, 7);
        const text = Buffer.from(codes).toString("latin1");
        assert.equal(memory.headerName(7, codes.length), text.toLowerCase());
        assert.equal(memory.headerName(7, codes.length), text.toLowerCase());
        assert.equal(memory.latin1(7, codes.length), text);
      }),
    );
  });
});
