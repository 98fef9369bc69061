// istio.alpn and istio.metadata_exchange in a data plane: what a host is offered as ALPN, who learns who the peers are.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { createServer, type TLSSocket } from "node:tls";
import { decodeStruct } from "../../host/base/struct-wire.ts";
import { ownWorkload, workloadStruct } from "../../host/net/workload.ts";
import type { Json } from "../../host/xds/message.ts";
import { issue } from "../support/certificates.ts";
import { type Fields, startDataPlane, TEST_NODE } from "../support/data-plane.ts";
import { nodeClient, nodeUpstream } from "../support/node-http.ts";
import { upstreamTls } from "../tls/support.ts";

const ROUTER: Json = {
  name: "envoy.filters.http.router",
  typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
};
const chain = (name: string, config: Json): Fields => ({ http_filters: [{ name, typed_config: config }, ROUTER] });

const names = (protocol: string): readonly string[] => [`istio-${protocol}`, "istio", protocol];
const ALPN = chain("istio.alpn", {
  "@type": "type.googleapis.com/istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig",
  alpn_override: [
    { upstream_protocol: "HTTP11", alpn_override: names("http/1.1") },
    { upstream_protocol: "HTTP2", alpn_override: names("h2") },
  ],
});

/** A TLS server that notes what was offered to it. */
async function alpnUpstream(t: TestContext): Promise<{ port: number; offered: string[] }> {
  const offered: string[] = [];
  const sockets: TLSSocket[] = [];
  const own = issue({});
  const server = createServer(
    {
      key: own.keyPem,
      cert: own.pem,
      ALPNCallback: ({ protocols }) => {
        offered.push(protocols.join(","));
        return protocols.at(-1);
      },
    },
    (socket: TLSSocket) => {
      sockets.push(socket);
      socket.on("error", () => socket.destroy());
      socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    },
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, offered };
}

const ALPN_CASES: readonly { readonly name: string; readonly cluster: Fields; readonly offered: string }[] = [
  { name: "HTTP/1.1", cluster: {}, offered: "istio-http/1.1,istio,http/1.1" },
  { name: "alpn_override is off", cluster: { metadata: { filter_metadata: { istio: { alpn_override: "false" } } } }, offered: "istio" },
  {
    name: "another key of the metadata",
    cluster: { metadata: { filter_metadata: { istio: { alpn_override: "true" } } } },
    offered: "istio-http/1.1,istio,http/1.1",
  },
];

test("istio.alpn: what a host is offered", async (t) => {
  const upstream = await alpnUpstream(t);
  for (const { name, cluster, offered } of ALPN_CASES) {
    await t.test(name, async (each) => {
      upstream.offered.length = 0;
      const spec = {
        name: "in",
        ports: [upstream.port],
        cluster: { ...cluster, transport_socket: upstreamTls({ alpn_protocols: ["istio"] }) },
      };
      const plane = await startDataPlane([{ name: "in", manager: ALPN }], [spec]);
      const client = nodeClient("HTTP/1.1", plane.port("in"));
      each.after(async () => {
        client.close();
        await plane.stop();
      });
      for (const path of ["/a", "/b"]) assert.equal((await client.send({ path })).status, 200);
      assert.deepEqual(upstream.offered, [offered], "one connection for both requests");
    });
  }
});

const node = (name: string): typeof TEST_NODE => ({
  ...TEST_NODE,
  id: `sidecar~10.0.0.1~${name}.ns~ns.svc.cluster.local`,
  metadata: {
    NAME: `${name}-1`,
    NAMESPACE: "ns",
    WORKLOAD_NAME: name,
    CLUSTER_ID: "c",
    OWNER: `kubernetes://apis/apps/v1/namespaces/ns/deployments/${name}`,
    LABELS: { app: name, version: "v1", "service.istio.io/canonical-name": name, x: "1" },
  },
});
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const metadataOf = (name: string): string => base64(workloadStruct(ownWorkload(node(name), [])));

const peerMetadata = (config: Fields): Fields => ({
  ...chain("istio.metadata_exchange", {
    "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
    type_url: "type.googleapis.com/io.istio.http.peer_metadata.Config",
    value: config,
  }),
});
const HEADERS: Json = [{ istio_headers: {} }, { workload_discovery: {} }];
const INBOUND = peerMetadata({ downstream_discovery: HEADERS, downstream_propagation: [{ istio_headers: {} }] });
const OUTBOUND = peerMetadata({ upstream_discovery: HEADERS, upstream_propagation: [{ istio_headers: {} }] });
const ID = "x-envoy-peer-metadata-id";
const VALUE = "x-envoy-peer-metadata";

interface PeerCase {
  readonly name: string;
  readonly manager: Fields;
  readonly cluster?: Fields;
  readonly request?: Readonly<Record<string, string>>;
  readonly answer?: Readonly<Record<string, string>>;
  /** What the upstream and the client see of the two headers. */
  readonly sent: readonly (string | undefined)[];
  readonly received: readonly (string | undefined)[];
}

const own = [node("web").id, metadataOf("web")];
const client = { [ID]: "peer", [VALUE]: metadataOf("peer") };
const PEER_CASES: readonly PeerCase[] = [
  { name: "inbound, a client of the mesh", manager: INBOUND, request: client, sent: [undefined, undefined], received: own },
  { name: "inbound, another client", manager: INBOUND, sent: [undefined, undefined], received: [undefined, undefined] },
  {
    name: "inbound, a client that sends its id alone",
    manager: INBOUND,
    request: { [ID]: "peer" },
    sent: [undefined, undefined],
    received: [own[0], undefined],
  },
  {
    name: "inbound, metadata that is none",
    manager: INBOUND,
    request: { [ID]: "peer", [VALUE]: "//8=" },
    sent: [undefined, undefined],
    received: own,
  },
  { name: "outbound", manager: OUTBOUND, answer: client, sent: own, received: [undefined, undefined] },
  {
    name: "outbound to a cluster without exchange",
    manager: OUTBOUND,
    cluster: { metadata: { filter_metadata: { istio: { disable_mx: true } } } },
    sent: [undefined, undefined],
    received: [undefined, undefined],
  },
  {
    name: "outbound, external clusters",
    manager: peerMetadata({ upstream_propagation: [{ istio_headers: { skip_external_clusters: true } }] }),
    cluster: { metadata: { filter_metadata: { istio: { external: true } } } },
    sent: [undefined, undefined],
    received: [undefined, undefined],
  },
];

test("istio.metadata_exchange: who says what", async (t) => {
  for (const { name, manager, cluster = {}, request = {}, answer = {}, sent, received } of PEER_CASES) {
    await t.test(name, async (each) => {
      const upstream = await nodeUpstream("HTTP/1.1", () => ({ headers: answer, body: [] }));
      const plane = await startDataPlane([{ name: "in", manager }], [{ name: "in", ports: [upstream.port], cluster }], {
        node: node("web"),
      });
      const http = nodeClient("HTTP/1.1", plane.port("in"));
      each.after(async () => {
        http.close();
        await plane.stop();
        await upstream.close();
      });
      const seen = await http.send({ path: "/", headers: request });
      assert.deepEqual([upstream.seen[0].headers[ID], upstream.seen[0].headers[VALUE]], sent);
      assert.deepEqual([seen.headers[ID], seen.headers[VALUE]], received);
    });
  }
});

test("a workload's struct says what its node does, with sorted keys", () => {
  const struct = decodeStruct(workloadStruct(ownWorkload(node("web"), ["x"])));
  assert.deepEqual(JSON.parse(JSON.stringify(struct)), {
    CLUSTER_ID: "c",
    LABELS: {
      app: "web",
      "service.istio.io/canonical-name": "web",
      "service.istio.io/canonical-revision": "latest",
      version: "v1",
      x: "1",
    },
    NAME: "web-1",
    NAMESPACE: "ns",
    OWNER: "kubernetes://apis/apps/v1/namespaces/ns/deployments/web",
    WORKLOAD_NAME: "web",
  });
  assert.deepEqual(Object.keys(struct ?? {}), ["CLUSTER_ID", "LABELS", "NAME", "NAMESPACE", "OWNER", "WORKLOAD_NAME"]);
});

/** {fields: {"": Value{struct: …}}}, `depth` times. */
function nested(depth: number): Uint8Array {
  let inner: Buffer = Buffer.alloc(0);
  const wrap = (tag: number, bytes: Buffer): Buffer => {
    const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
    return Buffer.concat([Buffer.from([tag, ...length]), bytes]);
  };
  for (let i = 0; i < depth; i++) inner = wrap(0x0a, wrap(0x12, wrap(0x2a, inner)));
  return inner;
}

test("bytes that are no struct are refused, and so is what is nested too deep", () => {
  const bad = [[0x0a], [0x0a, 5, 1], [0x0a, 2, 0x12, 5], [0xff, 0xff]].map((bytes) => Uint8Array.from(bytes));
  for (const bytes of bad) assert.equal(decodeStruct(bytes), undefined);
  assert.notEqual(decodeStruct(nested(8)), undefined);
  assert.equal(decodeStruct(nested(200)), undefined);
});
