// The HTTP filters of gRPC: grpc_stats in each of its modes, grpc_web in its binary and its text form.
import { bootstrap, http2Cluster, post } from "../config.ts";
import type { GroupPorts, ParityGroup, ParityRequest } from "../harness.ts";
import type { Step } from "../grpc-upstream.ts";

const filter = (name: string, type: string, config: object): object => ({
  name,
  typed_config: { "@type": `type.googleapis.com/envoy.extensions.filters.http.${type}`, ...config },
});

const ANSWERS: Readonly<Record<string, readonly Step[]>> = {
  "/pkg.Svc/Two": [{ untilEnd: true }, { headers: {} }, { message: "one" }, { message: "two" }, { trailers: { "grpc-status": 0 } }],
  "/pkg.Svc/Fails": [{ headers: {} }, { trailers: { "grpc-status": 5, "grpc-message": "gone" } }],
  "/pkg.Svc/Only": [{ only: { "grpc-status": 7, "grpc-message": "no" } }],
  "/pkg.Svc/Odd": [{ only: { "grpc-status": 99 } }],
  "/pkg.Svc/Http503": [{ only: { ":status": 503, "content-type": "text/plain" } }],
  "/pkg.Svc/Plain": [{ headers: { ":status": 503, "content-type": "text/plain", "x-up": "1" } }, { bytes: "busy 100%\n" }, { end: true }],
  "/pkg.Svc/PlainOk": [{ headers: { "content-type": "text/html" } }, { bytes: "<p>" }, { waitMs: 20 }, { bytes: "hello" }, { end: true }],
  "/pkg.Svc/PlainTrailers": [
    { headers: { ":status": 404, "content-type": "text/plain" } },
    { bytes: "none" },
    { trailers: { "x-last": "1" } },
  ],
  "/pkg.Svc/Cut": [
    { headers: {} },
    { bytes: "\0\0" },
    { waitMs: 20 },
    { bytes: "\0\0\x06ab" },
    { waitMs: 20 },
    { bytes: "cdef" },
    { trailers: { "grpc-status": 0, "x-last": "1" } },
  ],
};

const message = (...texts: readonly string[]): string => texts.map((text) => `\0\0\0\0${String.fromCharCode(text.length)}${text}`).join("");
const call = (path: string, body = message("q"), type = "application/grpc", ...more: readonly string[]): ParityRequest =>
  post(path, body, `content-type: ${type}`, "te: trailers", ...more);

const names = (prefix: string): string[] =>
  ["0", "5", "7", "14", "success", "failure", "total", "request_message_count", "response_message_count"].map((name) => prefix + name);

function statsGroup(name: string, config: object, prefixes: readonly string[], altName?: string): ParityGroup {
  const stats = prefixes.flatMap(names);
  return {
    name: `grpc_stats: ${name}`,
    config: (ports) =>
      bootstrap(ports, {
        routes: [
          { match: { prefix: "/none.Svc" }, route: { cluster: "none" } },
          { match: { prefix: "/nowhere.Svc" }, route: { cluster_header: "x-nowhere" } },
          { match: { prefix: "/" }, route: { cluster: "grpc" } },
        ],
        clusters: [http2Cluster("grpc", [ports.grpc], altName === undefined ? {} : { alt_stat_name: altName })],
        httpFilters: [filter("grpc_stats", "grpc_stats.v3.FilterConfig", config)],
        logFormat: {
          text_format_source: {
            inline_string: "%REQ(:PATH)% %GRPC_STATUS% state=%FILTER_STATE(envoy.filters.http.grpc_stats:PLAIN)%\n",
          },
        },
      }),
    grpcUpstream: ANSWERS,
    cases: [
      { name: "messages", requests: [call("/pkg.Svc/Two", message("a", "bc", ""))], stats },
      ...["Fails", "Only", "Http503"].map((method) => ({ name: method, requests: [call(`/pkg.Svc/${method}`)], stats })),
      {
        name: "a local reply",
        requests: [call("/none.Svc/M")],
        stats: names("cluster.none.grpc.none.Svc.M.").concat(names("cluster.none.grpc.")),
      },
      { name: "no cluster", requests: [call("/nowhere.Svc/M")], stats },
      {
        name: "paths that are no method",
        requests: [call("/pkg.Svc"), call("/a/b/c"), call("//pkg.Svc//Two/"), call("/pkg.Svc/Two?x=1")],
        stats,
      },
      {
        name: "not gRPC",
        requests: [call("/pkg.Svc/Two", "x", "text/plain"), call("/pkg.Svc/Two", message("a"), "application/grpc-web")],
        stats,
      },
    ],
  };
}

export const grpcStats: readonly ParityGroup[] = [
  statsGroup("for all methods", { stats_for_all_methods: true, emit_filter_state: true }, [
    "cluster.grpc.grpc.pkg.Svc.Two.",
    "cluster.grpc.grpc.pkg.Svc.Fails.",
    "cluster.grpc.grpc.pkg.Svc.Only.",
    "cluster.grpc.grpc.pkg.Svc.Http503.",
    "cluster.grpc.grpc.pkg.Svc.Two?x=1.",
    "cluster.grpc.grpc.",
  ]),
  statsGroup("for none", { enable_upstream_stats: true }, ["cluster.grpc.grpc.pkg.Svc.Two.", "cluster.grpc.grpc."]),
  statsGroup(
    "for a list, with replaced dots",
    {
      individual_method_stats_allowlist: { services: [{ name: "pkg.Svc", method_names: ["Two", "Only"] }] },
      replace_dots_in_grpc_service_name: true,
    },
    ["cluster.other.grpc.pkg_Svc.Two.", "cluster.other.grpc.pkg_Svc.Only.", "cluster.other.grpc.pkg.Svc.Two.", "cluster.other.grpc."],
    "other",
  ),
  statsGroup("for all methods, with replaced dots", { stats_for_all_methods: true, replace_dots_in_grpc_service_name: true }, [
    "cluster.grpc.grpc.pkg_Svc.Two.",
    "cluster.grpc.grpc.pkg_Svc.Only.",
  ]),
];

const WEB = "application/grpc-web";
const TEXT = "application/grpc-web-text";
const base64 = (text: string): string => Buffer.from(text, "latin1").toString("base64");
const chunked = (parts: readonly string[], type: string, ...more: readonly string[]): ParityRequest => ({
  raw: `POST /pkg.Svc/Two HTTP/1.1\r\n${["host: a.example", "transfer-encoding: chunked", `content-type: ${type}`, ...more].join("\r\n")}\r\n\r\n`,
  later: [...parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`), "0\r\n\r\n"],
});

export const grpcWeb: ParityGroup = {
  name: "grpc_web",
  config: (ports: GroupPorts) =>
    bootstrap(ports, {
      routes: [
        { match: { prefix: "/none.Svc" }, route: { cluster: "none" } },
        { match: { prefix: "/direct.Svc" }, direct_response: { status: 403, body: { inline_string: "no 100% way" } } },
        { match: { prefix: "/" }, route: { cluster: "grpc" } },
      ],
      clusters: [http2Cluster("grpc", [ports.grpc])],
      httpFilters: [filter("grpc_web", "grpc_web.v3.GrpcWeb", {})],
    }),
  grpcUpstream: ANSWERS,
  cases: [
    ...[WEB, `${WEB}+proto`, `${WEB}+json`, `${WEB};x=1`, TEXT, `${TEXT}+proto`, "application/grpc", "text/plain"].map((type) => ({
      name: `content type ${type}`,
      requests: [call("/pkg.Svc/Two", type.startsWith(TEXT) ? base64(message("a", "bc")) : message("a", "bc"), type)],
      stats: names("cluster.grpc.grpc-web.pkg.Svc.Two."),
    })),
    ...[TEXT, `${TEXT}+proto`, WEB, "*/*", `${TEXT}, */*`].map((accept) => ({
      name: `accept ${accept}`,
      requests: [call("/pkg.Svc/Two", message("a"), WEB, `accept: ${accept}`)],
    })),
    ...["Fails", "Only", "Http503", "Plain", "PlainOk", "PlainTrailers", "Cut"].flatMap((method) => [
      {
        name: `binary: ${method}`,
        requests: [{ ...call(`/pkg.Svc/${method}`, message("q"), WEB), quietMs: 250 }],
        stats: names(`cluster.grpc.grpc-web.pkg.Svc.${method}.`),
      },
      {
        name: `text: ${method}`,
        requests: [{ ...call(`/pkg.Svc/${method}`, base64(message("q")), TEXT, `accept: ${TEXT}`), quietMs: 250 }],
        stats: names(`cluster.grpc.grpc-web.pkg.Svc.${method}.`),
      },
    ]),
    ...["/none.Svc/M", "/direct.Svc/M"].flatMap((path) =>
      [WEB, TEXT].map((type) => ({ name: `local reply: ${path} ${type}`, requests: [call(path, "", type, `accept: ${type}`)] })),
    ),
    {
      name: "text: in parts",
      requests: [
        chunked(["AA", "AAAAN", "hYmM="], TEXT),
        chunked(["A", "A", "A", "A"], TEXT),
        chunked([base64("\0\0\0\0\x01"), base64("a")], TEXT),
      ],
      without: { parts: ["log"], why: "the last bytes of a body and its end are one event" },
    },
    {
      name: "text: not a multiple of four",
      requests: [chunked(["AAAAAA"], TEXT)],
      differs: "the request has ended when its last bytes are found to be too few: the connection stays",
    },
    {
      name: "text: no base64",
      requests: [...["AA*A", "AA==AAAA", "=AAA", "A==="].map((text) => chunked([text], TEXT)), call("/pkg.Svc/Two", "", TEXT)],
    },
  ],
};
