// The client around the machine: several types on one stream and on their own, its status, its stats, its beginning and end.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { XdsWatcher } from "../../../../host/xds/streams/contract.ts";
import { CLUSTER, describeRequest, ENDPOINTS, resourceOf, startClient } from "./support.ts";

const accepting: XdsWatcher = { onUpdate: (_update, done) => done({ ok: true }) };

test("types on one stream are asked in the order of their subscription, again after a reconnect", async () => {
  const { client, transport, clock } = await startClient("delta");
  client.subscribe(CLUSTER, "wildcard", accepting);
  client.subscribe(ENDPOINTS, new Set(["a"]), accepting);
  for (let i = 0; i < 2; i++) {
    const [clusters, endpoints, ...rest] = transport.last.take();
    assert.deepEqual(
      [clusters, endpoints].map((request) => [request.typeUrl, describeRequest(request, "delta")]),
      [
        [CLUSTER, "node"],
        [ENDPOINTS, "+a"],
      ],
    );
    assert.deepEqual(rest, []);
    transport.last.end("connect");
    clock.advance(60_000);
  }
  assert.equal(transport.streams.length, 3);
});

test("a watcher that is busy holds up its own type alone", async () => {
  const { client, transport } = await startClient("delta");
  client.subscribe(CLUSTER, "wildcard", { onUpdate: () => undefined });
  client.subscribe(ENDPOINTS, new Set(["a"]), accepting);
  transport.last.take();
  transport.last.respond({ typeUrl: CLUSTER, nonce: "c1", resources: [resourceOf("a=1", CLUSTER)] });
  transport.last.respond({ typeUrl: ENDPOINTS, nonce: "e1", resources: [resourceOf("a=1", ENDPOINTS)] });
  assert.deepEqual(
    transport.last.take().map(({ nonce }) => nonce),
    ["e1"],
  );
});

test("status and stats follow the connection", async () => {
  const { client, transport, clock, stats } = await startClient("delta");
  const connected = stats.gauge("control_plane.connected_state");
  const pending = stats.gauge("control_plane.pending_requests");
  client.subscribe(CLUSTER, "wildcard", accepting);
  assert.equal(connected.value, 0);
  assert.equal(client.status.disconnectedSinceMs, clock.nowMs());
  transport.last.connect();
  assert.equal(connected.value, 1);
  assert.equal(client.status.disconnectedSinceMs, undefined);
  transport.last.block();
  transport.last.respond({ typeUrl: CLUSTER, nonce: "n1" });
  transport.last.respond({ typeUrl: CLUSTER, nonce: "n2" });
  assert.equal(pending.value, 2);
  assert.equal(client.status.identifier, "scripted");
  assert.equal(stats.textReadout("control_plane.identifier").value, "scripted");
  const before = clock.nowMs();
  transport.last.end("closed", "UNAVAILABLE: gone");
  assert.equal(pending.value, 0);
  clock.advance(100);
  assert.deepEqual(client.status, {
    isConnected: false,
    disconnectedSinceMs: before,
    lastError: "UNAVAILABLE: gone",
    reconnects: 0,
    identifier: "scripted",
  });
  clock.advance(60_000);
  assert.equal(client.status.reconnects, 1);
  assert.equal(client.status.disconnectedSinceMs, before);
});

test("limits that a control plane runs into are counted", async () => {
  const { client, transport, clock, stats } = await startClient("delta");
  client.subscribe(CLUSTER, "wildcard", { onUpdate: () => undefined });
  transport.last.end("too_large");
  clock.advance(60_000);
  transport.last.receive(Buffer.from("0aff", "hex"));
  clock.advance(60_000);
  // Two messages of 65 MiB wait for a busy watcher.
  const bytes = Buffer.alloc(65 << 20);
  const big = (name: string) => ({ ...resourceOf(`${name}=1`, CLUSTER), bytes });
  transport.last.respond({ typeUrl: CLUSTER, nonce: "n0", resources: [resourceOf("first=1", CLUSTER)] });
  transport.last.respond({ typeUrl: CLUSTER, nonce: "n1", resources: [big("a")] });
  transport.last.respond({ typeUrl: CLUSTER, nonce: "n2", resources: [big("a")] });
  assert.equal(transport.last.isOver, false, "the same resource twice is one");
  transport.last.respond({ typeUrl: CLUSTER, nonce: "n3", resources: [big("b")] });
  assert.equal(transport.last.isOver, true);
  for (const name of ["rx_message_too_large", "rx_message_broken", "overflow"])
    assert.equal(stats.counter(`control_plane.${name}`).value, 1, name);
});

test("a stream for each type is opened when it is subscribed to; a type without a service is refused by name", async () => {
  const { client, transport } = await startClient("sotw", false);
  assert.equal(transport.streams.length, 0);
  client.subscribe(CLUSTER, "wildcard", accepting);
  client.subscribe(ENDPOINTS, new Set(["a"]), accepting);
  assert.deepEqual(
    transport.streams.map(({ method }) => method),
    [
      "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters",
      "/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints",
    ],
  );
  assert.equal(transport.streams[1].requests[0].nodeId, "me");
  assert.throws(
    () => client.subscribe("type.googleapis.com/x.Y", "wildcard", accepting),
    /no discovery service for type.googleapis.com\/x\.Y/,
  );
});

test("two subscriptions to one type are a mistake of the caller", async () => {
  const { client } = await startClient("delta");
  client.subscribe(CLUSTER, "wildcard", accepting);
  assert.throws(() => client.subscribe(CLUSTER, "wildcard", accepting), /already/);
});

test("after close() nothing is opened, whatever was waiting", async () => {
  const { client, transport, clock } = await startClient("delta");
  client.subscribe(CLUSTER, "wildcard", accepting);
  transport.last.end("connect");
  client.close();
  clock.advance(60_000);
  assert.equal(transport.streams.length, 1);
  assert.equal(client.status.isConnected, false);
});

test("a watcher that answers twice is heard once", async () => {
  const { client, transport } = await startClient("delta");
  client.subscribe(CLUSTER, "wildcard", {
    onUpdate: (_update, done) => {
      done({ ok: true });
      done({ ok: false, errorDetail: "no", rejected: new Set() });
    },
  });
  transport.last.respond({ typeUrl: CLUSTER, nonce: "n1" });
  assert.deepEqual(
    transport.last.take().map((request) => describeRequest(request, "delta")),
    ["node", "n1"],
  );
});

test("a watcher that changes its names while it is told is heard after the answer", async () => {
  for (const variant of ["delta", "sotw"] as const) {
    const { client, transport } = await startClient(variant);
    const subscription = client.subscribe(ENDPOINTS, new Set(["a"]), {
      onUpdate: (_update, done) => {
        subscription.setNames(new Set(["a", "b"]));
        done({ ok: true });
      },
    });
    transport.last.take();
    transport.last.respond({ typeUrl: ENDPOINTS, nonce: "n1", versionInfo: "1", resources: [resourceOf("a=1", ENDPOINTS)] });
    assert.deepEqual(
      transport.last
        .take()
        .map((request) => describeRequest(request, variant))
        .sort(),
      variant === "delta" ? ["+b", "n1"] : ["[a b] v1 n1", "[a] v1 n1"],
      variant,
    );
  }
});
