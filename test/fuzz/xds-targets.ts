// Responses of a control plane, whatever is in them: the client goes on, and answers no response more than once.
import assert from "node:assert/strict";
import { StatsStore } from "../../host/stats/store.ts";
import { type Codecs, loadCodecs } from "../../host/xds/protos.ts";
import { createXdsClient } from "../../host/xds/streams/client.ts";
import type { XdsVariant } from "../../host/xds/streams/messages.ts";
import { FakeTransport } from "../support/fake-xds-stream.ts";
import type { SeededRandom } from "../support/seeded-random.ts";
import { encodeResponse } from "../support/xds-wire.ts";
import { CLUSTER, ENDPOINTS, NODE, resourceOf } from "../unit/xds/streams/support.ts";
import { manualClock, silentLog } from "../unit/xds/support.ts";
import type { Target } from "./targets.ts";

const codecs: Codecs = await loadCodecs();

/** Short ones, where the name need not be known for a resource's own name: most mutations would hit nothing else. */
const TYPES: Readonly<Record<XdsVariant, readonly [wildcard: string, named: string]>> = { delta: ["C", "E"], sotw: [CLUSTER, ENDPOINTS] };

const CORPUS: readonly (readonly [has: string, removed: readonly string[]])[] = [
  ["a=1 b=2", []],
  ["a=1/500 b~2/900", ["c"]],
  ["", ["a"]],
  ["a=1 a=2", ["a"]],
  ["xdstp://a=1", []],
];

function corpusOf(variant: XdsVariant): readonly Buffer[] {
  return CORPUS.flatMap(([has, removed]) =>
    TYPES[variant].map((typeUrl) => {
      const resources = has.split(" ").flatMap((text) => (text === "" ? [] : [resourceOf(text, typeUrl)]));
      return encodeResponse(codecs, variant, { stream: 1, typeUrl, versionInfo: "1", nonce: "n", resources, removed });
    }),
  );
}

function run(variant: XdsVariant, input: Buffer, random: SeededRandom): boolean {
  const transport = new FakeTransport(codecs, variant);
  const clock = manualClock();
  const client = createXdsClient({
    variant,
    isAggregated: true,
    node: NODE,
    codecs,
    transport,
    clock,
    random: () => 0,
    log: silentLog,
    stats: new StatsStore(() => undefined),
    statPrefix: "control_plane",
  });
  let updates = 0;
  const [wildcard, named] = TYPES[variant];
  for (const [typeUrl, wanted] of [
    [wildcard, "wildcard"],
    [named, new Set(["a", "b"])],
  ] as const) {
    client.subscribe(typeUrl, wanted, {
      onUpdate: ({ resources }, done) => {
        updates++;
        const rejected = new Set(resources.flatMap(({ name }) => (random.below(4) === 0 ? [name] : [])));
        done(rejected.size === 0 ? { ok: true } : { ok: false, errorDetail: "no", rejected });
      },
    });
  }
  client.start();
  const first = transport.last;
  assert.equal(first.take().length, 2);
  first.receive(input);
  assert.ok(first.take().length <= 1, "one message, one answer");
  clock.advance(10_000_000);
  // It ended the stream, or goes on with this one; a good response is answered either way.
  const before = updates;
  transport.last.take();
  transport.last.respond({ typeUrl: wildcard, nonce: "good", resources: [resourceOf("z=1", wildcard)] });
  assert.equal(updates, before + 1);
  assert.equal(transport.last.take().at(-1)?.nonce, "good");
  client.close();
  return before > 0;
}

const TOKENS = [
  [0x0a],
  [0x12],
  [0x22],
  [0x32],
  [0x3a],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
].map((bytes) => Buffer.from(bytes));

export const XDS_TARGETS: Readonly<Record<string, () => Target>> = {
  "xds-delta": () => ({ corpus: corpusOf("delta"), tokens: TOKENS, run: (input, random) => run("delta", input, random) }),
  "xds-sotw": () => ({ corpus: corpusOf("sotw"), tokens: TOKENS, run: (input, random) => run("sotw", input, random) }),
};
