// Histograms as the admin API shows them. The expected lines are what Envoy 1.40 printed for the same samples.
import assert from "node:assert/strict";
import test from "node:test";
import { formatGeneral } from "../../../host/stats/format-number.ts";
import { EMPTY_SUMMARY } from "../../../host/stats/histogram-summary.ts";
import { renderJson } from "../../../host/stats/json.ts";
import type { StatsView } from "../../../host/stats/merged-stats.ts";
import { type HistogramMode, renderText } from "../../../host/stats/text.ts";
import { StatsBench } from "./support.ts";

const name = "cluster.up.upstream_rq_time";
const zeros = (n: number): number[] => new Array<number>(n).fill(0);
const sampled: readonly number[] = [...zeros(10), 1, 1, 2, 4, 37, 37, 38, 38, 38, 39, 39];

function view(samples: readonly number[], isFlushed: boolean): StatsView {
  const bench = new StatsBench();
  const histogram = bench.store(1).histogram(name);
  for (const sample of samples) histogram.record(sample);
  bench.flushAnnouncements();
  if (isFlushed) bench.merged.flush();
  return bench.merged.read();
}

const p39 =
  "P99(39.666666666666664,39.666666666666664) P99.5(39.666666666666664,39.666666666666664) P99.9(39.666666666666664,39.666666666666664) P100(39.666666666666664,39.666666666666664)";
const summary = `P0(0,0) P25(0,0) P50(1.0333333333333334,1.0333333333333334) P75(37.666666666666664,37.666666666666664) P90(38.75,38.75) P95(39.333333333333336,39.333333333333336) ${p39}`;
const later =
  "B100(21,21) B250(21,21) B500(21,21) B1000(21,21) B2500(21,21) B5000(21,21) B10000(21,21) B30000(21,21) B60000(21,21) B300000(21,21) B600000(21,21) B1.8e+06(21,21) B3.6e+06(21,21)";

const texts: readonly { readonly mode: HistogramMode; readonly samples: readonly number[]; readonly expected: string }[] = [
  { mode: "summary", samples: sampled, expected: `${name}: ${summary}\n` },
  {
    mode: "cumulative",
    samples: sampled,
    expected: `${name}: B0.5(10,10) B1(12,12) B5(14,14) B10(14,14) B25(14,14) B50(21,21) ${later}\n`,
  },
  {
    mode: "disjoint",
    samples: sampled,
    expected: `${name}: B0.5(10,10) B1(2,2) B5(2,2) B10(0,0) B25(0,0) B50(7,7) ${later.replaceAll("21,21", "0,0")}\n`,
  },
  {
    mode: "detailed",
    samples: sampled,
    expected: `${name}:\n  totals=0,0:10, 1,0.1:2, 2,0.1:1, 4,0.1:1, 37,1:2, 38,1:3, 39,1:2\n  intervals=0,0:10, 1,0.1:2, 2,0.1:1, 4,0.1:1, 37,1:2, 38,1:3, 39,1:2\n  summary=${summary}\n`,
  },
  {
    mode: "summary",
    samples: [2],
    expected: `${name}: ${["0", "25", "50", "75", "90", "95", "99", "99.5", "99.9", "100"].map((p) => `P${p}(2.05,2.05)`).join(" ")}\n`,
  },
  { mode: "summary", samples: [], expected: `${name}: No recorded values\n` },
  { mode: "cumulative", samples: [], expected: `${name}: No recorded values\n` },
];

test("histograms in the text format", () => {
  for (const { mode, samples, expected } of texts) assert.equal(renderText(view(samples, true), mode), expected, mode);
});

test("an interval without samples is nan, in JSON null", () => {
  const bench = new StatsBench();
  bench.store(1).histogram(name).record(5);
  bench.flushAnnouncements();
  bench.merged.flush();
  bench.merged.flush();
  const text = renderText(bench.merged.read(), "summary");
  assert.match(text, /^cluster\.up\.upstream_rq_time: P0\(nan,5\.05\) P25\(nan,5\.05\)/);
  const json = JSON.parse(renderJson(bench.merged.read(), "summary")) as {
    stats: { histograms: { computed_quantiles: { name: string; values: unknown[] }[] } }[];
  };
  assert.deepEqual(json.stats[0].histograms.computed_quantiles[0].values[0], { cumulative: 5.05, interval: null });
});

test("histograms in JSON, in Envoy's key order", () => {
  const start = (mode: HistogramMode): string => renderJson(view(sampled, true), mode).slice(0, 200);
  assert.ok(
    start("summary").startsWith(
      `{"stats":[{"histograms":{"supported_quantiles":[0,25,50,75,90,95,99,99.5,99.9,100],"computed_quantiles":[{"name":"${name}","values":[{"cumulative":0,"interval":0}`,
    ),
  );
  assert.ok(
    start("cumulative").startsWith(
      `{"stats":[{"histograms":[{"name":"${name}","buckets":[{"upper_bound":0.5,"interval":10,"cumulative":10},{"upper_bound":1,"interval":12,"cumulative":12}`,
    ),
  );
  assert.ok(start("disjoint").includes('{"upper_bound":1,"interval":2,"cumulative":2}'));
  assert.ok(
    start("detailed").startsWith(
      `{"stats":[{"histograms":{"supported_percentiles":[0,25,50,75,90,95,99,99.5,99.9,100],"details":[{"name":"${name}","totals":[{"lower_bound":0,"width":0,"count":10}`,
    ),
  );
});

test("counters and gauges in JSON", () => {
  const empty: StatsView = { texts: [], scalars: [], histograms: [] };
  assert.equal(renderJson(empty, "summary"), '{"stats":[]}');
  assert.equal(
    renderJson({ ...empty, scalars: [{ name: "a.b", kind: "counter", value: 2 }] }, "summary"),
    '{"stats":[{"name":"a.b","value":2}]}',
  );
  assert.equal(EMPTY_SUMMARY.count, 0);
});

test("numbers as C's %g writes them", () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, "0"],
    [0.5, "0.5"],
    [4.1, "4.1"],
    [600_000, "600000"],
    [1_800_000, "1.8e+06"],
    [3_600_000, "3.6e+06"],
    [999_999.9, "1e+06"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
  ];
  for (const [value, expected] of cases) assert.equal(formatGeneral(value), expected);
});
