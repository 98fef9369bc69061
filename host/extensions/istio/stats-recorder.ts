// Where the standard metrics of Istio are counted: one series for each set of labels, found again by its labels. Peers and clients choose
// some of them, so sets are bounded: above the limit what they choose is "unknown", and what is new even then is not counted.
import type { IstioStatsConfig } from "../../config/http-filters.ts";
import type { Counter, Histogram, StatsStore } from "../../stats/store.ts";
import { labelledName } from "../../stats/labels.ts";
import type { Labels } from "./stats-labels.ts";

/** Sets of labels of one worker, beyond which those of peers are left out, and how many more there may be then. */
const MAX_SETS = 1000;
const MAX_MORE_SETS = 200;

export const COUNTERS = [
  "requests_total",
  "request_messages_total",
  "response_messages_total",
  "tcp_sent_bytes_total",
  "tcp_received_bytes_total",
  "tcp_connections_opened_total",
  "tcp_connections_closed_total",
] as const;
export const HISTOGRAMS = ["request_duration_milliseconds", "request_bytes", "response_bytes"] as const;

type CounterName = (typeof COUNTERS)[number];
type HistogramName = (typeof HISTOGRAMS)[number];

/** The series of one set of labels. */
export class Series {
  private readonly recorder: StatsRecorder;
  private readonly labels: Labels;
  private readonly counters = new Map<CounterName, Counter>();
  private readonly histograms = new Map<HistogramName, Histogram>();

  constructor(recorder: StatsRecorder, labels: Labels) {
    this.recorder = recorder;
    this.labels = labels;
  }

  add(name: CounterName, amount: number): void {
    let counter = this.counters.get(name);
    if (counter === undefined) {
      const full = this.recorder.nameOf(name, this.labels);
      if (full === undefined) return;
      counter = this.recorder.stats.counter(full);
      this.counters.set(name, counter);
    }
    counter.add(amount);
  }

  record(name: HistogramName, value: number): void {
    let histogram = this.histograms.get(name);
    if (histogram === undefined) {
      const full = this.recorder.nameOf(name, this.labels);
      if (full === undefined) return;
      histogram = this.recorder.stats.histogram(full);
      this.histograms.set(name, histogram);
    }
    histogram.record(value);
  }
}

export class StatsRecorder {
  readonly stats: StatsStore;
  private readonly config: IstioStatsConfig;
  private readonly series = new Map<string, Series>();
  private readonly overflow: Counter;

  constructor(config: IstioStatsConfig, stats: StatsStore) {
    this.config = config;
    this.stats = stats;
    this.overflow = stats.counter("istio_stats.series_overflow");
  }

  /** `labels(false)` are those that no peer chooses; undefined: not counted. */
  find(labels: (isKnown: boolean) => Labels): Series | undefined {
    return this.get(labels(true), MAX_SETS) ?? this.get(labels(false), MAX_SETS + MAX_MORE_SETS);
  }

  private get(labels: Labels, most: number): Series | undefined {
    const key = labels.map(([, value]) => value).join("\0");
    let series = this.series.get(key);
    if (series !== undefined) return series;
    if (this.series.size >= most) {
      this.overflow.inc();
      return undefined;
    }
    series = new Series(this, labels);
    this.series.set(key, series);
    return series;
  }

  /** undefined: the configuration drops this metric. */
  nameOf(metric: string, labels: Labels): string | undefined {
    let kept = labels;
    for (const { name, drop, tagsToRemove } of this.config.metrics) {
      if (name !== "" && name !== metric) continue;
      if (drop) return undefined;
      kept = kept.filter(([label]) => !tagsToRemove.includes(label));
    }
    return labelledName(`${this.config.statPrefix}_${metric}`, kept);
  }
}
