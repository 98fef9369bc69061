// gRPC over HTTP/1.1, which Envoy treats like gRPC over HTTP/2 in all that does not concern framing: local replies, deadlines, retries.
import { bootstrap, post, staticCluster } from "../config.ts";
import type { ParityGroup, ParityRequest } from "../harness.ts";

const call = (path: string, ...headers: readonly string[]): ParityRequest => ({
  ...post(path, "\0\0\0\0\0", "content-type: application/grpc", "te: trailers", ...headers),
  quietMs: 500,
});

const retry = (retry_on: string): object => ({
  retry_policy: { retry_on, num_retries: 2, retry_back_off: { base_interval: "0.001s", max_interval: "0.002s" } },
});

const answer = (status: number): string =>
  `HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: ${status}\r\ncontent-length: 0\r\n\r\n`;

export const grpc: ParityGroup = {
  name: "gRPC",
  config: (ports) =>
    bootstrap(ports, {
      routes: [
        { match: { prefix: "/dead" }, route: { cluster: "dead" } },
        { match: { prefix: "/none" }, route: { cluster: "none" } },
        { match: { prefix: "/unknown" }, route: { cluster_header: "x-cluster" } },
        { match: { prefix: "/direct" }, direct_response: { status: 403, body: { inline_string: "no 100% way" } } },
        { match: { prefix: "/only", grpc: {} }, route: { cluster: "none" } },
        { match: { prefix: "/hang/route" }, route: { cluster: "up", timeout: "0.2s" } },
        { match: { prefix: "/hang/old" }, route: { cluster: "up", max_grpc_timeout: "0.3s" } },
        { match: { prefix: "/hang/unlimited" }, route: { cluster: "up", timeout: "0.4s", max_grpc_timeout: "0s" } },
        { match: { prefix: "/hang/offset" }, route: { cluster: "up", max_grpc_timeout: "2s", grpc_timeout_offset: "0.1s" } },
        {
          match: { prefix: "/hang/new" },
          route: { cluster: "up", timeout: "0s", max_stream_duration: { grpc_timeout_header_max: "0.3s" } },
        },
        {
          match: { prefix: "/hang/max" },
          route: { cluster: "up", timeout: "0s", max_stream_duration: { max_stream_duration: "0.2s", grpc_timeout_header_max: "0s" } },
        },
        {
          match: { prefix: "/hang/less" },
          route: {
            cluster: "up",
            timeout: "0s",
            max_stream_duration: { grpc_timeout_header_max: "2s", grpc_timeout_header_offset: "0.15s" },
          },
        },
        {
          match: { prefix: "/hang/duration" },
          route: { cluster: "up", timeout: "0s", max_stream_duration: { max_stream_duration: "0.2s" } },
        },
        ...["cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"].map((word) => ({
          match: { prefix: `/try/${word}/` },
          route: { cluster: "up", prefix_rewrite: "/", ...retry(word) },
        })),
        { match: { prefix: "/" }, route: { cluster: "up" } },
      ],
      clusters: [staticCluster("spare", [ports.upstream])],
    }),
  upstream: {
    "/hang/route": "<hang>",
    "/hang/old": "<hang>",
    "/hang/unlimited": "<hang>",
    "/hang/offset": "<hang>",
    "/hang/new": "<hang>",
    "/hang/max": "<hang>",
    "/hang/less": "<hang>",
    "/hang/duration": "<hang>",
    "/cut": "<close>",
    "/bad": "NONSENSE\r\n\r\n",
    "/plain": "HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy",
    ...Object.fromEntries([0, 1, 4, 8, 13, 14, 16].map((status) => [`/${status}`, answer(status)])),
  },
  cases: [
    ...["/none", "/dead", "/unknown", "/direct", "/cut", "/bad"].map((path) => ({ name: `local reply: ${path}`, requests: [call(path)] })),
    {
      name: "content types",
      requests: ["application/grpc+proto", "application/grpc-web", "application/grpcx", "application/grpc;v=1"].map((type) =>
        post("/none", "", `content-type: ${type}`),
      ),
    },
    { name: "an answer of the upstream that is no gRPC", requests: [call("/plain")] },
    { name: "route timeout", requests: [call("/hang/route")] },
    {
      name: "max_grpc_timeout",
      requests: [call("/hang/old"), call("/hang/old", "grpc-timeout: 100m"), call("/hang/old", "grpc-timeout: 10S")],
    },
    {
      name: "max_grpc_timeout of 0",
      requests: [
        call("/hang/unlimited", "grpc-timeout: 100m"),
        call("/hang/unlimited", "grpc-timeout: 100000u"),
        call("/hang/unlimited", "grpc-timeout: 1x"),
        call("/hang/unlimited", "grpc-timeout: 123456789m"),
      ],
      without: { parts: ["log"], why: "the client gives up waiting and closes its side, which Envoy takes for its end" },
    },
    { name: "grpc_timeout_offset", requests: [call("/hang/offset", "grpc-timeout: 250m"), call("/hang/offset", "grpc-timeout: 50m")] },
    {
      name: "grpc_timeout_header_max",
      requests: [call("/hang/new", "grpc-timeout: 100m"), call("/hang/new", "grpc-timeout: 5S"), call("/hang/new", "grpc-timeout: 0m")],
    },
    { name: "grpc_timeout_header_max of 0", requests: [call("/hang/max"), call("/hang/max", "grpc-timeout: 300m")] },
    { name: "grpc_timeout_header_offset", requests: [call("/hang/less", "grpc-timeout: 300m"), call("/hang/less", "grpc-timeout: 100m")] },
    { name: "max_stream_duration", requests: [call("/hang/duration"), call("/hang/duration", "grpc-timeout: 50m")] },
    { name: "a route for gRPC alone", requests: [call("/only"), post("/only", "x", "content-type: text/plain")] },
    ...["cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable"].map((word) => ({
      name: `retry on ${word}`,
      requests: [0, 1, 4, 8, 13, 14, 16].map((status) => call(`/try/${word}/${status}`)),
    })),
    {
      name: "retry by header",
      requests: [call("/14", "x-envoy-retry-grpc-on: unavailable"), call("/8", "x-envoy-retry-grpc-on: cancelled")],
    },
  ],
};
