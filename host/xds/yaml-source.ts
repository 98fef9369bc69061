// Text → plain JSON values, with the way back from a field path to a line. YAML and JSON alike.
import { type Document, isNode, LineCounter, type Pair, parseAllDocuments, parseDocument, visit } from "yaml";
import { isJsonObject, type Json } from "./message.ts";
import type { Problem } from "./problems.ts";

export interface SourceDocument {
  readonly value: Json;
  /** Adds line and column where the path can be found in the text. */
  locate(problem: Problem): Problem;
}

export type ReadResult =
  | { readonly ok: true; readonly documents: readonly SourceDocument[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Aliases of one document may not expand to more than this many nodes: a few lines of YAML can name billions. */
const maxAliasCount = 1000;

/** One document; a JSON text takes the fast path, and falls back to the YAML reader for the place of its error. */
export function readDocument(text: string): ReadResult {
  const fast = readJson(text);
  if (fast !== undefined) return { ok: true, documents: [fast] };
  const lines = new LineCounter();
  return toResult([parseDocument(text, { lineCounter: lines })], lines, text);
}

/** All documents of a multi-document file; empty ones are left out. */
export function readDocuments(text: string): ReadResult {
  const fast = readJson(text);
  if (fast !== undefined) return { ok: true, documents: [fast] };
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { lineCounter: lines });
  return toResult("empty" in documents ? [] : documents, lines, text);
}

function readJson(text: string): SourceDocument | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    const value = JSON.parse(text) as Json;
    let slow: SourceDocument | undefined;
    const locate = (problem: Problem): Problem => {
      slow ??= slowDocument(text);
      return slow === undefined ? problem : slow.locate(problem);
    };
    return { value, locate };
  } catch {
    // Not JSON: flow-style YAML begins the same way, and the YAML reader reports what is neither.
    return undefined;
  }
}

function slowDocument(text: string): SourceDocument | undefined {
  const lines = new LineCounter();
  const result = toResult([parseDocument(text, { lineCounter: lines })], lines, text);
  return result.ok ? result.documents[0] : undefined;
}

function toResult(documents: readonly Document.Parsed[], lines: LineCounter, text: string): ReadResult {
  const problems: Problem[] = [];
  const read: SourceDocument[] = [];
  for (const document of documents) {
    for (const error of document.errors) {
      const { line, col } = lines.linePos(error.pos[0]);
      problems.push({ path: "", reason: error.message.split("\n")[0].replace(/ at line \d+, column \d+:?$/, ""), line, column: col });
    }
    if (document.errors.length > 0) continue;
    // The walk costs as much as reading; few texts have the tag.
    const hasIgnored = text.includes("!ignore") && renameIgnored(document);
    try {
      const plain = document.toJS({ maxAliasCount }) as Json;
      const value = hasIgnored ? withoutIgnored(plain) : plain;
      // "---" twice in a row, or a file of comments.
      if (value === null) continue;
      read.push({ value, locate: (problem) => locate(document, lines, problem) });
    } catch (error) {
      problems.push({ path: "", reason: error instanceof Error ? error.message : String(error) });
    }
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, documents: read };
}

/** No field is named like this. */
const ignoredKey = "\u0000ignored";

/**
 * Values tagged !ignore only carry anchors ("Envoy: configuration, !ignore"); Envoy drops them. They are renamed first and
 * dropped after aliases were resolved. Returns whether there are any.
 */
function renameIgnored(document: Document.Parsed): boolean {
  let count = 0;
  visit(document, {
    Pair(_, pair: Pair) {
      if (!isNode(pair.value) || pair.value.tag !== "!ignore") return;
      pair.key = document.createNode(`${ignoredKey}${count}`);
      count += 1;
    },
  });
  return count > 0;
}

function withoutIgnored(json: Json): Json {
  if (Array.isArray(json)) return json.map((item: Json) => withoutIgnored(item));
  if (!isJsonObject(json)) return json;
  const kept = Object.entries(json).filter(([key]) => !key.startsWith(ignoredKey));
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutIgnored(value)]));
}

function locate(document: Document.Parsed, lines: LineCounter, problem: Problem): Problem {
  let segments = segmentsOf(problem.path);
  // A field that is missing is not in the text: its parent is.
  for (;;) {
    const node = nodeAt(document, segments);
    if (node !== undefined) {
      const { line, col } = lines.linePos(node);
      return { ...problem, line, column: col };
    }
    if (segments.length === 0) return problem;
    segments = segments.slice(0, -1);
  }
}

function segmentsOf(path: string): readonly (string | number)[] {
  const segments: (string | number)[] = [];
  for (const match of path.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.[\]]+)/g)) {
    if (match[1] !== undefined) segments.push(Number(match[1]));
    else segments.push(match[2] === undefined ? match[3] : (JSON.parse(match[2]) as string));
  }
  return segments;
}

/** Offset of the node at the path, trying the JSON name of each field too. */
function nodeAt(document: Document.Parsed, segments: readonly (string | number)[]): number | undefined {
  let keys: readonly (string | number)[] = [];
  for (const segment of segments) {
    const names = typeof segment === "number" ? [segment] : [segment, segment.replace(/_([a-z0-9])/g, (_, c: string) => c.toUpperCase())];
    const found = names.find((name) => document.hasIn([...keys, name]));
    if (found === undefined) return undefined;
    keys = [...keys, found];
  }
  const node = document.getIn(keys, true);
  return isNode(node) && node.range ? node.range[0] : undefined;
}
