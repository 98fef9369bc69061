// Timers against a list that is searched each time: who fires, in which order of time, and that a cleared one does not.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Clock, Timer, type TimerOwner } from "../../host/base/clock.ts";
import { ManualTime } from "../support/manual-time.ts";

const COUNT = 8;
const step = fc.oneof(
  fc.record({ kind: fc.constant("start" as const), timer: fc.nat(COUNT - 1), ms: fc.constantFrom(0, 1, 5, 5, 20, 20, 1000, 2.5) }),
  fc.record({ kind: fc.constant("clear" as const), timer: fc.nat(COUNT - 1), ms: fc.constant(0) }),
  fc.record({ kind: fc.constant("advance" as const), timer: fc.constant(0), ms: fc.constantFrom(1, 3, 5, 20, 500) }),
);

test("timers fire at their time and not before", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 2 }), (steps, restarts) => {
      const time = new ManualTime();
      const clock = new Clock(time);
      const fired: [timer: number, at: number][] = [];
      const deadlines = new Map<number, number>();
      let left = restarts;
      const owner: TimerOwner = {
        onTimer: (kind) => {
          const deadline = deadlines.get(kind);
          assert.ok(deadline !== undefined, `timer ${kind} fired without being armed`);
          // Native timers count whole milliseconds: up to one late, never early.
          assert.ok(clock.now >= deadline && clock.now <= deadline + 1, `timer ${kind} fired at ${clock.now}, wanted ${deadline}`);
          deadlines.delete(kind);
          fired.push([kind, clock.now]);
          if (left-- > 0) {
            clock.start(timers[kind], 5);
            deadlines.set(kind, clock.now + 5);
          }
        },
      };
      const timers = Array.from({ length: COUNT }, (_, i) => new Timer(owner, i));
      for (const { kind, timer, ms } of steps) {
        if (kind === "advance") {
          time.advance(ms);
          clock.update();
          for (const [id, deadline] of deadlines) assert.ok(deadline > clock.now - 1, `timer ${id} is late: ${deadline} at ${clock.now}`);
        } else if (kind === "clear" || ms === 0) {
          if (kind === "clear") timers[timer].clear();
          else clock.start(timers[timer], 0);
          deadlines.delete(timer);
        } else {
          clock.update();
          clock.start(timers[timer], ms);
          deadlines.set(timer, clock.now + ms);
        }
        for (let i = 0; i < COUNT; i++) assert.equal(timers[i].armed, deadlines.has(i));
      }
      time.advance(3000);
      assert.equal(deadlines.size, 0, "a timer never fired");
      for (let i = 1; i < fired.length; i++) assert.ok(fired[i - 1][1] <= fired[i][1]);
    }),
    { seed: 6, numRuns: 1500 },
  );
});

test("the wall clock of a turn stands still until the next, the other does not", () => {
  const time = new ManualTime();
  const clock = new Clock(time);
  const first = clock.turnWallMs();
  time.advance(10);
  assert.deepEqual([clock.turnWallMs() - first, clock.wallMs() - first], [0, 10]);
  clock.update();
  assert.equal(clock.turnWallMs() - first, 10);
});

test("a thousand different durations take no more than 256 native timers for long", () => {
  const time = new ManualTime();
  const clock = new Clock(time);
  let fired = 0;
  const owner: TimerOwner = { onTimer: () => fired++ };
  for (let i = 1; i <= 1000; i++) clock.start(new Timer(owner, 0), i * 7);
  assert.ok(time.pendingCount <= 256 + 8, `${time.pendingCount}`);
  time.advance(8000);
  assert.equal(fired, 1000);
});
