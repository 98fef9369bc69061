// Path normalisation (RFC 3986 6.2.2): idempotent, without dot segments, and what policy sees is what goes upstream, byte for byte.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { HttpConnectionManager } from "../../host/config/listener.ts";
import { HeaderMap } from "../../host/http/header-map.ts";
import { mergeSlashes, normalizePath, unescapeSlashes } from "../../host/http/path.ts";
import { checkRequest } from "../../host/http/request-rules.ts";
import { makeSnapshot } from "../support/data-plane.ts";
import { managerOf } from "../support/chains.ts";

const PIECES = [
  "/",
  "//",
  ".",
  "..",
  "a",
  "Z9",
  "-",
  "~",
  ";x=",
  "%2e",
  "%2E",
  "%2f",
  "%5C",
  "\\",
  "%41",
  "%25",
  "%00",
  "%zz",
  "%",
  "?",
  "=",
  "&",
  "%3f",
  "é",
  ":",
  "@",
];
const path = fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }).map((pieces) => `/${pieces.join("")}`);

const [listener] = makeSnapshot([{ name: "in", routes: [] }], []).listeners;
const edge = managerOf(listener);
const ACTIONS: readonly HttpConnectionManager["pathWithEscapedSlashesAction"][] = [
  "KEEP_UNCHANGED",
  "REJECT_REQUEST",
  "UNESCAPE_AND_REDIRECT",
  "UNESCAPE_AND_FORWARD",
];

function segments(text: string): string[] {
  return text.split("?")[0].split("/");
}

test("a normal path stays as it is", () => {
  fc.assert(
    fc.property(path, (text) => {
      const once = normalizePath(text);
      if (once === undefined) return;
      assert.equal(normalizePath(once), once);
      assert.ok(once.startsWith("/"));
      for (const segment of segments(once)) assert.ok(segment !== "." && segment !== "..", once);
      assert.ok(!segments(once).join("/").includes("\\"), once);
      assert.ok(!/%2e/i.test(segments(once).join("/")), once);
      // The query is not touched.
      const query = text.indexOf("?");
      assert.equal(once.slice(once.indexOf("?") < 0 ? once.length : once.indexOf("?")), query < 0 ? "" : text.slice(query));
    }),
    { seed: 2, numRuns: 20_000 },
  );
});

test("merging and unescaping leave the query alone and are idempotent", () => {
  fc.assert(
    fc.property(path, (text) => {
      assert.equal(mergeSlashes(mergeSlashes(text)), mergeSlashes(text));
      assert.ok(!mergeSlashes(text).split("?")[0].includes("//"));
      assert.equal(unescapeSlashes(unescapeSlashes(text)), unescapeSlashes(text));
      assert.ok(!/%2f|%5c/i.test(unescapeSlashes(text).split("?")[0]));
    }),
    { seed: 3, numRuns: 5000 },
  );
});

test("the rules of a connection manager reach a fixed point: what is forwarded would be forwarded as it is", () => {
  fc.assert(
    fc.property(path, fc.boolean(), fc.boolean(), fc.constantFrom(...ACTIONS), (text, normalize, merge, action) => {
      const config: HttpConnectionManager = {
        ...edge,
        normalizePath: normalize,
        mergeSlashes: merge,
        pathWithEscapedSlashesAction: action,
      };
      const headers = HeaderMap.from([
        [":authority", "a"],
        [":path", text],
        [":method", "GET"],
      ]);
      if (checkRequest(headers, "", config) !== undefined) return;
      const forwarded = headers.get(":path") ?? "";
      const again = HeaderMap.from([
        [":authority", "a"],
        [":path", forwarded],
        [":method", "GET"],
      ]);
      assert.equal(checkRequest(again, "", config), undefined, forwarded);
      assert.equal(again.get(":path"), forwarded);
      if (normalize) for (const segment of segments(forwarded)) assert.ok(segment !== "." && segment !== "..", forwarded);
      if (merge) assert.ok(!segments(forwarded).slice(1, -1).includes(""), forwarded);
    }),
    { seed: 4, numRuns: 20_000 },
  );
});
