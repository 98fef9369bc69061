// The body-transform filter: whatever the chunk borders are, the whole body comes out as if it had been one piece.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Guest } from "../support/guest-driver.ts";

const rules = [
  { from: "secret", to: "***" },
  { from: "aab", to: "X" },
  { from: "abc", to: "" },
  { from: "a", to: "aa" },
];

/** What the filter should do to a whole body: leftmost match first, then the order of the rules. */
function expected(text: string): string {
  let out = "";
  for (let at = 0; at < text.length; ) {
    const rule = rules.find(({ from }) => text.startsWith(from, at));
    out += rule === undefined ? text[at] : rule.to;
    at += rule === undefined ? 1 : rule.from.length;
  }
  return out;
}

/** Plays the host: what is held comes back in front of the next chunk. */
function send(guest: Guest, chunks: string[], end: "body" | "trailers"): string {
  const id = guest.stream();
  guest.requestHeaders(
    id,
    [
      [":method", "POST"],
      ["content-length", "9"],
    ],
    false,
  );
  let passed = "";
  let held = "";
  for (const [index, chunk] of chunks.entries()) {
    const last = end === "body" && index === chunks.length - 1;
    const { action, text } = guest.body(id, "request", held + chunk, last);
    held = action === 1 ? text : "";
    if (action === 0) passed += text;
  }
  if (end === "trailers") guest.call("proxy_on_request_trailers", id, 1);
  guest.end(id);
  return passed + held;
}

describe("body-transform", () => {
  const configuration = { request: { replace: rules } };

  it("gives the same body for every way to cut it", () => {
    const guest = Guest.load("body-transform");
    assert.ok(guest.start(configuration));
    const text = "secretsecre aabcabc secset aabaab sec";
    for (let first = 0; first <= text.length; first++) {
      for (let second = first; second <= text.length; second += 3) {
        const chunks = [text.slice(0, first), text.slice(first, second), text.slice(second)];
        assert.equal(send(guest, chunks, "body"), expected(text), JSON.stringify(chunks));
      }
    }
    assert.equal(send(guest, [...text], "body"), expected(text));
  });

  it("loses nothing when trailers end the body", () => {
    const guest = Guest.load("body-transform");
    assert.ok(guest.start(configuration));
    assert.equal(send(guest, ["xx sec", "ret yy sec"], "trailers"), "xx *** yy sec");
  });

  it("bounds what the host holds", () => {
    const guest = Guest.load("body-transform");
    assert.ok(guest.start({ request: { replace: [{ from: "secret", to: "***" }] } }));
    const chunks = Array.from({ length: 40 }, () => `${"x".repeat(8000)}sec`);
    const id = guest.stream();
    guest.requestHeaders(id, [[":method", "POST"]], false);
    let held = "";
    let most = 0;
    let passed = "";
    for (const chunk of chunks) {
      const { action, text } = guest.body(id, "request", held + chunk, false);
      held = action === 1 ? text : "";
      if (action === 0) passed += text;
      most = Math.max(most, held.length);
    }
    passed += guest.body(id, "request", held, true).text;
    assert.equal(passed, chunks.join(""));
    assert.ok(most <= 65_536, `${most} bytes`);
  });

  it("removes content-length, and leaves compressed bodies alone", () => {
    const guest = Guest.load("body-transform");
    assert.ok(guest.start(configuration));
    const plain = guest.stream();
    guest.requestHeaders(plain, [["content-length", "9"]], false);
    assert.deepEqual(guest.maps[0], []);
    const compressed = guest.stream();
    guest.requestHeaders(
      compressed,
      [
        ["content-length", "6"],
        ["content-encoding", "gzip"],
      ],
      false,
    );
    assert.deepEqual(guest.body(compressed, "request", "secret", true), { action: 0, text: "secret" });
    assert.equal(guest.maps[0]?.length, 2);
  });

  it("refuses an empty text", () => {
    const guest = Guest.load("body-transform");
    assert.equal(guest.start({ response: { replace: [{ from: "", to: "x" }] } }), false);
    assert.equal(guest.logs[0].message, "body-transform: response.replace[0].from: must not be empty");
  });
});
