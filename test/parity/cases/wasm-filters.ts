// The filters of this package, the same modules with the same configuration in both proxies.
import { bootstrap, get, staticCluster, wasmFilter } from "../config.ts";
import type { ParityGroup, ParityRequest } from "../harness.ts";
import { chunks } from "./wasm-support.ts";

const PAGE =
  "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-powered-by: y\r\n\r\n<delay:20>8\r\nsee inte\r\n<delay:20>e\r\nrnal.example!\n\r\n<delay:20>0\r\n\r\n";

const MUTATIONS = {
  request: {
    remove: ["x-debug"],
    set: { "x-team": "core", ":path": "/set" },
    add: { "x-request-source": "mesh", "x-given": "no" },
    append: { via: "sluice" },
  },
  response: { remove: ["x-powered-by"], set: { "x-frame": "deny" }, append: { "x-up": "2" } },
};
const POLICIES = {
  policies: [
    { name: "no-admin", action: "DENY", rules: [{ to: [{ operation: { paths: ["/admin*"] } }] }] },
    {
      name: "read",
      action: "ALLOW",
      rules: [
        { to: [{ operation: { methods: ["GET"], paths: ["/api/{*}/items", "/page"] } }] },
        { when: [{ key: "request.headers[x-key]", values: ["open*"] }] },
      ],
    },
  ],
};
const LIMITS = {
  headers: true,
  limits: [{ name: "per-user", descriptor: [{ header: "x-user" }, { path: true }], tokens: 2, fillIntervalMs: 600_000 }],
};
const CHECK = { cluster: "auth", path: "/check", headers: ["authorization"], upstreamHeaders: ["x-user-id"], timeoutMs: 150 };

const group = (
  name: string,
  configuration: object,
  upstream: Readonly<Record<string, string>>,
  cases: ParityGroup["cases"],
  clusters: readonly string[] = [],
): ParityGroup => ({
  name: `filter ${name}`,
  config: (ports) =>
    bootstrap(ports, {
      clusters: clusters.map((cluster) => staticCluster(cluster, [ports.upstream])),
      httpFilters: [wasmFilter(name, ports.module(name), JSON.stringify(configuration), { failure_policy: "FAIL_CLOSED" })],
    }),
  upstream,
  cases,
});

const asked = (authorization: string): readonly ParityRequest[] => [get("/up", `authorization: ${authorization}`, "x-user-id: forged")];

export const filters: readonly ParityGroup[] = [
  group("header-mutation", MUTATIONS, { "/set": PAGE }, [
    { name: "changes both ways", requests: [get("/x", "x-debug: 1", "x-team: other", "x-given: yes", "via: proxy")] },
    { name: "with a body", requests: [chunks(["x-debug: 1"], ["abc"])] },
  ]),
  group("authz", POLICIES, {}, [
    { name: "allowed", requests: [get("/api/1/items?x"), get("/page"), get("/else", "x-key: open-sesame")] },
    {
      name: "denied by no rule",
      requests: [
        get("/api/1/2/items"),
        get("/api/1/items/"),
        get("/else", "x-key: shut"),
        { raw: "HEAD /page HTTP/1.1\r\nhost: a\r\n\r\n" },
      ],
    },
    {
      name: "denied by a rule",
      requests: [get("/admin/x"), get("/admin", "x-key: open"), get("/admin", "content-type: application/grpc")],
    },
    { name: "a header given twice", requests: [get("/else", "x-key: shut", "x-key: open"), get("/else", "x-key: shut,open")] },
  ]),
  group(
    "rate-limit",
    LIMITS,
    {},
    [
      {
        name: "a bucket runs empty",
        requests: [get("/a", "x-user: u1"), get("/a?q", "x-user: u1"), get("/a", "x-user: u1"), get("/a", "x-user: u1")].map((request) => ({
          ...request,
          quietMs: 60,
        })),
        stats: ["wasmcustom.rate_limit.passed", "wasmcustom.rate_limit.limited"],
      },
      { name: "other buckets are full", requests: [get("/b", "x-user: u1"), get("/a", "x-user: u2"), get("/a")] },
    ].map((one) => ({ ...one, without: { parts: ["client"] as const, why: "seconds until the next token" } })),
  ),
  group(
    "body-transform",
    {
      request: { replace: [{ from: "secret", to: "***" }] },
      response: {
        replace: [
          { from: "internal.example", to: "public.example" },
          { from: "see", to: "look at" },
        ],
      },
    },
    { "/page": PAGE, "/gzip": PAGE.replace("x-powered-by: y", "content-encoding: gzip"), "/up": PAGE },
    [
      { name: "a text across chunks of a response", requests: [get("/page")] },
      { name: "an encoded body passes", requests: [get("/gzip")] },
      { name: "a text across chunks of a request", requests: [chunks([], ["the sec", "ret is sec", "rat"])] },
    ],
  ),
  group(
    "callout",
    CHECK,
    {
      "/check": "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-user-id: 7\r\n\r\n",
    },
    [
      { name: "allowed", requests: asked("good") },
      { name: "with a body", requests: [chunks(["authorization: good"], ["abc", "def"])] },
    ],
    ["auth"],
  ),
  group(
    "callout",
    { ...CHECK, path: "/denied" },
    { "/denied": "HTTP/1.1 401 Unauthorized\r\ncontent-length: 5\r\nwww-authenticate: Basic\r\n\r\nno!!\n" },
    [{ name: "denied", requests: asked("bad") }],
    ["auth"],
  ),
  group("callout", { ...CHECK, path: "/hang" }, { "/hang": "<hang>" }, [{ name: "no answer in time", requests: asked("late") }], ["auth"]),
  group("callout", { ...CHECK, cluster: "dead", failureMode: "allow" }, {}, [
    { name: "a dead service that does not matter", requests: asked("any") },
  ]),
];
