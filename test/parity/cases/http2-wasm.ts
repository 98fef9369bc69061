// Wasm filters on HTTP/2 streams: the order of headers, trailers, events, own answers.
import { data } from "../../support/http2-frames.ts";
import { bootstrap, httpOptions, wasmFilter } from "../config.ts";
import type { ParityGroup, ParityRequest } from "../harness.ts";
import { begin, end, frames, get, trailers } from "../http2-client.ts";
import { body, bodyEnd, status, statusEnd, trailersEnd } from "../http2-upstream.ts";
import { compiledModule } from "../modules.ts";
import { http2Log } from "./http2.ts";

const program = (text: string, path = "/up", ...more: readonly (readonly [string, string])[]): ParityRequest =>
  frames(get(1, path, [["x-do-probe", text], ...more]));
const post = (text: string, more: readonly (readonly [string, string])[] = [], path = "/up"): ParityRequest =>
  frames(
    begin(1, path, [["x-do-probe", text], ...more]),
    data(1, "abc"),
    data(1, "def"),
    trailers(1, [
      ["x-t", "1"],
      ["x-u", "2"],
    ]),
  );

export const wasmHttp2: ParityGroup = {
  name: "wasm on HTTP/2",
  config: (ports) =>
    bootstrap(ports, {
      logFormat: http2Log,
      hcm: { http_protocol_options: { enable_trailers: true } },
      httpFilters: [wasmFilter("probe", compiledModule("probe"), undefined)],
      up: httpOptions({ explicit_http_config: { http2_protocol_options: {} } }),
    }),
  http2Upstream: {
    "/trailers": {
      steps: [
        status("200", [
          ["x-b", "1"],
          ["x-a", "2"],
        ]),
        body("abc"),
        30,
        body("def"),
        30,
        trailersEnd([
          ["x-t", "1"],
          ["x-u", "2"],
        ]),
      ],
    },
    "/none": { steps: [statusEnd("204")] },
    "/multi": {
      steps: [
        status("200", [
          ["set-cookie", "a=1"],
          ["x-a", "1"],
          ["set-cookie", "b=2"],
        ]),
        30,
        bodyEnd("ok"),
      ],
    },
  },
  cases: [
    {
      name: "order of request headers",
      requests: [
        program(
          "rh:dump 0",
          "/up?q",
          ["user-agent", "x"],
          ["x-b", "2"],
          ["cookie", "a=1"],
          ["x-a", "1"],
          ["cookie", "b=2"],
          ["accept", "*/*"],
        ),
      ],
    },
    { name: "order of response headers", requests: [program("sh:dump 2", "/multi"), program("sh:dump 2", "/none")] },
    { name: "request trailers", requests: [post("rt:dump 1")] },
    { name: "response trailers", requests: [program("st:dump 3", "/trailers")] },
    { name: "the request is held and goes on with its trailers", requests: [post("rb:ret 1;rt:dump 1|body 0")] },
    { name: "the answer is held and goes on with its trailers", requests: [program("sb:ret 1;st:dump 3|body 1", "/trailers")] },
    { name: "an answer in request headers", requests: [program("rh:reply 403 denied x-a=1 x-b=2|ret 1;sh:dump 2")] },
    {
      name: "an answer in the body",
      requests: [frames(begin(1, "/up", [["x-do-probe", "rb:reply 403 denied"]]), end(1, "abc"))],
      without: { parts: ["upstream"], why: "how much of it the upstream got before is a matter of time" },
    },
    { name: "an answer in trailers", requests: [post("rb:ret 1;rt:reply 403 denied")], without: { parts: ["upstream"], why: "as above" } },
    { name: "an answer in response headers", requests: [program("sh:reply 403 denied x-a=1", "/multi")] },
    { name: "an answer after the answer began", requests: [program("sb:reply 403 denied", "/trailers")] },
    { name: "gRPC status", requests: [program("rh:reply 403 no~way grpc=7", "/up", ["content-type", "application/grpc"])] },
    { name: "HEAD", requests: [frames(get(1, "/up", [["x-do-probe", "rh:reply 403 denied"]], "HEAD"))] },
    {
      name: "properties",
      requests: [
        program(
          "rh:prop request.protocol request.scheme request.host request.path connection.id;log:prop request.protocol response.code response.flags request.total_size response.size",
        ),
      ].map((one) => ({ ...one, quietMs: 200 })),
      without: { parts: ["guest"], why: "sizes count header bytes, which differ by their encoding" },
    },
  ],
};
