// From a stat's name to a name without tags and the tags: default tags and those of stats_config.stats_tags, in Envoy's order.
import { RE2JS } from "re2js";
import { DEFAULT_TAGS, type TagPattern } from "./default-tags.ts";
import { splitLabels } from "./labels.ts";

export interface Tag {
  readonly name: string;
  readonly value: string;
}

export interface TaggedName {
  /** The name with the parts that became tags cut out. */
  readonly name: string;
  readonly tags: readonly Tag[];
}

/** config.metrics.v3.TagSpecifier: with a regex, or a fixed value, or naming one of the default tags. */
export interface TagSpecifier {
  readonly tagName: string;
  readonly regex: string | undefined;
  readonly fixedValue: string | undefined;
}

interface Found {
  readonly value: string;
  readonly from: number;
  readonly to: number;
}

interface Extractor {
  readonly tagName: string;
  readonly firstToken: string | undefined;
  find(name: string): Found | undefined;
}

export class TagProducer {
  private readonly anywhere: readonly Extractor[];
  private readonly byFirstToken = new Map<string, Extractor[]>();
  private readonly known = new Map<string, TaggedName>();

  constructor(specifiers: readonly TagSpecifier[], useAllDefaultTags: boolean) {
    const defaults = useAllDefaultTags ? DEFAULT_TAGS.map(fromPattern) : [];
    const extractors = [...defaults, ...specifiers.flatMap(fromSpecifier)];
    this.anywhere = extractors.filter(({ firstToken }) => firstToken === undefined);
    for (const extractor of extractors) {
      if (extractor.firstToken === undefined) continue;
      const list = this.byFirstToken.get(extractor.firstToken);
      if (list === undefined) this.byFirstToken.set(extractor.firstToken, [extractor]);
      else list.push(extractor);
    }
  }

  /** Costs some ten patterns for a new name, a look-up for a known one. */
  extract(name: string): TaggedName {
    let tagged = this.known.get(name);
    if (tagged === undefined) {
      tagged = splitLabels(name) ?? this.run(name);
      this.known.set(name, tagged);
    }
    return tagged;
  }

  private run(name: string): TaggedName {
    const dot = name.indexOf(".");
    const tags: Tag[] = [];
    const cuts: Found[] = [];
    for (const extractor of [...this.anywhere, ...(this.byFirstToken.get(dot < 0 ? name : name.slice(0, dot)) ?? [])]) {
      const found = extractor.find(name);
      if (found === undefined || tags.some((tag) => tag.name === extractor.tagName)) continue;
      tags.push({ name: extractor.tagName, value: found.value });
      if (found.to > found.from) cuts.push(found);
    }
    return { name: cutOut(name, cuts), tags };
  }
}

/** Cuts may overlap: a character goes once. A dot that is left at the end goes too, as tokens are joined by dots. */
function cutOut(name: string, cuts: readonly Found[]): string {
  let rest = "";
  let at = 0;
  for (const { from, to } of [...cuts].sort((a, b) => a.from - b.from)) {
    if (from > at) rest += name.slice(at, from);
    at = Math.max(at, to);
  }
  return (rest + name.slice(at)).replace(/\.+$/, "");
}

function fromPattern({ tagName, pattern, firstToken }: TagPattern): Extractor {
  return {
    tagName,
    firstToken,
    find(name) {
      const match = pattern.exec(name);
      const range = match?.indices?.[1];
      return match === null || range === undefined ? undefined : { value: match[2] ?? match[1], from: range[0], to: range[1] };
    },
  };
}

function fromSpecifier({ tagName, regex, fixedValue }: TagSpecifier): Extractor[] {
  if (fixedValue !== undefined) return [{ tagName, firstToken: undefined, find: () => ({ value: fixedValue, from: 0, to: 0 }) }];
  // Without a regex the name is that of a default tag ("TagSpecifier.regex").
  if (regex === undefined || regex === "") return DEFAULT_TAGS.filter((tag) => tag.tagName === tagName).map(fromPattern);
  const firstToken = /^\^([a-zA-Z0-9_]+)\\\./.exec(regex)?.[1];
  return [{ tagName, firstToken, find: finder(regex) }];
}

/** Syntax that V8 reads otherwise than RE2, or cannot run in linear time, goes to RE2's own engine. */
const NEEDS_RE2 = /\{\d+(,\d*)?\}|\(\?[^:]|\\[ACEGPQRXZapzQ]|\[\[:|\\[pP]/;

function finder(regex: string): (name: string) => Found | undefined {
  const pattern = NEEDS_RE2.test(regex) ? undefined : tryV8(regex);
  if (pattern !== undefined) return fromPattern({ tagName: "", pattern, firstToken: undefined }).find;
  const compiled = RE2JS.compile(regex);
  const groups = compiled.groupCount();
  return (name) => {
    const matcher = compiled.matcher(name);
    if (groups === 0 || !matcher.find()) return undefined;
    const cut = matcher.group(1);
    if (cut === null || cut === undefined) return undefined;
    const value = groups > 1 ? matcher.group(2) : undefined;
    return { value: value ?? cut, from: matcher.start(1), to: matcher.end(1) };
  };
}

function tryV8(regex: string): RegExp | undefined {
  try {
    return new RegExp(regex, "d");
  } catch {
    // Legal in RE2, not in V8: the caller takes RE2's engine.
    return undefined;
  }
}
