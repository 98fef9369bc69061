// What a module sees and does in the headers callbacks: maps, their order, changes, pseudo headers, routes.
import { bootstrap, get, post, wasmFilter } from "../config.ts";
import type { ParityGroup } from "../harness.ts";
import { compiledModule } from "../modules.ts";
import { CHUNKED_OK, run } from "./wasm-support.ts";

export const wasmHeaders: ParityGroup = {
  name: "wasm headers",
  config: (ports) =>
    bootstrap(ports, {
      hcm: { use_remote_address: true },
      virtualHosts: [
        {
          name: "canary",
          domains: ["canary.example"],
          routes: [{ name: "canary", match: { prefix: "/" }, route: { cluster: "up", prefix_rewrite: "/canary" } }],
        },
        {
          name: "all",
          domains: ["*"],
          routes: [
            { name: "dead", match: { prefix: "/dead" }, route: { cluster: "dead" } },
            { name: "said", match: { prefix: "/said" }, direct_response: { status: 200, body: { inline_string: "said" } } },
            {
              name: "tagged",
              match: { prefix: "/", headers: [{ name: "x-tag", present_match: true }] },
              direct_response: { status: 200, body: { inline_string: "tagged" } },
            },
            { name: "all", match: { prefix: "/" }, route: { cluster: "up" } },
          ],
        },
      ],
      httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined)],
    }),
  upstream: {
    "/up": CHUNKED_OK,
    "/length": "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-up: 1\r\n\r\nok",
    "/multi": "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nSet-Cookie: a=1\r\nx-a: 1\r\nset-cookie: b=2\r\nX-A: 2\r\n\r\nok",
    "/chunked": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "/none": "HTTP/1.1 204 No Content\r\nx-up: 1\r\n\r\n",
  },
  cases: [
    { name: "the program is nothing: traffic passes", requests: [get("/up"), post("/up", "abc")] },
    {
      name: "order and count of request headers",
      requests: [run("rh:dump 0", "/up?q", "User-Agent: x", "x-B: 2", "x-a: 1", "x-b: 3", "cookie: a=1", "cookie: b=2", "accept: */*")],
    },
    {
      name: "order and count of response headers",
      requests: [run("sh:dump 2", "/multi"), run("sh:dump 2", "/chunked"), run("sh:dump 2", "/none")],
    },
    {
      name: "own answers of the proxy pass the response callbacks",
      requests: [run("sh:dump 2", "/dead"), run("sh:dump 2", "/said"), run("sh:dump 2;sb:body 1", "/said")],
    },
    {
      name: "end of stream",
      requests: [
        run("*:"),
        { raw: "POST /none HTTP/1.1\r\nhost: a\r\nx-do-probe: *:\r\ncontent-length: 0\r\n\r\n" },
        { raw: "HEAD /length HTTP/1.1\r\nhost: a\r\nx-do-probe: *:\r\n\r\n", quietMs: 200 },
        run("*:", "/none"),
      ],
    },
    {
      name: "get",
      requests: [
        run("rh:get 0 x-a|get 0 X-A|get 0 x-none|get 0 :path|get 0 host|get 0 :authority|get 0 ^", "/up?x", "x-a: 1", "x-a: 2", "x-empty:"),
      ],
    },
    { name: "empty value", requests: [run("rh:get 0 x-empty|set 0 x-made ^|add 0 x-added ^|get 0 x-made", "/up", "x-empty:")] },
    {
      name: "add, set and remove",
      requests: [
        run(
          "rh:add 0 x-new 1|add 0 x-a 3|set 0 x-b one|set 0 x-c new|del 0 x-d|del 0 x-none|dump 0",
          "/up",
          "x-a: 1",
          "x-b: 1",
          "x-b: 2",
          "x-a: 2",
          "x-d: 1",
          "x-d: 2",
        ),
      ],
    },
    { name: "names in capitals", requests: [run("rh:add 0 X-New 1|set 0 X-A 2|del 0 X-B|dump 0", "/up", "x-a: 1", "x-b: 1")] },
    {
      name: "adding what may be there once",
      requests: [
        run(
          "rh:add 0 user-agent two|add 0 :path /two|add 0 content-type b|add 0 cookie c=3|add 0 x-forwarded-for 9.9.9.9|add 0 accept two|dump 0",
          "/up",
          "user-agent: one",
          "content-type: a",
          "cookie: a=1",
          "accept: one",
        ),
      ],
    },
    {
      name: "response: add, set and remove",
      requests: [run("sh:add 2 x-new 1|add 2 x-a 3|set 2 set-cookie c=3|del 2 x-none|add 2 server mine|set 2 date never|dump 2", "/multi")],
    },
    {
      name: "response status",
      requests: [run("sh:set 2 :status 418|dump 2"), run("sh:add 2 :status 201|dump 2"), run("sh:set 2 :status 999")],
    },
    {
      name: "response status without a body",
      requests: [run("sh:set 2 :status 204", "/length")],
      differs: "no body is sent behind a status that has none; Envoy sends it, and the next answer begins in the middle",
    },
    { name: "response status that is no number", requests: [run("sh:set 2 :status abc")] },
    { name: "removed status", requests: [run("sh:del 2 :status")] },
    {
      name: "replace the whole map",
      requests: [
        run("rh:pairs 0 :method=PUT :path=/other :authority=b.example :scheme=http x-only=1|dump 0"),
        run("sh:pairs 2 :status=202 x-only=1|dump 2"),
      ],
    },
    {
      name: "replace the whole map by nothing readable",
      requests: [run("sh:rawpairs 2 hex:ffffffff|dump 2"), run("rh:rawpairs 0 hex:01|dump 0")],
    },
    { name: "method and path", requests: [run("rh:set 0 :method DELETE|set 0 :path /rewritten?y=1")] },
    {
      name: "host",
      requests: [
        run("rh:set 0 host b.example|dump 0"),
        run("rh:set 0 :authority c.example"),
        run("rh:del 0 host|dump 0"),
        run("rh:add 0 host d.example|dump 0"),
      ],
    },
    {
      name: "route is chosen again",
      requests: [
        run("rh:set 0 :authority canary.example"),
        run("rh:set 0 :path /said"),
        run("rh:add 0 x-tag 1"),
        run("rh:prop xds.route_name|add 0 x-tag 1|prop xds.route_name|foreign clear_route_cache|prop xds.route_name"),
      ],
    },
    {
      name: "missing pseudo headers",
      requests: [
        run("rh:del 0 :method"),
        run("rh:del 0 :path"),
        run("rh:del 0 :authority"),
        run("rh:del 0 :scheme"),
        run("rh:set 0 :path ^"),
      ],
    },
    { name: "unusable path", requests: [run("rh:set 0 :path no-slash"), run("rh:set 0 :path /a~b")] },
    {
      name: "hop-by-hop headers",
      requests: [run("rh:set 0 connection close|set 0 upgrade websocket"), run("rh:set 0 te gzip|set 0 keep-alive x")],
    },
    {
      name: "a length without a body",
      requests: [run("rh:set 0 content-length 5")],
      differs: "refused at once here; in Envoy the upstream waits for the body until a timeout",
    },
    {
      name: "transfer-encoding of the module's own",
      requests: [run("rh:set 0 transfer-encoding chunked")],
      differs: "framing is the codec's alone here; Envoy sends the header and no body, and the upstream waits",
    },
    {
      name: "framing headers of the response",
      requests: [run("sh:del 2 content-length", "/length"), run("sh:set 2 connection close"), run("sh:set 2 transfer-encoding gzip")],
    },
    {
      name: "a response length that is too small",
      requests: [run("sh:set 2 content-length 1", "/length")],
      differs:
        "the body ends where the length says, and the connection with it; Envoy sends the rest, which the client takes for the next answer",
    },
    {
      name: "names and values that no header may have",
      requests: [run("rh:set 0 x~y 1|set 0 x-a hex:410d0a78|set 0 ^ 1|set 0 x-b hex:00|dump 0")],
      differs: "refused by the call here (BAD_ARGUMENT); Envoy takes them and answers the request 503 later",
    },
    { name: "bytes beyond ASCII in a value", requests: [run("rh:set 0 x-c hex:c3a9|get 0 x-c")] },
    {
      name: "maps out of their time",
      requests: [
        run(
          "rh:dump 1|dump 2|dump 3|dump 6|dump 7|dump 9|set 2 a b|add 1 a b|del 3 a|set 6 a b|mapsize 0|mapsize 2|mapsize 6|mapsize 99;sh:dump 3|set 3 a b;log:dump 1|dump 3",
        ),
      ],
    },
    {
      name: "a header of a map that is not there",
      requests: [run("rh:get 2 :status|get 1 a|get 6 a")],
      differs: "NOT_FOUND here; Envoy's BAD_ARGUMENT makes a module written in Rust trap",
    },
    { name: "headers in the log", requests: [run("log:dump 0|dump 2|get 0 :path|set 0 a b|set 2 a b")] },
    {
      name: "request headers in the response",
      requests: [run("sh:dump 0|get 0 :path|set 0 x-late 1|get 0 host")],
      differs: "request headers stay readable here for the whole life of a stream",
    },
    { name: "many headers", requests: [run("rh:mapsize 0", "/up", ...Array.from({ length: 60 }, (_, i) => `x-h${i}: ${i}`))] },
    { name: "order of the end: log, done, delete", requests: [run("*:"), run("*:", "/dead")] },
    { name: "log levels", requests: [run("rh:log 0 trace|log 1 debug|log 2 info|log 3 warn|log 4 error|log 5 critical")] },
    { name: "bad arguments", requests: [run("rh:bad")] },
  ],
};
