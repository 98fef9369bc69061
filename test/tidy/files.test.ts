// What holds for every file: size, nothing skipped or left for later, no silent catch, no text about how it came to be. (Biome sees to
// the rest: no `any`, no `!`, no import cycles, no clock outside its place.)
// Files over 400 lines say why in their header comment ("Longer than its siblings because …"); over 600 there is no excuse.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readSource, readSources, report, type Source } from "./sources.ts";

const limit = 600;
const explainedLimit = 400;
const explanation = "Longer than";

const code = readSources(["host", "sdk", "filters", "protos", "test"], /\.(ts|mjs)$/);
const product = code.filter(({ path }) => !path.startsWith("test/"));
/** These files hold the patterns that they look for. */
const withoutTidy = code.filter(({ path }) => !path.startsWith("test/tidy/"));

/** The code alone: comments and the insides of strings blanked, lines kept. */
function withoutText(text: string): string {
  const form = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return text.replace(form, (match) => match.replace(/[^\n]/g, " "));
}

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function findAll(sources: readonly Source[], pattern: RegExp, prepare = (text: string): string => text): string[] {
  return sources.flatMap(({ path, text }) =>
    [...prepare(text).matchAll(pattern)].map((match) => `${path}:${lineOf(text, match.index)}: ${match[0].trim()}`),
  );
}

/** The comment lines at the top, after a #! line. */
function headerOf(text: string): string {
  const lines = text.replace(/^#!.*\n/, "").split("\n");
  const end = lines.findIndex((line) => !line.startsWith("//"));
  return lines.slice(0, end).join("\n");
}

test(`no file of the product has more than ${limit} lines, and those over ${explainedLimit} say why`, () => {
  const findings = product.flatMap(({ path, text }) => {
    const lines = text.split("\n").length - 1;
    if (lines > limit) return [`${path}: ${lines} lines; split it`];
    if (lines > explainedLimit && !headerOf(text).includes(explanation)) {
      return [`${path}: ${lines} lines; split it, or say in the header comment: "${explanation} its siblings because …"`];
    }
    return [];
  });
  assert.equal(report(findings), "");
});

test("every file of the product starts with what it is", () => {
  const findings = product.filter(({ text }) => headerOf(text) === "" && !text.startsWith("/*")).map(({ path }) => path);
  assert.equal(report(findings), "");
});

test("no test is skipped, and none runs alone", () => {
  const tests = withoutTidy.filter(({ path }) => path.startsWith("test/"));
  assert.equal(report(findAll(tests, /\.(skip|todo|only)\(|\b(skip|todo|only): *true/g)), "");
});

test("nothing is left for later, and no check is switched off in place", () => {
  const pattern = /\b(TODO|FIXME|XXX|HACK)\b|not implemented yet|@ts-(ignore|nocheck|expect-error)|biome-ignore|(oxlint|eslint)-disable/g;
  assert.equal(report(findAll(withoutTidy, pattern)), "");
});

test("no catch is silent: without the error, a comment says why", () => {
  const findings = withoutTidy.flatMap(({ path, text }) => {
    const bare = withoutText(text);
    const blocks = [...bare.matchAll(/\bcatch\s*(\(\s*\w+[^)]*\))?\s*\{/g)];
    return blocks.flatMap((match) => {
      const start = match.index + match[0].length;
      const end = closingBrace(bare, start);
      const usesError = match[1] !== undefined && bare.slice(start, end).trim() !== "";
      const isExplained = /\/\/|\/\*/.test(text.slice(start, end));
      return usesError || isExplained ? [] : [`${path}:${lineOf(text, match.index)}: ${text.slice(match.index, end + 1).split("\n")[0]}`];
    });
  });
  const promises = findAll(withoutTidy, /\.catch\(\s*\(\w*\)\s*=>\s*(\{\s*\}|undefined|null)\s*\)/g, withoutText);
  assert.equal(report([...findings, ...promises]), "");
});

function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text[at] === "{") depth++;
    if (text[at] === "}" && --depth === 0) return at;
  }
  return text.length;
}

// Where this was made, and from where, is of no use to a reader; a host name of a registry breaks it for somebody else.
test("texts name no machine, no registry host and no ticket", () => {
  const texts = [
    ...readSources([""], /(\.(ts|mjs|js|json|md|ya?ml|proto|go|sh|txt|mod)|(^|\/)(peers|run|Dockerfile))$/),
    readSource("test/peers/peers"),
  ].filter(({ path }) => path !== "package-lock.json" && !path.startsWith("test/tidy/"));
  const patterns = [
    /(^|[\s"'`(=:])\/work\//g,
    /\b(registry\.npmjs\.org|registry\.yarnpkg\.com|registry\.npmmirror\.com|pypi\.org|pythonhosted\.org|(proxy|sum)\.golang\.org|deb\.debian\.org)\b/g,
    /\bissues? #?\d+|\b(this|an earlier|a previous|the last) session\b/gi,
  ];
  assert.equal(report(patterns.flatMap((pattern) => findAll(texts, pattern))), "");
});

test("every exception from the ban on clocks and processes is still needed", () => {
  interface Override {
    readonly includes: readonly string[];
    readonly linter: { readonly rules: { readonly style?: { readonly noRestrictedGlobals?: unknown } } };
  }
  const { overrides } = JSON.parse(readSource("biome.json").text) as { readonly overrides: readonly Override[] };
  const excepted = overrides.filter(({ linter }) => linter.rules.style?.noRestrictedGlobals === "off").flatMap(({ includes }) => includes);
  assert.ok(excepted.length > 0, "the list was found in biome.json");
  const banned = /(^|[^.\w])(Date|performance|setTimeout|setInterval|process)\b/m;
  const unneeded = excepted.filter((path) => !banned.test(withoutText(product.find((source) => source.path === path)?.text ?? "")));
  assert.equal(report(unneeded), "");
});

test("randomness comes from one file", () => {
  const outside = product.filter(({ path }) => path.startsWith("host/") && path !== "host/base/system.ts");
  assert.equal(report(findAll(outside, /\bMath\.random\b/g, withoutText)), "");
});
