// The authz filter against Envoy's own RBAC filter. Each policy set runs twice in one Envoy: translated to RBAC filters as
// Istio does it on one path of listeners, and as configuration of the wasm filter on another. The same requests go to
// both and must get the same answers. `SLUICE_ENVOY` is the path of an Envoy binary; without it the suite is skipped.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type PolicyConfig, type RuleConfig, rbacFilters } from "../support/authz-rbac-config.ts";

const envoy = process.env.SLUICE_ENVOY;
const seed = Number(process.env.SLUICE_SEED ?? 20261124);
const randomSets = 60;
const requestsPerSet = 24;

type Json = Record<string, unknown>;

interface Request {
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: readonly (readonly [string, string])[];
}

/** Mulberry32: small, and the same everywhere. */
function createRandom(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4294967296;
  };
}

const random = createRandom(seed);
const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)];
const some = (from: readonly string[]): string[] => Array.from({ length: 1 + Math.floor(random() * 2) }, () => pick(from));

/** The metadata that a token check would have left. */
const claims = {
  iss: "https://issuer.example/a",
  sub: "ann",
  aud: ["web", "api"],
  azp: "app",
  groups: ["dev", "ops"],
  org: { team: "core" },
};

const values = {
  hosts: ["a.example", "*.example", "b.*", "A.EXAMPLE", "*", "c.test"],
  methods: ["GET", "POST", "P*", "*T", "*", "get"],
  paths: ["/", "/admin", "/admin*", "*.js", "/api/{*}/items", "/api/{**}", "/{*}", "/files/{**}/raw", "*", "/a%2fb"],
  ports: ["1", "PORT"],
  remoteIpBlocks: ["10.0.0.0/8", "127.0.0.1", "203.0.113.7", "2001:db8::/32", "0.0.0.0/0", "::/0"],
  requestPrincipals: [
    "*",
    "https://issuer.example/a/ann",
    "https://issuer.example/*",
    "*ann",
    "*/ann",
    "https://issuer.example/a/*",
    "x/y",
  ],
} as const;

const conditions: readonly (readonly [string, readonly string[]])[] = [
  ["request.headers[x-a]", ["a", "b", "a*", "*b", "*", "a,b"]],
  ["request.headers[X-Empty]", ["*", "x"]],
  ["request.headers[:method]", ["GET", "P*"]],
  ["remote.ip", values.remoteIpBlocks],
  ["destination.ip", ["127.0.0.0/8", "10.0.0.0/8"]],
  ["request.auth.audiences", ["web", "a*", "*", "other"]],
  ["request.auth.presenter", ["app", "*p", "none"]],
  ["request.auth.claims[groups]", ["ops", "d*", "qa"]],
  ["request.auth.claims[org][team]", ["core", "*e", "x"]],
  ["request.auth.claims[missing]", ["*"]],
  ["source.principal", ["*", "a/ns/b/sa/c"]],
  ["source.namespace", ["b", "*"]],
  ["connection.sni", ["*", "a.example"]],
];

function randomRule(port: number): RuleConfig {
  const fields = (names: readonly (keyof typeof values)[]): Record<string, string[]> => {
    const chosen: Record<string, string[]> = {};
    for (const name of names) {
      if (random() < 0.45) chosen[name] = some(values[name]).map((value) => value.replace("PORT", String(port)));
      if (random() < 0.2)
        chosen[`not${name[0].toUpperCase()}${name.slice(1)}`] = some(values[name]).map((value) => value.replace("PORT", String(port)));
    }
    return chosen;
  };
  const operation = fields(["hosts", "methods", "paths", "ports"]);
  const source = fields(["remoteIpBlocks", "requestPrincipals"]);
  const when = random() < 0.5 ? [pick(conditions)] : [];
  return {
    ...(Object.keys(operation).length > 0 && { to: [{ operation }] }),
    ...(Object.keys(source).length > 0 && { from: [{ source }] }),
    ...(when.length > 0 && {
      when: when.map(([key, from]) => ({ key, [random() < 0.75 ? "values" : "notValues"]: some(from) })),
    }),
  };
}

function randomPolicies(port: number): PolicyConfig[] {
  return Array.from({ length: 1 + Math.floor(random() * 3) }, (_, index) => ({
    name: `p${index}`,
    action: pick(["ALLOW", "DENY", "DENY", "ALLOW", "AUDIT"] as const),
    rules: Array.from({ length: Math.floor(random() * 3) + (random() < 0.9 ? 1 : 0) }, () => randomRule(port)),
  }));
}

const when = (key: string, ...list: string[]): RuleConfig => ({ when: [{ key, values: list }] });
const paths = (...list: string[]): RuleConfig => ({ to: [{ operation: { paths: list } }] });

/** Sets whose meaning has surprised people. */
const tableSets: readonly PolicyConfig[][] = [
  [],
  [{ name: "empty-allow" }],
  [{ name: "empty-deny", action: "DENY" }],
  [{ name: "all", rules: [{}] }],
  [{ name: "none", action: "DENY", rules: [{}] }],
  [{ name: "audit", action: "AUDIT", rules: [{}] }],
  [{ name: "one-value", action: "DENY", rules: [when("request.headers[x-a]", "b")] }],
  [{ name: "joined-value", action: "DENY", rules: [when("request.headers[x-a]", "a,b")] }],
  [{ name: "one-value", rules: [when("request.headers[x-a]", "b")] }],
  [{ name: "joined-value", rules: [when("request.headers[x-a]", "a,b")] }],
  [{ name: "present", rules: [when("request.headers[x-empty]", "*")] }],
  [{ name: "absent", rules: [{ when: [{ key: "request.headers[x-a]", notValues: ["*"] }] }] }],
  [{ name: "template", rules: [paths("/api/{*}/items", "/files/{**}/raw")] }],
  [{ name: "template", rules: [paths("/{*}/{**}")] }],
  [{ name: "characters", rules: [paths("/c/{*}", "/d/{**}")] }],
  [{ name: "query", rules: [paths("/admin")] }],
  [{ name: "case", rules: [{ to: [{ operation: { hosts: ["A.example"] } }] }] }],
  [
    {
      name: "both",
      action: "DENY",
      rules: [{ to: [{ operation: { paths: ["/admin*"], notPaths: ["/admin/open"] } }] }],
    },
    { name: "rest", rules: [{}] },
  ],
];

const paramPaths = [
  "/",
  "/admin",
  "/admin/",
  "/admin/open",
  "/admin?x=/a.js",
  "/x.js",
  "/api/7/items",
  "/api//items",
  "/api/a/b/items",
  "/api/",
  "/files/a/b/raw",
  "/files/raw",
  "/files//raw",
  "/api/a*b/items",
  "/a%2fb",
  "/a#b",
  "/api/7/items?q=1",
];

function randomRequest(): Request {
  const headers: [string, string][] = [];
  if (random() < 0.7)
    for (const value of pick([["a"], ["b"], ["a", "b"], ["a,b"], ["b", "a"], [""], ["", "b"]])) headers.push(["x-a", value]);
  if (random() < 0.4) headers.push(["x-empty", pick(["", "x"])]);
  if (random() < 0.5) headers.push(["x-forwarded-for", pick(["10.1.2.3", "203.0.113.7", "2001:db8::7", "198.51.100.1, 10.0.0.1"])]);
  return {
    method: pick(["GET", "POST", "PUT", "DELETE"]),
    path: pick(paramPaths),
    host: pick(["a.example", "A.Example", "b.test", "c.test"]),
    headers,
  };
}

/** Sends one request by hand, because clients join or refuse headers, and returns the status. */
function send(port: number, request: Request): Promise<number> {
  const lines = [`${request.method} ${request.path} HTTP/1.1`, `host: ${request.host}`, "connection: close", "content-length: 0"];
  for (const [name, value] of request.headers) lines.push(`${name}: ${value}`);
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(`${lines.join("\r\n")}\r\n\r\n`));
    let text = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      text += chunk;
      // The status is all that counts; waiting for the end would wait for Envoy's delayed close.
      if (text.length < 12) return;
      resolve(Number(text.slice(9, 12)));
      socket.destroy();
    });
    socket.on("end", () => reject(new Error(`closed after ${JSON.stringify(text)}`)));
    socket.on("error", reject);
  });
}

/** One listener for each set and implementation; both see the same local port family, so `ports` name the listener's own. */
function createListener(port: number, filters: Json[]): Json {
  const metadata = {
    name: "claims",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.set_metadata.v3.Config",
      metadata: [{ metadata_namespace: "envoy.filters.http.jwt_authn", value: { payload: claims } }],
    },
  };
  const router = {
    name: "router",
    typed_config: { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
  };
  const route = {
    virtual_hosts: [{ name: "all", domains: ["*"], routes: [{ match: { prefix: "/" }, direct_response: { status: 200 } }] }],
  };
  const manager = {
    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    stat_prefix: "parity",
    route_config: route,
    http_filters: [metadata, ...filters, router],
  };
  return {
    name: `listener-${port}`,
    address: { socket_address: { address: "127.0.0.1", port_value: port } },
    filter_chains: [{ filters: [{ name: "hcm", typed_config: manager }] }],
  };
}

function wasmFilter(policies: readonly PolicyConfig[]): Json {
  return {
    name: "authz",
    typed_config: {
      "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
      config: {
        name: "authz",
        configuration: {
          "@type": "type.googleapis.com/google.protobuf.StringValue",
          value: JSON.stringify({ policies }),
        },
        vm_config: {
          runtime: "envoy.wasm.runtime.v8",
          code: { local: { filename: fileURLToPath(new URL("../../filters/authz.wasm", import.meta.url)) } },
        },
      },
    },
  };
}

async function untilListening(port: number, deadlineMs: number): Promise<void> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => resolve(true));
      socket.on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
    if (open) return;
    if (Date.now() > end) throw new Error(`nothing listens on port ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe("authz against Envoy's RBAC filter", { skip: envoy === undefined ? "SLUICE_ENVOY is not set" : false }, () => {
  const firstPort = 21000;
  // The native filter of set i listens on firstPort + 2i, the wasm filter on the next one. `ports` of a policy name the
  // port of the filter that reads it, so each gets its own copy of the set.
  const sets = [...tableSets, ...Array.from({ length: randomSets }, () => randomPolicies(0))];
  const withPort = (policies: PolicyConfig[], port: number): PolicyConfig[] =>
    JSON.parse(JSON.stringify(policies).replaceAll('"0"', `"${port}"`)) as PolicyConfig[];
  let process_: ChildProcess | undefined;
  let folder = "";
  let log = "";

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "authz-parity-"));
    const listeners = sets.flatMap((policies, index) => {
      const port = firstPort + 2 * index;
      return [
        createListener(port, rbacFilters(withPort(policies, port))),
        createListener(port + 1, [wasmFilter(withPort(policies, port + 1))]),
      ];
    });
    const file = join(folder, "envoy.json");
    writeFileSync(file, JSON.stringify({ static_resources: { listeners } }));
    log = join(folder, "envoy.log");
    process_ = spawn(envoy ?? "", ["-c", file, "--concurrency", "1", "--use-dynamic-base-id", "-l", "error", "--log-path", log], {
      stdio: "ignore",
    });
    await untilListening(firstPort, 60_000).catch((error: Error) => {
      throw new Error(`${error.message}; Envoy says: ${readFileSync(log, "utf8").slice(0, 2000)}`);
    });
  });

  after(() => {
    process_?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  it("path templates take the same characters", async () => {
    const port = firstPort + 2 * tableSets.findIndex((policies) => policies.some((policy) => policy.name === "characters"));
    for (let code = 0x21; code < 0x7f; code++) {
      for (const path of [`/c/${String.fromCharCode(code)}`, `/d/${String.fromCharCode(code)}/`]) {
        const request: Request = { method: "GET", path, host: "a.example", headers: [] };
        const [native, wasm] = await Promise.all([send(port, request), send(port + 1, request)]);
        assert.equal(wasm, native, path);
      }
    }
  });

  for (const [index, policies] of sets.entries()) {
    it(`set ${index} (seed ${seed}): ${policies.map((policy) => `${policy.action ?? "ALLOW"} ${policy.name}`).join(", ")}`, async () => {
      const port = firstPort + 2 * index;
      for (let i = 0; i < requestsPerSet; i++) {
        const request = randomRequest();
        const [native, wasm] = await Promise.all([send(port, request), send(port + 1, request)]);
        assert.equal(wasm, native, `${JSON.stringify(request)} under ${JSON.stringify(policies)}`);
      }
    });
  }
});
