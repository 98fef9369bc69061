// The chain of network filters against a model: whatever filters answer and whenever they go on, bytes keep their order, none is lost or
// doubled, and a filter behind one that has not let the connection begin has seen nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { BodyBuffer } from "../../host/base/body-buffer.ts";
import { FilterManager } from "../../host/net/filter-manager.ts";
import { FilterStatus, type NetworkFilter, type NetworkFilterCallbacks } from "../../host/net/network-filter.ts";
import { FakeConnection } from "../support/fake-connection.ts";

const LIMIT = 16;

/** Answers by its script; keeps what it has seen of the connection. */
class Scripted implements NetworkFilter {
  readonly callbacks: NetworkFilterCallbacks;
  readonly script: boolean[];
  isBegun = false;

  constructor(callbacks: NetworkFilterCallbacks, script: readonly boolean[]) {
    this.callbacks = callbacks;
    this.script = [...script];
  }

  private next(): FilterStatus {
    return (this.script.shift() ?? true) ? FilterStatus.Continue : FilterStatus.StopIteration;
  }

  onNewConnection(): FilterStatus {
    assert.equal(this.isBegun, false, "begun once");
    this.isBegun = true;
    return this.next();
  }

  onData(): FilterStatus {
    assert.ok(this.isBegun, "begun before bytes");
    return this.next();
  }

  onClose(): void {}
}

class Terminal implements NetworkFilter {
  bytes = "";
  ends = 0;

  onNewConnection(): FilterStatus {
    return FilterStatus.Continue;
  }

  onData(data: BodyBuffer, endStream: boolean): FilterStatus {
    for (const slice of data.takeSlices()) this.bytes += Buffer.from(slice).latin1Slice();
    if (endStream) this.ends++;
    return FilterStatus.StopIteration;
  }

  onClose(): void {}
}

type Step = { readonly kind: "data"; readonly text: string } | { readonly kind: "continue"; readonly filter: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("data" as const), text: fc.stringMatching(/^[a-z]{1,12}$/) }),
  fc.record({ kind: fc.constant("continue" as const), filter: fc.nat(3) }),
);

test("bytes reach the terminal filter in order, and all of them once every filter lets go", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.boolean(), { maxLength: 8 }), { maxLength: 4 }),
      fc.array(step, { maxLength: 30 }),
      (scripts, steps) => {
        const connection = new FakeConnection();
        connection.highWatermark = LIMIT;
        const account = { bytesReceived: 0, bytesSent: 0 };
        const filters: Scripted[] = [];
        const terminal = new Terminal();
        const manager = new FilterManager(connection.asConnection, account, () => {});
        manager.start([
          ...scripts.map((script) => ({
            createFilter(callbacks: NetworkFilterCallbacks) {
              const filter = new Scripted(callbacks, script);
              filters.push(filter);
              return filter;
            },
          })),
          {
            createFilter(callbacks: NetworkFilterCallbacks) {
              callbacks.enableHalfClose();
              return terminal;
            },
          },
        ]);
        let sent = "";
        for (const one of steps) {
          if (one.kind === "continue") {
            const filter = filters.at(one.filter);
            if (filter?.isBegun === true) filter.callbacks.continueReading();
          } else if (connection.readDisabled === 0) {
            sent += one.text;
            manager.onData(Buffer.from(one.text));
          }
          assert.ok(sent.startsWith(terminal.bytes), "in order");
          const held = sent.length - terminal.bytes.length;
          assert.ok(held <= LIMIT + 12, "what is held is bounded");
          if (held > LIMIT) assert.equal(connection.readDisabled, 1, "reading stops above the limit");
          if (held <= LIMIT / 2) assert.equal(connection.readDisabled, 0, "and goes on below half of it");
          filters.forEach((filter, index) => {
            const isFreed = index === 0 || filters[index - 1].isBegun;
            assert.ok(!filter.isBegun || isFreed, "no filter begins before the one in front of it");
          });
        }
        for (const filter of filters) {
          filter.script.length = 0;
          filter.callbacks.continueReading();
        }
        manager.onEnd();
        assert.equal(terminal.bytes, sent);
        assert.equal(terminal.ends, 1);
      },
    ),
    { seed: 11, numRuns: 2000 },
  );
});
