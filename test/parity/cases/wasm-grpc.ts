// gRPC calls and streams of a module: what they send, the callbacks in their order, and what each way of failing looks like.
import { bootstrap, http2Cluster, wasmFilter } from "../config.ts";
import type { ParityGroup } from "../harness.ts";
import { compiledModule } from "../modules.ts";
import { run } from "./wasm-support.ts";

/** A call whose end runs the phase "ga". */
const call = (method: string, { upstream = "grpc", timeout = 1000, message = "hello", more = "" } = {}): string =>
  `g-call ga ${upstream} svc.S ${method} ${timeout} ${message} ${more}`;
const open = (method: string, { upstream = "grpc", more = "" } = {}): string => `g-open gs ${upstream} svc.S ${method} ${more}`;

/** All that can be seen of a call, and of a stream; the request goes on at the end. */
const CALL = "ga:body 5|dump 4|dump 5|status|continue 0";
const STREAM = "gsi:dump 4;gsm:body 5|dump 4;gst:dump 5;gsc:status|dump 5|continue 0";

/** GrpcService messages as the ABI takes them. */
const field = (number: number, bytes: Buffer | string): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), Buffer.from(bytes)]);
const hex = (...parts: readonly Buffer[]): string => `hex:${Buffer.concat(parts).toString("hex")}`;
const service = (cluster: string, ...more: readonly Buffer[]): Buffer => field(1, Buffer.concat([field(1, cluster), ...more]));

export const wasmGrpc: ParityGroup = {
  name: "wasm gRPC",
  config: (ports) =>
    bootstrap(ports, {
      clusters: [http2Cluster("grpc", [ports.grpc]), http2Cluster("gone", [ports.dead]), http2Cluster("hostless", [])],
      httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined)],
    }),
  grpcUpstream: {
    "/svc.S/Metadata": [
      { untilEnd: true },
      { headers: { "x-first": "1" } },
      { message: "one" },
      { trailers: { "grpc-status": 0, "x-last": "2" } },
    ],
    "/svc.S/Empty": [{ headers: {} }, { message: "" }, { trailers: { "grpc-status": 0 } }],
    "/svc.S/Nothing": [{ headers: {} }, { trailers: { "grpc-status": 0 } }],
    "/svc.S/Two": [{ headers: {} }, { message: "one" }, { message: "two" }, { trailers: { "grpc-status": 0 } }],
    "/svc.S/Denied": [{ only: { "grpc-status": 7, "grpc-message": "no%20way%21", "x-why": "1" } }],
    "/svc.S/OnlyOk": [{ only: { "grpc-status": 0 } }],
    "/svc.S/Late": [{ headers: {} }, { message: "half" }, { trailers: { "grpc-status": 13, "grpc-message": "broken" } }],
    "/svc.S/NoStatus": [{ headers: {} }, { message: "one" }, { trailers: { "x-last": "2" } }],
    "/svc.S/OddStatus": [{ headers: {} }, { trailers: { "grpc-status": 99 } }],
    "/svc.S/WordStatus": [{ headers: {} }, { trailers: { "grpc-status": "fine" } }],
    "/svc.S/Unauthorized": [{ headers: { ":status": 401, "content-type": "text/plain" } }, { bytes: "no" }, { trailers: {} }],
    "/svc.S/Http503": [{ only: { ":status": 503, "content-type": "text/plain" } }],
    "/svc.S/Http500Status": [{ only: { ":status": 500, "grpc-status": 5, "grpc-message": "gone" } }],
    "/svc.S/Compressed": [{ headers: {} }, { bytes: "\x01\0\0\0\x02zz" }, { trailers: { "grpc-status": 0 } }],
    "/svc.S/CompressedEmpty": [{ headers: {} }, { bytes: "\x01\0\0\0\0" }, { trailers: { "grpc-status": 0 } }],
    "/svc.S/Flags": [{ headers: {} }, { bytes: "\x02\0\0\0\x02zz" }, { trailers: { "grpc-status": 0 } }],
    "/svc.S/Cut": [
      { headers: {} },
      { bytes: "\0\0" },
      { bytes: "\0\0\x06ab" },
      { waitMs: 20 },
      { bytes: "cdef\0" },
      { bytes: "\0\0\0\x01z" },
      { trailers: { "grpc-status": 0 } },
    ],
    "/svc.S/Short": [{ headers: {} }, { bytes: "\0\0\0\0\x09abc" }, { trailers: { "grpc-status": 0 } }],
    "/svc.S/Hang": [],
    "/svc.S/HangHeaders": [{ headers: {} }, { waitMs: 5000 }],
    "/svc.S/Reset": [{ untilBytes: 1 }, { reset: 2 }],
    "/svc.S/Refused": [{ untilBytes: 1 }, { reset: 7 }],
    "/svc.S/ResetLater": [{ headers: {} }, { message: "one" }, { waitMs: 20 }, { reset: 8 }],
    "/svc.S/Close": [{ untilBytes: 1 }, { cut: true }],
    "/svc.S/CloseLater": [{ headers: {} }, { message: "one" }, { waitMs: 20 }, { cut: true }],
    "/svc.S/Talk": [
      { headers: { "x-first": "1" } },
      { untilBytes: 8 },
      { message: "first" },
      { untilBytes: 16 },
      { message: "second" },
      { untilEnd: true },
      { trailers: { "grpc-status": 0, "grpc-message": "bye" } },
    ],
    "/svc.S/Early": [{ headers: {} }, { message: "one" }, { trailers: { "grpc-status": 0 } }],
  },
  cases: [
    ...["Metadata", "Empty", "Nothing", "Two", "Denied", "OnlyOk", "Late", "NoStatus", "OddStatus", "WordStatus"].map((method) => ({
      name: `call: ${method}`,
      requests: [run(`rh:${call(method)}|ret 1;${CALL}`)],
    })),
    ...["Unauthorized", "Http503", "Http500Status", "Compressed", "CompressedEmpty", "Flags", "Cut", "Short"].map((method) => ({
      name: `call: ${method}`,
      requests: [{ ...run(`rh:${call(method)}|ret 1;${CALL}`), quietMs: 250 }],
    })),
    ...["Reset", "Refused", "ResetLater", "Close", "CloseLater"].map((method) => ({
      name: `call: ${method}`,
      requests: [{ ...run(`rh:${call(method)}|ret 1;${CALL}`), quietMs: 250 }],
      stats: ["cluster.grpc.upstream_rq_total", "cluster.grpc.upstream_rq_503", "cluster.grpc.upstream_rq_200"],
    })),
    ...["Hang", "HangHeaders"].map((method) => ({
      name: `call: ${method}`,
      requests: [{ ...run(`rh:${call(method, { timeout: 60 })}|ret 1;${CALL}`), quietMs: 300 }],
      stats: ["cluster.grpc.upstream_rq_timeout", "cluster.grpc.upstream_rq_504", "cluster.grpc.upstream_rq_200"],
    })),
    ...["gone", "hostless", "none", "nope"].map((upstream) => ({
      name: `call: to ${upstream}`,
      requests: [{ ...run(`rh:${call("Metadata", { upstream })}${upstream === "gone" ? "|ret 1" : ""};${CALL}`), quietMs: 250 }],
      stats: [`cluster.${upstream}.upstream_rq_503`, `cluster.${upstream}.upstream_cx_none_healthy`],
    })),
    {
      name: "call: metadata and message",
      requests: [
        run(`rh:${call("Metadata", { more: "x-a=1 x-a=2 user-agent=probe x-b-bin=AAE" })}|ret 1;${CALL}`),
        run(`rh:${call("Metadata", { message: "^" })}|ret 1;${CALL}`),
      ],
    },
    {
      name: "call: no timeout",
      requests: [run(`rh:${call("Metadata", { timeout: 0 })}|ret 1;${CALL}`)],
      differs: "Envoy tells the peer of a deadline that is over at once (grpc-timeout: 0m)",
    },
    {
      name: "call: metadata that is the host's own",
      requests: [run(`rh:${call("Metadata", { more: ":path=/other" })}`)],
      differs: "Envoy appends it to its own",
    },
    { name: "call: cancelled", requests: [{ ...run(`rh:${call("Hang")}|g-drop|g-drop;${CALL}`), quietMs: 250 }] },
    { name: "call: from the log, when the stream is gone", requests: [{ ...run(`log:${call("Metadata")};${CALL}`), quietMs: 250 }] },
    {
      name: "service: a message",
      requests: [
        run(`rh:${call("Metadata", { upstream: hex(service("grpc")) })}|ret 1;${CALL}`),
        run(`rh:${call("Metadata", { upstream: hex(service("grpc", field(2, "other.host"))) })}|ret 1;${CALL}`),
        run(
          `rh:${call("Metadata", { upstream: hex(service("grpc"), field(5, Buffer.concat([field(1, "x-s"), field(2, "v")]))) })}|ret 1;${CALL}`,
        ),
        run(`rh:${call("Metadata", { upstream: hex(service("grpc", field(4, Buffer.from([8, 2])))) })}|ret 1;${CALL}`),
        run(`rh:${call("Metadata", { upstream: hex(service("grpc", Buffer.from([40, 1]))) })}|ret 1;${CALL}`),
      ],
    },
    {
      name: "service: a message for a cluster that is not there",
      requests: [{ ...run(`rh:${call("Metadata", { upstream: hex(service("nope")) })};${CALL}`), quietMs: 250 }],
    },
    ...["Metadata", "Nothing", "Denied", "OnlyOk", "Late", "NoStatus", "OddStatus", "Unauthorized", "Http503", "Http500Status"].map(
      (method) => ({
        name: `stream: ${method}`,
        requests: [{ ...run(`rh:${open(method)}|g-send hello end|ret 1;${STREAM}`), quietMs: 250 }],
      }),
    ),
    ...["Compressed", "Cut", "Short", "Reset", "Refused", "ResetLater", "Close", "CloseLater"].map((method) => ({
      name: `stream: ${method}`,
      requests: [{ ...run(`rh:${open(method)}|g-send hello|ret 1;${STREAM}`), quietMs: 250 }],
    })),
    {
      name: "stream: talk",
      requests: [
        {
          ...run(
            `rh:${open("Talk", { more: "x-a=1" })}|g-send one|ret 1;gsi:dump 4;gsm:body 5|g-send two|g-end|g-send three;gst:dump 5;gsc:status|continue 0`,
          ),
          quietMs: 250,
        },
      ],
    },
    {
      name: "stream: the peer ends first",
      requests: [
        { ...run(`rh:${open("Early")}|ret 1;gsi:dump 4;gsm:body 5|dump 4;gst:dump 5;gsc:status|g-send y|continue 0`), quietMs: 250 },
      ],
    },
    {
      name: "stream: cancelled",
      requests: [{ ...run(`rh:${open("Talk")}|g-send one|g-cancel|g-send two|g-end;${STREAM}`), quietMs: 250 }],
    },
    {
      name: "stream: cancelled from its message",
      requests: [{ ...run(`rh:${open("Two")}|ret 1;gsi:;gsm:body 5|g-cancel|continue 0;gst:;gsc:`), quietMs: 250 }],
    },
    ...["gone", "hostless", "nope"].map((upstream) => ({
      name: `stream: to ${upstream}`,
      requests: [
        { ...run(`rh:${open("Metadata", { upstream })}|g-send hello${upstream === "gone" ? "|ret 1" : ""};${STREAM}`), quietMs: 250 },
      ],
    })),
    { name: "buffer and maps without a call", requests: [run("rh:body 5|blen 5|dump 4|dump 5|set 4 a b|splice 5 0 0 x;sh:body 5")] },
    { name: "tokens of nothing", requests: [run("rh:g-raw")] },
  ],
};
