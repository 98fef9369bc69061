// HPACK against the examples of RFC 7541 appendix C, and against itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeaderMap } from "../../../host/http/header-map.ts";
import { HpackDecoder } from "../../../host/http2/hpack-decoder.ts";
import { HpackEncoder } from "../../../host/http2/hpack-encoder.ts";
import { DynamicTable, NOT_FOUND, Trait } from "../../../host/http2/hpack-table.ts";
import { huffmanDecode, huffmanEncode, huffmanLength } from "../../../host/http2/huffman.ts";

type Pairs = [string, string][];

function decode(decoder: HpackDecoder, bytes: Buffer): Pairs | undefined {
  const fields: Pairs = [];
  return decoder.decode(bytes, 0, bytes.length, { onField: (name, value) => fields.push([name, value]) }) ? fields : undefined;
}

function encode(encoder: HpackEncoder, pairs: readonly (readonly [string, string])[]): Buffer {
  const bytes = Buffer.alloc(encoder.bound(HeaderMap.from(pairs)));
  encoder.begin(bytes, 0);
  for (const [name, value] of pairs) encoder.field(name, value);
  return bytes.subarray(0, encoder.end());
}

const GET: Pairs = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const GET_HTTPS: Pairs = [
  [":method", "GET"],
  [":scheme", "https"],
  [":path", "/index.html"],
  [":authority", "www.example.com"],
  ["custom-key", "custom-value"],
];
const date = (second: number): [string, string] => ["date", `Mon, 21 Oct 2013 20:13:${second} GMT`];
const answer = (status: string, second: number): Pairs => [
  [":status", status],
  ["cache-control", "private"],
  date(second),
  ["location", "https://www.example.com"],
];
const LAST_ANSWER: Pairs = [
  ...answer("200", 22),
  ["content-encoding", "gzip"],
  ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
];

/** Name, blocks in order with one table, size of the table that the blocks are made for. */
const APPENDIX_C: readonly (readonly [string, readonly (readonly [string, Pairs])[], number?])[] = [
  ["C.2.1 literal with indexing", [["400a637573746f6d2d6b65790d637573746f6d2d686561646572", [["custom-key", "custom-header"]]]]],
  ["C.2.2 literal without indexing", [["040c2f73616d706c652f70617468", [[":path", "/sample/path"]]]]],
  ["C.2.3 literal never indexed", [["100870617373776f726406736563726574", [["password", "secret"]]]]],
  ["C.2.4 indexed", [["82", [[":method", "GET"]]]]],
  [
    "C.3 requests",
    [
      ["828684410f7777772e6578616d706c652e636f6d", GET],
      ["828684be58086e6f2d6361636865", [...GET, ["cache-control", "no-cache"]]],
      ["828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565", GET_HTTPS],
    ],
  ],
  [
    "C.4 requests with Huffman codes",
    [
      ["828684418cf1e3c2e5f23a6ba0ab90f4ff", GET],
      ["828684be5886a8eb10649cbf", [...GET, ["cache-control", "no-cache"]]],
      ["828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf", GET_HTTPS],
    ],
  ],
  [
    "C.5 responses, with eviction",
    [
      [
        "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        answer("302", 21),
      ],
      ["4803333037c1c0bf", answer("307", 21)],
      [
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
        LAST_ANSWER,
      ],
    ],
    256,
  ],
  [
    "C.6 responses with Huffman codes",
    [
      ["488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3", answer("302", 21)],
      ["4883640effc1c0bf", answer("307", 21)],
      [
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        LAST_ANSWER,
      ],
    ],
    256,
  ],
];

for (const [name, blocks, size] of APPENDIX_C) {
  test(`RFC 7541 ${name}`, () => {
    const decoder = new HpackDecoder(4096);
    // What a peer with that setting would have to announce first.
    if (size !== undefined) assert.deepEqual(decode(decoder, Buffer.from([0x3f, 0xe1, 0x01])), []);
    for (const [hex, fields] of blocks) assert.deepEqual(decode(decoder, Buffer.from(hex, "hex")), fields);
  });
}

test("the table evicts the oldest, and an entry larger than the table empties it", () => {
  const table = new DynamicTable(100, true);
  table.insert("a", "1", 0);
  table.insert("b", "2", 0);
  assert.equal(table.find("a", "1"), 1);
  table.insert("c", "3", 0);
  assert.equal(table.count, 2);
  assert.equal(table.find("a", "1"), NOT_FOUND);
  assert.equal(table.find("b", "2"), 1);
  assert.equal(table.find("b", "9"), -2);
  assert.equal(table.nameAt(0), "c");
  table.insert("d", "x".repeat(100), 0);
  assert.equal(table.count, 0);
  assert.equal(table.find("c", "3"), NOT_FOUND);
});

test("the table grows beyond its first ring, and keeps what it had", () => {
  const table = new DynamicTable(4096, true);
  for (let i = 0; i < 500; i++) table.insert(`n${i % 7}`, `${i}`, i);
  assert.equal(table.valueAt(0), "499");
  for (let distance = 0; distance < table.count; distance++) {
    assert.equal(table.valueAt(distance), `${499 - distance}`);
    assert.equal(table.traitsAt(distance), 499 - distance);
  }
  assert.equal(table.find("n2", "499"), 0);
});

test("a field that comes again costs a byte", () => {
  const encoder = new HpackEncoder(4096, true);
  const pairs: Pairs = [
    [":status", "200"],
    ["server", "envoy"],
    ["content-type", "text/plain"],
    ["x-own", "value"],
  ];
  assert.ok(encode(encoder, pairs).length > 20);
  assert.equal(encode(encoder, pairs).length, pairs.length);
});

test("what stood at a place of the last block is not taken for what stands there now", () => {
  const encoder = new HpackEncoder(256, true);
  const decoder = new HpackDecoder(4096);
  // More fields than are remembered; some change, the small table evicts, and names change their places.
  for (let round = 0; round < 20; round++) {
    const pairs = Array.from({ length: 40 }, (_, i): [string, string] => [
      `x-${(i + (round >> 2)) % 40}`,
      i % 3 === 0 ? `${round}` : "same",
    ]);
    assert.deepEqual(decode(decoder, encode(encoder, pairs)), pairs);
  }
});

test("what is wrong with a value is found each time, whatever stood in its place before", () => {
  const decoder = new HpackDecoder(4096);
  const literal = (value: string): Buffer => Buffer.from(`\x00\x01a${String.fromCharCode(value.length)}${value}`, "latin1");
  const traits = ["good", "b\0d", "b\0d", "good", "\xe4", "good"].map((value) => {
    const found: number[] = [];
    const bytes = literal(value);
    decoder.decode(bytes, 0, bytes.length, { onField: (_name, _value, of) => found.push(of) });
    return found[0];
  });
  assert.deepEqual(traits, [0, Trait.BadValue, Trait.BadValue, 0, Trait.ObsText, 0]);
});

/** Name and value, then how the first byte of the field begins. */
const POLICIES: readonly (readonly [string, string, string, number, number])[] = [
  ["a secret is never indexed", "authorization", "Basic eA==", 0x10, 0xf0],
  ["nor a short cookie", "cookie", "a=b", 0x10, 0xf0],
  ["a long cookie is", "cookie", "session=0123456789abcdef", 0x40, 0xc0],
  ["a path is not", ":path", "/a", 0x00, 0xf0],
  ["an ordinary field is", "x-own", "a", 0x40, 0xc0],
];
for (const [name, field, value, first, mask] of POLICIES) {
  test(name, () => {
    const encoder = new HpackEncoder(4096, false);
    for (let round = 0; round < (first === 0x40 ? 1 : 2); round++) assert.equal(encode(encoder, [[field, value]])[0] & mask, first);
  });
}

test("fields of one connection are left out, and te says trailers or nothing", () => {
  const encoder = new HpackEncoder(4096, true);
  const pairs: Pairs = [
    ["connection", "close"],
    ["keep-alive", "1"],
    ["proxy-connection", "x"],
    ["transfer-encoding", "chunked"],
    ["upgrade", "h2c"],
    ["te", "gzip"],
    ["te", "trailers"],
    ["host", "a"],
  ];
  assert.deepEqual(decode(new HpackDecoder(4096), encode(encoder, pairs)), [["te", "trailers"]]);
});

test("the peer's smaller table is obeyed and announced, with the smallest in between", () => {
  const encoder = new HpackEncoder(4096, true);
  const decoder = new HpackDecoder(4096);
  const pairs: Pairs = [
    ["x-a", "1"],
    ["x-b", "2"],
  ];
  decode(decoder, encode(encoder, pairs));
  encoder.setPeerLimit(0);
  encoder.setPeerLimit(100);
  const bytes = encode(encoder, pairs);
  assert.deepEqual([...bytes.subarray(0, 3)], [0x20, 0x3f, 69]);
  assert.deepEqual(decode(decoder, bytes), pairs);
});

const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)), maxLength: 60 });

test("what is Huffman coded is decoded as it was, wherever it lies", () => {
  fc.assert(
    fc.property(latin1, fc.nat(5), (text, at) => {
      const bytes = Buffer.alloc(huffmanLength(text) + at + 3, 0xa5);
      const end = huffmanEncode(text, bytes, at);
      assert.equal(end - at, huffmanLength(text));
      assert.equal(huffmanDecode(bytes, at, end), text);
      assert.equal(bytes[end], 0xa5);
    }),
    { seed: 20, numRuns: 5000 },
  );
});

test("bytes that decode are the only code of their text", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 30 }), (bytes) => {
      const text = huffmanDecode(bytes, 0, bytes.length);
      if (text === undefined) return;
      const again = new Uint8Array(huffmanLength(text) + 1);
      assert.deepEqual(again.subarray(0, huffmanEncode(text, again, 0)), bytes);
    }),
    { seed: 21, numRuns: 20_000 },
  );
});

const name = fc.constantFrom(":path", "x-a", "x-b", "x-c", "cookie", "authorization", "content-type", "set-cookie", "x-request-id");
const value = fc.oneof(fc.constantFrom("", "1", "2", "three"), latin1);
const blocks = fc.array(fc.oneof(fc.array(fc.tuple(name, value), { maxLength: 12 }), fc.nat(5000)), { maxLength: 20 });

test("what one side encodes the other decodes, through all changes of the table's size", () => {
  fc.assert(
    fc.property(blocks, fc.constantFrom(0, 64, 200, 4096), fc.boolean(), (list, size, huffman) => {
      const encoder = new HpackEncoder(size, huffman);
      const decoder = new HpackDecoder(4096);
      for (const item of list) {
        if (typeof item === "number") encoder.setPeerLimit(item);
        else assert.deepEqual(decode(decoder, encode(encoder, item)), item);
      }
    }),
    { seed: 22, numRuns: 2000 },
  );
});
