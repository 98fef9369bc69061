// The gRPC calls of modules on real connections, without a module: what is told of each answer and failure, the limits, and that nothing
// stays behind. What they look like beside Envoy's is held in test/parity/cases/wasm-grpc.ts.
import assert from "node:assert/strict";
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { startGrpcCallout } from "../../host/extensions/grpc-callout.ts";
import { frameMessage, framePrefix } from "../../host/http/grpc-frames.ts";
import type { GrpcHandle, GrpcRequest } from "../../host/wasm/services.ts";
import { startDataPlane, type TestDataPlane } from "../support/data-plane.ts";
import { grpcRequest } from "../unit/wasm/fake-services.ts";

/** Answers one stream. */
type Application = (stream: ServerHttp2Stream) => void;

const GRPC = { ":status": 200, "content-type": "application/grpc" };

function respond(stream: ServerHttp2Stream, parts: readonly Buffer[], trailers: Readonly<Record<string, string>>): void {
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  stream.respond(GRPC, { waitForTrailers: true });
  for (const part of parts) stream.write(part);
  stream.end();
}

const ok = { "grpc-status": "0" };
const hello = frameMessage(Buffer.from("hello"));

interface Case {
  readonly name: string;
  readonly serve?: Application;
  readonly request?: Partial<GrpcRequest>;
  act?(handle: GrpcHandle): void;
  readonly told: readonly string[];
}

const CASES: readonly Case[] = [
  {
    name: "an answer",
    serve: (stream) => respond(stream, [hello], ok),
    act: (handle) => handle.send(Buffer.from("q"), true),
    told: ["initial 200", "message hello", "trailing 0", "close 0 via_upstream"],
  },
  {
    name: "an answer cut at every byte",
    serve: (stream) =>
      respond(
        stream,
        [...Buffer.concat([hello, hello])].map((byte) => Buffer.from([byte])),
        ok,
      ),
    told: ["initial 200", "message hello", "message hello", "trailing 0", "close 0 via_upstream"],
  },
  {
    name: "an echo, begun before there was a connection",
    serve: (stream) => {
      stream.on("wantTrailers", () => stream.sendTrailers(ok));
      stream.respond(GRPC, { waitForTrailers: true });
      stream.pipe(stream);
    },
    act: (handle) => {
      handle.send(Buffer.from("one"), false);
      handle.send(Buffer.from("two"), false);
      handle.closeStream();
      handle.send(Buffer.from("late"), false);
    },
    told: ["initial 200", "message one", "message two", "trailing 0", "close 0 via_upstream"],
  },
  {
    name: "trailers-only",
    serve: (stream) => stream.respond({ ...GRPC, "grpc-status": "7", "grpc-message": "no" }, { endStream: true }),
    told: ["initial -", "trailing 7", "close 7 no{via_upstream}"],
  },
  {
    name: "a message over the limit",
    serve: (stream) => respond(stream, [framePrefix(1001), Buffer.alloc(1001)], ok),
    told: ["initial 200", "trailing -", "close 8 via_upstream"],
  },
  {
    name: "a compressed message",
    serve: (stream) => respond(stream, [framePrefix(1, 1), Buffer.from("z")], ok),
    told: ["initial 200", "trailing -", "close 13 via_upstream"],
  },
  {
    name: "an end without trailers",
    serve: (stream) => {
      stream.respond(GRPC);
      stream.end(hello);
    },
    told: ["initial 200", "message hello", "trailing -", "close 2 via_upstream"],
  },
  {
    name: "an answer that is no gRPC",
    serve: (stream) => {
      stream.respond({ ":status": 404 });
      stream.end("none");
    },
    told: ["initial -", "trailing -", "close 12 via_upstream"],
  },
  {
    name: "a reset",
    serve: (stream) => stream.close(2),
    told: [
      "initial -",
      "trailing 14",
      "close 14 upstream connect error or disconnect/reset before headers. reset reason: remote reset{upstream_reset_before_response_started{remote_reset}}",
    ],
  },
  {
    name: "a connection that ends in the answer",
    serve: (stream) => {
      stream.respond(GRPC);
      stream.write(hello, () => stream.session?.destroy());
    },
    told: ["initial 200", "message hello", "trailing -", "close 13 upstream_reset_after_response_started{connection_termination}"],
  },
  {
    name: "a timeout",
    request: { timeoutMs: 20, announcedMs: 20 },
    told: ["initial -", "trailing 14", "close 14 upstream request timeout{response_timeout}"],
  },
  { name: "an unknown cluster", request: { cluster: "nope" }, told: ["close 14 Cluster not available"] },
  { name: "a cluster without hosts", request: { cluster: "none" }, told: ["close 14 "] },
];

/** Starts a call and records what is told of it. */
function begin(
  plane: TestDataPlane,
  request: Partial<GrpcRequest>,
): { handle: GrpcHandle | undefined; told: string[]; closed: Promise<void> } {
  const told: string[] = [];
  let close: () => void = () => {};
  const closed = new Promise<void>((resolve) => (close = resolve));
  const handle = startGrpcCallout(plane.dataPlane.clusters, plane.clock, grpcRequest({ cluster: "up", ...request }), {
    onInitialMetadata: (metadata) => void told.push(`initial ${metadata.get(":status") ?? "-"}`),
    onMessage: (message) => void told.push(`message ${Buffer.from(message).toString()}`),
    onTrailingMetadata: (metadata) => void told.push(`trailing ${metadata.get("grpc-status") ?? "-"}`),
    onClose: (status, message) => {
      told.push(`close ${status} ${message}`);
      close();
    },
  });
  return { handle, told, closed };
}

test("gRPC calls of modules", async (t) => {
  let serve: Application = () => {};
  const server: Http2Server = createServer();
  const sessions = new Set<ServerHttp2Session>();
  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session);
    session.on("error", () => session.destroy());
  });
  server.on("stream", (stream: ServerHttp2Stream) => {
    // What ends a stream before its time is what these cases are about.
    stream.on("error", () => stream.destroy());
    serve(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const plane = await startDataPlane(
    [],
    [
      { name: "up", ports: [port], http2: {}, cluster: { per_connection_buffer_limit_bytes: 50_000 } },
      { name: "unused", ports: [port], http2: {} },
      { name: "none", ports: [] },
    ],
  );
  t.after(async () => {
    await plane.stop();
    for (const session of sessions) session.destroy();
    server.close();
  });
  for (const item of CASES) {
    await t.test(item.name, async () => {
      serve = item.serve ?? (() => {});
      const { handle, told, closed } = begin(plane, item.request ?? {});
      if (handle !== undefined) item.act?.(handle);
      await closed;
      assert.deepEqual(told, item.told);
    });
  }
  await t.test("one that is cancelled tells nothing, before and after its answer began", async () => {
    serve = () => {};
    const early = begin(plane, {});
    early.handle?.cancel();
    const begun = new Promise<ServerHttp2Stream>((resolve) => (serve = resolve));
    const late = begin(plane, {});
    const stream = await begun;
    const reset = new Promise((resolve) => stream.on("close", resolve));
    late.handle?.cancel();
    await reset;
    assert.deepEqual([early.told, late.told], [[], []]);
  });
  await t.test("a peer that does not read: what waits is bounded", async () => {
    serve = () => {};
    const { handle, told } = begin(plane, { maxBufferedBytes: 1 << 20 });
    assert.ok(handle !== undefined);
    let sent = 0;
    for (let turn = 0; turn < 200; turn++) {
      while (sent < 100 && handle.send(Buffer.alloc(10_000), false)) sent++;
      await new Promise((resolve) => setImmediate(resolve));
    }
    // The peer's window, and the cluster's limit of buffers.
    assert.ok(sent > 10 && sent < 20, `${sent}`);
    handle.cancel();
    assert.deepEqual(told, []);
  });
  await t.test("no connection yet: what waits is bounded", async () => {
    const { handle } = begin(plane, { cluster: "unused", maxBufferedBytes: 100_000 });
    assert.ok(handle !== undefined);
    let sent = 0;
    while (sent < 100 && handle.send(Buffer.alloc(10_000), false)) sent++;
    handle.cancel();
    assert.equal(sent, 9);
  });
  await t.test("nothing is left behind", () => {
    assert.equal(plane.gauge("cluster.up.upstream_rq_active"), 0);
    assert.equal(plane.gauge("cluster.up.upstream_rq_pending_active"), 0);
  });
});
