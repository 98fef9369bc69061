// The forms of proto-JSON and YAML that are read, and what becomes of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import gen from "../../../protos/gen.js";
import { decodeMessage } from "../../../host/xds/json-decode.ts";
import { loadBootstrap } from "../../../host/xds/load-bootstrap.ts";
import { mergeProtoJson } from "../../../host/xds/merge.ts";
import { AnyMessage, type Json } from "../../../host/xds/message.ts";
import { Problems } from "../../../host/xds/problems.ts";
import { loadCodecs } from "../../../host/xds/protos.ts";
import { readResource } from "../../../host/xds/resource-kinds.ts";
import { wireToJson } from "../../../host/xds/wire.ts";
import { encodeMessage } from "../../../host/xds/wire-encode.ts";
import { readDocument, readDocuments } from "../../../host/xds/yaml-source.ts";
import { bootstrapJson, listenerJson, moduleBytes, routerFilter, routesJson, testServices, types } from "./support.ts";
import { managerOf } from "../../support/chains.ts";

function fields(typeName: string, json: Json): Readonly<Record<string, unknown>> {
  const problems = new Problems();
  const message = decodeMessage(typeName, json, "", problems);
  assert.deepEqual(problems.list(), []);
  return Object.fromEntries(message.fields);
}

const cluster = "envoy.config.cluster.v3.Cluster";
const forms: readonly (readonly [name: string, type: string, json: Json, expected: Readonly<Record<string, unknown>>])[] = [
  [
    "both spellings of a name",
    cluster,
    { name: "c", altStatName: "a", connect_timeout: "0.25s" },
    { name: "c", alt_stat_name: "a", connect_timeout: 250 },
  ],
  ["enums by name and number", cluster, { name: "c", type: 3, lb_policy: "RANDOM" }, { name: "c", type: "EDS", lb_policy: "RANDOM" }],
  [
    "null and zero values are not set",
    cluster,
    { name: "c", type: null, lb_policy: 0, respect_dns_ttl: false, health_checks: [] },
    { name: "c" },
  ],
  [
    "a zero in a oneof or wrapper is set",
    cluster,
    { name: "c", type: 0, per_connection_buffer_limit_bytes: 0 },
    { name: "c", type: "STATIC", per_connection_buffer_limit_bytes: 0 },
  ],
  [
    "numbers as text",
    cluster,
    { name: "c", per_connection_buffer_limit_bytes: "32768" },
    { name: "c", per_connection_buffer_limit_bytes: 32768 },
  ],
  ["YAML's words for true", cluster, { name: "c", respect_dns_ttl: "yes" }, { name: "c", respect_dns_ttl: true }],
  ["one value for a list of one", "envoy.config.route.v3.VirtualHost", { name: "v", domains: "*" }, { name: "v", domains: ["*"] }],
  ["durations down to nanoseconds", cluster, { name: "c", connect_timeout: "1.000001500s" }, { name: "c", connect_timeout: 1000.0015 }],
  ["bytes", "envoy.config.core.v3.DataSource", { inline_bytes: "AP8=" }, { inline_bytes: new Uint8Array([0, 255]) }],
  ["a struct", "envoy.config.core.v3.Node", { metadata: { a: [1, null, { b: true }] } }, { metadata: { a: [1, null, { b: true }] } }],
];

for (const [name, type, json, expected] of forms) test(name, () => assert.deepEqual(fields(type, json), expected));

for (const struct of ["xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"]) {
  test(`${struct} stands for the message it names`, () => {
    const typed = { "@type": `type.googleapis.com/${struct}`, type_url: types.router, value: { suppress_envoy_headers: true } };
    const { typed_config: any } = fields("envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter", {
      name: "r",
      typed_config: typed,
    });
    assert.ok(any instanceof AnyMessage);
    assert.deepEqual(
      [any.typeName, [...(any.message?.fields ?? [])]],
      ["envoy.extensions.filters.http.router.v3.Router", [["suppress_envoy_headers", true]]],
    );
  });
}

test("what is serialized is what the generated codecs read, and the other way round", async () => {
  const codecs = await loadCodecs();
  const samples: readonly (readonly [string, Json])[] = [
    [
      cluster,
      {
        name: "c",
        type: "EDS",
        connect_timeout: "1.5s",
        per_connection_buffer_limit_bytes: 7,
        metadata: { filter_metadata: { n: { a: [1, "x", { b: null }] } } },
      },
    ],
    ["envoy.config.route.v3.RetryPolicy", { retry_on: "5xx", retriable_status_codes: [1, 300], host_selection_retry_max_attempts: "-3" }],
    [
      "envoy.extensions.wasm.v3.VmConfig",
      { code: { local: { inline_bytes: "AGFz" } }, environment_variables: { key_values: { a: "1", b: "2" } } },
    ],
    ["google.protobuf.Struct", { a: 1.5, b: [true, null], c: { d: "e" } }],
  ];
  for (const [type, json] of samples) {
    const problems = new Problems();
    const message =
      type === "google.protobuf.Struct" ? { typeName: type, fields: new Map([["value", json]]) } : decodeMessage(type, json, "", problems);
    const bytes = encodeMessage(message);
    const codec = codecs.codec(type);
    assert.ok(codec !== undefined);
    const again = codec.encode(codec.decode(bytes)).finish();
    assert.deepEqual(Buffer.from(again).toString("hex"), Buffer.from(bytes).toString("hex"), type);
  }
  assert.equal(codecs.codec("envoy.NoSuchMessage"), undefined);
  assert.ok("envoy" in gen);
});

test("wire bytes become the proto-JSON that gives the same message", async () => {
  const codecs = await loadCodecs();
  const json: Json = {
    ...(listenerJson("in", {
      route_config: routesJson("r", "c"),
      stream_idle_timeout: "1.500000001s",
      access_log_options: { access_log_flush_interval: "2s" },
    }) as object),
    metadata: { filter_metadata: { n: { a: [1, "x", { b: null, c: true }] } } },
    per_connection_buffer_limit_bytes: 0,
    traffic_direction: "INBOUND",
  };
  const problems = new Problems();
  const message = decodeMessage("envoy.config.listener.v3.Listener", json, "", problems);
  assert.deepEqual(problems.list(), []);
  const back = wireToJson(codecs, "envoy.config.listener.v3.Listener", encodeMessage(message));
  assert.ok(back.ok);
  assert.deepEqual(encodeMessage(decodeMessage("envoy.config.listener.v3.Listener", back.json, "", problems)), encodeMessage(message));
  assert.deepEqual(back.json.metadata, json.metadata);
  for (const bytes of [[255], [10, 200], [0x0a, 0x02, 0x41]]) {
    assert.equal(wireToJson(codecs, "envoy.config.listener.v3.Listener", new Uint8Array(bytes)).ok, false);
  }
});

test("what a module gets as configuration", () => {
  const read = (configuration: Json): string | undefined => {
    const code = { local: { inline_bytes: Buffer.from(moduleBytes()).toString("base64") } };
    const filter: Json = { name: "w", typed_config: { "@type": types.wasm, config: { configuration, vm_config: { code } } } };
    const result = readResource(
      "listener",
      listenerJson("in", { http_filters: [filter, routerFilter], route_config: {} }),
      "",
      testServices(),
      undefined,
    );
    assert.ok(result.ok, JSON.stringify(result));
    const [first] = managerOf(result.resource.config).httpFilters;
    const bytes = first.kind === "wasm" ? first.plugin.configuration : undefined;
    return bytes === undefined ? undefined : Buffer.from(bytes).toString("latin1");
  };
  const any = (type: string, value: Json): Json => ({ "@type": `type.googleapis.com/google.protobuf.${type}`, value });
  assert.equal(read(any("StringValue", "text")), "text");
  assert.equal(read(any("BytesValue", "AAE=")), "\u0000\u0001");
  assert.equal(read(any("Struct", { k: "v" })), "\n\u0008\n\u0001k\u0012\u0003\u001a\u0001v");
  assert.equal(read({}), undefined);
  assert.equal(read({ "@type": "type.googleapis.com/envoy.config.core.v3.Locality", region: "r" }), "\n\u0001r");
});

test("--config-yaml merges as protobuf does", () => {
  const bootstrap = "envoy.config.bootstrap.v3.Bootstrap";
  const base: Json = {
    node: { id: "a", cluster: "c", metadata: { x: 1, y: { z: 1 } } },
    staticResources: { clusters: [{ name: "one" }] },
    admin: { address: { pipe: { path: "/x" } } },
  };
  const over: Json = {
    node: { id: "b", metadata: { y: 2 } },
    static_resources: { clusters: [{ name: "two" }] },
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 1 } } },
  };
  assert.deepEqual(mergeProtoJson(bootstrap, base, over), {
    node: { id: "b", cluster: "c", metadata: { x: 1, y: 2 } },
    static_resources: { clusters: [{ name: "one" }, { name: "two" }] },
    admin: { address: { socket_address: { address: "127.0.0.1", port_value: 1 } } },
  });
});

test("flags fill what the bootstrap leaves open", () => {
  const result = loadBootstrap(
    { file: JSON.stringify(bootstrapJson()), configYaml: "admin: {access_log_path: /dev/null}", nodeId: "flag", nodeZone: "z" },
    testServices(),
  );
  assert.ok(result.ok);
  assert.deepEqual(
    [result.value.bootstrap.node.id, result.value.bootstrap.node.locality.zone, result.value.bootstrap.admin.accessLogPath],
    ["n", "z", "/dev/null"],
  );
});

test("runtime layers: later over earlier, nested keys joined, fractions in percent", () => {
  const file =
    "layered_runtime: {layers: [{name: a, static_layer: {x: 1, y: {z: true}}}, {name: b, static_layer: {x: 2, f: {numerator: 5, denominator: TEN_THOUSAND}}}, {name: admin, admin_layer: {}}]}";
  const result = loadBootstrap({ file }, testServices());
  assert.ok(result.ok);
  assert.deepEqual(result.value.bootstrap.layeredRuntime, { x: 2, "y.z": true, f: 0.05 });
});

test("problems carry the line of the text", () => {
  const text = "admin:\n  address:\n    socket_address: {address: 127.0.0.1, port_value: 70000}\nnode:\n  idd: x\n";
  const result = loadBootstrap({ file: text }, testServices());
  assert.deepEqual(result.ok ? [] : result.problems.map(({ path, line, column }) => [path, line, column]), [
    ["admin.address.socket_address.port_value", 3, 54],
    ["node.idd", 5, 8],
  ]);
});

test("YAML: anchors, !ignore, several documents, and errors with their place", () => {
  const anchored = readDocument("x: !ignore &a {k: 1}\ny: *a\n");
  assert.deepEqual(anchored.ok ? anchored.documents[0].value : anchored.problems, { y: { k: 1 } });
  const many = readDocuments("a: 1\n---\n---\nb: 2\n");
  assert.deepEqual(many.ok ? many.documents.map((document) => document.value) : [], [{ a: 1 }, { b: 2 }]);
  for (const [text, line] of [
    ["a: 1\na: 2\n", 2],
    ["a: [1\n", 2],
    ["a: *none\n", undefined],
    ["\tx: 1", 1],
  ] as const) {
    const bad = readDocument(text);
    assert.equal(bad.ok ? "accepted" : bad.problems[0].line, line, text);
  }
});

test("a document of nothing is an empty bootstrap", () => {
  for (const file of ["", "# nothing\n", "{}", "---\n"])
    assert.equal(loadBootstrap({ file }, testServices()).ok, true, JSON.stringify(file));
});
