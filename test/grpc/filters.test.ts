// grpc_stats and grpc_web in a data plane, between a plain HTTP client and a gRPC server: what a browser sees, and what is counted.
// The finer points are held against Envoy in test/parity/cases/grpc-filters.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { frameMessage } from "../../host/http/grpc-frames.ts";
import type { Json } from "../../host/xds/message.ts";
import { startDataPlane } from "../support/data-plane.ts";
import { nodeClient, nodeUpstream, type Reply } from "../support/node-http.ts";

const extension = (name: string, message: string, fields: Readonly<Record<string, Json>> = {}): Json => ({
  name: `envoy.filters.http.${name}`,
  typed_config: { "@type": `type.googleapis.com/envoy.extensions.filters.http.${name}.v3.${message}`, ...fields },
});

const manager = {
  http_filters: [
    extension("grpc_web", "GrpcWeb"),
    extension("grpc_stats", "FilterConfig", { stats_for_all_methods: true, emit_filter_state: true }),
    extension("router", "Router"),
  ],
};

const text = (bytes: Uint8Array): Buffer => Buffer.from(Buffer.from(bytes).toString("base64"));
const trailersFrame = Buffer.from("\x80\0\0\0\x0fgrpc-status:0\r\n", "latin1");
const hello = frameMessage(Buffer.from("hello"));

interface Case {
  readonly name: string;
  readonly type: string;
  readonly accept?: string;
  readonly body: readonly Buffer[];
  readonly reply?: Reply;
  /** What reaches the upstream. */
  readonly sent?: Buffer;
  readonly status?: number;
  readonly answerType: string;
  readonly answer: Buffer;
  readonly grpcStatus?: string;
}

const OK: Reply = {
  headers: { "content-type": "application/grpc" },
  body: [hello.subarray(0, 3), hello.subarray(3)],
  trailers: { "grpc-status": "0" },
};
const WEB = "application/grpc-web";
const TEXT = "application/grpc-web-text";

const CASES: readonly Case[] = [
  { name: "binary", type: WEB, body: [hello], sent: hello, answerType: `${WEB}+proto`, answer: Buffer.concat([hello, trailersFrame]) },
  {
    name: "text",
    type: TEXT,
    accept: TEXT,
    body: [text(hello)],
    sent: hello,
    answerType: `${TEXT}+proto`,
    answer: Buffer.concat([text(hello), text(trailersFrame)]),
  },
  {
    name: "text in parts of odd sizes",
    type: TEXT,
    body: [...text(hello)].map((byte) => Buffer.from([byte])),
    sent: hello,
    answerType: `${WEB}+proto`,
    answer: Buffer.concat([hello, trailersFrame]),
  },
  {
    name: "no base64",
    type: TEXT,
    body: [Buffer.from("AA*A")],
    status: 400,
    answerType: `${WEB}+proto`,
    answer: Buffer.alloc(0),
    grpcStatus: "13",
  },
  {
    name: "an upstream that answers in plain text",
    type: WEB,
    body: [hello],
    reply: { status: 503, headers: { "content-type": "text/plain" }, body: [Buffer.from("busy")] },
    status: 503,
    answerType: `${WEB}+proto`,
    answer: Buffer.alloc(0),
    grpcStatus: "14",
  },
  { name: "not gRPC", type: "text/plain", body: [hello], sent: hello, answerType: "application/grpc", answer: hello },
];

for (const protocol of ["HTTP/1.1", "HTTP/2"] as const) {
  test(`grpc_web and grpc_stats over ${protocol}`, async (t) => {
    let reply: Reply = OK;
    const upstream = await nodeUpstream("HTTP/2", () => reply);
    const plane = await startDataPlane([{ name: "in", manager }], [{ name: "in", ports: [upstream.port], http2: {} }]);
    const client = nodeClient(protocol, plane.port("in"));
    t.after(async () => {
      client.close();
      await plane.stop();
      await upstream.close();
    });
    for (const { name, type, accept = "*/*", body, sent, answer, answerType, status = 200, grpcStatus, ...item } of CASES) {
      await t.test(name, async () => {
        reply = item.reply ?? OK;
        upstream.seen.length = 0;
        const headers = { "content-type": type, accept };
        const seen = await client.send({ method: "POST", path: "/pkg.Svc/M", headers, body });
        assert.equal(seen.status, status);
        assert.equal(seen.headers["content-type"], answerType);
        assert.equal(seen.headers["grpc-status"], grpcStatus);
        assert.equal(seen.body.toString("latin1"), answer.toString("latin1"));
        if (sent !== undefined) assert.equal(upstream.seen[0].body.toString("latin1"), sent.toString("latin1"));
      });
    }
    await t.test("what was counted", () => {
      const counted = [
        "grpc-web.pkg.Svc.M.success",
        "grpc-web.pkg.Svc.M.0",
        "grpc.pkg.Svc.M.success",
        "grpc.pkg.Svc.M.request_message_count",
      ];
      assert.deepEqual(
        counted.map((name) => plane.counter(`cluster.in.${name}`)),
        [3, 3, 3, 4],
      );
    });
  });
}

test("a filter counts a bounded number of methods by name", async (t) => {
  const upstream = await nodeUpstream("HTTP/2", () => ({ headers: { "content-type": "application/grpc", "grpc-status": "0" } }));
  const plane = await startDataPlane([{ name: "in", manager }], [{ name: "in", ports: [upstream.port], http2: {} }]);
  const client = nodeClient("HTTP/2", plane.port("in"));
  t.after(async () => {
    client.close();
    await plane.stop();
    await upstream.close();
  });
  const headers = { "content-type": "application/grpc" };
  for (let from = 0; from < 1010; from += 101) {
    await Promise.all(Array.from({ length: 101 }, (_, i) => client.send({ method: "POST", path: `/pkg.Svc/M${from + i}`, headers })));
  }
  await client.send({ method: "POST", path: `/pkg.Svc/${"x".repeat(300)}`, headers });
  assert.equal(plane.counter("cluster.in.grpc.total"), 11);
});
