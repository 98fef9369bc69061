// fault: delays, aborts and slow responses, of the chain and of routes, by configuration, by headers and by the runtime.
import { bootstrap, get, post } from "../config.ts";
import type { ParityGroup, ParityRequest } from "../harness.ts";

const NAME = "envoy.filters.http.fault";
const TYPE = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";
const of = (fields: object): object => ({ typed_per_filter_config: { [NAME]: { "@type": TYPE, ...fields } } });
const all = { percentage: { numerator: 100, denominator: "HUNDRED" } };
const none = { percentage: { numerator: 0, denominator: "HUNDRED" } };
const delay = { delay: { fixed_delay: "0.03s", ...all } };
const abort = { abort: { http_status: 503, ...all } };
const byHeader = {
  delay: { header_delay: {}, ...all },
  abort: { header_abort: {}, ...all },
  response_rate_limit: { header_limit: {}, ...all },
};

const ROUTES: Readonly<Record<string, object>> = {
  "/delay": delay,
  "/delay-none": { delay: { fixed_delay: "0.03s", ...none } },
  "/abort": abort,
  "/abort-none": { abort: { http_status: 503, ...none } },
  "/abort-unset": { abort: { http_status: 503 } },
  "/abort-body": { abort: { http_status: 418, response_body: "a teapot", ...all } },
  "/abort-grpc": { abort: { grpc_status: 14, ...all } },
  "/both": { ...delay, ...abort },
  "/metadata": { ...abort, filter_metadata: { why: "test" } },
  "/metadata-delay": { ...delay, filter_metadata: { why: "wait" } },
  "/by-header": byHeader,
  "/by-header-half": { abort: { header_abort: {}, percentage: { numerator: 0, denominator: "TEN_THOUSAND" } } },
  "/cluster": { ...abort, upstream_cluster: "up" },
  "/other-cluster": { ...abort, upstream_cluster: "dead" },
  "/nodes": { ...abort, downstream_nodes: ["n1", "n2"] },
  "/headers": { ...abort, headers: [{ name: "x-a", string_match: { exact: "1" } }] },
  "/no-active": { ...abort, max_active_faults: 0 },
  "/no-caller": { ...abort, disable_downstream_cluster_stats: true },
  "/rate": { response_rate_limit: { fixed_limit: { limit_kbps: 100 }, ...all } },
  "/rate-none": { response_rate_limit: { fixed_limit: { limit_kbps: 100 }, ...none } },
  "/runtime": { ...abort, abort_percent_runtime: "off.percent" },
  "/runtime-status": { ...abort, abort_http_status_runtime: "other.status" },
  "/runtime-delay": { ...delay, ...abort, delay_duration_runtime: "no.delay" },
  "/runtime-grpc": { abort: { grpc_status: 14, ...all }, abort_grpc_status_runtime: "other.grpc" },
  "/runtime-active": { ...abort, max_active_faults_runtime: "no.active" },
};

const STATS = ["delays_injected", "aborts_injected", "response_rl_injected", "faults_overflow", "active_faults"]
  .concat(["c1.delays_injected", "c1.aborts_injected", "quiet.aborts_injected", "loud.aborts_injected"])
  .map((name) => `http.parity.fault.${name}`);
const FORMAT =
  "%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_SENT% %DYNAMIC_METADATA(envoy.filters.http.fault)% %DYNAMIC_METADATA(faults)%\n";

const grpc = (path: string): ParityRequest => post(path, "\0\0\0\0\0", "content-type: application/grpc", "te: trailers");
const requests = (path: string): readonly ParityRequest[] => [
  get(path),
  post(path, "body"),
  grpc(path),
  get(path, "x-a: 1", "x-envoy-downstream-service-node: n2"),
  get(path, "x-envoy-downstream-service-cluster: c1"),
];
const HEADERS: readonly (readonly string[])[] = [
  ["x-envoy-fault-abort-request: 404"],
  ["x-envoy-fault-abort-request: 199"],
  ["x-envoy-fault-abort-request: 600"],
  ["x-envoy-fault-abort-request: 4x4"],
  ["x-envoy-fault-abort-request: 404", "x-envoy-fault-abort-request-percentage: 0"],
  ["x-envoy-fault-abort-request: 404", "x-envoy-fault-abort-request-percentage: 200"],
  ["x-envoy-fault-abort-request: 404", "x-envoy-fault-abort-request-percentage: x"],
  ["x-envoy-fault-abort-grpc-request: 5"],
  ["x-envoy-fault-abort-grpc-request: 5", "x-envoy-fault-abort-request: 410"],
  ["x-envoy-fault-abort-grpc-request: x"],
  ["x-envoy-fault-delay-request: 20"],
  ["x-envoy-fault-delay-request: 0"],
  ["x-envoy-fault-delay-request: -5"],
  ["x-envoy-fault-delay-request: 20", "x-envoy-fault-delay-request-percentage: 0"],
  ["x-envoy-fault-delay-request: 20", "x-envoy-fault-abort-request: 500"],
  ["x-envoy-fault-throughput-response: 100"],
  ["x-envoy-fault-throughput-response: 0"],
  ["x-envoy-fault-throughput-response: 100", "x-envoy-fault-throughput-response-percentage: 0"],
];

export const fault: ParityGroup = {
  name: "fault",
  config: (ports) => ({
    ...bootstrap(ports, {
      routes: [
        ...Object.entries(ROUTES).map(([path, fields]) => ({ match: { path }, route: { cluster: "up" }, ...of(fields) })),
        { match: { path: "/direct" }, direct_response: { status: 403 }, ...of(abort) },
        { match: { path: "/direct-cluster" }, direct_response: { status: 403 }, ...of({ ...abort, upstream_cluster: "up" }) },
        { match: { prefix: "/" }, route: { cluster: "up" } },
      ],
      httpFilters: [
        {
          name: NAME,
          typed_config: { "@type": TYPE, abort: { http_status: 599, ...all }, headers: [{ name: "x-chain", present_match: true }] },
        },
      ],
      logFormat: { text_format_source: { inline_string: FORMAT } },
    }),
    layered_runtime: {
      layers: [
        {
          name: "a",
          static_layer: {
            "off.percent": 0,
            "other.status": 451,
            "other.grpc": 7,
            "no.delay": 0,
            "no.active": 0,
            "fault.http.quiet.abort.abort_percent": 0,
            "fault.http.loud.abort.http_status": 420,
          },
        },
      ],
    },
  }),
  cases: [
    ...[...Object.keys(ROUTES), "/direct", "/direct-cluster", "/nowhere"].map((path) => ({
      name: path,
      requests: requests(path).map((request) => ({ ...request, quietMs: 200 })),
      stats: STATS,
    })),
    { name: "the chain's own", requests: [get("/x", "x-chain: 1"), get("/delay", "x-chain: 1")], stats: STATS },
    ...HEADERS.map((lines) => ({
      name: lines.join(", "),
      requests: ["/by-header", "/by-header-half"].flatMap((path) => [get(path, ...lines), grpc(path)]),
      stats: STATS,
    })),
    {
      name: "callers with runtime values of their own",
      requests: ["quiet", "loud"].map((cluster) => get("/abort", `x-envoy-downstream-service-cluster: ${cluster}`)),
      stats: STATS,
    },
  ],
};
