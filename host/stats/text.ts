// GET /stats in Envoy's text format: texts by name, counters and gauges by name, then histograms by name. For each percentile or bucket the
// interval's value stands first, then the value since start.
import { formatExact, formatGeneral } from "./format-number.ts";
import {
  cumulativeCounts,
  detailedBuckets,
  disjointCounts,
  type HistogramSummary,
  percentiles,
  SUPPORTED_BOUNDS,
  SUPPORTED_PERCENTILES,
} from "./histogram-summary.ts";
import type { HistogramStat, StatsView } from "./merged-stats.ts";

export const HISTOGRAM_MODES = ["summary", "cumulative", "disjoint", "detailed"] as const;
/** How ?histogram_buckets= shows a histogram. */
export type HistogramMode = (typeof HISTOGRAM_MODES)[number];

export function renderText(view: StatsView, mode: HistogramMode): string {
  let out = "";
  for (const { name, value } of view.texts) out += `${name}: "${value}"\n`;
  for (const { name, value } of view.scalars) out += `${name}: ${value}\n`;
  for (const histogram of view.histograms) out += renderHistogram(histogram, mode);
  return out;
}

function renderHistogram(histogram: HistogramStat, mode: HistogramMode): string {
  const { name, cumulative } = histogram;
  if (mode === "detailed") {
    return `${name}:\n  totals=${details(cumulative)}\n  intervals=${details(histogram.interval)}\n  summary=${summaryLine(histogram)}\n`;
  }
  if (cumulative.count === 0) return `${name}: No recorded values\n`;
  switch (mode) {
    case "summary":
      return `${name}: ${summaryLine(histogram)}\n`;
    case "cumulative":
      return `${name}: ${bucketLine(histogram, cumulativeCounts)}\n`;
    case "disjoint":
      return `${name}: ${bucketLine(histogram, disjointCounts)}\n`;
  }
}

function summaryLine({ cumulative, interval }: HistogramStat): string {
  const now = percentiles(interval);
  const all = percentiles(cumulative);
  return SUPPORTED_PERCENTILES.map((percentile, i) => `P${percentile}(${formatExact(now[i])},${formatExact(all[i])})`).join(" ");
}

function bucketLine({ cumulative, interval }: HistogramStat, counts: (summary: HistogramSummary) => readonly number[]): string {
  const now = counts(interval);
  const all = counts(cumulative);
  return SUPPORTED_BOUNDS.map((bound, i) => `B${formatGeneral(bound)}(${now[i]},${all[i]})`).join(" ");
}

function details(summary: HistogramSummary): string {
  return detailedBuckets(summary)
    .map(({ lowerBound, width, count }) => `${formatGeneral(lowerBound)},${formatGeneral(width)}:${count}`)
    .join(", ");
}
