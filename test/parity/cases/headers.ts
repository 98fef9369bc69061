// Request and response headers as the connection manager and the route leave them.
import { bootstrap, get } from "../config.ts";
import type { ParityGroup } from "../harness.ts";

const add = (key: string, value: string, append_action = "APPEND_IF_EXISTS_OR_ADD", more: object = {}): object => ({
  header: { key, value },
  append_action,
  ...more,
});

export const mutations: ParityGroup = {
  name: "header mutations",
  config: (ports) =>
    bootstrap(ports, {
      hcm: { use_remote_address: true, via: "edge" },
      routeConfig: {
        request_headers_to_add: [add("x-level", "table"), add("x-order", "table", "OVERWRITE_IF_EXISTS_OR_ADD")],
        response_headers_to_add: [add("x-r-level", "table")],
        request_headers_to_remove: ["x-drop-table"],
        response_headers_to_remove: ["x-drop-r"],
      },
      virtualHosts: [
        {
          name: "v",
          domains: ["*"],
          request_headers_to_add: [add("x-level", "host"), add("x-order", "host", "OVERWRITE_IF_EXISTS_OR_ADD")],
          response_headers_to_add: [add("x-r-level", "host")],
          routes: [
            {
              name: "named",
              match: { prefix: "/ops" },
              route: { cluster: "up" },
              request_headers_to_add: [
                add("x-remote", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
                add("x-direct", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
                add("x-proto", "%PROTOCOL%"),
                add("x-req", "%REQ(x-in)%|%REQ(x-none?x-in):2%"),
                add("x-path", "%REQ(:PATH)%"),
                add("x-cluster", "%UPSTREAM_CLUSTER%"),
                add("x-route", "%ROUTE_NAME%"),
                add("x-percent", "100%%"),
                add("x-empty", "%REQ(x-none)%"),
                add("x-kept", "%REQ(x-none)%", "APPEND_IF_EXISTS_OR_ADD", { keep_empty_value: true }),
              ],
              response_headers_to_add: [
                add("x-code", "%RESPONSE_CODE%"),
                add("x-up-host", "%UPSTREAM_HOST%"),
                add("x-resp", "%RESP(x-up)%"),
              ],
            },
            {
              match: { prefix: "/actions" },
              route: { cluster: "up" },
              request_headers_to_add: [
                add("x-a", "new"),
                add("x-b", "new", "ADD_IF_ABSENT"),
                add("x-c", "new", "OVERWRITE_IF_EXISTS_OR_ADD"),
                add("x-d", "new", "OVERWRITE_IF_EXISTS"),
                add("x-order", "route", "OVERWRITE_IF_EXISTS_OR_ADD"),
              ],
              request_headers_to_remove: ["x-drop"],
              response_headers_to_remove: ["x-up"],
              response_headers_to_add: [add("x-r-level", "route"), add("x-up", "again")],
            },
            { match: { prefix: "/" }, route: { cluster: "up" } },
          ],
        },
      ],
    }),
  upstream: {
    "/cased":
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-MiXeD: V\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nServer: up\r\nDate: Tue, 01 Jan 2030 00:00:00 GMT\r\n\r\nok",
    "/hop":
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive, x-hop\r\nkeep-alive: timeout=5\r\nx-hop: 1\r\nx-drop-r: 1\r\n\r\nok",
    "/chunked": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "/trailers": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n",
    "/close": "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil close<close>",
    "/none": "HTTP/1.1 204 No Content\r\nx-up: 1\r\n\r\n",
    "/304": 'HTTP/1.1 304 Not Modified\r\netag: "x"\r\ncontent-length: 5\r\n\r\n',
    "/early": "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    "/odd": "HTTP/1.1 299 Odd One\r\ncontent-length: 0\r\n\r\n",
  },
  cases: [
    { name: "levels apply from route to table", requests: [get("/plain", "x-level: client", "x-drop-table: 1")] },
    { name: "operators", requests: [get("/ops?q", "x-in: abcd")] },
    {
      name: "append actions on present headers",
      requests: [get("/actions", "x-a: old", "x-b: old", "x-c: old", "x-c: older", "x-d: old", "x-drop: 1")],
    },
    { name: "append actions on absent headers", requests: [get("/actions")] },
    { name: "names are lower-cased, values kept", requests: [get("/cased", "X-MiXeD: VaLuE", "Cookie: a=1", "Cookie: b=2")] },
    {
      name: "hop-by-hop response headers go",
      requests: [get("/hop")],
      differs: "what Connection nominates is removed from responses too, as RFC 9110 7.6.1 asks; Envoy passes it on",
    },
    {
      name: "hop-by-hop request headers go",
      requests: [get("/plain", "connection: keep-alive, x-secret", "x-secret: 1", "keep-alive: 5", "proxy-connection: keep-alive")],
    },
    { name: "te", requests: [get("/plain", "te: trailers"), get("/plain", "te: gzip")] },
    { name: "x-forwarded-for is appended to", requests: [get("/plain", "x-forwarded-for: 10.1.1.1", "x-forwarded-for: 10.2.2.2")] },
    { name: "x-forwarded-proto is overwritten", requests: [get("/plain", "x-forwarded-proto: https")] },
    { name: "x-request-id is replaced from outside", requests: [get("/plain", "x-request-id: mine")] },
    {
      name: "x-envoy headers from outside",
      requests: [
        get(
          "/plain",
          "x-envoy-internal: true",
          "x-envoy-max-retries: 5",
          "x-envoy-retry-on: 5xx",
          "x-envoy-upstream-rq-timeout-ms: 1",
          "x-envoy-decorator-operation: x",
          "x-envoy-external-address: 1.2.3.4",
          "x-envoy-force-trace: 1",
        ),
      ],
    },
    { name: "x-forwarded-client-cert is dropped", requests: [get("/plain", "x-forwarded-client-cert: By=spiffe://a")] },
    { name: "chunked response", requests: [get("/chunked")] },
    { name: "trailers are dropped by default", requests: [get("/trailers")] },
    { name: "response until close", requests: [get("/close")] },
    { name: "204", requests: [get("/none")] },
    { name: "304", requests: [get("/304")] },
    { name: "103", requests: [get("/early")] },
    { name: "unregistered status", requests: [get("/odd")] },
    { name: "HEAD", requests: [{ raw: "HEAD /plain HTTP/1.1\r\nhost: a.example\r\n\r\n", quietMs: 200 }] },
    {
      name: "chunked request",
      requests: [{ raw: "POST /plain HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" }],
    },
    {
      name: "request trailers are dropped by default",
      requests: [{ raw: "POST /plain HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n" }],
    },
    {
      name: "POST without body",
      requests: [
        { raw: "POST /plain HTTP/1.1\r\nhost: a.example\r\ncontent-length: 0\r\n\r\n" },
        { raw: "POST /plain HTTP/1.1\r\nhost: a.example\r\n\r\n" },
      ],
    },
    {
      name: "100-continue",
      requests: [{ raw: "POST /plain HTTP/1.1\r\nhost: a.example\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc" }],
    },
    { name: "connection: close", requests: [get("/plain", "connection: close")] },
    {
      name: "pipelining",
      requests: [{ raw: "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: b\r\n\r\nGET /3 HTTP/1.1\r\nhost: c\r\n\r\n" }],
    },
    {
      name: "absolute form",
      requests: [
        { raw: "GET http://abs.example/x?y HTTP/1.1\r\nhost: other.example\r\n\r\n" },
        { raw: "GET http://abs.example HTTP/1.1\r\nhost: abs.example\r\n\r\n" },
      ],
    },
    { name: "OPTIONS *", requests: [{ raw: "OPTIONS * HTTP/1.1\r\nhost: a.example\r\n\r\n" }] },
  ],
};

export const address: ParityGroup = {
  name: "client address",
  config: (ports) =>
    bootstrap(ports, {
      hcm: {
        use_remote_address: false,
        xff_num_trusted_hops: 1,
        generate_request_id: true,
        always_set_request_id_in_response: true,
        skip_xff_append: true,
        internal_address_config: { cidr_ranges: [{ address_prefix: "10.0.0.0", prefix_len: 8 }] },
        server_name: "named",
        server_header_transformation: "APPEND_IF_ABSENT",
        strip_any_host_port: true,
        normalize_path: true,
        merge_slashes: true,
        path_with_escaped_slashes_action: "UNESCAPE_AND_REDIRECT",
      },
    }),
  upstream: { "/server": "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nserver: mine\r\n\r\n" },
  cases: [
    { name: "trusted hop", requests: [get("/x", "x-forwarded-for: 1.1.1.1, 2.2.2.2")] },
    { name: "fewer hops than trusted", requests: [get("/x", "x-forwarded-for: 1.1.1.1")] },
    { name: "internal address", requests: [get("/x", "x-forwarded-for: 10.1.1.1"), get("/x", "x-forwarded-for: 10.1.1.1, 10.2.2.2")] },
    { name: "request id is kept", requests: [get("/x", "x-request-id: mine")] },
    { name: "server header of the upstream stays", requests: [get("/server")] },
    { name: "host port is stripped", requests: [{ raw: "GET /x HTTP/1.1\r\nhost: a.example:8080\r\n\r\n" }] },
    { name: "path normalisation", requests: ["/a/../b", "/a/./b//c?d=/../e", "/%41%2e%2e", "/a/%2e%2e/b"].map((path) => get(path)) },
    { name: "escaped slashes redirect", requests: [get("/a%2fb"), get("/a%5Cb?q=%2f")] },
  ],
};
