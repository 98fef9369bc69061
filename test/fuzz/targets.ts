// What is fuzzed: everything that takes bytes from a peer, from a guest or from a file. A target throws when it crashes or when what
// it promises does not hold; refusing an input is the usual outcome and no fault.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { BodyEvent, BodyReader } from "../../host/http1/body-reader.ts";
import { BodyLength } from "../../host/http1/fields.ts";
import { decodePairs, encodePairs, pairsSize } from "../../host/wasm/pairs.ts";
import { loadModule } from "../../host/wasm/module.ts";
import { builtInExtensions } from "../../host/xds/extensions.ts";
import { loadBootstrap } from "../../host/xds/load-bootstrap.ts";
import { createFileModuleSource } from "../../host/xds/module-source.ts";
import { expandMacros } from "../http1/request-cases.ts";
import { runRequests, runResponse, SERVER_OPTIONS } from "../support/codec-pair.ts";
import { clusterJson, listenerJson } from "../support/data-plane.ts";
import { Http1Reader } from "../support/http1-messages.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { assemble, LOG_IMPORT, PRELUDE } from "../unit/wasm/guests.ts";
import { HTTP2_TARGETS } from "./http2-targets.ts";
import { pieces } from "./mutate.ts";
import { clientHelloTarget, derTarget, proxyProtocolTarget } from "./tls-targets.ts";
import { XDS_TARGETS } from "./xds-targets.ts";

export interface Target {
  readonly corpus: readonly Buffer[];
  readonly tokens: readonly Buffer[];
  /** True when the input was accepted: a fuzzer that never gets that far tests little. */
  run(input: Buffer, random: SeededRandom): boolean | Promise<boolean>;
}

interface Raw {
  readonly raw: string;
  readonly macro?: boolean;
  readonly expect: string;
}

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");

function corpusOf(...names: readonly string[]): Buffer[] {
  const cases = names.flatMap(
    (name) => JSON.parse(readFileSync(new URL(`../../../test/corpora/${name}`, import.meta.url), "utf8")) as Raw[],
  );
  // Good ones count four times: what is near to them gets furthest.
  const weighted = cases.flatMap((given) =>
    given.expect === "reject" || given.expect === "refuse" ? [given] : [given, given, given, given],
  );
  return weighted
    .map(({ raw, macro }) => latin1(macro === true ? expandMacros(raw) : raw))
    .filter((raw) => raw.length > 0 && raw.length < 2048);
}

const HTTP_TOKENS = [
  "\r\n",
  "\r\n\r\n",
  "\n",
  "\r",
  ":",
  ": ",
  " ",
  "\t",
  "\0",
  "HTTP/1.1",
  "HTTP/1.0",
  "GET ",
  "HEAD ",
  "CONNECT ",
  "Host: a\r\n",
  "Content-Length: 5\r\n",
  "Content-Length: 0\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Connection: close\r\n",
  "Connection: Upgrade\r\nUpgrade: websocket\r\n",
  "Expect: 100-continue\r\n",
  "5\r\nhello\r\n",
  "0\r\n\r\n",
  ';a="b"',
  "ffffffffffffffff",
  "100 ",
  "101 ",
  "204 ",
  "304 ",
  "X-T: 1\r\n",
].map(latin1);

function http1Request(input: Buffer, random: SeededRandom): boolean {
  const run = runRequests(
    pieces(random, input),
    random.below(4) === 0 ? { ...SERVER_OPTIONS, acceptHttp10: true, allowChunkedLength: true } : SERVER_OPTIONS,
  );
  run.forwarded.forEach((written, i) => {
    if (written === "") return;
    const reader = new Http1Reader("request", () => {});
    reader.feed(latin1(written));
    assert.deepEqual(reader.breaches, []);
    const isTunnel = run.messages[i].headers.some(([name, value]) => name === "upgrade" || (name === ":method" && value === "CONNECT"));
    assert.ok(isTunnel || reader.messages.length <= 1, "one request became several");
  });
  return run.messages.length > 0;
}

function http1Response(input: Buffer, random: SeededRandom): boolean {
  const method = random.below(4) === 0 ? "HEAD" : "GET";
  const run = runResponse(pieces(random, input), method, random.below(2) === 0);
  const reader = new Http1Reader("response", () => {});
  reader.nextMethod = () => method;
  reader.feed(latin1(run.forwarded));
  assert.deepEqual(reader.breaches, []);
  assert.ok(reader.messages.length <= 1, "one answer became several");
  return run.message.headers.length > 0;
}

function chunkedBody(input: Buffer, random: SeededRandom): boolean {
  const reader = new BodyReader(100);
  reader.start(BodyLength.Chunked);
  for (const piece of pieces(random, input)) {
    reader.at = 0;
    while (reader.at < piece.length) {
      const before = reader.at;
      const event = reader.read(piece);
      if (event === BodyEvent.End) return true;
      if (event !== BodyEvent.Data && event !== BodyEvent.NeedMore) return false;
      assert.ok(reader.at > before, "no progress");
      if (event === BodyEvent.Data) assert.ok(reader.data.length > 0 && reader.data.length <= piece.length);
    }
  }
  return false;
}

function pairs(input: Buffer): boolean {
  const decoded = decodePairs(input, 0, input.length, 64 * 1024, 128);
  if (typeof decoded === "number") return false;
  assert.equal(decoded.names.length, decoded.values.length);
  const size = pairsSize(decoded.names, decoded.values);
  const again = Buffer.alloc(size);
  encodePairs(again, 0, decoded.names, decoded.values);
  assert.deepEqual(decodePairs(again, 0, size, 64 * 1024, 128), decoded);
  return true;
}

function pairsCorpus(): Buffer[] {
  const lists: readonly (readonly [string[], string[]])[] = [
    [[], []],
    [["a"], ["b"]],
    [
      [":path", "x-a", "x-a", ""],
      ["/", "1", "", ""],
    ],
    [Array.from({ length: 40 }, (_, i) => `n${i}`), Array.from({ length: 40 }, (_, i) => "v".repeat(i))],
  ];
  return lists.map(([names, values]) => {
    const buf = Buffer.alloc(pairsSize(names, values));
    encodePairs(buf, 0, names, values);
    return buf;
  });
}

async function module(input: Buffer): Promise<boolean> {
  const result = await loadModule(input);
  if (!result.ok) assert.ok(result.errors.length > 0, "refused without a reason");
  return result.ok;
}

function moduleCorpus(): Buffer[] {
  const loop =
    '(func (export "proxy_on_tick") (param i32) (local i32) (loop $l (br_if $l (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 100)))))';
  const table = '(table 4 funcref) (elem (i32.const 0) $f $f) (func $f) (global (mut i32) (i32.const 7)) (data (i32.const 8) "hello")';
  const bulk =
    '(func (export "proxy_on_done") (param i32) (result i32) (memory.fill (i32.const 0) (i32.const 0) (i32.const 16)) (drop (memory.grow (i32.const 1))) (i32.const 1))';
  return [PRELUDE, `${LOG_IMPORT} ${PRELUDE}`, `${PRELUDE} ${loop}`, `${PRELUDE} ${table}`, `${PRELUDE} ${bulk}`].map((body) =>
    Buffer.from(assemble(`(module ${body})`)),
  );
}

const services = {
  checkRegex: (): undefined => undefined,
  checkFormat: (): undefined => undefined,
  modules: createFileModuleSource(),
  environment: {},
  extensions: builtInExtensions,
};

function bootstrap(input: Buffer): boolean {
  const result = loadBootstrap({ file: input.toString("utf8") }, services);
  if (!result.ok) assert.ok(result.problems.length > 0, "refused without a reason");
  return result.ok;
}

const YAML = `static_resources:
  listeners:
  - name: in
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: m
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          http_filters: [{ name: r, typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router } }]
          route_config: { virtual_hosts: [{ name: a, domains: ["*"], routes: [{ match: { prefix: / }, route: { cluster: c, timeout: 1.5s } }] }] }
  clusters:
  - { name: c, connect_timeout: 1s, type: STATIC, lb_policy: RANDOM }
`;
const BOOTSTRAPS = [
  YAML,
  "node: {id: a, cluster: b}\nadmin: {address: {pipe: {path: /x}}}\n",
  JSON.stringify({
    static_resources: { clusters: [clusterJson({ name: "c", ports: [1, 2], http1: {}, common: { idle_timeout: "5s" } })] },
  }),
  JSON.stringify({ static_resources: { listeners: [listenerJson({ name: "l" })], clusters: [clusterJson({ name: "l", ports: [1] })] } }),
].map((text) => Buffer.from(text));
const YAML_TOKENS = [
  "\n",
  "  ",
  "- ",
  ": ",
  "{",
  "}",
  "[",
  "]",
  "null",
  "true",
  "-1",
  "1e400",
  "4294967296",
  '"@type"',
  "&a ",
  "*a",
  "<<: ",
  "|",
  ">",
  "!!binary ",
  "%YAML 1.2",
  "---\n",
  "1s",
  "-0.5s",
  "name",
  "__proto__",
].map(latin1);

export const TARGETS: Readonly<Record<string, () => Target>> = {
  "http1-request": () => ({ corpus: corpusOf("http1-cases.json", "http1-own.json"), tokens: HTTP_TOKENS, run: http1Request }),
  "http1-response": () => ({ corpus: corpusOf("http1-responses.json"), tokens: HTTP_TOKENS, run: http1Response }),
  ...HTTP2_TARGETS,
  "chunked-body": () => ({
    corpus: [
      "5\r\nhello\r\n0\r\n\r\n",
      '3;a;b="c\\"d"\r\nabc\r\n1\r\nx\r\n0\r\nX-T: 1\r\nY: 2\r\n\r\n',
      "000a\r\n0123456789\r\n0\r\n\r\n",
    ].map(latin1),
    tokens: HTTP_TOKENS,
    run: chunkedBody,
  }),
  pairs: () => ({
    corpus: pairsCorpus(),
    tokens: [Buffer.alloc(4), Buffer.from([1, 0, 0, 0]), Buffer.from([0xff, 0xff, 0xff, 0xff]), Buffer.from([0, 0, 0, 0x80])],
    run: pairs,
  }),
  module: () => ({
    corpus: moduleCorpus(),
    tokens: [[0], [1, 0x7f], [0x0b], [0x40], [0x80, 0x80, 0x80, 0x80, 0x10], [0xfc, 0x0b], [0x03, 0x40], [0x0e]].map((bytes) =>
      Buffer.from(bytes),
    ),
    run: module,
  }),
  "client-hello": clientHelloTarget,
  "proxy-protocol": proxyProtocolTarget,
  der: derTarget,
  ...XDS_TARGETS,
  bootstrap: () => ({ corpus: BOOTSTRAPS, tokens: YAML_TOKENS, run: bootstrap }),
};
