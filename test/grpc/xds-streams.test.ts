// The xDS client over real gRPC, against a control plane that does what a test tells it: everything that a network, a server and a
// message's size can do to a stream.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { DEFAULT_MAX_RECEIVE_BYTES } from "../../host/xds/streams/grpc-transport.ts";
import type { XdsVariant } from "../../host/xds/streams/messages.ts";
import { dns, issue } from "../support/certificates.ts";
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from "../support/control-plane.ts";
import {
  CLUSTER,
  ENDPOINTS,
  EXTENSION,
  LISTENER,
  plainTarget,
  ROUTES,
  SECRET,
  startTestClient,
  type TestClientOptions,
} from "./xds-client.ts";

const MEBIBYTE = 1 << 20;
const VARIANTS: readonly XdsVariant[] = ["delta", "sotw"];

async function planeFor(t: TestContext, options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const plane = await startControlPlane(options);
  t.after(() => plane.close());
  return plane;
}

const clientFor = (t: TestContext, plane: ControlPlane, options: Partial<TestClientOptions> = {}) =>
  startTestClient(t, { variant: "delta", target: () => plainTarget(plane.port), ...options });

/** Bytes of a named resource, which nobody here decodes. */
function named(name: string, size = 0): Uint8Array {
  return Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name), field100(size)]);
}

function field100(size: number): Buffer {
  if (size === 0) return Buffer.alloc(0);
  const length: number[] = [];
  for (let left = size; left > 0; left = Math.floor(left / 128)) length.push((left % 128) | (left >= 128 ? 0x80 : 0));
  return Buffer.concat([Buffer.from([0xa2, 0x06, ...length]), Buffer.alloc(size, 7)]);
}

for (const variant of VARIANTS) {
  test(`${variant}: aggregated: resources come, change and go, and each response is answered`, async (t) => {
    const plane = await planeFor(t);
    plane.set(CLUSTER, "a", { name: "a" });
    plane.set(CLUSTER, "b", { name: "b" });
    plane.set(ENDPOINTS, "a", { cluster_name: "a" });
    const { client, watch, stats } = await clientFor(t, plane, { variant });
    const clusters = watch(CLUSTER, "wildcard");
    const endpoints = watch(ENDPOINTS, new Set(["a"]));
    await plane.until("both are there", () => clusters.has.size === 2 && endpoints.has.size === 1);
    plane.remove(CLUSTER, "b");
    plane.set(CLUSTER, "c", { name: "c" });
    plane.push(CLUSTER);
    await plane.until("b is gone", () => clusters.has.has("c") && !clusters.has.has("b"));
    await plane.until("all is answered", () => plane.requests().length === 5);
    assert.deepEqual(
      plane.requests().map(({ nodeId }) => nodeId),
      ["me", undefined, undefined, undefined, undefined],
    );
    assert.equal(plane.nacks().length, 0);
    assert.equal(plane.streamsOpened, 1);
    assert.deepEqual(
      { ...client.status },
      { isConnected: true, disconnectedSinceMs: undefined, lastError: undefined, reconnects: 0, identifier: "scripted" },
    );
    assert.equal(stats.gauge("control_plane.connected_state").value, 1);
    assert.equal(stats.gauge("control_plane.pending_requests").value, 0);
  });

  test(`${variant}: a stream for each type asks each type's own service`, async (t) => {
    const plane = await planeFor(t);
    const types = {
      Listeners: LISTENER,
      Clusters: CLUSTER,
      Routes: ROUTES,
      Endpoints: ENDPOINTS,
      Secrets: SECRET,
      ExtensionConfigs: EXTENSION,
    };
    for (const type of Object.values(types)) plane.setBytes(type, "a", named("a"));
    const { watch } = await clientFor(t, plane, { variant, isAggregated: false });
    const watched = Object.values(types).map((type) => watch(type, type === LISTENER || type === CLUSTER ? "wildcard" : new Set(["a"])));
    await plane.until("all are there", () => watched.every(({ has }) => has.has("a")));
    assert.equal(plane.streamsOpened, 6);
    for (const [name, type] of Object.entries(types)) {
      const [first] = plane.requests(type);
      assert.ok(first.method.endsWith(`DiscoveryService/${variant === "delta" ? "Delta" : "Stream"}${name}`), first.method);
      assert.equal(first.nodeId, "me");
    }
  });
}

test("a NACK names the reason, and the next good version comes", async (t) => {
  const plane = await planeFor(t);
  plane.setBytes(CLUSTER, "a", named("a", 10));
  const { watch } = await clientFor(t, plane);
  const clusters = watch(CLUSTER, "wildcard", ({ resources }) =>
    resources.some(({ bytes }) => bytes.length > 10) ? { ok: false, errorDetail: "a: too long", rejected: new Set(["a"]) } : { ok: true },
  );
  await plane.until("the NACK", () => plane.nacks(CLUSTER).length === 1);
  assert.equal(plane.nacks()[0].errorDetail, "a: too long");
  assert.equal(clusters.subscription.status.lastRejection?.errorDetail, "a: too long");
  plane.setBytes(CLUSTER, "a", named("a"));
  plane.push();
  await plane.until("the ACK", () => plane.requests(CLUSTER).length === 3);
  assert.equal(plane.nacks().length, 1);
  assert.equal(clusters.subscription.status.lastRejection, undefined);
});

test("metadata goes with each call, and a token file is read anew for each", async (t) => {
  const plane = await planeFor(t);
  const folder = mkdtempSync(join(tmpdir(), "sluice-xds-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "token");
  writeFileSync(path, "first\n");
  const metadataFiles = [{ name: "authorization", prefix: "Bearer ", path }];
  const { watch } = await clientFor(t, plane, {
    target: () => plainTarget(plane.port, { metadata: [["clusterid", "Kubernetes"]], metadataFiles }),
  });
  watch(CLUSTER, "wildcard");
  await plane.until("the first stream", () => plane.requests().length > 0);
  writeFileSync(path, "second\n");
  plane.endStreams();
  await plane.until("the second stream", () => plane.streamsOpened === 2 && plane.requests().at(-1)?.stream === 2);
  assert.deepEqual(
    [plane.requests()[0], plane.requests().at(-1)].map((request) => [request?.metadata.authorization, request?.metadata.clusterid]),
    [
      ["Bearer first", "Kubernetes"],
      ["Bearer second", "Kubernetes"],
    ],
  );
});

test("a token file that is missing is an error with its path, tried again", async (t) => {
  const plane = await planeFor(t);
  const folder = mkdtempSync(join(tmpdir(), "sluice-xds-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "token");
  const target = () => plainTarget(plane.port, { metadataFiles: [{ name: "authorization", prefix: "Bearer ", path }] });
  const { client, watch } = await clientFor(t, plane, { target });
  const clusters = watch(CLUSTER, "wildcard");
  await plane.until("a failure", () => clusters.failures.length > 0);
  assert.match(client.status.lastError ?? "", /ENOENT.*token/);
  assert.notEqual(client.status.disconnectedSinceMs, undefined);
  writeFileSync(path, "there");
  await plane.until("a stream", () => plane.requests().length > 0);
});

test("TLS: both sides show certificates, and the server's has to have the name", async (t) => {
  const authority = issue({ isAuthority: true });
  const other = issue({ isAuthority: true, subject: "CN=other" });
  const server = issue({ issuer: authority, names: [dns("istiod.istio-system.svc")] });
  const leaf = issue({ issuer: authority });
  const plane = await planeFor(t, { tls: { rootCerts: authority.pem, key: server.keyPem, cert: server.pem } });
  plane.setBytes(CLUSTER, "a", named("a"));
  const tls = { rootCerts: authority.pem, privateKey: leaf.keyPem, certChain: leaf.pem, serverName: "istiod.istio-system.svc" };
  const cases = [
    { name: "good", tls, error: undefined },
    { name: "another authority", tls: { ...tls, rootCerts: other.pem }, error: /unable to verify|self.signed|certificate/i },
    { name: "another name", tls: { ...tls, serverName: "elsewhere" }, error: /elsewhere|altnames/i },
    { name: "no client certificate", tls: { ...tls, privateKey: undefined, certChain: undefined }, error: /UNAVAILABLE|INTERNAL/ },
    { name: "no TLS", tls: undefined, error: /UNAVAILABLE|no connection/ },
  ];
  for (const one of cases) {
    const target = () => plainTarget(plane.port, { tls: one.tls });
    const { client, watch } = await clientFor(t, plane, { target, connectTimeoutMs: 2000 });
    const clusters = watch(CLUSTER, "wildcard");
    await plane.until(one.name, () => (one.error === undefined ? clusters.has.has("a") : clusters.failures.length > 0));
    if (one.error !== undefined) assert.match(clusters.failures[0], one.error, one.name);
    if (one.error !== undefined) assert.equal(clusters.updates.length, 0, one.name);
    client.close();
  }
});

for (const variant of VARIANTS) {
  test(`${variant}: killed and restarted 20 times: one subscribe a type each time, nothing lost`, async (t) => {
    const plane = await planeFor(t);
    plane.setBytes(CLUSTER, "a", named("a"));
    plane.setBytes(ENDPOINTS, "a", named("a"));
    const { client, watch } = await clientFor(t, plane, { variant, random: () => 0.004 });
    const clusters = watch(CLUSTER, "wildcard");
    const endpoints = watch(ENDPOINTS, new Set(["a", "b"]));
    await plane.until("the first state", () => clusters.has.size === 1 && endpoints.has.size === 1);
    for (let i = 1; i <= 20; i++) {
      await plane.kill();
      plane.setBytes(CLUSTER, `c${i}`, named(`c${i}`));
      if (i > 1) plane.remove(CLUSTER, `c${i - 1}`);
      const before = plane.requests().length;
      await plane.restart();
      await plane.until(`state ${i}`, () => clusters.has.has(`c${i}`) && !clusters.has.has(`c${i - 1}`));
      const stream = plane.requests().at(-1)?.stream;
      const asked = plane
        .requests()
        .slice(before)
        .filter((request) => request.stream === stream && request.nonce === "");
      await plane.until("both asked", () => plane.requests(ENDPOINTS).at(-1)?.stream === stream);
      assert.deepEqual(asked.length <= 2 && plane.requests().filter((one) => one.stream === stream && one.nonce === "").length, 2);
    }
    assert.ok(client.status.reconnects >= 20);
    assert.deepEqual([...clusters.has.keys()].sort(), ["a", "c20"]);
    assert.ok(endpoints.has.has("a"));
  });
}

test("the server's connection age is normal: the next stream comes at once and knows what is had", async (t) => {
  const plane = await planeFor(t, { connectionAgeMs: 300 });
  plane.setBytes(CLUSTER, "a", named("a"));
  const { client, watch } = await clientFor(t, plane, { random: () => 0 });
  const clusters = watch(CLUSTER, "wildcard");
  await plane.until("three streams", () => plane.streamsOpened >= 3 && plane.requests().at(-1)?.stream === plane.streamsOpened);
  for (const request of plane.requests().filter(({ stream, nonce }) => stream > 1 && nonce === ""))
    assert.deepEqual(request.initialVersions, { a: "1" });
  assert.equal(clusters.has.size, 1);
  assert.ok(client.status.reconnects >= 2);
});

test("a server that ends streams with status OK is asked again", async (t) => {
  const plane = await planeFor(t);
  const { watch } = await clientFor(t, plane);
  const clusters = watch(CLUSTER, "wildcard");
  for (let i = 1; i <= 3; i++) {
    await plane.until("a stream", () => plane.openStreams === 1 && plane.requests().at(-1)?.stream === i);
    plane.endStreams();
  }
  await plane.until("four streams", () => plane.streamsOpened === 4);
  assert.deepEqual(clusters.failures, ["OK", "OK", "OK"]);
});

test("a server that refuses is asked again, and its reason is kept", async (t) => {
  const plane = await planeFor(t);
  plane.refuseWith = { code: status.UNAUTHENTICATED, details: "client claims to be in cluster x" };
  const { client, watch } = await clientFor(t, plane);
  const clusters = watch(CLUSTER, "wildcard");
  await plane.until("a failure", () => clusters.failures.length > 0);
  assert.equal(client.status.lastError, "UNAUTHENTICATED: client claims to be in cluster x");
  plane.refuseWith = undefined;
  await plane.until("an answer", () => clusters.updates.length > 0);
  assert.equal(client.status.disconnectedSinceMs, undefined);
});

test("a message of 60 MiB arrives", async (t) => {
  const plane = await planeFor(t);
  for (let i = 0; i < 60; i++) plane.setBytes(CLUSTER, `c${i}`, named(`c${i}`, MEBIBYTE - 64));
  const { watch } = await clientFor(t, plane);
  const clusters = watch(CLUSTER, "wildcard");
  await plane.until("60 clusters", () => clusters.has.size === 60, 30_000);
  assert.equal(clusters.updates.length, 1);
  const [first] = clusters.updates[0].resources;
  assert.equal(first.bytes.buffer.byteLength, first.bytes.length, "one resource does not keep the whole message");
});

test("a message over the limit ends the stream with an error and a count; the state before stays", async (t) => {
  const plane = await planeFor(t);
  plane.setBytes(CLUSTER, "a", named("a"));
  const { client, watch, stats } = await clientFor(t, plane);
  const clusters = watch(CLUSTER, "wildcard");
  await plane.until("the first state", () => clusters.has.size === 1);
  plane.setBytes(CLUSTER, "huge", named("huge", DEFAULT_MAX_RECEIVE_BYTES));
  plane.push();
  await plane.until("a failure", () => clusters.failures.length > 0, 30_000);
  assert.match(clusters.failures[0], /^RESOURCE_EXHAUSTED: Received message larger than max/);
  assert.equal(stats.counter("control_plane.rx_message_too_large").value, 1);
  assert.deepEqual([...clusters.has.keys()], ["a"]);
  plane.remove(CLUSTER, "huge");
  plane.setBytes(CLUSTER, "b", named("b"));
  await plane.until("the next state", () => clusters.has.has("b"), 30_000);
  assert.equal(client.status.isConnected, true);
});

test("bytes that are no message end the stream with an error and a count", async (t) => {
  const plane = await planeFor(t);
  plane.setBytes(CLUSTER, "a", named("a"));
  const { watch, stats } = await clientFor(t, plane);
  const clusters = watch(CLUSTER, "wildcard");
  await plane.until("the first state", () => clusters.has.size === 1);
  plane.sendBytes(Buffer.from([0x0a, 0xff, 0xff]));
  await plane.until("a new stream", () => plane.streamsOpened === 2);
  assert.match(clusters.failures[0], /^unable to parse a response/);
  assert.equal(stats.counter("control_plane.rx_message_broken").value, 1);
});

test("a connection that ends in the middle of a message: the message comes again", async (t) => {
  const plane = await planeFor(t);
  plane.setBytes(CLUSTER, "big", named("big", 4 * MEBIBYTE));
  plane.cutNextAfter(MEBIBYTE);
  const { watch } = await clientFor(t, plane);
  const clusters = watch(CLUSTER, "wildcard");
  await plane.until("it is there", () => clusters.has.has("big"));
  assert.equal(clusters.failures.length, 1);
  assert.equal(plane.streamsOpened, 2);
  assert.equal(clusters.updates.length, 1);
});

test("reading goes on while writing is blocked, and what was to be said is said after", async (t) => {
  const plane = await planeFor(t);
  const { watch, stats } = await clientFor(t, plane);
  const clusters = watch(CLUSTER, "wildcard");
  const endpoints = watch(ENDPOINTS, new Set(["first"]));
  await plane.until("both are answered", () => plane.requests().length === 4);
  plane.pauseUpload(true);
  // More than HTTP/2's window of 64 KiB, so that the rest cannot be written.
  const long = (i: number): string => `${"x".repeat(100)}${i}`;
  endpoints.subscription.setNames(new Set(Array.from({ length: 4000 }, (_, i) => long(i))));
  endpoints.subscription.setNames(new Set(Array.from({ length: 4000 }, (_, i) => long(i + 2000))));
  for (let i = 0; i < 200; i++) {
    plane.setBytes(CLUSTER, `c${i}`, named(`c${i}`));
    plane.push(CLUSTER);
  }
  await plane.until("200 updates", () => clusters.has.size === 200);
  assert.equal(plane.requests().length, 4);
  // 200 answers and one change of names: two changes became one.
  assert.equal(stats.gauge("control_plane.pending_requests").value, 201);
  plane.pauseUpload(false);
  await plane.until("all is said", () => plane.requests(CLUSTER).length === 202);
  await plane.until("the names are said", () => plane.requests(ENDPOINTS).some((request) => request.unsubscribe.length === 2000));
  assert.equal(stats.gauge("control_plane.pending_requests").value, 0);
});

test("responses that are delayed, repeated and out of order between types arrive, each with its answer", async (t) => {
  const plane = await planeFor(t);
  plane.setBytes(CLUSTER, "a", named("a"));
  plane.setBytes(ENDPOINTS, "a", named("a"));
  plane.intercept = async (response) => {
    if (response.typeUrl !== CLUSTER) return [response, response];
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
    return [{ ...response, nonce: "of its own" }];
  };
  const { watch } = await clientFor(t, plane);
  const clusters = watch(CLUSTER, "wildcard");
  const endpoints = watch(ENDPOINTS, new Set(["a"]));
  await plane.until("all is answered", () => plane.requests().length === 5);
  assert.equal(clusters.updates.length, 1);
  assert.equal(endpoints.updates.length, 2);
  assert.deepEqual(
    plane.requests().map(({ typeUrl, nonce }) => `${typeUrl === CLUSTER ? "clusters" : "endpoints"} ${nonce.replace(/\d/, "")}`),
    ["clusters ", "endpoints ", "endpoints n", "endpoints n", "clusters of its own"],
  );
});

test("a server that sends what was refused again and again gets its NACKs, and the other types go on", async (t) => {
  const plane = await planeFor(t);
  plane.setBytes(CLUSTER, "bad", named("bad"));
  const { watch } = await clientFor(t, plane);
  watch(CLUSTER, "wildcard", () => {
    setImmediate(() => plane.send({ typeUrl: CLUSTER, resources: [bad] }));
    return { ok: false, errorDetail: "bad: no", rejected: new Set(["bad"]) };
  });
  const bad = { name: "bad", version: "1", typeUrl: CLUSTER, bytes: named("bad"), ttlMs: undefined };
  const endpoints = watch(ENDPOINTS, new Set(["a"]));
  await plane.until("100 NACKs", () => plane.nacks(CLUSTER).length >= 100);
  plane.setBytes(ENDPOINTS, "a", named("a"));
  plane.push(ENDPOINTS);
  await plane.until("endpoints", () => endpoints.has.has("a"));
  const nonces = plane.nacks(CLUSTER).map(({ nonce }) => nonce);
  assert.equal(new Set(nonces).size, nonces.length, "each response has one NACK");
  assert.equal(plane.streamsOpened, 1);
});

test("a server that never answers leaves the state empty and the stream open", async (t) => {
  const plane = await planeFor(t);
  plane.intercept = () => [];
  const { client, watch } = await clientFor(t, plane);
  const clusters = watch(CLUSTER, "wildcard");
  await plane.until("it is asked", () => plane.requests().length === 1 && client.status.isConnected);
  assert.equal(clusters.subscription.status.hasAnswered, false);
  assert.equal(plane.openStreams, 1);
});

test("a port where nobody speaks HTTP/2 is given up in time", async (t) => {
  let open = 0;
  const silent = createServer((socket) => {
    open++;
    socket.resume().on("close", () => open--);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", () => resolve()));
  t.after(() => silent.close());
  const plane = await planeFor(t);
  const target = () => plainTarget((silent.address() as AddressInfo).port);
  const { client, watch } = await startTestClient(t, { variant: "delta", target, connectTimeoutMs: 200 });
  const clusters = watch(CLUSTER, "wildcard");
  await plane.until("a failure", () => clusters.failures.length > 0);
  assert.equal(client.status.lastError, "no connection within 200 ms");
  await plane.until("several failures", () => clusters.failures.length > 3);
  client.close();
  await plane.until("no connection is left behind", () => open === 0);
});

test("a server that falls silent is noticed by its missing pings", async (t) => {
  const plane = await planeFor(t);
  const { watch } = await clientFor(t, plane, { keepaliveMs: 100, keepaliveTimeoutMs: 100 });
  const clusters = watch(CLUSTER, "wildcard");
  await plane.until("an answer", () => clusters.updates.length === 1);
  plane.pauseUpload(true);
  await plane.until("a failure", () => clusters.failures.length > 0);
  assert.match(clusters.failures[0], /^UNAVAILABLE/);
});
