// The small parts of the streams: times to live, back-off, names in bytes, messages on the wire.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Codecs, loadCodecs } from "../../../../host/xds/protos.ts";
import { BackOff } from "../../../../host/xds/streams/back-off.ts";
import { DiscoveryCodec } from "../../../../host/xds/streams/codec.ts";
import { Lifetimes } from "../../../../host/xds/streams/lifetimes.ts";
import type { XdsResponse, XdsVariant } from "../../../../host/xds/streams/messages.ts";
import { nameInBytes } from "../../../../host/xds/streams/resource-name.ts";
import { aggregatedMethod, singleMethod } from "../../../../host/xds/streams/services.ts";
import type { EndCause } from "../../../../host/xds/streams/transport.ts";
import { manualClock } from "../support.ts";
import { CLUSTER, NODE } from "./support.ts";

const DAY_MS = 86_400_000;

test("a time to live beyond what a timer takes runs out when it should, and not at once", () => {
  const manual = manualClock();
  const delays: number[] = [];
  const clock = {
    nowMs: () => manual.nowMs(),
    after: (delayMs: number, run: () => void) => {
      delays.push(delayMs);
      return manual.after(delayMs, run);
    },
  };
  const gone: string[] = [];
  const lifetimes = new Lifetimes(clock, (names) => gone.push(...names));
  lifetimes.set("a", 60 * DAY_MS);
  for (let day = 0; day < 59; day++) manual.advance(DAY_MS);
  assert.deepEqual(gone, []);
  manual.advance(2 * DAY_MS);
  assert.deepEqual(gone, ["a"]);
  assert.ok(delays.every((delay) => delay < 2 ** 31));
});

test("times to live end once, and none after clear()", () => {
  const clock = manualClock();
  const gone: string[] = [];
  const lifetimes = new Lifetimes(clock, (names) => gone.push(names.join("+")));
  for (const [name, ttlMs] of [
    ["a", 300],
    ["b", 100],
    ["c", 100],
    ["d", 200],
    ["e", -5],
  ] as const)
    lifetimes.set(name, ttlMs);
  lifetimes.set("d", undefined);
  for (let i = 0; i < 4; i++) clock.advance(100);
  assert.deepEqual(gone, ["b+c+e", "a"]);
  lifetimes.set("f", 100);
  lifetimes.clear();
  clock.advance(1000);
  assert.deepEqual(gone, ["b+c+e", "a"]);
});

interface End {
  readonly cause: EndCause;
  readonly livedMs?: number;
  readonly hadMessage?: boolean;
  readonly delayMs: number;
}

const BACK_OFFS: Readonly<Record<string, readonly End[]>> = {
  "connecting fails: 0.5 s doubling to 30 s": [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].map((delayMs) => ({
    cause: "connect",
    delayMs,
  })),
  "a server that refuses waits longer": [1000, 2000, 4000].map((delayMs) => ({ cause: "refused", delayMs })),
  "a stream that brought something starts anew": [
    { cause: "connect", delayMs: 500 },
    { cause: "connect", delayMs: 1000 },
    { cause: "closed", hadMessage: true, delayMs: 500 },
    { cause: "closed", hadMessage: true, delayMs: 500 },
    { cause: "connect", delayMs: 500 },
  ],
  "a stream that ends before anything came is no success": [500, 1000, 2000].map((delayMs) => ({ cause: "closed", delayMs })),
  "a message over the limit goes on counting, though others come before it": [
    { cause: "too_large", hadMessage: true, delayMs: 1000 },
    { cause: "too_large", hadMessage: true, delayMs: 2000 },
    { cause: "closed", hadMessage: true, delayMs: 500 },
    { cause: "too_large", hadMessage: true, delayMs: 4000 },
    { cause: "too_large", hadMessage: true, livedMs: 60_000, delayMs: 1000 },
  ],
};

for (const [name, ends] of Object.entries(BACK_OFFS)) {
  test(`back-off: ${name}`, () => {
    const most = new BackOff(() => 1);
    const half = new BackOff(() => 0.5);
    const none = new BackOff(() => 0);
    for (const { cause, livedMs = 10, hadMessage = false, delayMs } of ends) {
      assert.equal(most.delayMs(cause, livedMs, hadMessage), delayMs);
      assert.equal(half.delayMs(cause, livedMs, hadMessage), delayMs / 2, "full jitter");
      assert.equal(none.delayMs(cause, livedMs, hadMessage), 0, "full jitter");
    }
  });
}

const NAMES: readonly (readonly [what: string, typeName: string, hex: string, name: string])[] = [
  ["field 1", "envoy.config.cluster.v3.Cluster", "0a0161", "a"],
  ["behind others", "envoy.config.cluster.v3.Cluster", "20070a0161", "a"],
  ["the last one of two", "envoy.config.listener.v3.Listener", "0a01610a0162", "b"],
  ["none", "envoy.config.cluster.v3.Cluster", "2007", ""],
  ["broken bytes keep what was read", "envoy.config.cluster.v3.Cluster", "0a01610aff", "a"],
  ["field 1 of another wire type", "envoy.config.cluster.v3.Cluster", "0801", ""],
  ["a type without a name", "istio.networking.nds.v1.NameTable", "0a0161", ""],
  ["no bytes", "envoy.config.cluster.v3.Cluster", "", ""],
];

for (const [what, typeName, hex, name] of NAMES)
  test(`the name in bytes: ${what}`, () => assert.equal(nameInBytes(typeName, Buffer.from(hex, "hex")), name));

test("methods of the services", () => {
  assert.equal(aggregatedMethod("delta"), "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources");
  assert.equal(singleMethod("sotw", CLUSTER), "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters");
  assert.equal(singleMethod("delta", "type.googleapis.com/constructor"), undefined);
});

const PACKAGE = "envoy.service.discovery.v3";

function decode(codecs: Codecs, variant: XdsVariant, message: object): XdsResponse {
  const codec = codecs.codec(`${PACKAGE}.${variant === "delta" ? "DeltaDiscoveryResponse" : "DiscoveryResponse"}`);
  assert.ok(codec !== undefined);
  return new DiscoveryCodec(codecs, variant, NODE).decode(codec.encode(codec.fromObject(message)).finish());
}

const value = Buffer.from("0a0161", "hex");
const resource = { type_url: CLUSTER, value };

test("a delta response: names, versions, times to live, what is removed and what cannot be had", async () => {
  const response = decode(await loadCodecs(), "delta", {
    type_url: CLUSTER,
    nonce: "n",
    system_version_info: "7",
    control_plane: { identifier: "me" },
    resources: [
      { name: "a", version: "1", resource },
      { resource_name: { name: "b" }, resource, ttl: { seconds: 2, nanos: 5e8 } },
      { name: "c", version: "3", ttl: { seconds: 1 } },
      { resource },
    ],
    removed_resources: ["d"],
    removed_resource_names: [{ name: "e" }],
    resource_errors: [{ resource_name: { name: "f" }, error_detail: { code: 5, message: "no such cluster" } }],
  });
  assert.deepEqual(response, {
    typeUrl: CLUSTER,
    nonce: "n",
    versionInfo: "7",
    identifier: "me",
    resources: [
      { name: "a", version: "1", typeUrl: CLUSTER, bytes: new Uint8Array(value), ttlMs: undefined },
      { name: "b", version: "", typeUrl: CLUSTER, bytes: new Uint8Array(value), ttlMs: 2500 },
      { name: "c", version: "3", typeUrl: "", bytes: undefined, ttlMs: 1000 },
      { name: "a", version: "", typeUrl: CLUSTER, bytes: new Uint8Array(value), ttlMs: undefined },
    ],
    removed: ["d", "e"],
    unsupported: [],
    resourceErrors: ["f: no such cluster"],
  });
});

test("names with constraints of parameters are refused by name", async () => {
  const constraints = { constraint: { key: "k", value: "v" } };
  const response = decode(await loadCodecs(), "delta", {
    type_url: CLUSTER,
    resources: [{ resource_name: { name: "a", dynamic_parameter_constraints: constraints }, resource }],
    removed_resource_names: [{ name: "b", dynamic_parameter_constraints: constraints }],
  });
  assert.deepEqual(
    response.unsupported,
    ["b", "a"].map((name) => `${name}: dynamic_parameter_constraints: not implemented`),
  );
});

test("a state of the world: bare resources, and wrapped ones with a time to live", async () => {
  const codecs = await loadCodecs();
  const wrapper = codecs.codec(`${PACKAGE}.Resource`);
  assert.ok(wrapper !== undefined);
  const wrap = (message: object): object => ({
    type_url: `type.googleapis.com/${PACKAGE}.Resource`,
    value: wrapper.encode(wrapper.fromObject(message)).finish(),
  });
  const { resources } = decode(codecs, "sotw", {
    type_url: CLUSTER,
    resources: [resource, wrap({ name: "b", ttl: { seconds: 1 }, resource }), wrap({ name: "c", ttl: { seconds: 1 } })],
  });
  assert.deepEqual(
    resources.map(({ name, bytes, ttlMs }) => [name, bytes?.length, ttlMs]),
    [
      ["a", 3, undefined],
      ["b", 3, 1000],
      ["c", undefined, 1000],
    ],
  );
});
