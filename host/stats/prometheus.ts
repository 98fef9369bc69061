// Prometheus text exposition (0.0.4) as Envoy's /stats/prometheus writes it: prefix envoy_, tags as labels, counters before gauges
// before histograms. Whatever names and tags come in, what comes out is valid: families that would share a name are told apart by
// their kind, series that would be the same are added up.
import { add, cumulativeCounts, type HistogramSummary, percentiles, SUPPORTED_BOUNDS, SUPPORTED_PERCENTILES } from "./histogram-summary.ts";
import { LABELLED_NAMESPACE } from "./labels.ts";
import type { StatsView } from "./merged-stats.ts";
import type { Tag, TaggedName, TagProducer } from "./tags.ts";

type FamilyKind = "counter" | "gauge" | "histogram" | "summary";

interface Family<V> {
  readonly kind: FamilyKind;
  /** Labels as text, with their value. */
  readonly series: Map<string, V>;
}

/** Metrics that modules define and those of Istio are exported under their own names. */
const CUSTOM_NAMESPACES = ["wasmcustom.", LABELLED_NAMESPACE];

/** [a-zA-Z_][a-zA-Z0-9_]* whatever comes in. */
export function sanitizeName(name: string): string {
  const clean = name.replace(/[^a-zA-Z0-9_]/g, "_");
  return clean === "" || /^\d/.test(clean) ? `_${clean}` : clean;
}

/** Metrics of Istio's agent, which this host is too: dashboards know them by their own names. */
const AGENT_PREFIX = "istio_agent_";

function metricName(extracted: string): string {
  if (extracted.startsWith(AGENT_PREFIX)) return sanitizeName(extracted);
  const namespace = CUSTOM_NAMESPACES.find((candidate) => extracted.startsWith(candidate));
  return namespace === undefined ? `envoy_${sanitizeName(extracted)}` : sanitizeName(extracted.slice(namespace.length));
}

interface ExportedName {
  readonly metric: string;
  readonly labels: string;
}

/** By the producer's own memory of a name: scrapes come every few seconds and names stay. */
const exportedNames = new WeakMap<TaggedName, ExportedName>();

function exportedName(tagged: TaggedName): ExportedName {
  let exported = exportedNames.get(tagged);
  if (exported === undefined) {
    exported = { metric: metricName(tagged.name), labels: formatLabels(tagged.tags) };
    exportedNames.set(tagged, exported);
  }
  return exported;
}

export function renderPrometheus(view: StatsView, tags: TagProducer, mode: "cumulative" | "summary"): string {
  const names = new FamilyNames();
  const counters = collect(
    view.scalars.filter(({ kind }) => kind === "counter"),
    tags,
    "counter",
    names,
    ({ value }) => value,
    sum,
  );
  const gauges = collect(
    view.scalars.filter(({ kind }) => kind === "gauge"),
    tags,
    "gauge",
    names,
    ({ value }) => value,
    sum,
  );
  const kind = mode === "summary" ? "summary" : "histogram";
  const histograms = collect(
    view.histograms,
    tags,
    kind,
    names,
    ({ cumulative, interval }) => ({ cumulative, interval }),
    (a, b) => ({
      cumulative: add(a.cumulative, b.cumulative),
      interval: add(a.interval, b.interval),
    }),
  );
  let out = "";
  for (const families of [counters, gauges]) {
    for (const [name, { kind: type, series }] of families) {
      out += `# TYPE ${name} ${type}\n`;
      for (const [labels, value] of series) out += `${name}${braces(labels)} ${value}\n`;
    }
  }
  for (const [name, family] of histograms) {
    out += `# TYPE ${name} ${family.kind}\n`;
    for (const [labels, value] of family.series)
      out += mode === "summary" ? summarySeries(name, labels, value) : histogramSeries(name, labels, value.cumulative);
  }
  return out;
}

function sum(a: number, b: number): number {
  return a + b;
}

function collect<S extends { readonly name: string }, V>(
  stats: readonly S[],
  producer: TagProducer,
  kind: FamilyKind,
  names: FamilyNames,
  read: (stat: S) => V,
  merge: (a: V, b: V) => V,
): Map<string, Family<V>> {
  const tagged = stats.map((stat) => ({ stat, tagged: producer.extract(stat.name) }));
  // Stable: series of a family stay in the order of their stats' names.
  tagged.sort((a, b) => (a.tagged.name < b.tagged.name ? -1 : a.tagged.name > b.tagged.name ? 1 : 0));
  const families = new Map<string, Family<V>>();
  for (const { stat, tagged: extracted } of tagged) {
    const exported = exportedName(extracted);
    const name = names.take(exported.metric, kind);
    let family = families.get(name);
    if (family === undefined) {
      family = { kind, series: new Map() };
      families.set(name, family);
    }
    const { labels } = exported;
    const before = family.series.get(labels);
    family.series.set(labels, before === undefined ? read(stat) : merge(before, read(stat)));
  }
  return families;
}

/** Gives each family a name that no other kind's samples use. */
class FamilyNames {
  private readonly taken = new Set<string>();
  private readonly given = new Map<string, string>();

  take(wanted: string, kind: FamilyKind): string {
    const key = `${kind} ${wanted}`;
    const before = this.given.get(key);
    if (before !== undefined) return before;
    let name = wanted;
    while (sampleNames(name, kind).some((sample) => this.taken.has(sample))) name += `_${kind}`;
    for (const sample of sampleNames(name, kind)) this.taken.add(sample);
    this.given.set(key, name);
    return name;
  }
}

function sampleNames(name: string, kind: FamilyKind): readonly string[] {
  if (kind === "histogram") return [name, `${name}_bucket`, `${name}_sum`, `${name}_count`];
  return kind === "summary" ? [name, `${name}_sum`, `${name}_count`] : [name];
}

function formatLabels(tags: readonly Tag[]): string {
  let out = "";
  const taken = new Set<string>();
  for (const { name, value } of tags) {
    let label = sanitizeName(name);
    // The format keeps these two, and names that begin with two underscores, for itself.
    if (label === "le" || label === "quantile" || label.startsWith("__")) label = `tag_${label}`;
    if (taken.has(label)) continue;
    taken.add(label);
    out += `${out === "" ? "" : ","}${label}="${value.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`))}"`;
  }
  return out;
}

function braces(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}

function withLabel(labels: string, label: string): string {
  return labels === "" ? `{${label}}` : `{${labels},${label}}`;
}

function histogramSeries(name: string, labels: string, summary: HistogramSummary): string {
  const counts = cumulativeCounts(summary);
  let out = "";
  SUPPORTED_BOUNDS.forEach((bound, i) => {
    out += `${name}_bucket${withLabel(labels, `le="${bound}"`)} ${counts[i]}\n`;
  });
  return `${out}${name}_bucket${withLabel(labels, 'le="+Inf"')} ${summary.count}\n${totals(name, labels, summary)}`;
}

/** Quantiles of the last interval; sum and count since start, so that rates can be taken of them. */
function summarySeries(
  name: string,
  labels: string,
  { cumulative, interval }: { readonly cumulative: HistogramSummary; readonly interval: HistogramSummary },
): string {
  const values = percentiles(interval);
  let out = "";
  SUPPORTED_PERCENTILES.forEach((percentile, i) => {
    out += `${name}${withLabel(labels, `quantile="${Math.round(percentile * 10) / 1000}"`)} ${values[i]}\n`;
  });
  return out + totals(name, labels, cumulative);
}

function totals(name: string, labels: string, { sum: total, count }: HistogramSummary): string {
  return `${name}_sum${braces(labels)} ${total}\n${name}_count${braces(labels)} ${count}\n`;
}
