// Where a server may send us on to, and how names and challenges are read.
import assert from "node:assert/strict";
import type { LookupAddress } from "node:dns";
import { test } from "node:test";
import { checkHost, guardedLookup, isPrivateAddress, type Lookup, type Reach } from "../../../host/modules/address-guard.ts";
import { cacheName, parseImage } from "../../../host/modules/image-reference.ts";
import { findCredentials, parseChallenge } from "../../../host/modules/registry-auth.ts";
import { readSettings } from "../../../host/modules/settings.ts";
import { guarded, image, layersOf } from "../../support/fake-registry.ts";
import { type Answer, redirect, startModuleServer } from "../../support/module-server.ts";
import { issue, dns } from "../../support/certificates.ts";
import { fetchModule, moduleBytes, remoteCode } from "./support.ts";

const privateOnes = "0.0.0.0 10.1.2.3 100.64.0.1 127.0.0.1 169.254.169.254 172.31.0.1 192.168.1.1 224.0.0.1 255.255.255.255";
const privateSix = ":: ::1 fc00::1 fd12::1 fe80::1 ff02::1 ::ffff:10.0.0.1 ::ffff:127.0.0.1 64:ff9b::a00:1";

test("private addresses", () => {
  for (const address of `${privateOnes} ${privateSix}`.split(" ")) assert.equal(isPrivateAddress(address), true, address);
  for (const address of "1.1.1.1 172.32.0.1 100.128.0.1 2606:4700::1 ::ffff:8.8.8.8".split(" "))
    assert.equal(isPrivateAddress(address), false, address);
});

const hosts: readonly (readonly [host: string, reach: Reach, reason: RegExp | undefined])[] = [
  ["example.com", "public", undefined],
  ["10.0.0.1", "any", undefined],
  ["10.0.0.1", "private", undefined],
  ["10.0.0.1", "public", /10\.0\.0\.1 is a private address/],
  ["[::1]", "public", /is a private address/],
  ["[::ffff:169.254.1.1]", "private", /link-local/],
  ["169.254.169.254", "private", /link-local/],
  ["localhost", "public", /a local name/],
  ["a.localhost.", "public", /a local name/],
  ["metadata.google.internal.", "private", /metadata service/],
];

for (const [host, reach, reason] of hosts) {
  test(`sent to ${host}, ${reach}: ${reason?.source ?? "may be"}`, () => {
    if (reason === undefined) checkHost(host, reach);
    else assert.throws(() => checkHost(host, reach), reason);
  });
}

test("a name of which one address is refused is refused", async () => {
  const answers: readonly LookupAddress[] = [
    { address: "93.184.216.34", family: 4 },
    { address: "127.0.0.1", family: 4 },
  ];
  const ask = (reach: Reach): Promise<string> =>
    new Promise((resolve) => {
      const lookup = guardedLookup(reach, (_name, _options, callback) => callback(null, [...answers]));
      lookup("rebinding.example", { all: false }, (error, address) => resolve(error?.message ?? String(address)));
    });
  assert.equal(await ask("public"), "refused to be sent to rebinding.example: 127.0.0.1 is a private address");
  assert.equal(await ask("private"), "93.184.216.34");
});

test("what a registry of the Internet names is not looked for inside", async (t) => {
  const { keyPem: key, pem: cert } = issue({ names: [dns("registry.example")] });
  const inner = await startModuleServer(t, {});
  const made = image("team/filter", "1.0", layersOf("artifact", moduleBytes()));
  const server = await startModuleServer(t, {}, { key, cert });
  const lookup: Lookup = (_name, _options, callback) => callback(null, [{ address: "127.0.0.1", family: 4 }]);
  const code = remoteCode(`oci://registry.example:${server.port}/team/filter:1.0`, {
    retries: { count: 0, baseIntervalMs: 1, maxIntervalMs: 1 },
  });
  const fetchFrom = async (routes: Readonly<Record<string, Answer>>, isPublic: boolean): Promise<string> => {
    server.routes.clear();
    for (const [path, answer] of Object.entries(routes)) server.routes.set(path, answer);
    return fetchModule(code, { authorities: [cert], lookup, isPublic }).then(
      () => "fetched",
      (error: unknown) => String(error),
    );
  };
  const places: readonly (readonly [place: string, inPublic: RegExp, inPrivate: RegExp])[] = [
    [`https://localhost:${inner.port}/x`, /refused to be sent to localhost: it is a local name/, /wrong version number|packet length/],
    [`https://127.0.0.1:${inner.port}/x`, /127\.0\.0\.1 is a private address/, /wrong version number|packet length/],
    [
      `https://inner.example:${inner.port}/x`,
      /refused to be sent to inner\.example: 127\.0\.0\.1 is a private address/,
      /wrong version|packet length/,
    ],
    ["https://169.254.169.254/x", /link-local/, /link-local/],
    [`http://127.0.0.1:${inner.port}/x`, /without TLS/, /without TLS/],
  ];
  for (const [place, inPublic, inPrivate] of places) {
    const asked = guarded(made.routes, () => false, `Bearer realm="${place}"`);
    const sent = Object.fromEntries(
      Object.entries(made.routes).map(([path, answer]) => [path, path.includes("blobs") ? redirect(place) : answer]),
    );
    for (const routes of [asked, sent]) {
      assert.match(await fetchFrom(routes, true), inPublic, place);
      assert.match(await fetchFrom(routes, false), inPrivate, place);
    }
  }
  assert.equal(await fetchFrom(made.routes, true), "fetched");
  assert.deepEqual(inner.requests, []);
});

test("a link to metadata is refused although the registry is private", async (t) => {
  const server = await startModuleServer(t, { "/m.wasm": redirect("http://[fd00:ec2::254]/") });
  await assert.rejects(fetchModule(remoteCode(`http://${server.host}/m.wasm`)), /link-local/);
});

const digest = "a".repeat(64);
const images: readonly (readonly [url: string, expected: string | undefined])[] = [
  ["oci://ghcr.io/a/b:1", "ghcr.io a/b 1 -"],
  ["oci://ghcr.io/a/b", "ghcr.io a/b latest -"],
  [`oci://ghcr.io/a/b@sha256:${digest}`, `ghcr.io a/b - ${digest}`],
  [`oci://ghcr.io/a/b:1@sha256:${digest.toUpperCase()}`, `ghcr.io a/b 1 ${digest}`],
  ["oci://localhost/a", "localhost a latest -"],
  ["oci://127.0.0.1:5000/a/b/c:x", "127.0.0.1:5000 a/b/c x -"],
  ["oci://[::1]:5000/a:x", "[::1]:5000 a x -"],
  ["oci://team/filter:1", "index.docker.io team/filter 1 -"],
  ["oci://filter:1", "index.docker.io library/filter 1 -"],
  ["oci://docker.io/filter", "index.docker.io library/filter latest -"],
  ["oci://ghcr.io/A/b", undefined],
  ["oci://ghcr.io/a/../b", undefined],
  ["oci://ghcr.io/a/b:", undefined],
  ["oci://ghcr.io/a/b@sha256:1", undefined],
  ["oci://ghcr.io/a/b?x=1", undefined],
  ["oci://", undefined],
  ["https://ghcr.io/a", undefined],
];

for (const [url, expected] of images) {
  test(`image ${url.slice(0, 40)}`, () => {
    const parsed = parseImage(url);
    const text = parsed === undefined ? undefined : `${parsed.registry} ${parsed.repository} ${parsed.tag ?? "-"} ${parsed.digest ?? "-"}`;
    assert.equal(text, expected);
  });
}

test("a module is cached under its image's name without tag and digest", () => {
  assert.equal(cacheName("oci://ghcr.io/a/b:1"), cacheName(`oci://ghcr.io/a/b@sha256:${digest}`));
  assert.equal(cacheName("https://x/m.wasm"), "https://x/m.wasm");
});

const challenges: readonly (readonly [string, object | undefined])[] = [
  ['Basic realm="a, b"', { scheme: "basic", parameters: { realm: "a, b" } }],
  ['Bearer realm="https://x/t",service=s', { scheme: "bearer", parameters: { realm: "https://x/t", service: "s" } }],
  ['Basic realm="r", Bearer realm="https://x/t"', { scheme: "bearer", parameters: { realm: "https://x/t" } }],
  ["bearer", { scheme: "bearer", parameters: {} }],
  ["Negotiate abc", undefined],
  ["", undefined],
];

for (const [header, expected] of challenges) test(`challenge ${header}`, () => assert.deepEqual(parseChallenge(header), expected));

const pair = (text: string): string => Buffer.from(text).toString("base64");
const none = { identityToken: "", registryToken: "" };
const secrets: readonly (readonly [secret: object | string, registry: string, expected: object | undefined | RegExp])[] = [
  [{ auths: { "r.io": { auth: pair("u:p:q") } } }, "r.io", { user: "u", password: "p:q", ...none }],
  [{ auths: { "r.io": { username: "u", password: "p" } } }, "r.io", { user: "u", password: "p", ...none }],
  [{ "r.io": { auth: pair("u:p") } }, "r.io", { user: "u", password: "p", ...none }],
  [{ auths: { "https://index.docker.io/v1/": { auth: pair("u:p") } } }, "index.docker.io", { user: "u", password: "p", ...none }],
  [{ auths: { "r.io": { auth: pair("u:p") } } }, "s.io", undefined],
  [{ auths: {} }, "r.io", undefined],
  [{ auths: 1 }, "r.io", /no auths/],
  ["[", "r.io", /not JSON/],
  ["null", "r.io", /no object/],
];

for (const [secret, registry, expected] of secrets) {
  test(`credentials of ${registry} in ${JSON.stringify(secret).slice(0, 60)}`, () => {
    const find = (): unknown => findCredentials(typeof secret === "string" ? secret : JSON.stringify(secret), registry);
    if (expected instanceof RegExp) assert.throws(find, expected);
    else assert.deepEqual(find(), expected);
  });
}

test("settings", () => {
  const settings = readSettings(
    {
      WASM_MODULE_EXPIRY: "1h30m",
      WASM_INSECURE_REGISTRIES: "a:1, b",
      XDG_CACHE_HOME: "/c",
      ISTIO_WASM_MAX_BINARY_SIZE_BYTES: "99999999999",
    },
    undefined,
    1000,
  );
  assert.equal(settings.expiryMs, 5_400_000);
  assert.equal(settings.purgeIntervalMs, 3_600_000);
  assert.equal(settings.directory, "/c/sluice/wasm");
  assert.deepEqual([...settings.insecureRegistries], ["a:1", "b"]);
  assert.equal(settings.maxModuleBytes, 33_554_432);
  assert.equal(readSettings({}, "/d", 1000).directory, "/d");
  assert.equal(readSettings({}, "/d", 1000).maxModuleBytes, 1000);
  for (const [name, value] of [
    ["WASM_MODULE_EXPIRY", "1d"],
    ["WASM_PURGE_INTERVAL", "0s"],
    ["ISTIO_WASM_MAX_BINARY_SIZE_BYTES", "1"],
    ["SSL_CERT_FILE", "/no/such"],
  ])
    assert.throws(() => readSettings({ [name]: value }, "/d", 1), new RegExp(`^Error: ${name}: `));
});
