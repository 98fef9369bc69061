// Bodies in a module's hands: what it sees of them, how they are held, changed and limited; trailers; and the other reading of
// "stop iteration" that allow_on_headers_stop_iteration asks for.
import { bootstrap, get, post, staticCluster, wasmFilter } from "../config.ts";
import type { ParityGroup, ParityRequest } from "../harness.ts";
import { compiledModule } from "../modules.ts";

const program = (text: string): string => `x-do-probe: ${text}`;
const run = (text: string, path: string): ParityRequest => get(path, program(text));
const send = (text: string, body = "abcdef", path = "/up"): ParityRequest => post(path, body, program(text));

/** A chunked POST whose chunks come one by one. */
function chunks(text: string, pieces: readonly string[], path = "/up", trailers = ""): ParityRequest {
  return {
    raw: `POST ${path} HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n${program(text)}\r\n\r\n`,
    later: [...pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`), `0\r\n${trailers}\r\n`],
  };
}

const ANSWERS = {
  "/chunks": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n<delay:30>3\r\nabc\r\n<delay:30>3\r\ndef\r\n<delay:30>0\r\n\r\n",
  "/length": "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<delay:30>abc<delay:30>def",
  "/large": `HTTP/1.1 200 OK\r\ncontent-length: 3000\r\n\r\n${"x".repeat(3000)}`,
  "/trailers": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n3\r\nabc\r\n0\r\nx-t: 1\r\nx-u: 2\r\n\r\n",
};

export const wasmBodies: ParityGroup = {
  name: "wasm bodies",
  config: (ports) =>
    bootstrap(ports, {
      routes: [
        { name: "small", match: { prefix: "/small" }, route: { cluster: "up", prefix_rewrite: "/large" }, per_request_buffer_limit_bytes: 1000 },
        { name: "all", match: { prefix: "/" }, route: { cluster: "up", timeout: "2s" } },
      ],
      httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined)],
    }),
  upstream: ANSWERS,
  cases: [
    { name: "events of a body with a length", requests: [send("*:")] },
    { name: "events of a body in chunks", requests: [chunks("*:", ["abc", "def"])] },
    { name: "what a body callback sees", requests: [chunks("rb:body 0|body 0 1 1|body 0 2 99|body 0 99 1|blen 0|blen 1|body 1", ["abc", "def"])] },
    { name: "buffered request: size and bytes add up", requests: [chunks("rb:body 0|ret 1;rbe:body 0", ["abc", "def"]), chunks("rb:body 0|ret 2;rbe:body 0", ["abc", "def"])] },
    { name: "swallowed chunks", requests: [chunks("rb:ret 3;rbe:body 0", ["abc", "def"]), chunks("rb:body 0|ret 3;rbe:ret 0|splice 0 0 0 end", ["abc", "def"])] },
    { name: "replace the whole request body", requests: [send("rh:del 0 content-length;rb:ret 1;rbe:splice 0 0 4294967295 new|body 0")] },
    { name: "prepend, append, drop", requests: [send("rh:del 0 content-length;rb:splice 0 0 0 <|splice 0 4294967295 0 >|splice 0 0 2 ^|body 0"), send("rh:del 0 content-length;rb:splice 0 0 2 XYZ|body 0")] },
    { name: "empty splices", requests: [send("rh:del 0 content-length;rb:splice 0 0 0 ^|splice 0 99 0 ^|splice 0 99 99 ^|body 0;rbe:blen 0|splice 0 0 0 tail|body 0")] },
    { name: "splice inside the body", requests: [send("rh:del 0 content-length;rb:splice 0 2 2 XYZ|body 0")], differs: "the specification's whole range of set_buffer_bytes works here; Envoy refuses a start inside the buffer" },
    { name: "a new length that fits", requests: [send("rh:set 0 content-length 3;rb:ret 1;rbe:splice 0 0 99 new")] },
    { name: "a body removed", requests: [send("rh:del 0 content-length;rb:ret 1;rbe:splice 0 0 99 ^")] },
    { name: "buffers out of their time", requests: [send("rh:body 0|blen 0|splice 0 0 0 x|body 1|body 4|blen 4|body 6|body 7|blen 7|body 8;sh:body 0|body 1|splice 1 0 0 x|splice 0 0 0 x;log:body 0|body 1|blen 1")] },
    { name: "response in chunks", requests: [run("*:", "/chunks"), run("*:", "/length")] },
    { name: "buffered response", requests: [run("sb:body 1|ret 1;sbe:body 1", "/chunks"), run("sb:body 1|ret 2;sbe:body 1", "/length")] },
    { name: "replace the response body", requests: [run("sh:del 2 content-length;sb:ret 1;sbe:splice 1 0 99 new", "/length"), run("sb:splice 1 0 99 new|body 1", "/chunks")] },
    { name: "change every chunk of a response", requests: [run("sb:splice 1 0 0 <|splice 1 99 0 >|body 1", "/chunks")] },
    { name: "swallowed response chunks", requests: [run("sb:ret 3;sbe:ret 0|splice 1 0 0 end", "/chunks")] },
    { name: "a response body that gets no content", requests: [run("sh:del 2 content-length;sb:ret 1;sbe:splice 1 0 99 ^", "/length")] },
    { name: "buffered request over the limit", requests: [send("rb:ret 1", "x".repeat(3000), "/small")] },
    { name: "buffered response over the limit", requests: [{ ...run("sb:ret 1", "/small"), end: true }] },
    { name: "headers and body held, over the limit", requests: [run("sh:ret 3", "/small"), send("rh:ret 3", "x".repeat(3000), "/small")] },
    { name: "edit beyond the limit", requests: [send("rh:del 0 content-length;rb:splice 0 0 0 size:3000|blen 0", "abc", "/small")] },
    { name: "pause in the headers, continued at once", requests: [send("rh:continue 0|ret 1;rb:body 0"), run("sh:continue 1|ret 1;sb:body 1", "/length")] },
    { name: "pause in the body, continued at once", requests: [send("rb:continue 0|ret 1|body 0"), run("sb:continue 1|ret 1|body 1", "/length")] },
    { name: "continue without a pause", requests: [send("rh:continue 0|continue 1;rb:continue 0|continue 1;sh:continue 0|continue 1;log:continue 0|continue 1")] },
    { name: "the other headers results", requests: [send("rh:ret 2"), run("sh:ret 2", "/length")] },
    { name: "HEAD and 304", requests: [{ raw: `HEAD /length HTTP/1.1\r\nhost: a\r\n${program("*:")}\r\n\r\n`, quietMs: 250 }] },
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
    { name: "trailers pass", requests: [chunks("*:", ["abc"], "/trailers", "x-t: 1\r\nx-u: 2\r\n")] },
    { name: "what a trailers callback sees", requests: [chunks("rt:dump 1|dump 0|get 1 x-t;st:dump 3|dump 2|get 3 x-u|mapsize 3;log:dump 1|dump 3", ["abc"], "/trailers", "x-t: 1\r\nx-u: 2\r\n")] },
    { name: "trailers are changed", requests: [chunks("rt:set 1 x-t 9|add 1 x-n 1|del 1 x-u;st:set 3 x-t 9|add 3 x-n 1|del 3 x-u", ["abc"], "/trailers", "x-t: 1\r\nx-u: 2\r\n")] },
    { name: "a body held until the trailers", requests: [chunks("rb:ret 1;rt:body 0|blen 0", ["abc", "def"], "/trailers", "x-t: 1\r\n"), run("sb:ret 1;st:body 1|splice 1 0 99 new|body 1", "/trailers")] },
    { name: "trailers made by the module", requests: [chunks("rbe:add 1 x-made 1|dump 1", ["abc"]), run("sbe:add 3 x-made 1|dump 3", "/chunks")] },
    { name: "trailers made too early", requests: [chunks("rb:add 1 x-made 1", ["abc"]), run("sb:add 3 x-made 1", "/chunks")] },
    { name: "a pause in the trailers, continued at once", requests: [chunks("rt:continue 0|ret 1;st:continue 1|ret 1", ["abc"], "/trailers", "x-t: 1\r\n")] },
    { name: "trailers replaced as a whole", requests: [run("st:pairs 3 x-a=1 x-b=2|dump 3", "/trailers")] },
  ],
};

export const wasmStopIteration: ParityGroup = {
  name: "wasm allow_on_headers_stop_iteration",
  config: (ports) => bootstrap(ports, { httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined, { allow_on_headers_stop_iteration: true })] }),
  upstream: ANSWERS,
  cases: [
    { name: "headers wait for the body and can be changed there", requests: [send("rh:ret 1|del 0 content-length;rb:ret 1|set 0 x-in-body 1|dump 0;rbe:set 0 x-at-end 1|splice 0 0 99 new|dump 0")] },
    { name: "headers wait, the body does not", requests: [chunks("rh:ret 1;rb:body 0", ["abc", "def"])] },
    { name: "response headers wait for the body", requests: [run("sh:ret 1|del 2 content-length;sb:ret 1;sbe:set 2 x-at-end 1|splice 1 0 99 new", "/length"), run("sh:ret 1;sb:ret 1;sbe:set 2 :status 201", "/chunks")] },
    { name: "stop in the headers, swallow the body", requests: [chunks("rh:ret 1;rb:ret 3;rbe:splice 0 0 0 end", ["abc", "def"])] },
    { name: "everything stopped", requests: [send("rh:ret 4|continue 0;rb:body 0")] },
    { name: "an answer from the body", requests: [send("rh:ret 1;rb:reply 403 no")] },
  ],
};
