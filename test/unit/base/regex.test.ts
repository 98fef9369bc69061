// Regular expressions from configuration: RE2's syntax, full matches, linear time whatever the pattern.
import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRegex, checkSubstitution, compileRegex } from "../../../host/base/regex.ts";

const matches: readonly (readonly [string, string, boolean])[] = [
  ["a+", "aaa", true],
  ["a+", "aab", false],
  ["a|bc", "bc", true],
  ["a|bc", "abc", false],
  ["[0-9]{2,4}", "123", true],
  ["[0-9]{2,4}", "12345", false],
  ["(?i)abc", "ABC", true],
  ["\\d+\\.\\d+", "1.2", true],
  [".*", "a\nb", true],
  ["\\pL+", "abc", true],
  ["", "", true],
];
for (const [pattern, text, expected] of matches) {
  test(`${pattern} on ${JSON.stringify(text)}`, () => {
    assert.equal(checkRegex(pattern), undefined);
    assert.equal(compileRegex(pattern).fullMatch(text), expected);
  });
}

for (const pattern of ["(?=a)b", "(a)\\1", "(?<!a)b", "a(", "[z-a]", "*a", `a{${"9".repeat(8)}}`]) {
  test(`${pattern} is refused`, () => assert.notEqual(checkRegex(pattern), undefined));
}

const replacements: readonly (readonly [string, string, string, string])[] = [
  ["^/a/([^/]+)/(.*)$", "/\\2/of/\\1", "/a/b/c", "/c/of/b"],
  ["b", "x", "abcb", "axcx"],
  ["(\\d{1,3})", "<\\1>", "a1b22", "a<1>b<22>"],
  ["x", "\\\\", "axb", "a\\b"],
];
for (const [pattern, substitution, text, expected] of replacements) {
  test(`${pattern} → ${substitution}`, () => assert.equal(compileRegex(pattern).replaceAll(text, substitution), expected));
}

test("a substitution that asks for a group which is not there is refused", () => {
  assert.equal(checkSubstitution("(a)", "\\1"), undefined);
  assert.match(checkSubstitution("(a)", "\\2") ?? "", /group 2/);
});

for (const pattern of ["^(a+)+$", "(a|a)*b", "(a*)*b", "(a{1,30}){1,30}b", "^(([a-z])+.)+[A-Z]([a-z])+$"]) {
  test(`${pattern} takes linear time`, () => {
    const regex = compileRegex(pattern);
    const begin = performance.now();
    regex.fullMatch(`${"a".repeat(5000)}!`);
    assert.ok(performance.now() - begin < 1000);
  });
}
