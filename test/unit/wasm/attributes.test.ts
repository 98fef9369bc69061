// What proxy_get_property answers for an HTTP stream, path by path, in the phases that Envoy tells apart.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AttributePaths, type AttributeSource, resolveAttribute, resolveRootAttribute } from "../../../host/extensions/wasm/attributes.ts";
import { nodeValue } from "../../../host/extensions/wasm/struct-attributes.ts";
import { HeaderMap } from "../../../host/http/header-map.ts";
import { normalizePath, serializeProperty } from "../../../host/wasm/property.ts";
import { readProtobuf } from "../../../host/base/protobuf-reader.ts";
import { FakeStream } from "./fake-stream.ts";
import { load, open, PRELUDE } from "./guests.ts";

const node = nodeValue({
  id: "sidecar~1",
  cluster: "app",
  metadata: { NAMESPACE: "default", LABELS: { app: "web" }, N: 3, LIST: ["a", true, null] },
  region: "r",
  zone: "z",
  subZone: "",
  userAgentName: "sluice",
});

const { factory } = open(await load(`(module ${PRELUDE})`));

function source(headers: HeaderMap | undefined): AttributeSource {
  const stream = new FakeStream(factory);
  const { info } = stream;
  info.responseCode = 200;
  info.responseCodeDetails = "via_upstream";
  info.responseFlags = 2;
  info.bytesReceived = 12;
  info.bytesSent = 34;
  info.protocol = "HTTP/1.1";
  info.startMonotonic = 100;
  info.completeAt = 101.5;
  info.upstreamHost = "10.0.0.9:8080";
  info.dynamicMetadata = { ns: { key: "value", num: 1.5, deep: { list: [1, "two"] }, nothing: null, ü: "ö" } };
  info.filterState = new Map([["wasm.mine", Buffer.from("bytes")]]);
  return {
    info,
    node,
    attributeRequestHeaders: () => headers,
    attributeResponseHeaders: () =>
      HeaderMap.from([
        [":status", "200"],
        ["grpc-status", "5"],
      ]),
    attributeResponseTrailers: () => undefined,
    route: () => stream.route(),
    cluster: () => undefined,
  };
}

const request = HeaderMap.from([
  [":authority", "host.test"],
  [":path", "/x?q=1"],
  [":method", "POST"],
  [":scheme", "http"],
  ["x-multi", "a"],
  ["x-multi", "b"],
  ["content-length", "99"],
  ["user-agent", "ua"],
]);

/** The bytes as text, or what stands for a status. */
function read(path: string, phase: "held" | "passed" = "held"): string {
  const value = resolveAttribute(source(phase === "held" ? request : undefined), path.replaceAll(".", "\0").replaceAll("|", "."));
  if (value === undefined) return "NOT_FOUND";
  const bytes = serializeProperty(value);
  if (bytes === undefined) return "SERIALIZATION_FAILURE";
  return typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("latin1");
}

function int(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes.toString("latin1");
}

function double(value: number): string {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes.toString("latin1");
}

describe("attributes", () => {
  for (const [path, expected] of [
    ["request.path", "/x?q=1"],
    ["request.url_path", "/x"],
    ["request.query", "q=1"],
    ["request.host", "host.test"],
    ["request.method", "POST"],
    ["request.useragent", "ua"],
    ["request.referer", "NOT_FOUND"],
    ["request.headers.x-multi", "a,b"],
    ["request.headers.absent", "NOT_FOUND"],
    ["request.protocol", "HTTP/1.1"],
    ["request.size", int(99)],
    ["request.time", int(1_700_000_000_000_000_000)],
    ["request.duration", int(1_500_000)],
    ["request", "SERIALIZATION_FAILURE"],
    ["request.nonsense", "NOT_FOUND"],
    ["request.path.deeper", "NOT_FOUND"],
    ["response.code", int(200)],
    ["response.code_details", "via_upstream"],
    ["response.flags", int(2)],
    ["response.grpc_status", int(5)],
    ["response.size", int(34)],
    ["source.address", "10.0.0.1:4000"],
    ["source.port", int(4000)],
    ["destination.port", int(80)],
    ["connection.id", int(7)],
    ["connection.mtls", "\0"],
    ["connection.requested_server_name", ""],
    ["upstream.address", "10.0.0.9:8080"],
    ["upstream.port", int(8080)],
    ["metadata.filter_metadata.ns.key", "value"],
    ["metadata.filter_metadata.ns.num", double(1.5)],
    ["metadata.filter_metadata.ns.deep.list.1", "two"],
    ["metadata.filter_metadata.ns.deep.list.9", "NOT_FOUND"],
    ["metadata.filter_metadata.ns.nothing", "SERIALIZATION_FAILURE"],
    ["metadata.filter_metadata.absent", "NOT_FOUND"],
    ["filter_state", "SERIALIZATION_FAILURE"],
    ["filter_state.wasm|mine", "bytes"],
    ["mine", "bytes"],
    ["other", "NOT_FOUND"],
    ["xds.cluster_name", "web"],
    ["xds.route_name", "route"],
    ["xds.virtual_host_name", "vhost"],
    ["xds.route_metadata.filter_metadata.ns.key", "value"],
    ["xds.listener_direction", int(1)],
    ["xds.listener_metadata.filter_metadata.istio.a", double(1)],
    ["xds.filter_chain_name", "chain"],
    ["xds.upstream_host_metadata", "SERIALIZATION_FAILURE"],
    ["xds.node.id", "sidecar~1"],
    ["xds.node.metadata.LABELS.app", "web"],
    ["xds.node.locality.zone", "z"],
    ["connection_id", int(7)],
    // Without the prefix these find nothing in Envoy 1.40.
    ["route_name", "NOT_FOUND"],
    ["cluster_name", "NOT_FOUND"],
    ["listener_direction", "NOT_FOUND"],
    ["node", "NOT_FOUND"],
  ] as const) {
    it(path, () => assert.equal(read(path), expected));
  }

  it("from request headers are gone once these were passed on", () => {
    for (const path of ["request.path", "request.host", "request.headers.x-multi", "request.id"]) {
      assert.equal(read(path, "passed"), "NOT_FOUND");
    }
    // A map that is not there is an empty one.
    assert.equal(read("request.headers", "passed"), "\0\0\0\0");
    assert.equal(read("request.protocol", "passed"), "HTTP/1.1");
    assert.equal(read("request.size", "passed"), int(12));
  });

  it("every path of the table answers without an exception, bare and with more behind it", () => {
    for (const path of AttributePaths) {
      read(path);
      read(path, "passed");
      read(`${path}.x.0`);
    }
  });

  it("messages are protobuf", () => {
    const fields = readProtobuf(Buffer.from(read("xds.node"), "latin1"));
    assert.deepEqual(
      fields?.map(({ number }) => number),
      [1, 2, 3, 4, 6],
    );
    assert.ok(readProtobuf(Buffer.from(read("metadata"), "latin1")));
  });

  it("maps are pairs", () => {
    assert.match(read("xds.node.metadata.LABELS"), /app\0web\0$/);
    // One value without a byte form spoils the whole.
    assert.equal(read("metadata.filter_metadata.ns"), "SERIALIZATION_FAILURE");
  });

  it("of a root context are the node's", () => {
    const listener = { direction: 2, metadata: { istio: { a: "b" } } };
    assert.equal(resolveRootAttribute(node, undefined, "xds\0node\0cluster"), "app");
    assert.equal(resolveRootAttribute(node, listener, "xds\0listener_metadata\0filter_metadata\0istio\0a"), "b");
    assert.deepEqual(resolveRootAttribute(node, listener, "xds\0listener_direction"), { kind: "int", value: 2 });
    assert.equal(resolveRootAttribute(node, listener, "request\0path"), undefined);
    assert.equal(resolveRootAttribute(undefined, undefined, "xds\0node"), undefined);
  });

  it("paths may end with one NUL", () => {
    assert.equal(normalizePath("a\0b\0"), "a\0b");
    assert.equal(normalizePath("a\0b"), "a\0b");
    assert.equal(normalizePath("\0"), "");
  });
});
