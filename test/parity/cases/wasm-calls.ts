// HTTP callouts of a module: what they send, what comes back, and what they can do to the stream that waits for them.
import { bootstrap, staticCluster, wasmFilter } from "../config.ts";
import type { ParityGroup } from "../harness.ts";
import { compiledModule } from "../modules.ts";
import { CHUNKED_OK, run, send } from "./wasm-support.ts";

/** A callout whose answer runs the phase "ca". */
const call = (path: string, { cluster = "auth", timeout = 1000, body = "^", method = "GET", more = "" } = {}): string =>
  `call ca ${cluster} ${timeout} ${body} :method=${method} :path=${path} :authority=auth.example ${more}`;

const SHOW = "ca:get 6 :status|body 4|dump 7|get 6 content-type";

export const wasmCalls: ParityGroup = {
  name: "wasm callouts",
  config: (ports) =>
    bootstrap(ports, {
      clusters: [staticCluster("auth", [ports.upstream])],
      httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined)],
    }),
  upstream: {
    "/up": CHUNKED_OK,
    "/check": "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-user: 7\r\nX-User: 8\r\n\r\nhello",
    "/empty": "HTTP/1.1 204 No Content\r\nx-up: 1\r\n\r\n",
    "/denied": "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
    "/chunked": "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\nx-t: 1\r\n\r\n",
    "/hang": "<hang>",
    "/cut": "<close>",
    "/short": "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc<close>",
    "/garbage": "NONSENSE\r\n\r\n",
    "/later": "<delay:200>HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate",
    "/late": "<delay:80>HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate",
  },
  cases: [
    {
      name: "request waits for the answer",
      requests: [run(`rh:${call("/check", { more: "x-a=1 x-b=2" })}|ret 1;${SHOW}|add 0 x-checked 1|continue 0`)],
    },
    { name: "an answer without body", requests: [run(`rh:${call("/empty")}|ret 1;${SHOW}|continue 0`)] },
    { name: "an answer in chunks with trailers", requests: [run(`rh:${call("/chunked")}|ret 1;${SHOW}|continue 0`)] },
    {
      name: "with a body",
      requests: [
        run(`rh:${call("/check", { method: "POST", body: "payload" })}|ret 1;ca:continue 0`),
        run(`rh:${call("/check", { method: "POST" })}|ret 1;ca:continue 0`),
      ],
    },
    {
      name: "request body behind a waiting request",
      requests: [{ ...send(`rh:${call("/later")}|ret 1;ca:continue 0;rb:body 0;rbe:body 0`), quietMs: 400 }],
    },
    { name: "an answer that denies", requests: [run(`rh:${call("/denied")}|ret 1;ca:reply 403 denied x-a=1`)] },
    {
      name: "nobody waits",
      requests: [{ ...run(`rh:${call("/check")};ca:body 4`), quietMs: 250 }],
      without: { parts: ["upstream", "guest"], why: "callout and request race" },
    },
    { name: "unknown cluster", requests: [run(`rh:${call("/check", { cluster: "nope" })}`)] },
    {
      name: "dead peer",
      requests: [run(`rh:${call("/check", { cluster: "dead" })}|ret 1;${SHOW}|continue 0`)],
      stats: ["cluster.dead.upstream_rq_503", "cluster.dead.upstream_cx_connect_fail"],
    },
    { name: "no host", requests: [run(`rh:${call("/check", { cluster: "none" })};${SHOW}`)] },
    {
      name: "timeout",
      requests: [run(`rh:${call("/hang", { timeout: 60 })}|ret 1;${SHOW}|continue 0`)],
      stats: ["cluster.auth.upstream_rq_timeout", "cluster.auth.upstream_rq_504"],
    },
    { name: "the peer cuts the connection", requests: [run(`rh:${call("/cut")}|ret 1;${SHOW}|continue 0`)] },
    { name: "the peer cuts the answer", requests: [run(`rh:${call("/short")}|ret 1;ca:dump 6|body 4|status|continue 0`)] },
    { name: "the peer answers nonsense", requests: [run(`rh:${call("/garbage")}|ret 1;${SHOW}|continue 0`)] },
    {
      name: "from the response",
      requests: [
        run(`sh:${call("/check")}|ret 1;ca:body 4|add 2 x-called 1|continue 1`),
        run(`sh:${call("/denied")}|ret 1;ca:reply 502 bad`),
      ],
    },
    { name: "from the request body", requests: [send(`rb:ret 1;rbe:${call("/late")}|ret 1;ca:body 0|splice 0 0 0 ^|continue 0`)] },
    { name: "from the response body", requests: [run(`sb:ret 1;sbe:${call("/late")}|ret 1;ca:body 1|splice 1 99 0 more|continue 1`)] },
    {
      name: "one after the other",
      requests: [
        run(`rh:${call("/check")}|ret 1;ca:body 4|call cb auth 1000 ^ :method=GET :path=/empty :authority=b;cb:dump 6|continue 0`),
      ],
    },
    {
      name: "two at once",
      requests: [run(`rh:${call("/check")}|call cb auth 1000 ^ :method=GET :path=/late :authority=b|ret 1;ca:body 4;cb:body 4|continue 0`)],
      without: { parts: ["upstream"], why: "they travel on two connections" },
    },
    { name: "from the log: the stream is gone", requests: [{ ...run(`log:${call("/check")};ca:body 4`), quietMs: 250 }] },
    {
      name: "missing pseudo headers",
      requests: [
        run(
          "rh:rawcall auth 100 :method=GET :path=/check|rawcall auth 100 :method=GET :authority=a|rawcall auth 100 :path=/check :authority=a|rawcall auth 100",
        ),
      ],
    },
    {
      name: "timeouts that are none",
      requests: [
        run("rh:rawcall auth 4294967295 :method=GET :path=/check :authority=a|rawcall ^ 100 :method=GET :path=/check :authority=a"),
      ],
    },
    {
      name: "the answer's maps elsewhere",
      requests: [run(`rh:${call("/check")}|ret 1|dump 6|body 4;ca:set 6 a b|splice 4 0 0 x|dump 0|continue 0;sh:dump 6|body 4`)],
    },
    {
      name: "the client's headers and the callout's",
      requests: [
        run(
          `rh:${call("/check", { more: "host=other x-forwarded-for=1.2.3.4 te=gzip connection=close user-agent=x" })}|ret 1;ca:continue 0`,
        ),
      ],
    },
  ],
};
