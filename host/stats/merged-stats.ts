// Statistics of the whole process, on the main thread: the stores of all threads read in place (shared memory) and merged by name.
// What a thread counted stays when the thread is gone: counters and histograms never go backwards. Names that begin with "\0" (the
// statistics of hosts) are kept apart: they can be read one by one and are never listed.
import { EMPTY_SUMMARY, type HistogramSummary, subtract, summarize } from "./histogram-summary.ts";
import { type MergeRule, mergeRule } from "./merge-rules.ts";
import { HISTOGRAM_SLOTS, type StatAnnouncement, type StatKind, type TextReadout } from "./store.ts";

interface Source {
  readonly workerId: number;
  readonly slots: Float64Array;
  readonly at: number;
}

interface ScalarEntry {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly rule: MergeRule;
  sources: Source[];
  /** From threads that are gone. */
  base: number;
  /** What /reset_counters took away. */
  offset: number;
  /** A gauge that was not zero once counts as used for ever. */
  wasUsed: boolean;
}

interface HistogramEntry {
  readonly name: string;
  sources: Source[];
  base: Float64Array | undefined;
  /** As of the last flush: all of it, and what the interval before it added. */
  flushed: HistogramSummary;
  interval: HistogramSummary;
}

export interface ScalarStat {
  readonly name: string;
  readonly kind: "counter" | "gauge";
  readonly value: number;
}

export interface TextStat {
  readonly name: string;
  readonly value: string;
}

export interface HistogramStat {
  readonly name: string;
  readonly cumulative: HistogramSummary;
  /** The last complete interval between two flushes. */
  readonly interval: HistogramSummary;
}

export interface StatQuery {
  /** Default: every name. */
  readonly matches?: (name: string) => boolean;
  /** Only what was counted at least once. */
  readonly usedOnly?: boolean;
  /** Default: all kinds. */
  readonly kinds?: readonly StatKind[];
}

/** Each list is sorted by name. */
export interface StatsView {
  readonly texts: readonly TextStat[];
  readonly scalars: readonly ScalarStat[];
  readonly histograms: readonly HistogramStat[];
}

export class MergedStats {
  private readonly blocks = new Map<number, Float64Array[]>();
  private readonly counters = new Map<string, ScalarEntry>();
  private readonly gauges = new Map<string, ScalarEntry>();
  private readonly histograms = new Map<string, HistogramEntry>();
  private readonly hidden = new Map<string, ScalarEntry>();
  private readonly texts = new Map<string, TextReadout>();
  private sortedScalars: ScalarEntry[] | undefined = undefined;
  private sortedHistograms: HistogramEntry[] | undefined = undefined;

  /** What a thread's store tells; the announcements of one thread have to come in order. */
  announce(workerId: number, announcement: StatAnnouncement): void {
    let blocks = this.blocks.get(workerId);
    if (blocks === undefined) {
      blocks = [];
      this.blocks.set(workerId, blocks);
    }
    for (const text of announcement.texts ?? []) this.texts.set(text.name, text);
    for (const { memory } of announcement.blocks) blocks.push(new Float64Array(memory));
    for (const { name, kind, block, slot } of announcement.definitions) {
      const source = { workerId, slots: blocks[block], at: slot };
      if (kind === "histogram") this.histogramEntry(name).sources.push(source);
      else this.scalarEntry(name, kind).sources.push(source);
    }
  }

  private scalarEntry(name: string, kind: "counter" | "gauge"): ScalarEntry {
    const isHidden = name.charCodeAt(0) === 0;
    const map = isHidden ? this.hidden : kind === "counter" ? this.counters : this.gauges;
    let entry = map.get(name);
    if (entry === undefined) {
      entry = { name, kind, rule: isHidden ? "sum" : mergeRule(name), sources: [], base: 0, offset: 0, wasUsed: false };
      map.set(name, entry);
      if (!isHidden) this.sortedScalars = undefined;
    }
    return entry;
  }

  private histogramEntry(name: string): HistogramEntry {
    let entry = this.histograms.get(name);
    if (entry === undefined) {
      entry = { name, sources: [], base: undefined, flushed: EMPTY_SUMMARY, interval: EMPTY_SUMMARY };
      this.histograms.set(name, entry);
      this.sortedHistograms = undefined;
    }
    return entry;
  }

  /** A thread is gone: its counters and histograms are kept, its gauges are not. */
  removeWorker(workerId: number): void {
    if (!this.blocks.delete(workerId)) return;
    for (const map of [this.counters, this.gauges, this.hidden]) {
      for (const entry of map.values()) {
        if (entry.kind === "counter") {
          for (const source of entry.sources) if (source.workerId === workerId) foldCounter(entry, source);
        }
        entry.sources = entry.sources.filter((source) => source.workerId !== workerId);
      }
    }
    for (const entry of this.histograms.values()) {
      for (const source of entry.sources) if (source.workerId === workerId) foldHistogram(entry, source);
      entry.sources = entry.sources.filter((source) => source.workerId !== workerId);
    }
  }

  /** POST /reset_counters: counters begin at 0 again; the threads go on counting where they are. */
  resetCounters(): void {
    for (const entry of this.counters.values()) entry.offset = total(entry);
  }

  /** Ends an interval of the histograms (Envoy's stats_flush_interval, 5 s). */
  flush(): void {
    for (const entry of this.gauges.values()) entry.wasUsed ||= total(entry) !== 0;
    for (const entry of this.histograms.values()) {
      const parts = partsOf(entry);
      const count = parts.reduce((sum, { slots, at }) => sum + slots[at], 0);
      if (count === entry.flushed.count) {
        entry.interval = EMPTY_SUMMARY;
        continue;
      }
      const now = summarize(parts);
      entry.interval = subtract(now, entry.flushed);
      entry.flushed = now;
    }
  }

  /** The value of a counter or gauge, hidden ones included; undefined: no such name. */
  value(name: string): number | undefined {
    const entry = this.counters.get(name) ?? this.gauges.get(name) ?? this.hidden.get(name);
    return entry === undefined ? undefined : total(entry) - entry.offset;
  }

  read(query: StatQuery = {}): StatsView {
    const { matches, usedOnly = false, kinds } = query;
    const scalars: ScalarStat[] = [];
    for (const entry of this.scalarsInOrder()) {
      if (kinds !== undefined && !kinds.includes(entry.kind)) continue;
      // A gauge of threads that are all gone says nothing any more.
      if (entry.sources.length === 0 && entry.kind === "gauge") continue;
      const sum = total(entry);
      if (usedOnly && sum === 0 && !entry.wasUsed) continue;
      if (matches !== undefined && !matches(entry.name)) continue;
      scalars.push({ name: entry.name, kind: entry.kind, value: sum - entry.offset });
    }
    const histograms: HistogramStat[] = [];
    if (kinds === undefined || kinds.includes("histogram")) {
      for (const entry of this.histogramsInOrder()) {
        const parts = partsOf(entry);
        if (usedOnly && parts.every(({ slots, at }) => slots[at] === 0)) continue;
        if (matches !== undefined && !matches(entry.name)) continue;
        histograms.push({ name: entry.name, cumulative: summarize(parts), interval: entry.interval });
      }
    }
    const hasTexts = kinds === undefined || kinds.includes("text");
    const texts = hasTexts
      ? [...this.texts.values()].filter(({ name, value }) => (!usedOnly || value !== "") && (matches?.(name) ?? true))
      : [];
    return { texts: texts.sort(byName), scalars, histograms };
  }

  private scalarsInOrder(): readonly ScalarEntry[] {
    this.sortedScalars ??= [...this.counters.values(), ...this.gauges.values()].sort(byName);
    return this.sortedScalars;
  }

  private histogramsInOrder(): readonly HistogramEntry[] {
    this.sortedHistograms ??= [...this.histograms.values()].sort(byName);
    return this.sortedHistograms;
  }
}

function total({ rule, base, sources }: ScalarEntry): number {
  if (rule === "min") return sources.length === 0 ? 0 : Math.min(...sources.map(({ slots, at }) => slots[at]));
  let result = base;
  for (const { slots, at } of sources) result = rule === "sum" ? result + slots[at] : Math.max(result, slots[at]);
  return result;
}

/** Keeps what the thread counted. */
function foldCounter(entry: ScalarEntry, { slots, at }: Source): void {
  entry.base = entry.rule === "sum" ? entry.base + slots[at] : Math.max(entry.base, slots[at]);
}

function partsOf(entry: HistogramEntry): readonly { readonly slots: Float64Array; readonly at: number }[] {
  return entry.base === undefined ? entry.sources : [...entry.sources, { slots: entry.base, at: 0 }];
}

function foldHistogram(entry: HistogramEntry, source: Source): void {
  if (source.slots[source.at] === 0) return;
  entry.base ??= new Float64Array(HISTOGRAM_SLOTS);
  for (let i = 0; i < HISTOGRAM_SLOTS; i++) entry.base[i] += source.slots[source.at + i];
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
