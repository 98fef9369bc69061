// cors: preflights and marked responses, by policies of a route, a virtual host, a route configuration and a weighted cluster.
import { bootstrap, get } from "../config.ts";
import type { ParityCase, ParityGroup, ParityRequest } from "../harness.ts";

const NAME = "envoy.filters.http.cors";
const policy = (fields: object): object => ({
  typed_per_filter_config: { [NAME]: { "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy", ...fields } },
});
const allow = (...exact: readonly string[]): object => ({
  allow_origin_string_match: exact.map((value) => ({ exact: `http://${value}` })),
});
const percent = (numerator: number, key = ""): object => ({ runtime_key: key, default_value: { numerator, denominator: "HUNDRED" } });

const STATS = ["http.parity.cors.origin_valid", "http.parity.cors.origin_invalid"];

const preflight = (path: string, origin: string, ...more: readonly string[]): ParityRequest => ({
  raw: `OPTIONS ${path} HTTP/1.1\r\n${["host: a.example", `origin: http://${origin}`, ...more].join("\r\n")}\r\n\r\n`,
});
const ASKS = "access-control-request-method: PUT";

const ROUTES: Readonly<Record<string, object>> = {
  "/all": {
    ...allow("ok.example"),
    allow_methods: "GET, PUT",
    allow_headers: "x-a, x-b",
    expose_headers: "x-c",
    max_age: "86400",
    allow_credentials: true,
    allow_private_network_access: true,
  },
  "/bare": allow("ok.example"),
  "/kinds": {
    allow_origin_string_match: [{ prefix: "http://pre." }, { suffix: ".suf" }, { safe_regex: { regex: "http://[a-c]+\\.re" } }],
    allow_credentials: false,
  },
  "/keep": { ...allow("ok.example"), forward_not_matching_preflights: false },
  "/forward": { ...allow("ok.example"), forward_not_matching_preflights: true },
  "/off": { ...allow("ok.example"), filter_enabled: percent(0) },
  "/shadow": { ...allow("ok.example"), filter_enabled: percent(0), shadow_enabled: percent(100) },
  "/shadow-keep": {
    ...allow("ok.example"),
    filter_enabled: percent(0),
    shadow_enabled: percent(100),
    forward_not_matching_preflights: false,
  },
  "/runtime-on": { ...allow("ok.example"), filter_enabled: percent(0, "cors.on") },
  "/runtime-off": { ...allow("ok.example"), filter_enabled: percent(100, "cors.off") },
  "/merged": { max_age: "5" },
  "/none": { allow_methods: "GET" },
};

const requests = (path: string): readonly ParityRequest[] => [
  get(path),
  get(path, "origin: http://ok.example"),
  get(path, "origin: http://bad.example"),
  get(path, "origin: "),
  preflight(path, "ok.example", ASKS),
  preflight(path, "ok.example", ASKS, "access-control-request-private-network: true"),
  preflight(path, "ok.example", "access-control-request-method: "),
  preflight(path, "ok.example"),
  preflight(path, "bad.example", ASKS),
  preflight(path, "bad.example", ASKS, "access-control-request-private-network: true"),
  preflight(path, "bad.example"),
];

const paths = [...Object.keys(ROUTES), "/host", "/weighted", "/direct", "/redirect", "/nowhere", "/marked"];

const kinds: ParityCase = {
  name: "kinds of matchers",
  requests: ["pre.x", "x.pre.", "a.suf", "a.SUF", "abc.re", "abd.re"].map((origin) => get("/kinds", `origin: http://${origin}`)),
  stats: STATS,
};

/** Whether a request without a body says so to the upstream depends on its method. */
const METHODS = ["HEAD", "OPTIONS", "DELETE", "PATCH", "PUT", "PURGE", "CONNECT"];
export const cors: ParityGroup = {
  name: "cors",
  config: (ports) => ({
    ...bootstrap(ports, {
      virtualHosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [
            ...Object.entries(ROUTES).map(([path, fields]) => ({ match: { path }, route: { cluster: "up" }, ...policy(fields) })),
            { match: { path: "/host" }, route: { cluster: "up" } },
            { match: { path: "/marked" }, route: { cluster: "up" } },
            {
              match: { path: "/weighted" },
              route: {
                weighted_clusters: { clusters: [{ name: "up", weight: 1, ...policy({ ...allow("bad.example"), expose_headers: "x-w" }) }] },
              },
            },
            { match: { path: "/direct" }, direct_response: { status: 403 } },
            { match: { path: "/redirect" }, redirect: { path_redirect: "/x" } },
          ],
          ...policy({ ...allow("ok.example"), allow_headers: "x-host" }),
        },
      ],
      routeConfig: policy({ allow_methods: "TRACE", expose_headers: "x-table", allow_credentials: true }),
      httpFilters: [{ name: NAME, typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors" } }],
    }),
    layered_runtime: { layers: [{ name: "a", static_layer: { "cors.on": 100, "cors.off": 0 } }] },
  }),
  upstream: {
    "/marked":
      "HTTP/1.1 200 OK\r\ncontent-length: 0\r\naccess-control-allow-origin: *\r\naccess-control-expose-headers: x-up\r\nx-last: 1\r\n\r\n",
  },
  cases: [
    ...paths.map((path) => ({ name: path, requests: requests(path), stats: STATS })),
    kinds,
    ...METHODS.map((method) => ({ name: method, requests: [{ raw: `${method} /marked HTTP/1.1\r\nhost: a\r\n\r\n` }] })),
  ],
};
