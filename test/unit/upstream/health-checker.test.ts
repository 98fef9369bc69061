// When a host is taken for failed or healthy, and when it is looked at again: results as letters, time by hand.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Clock } from "../../../host/base/clock.ts";
import type { HealthCheck } from "../../../host/config/health-check.ts";
import { StatsStore } from "../../../host/stats/store.ts";
import { HealthChecker, type ProbeOwner, type ProbeResult } from "../../../host/upstream/health-checker.ts";
import { HealthCheckStats } from "../../../host/upstream/health-check-stats.ts";
import { ManualTime } from "../../support/manual-time.ts";

const CONFIG: HealthCheck = {
  probe: { kind: "tcp", send: new Uint8Array(0), receive: [] },
  timeoutMs: 500,
  intervalMs: 1000,
  initialJitterMs: 0,
  intervalJitterMs: 0,
  intervalJitterPercent: 0,
  unhealthyThreshold: 3,
  healthyThreshold: 2,
  reuseConnection: true,
  noTrafficIntervalMs: 60_000,
  noTrafficHealthyIntervalMs: 60_000,
  unhealthyIntervalMs: 2000,
  unhealthyEdgeIntervalMs: 3000,
  healthyEdgeIntervalMs: 4000,
};

const RESULTS: Readonly<Record<string, ProbeResult | undefined>> = { s: "success", f: "failure", n: "network", t: undefined };

interface Case {
  readonly name: string;
  /** s: success, f: failure, n: network failure, t: no answer within the timeout. */
  readonly results: string;
  /** After each result: H healthy, F failed. */
  readonly states: string;
  /** From one check to the next. */
  readonly intervals: readonly number[];
  readonly config?: Partial<HealthCheck>;
  readonly hasTraffic?: boolean;
}

const CASES: readonly Case[] = [
  { name: "the first success is enough", results: "ss", states: "HH", intervals: [4000, 1000] },
  { name: "a host that never answers stays failed", results: "nnn", states: "FFF", intervals: [2000, 2000, 2000] },
  {
    name: "no answer is forgiven up to the threshold",
    results: "snnsnnn",
    states: "HHHHHHF",
    intervals: [4000, 1000, 1000, 1000, 1000, 1000, 3000],
  },
  { name: "an answer that says no is believed at once", results: "sf", states: "HF", intervals: [4000, 3000] },
  { name: "it comes back after healthy_threshold successes", results: "sfss", states: "HFFH", intervals: [4000, 3000, 2000, 4000] },
  { name: "successes count in a row", results: "sfsnss", states: "HFFFFH", intervals: [4000, 3000, 2000, 2000, 2000, 4000] },
  { name: "a timeout is no answer", results: "stt", states: "HHF", intervals: [4000, 1000, 3000], config: { unhealthyThreshold: 2 } },
  {
    name: "without traffic it looks less often",
    results: "ssf",
    states: "HHF",
    intervals: [30_000, 30_000, 60_000],
    config: { noTrafficHealthyIntervalMs: 30_000 },
    hasTraffic: false,
  },
  {
    name: "jitter is added",
    results: "ss",
    states: "HH",
    intervals: [4000 + 50 + 200, 1000 + 50 + 50],
    config: { intervalJitterMs: 100, intervalJitterPercent: 10 },
  },
];

for (const { name, results, states, intervals, config, hasTraffic = true } of CASES) {
  test(name, () => {
    const time = new ManualTime();
    const clock = new Clock(time);
    const stats = new HealthCheckStats(new StatsStore(() => {}), "c");
    let owner: ProbeOwner | undefined;
    let starts = 0;
    let cancels = 0;
    let changes = 0;
    const ctx = {
      clock,
      random: { next: () => 0.5, uuid: () => "" },
      stats,
      hasTraffic: () => hasTraffic,
      onChange: () => changes++,
    };
    const checker = new HealthChecker({ ...CONFIG, ...config }, ctx, (of) => {
      owner = of;
      return { start: () => starts++, cancel: () => cancels++, close: () => {} };
    });
    assert.equal(checker.failed, true, "failed until the first check");
    time.advance(1);
    const seen: string[] = [];
    for (let i = 0; i < results.length; i++) {
      assert.equal(starts, i + 1, `check ${i + 1} is under way`);
      const result = RESULTS[results[i]];
      if (result === undefined) time.advance(500);
      else {
        clock.update();
        owner?.onProbeResult(result);
      }
      seen.push(checker.failed ? "F" : "H");
      time.advance(intervals[i] - 1);
      assert.equal(starts, i + 1, `too early after result ${i + 1}`);
      time.advance(1);
    }
    assert.equal(starts, results.length + 1);
    assert.equal(seen.join(""), states);
    assert.equal(cancels, [...results].filter((letter) => letter === "t").length);
    assert.equal(stats.success.value, [...results].filter((letter) => letter === "s").length);
    assert.equal(stats.networkFailure.value, [...results].filter((letter) => letter === "n" || letter === "t").length);
    // Each change of state, and the first result.
    assert.equal(changes, [...states].filter((state, i) => i === 0 || state !== states[i - 1]).length);
    checker.close();
    assert.equal(checker.failed, states.endsWith("F"));
  });
}
