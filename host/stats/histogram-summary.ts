// A histogram as read at one moment: its filled buckets only (most of the 811 are empty), and what is computed from them.
// Quantiles follow circllhist, which Envoy uses: the samples of a bucket of n stand at i/(n+1) of its width.
import { HISTOGRAM_BUCKETS, histogramBounds } from "./store.ts";

export interface HistogramSummary {
  readonly count: number;
  readonly sum: number;
  /** Indexes of filled buckets, ascending, and how many samples each holds. */
  readonly buckets: readonly number[];
  readonly counts: readonly number[];
}

export const EMPTY_SUMMARY: HistogramSummary = { count: 0, sum: 0, buckets: [], counts: [] };

/** Percentiles that Envoy's admin API shows. */
export const SUPPORTED_PERCENTILES: readonly number[] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

/** Upper bounds that Envoy exports by default ("Statistics: histogram_bucket_settings"). */
export const SUPPORTED_BOUNDS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000,
];

const BOUNDS: readonly (readonly [number, number])[] = Array.from({ length: HISTOGRAM_BUCKETS }, (_, bucket) => histogramBounds(bucket));

/** Adds up slots of several threads; `slots[at]` is the number of samples, `slots[at + 1]` their sum. */
export function summarize(parts: readonly { readonly slots: Float64Array; readonly at: number }[]): HistogramSummary {
  let sum = 0;
  let hasSamples = false;
  for (const { slots, at } of parts) {
    if (slots[at] === 0) continue;
    hasSamples = true;
    sum += slots[at + 1];
  }
  if (!hasSamples) return EMPTY_SUMMARY;
  const buckets: number[] = [];
  const counts: number[] = [];
  // Counted from the buckets: a sample that is being recorded at this moment may be in the count and in no bucket yet.
  let count = 0;
  for (let bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
    let samples = 0;
    for (const { slots, at } of parts) samples += slots[at + 2 + bucket];
    if (samples === 0) continue;
    buckets.push(bucket);
    counts.push(samples);
    count += samples;
  }
  return { count, sum, buckets, counts };
}

/** What `after` has and `before`, an earlier reading of the same histogram, had not. */
export function subtract(after: HistogramSummary, before: HistogramSummary): HistogramSummary {
  if (before.count === 0) return after;
  return combine(after, before, -1);
}

export function add(a: HistogramSummary, b: HistogramSummary): HistogramSummary {
  return combine(a, b, 1);
}

function combine(a: HistogramSummary, b: HistogramSummary, sign: 1 | -1): HistogramSummary {
  const byBucket = new Map<number, number>();
  a.buckets.forEach((bucket, i) => {
    byBucket.set(bucket, a.counts[i]);
  });
  b.buckets.forEach((bucket, i) => {
    byBucket.set(bucket, (byBucket.get(bucket) ?? 0) + sign * b.counts[i]);
  });
  const filled = [...byBucket].filter(([, samples]) => samples > 0).sort((x, y) => x[0] - y[0]);
  return {
    count: filled.reduce((total, [, samples]) => total + samples, 0),
    sum: a.sum + sign * b.sum,
    buckets: filled.map(([bucket]) => bucket),
    counts: filled.map(([, samples]) => samples),
  };
}

/** One value for each of SUPPORTED_PERCENTILES; NaN for a histogram without samples. */
export function percentiles(summary: HistogramSummary): readonly number[] {
  const { count, buckets, counts } = summary;
  if (count === 0) return SUPPORTED_PERCENTILES.map(() => Number.NaN);
  let at = 0;
  let below = 0;
  return SUPPORTED_PERCENTILES.map((percentile) => {
    // In whole numbers: 99.9 % of 1000 is sample 999, and 99.9 * 1000 / 100 is a little more.
    const rank = Math.max(1, Math.ceil((Math.round(percentile * 10) * count) / 1000));
    while (below + counts[at] < rank) below += counts[at++];
    const [lower, width] = BOUNDS[buckets[at]];
    return lower + (width * (rank - below)) / (counts[at] + 1);
  });
}

/** Samples up to each of SUPPORTED_BOUNDS: buckets that begin there or below, as Envoy counts them. */
export function cumulativeCounts(summary: HistogramSummary): readonly number[] {
  const { buckets, counts } = summary;
  let at = 0;
  let total = 0;
  return SUPPORTED_BOUNDS.map((bound) => {
    while (at < buckets.length && BOUNDS[buckets[at]][0] <= bound) total += counts[at++];
    return total;
  });
}

/** The same, each sample in one of them only. */
export function disjointCounts(summary: HistogramSummary): readonly number[] {
  const cumulative = cumulativeCounts(summary);
  return cumulative.map((count, i) => (i === 0 ? count : count - cumulative[i - 1]));
}

/** The filled buckets as they are kept: lower bound, width, samples. */
export function detailedBuckets(
  summary: HistogramSummary,
): readonly { readonly lowerBound: number; readonly width: number; readonly count: number }[] {
  return summary.buckets.map((bucket, i) => ({ lowerBound: BOUNDS[bucket][0], width: BOUNDS[bucket][1], count: summary.counts[i] }));
}
