// Messages of gRPC, cut at every byte: the same messages, and the same error, whatever the cut.
import assert from "node:assert/strict";
import { test } from "node:test";
import { frameMessage, framePrefix, GrpcFrameCounter, GrpcFrameDecoder } from "../../../host/http/grpc-frames.ts";

interface Case {
  readonly name: string;
  readonly bytes: Buffer;
  readonly messages: readonly string[];
  readonly error?: string;
  /** Messages that began. */
  readonly count?: number;
}

const CASES: readonly Case[] = [
  { name: "nothing", bytes: Buffer.alloc(0), messages: [] },
  { name: "one message", bytes: frameMessage(Buffer.from("hello")), messages: ["hello"] },
  { name: "an empty message", bytes: frameMessage(Buffer.alloc(0)), messages: [""] },
  {
    name: "several",
    bytes: Buffer.concat(["a", "", "bcd", ""].map((text) => frameMessage(Buffer.from(text)))),
    messages: ["a", "", "bcd", ""],
  },
  {
    name: "one that is cut short",
    bytes: Buffer.concat([frameMessage(Buffer.from("a")), framePrefix(4), Buffer.from("bcd")]),
    messages: ["a"],
    count: 2,
  },
  { name: "a prefix that is cut short", bytes: framePrefix(4).subarray(0, 3), messages: [], count: 1 },
  { name: "the longest", bytes: frameMessage(Buffer.alloc(20, "x")), messages: ["x".repeat(20)] },
  {
    name: "one byte more",
    bytes: Buffer.concat([frameMessage(Buffer.from("a")), framePrefix(21)]),
    messages: ["a"],
    error: "too large",
    count: 2,
  },
  { name: "4 GiB", bytes: framePrefix(0xffffffff), messages: [], error: "too large", count: 1 },
  { name: "compressed", bytes: Buffer.concat([framePrefix(2, 1), Buffer.from("zz")]), messages: [], error: "compressed", count: 1 },
  { name: "compressed and empty", bytes: framePrefix(0, 1), messages: [""] },
  { name: "an unknown flag", bytes: framePrefix(0, 2), messages: [], error: "malformed", count: 1 },
];

/** The messages and the error of one reading. */
function decode(parts: readonly Buffer[]): { messages: string[]; error: string | undefined } {
  const decoder = new GrpcFrameDecoder(20);
  const messages: string[] = [];
  for (const part of parts) {
    const error = decoder.decode(part, (message) => messages.push(Buffer.from(message).toString()) > 0);
    if (error !== undefined) return { messages, error };
  }
  return { messages, error: undefined };
}

function count(parts: readonly Buffer[]): number {
  const counter = new GrpcFrameCounter();
  for (const part of parts) counter.inspect(part);
  return counter.count;
}

for (const { name, bytes, messages, error, count: begun = messages.length } of CASES) {
  test(name, () => {
    const cuts: Buffer[][] = [[bytes], [...bytes].map((byte) => Buffer.from([byte]))];
    for (let first = 0; first <= bytes.length; first++) {
      for (let second = first; second <= bytes.length; second++) {
        cuts.push([bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]);
      }
    }
    for (const parts of cuts) {
      assert.deepEqual(decode(parts), { messages: [...messages], error });
      assert.equal(count(parts), begun);
    }
  });
}

test("a reader that has enough is given nothing more", () => {
  const decoder = new GrpcFrameDecoder(20);
  const seen: string[] = [];
  const two = Buffer.concat([frameMessage(Buffer.from("a")), frameMessage(Buffer.from("b"))]);
  assert.equal(
    decoder.decode(two, (message) => {
      seen.push(Buffer.from(message).toString());
      return false;
    }),
    undefined,
  );
  assert.deepEqual(seen, ["a"]);
});

test("the promise of a long message costs nothing", () => {
  const decoders = Array.from({ length: 1000 }, () => new GrpcFrameDecoder(1 << 30));
  const before = process.memoryUsage().arrayBuffers;
  for (const decoder of decoders) decoder.decode(Buffer.concat([framePrefix(1 << 30), Buffer.from("x")]), () => true);
  assert.ok(process.memoryUsage().arrayBuffers - before < 1 << 20);
});
