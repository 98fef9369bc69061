// Virtual hosts, route matches, rewrites, redirects, direct responses, weighted clusters.
import { bootstrap, get } from "../config.ts";
import type { ParityGroup } from "../harness.ts";

const route = (match: object, route: object = { cluster: "up" }, more: object = {}): object => ({ match, route, ...more });
const say = (text: string): object => ({ status: 200, body: { inline_string: text } });
const host = (name: string, domains: readonly string[], routes: readonly object[], more: object = {}): object => ({
  name,
  domains,
  routes,
  ...more,
});

export const routing: ParityGroup = {
  name: "routing",
  config: (ports) =>
    bootstrap(ports, {
      virtualHosts: [
        host("exact", ["exact.example", "port.example:8080"], [{ match: { prefix: "/" }, direct_response: say("exact") }]),
        host("suffix", ["*.example", "*.long.example"], [{ match: { prefix: "/" }, direct_response: say("suffix") }]),
        host("longer", ["*.very.long.example"], [{ match: { prefix: "/" }, direct_response: say("longer") }]),
        host("prefix", ["pre.*"], [{ match: { prefix: "/" }, direct_response: say("prefix") }]),
        host("tls", ["tls.only"], [{ match: { prefix: "/" }, direct_response: say("tls") }], { require_tls: "ALL" }),
        host(
          "routes",
          ["*"],
          [
            { name: "path", match: { path: "/exact" }, direct_response: say("path") },
            { match: { path: "/FoLd", case_sensitive: false }, direct_response: say("fold") },
            { match: { path_separated_prefix: "/sep" }, direct_response: say("sep") },
            { match: { safe_regex: { regex: "/re/[0-9]{2,4}(/x)?" } }, direct_response: say("regex") },
            { match: { prefix: "/h", headers: [{ name: "x-a", string_match: { exact: "1" } }] }, direct_response: say("exact header") },
            { match: { prefix: "/h", headers: [{ name: "x-b", present_match: true }] }, direct_response: say("present") },
            { match: { prefix: "/h", headers: [{ name: "x-c", range_match: { start: 1, end: 5 } }] }, direct_response: say("range") },
            {
              match: { prefix: "/h", headers: [{ name: "x-d", string_match: { prefix: "v" }, invert_match: true }] },
              direct_response: say("inverted"),
            },
            {
              match: { prefix: "/h", headers: [{ name: "x-e", string_match: { safe_regex: { regex: "a+b" } } }] },
              direct_response: say("regex header"),
            },
            { match: { prefix: "/h", headers: [{ name: "x-f", present_match: false }] }, direct_response: say("absent") },
            {
              match: { prefix: "/q", query_parameters: [{ name: "a", string_match: { exact: "1" } }] },
              direct_response: say("query exact"),
            },
            { match: { prefix: "/q", query_parameters: [{ name: "b", present_match: true }] }, direct_response: say("query present") },
            { match: { prefix: "/m", headers: [{ name: ":method", string_match: { exact: "PUT" } }] }, direct_response: say("put") },
            route({ prefix: "/pre/" }, { cluster: "up", prefix_rewrite: "/new/" }),
            route(
              { prefix: "/rex" },
              { cluster: "up", regex_rewrite: { pattern: { regex: "^/rex/([^/]+)/(.*)$" }, substitution: "/\\2/of/\\1" } },
            ),
            route({ prefix: "/host-lit" }, { cluster: "up", host_rewrite_literal: "new.example" }),
            route({ prefix: "/host-hdr" }, { cluster: "up", host_rewrite_header: "x-host" }),
            route({ prefix: "/host-app" }, { cluster: "up", host_rewrite_literal: "new.example", append_x_forwarded_host: true }),
            route(
              { prefix: "/host-re" },
              { cluster: "up", host_rewrite_path_regex: { pattern: { regex: "^/host-re/([^/]+).*$" }, substitution: "\\1.example" } },
            ),
            route({ prefix: "/by-header" }, { cluster_header: "x-cluster" }),
            route(
              { prefix: "/weighted" },
              {
                weighted_clusters: {
                  clusters: [
                    { name: "up", weight: 1 },
                    { name: "none", weight: 0 },
                  ],
                },
              },
            ),
            route({ prefix: "/unknown" }, { cluster_header: "x-nothing", cluster_not_found_response_code: "NOT_FOUND" }),
            { match: { prefix: "/r/path" }, redirect: { path_redirect: "/there?x=1" } },
            { match: { prefix: "/r/keepq" }, redirect: { path_redirect: "/there" } },
            { match: { prefix: "/r/strip" }, redirect: { path_redirect: "/there", strip_query: true } },
            { match: { prefix: "/r/https" }, redirect: { https_redirect: true } },
            { match: { prefix: "/r/host" }, redirect: { host_redirect: "other.example", response_code: "FOUND" } },
            { match: { prefix: "/r/port" }, redirect: { port_redirect: 8443, response_code: "TEMPORARY_REDIRECT" } },
            { match: { prefix: "/r/pre" }, redirect: { prefix_rewrite: "/p2", response_code: "PERMANENT_REDIRECT" } },
            {
              match: { prefix: "/r/re" },
              redirect: { regex_rewrite: { pattern: { regex: "/r/re/(.*)" }, substitution: "/x/\\1" }, response_code: "SEE_OTHER" },
            },
            { match: { prefix: "/empty" }, direct_response: { status: 204 } },
            {
              match: { prefix: "/teapot" },
              direct_response: { status: 418, body: { inline_string: "short and stout" } },
              response_headers_to_add: [{ header: { key: "x-pot", value: "%ROUTE_NAME%|%RESPONSE_CODE%" } }],
            },
            { match: { prefix: "/grpc", grpc: {} }, direct_response: say("grpc") },
            { match: { prefix: "/frac", runtime_fraction: { default_value: { numerator: 0 } } }, direct_response: say("never") },
            { match: { prefix: "/frac", runtime_fraction: { default_value: { numerator: 100 } } }, direct_response: say("always") },
            route({ prefix: "/up" }),
          ],
        ),
      ],
    }),
  cases: [
    { name: "exact host", requests: [{ raw: "GET / HTTP/1.1\r\nhost: exact.example\r\n\r\n" }] },
    { name: "host case is ignored", requests: [{ raw: "GET / HTTP/1.1\r\nhost: EXACT.Example\r\n\r\n" }] },
    {
      name: "a port is part of the host",
      requests: [{ raw: "GET / HTTP/1.1\r\nhost: exact.example:81\r\n\r\n" }, { raw: "GET / HTTP/1.1\r\nhost: port.example:8080\r\n\r\n" }],
    },
    {
      name: "suffix wildcard",
      requests: [{ raw: "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n" }, { raw: "GET / HTTP/1.1\r\nhost: .example\r\n\r\n" }],
    },
    { name: "longest suffix wins", requests: [{ raw: "GET / HTTP/1.1\r\nhost: a.very.long.example\r\n\r\n" }] },
    { name: "prefix wildcard", requests: [{ raw: "GET / HTTP/1.1\r\nhost: pre.fix\r\n\r\n" }] },
    { name: "require_tls", requests: [{ raw: "GET /a?b HTTP/1.1\r\nhost: tls.only\r\n\r\n" }] },
    {
      name: "path",
      requests: [{ raw: "GET /exact?q=1 HTTP/1.1\r\nhost: other\r\n\r\n" }, { raw: "GET /exact/ HTTP/1.1\r\nhost: other\r\n\r\n" }],
    },
    ...(
      [
        ["case-insensitive path", ["/fold", "/FOLD?x"]],
        ["path_separated_prefix", ["/sep", "/sep/a", "/sep?x", "/separate"]],
        ["safe_regex", ["/re/12", "/re/12345", "/re/123/x", "/re/12?a=/"]],
        ["prefix_rewrite", ["/pre/a/b?c=d", "/pre/"]],
        ["regex_rewrite", ["/rex/a/b/c?q=1", "/rex"]],
        ["host_rewrite_literal", ["/host-lit"]],
        ["append_x_forwarded_host", ["/host-app"]],
        ["host_rewrite_path_regex", ["/host-re/abc/d?e"]],
        ["weighted clusters", ["/weighted"]],
        ["cluster_not_found_response_code", ["/unknown"]],
        ["path_redirect with its own query", ["/r/path?y=2"]],
        ["path_redirect keeps the query", ["/r/keepq?y=2"]],
        ["strip_query", ["/r/strip?y=2"]],
        ["https_redirect", ["/r/https?y=2"]],
        ["host_redirect", ["/r/host?y=2"]],
        ["port_redirect", ["/r/port?y=2"]],
        ["redirect prefix_rewrite", ["/r/pre/x?y=2"]],
        ["redirect regex_rewrite", ["/r/re/x?y=2"]],
        ["direct response without body", ["/empty"]],
        ["direct response with headers", ["/teapot"]],
        ["runtime_fraction", ["/frac"]],
        ["no route", ["/nothing-here"]],
      ] as const
    ).map(([name, paths]) => ({ name, requests: paths.map((path) => ({ raw: `GET ${path} HTTP/1.1\r\nhost: other\r\n\r\n` })) })),
    {
      name: "header exact",
      requests: [
        { raw: "GET /h HTTP/1.1\r\nhost: o\r\nx-a: 1\r\nx-f: 1\r\n\r\n" },
        { raw: "GET /h HTTP/1.1\r\nhost: o\r\nx-a: 1\r\nx-a: 2\r\nx-f: 1\r\n\r\n" },
      ],
    },
    { name: "header present", requests: [{ raw: "GET /h HTTP/1.1\r\nhost: o\r\nx-b:\r\nx-f: 1\r\n\r\n" }] },
    {
      name: "header range",
      requests: [
        { raw: "GET /h HTTP/1.1\r\nhost: o\r\nx-c: 4\r\nx-f: 1\r\n\r\n" },
        { raw: "GET /h HTTP/1.1\r\nhost: o\r\nx-c: 5\r\nx-f: 1\r\n\r\n" },
      ],
    },
    {
      name: "header inverted",
      requests: [
        { raw: "GET /h HTTP/1.1\r\nhost: o\r\nx-d: w\r\nx-f: 1\r\n\r\n" },
        { raw: "GET /h HTTP/1.1\r\nhost: o\r\nx-f: 1\r\n\r\n" },
      ],
    },
    {
      name: "header regex and absence",
      requests: [{ raw: "GET /h HTTP/1.1\r\nhost: o\r\nx-e: aab\r\nx-f: 1\r\n\r\n" }, { raw: "GET /h HTTP/1.1\r\nhost: o\r\n\r\n" }],
    },
    {
      name: "query parameters",
      requests: ["/q?a=1", "/q?a=2&b", "/q?c&a=1", "/q"].map((path) => ({ raw: `GET ${path} HTTP/1.1\r\nhost: o\r\n\r\n` })),
    },
    {
      name: "method",
      requests: [{ raw: "PUT /m HTTP/1.1\r\nhost: o\r\ncontent-length: 0\r\n\r\n" }, { raw: "GET /m HTTP/1.1\r\nhost: o\r\n\r\n" }],
    },
    {
      name: "host_rewrite_header",
      requests: [
        { raw: "GET /host-hdr HTTP/1.1\r\nhost: o\r\nx-host: named.example\r\n\r\n" },
        { raw: "GET /host-hdr HTTP/1.1\r\nhost: o\r\n\r\n" },
      ],
    },
    {
      name: "cluster_header",
      requests: [
        { raw: "GET /by-header HTTP/1.1\r\nhost: o\r\nx-cluster: up\r\n\r\n" },
        { raw: "GET /by-header HTTP/1.1\r\nhost: o\r\nx-cluster: nope\r\n\r\n" },
      ],
    },
    {
      name: "grpc match",
      requests: [
        { raw: "GET /grpc HTTP/1.1\r\nhost: o\r\ncontent-type: application/grpc+proto\r\n\r\n" },
        { raw: "GET /grpc HTTP/1.1\r\nhost: o\r\ncontent-type: text/plain\r\n\r\n" },
      ],
    },
    { name: "HEAD of a direct response", requests: [{ raw: "HEAD /teapot HTTP/1.1\r\nhost: o\r\n\r\n" }] },
    {
      name: "forwarding",
      requests: [get("/up?x=1")],
      stats: [
        "cluster.up.upstream_rq_200",
        "cluster.up.upstream_rq_2xx",
        "cluster.up.upstream_rq_total",
        "http.parity.downstream_rq_2xx",
        "http.parity.downstream_rq_total",
      ],
    },
  ],
};
