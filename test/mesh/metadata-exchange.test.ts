// The TCP exchange of Istio's peers: frames as bytes, and two proxies with TLS between them that tell each other who they are.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { connect } from "node:tls";
import { PeerExchange, readPeerFrame } from "../../host/net/peer-exchange.ts";
import { StatsStore } from "../../host/stats/store.ts";
import type { Json } from "../../host/xds/message.ts";
import { issue } from "../support/certificates.ts";
import { type Fields, TEST_NODE } from "../support/data-plane.ts";
import { startTcp, startUpstream, type TcpPlane, tcpProxy } from "../support/tcp.ts";
import { certificateJson, downstreamTls, upstreamTls } from "../tls/support.ts";

const PROTOCOL = "istio-peer-exchange";
const node = (name: string): typeof TEST_NODE => ({
  ...TEST_NODE,
  id: `sidecar~10.0.0.1~${name}.ns~ns.svc.cluster.local`,
  metadata: { NAMESPACE: "ns", WORKLOAD_NAME: name, LABELS: { app: name } },
});
const exchangeOf = (name: string): PeerExchange => new PeerExchange(node(name), new StatsStore(() => {}));
const { frame } = exchangeOf("client");
const withLength = (length: number): Uint8Array =>
  Buffer.from([0x3d, 0x23, 0x04, 0x67, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255]);

const FRAMES: readonly { readonly name: string; readonly bytes: Uint8Array; readonly kind: string }[] = [
  { name: "nothing yet", bytes: Buffer.alloc(0), kind: "more" },
  { name: "half of the magic", bytes: frame.subarray(0, 2), kind: "more" },
  { name: "the magic alone", bytes: frame.subarray(0, 4), kind: "more" },
  { name: "all but the last byte", bytes: frame.subarray(0, -1), kind: "more" },
  { name: "whole", bytes: frame, kind: "frame" },
  { name: "with bytes behind it", bytes: Buffer.concat([frame, Buffer.from("x")]), kind: "frame" },
  { name: "another protocol", bytes: Buffer.from("GET /"), kind: "none" },
  { name: "the magic's first byte and another", bytes: Buffer.from([0x3d, 0x24]), kind: "none" },
  { name: "the greatest length", bytes: withLength(16_384), kind: "more" },
  { name: "a length above it", bytes: withLength(16_385), kind: "too_long" },
  { name: "a length of 4 GiB", bytes: withLength(0xffff_ffff), kind: "too_long" },
];

test("frames", async (t) => {
  for (const { name, bytes, kind } of FRAMES) await t.test(name, () => assert.equal(readPeerFrame(bytes).kind, kind));
});

test("a frame says who its sender is, and one with other bytes that it does not", () => {
  const read = readPeerFrame(frame);
  assert.ok(read.kind === "frame" && read.workload !== undefined);
  assert.deepEqual(
    [read.size, read.workload.workloadName, read.workload.namespace, read.workload.appName],
    [frame.length, "client", "ns", "client"],
  );
  const spoiled = readPeerFrame(Buffer.concat([withLength(3), Buffer.from([1, 2, 3])]));
  assert.deepEqual(spoiled, { kind: "frame", size: 11, workload: undefined });
});

const certificate = issue({});
const filter = (protocol: string): Json => ({
  name: "istio.metadata_exchange",
  typed_config: {
    "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
    type_url: "type.googleapis.com/envoy.tcp.metadataexchange.config.MetadataExchange",
    value: { protocol, enable_discovery: true },
  },
});

/** The server's proxy, in front of an upstream. */
async function startServer(t: TestContext, port: number, protocols: readonly string[]): Promise<TcpPlane> {
  const chain: Fields = {
    filters: [filter(PROTOCOL), tcpProxy()],
    transport_socket: downstreamTls({ tls_certificates: [certificateJson(certificate)], alpn_protocols: [...protocols] }),
  };
  return await startTcp(t, [], [{ name: "service", ports: [port] }], { node: node("server"), listener: { filter_chains: [chain] } });
}

const counted = (plane: TcpPlane): Readonly<Record<string, number>> =>
  Object.fromEntries(
    ["alpn_protocol_found", "alpn_protocol_not_found", "initial_header_not_found", "header_not_found", "metadata_added"]
      .map((name) => [name, plane.counter(`metadata_exchange.${name}`)] as const)
      .filter(([, value]) => value > 0),
  );

interface PairCase {
  readonly name: string;
  readonly server: readonly string[];
  readonly client: readonly string[];
  /** Whether the client's cluster has the filter. */
  readonly exchanges: boolean;
  readonly counts: readonly [server: object, client: object];
}

const FOUND = { alpn_protocol_found: 1, metadata_added: 1 };
const PAIRS: readonly PairCase[] = [
  { name: "both", server: [PROTOCOL, "h2"], client: [PROTOCOL, "istio"], exchanges: true, counts: [FOUND, FOUND] },
  {
    name: "the server does not offer it",
    server: ["istio"],
    client: [PROTOCOL, "istio"],
    exchanges: true,
    counts: [{ alpn_protocol_not_found: 1 }, { alpn_protocol_not_found: 1 }],
  },
  {
    name: "the client sends none",
    server: [PROTOCOL],
    client: [PROTOCOL],
    exchanges: false,
    counts: [{ alpn_protocol_found: 1, initial_header_not_found: 1 }, {}],
  },
];

test("two proxies", async (t) => {
  for (const { name, server, client, exchanges, counts } of PAIRS) {
    await t.test(name, async (each) => {
      const upstream = await startUpstream(each, (text) => text.toUpperCase());
      const inbound = await startServer(each, upstream.port, server);
      const cluster = {
        transport_socket: upstreamTls({ alpn_protocols: [...client] }),
        ...(exchanges ? { filters: [filter(PROTOCOL)] } : {}),
      };
      const outbound = await startTcp(each, [tcpProxy()], [{ name: "service", ports: [inbound.port("in")], cluster }], {
        node: node("client"),
      });
      const peer = outbound.connect();
      peer.send("hello");
      // Without a frame of the client's, the server's own is all that differs: it goes out with the first bytes.
      if (exchanges) await peer.got("HELLO");
      else await peer.until(({ bytes }) => bytes.endsWith("HELLO") && bytes.length > 5, "a frame and HELLO");
      assert.equal((await upstream.peer()).bytes, "hello");
      assert.deepEqual([counted(inbound), counted(outbound)], counts);
    });
  }
});

interface RawCase {
  readonly name: string;
  /** Sent 10 ms apart. */
  readonly pieces: readonly Uint8Array[];
  readonly reached: string;
  readonly counts: object;
}

const cut = [frame.subarray(0, 3), frame.subarray(3, 9), Buffer.concat([frame.subarray(9), Buffer.from("da")]), Buffer.from("ta")];
const RAW: readonly RawCase[] = [
  { name: "a frame in pieces", pieces: cut, reached: "data", counts: FOUND },
  { name: "no frame", pieces: [Buffer.from("data")], reached: "data", counts: { alpn_protocol_found: 1, initial_header_not_found: 1 } },
  {
    name: "a frame that says nothing",
    pieces: [Buffer.concat([withLength(3), Buffer.from([1, 2, 3]), Buffer.from("data")])],
    reached: "data",
    counts: { alpn_protocol_found: 1, header_not_found: 1 },
  },
  { name: "a frame that is too long", pieces: [withLength(20_000)], reached: "", counts: { alpn_protocol_found: 1, header_not_found: 1 } },
];

test("a server's proxy and bytes of any client", async (t) => {
  for (const { name, pieces, reached, counts } of RAW) {
    await t.test(name, async (each) => {
      const upstream = await startUpstream(each);
      const inbound = await startServer(each, upstream.port, [PROTOCOL]);
      const socket = connect({ host: "127.0.0.1", port: inbound.port("in"), rejectUnauthorized: false, ALPNProtocols: [PROTOCOL] });
      socket.on("error", () => socket.destroy());
      socket.resume();
      each.after(() => socket.destroy());
      const closed = once(socket, "close");
      await once(socket, "secureConnect");
      for (const piece of pieces) {
        socket.write(piece);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      if (reached === "") await closed;
      else await (await upstream.peer()).got(reached);
      assert.deepEqual(counted(inbound), counts);
    });
  }
});
