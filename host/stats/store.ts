// Counters, gauges and histograms of one thread, in shared memory that the main thread reads without asking. Handles are resolved
// when configuration is built; counting is one addition to a Float64Array slot that only this thread writes (no atomics needed:
// aligned 8-byte stores do not tear). New slots are announced to the main thread by name, once.

export type StatKind = "counter" | "gauge" | "histogram" | "text";

/** A block of slots as announced to the merging thread. */
export interface StatBlock {
  readonly memory: SharedArrayBuffer;
}

export interface StatDefinition {
  readonly name: string;
  readonly kind: Exclude<StatKind, "text">;
  /** Index of the block and of the first slot in it. */
  readonly block: number;
  readonly slot: number;
}

/** What a store tells the merging thread: new blocks and new names, in order. */
export interface StatAnnouncement {
  readonly blocks: readonly StatBlock[];
  readonly definitions: readonly StatDefinition[];
  /** Of the main thread's store alone: on the way from another thread they would become copies. */
  readonly texts?: readonly TextReadout[];
}

/** A statistic that is a text, as Envoy's text readouts: a version, an identifier. */
export class TextReadout {
  readonly name: string;
  value = "";

  constructor(name: string) {
    this.name = name;
  }

  set(value: string): void {
    this.value = value;
  }
}

const BLOCK_SLOTS = 8192;

export class Counter {
  private readonly slots: Float64Array;
  private readonly at: number;
  constructor(slots: Float64Array, at: number) {
    this.slots = slots;
    this.at = at;
  }
  inc(): void {
    this.slots[this.at]++;
  }
  add(amount: number): void {
    this.slots[this.at] += amount;
  }
  get value(): number {
    return this.slots[this.at];
  }
}

export class Gauge {
  private readonly slots: Float64Array;
  private readonly at: number;
  constructor(slots: Float64Array, at: number) {
    this.slots = slots;
    this.at = at;
  }
  inc(): void {
    this.slots[this.at]++;
  }
  dec(): void {
    this.slots[this.at]--;
  }
  add(amount: number): void {
    this.slots[this.at] += amount;
  }
  set(value: number): void {
    this.slots[this.at] = value;
  }
  get value(): number {
    return this.slots[this.at];
  }
}

/**
 * Log-linear buckets with two significant digits, as Envoy's histograms have them: 0, then 90 a power of ten from 1 to 10^9.
 * Slots: [count, sum, zeros, buckets…].
 */
export const HISTOGRAM_DECADES = 9;
export const HISTOGRAM_BUCKETS = 1 + HISTOGRAM_DECADES * 90;
export const HISTOGRAM_SLOTS = 2 + HISTOGRAM_BUCKETS;

export function histogramBucket(value: number): number {
  if (value < 1) return 0;
  let decade = 0;
  let scaled = value;
  while (scaled >= 10 && decade < HISTOGRAM_DECADES - 1) {
    scaled /= 10;
    decade++;
  }
  const step = Math.min(89, Math.floor(scaled * 10) - 10);
  return 1 + decade * 90 + step;
}

/** Lower bound and width of a bucket; [0, 0] for zero. */
export function histogramBounds(bucket: number): readonly [number, number] {
  if (bucket === 0) return [0, 0];
  const decade = Math.floor((bucket - 1) / 90);
  const step = ((bucket - 1) % 90) + 10;
  // Divided, not multiplied by 0.1: 4.1, not 4.1000000000000005.
  if (decade === 0) return [step / 10, 0.1];
  const unit = 10 ** (decade - 1);
  return [step * unit, unit];
}

export class Histogram {
  private readonly slots: Float64Array;
  private readonly at: number;
  constructor(slots: Float64Array, at: number) {
    this.slots = slots;
    this.at = at;
  }
  record(value: number): void {
    const slots = this.slots;
    const at = this.at;
    slots[at]++;
    slots[at + 1] += value;
    slots[at + 2 + histogramBucket(value)]++;
  }
}

export class StatsStore {
  private readonly announce: (what: StatAnnouncement) => void;
  private readonly counters = new Map<string, Counter>();
  private readonly gauges = new Map<string, Gauge>();
  private readonly histograms = new Map<string, Histogram>();
  private readonly texts = new Map<string, TextReadout>();
  private slots: Float64Array = new Float64Array(0);
  private used = 0;
  private blockCount = 0;
  private newBlocks: StatBlock[] = [];
  private newDefinitions: StatDefinition[] = [];
  private newTexts: TextReadout[] = [];
  private scheduled = false;

  constructor(announce: (what: StatAnnouncement) => void) {
    this.announce = announce;
  }

  counter(name: string): Counter {
    let counter = this.counters.get(name);
    if (counter === undefined) {
      const at = this.define(name, "counter", 1);
      counter = new Counter(this.slots, at);
      this.counters.set(name, counter);
    }
    return counter;
  }

  gauge(name: string): Gauge {
    let gauge = this.gauges.get(name);
    if (gauge === undefined) {
      const at = this.define(name, "gauge", 1);
      gauge = new Gauge(this.slots, at);
      this.gauges.set(name, gauge);
    }
    return gauge;
  }

  histogram(name: string): Histogram {
    let histogram = this.histograms.get(name);
    if (histogram === undefined) {
      const at = this.define(name, "histogram", HISTOGRAM_SLOTS);
      histogram = new Histogram(this.slots, at);
      this.histograms.set(name, histogram);
    }
    return histogram;
  }

  /** On the main thread alone. */
  textReadout(name: string): TextReadout {
    let text = this.texts.get(name);
    if (text === undefined) {
      text = new TextReadout(name);
      this.texts.set(name, text);
      this.newTexts.push(text);
      this.schedule();
    }
    return text;
  }

  private define(name: string, kind: StatDefinition["kind"], size: number): number {
    if (this.used + size > this.slots.length) {
      const memory = new SharedArrayBuffer(Math.max(BLOCK_SLOTS, size) * 8);
      this.slots = new Float64Array(memory);
      this.used = 0;
      this.blockCount++;
      this.newBlocks.push({ memory });
    }
    const slot = this.used;
    this.used += size;
    this.newDefinitions.push({ name, kind, block: this.blockCount - 1, slot });
    this.schedule();
    return slot;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(this.flushAnnouncement);
  }

  private readonly flushAnnouncement = (): void => {
    if (this.scheduled) this.announceNow();
  };

  /** Tells what is new without waiting for the end of this turn. */
  announceNow(): void {
    this.scheduled = false;
    if (this.newDefinitions.length + this.newTexts.length === 0) return;
    const blocks = this.newBlocks;
    const definitions = this.newDefinitions;
    const texts = this.newTexts;
    this.newBlocks = [];
    this.newDefinitions = [];
    this.newTexts = [];
    this.announce(texts.length === 0 ? { blocks, definitions } : { blocks, definitions, texts });
  }
}

/** Hands out one counter a status code or class under a common prefix, without a name look-up per request. */
export class CodeCounters {
  private readonly store: StatsStore;
  private readonly prefix: string;
  private readonly byCode: (Counter | undefined)[] = [];

  constructor(store: StatsStore, prefix: string) {
    this.store = store;
    this.prefix = prefix;
  }

  /** Counts `<prefix><code>`. */
  inc(code: number): void {
    let counter = this.byCode[code];
    if (counter === undefined) {
      counter = this.store.counter(this.prefix + code);
      this.byCode[code] = counter;
    }
    counter.inc();
  }
}
