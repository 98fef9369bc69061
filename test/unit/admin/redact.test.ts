// No secret is shown: neither by the rules one by one, nor by any endpoint.
import assert from "node:assert/strict";
import test from "node:test";
import { redact, redactText, redactYaml } from "../../../host/admin/redact.ts";
import { ask, endpointPaths, fakeViews, resource } from "./support.ts";

const key = "-----BEGIN RSA PRIVATE KEY-----\nMIIcanary\n-----END RSA PRIVATE KEY-----\n";

test("fields that Envoy marks as sensitive, and what no message describes", () => {
  const cases: readonly (readonly [unknown, unknown])[] = [
    [{ private_key: { inline_string: "k" } }, { private_key: { inline_string: "[redacted]" } }],
    [{ privateKey: { inlineBytes: "aw==" } }, { privateKey: { inlineBytes: "W3JlZGFjdGVkXQ==" } }],
    [{ private_key: { filename: "/k.pem" } }, { private_key: { filename: "[redacted]" } }],
    [{ password: { inline_string: "k" } }, { password: { inline_string: "[redacted]" } }],
    [{ session_ticket_keys: { keys: [{ inline_string: "k" }] } }, { session_ticket_keys: { keys: [{ inline_string: "[redacted]" }] } }],
    [{ generic_secret: { secret: { inline_string: "k" } } }, { generic_secret: { secret: { inline_string: "[redacted]" } } }],
    [{ header: { key: "Authorization", value: "k" } }, { header: { key: "Authorization", value: "[redacted]" } }],
    [{ header: { key: "x-team", value: "core" } }, { header: { key: "x-team", value: "core" } }],
    [{ key_values: { DB_PASSWORD: "k", REGION: "eu" } }, { key_values: { DB_PASSWORD: "[redacted]", REGION: "eu" } }],
    [
      { name: "API_TOKEN", value: "k" },
      { name: "API_TOKEN", value: "[redacted]" },
    ],
    [
      { pluginConfig: { clientSecret: "k", apiKey: "k", endpoint: "e" } },
      { pluginConfig: { clientSecret: "[redacted]", apiKey: "[redacted]", endpoint: "e" } },
    ],
    [{ value: '{"client_secret":"k","a":1}' }, { value: '{"client_secret":"[redacted]","a":1}' }],
    [{ value: '{"a": 1}' }, { value: '{"a": 1}' }],
    [{ inline_string: `before ${key}after` }, { inline_string: "before [redacted]\nafter" }],
    [{ value: "Bearer abcdefghijk" }, { value: "Bearer [redacted]" }],
    [
      { secret_name: "n", sds_config: { ads: {} }, token_endpoint: "e", cookie: { name: "c" } },
      { secret_name: "n", sds_config: { ads: {} }, token_endpoint: "e", cookie: { name: "c" } },
    ],
    [
      { certificate_chain: { inline_string: "-----BEGIN CERTIFICATE-----" } },
      { certificate_chain: { inline_string: "-----BEGIN CERTIFICATE-----" } },
    ],
    [
      [1, null, true, "a"],
      [1, null, true, "a"],
    ],
  ];
  for (const [before, after] of cases) assert.deepEqual(redact(before), after, JSON.stringify(before));
});

test("what has no secret is not copied", () => {
  const plain = { a: [{ b: 1 }], c: "d" };
  assert.equal(redact(plain), plain);
  assert.equal(redactText("[not json"), "[not json");
});

test("text of a configuration language", () => {
  const text = redactYaml('a:\n  password: hunter2\n  private_key: { filename: "/x" }\n  "api_key": "v"\n  name: kept\n');
  assert.equal(text, 'a:\n  password: [redacted]\n  private_key: [redacted]\n  "api_key": [redacted]\n  name: kept\n');
});

test("no endpoint shows a secret that the configuration holds", () => {
  const canary = "canary-4711";
  const secret = {
    password: { inline_string: canary },
    header: { key: "authorization", value: canary },
    value: `{"token":"${canary}"}`,
    key: key.replace("MIIcanary", canary),
    uri: `https://me:${canary}@x/m.wasm`,
    key_values: { ISTIO_META_WASM_IMAGE_PULL_SECRET: `{"auths":{"r":{"auth":"${canary}"}}}` },
  };
  const views = fakeViews({
    bootstrapJson: {
      node: {},
      static_resources: { secrets: [{ name: "s", generic_secret: { secret: { inline_string: canary } } }], clusters: [secret] },
    },
    commandLine: { "config-yaml": `password: ${canary}` },
    resources: () =>
      (["cluster", "listener", "route_configuration", "extension_config", "secret"] as const).map((kind) =>
        resource({ kind, name: kind, json: secret }),
      ),
    plugins: () => [
      {
        id: "WasmPlugin/default.p",
        name: "default.p",
        source: "p.yaml",
        sha256: "ab",
        acceptedAtMs: 0,
        fetching: `https://x/m.wasm Bearer ${canary}`,
        workers: [{ workerId: 1, isLoaded: false, sha256: "ab", failure: `refused {"x": 1} Bearer ${canary}` }],
        rejected: { atMs: 0, problems: [{ path: "", reason: key.replace("MIIcanary", canary) }] },
        json: { spec: { pluginConfig: { apiKey: canary } } },
      },
    ],
  });
  for (const path of [...endpointPaths, "/config_dump?include_eds", "/_wasm/filters/p", "/config_dump?resource=static_secrets"]) {
    assert.ok(!ask(views, path).body.includes(canary), path);
  }
});
