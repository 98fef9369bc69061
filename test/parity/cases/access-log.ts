// Access logs: every operator that has a meaning without TLS, typed JSON, the filters.
import { bootstrap, get, post, staticCluster } from "../config.ts";
import type { GroupPorts, ParityGroup } from "../harness.ts";

const UPSTREAM = {
  "/trailers": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n",
  "/500": "HTTP/1.1 500 Oops\r\ncontent-length: 3\r\n\r\nbad",
  "/grpc": "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\ngrpc-status: 7\r\n\r\n",
  "/grpc-odd": "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\ngrpc-status: 99\r\n\r\n",
  "/slow": "<delay:120>HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
  "/hang": "<hang>",
};
const METADATA = { filter_metadata: { ns: { text: "v", number: 7, part: 0.5, yes: true, list: [1, "a"], map: { deep: "d", b: false } } } };

const routes = [
  { name: "dead", match: { prefix: "/dead" }, route: { cluster: "dead" } },
  { name: "none", match: { prefix: "/none" }, route: { cluster: "none" } },
  { name: "hang", match: { prefix: "/hang" }, route: { cluster: "up", timeout: "0.1s" } },
  { name: "said", match: { prefix: "/said" }, direct_response: { status: 200, body: { inline_string: "said" } } },
  { name: "moved", match: { prefix: "/moved" }, redirect: { path_redirect: "/there" } },
  { name: "new", match: { prefix: "/old" }, route: { cluster: "tagged", prefix_rewrite: "/new" } },
  { name: "all", metadata: METADATA, match: { prefix: "/" }, route: { cluster: "tagged" } },
];

const TEXT = [
  "%PROTOCOL% %REQ(:METHOD)% %REQ(:PATH)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %REQ(:AUTHORITY)% %REQ(X-A)% %REQ(x-none?X-A)% %REQ(x-none)% %REQ(x-long):4% %REQ(x-none?x-long):6%",
  "%RESP(X-UP)% %RESP(:STATUS)% %RESP(x-none?X-UP)% %RESP(x-up):0% %TRAILER(X-T)% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%",
  "%BYTES_RECEIVED% %BYTES_SENT% %CONNECTION_TERMINATION_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON%",
  "%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %UPSTREAM_PROTOCOL% %UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
  "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_LOCAL_ADDRESS%",
  "%ROUTE_NAME% %FILTER_CHAIN_NAME% %REQUESTED_SERVER_NAME% %DOWNSTREAM_TLS_VERSION% %VIRTUAL_CLUSTER_NAME% %GRPC_STATUS% %GRPC_STATUS_NUMBER% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)%",
  "%PATH% %PATH(NQ)% %PATH(WQ:ORIG)% %PATH(WQ:PATH)% %PATH(NQ:ORIG_OR_PATH):5% %METADATA(ROUTE:ns:text)% %METADATA(ROUTE:ns)% %CLUSTER_METADATA(ns:map:deep)% %METADATA(CLUSTER:ns:list)% %DYNAMIC_METADATA(ns:a)% %METADATA(ROUTE:ns:text):1%",
  "%FILTER_STATE(none)% %ENVIRONMENT(NO_SUCH_VARIABLE)% 100%% plain",
].join(" | ");

const TIMES = [
  "time1=%START_TIME% time2=%START_TIME(%Y/%m/%dT%H:%M:%S%z)% time3=%START_TIME(%s)% time4=%START_TIME(%s.%3f)% time5=%START_TIME(%T.%6f)% time6=%START_TIME(%9f|%f|%1f)% day=%START_TIME(%a|%A|%b|%B|%d|%e|%j|%y|%Z|%F|%%|text)%",
  "ms_a=%DURATION% ms_b=%REQUEST_DURATION% ms_c=%RESPONSE_DURATION% ms_d=%RESPONSE_TX_DURATION% ms_e=%REQUEST_TX_DURATION% ms_f=%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ms)% ms_g=%COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%",
  "n_a=%UPSTREAM_LOCAL_PORT% n_b=%DOWNSTREAM_REMOTE_PORT% n_c=%CONNECTION_ID% n_d=%UPSTREAM_REMOTE_PORT% n_e=%DOWNSTREAM_LOCAL_PORT% n_f=%DOWNSTREAM_DIRECT_REMOTE_PORT% n_g=%STREAM_ID%",
].join(" ");

const REQUESTS = [
  { name: "forwarded", requests: [get("/x?q=1&r", "x-a: 1", "x-a: 2", "x-long: abcdefgh")] },
  { name: "with a body", requests: [post("/x", "abcdef", "x-a: é")] },
  { name: "rewritten path", requests: [get("/old/a?b")] },
  { name: "direct response and redirect", requests: [get("/said"), get("/moved?x")] },
  { name: "dead and absent upstream", requests: [get("/dead"), get("/none")] },
  { name: "route timeout", requests: [{ ...get("/hang"), quietMs: 300 }] },
  { name: "upstream failure", requests: [get("/500")] },
  {
    name: "gRPC",
    requests: [get("/grpc", "content-type: application/grpc"), get("/grpc-odd", "content-type: application/grpc+x"), get("/grpc")],
  },
  { name: "HEAD", requests: [{ raw: "HEAD /said HTTP/1.1\r\nhost: a\r\n\r\n" }] },
  { name: "a client that leaves", requests: [{ raw: "POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc", quietMs: 100 }] },
];

const clusters = (ports: GroupPorts): object[] => [
  staticCluster("tagged", [ports.upstream], { metadata: METADATA, alt_stat_name: "other" }),
];
const log = (name: string, logFormat: object, requests = REQUESTS): ParityGroup => ({
  name: `access log: ${name}`,
  config: (ports) => bootstrap(ports, { routes, clusters: clusters(ports), logFormat }),
  upstream: UPSTREAM,
  cases: requests,
});

const TYPED = {
  text: "%REQ(X-A)%",
  absent: "%REQ(x-none)%",
  number: "%RESPONSE_CODE%",
  bytes: "%BYTES_SENT%",
  attempts: "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
  mixed: "%RESPONSE_CODE%/%REQ(x-none)%",
  constant: "plain",
  whole: 5,
  part: 0.5,
  yes: true,
  nested: { z: "%PROTOCOL%", a: { deep: "%REQ(:PATH)%", none: "%REQ(x-none)%" } },
  list: ["%RESPONSE_CODE%", "x", { a: "%RESPONSE_FLAGS%" }, "%REQ(x-none)%"],
  metadata: "%METADATA(ROUTE:ns)%",
  member: "%METADATA(ROUTE:ns:number)%",
  flag: "%METADATA(ROUTE:ns:yes)%",
  path: "%PATH%",
  'quoted "key"': "%REQ(x-quoted)%",
};

const JSON_REQUESTS = [
  { name: "forwarded", requests: [get("/x?q=1", "x-a: 1")] },
  { name: "nothing to say", requests: [get("/said")] },
  {
    name: "quotes, backslashes, control characters, bytes beyond ASCII",
    requests: [get("/x", 'x-a: a"b\\c', "x-quoted: \t|</script>'"), get("/x", "x-a: caf\u00c3\u00a9")],
  },
  { name: "bytes that are no UTF-8", requests: [get("/x", "x-a: \u00ff\u00fe")] },
];

export const accessLogs: readonly ParityGroup[] = [
  log("text", { text_format_source: { inline_string: `${TEXT}\n` } }),
  log("text, empty values omitted", { text_format_source: { inline_string: `${TEXT}\n` }, omit_empty_values: true }, REQUESTS.slice(0, 5)),
  log("times and sizes", { text_format_source: { inline_string: `${TIMES}\n` } }, [
    REQUESTS[0],
    REQUESTS[1],
    { name: "slow", requests: [{ ...get("/slow"), quietMs: 250 }] },
    REQUESTS[3],
    REQUESTS[4],
  ]),
  log("JSON", { json_format: TYPED }, JSON_REQUESTS),
  log("JSON, empty values omitted", { json_format: TYPED, omit_empty_values: true }, JSON_REQUESTS),
  log("JSON, keys sorted", { json_format: TYPED, json_format_options: { sort_properties: true } }, JSON_REQUESTS.slice(0, 2)),
];

const ANY = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog";
const compare = (op: string, value: number): object => ({ comparison: { op, value: { default_value: value, runtime_key: "none" } } });
const FILTERS: Readonly<Record<string, object>> = {
  "status>=500": { status_code_filter: compare("GE", 500) },
  "status<=299": { status_code_filter: compare("LE", 299) },
  "status=404": { status_code_filter: compare("EQ", 404) },
  "duration>=100": { duration_filter: compare("GE", 100) },
  "no health check": { not_health_check_filter: {} },
  traceable: { traceable_filter: {} },
  "all of runtime": { runtime_filter: { runtime_key: "none", percent_sampled: { numerator: 100 } } },
  "none of runtime": { runtime_filter: { runtime_key: "none", percent_sampled: { numerator: 0 } } },
  header: { header_filter: { header: { name: "x-log", string_match: { exact: "yes" } } } },
  "no header": { header_filter: { header: { name: "x-log", present_match: true, invert_match: true } } },
  "any flag": { response_flag_filter: {} },
  "flags UF and UH": { response_flag_filter: { flags: ["UF", "UH"] } },
  "gRPC status": { grpc_status_filter: { statuses: ["PERMISSION_DENIED", "UNKNOWN"] } },
  "other gRPC status": { grpc_status_filter: { statuses: ["PERMISSION_DENIED"], exclude: true } },
  and: {
    and_filter: {
      filters: [{ status_code_filter: compare("GE", 500) }, { header_filter: { header: { name: "x-log", present_match: true } } }],
    },
  },
  or: {
    or_filter: {
      filters: [{ status_code_filter: compare("GE", 500) }, { header_filter: { header: { name: "x-log", present_match: true } } }],
    },
  },
};

export const accessLogFilters: ParityGroup = {
  name: "access log filters",
  config: (ports) =>
    bootstrap(ports, {
      routes,
      clusters: clusters(ports),
      hcm: {
        access_log: Object.entries(FILTERS).map(([name, filter]) => ({
          name: "file",
          filter,
          typed_config: {
            "@type": ANY,
            path: ports.log,
            log_format: { text_format_source: { inline_string: `${name}: %REQ(:PATH)% %RESPONSE_CODE%\n` } },
          },
        })),
      },
    }),
  upstream: UPSTREAM,
  cases: [
    { name: "forwarded", requests: [get("/x"), get("/x", "x-log: yes"), get("/x", "x-log: no")] },
    { name: "failures", requests: [get("/500"), get("/500", "x-log: yes"), get("/dead"), get("/none"), { ...get("/hang"), quietMs: 300 }] },
    { name: "slow", requests: [{ ...get("/slow"), quietMs: 250 }] },
    { name: "gRPC", requests: [get("/grpc", "content-type: application/grpc"), get("/grpc")] },
    { name: "own answers", requests: [get("/said"), get("/moved")] },
  ],
};
