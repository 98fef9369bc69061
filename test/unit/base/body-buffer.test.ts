// A body buffer is one string of bytes, however it is held.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BodyBuffer } from "../../../host/base/body-buffer.ts";
import { READ_BUFFER, retain } from "../../../host/base/read-buffer.ts";

const text = fc.string({ unit: fc.constantFrom(..."abcdef"), maxLength: 6 });
const step = fc.oneof(
  fc.record({ kind: fc.constant("append" as const), text }),
  fc.record({ kind: fc.constant("splice" as const), text, start: fc.nat(12), size: fc.nat(12) }),
  fc.record({ kind: fc.constant("event" as const), text, more: text, splices: fc.boolean() }),
  fc.record({ kind: fc.constant("drain" as const) }),
  fc.record({ kind: fc.constant("bytes" as const) }),
  fc.record({ kind: fc.constant("take" as const) }),
);

test("body buffer behaves as a string", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const buffer = new BodyBuffer();
      let model = "";
      const read = (): string => Buffer.from(buffer.bytes()).toString();
      for (const given of steps) {
        if (given.kind === "append") {
          buffer.append(Buffer.from(given.text));
          model += given.text;
        } else if (given.kind === "splice") {
          buffer.splice(given.start, given.size, Buffer.from(given.text));
          const start = Math.min(given.start, model.length);
          model = model.slice(0, start) + given.text + model.slice(start + given.size);
        } else if (given.kind === "event") {
          // As a connection does it: the bytes lie in the read buffer, and what is left of them is kept when the event is over.
          READ_BUFFER.write(given.text);
          buffer.appendVolatile(READ_BUFFER.subarray(0, given.text.length));
          model += given.text;
          if (given.splices && model.length > 0) {
            buffer.splice(0, 1, Buffer.from("-"));
            model = `-${model.slice(1)}`;
          }
          buffer.append(Buffer.from(given.more));
          model += given.more;
          buffer.retainAll();
          READ_BUFFER.write("zzzzzzzzzzzz");
        } else if (given.kind === "drain") {
          let drained = "";
          buffer.drainTo({ writeBytes: (data) => (drained += Buffer.from(data).toString()) });
          assert.equal(drained, model);
          model = "";
        } else if (given.kind === "bytes") assert.equal(read(), model);
        else {
          assert.equal(Buffer.concat(buffer.takeSlices()).toString(), model);
          model = "";
        }
        assert.equal(buffer.length, model.length);
      }
      assert.equal(read(), model);
    }),
    { seed: 13, numRuns: 1000 },
  );
});

test("bytes of the read buffer are copied before they are kept", () => {
  READ_BUFFER.write("first");
  const buffer = new BodyBuffer();
  buffer.append(READ_BUFFER.subarray(0, 5));
  const kept = retain(READ_BUFFER.subarray(0, 5));
  READ_BUFFER.write("other");
  assert.equal(Buffer.from(buffer.bytes()).toString(), "first");
  assert.equal(kept.toString(), "first");
  const own = Buffer.from("own");
  assert.equal(retain(own), own);
});
