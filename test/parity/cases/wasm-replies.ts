// Answers that a module gives itself, in every callback; who sees them; and several filters in one chain.
import { bootstrap, get, wasmFilter } from "../config.ts";
import type { ParityGroup, ParityRequest } from "../harness.ts";
import { compiledModule } from "../modules.ts";
import { CHUNKED_OK, chunks, run, send } from "./wasm-support.ts";

export const wasmReplies: ParityGroup = {
  name: "wasm local replies",
  config: (ports) => bootstrap(ports, { httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined)] }),
  upstream: {
    "/up": CHUNKED_OK,
    "/chunks": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n<delay:30>3\r\nabc\r\n<delay:30>3\r\ndef\r\n<delay:30>0\r\n\r\n",
  },
  cases: [
    {
      name: "in request headers",
      requests: [
        run("rh:reply 403 denied x-a=1 x-b=2|ret 1;sh:dump 2;sb:body 1;log:dump 2|prop response.code response.code_details response.flags"),
      ],
    },
    {
      name: "whatever the callback returns",
      requests: [run("rh:reply 403 denied"), run("rh:reply 403 denied|ret 3"), run("rh:reply 403 denied|ret 4|continue 0")],
    },
    { name: "empty body", requests: [run("rh:reply 403 ^ x-a=1"), run("rh:reply 204 ^"), run("rh:reply 302 ^ location=/there")] },
    {
      name: "its own content type and length",
      requests: [
        run("rh:reply 403 {} content-type=application/json"),
        run("rh:reply 403 abc content-length=99 :status=200 transfer-encoding=chunked"),
      ],
    },
    { name: "headers given twice", requests: [run("rh:reply 403 no set-cookie=a=1 set-cookie=b=2 x-a=1 x-a=2 x-b=^")] },
    { name: "details", requests: [run("rh:reply 403 no details=my~own~words"), run("rh:reply 403 no details=^")] },
    { name: "statuses", requests: [run("rh:reply 200 fine"), run("rh:reply 418 pot"), run("rh:reply 599 x")] },
    {
      name: "statuses that are none",
      requests: [run("rh:reply 99 x"), run("rh:reply 0 x")],
      differs: "a status outside 200 to 599 becomes 500 here; Envoy writes a status line that is no HTTP",
    },
    {
      name: "gRPC status",
      requests: [
        run("rh:reply 403 no~way grpc=7", "/up", "content-type: application/grpc"),
        run("rh:reply 503 no grpc=99", "/up", "content-type: application/grpc"),
        run("rh:reply 403 no grpc=7"),
      ],
    },
    { name: "HEAD", requests: [{ raw: "HEAD /up HTTP/1.1\r\nhost: a\r\nx-do-probe: rh:reply 403 denied\r\n\r\n", quietMs: 200 }] },
    { name: "two answers in one callback: the first", requests: [run("rh:reply 403 first|reply 404 second")] },
    {
      name: "in the request body",
      requests: [send("rb:reply 403 denied"), send("rb:ret 1;rbe:reply 403 denied")],
      without: {
        parts: ["upstream", "log"],
        why: "the request under way is cut off: how much of it the upstream got before is a matter of time",
      },
    },
    { name: "in response headers", requests: [run("sh:reply 403 denied x-a=1;sb:body 1;log:dump 2|prop response.code_details")] },
    { name: "in the response body", requests: [{ ...run("sb:reply 403 denied", "/chunks"), end: true }] },
    {
      name: "on the root",
      requests: [run("rh:effective root|reply 403 denied|effective self")],
      differs: "an answer on a context without a stream has no effect here; in Envoy the request then waits for good",
    },
    {
      name: "changed by its own response callback",
      requests: [run("rh:reply 403 denied;sh:set 2 :status 404|add 2 x-seen 1;sb:splice 1 0 99 longer")],
    },
    {
      name: "made longer by its own response callback",
      requests: [run("rh:reply 403 denied;sb:splice 1 99 0 +more")],
      differs: "the body ends where content-length says, and the connection with it; Envoy sends more than it announced",
    },
    { name: "a long body", requests: [run("rh:reply 403 size:5000")] },
    {
      name: "closing the stream",
      requests: [
        { ...run("rh:close 0"), end: true },
        { ...run("rh:close 1|ret 1"), end: true },
        { ...run("sh:close 1"), end: true },
      ],
    },
    {
      name: "with a body that is not read",
      requests: [
        { raw: "POST /up HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\nx-do-probe: rh:reply 403 denied\r\n\r\nabc", quietMs: 200 },
      ],
    },
  ],
};

const CHAIN = ["first", "second", "third"] as const;

/** A program for each filter of the chain. */
const all = (programs: Partial<Record<(typeof CHAIN)[number], string>>, path = "/up", body?: string): ParityRequest => {
  const lines = CHAIN.map((name) => `x-do-${name}: ${programs[name] ?? "*:"}`);
  return body === undefined ? get(path, ...lines) : chunks(lines, [body], path);
};

export const wasmChain: ParityGroup = {
  name: "wasm chain",
  config: (ports) =>
    bootstrap(ports, {
      routes: [
        { match: { prefix: "/dead" }, route: { cluster: "dead" } },
        {
          match: { prefix: "/off" },
          route: { cluster: "up" },
          typed_per_filter_config: { second: { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", disabled: true } },
        },
        {
          match: { prefix: "/on" },
          route: { cluster: "up" },
          typed_per_filter_config: {
            idle: { "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", disabled: false, config: {} },
          },
        },
        { match: { prefix: "/" }, route: { cluster: "up" } },
      ],
      httpFilters: [
        ...CHAIN.map((name) => wasmFilter(name, compiledModule("probe"), "#rh:prop plugin_name", { root_id: `root-${name}` })),
        { ...wasmFilter("idle", compiledModule("probe"), "#*:"), disabled: true },
      ],
    }),
  upstream: { "/up": CHUNKED_OK, "/off": CHUNKED_OK, "/on": CHUNKED_OK },
  cases: [
    { name: "requests run forward, responses backward, the end forward", requests: [all({})] },
    { name: "with a body", requests: [all({}, "/up", "abc")] },
    { name: "the proxy's own answer", requests: [all({}, "/dead")] },
    { name: "an answer of the first", requests: [all({ first: "*:;rh:reply 403 no" })] },
    { name: "an answer of the second", requests: [all({ second: "*:;rh:reply 403 no" })] },
    { name: "an answer of the last", requests: [all({ third: "*:;rh:reply 403 no" })] },
    { name: "an answer of the second to a response", requests: [all({ second: "*:;sh:reply 403 no" })] },
    {
      name: "each sees what the one before did",
      requests: [
        all({
          first: "rh:add 0 x-a 1|set 0 :path /new;sh:dump 2",
          second: "rh:dump 0|del 0 x-a;sh:add 2 x-s 2",
          third: "rh:get 0 x-a|get 0 :path;sh:dump 2",
        }),
      ],
    },
    {
      name: "bodies through the chain",
      requests: [
        all({ first: "rb:splice 0 99 0 1", second: "rb:ret 1;rbe:splice 0 99 0 2|body 0", third: "rb:body 0;rbe:body 0" }, "/up", "abc"),
      ],
    },
    {
      name: "properties set by one, read by the others",
      requests: [
        all({
          first: "rh:setprop tag one|prop tag;log:prop tag",
          second: "rh:prop tag filter_state.wasm,tag|setprop tag two|prop tag;log:prop tag",
          third: "rh:prop tag;sh:prop tag",
        }),
      ],
    },
    {
      name: "root ids and names",
      requests: [
        all({
          first: "rh:prop plugin_name plugin_root_id plugin_vm_id",
          second: "rh:prop plugin_root_id",
          third: "rh:prop plugin_root_id",
        }),
      ],
    },
    { name: "a filter that the route turns off", requests: [all({}, "/off")] },
    { name: "a filter that the route turns on", requests: [all({}, "/on")] },
    {
      name: "contexts of other plugins",
      requests: [all({ first: "rh:effective 1|effective 2|effective 3|effective root|prop plugin_name|effective self" })],
      differs: "a plugin cannot act for another one in its VM (BAD_ARGUMENT)",
    },
  ],
};
