// local_reply_config: what a mapper matches, changes, and what the common body format makes of the rest.
import { bootstrap, get, post } from "../config.ts";
import type { ParityGroup } from "../harness.ts";

const status = (op: string, value: number): object => ({
  status_code_filter: { comparison: { op, value: { default_value: value, runtime_key: "none" } } },
});
const header = (name: string): object => ({ header_filter: { header: { name, present_match: true } } });
const routes = [
  { name: "dead", match: { prefix: "/dead" }, route: { cluster: "dead" } },
  { name: "none", match: { prefix: "/none" }, route: { cluster: "none" } },
  { name: "said", match: { prefix: "/said" }, direct_response: { status: 403, body: { inline_string: 'no "entry"' } } },
  { name: "silent", match: { prefix: "/silent" }, direct_response: { status: 409 } },
  { name: "moved", match: { prefix: "/moved" }, redirect: { path_redirect: "/there" } },
  { name: "hang", match: { prefix: "/hang" }, route: { cluster: "up", timeout: "0.1s" } },
  { name: "up", match: { prefix: "/up" }, route: { cluster: "up" } },
];
const cases = [
  { name: "dead upstream", requests: [get("/dead"), post("/dead", "abc")] },
  { name: "no upstream", requests: [get("/none"), get("/none", "x-teapot: 1"), get("/none", "x-json: 1")] },
  { name: "no route", requests: [get("/nowhere"), get("/nowhere", "x-json: 1")] },
  { name: "direct responses", requests: [get("/said"), get("/said", "x-json: 1"), get("/silent"), get("/silent", "x-teapot: 1")] },
  { name: "redirect", requests: [get("/moved")] },
  { name: "route timeout", requests: [{ ...get("/hang"), quietMs: 300 }] },
  { name: "HEAD", requests: [{ raw: "HEAD /dead HTTP/1.1\r\nhost: a\r\n\r\n" }] },
  {
    name: "gRPC",
    requests: [get("/dead", "content-type: application/grpc"), get("/none", "content-type: application/grpc", "x-teapot: 1")],
  },
  { name: "answers of the upstream are left alone", requests: [get("/up/500")] },
];
const upstream = { "/up/500": "HTTP/1.1 503 Oops\r\ncontent-length: 3\r\n\r\nbad", "/hang": "<hang>" };
const add = (key: string, value: string, append_action = "APPEND_IF_EXISTS_OR_ADD"): object => ({ header: { key, value }, append_action });

const MAPPERS = [
  {
    filter: header("x-teapot"),
    status_code: 418,
    body: { inline_string: "short and stout" },
    headers_to_add: [add("x-pot", "%RESPONSE_CODE%"), add("x-route", "%ROUTE_NAME%")],
  },
  {
    filter: { and_filter: { filters: [header("x-json"), status("GE", 400)] } },
    body_format_override: {
      json_format: { status: "%RESPONSE_CODE%", body: "%LOCAL_REPLY_BODY%", path: "%REQ(:path)%", none: "%REQ(x-none)%" },
    },
  },
  {
    filter: status("EQ", 404),
    body_format_override: {
      text_format_source: { inline_string: "<p>%LOCAL_REPLY_BODY%|%RESPONSE_CODE%</p>" },
      content_type: "text/html; charset=UTF-8",
    },
    headers_to_add: [add("x-found", "no")],
  },
  {
    filter: { response_flag_filter: { flags: ["UF"] } },
    status_code: 502,
    headers_to_add: [add("x-flag", "%RESPONSE_FLAGS%"), add("content-type", "text/x", "OVERWRITE_IF_EXISTS_OR_ADD")],
  },
];

export const localReplies: readonly ParityGroup[] = [
  {
    name: "local replies: mappers",
    config: (ports) => bootstrap(ports, { routes, hcm: { local_reply_config: { mappers: MAPPERS } } }),
    upstream,
    cases,
  },
  {
    name: "local replies: mappers and a text format",
    config: (ports) =>
      bootstrap(ports, {
        routes,
        hcm: {
          local_reply_config: {
            mappers: MAPPERS,
            body_format: {
              text_format_source: { inline_string: "%RESPONSE_CODE%: %LOCAL_REPLY_BODY% %REQ(:authority)% %RESPONSE_FLAGS%\n" },
            },
          },
        },
      }),
    upstream,
    cases,
  },
  {
    name: "local replies: a JSON format",
    config: (ports) =>
      bootstrap(ports, {
        routes,
        hcm: {
          local_reply_config: {
            body_format: {
              json_format: { error: { code: "%RESPONSE_CODE%", text: "%LOCAL_REPLY_BODY%" }, flags: "%RESPONSE_FLAGS%" },
              content_type: "application/problem+json",
            },
          },
        },
      }),
    upstream,
    cases,
  },
];
