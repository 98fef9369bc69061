// GET /stats?format=json in Envoy's shape: one list, its last element holds all histograms.
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
import type { HistogramMode } from "./text.ts";

export function renderJson(view: StatsView, mode: HistogramMode): string {
  const stats: unknown[] = [...view.texts, ...view.scalars].map(({ name, value }) => ({ name, value }));
  if (view.histograms.length > 0) stats.push({ histograms: histogramsElement(view.histograms, mode) });
  return JSON.stringify({ stats });
}

function histogramsElement(histograms: readonly HistogramStat[], mode: HistogramMode): unknown {
  switch (mode) {
    case "summary":
      return {
        supported_quantiles: SUPPORTED_PERCENTILES,
        computed_quantiles: histograms.map((histogram) => ({ name: histogram.name, values: percentilePairs(histogram) })),
      };
    case "cumulative":
      return histograms.map((histogram) => ({ name: histogram.name, buckets: bucketPairs(histogram, cumulativeCounts) }));
    case "disjoint":
      return histograms.map((histogram) => ({ name: histogram.name, buckets: bucketPairs(histogram, disjointCounts) }));
    case "detailed":
      return {
        supported_percentiles: SUPPORTED_PERCENTILES,
        details: histograms.map((histogram) => ({
          name: histogram.name,
          totals: buckets(histogram.cumulative),
          intervals: buckets(histogram.interval),
          percentiles: percentilePairs(histogram),
        })),
      };
  }
}

/** JSON has no NaN: null, as Envoy writes it. */
function percentilePairs({ cumulative, interval }: HistogramStat): unknown {
  const all = percentiles(cumulative);
  const now = percentiles(interval);
  return all.map((value, i) => ({ cumulative: Number.isNaN(value) ? null : value, interval: Number.isNaN(now[i]) ? null : now[i] }));
}

function bucketPairs({ cumulative, interval }: HistogramStat, counts: (summary: HistogramSummary) => readonly number[]): unknown {
  const all = counts(cumulative);
  const now = counts(interval);
  return SUPPORTED_BOUNDS.map((bound, i) => ({ upper_bound: bound, interval: now[i], cumulative: all[i] }));
}

function buckets(summary: HistogramSummary): unknown {
  return detailedBuckets(summary).map(({ lowerBound, width, count }) => ({ lower_bound: lowerBound, width, count }));
}
