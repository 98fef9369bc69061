// Bodies in a module's hands: what it sees of them, how they are held, changed and limited; trailers; and the other reading of
// "stop iteration" that allow_on_headers_stop_iteration asks for.
import { bootstrap, post, staticCluster, wasmFilter } from "../config.ts";
import type { GroupPorts, ParityGroup } from "../harness.ts";
import { compiledModule } from "../modules.ts";
import { CHUNKED_OK, run, send } from "./wasm-support.ts";

const ANSWERS = {
  "/up": CHUNKED_OK,
  "/chunks": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n<delay:30>3\r\nabc\r\n<delay:30>3\r\ndef\r\n<delay:30>0\r\n\r\n",
  "/length": "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<delay:30>abc<delay:30>def",
  "/large": `HTTP/1.1 200 OK\r\ncontent-length: 3000\r\n\r\n${"x".repeat(3000)}`,
  "/trailers": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\nx-u: 2\r\n\r\n",
};

export const wasmBodies: ParityGroup = {
  name: "wasm bodies",
  config: (ports) => bootstrap(ports, { httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined)] }),
  upstream: ANSWERS,
  cases: [
    {
      name: "events of a body with a length",
      requests: [post("/up", "abcdef", "x-do-probe: *:")],
      differs: "the last bytes and the end are one event here; in Envoy an empty callback follows",
    },
    { name: "events of a body in chunks", requests: [send("*:", ["abc", "def"])] },
    {
      name: "what a body callback sees",
      requests: [send("rb:body 0|body 0 1 1|body 0 2 99|body 0 99 1|blen 0|blen 1|body 1", ["abc", "def"])],
    },
    { name: "buffered request: size and bytes add up", requests: [send("rb:body 0|ret 1;rbe:body 0", ["abc", "def"])] },
    {
      name: "request held with back-pressure",
      requests: [send("rb:ret 2;rbe:ret 0", ["abc", "def"]), run("sb:ret 2;sbe:ret 0", "/chunks")],
      without: { parts: ["guest"], why: "the sizes: see the next case" },
    },
    {
      name: "what is seen of a body held with back-pressure",
      requests: [send("rb:body 0|ret 2;rbe:body 0", ["abc", "def"])],
      differs: "the whole held body, as with the other result; Envoy shows each chunk alone",
    },
    {
      name: "swallowed chunks",
      requests: [send("rb:ret 3;rbe:body 0", ["abc", "def"]), send("rb:body 0|ret 3;rbe:ret 0|splice 0 0 0 end", ["abc", "def"])],
    },
    { name: "replace the whole request body", requests: [send("rb:ret 1;rbe:splice 0 0 4294967295 new|body 0")] },
    {
      name: "prepend, append, drop",
      requests: [send("rb:splice 0 0 0 <|splice 0 4294967295 0 >|splice 0 0 2 ^|body 0"), send("rb:splice 0 0 2 XYZ|body 0")],
    },
    {
      name: "empty splices",
      requests: [send("rb:splice 0 0 0 ^|splice 0 99 0 ^|splice 0 99 99 ^|body 0;rbe:blen 0|splice 0 0 0 tail|body 0")],
    },
    {
      name: "splice inside the body",
      requests: [send("rb:splice 0 2 2 XYZ|body 0")],
      differs: "the specification's whole range of set_buffer_bytes works here; Envoy refuses a start inside the buffer",
    },
    {
      name: "a new length that fits",
      requests: [post("/up", "abcdef", "x-do-probe: rh:set 0 content-length 3;rb:ret 1;rbe:splice 0 0 99 new")],
      without: { parts: ["guest"], why: "the end of a body with a length is no event of its own here" },
    },
    { name: "content-length removed", requests: [post("/up", "abcdef", "x-do-probe: rh:del 0 content-length")] },
    { name: "a body removed", requests: [send("rb:ret 1;rbe:splice 0 0 99 ^")] },
    {
      name: "buffers out of their time",
      requests: [
        send(
          "rh:body 0|blen 0|splice 0 0 0 x|body 1|body 4|blen 4|body 6|body 7|blen 7|body 8;sh:body 0|body 1|splice 1 0 0 x|splice 0 0 0 x;log:body 0|body 1|blen 1",
        ),
      ],
    },
    { name: "response in chunks", requests: [run("*:", "/chunks")] },
    { name: "buffered response", requests: [run("sb:body 1|ret 1;sbe:body 1", "/chunks")] },
    {
      name: "replace the response body",
      requests: [run("sb:ret 1;sbe:splice 1 0 99 new", "/chunks"), run("sb:splice 1 0 99 new|body 1", "/chunks")],
    },
    { name: "change every chunk of a response", requests: [run("sb:splice 1 0 0 <|splice 1 99 0 >|body 1", "/chunks")] },
    { name: "swallowed response chunks", requests: [run("sb:ret 3;sbe:ret 0|splice 1 0 0 end", "/chunks")] },
    { name: "a response body that gets no content", requests: [run("sb:ret 1;sbe:splice 1 0 99 ^", "/chunks")] },
    {
      name: "pause in the headers, continued at once",
      requests: [send("rh:continue 0|ret 1;rb:body 0")],
      differs: "the request goes on; in Envoy it waits for good",
    },
    { name: "the other headers results", requests: [send("rh:ret 2"), run("sh:ret 2", "/chunks")] },
    { name: "HEAD", requests: [{ raw: "HEAD /length HTTP/1.1\r\nhost: a\r\nx-do-probe: *:\r\n\r\n", quietMs: 250 }] },
  ],
};

/** Filters may hold 1,000 bytes. */
function smallBuffers(ports: GroupPorts): object {
  const config = bootstrap(ports, { httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined)] }) as {
    static_resources: { listeners: object[] };
  };
  Object.assign(config.static_resources.listeners[0], { per_connection_buffer_limit_bytes: 1000 });
  return config;
}

const LONG = "x".repeat(3000);

export const wasmLimits: ParityGroup = {
  name: "wasm buffer limits",
  config: smallBuffers,
  upstream: ANSWERS,
  cases: [
    {
      name: "a request that is not held",
      requests: [send("rb:blen 0", [LONG])],
      without: { parts: ["guest"], why: "how the bytes are cut is a matter of sockets" },
    },
    {
      name: "a held request over the limit",
      requests: [send("rb:ret 1", [LONG])],
      without: {
        parts: ["guest", "upstream", "log"],
        why: "how the bytes are cut, and how much came before the answer, is a matter of time",
      },
    },
    {
      name: "headers and body held, over the limit",
      requests: [send("rh:ret 3", [LONG])],
      without: { parts: ["log"], why: "how much came before the answer" },
    },
    {
      name: "a held response over the limit",
      requests: [{ ...run("sb:ret 1", "/large"), end: true }],
      without: { parts: ["guest"], why: "how the bytes are cut" },
    },
    { name: "response headers and body held, over the limit", requests: [run("sh:ret 3", "/large")] },
    { name: "an edit beyond the limit", requests: [send("rb:splice 0 0 0 size:3000|blen 0", ["abc"])] },
  ],
};

const TRAILERS = { http_protocol_options: { enable_trailers: true } };
const upstreamTrailers = {
  typed_extension_protocol_options: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      explicit_http_config: TRAILERS,
    },
  },
};

export const wasmTrailers: ParityGroup = {
  name: "wasm trailers",
  config: (ports) =>
    bootstrap(ports, {
      hcm: TRAILERS,
      routes: [{ match: { prefix: "/" }, route: { cluster: "trailing" } }],
      clusters: [staticCluster("trailing", [ports.upstream], upstreamTrailers)],
      httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined)],
    }),
  upstream: ANSWERS,
  cases: [
    { name: "trailers pass", requests: [send("*:", ["abc"], "/trailers", "x-t: 1\r\nx-u: 2\r\n")] },
    {
      name: "what a trailers callback sees",
      requests: [send("rt:dump 1|get 1 x-t;st:dump 3|get 3 x-u|mapsize 3;log:dump 1|dump 3", ["abc"], "/trailers", "x-t: 1\r\nx-u: 2\r\n")],
    },
    {
      name: "trailers are changed",
      requests: [
        send("rt:set 1 x-t 9|add 1 x-n 1|del 1 x-u;st:set 3 x-t 9|add 3 x-n 1|del 3 x-u", ["abc"], "/trailers", "x-t: 1\r\nx-u: 2\r\n"),
      ],
    },
    {
      name: "a body held until the trailers",
      requests: [
        send("rb:ret 1;rt:body 0|blen 0", ["abc", "def"], "/trailers", "x-t: 1\r\n"),
        run("sb:ret 1;st:body 1|splice 1 0 99 new|body 1", "/trailers"),
      ],
    },
    {
      name: "trailers made by the module",
      requests: [send("rbe:add 1 x-made 1|dump 1", ["abc"]), run("sbe:add 3 x-made 1|dump 3", "/chunks")],
    },
    { name: "trailers made too early", requests: [send("rb:add 1 x-made 1", ["abc"]), run("sb:add 3 x-made 1", "/chunks")] },
    {
      name: "a pause in the trailers, continued at once",
      requests: [send("rt:continue 0|ret 1;st:continue 1|ret 1", ["abc"], "/trailers", "x-t: 1\r\n")],
    },
    { name: "trailers replaced as a whole", requests: [run("st:pairs 3 x-a=1 x-b=2|dump 3", "/trailers")] },
  ],
};

export const wasmStopIteration: ParityGroup = {
  name: "wasm allow_on_headers_stop_iteration",
  config: (ports) =>
    bootstrap(ports, { httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined, { allow_on_headers_stop_iteration: true })] }),
  upstream: ANSWERS,
  cases: [
    {
      name: "headers wait for the body and can be changed there",
      requests: [send("rh:ret 1;rb:ret 1|set 0 x-in-body 1|dump 0;rbe:set 0 x-at-end 1|splice 0 0 99 new|dump 0")],
    },
    { name: "headers wait, the body does not", requests: [send("rh:ret 1;rb:body 0", ["abc", "def"])] },
    {
      name: "response headers wait for the body",
      requests: [
        run("sh:ret 1;sb:ret 1;sbe:set 2 x-at-end 1|splice 1 0 99 new", "/chunks"),
        run("sh:ret 1;sb:ret 1;sbe:set 2 :status 201", "/chunks"),
      ],
    },
    { name: "stop in the headers, swallow the body", requests: [send("rh:ret 1;rb:ret 3;rbe:splice 0 0 0 end", ["abc", "def"])] },
    {
      name: "everything stopped",
      requests: [send("rh:ret 4|continue 0;rb:body 0")],
      differs: "the request goes on; in Envoy it waits for good",
    },
    { name: "an answer from the body", requests: [send("rh:ret 1;rb:reply 403 no")] },
  ],
};
