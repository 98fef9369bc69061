// A strict reader of the Prometheus text format: throws on what a scraper would refuse.

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ParsedFamily {
  readonly type: string;
  readonly samples: Sample[];
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]Inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/;
const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/;

export function parsePrometheus(text: string): Map<string, ParsedFamily> {
  if (text !== "" && !text.endsWith("\n")) throw new Error("no newline at the end");
  const families = new Map<string, ParsedFamily>();
  const seen = new Set<string>();
  let current: { readonly name: string; readonly family: ParsedFamily } | undefined;
  for (const line of text.split("\n").slice(0, -1)) {
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary)$/.exec(line);
    if (type !== null) {
      if (families.has(type[1])) throw new Error(`second TYPE of ${type[1]}`);
      current = { name: type[1], family: { type: type[2], samples: [] } };
      families.set(type[1], current.family);
      continue;
    }
    const sample = parseSample(line);
    if (current === undefined || !belongs(sample.name, current.name, current.family.type))
      throw new Error(`outside of its family: ${line}`);
    const key = `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`;
    if (seen.has(key)) throw new Error(`duplicate series: ${line}`);
    seen.add(key);
    current.family.samples.push(sample);
  }
  for (const [name, family] of families) if (family.type === "histogram") checkHistogram(name, family);
  return families;
}

function parseSample(line: string): Sample {
  const match = sampleLine.exec(line);
  if (match === null) throw new Error(`not a sample: ${line}`);
  const labels: Record<string, string> = {};
  for (let rest = match[2] ?? ""; rest !== ""; ) {
    const pair = label.exec(rest);
    if (pair === null) throw new Error(`bad label at ${rest}`);
    if (Object.hasOwn(labels, pair[1])) throw new Error(`label twice: ${line}`);
    labels[pair[1]] = pair[2].replace(/\\(.)/g, (_all, c: string) => (c === "n" ? "\n" : c));
    rest = rest.slice(pair[0].length);
  }
  return { name: match[1], labels, value: Number(match[3].replace("Inf", "Infinity")) };
}

function belongs(sample: string, family: string, type: string): boolean {
  if (type === "histogram") return ["_bucket", "_sum", "_count"].some((end) => sample === family + end);
  if (type === "summary") return sample === family || sample === `${family}_sum` || sample === `${family}_count`;
  return sample === family;
}

function checkHistogram(name: string, { samples }: ParsedFamily): void {
  let before = 0;
  let previousLabels = "";
  for (const sample of samples) {
    const { le, ...rest } = sample.labels;
    const labels = JSON.stringify(rest);
    if (sample.name === `${name}_bucket`) {
      if (labels !== previousLabels) before = 0;
      if (sample.value < before) throw new Error(`buckets of ${name} go down at ${le}`);
      before = sample.value;
      previousLabels = labels;
    }
    if (sample.name === `${name}_count` && sample.value !== before) throw new Error(`${name}: count is not the last bucket`);
  }
}
