// Images from a registry that can fail in every way.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { FetchError } from "../../../host/modules/contract.ts";
import { guarded, image, index, type Layout, layersOf, manifestRoutes, mediaTypes, sha256 } from "../../support/fake-registry.ts";
import {
  type Answer,
  body,
  cutShort,
  inTurn,
  type ModuleServer,
  redirect,
  startModuleServer,
  status,
} from "../../support/module-server.ts";
import { tar, tarFile } from "../../support/tar.ts";
import { type FetchOptions, fetchModule, moduleBytes, remoteCode } from "./support.ts";

type Routes = Readonly<Record<string, Answer>>;

const module = moduleBytes("image");
const artifact = image("team/filter", "1.0", layersOf("artifact", module));
const manifestPath = "/v2/team/filter/manifests/1.0";
const blobPath = `/v2/team/filter/blobs/sha256:${sha256(module)}`;
const platform = (os: string, architecture = "wasm"): { readonly os: string; readonly architecture: string } => ({ os, architecture });
const wrong = image("team/filter", "1.0", layersOf("artifact", moduleBytes("wrong")));

async function registry(t: TestContext, routes: Routes): Promise<{ readonly server: ModuleServer; readonly options: FetchOptions }> {
  const server = await startModuleServer(t, routes);
  return { server, options: { insecure: [server.host] } };
}

const layouts: readonly (readonly [Layout, string])[] = [
  ["docker", mediaTypes.dockerManifest],
  ["compat", mediaTypes.ociManifest],
  ["artifact", mediaTypes.ociManifest],
  ["cncf", mediaTypes.ociManifest],
  ["plain", mediaTypes.ociManifest],
];

for (const [layout, type] of layouts) {
  test(`layout ${layout}: by tag, by digest, and with the manifest's sha256`, async (t) => {
    const made = image("team/filter", "1.0", layersOf(layout, module), type);
    const { server, options } = await registry(t, made.routes);
    const name = `oci://${server.host}/team/filter`;
    const codes = [
      remoteCode(`${name}:1.0`),
      remoteCode(`${name}@sha256:${made.digest}`),
      remoteCode(`${name}:1.0@sha256:${made.digest}`),
      remoteCode(`${name}:1.0`, { sha256: made.digest }),
    ];
    for (const code of codes) {
      const fetched = await fetchModule(code, options);
      assert.deepEqual(Buffer.from(fetched.bytes), module);
      assert.equal(fetched.digest, made.digest);
    }
  });
}

test("an index: the module's platform goes before linux/amd64, attestations are nothing", async (t) => {
  const list = index("team/filter", "1.0", [
    { image: image("team/filter", "a", layersOf("artifact", moduleBytes("attestation"))), platform: platform("unknown", "unknown") },
    { image: wrong, platform: platform("linux", "amd64") },
    { image: artifact, platform: platform("wasip1") },
  ]);
  const { server, options } = await registry(t, list.routes);
  for (const digest of [undefined, list.digest, artifact.digest]) {
    const fetched = await fetchModule(remoteCode(`oci://${server.host}/team/filter:1.0`, { sha256: digest }), options);
    assert.deepEqual(Buffer.from(fetched.bytes), module);
    assert.equal(fetched.digest, digest ?? list.digest);
  }
});

test("a module at hand under the manifest's digest is not downloaded", async (t) => {
  const { server, options } = await registry(t, artifact.routes);
  const known = (digest: string): Uint8Array | undefined => (digest === artifact.digest ? module : undefined);
  await fetchModule(remoteCode(`oci://${server.host}/team/filter:1.0`), { ...options, known });
  assert.deepEqual(server.requests, [`GET ${manifestPath}`]);
});

interface Bad {
  readonly routes: Routes;
  readonly reason: RegExp;
  readonly result?: FetchError["result"];
  readonly sha256?: string;
}

const withManifest = (text: string, type: string = mediaTypes.ociManifest): Routes => ({
  ...artifact.routes,
  ...manifestRoutes("team/filter", "1.0", text, type),
});
const withLayers = (...layers: Parameters<typeof image>[2]): Routes => image("team/filter", "1.0", layers).routes;
const oci = (bytes: Uint8Array): Routes => withLayers({ mediaType: mediaTypes.ociLayer, bytes });

const bad: Readonly<Record<string, Bad>> = {
  "no such tag": { routes: {}, reason: /manifests\/1\.0: wrong status code, got 404/, result: "manifest_failure" },
  "500 for ever": { routes: { [manifestPath]: status(500) }, reason: /got 500/, result: "manifest_failure" },
  "429 for ever": { routes: { [manifestPath]: status(429) }, reason: /got 429/, result: "manifest_failure" },
  "403": { routes: { [manifestPath]: status(403) }, reason: /refused us without credentials: 403/, result: "manifest_failure" },
  "401 without a challenge": { routes: { [manifestPath]: status(401) }, reason: /in no way that is known/, result: "manifest_failure" },
  "401 for ever": {
    routes: { [manifestPath]: status(401, { "www-authenticate": 'Basic realm="x"' }) },
    reason: /refused us without credentials: 401/,
    result: "manifest_failure",
  },
  "no manifest": { routes: withManifest("<html>"), reason: /manifest is not JSON/, result: "manifest_failure" },
  "a manifest without layers": { routes: withManifest("{}"), reason: /manifest has no layers/, result: "manifest_failure" },
  "a manifest with no layer": { routes: withManifest('{"layers":[]}'), reason: /image has no layers/, result: "manifest_failure" },
  "a layer that is no descriptor": {
    routes: withManifest('{"layers":[{"mediaType":"x","digest":"md5:1","size":1}]}'),
    reason: /an entry of layers that is no descriptor/,
    result: "manifest_failure",
  },
  "an empty index": {
    routes: withManifest('{"manifests":[]}', mediaTypes.ociIndex),
    reason: /index has no manifest/,
    result: "manifest_failure",
  },
  "a manifest of another digest than it says": {
    routes: {
      ...artifact.routes,
      [manifestPath]: body(artifact.manifest, { "docker-content-digest": `sha256:${"0".repeat(64)}` }),
    },
    reason: /the manifest has digest .* does not match/,
    result: "checksum_mismatched",
  },
  "an image of another digest than is wanted": {
    routes: artifact.routes,
    sha256: sha256(module),
    reason: /fetched image has digest .* does not match/,
    result: "checksum_mismatched",
  },
  "a manifest too large": { routes: { [manifestPath]: body(Buffer.alloc(4_200_000)) }, reason: /sends more than the 4194304 bytes/ },
  "a layer of another digest": {
    routes: { ...artifact.routes, [blobPath]: body(moduleBytes("other")) },
    reason: /the layer has digest .* does not match/,
    result: "checksum_mismatched",
  },
  "a layer cut short for ever": { routes: { ...artifact.routes, [blobPath]: cutShort(module) }, reason: /aborted/ },
  "a layer that is gone": { routes: { ...artifact.routes, [blobPath]: status(404) }, reason: /blobs\/sha256:.* got 404/ },
  "a layer too large, and says so": {
    routes: withLayers({ mediaType: mediaTypes.cncfLayer, bytes: Buffer.concat([module, Buffer.alloc(200_000)]) }),
    reason: /the layer has \d+ bytes, more than the 165536 that are allowed/,
  },
  "a layer larger than it says": {
    routes: { ...artifact.routes, [blobPath]: body(Buffer.alloc(200_000)) },
    reason: /sends more than the 165536 bytes/,
  },
  "an artifact of three layers": {
    routes: withLayers(...layersOf("artifact", module), { mediaType: "text/plain", bytes: Buffer.from("x") }),
    reason: /number of layers must be 2 but got 3/,
    result: "manifest_failure",
  },
  "an artifact that is no module": {
    routes: image("team/filter", "1.0", layersOf("artifact", Buffer.from("no module"))).routes,
    reason: /not a Wasm module/,
  },
  "a layer of an unknown type": {
    routes: withLayers({ mediaType: "application/vnd.oci.image.layer.v1.tar+zstd", bytes: module }),
    reason: /invalid media type application\/vnd\.oci\.image\.layer\.v1\.tar\+zstd of the last of 1 layers/,
    result: "manifest_failure",
  },
  "an archive without the module": {
    routes: oci(gzipSync(tar(tarFile("other.wasm", module)))),
    reason: /plugin\.wasm not found in the archive/,
    result: "manifest_failure",
  },
  "an archive that is no tar": { routes: oci(gzipSync(Buffer.alloc(1024, "x"))), reason: /a header that is not one/ },
  "an archive that is no gzip": { routes: oci(Buffer.from([0x1f, 0x8b, 1, 2, 3])), reason: /gzip: / },
  "an archive cut short": { routes: oci(gzipSync(tar(tarFile("plugin.wasm", module)).subarray(0, 520))), reason: /cut short/ },
  "a gzip bomb": { routes: oci(gzipSync(Buffer.alloc(10_000_000))), reason: /unpacks to more than the 165536 bytes/ },
};

for (const [name, { routes, reason, result = "download_failure", sha256: wanted }] of Object.entries(bad)) {
  test(`refused: ${name}`, async (t) => {
    const { server, options } = await registry(t, routes);
    const code = remoteCode(`oci://${server.host}/team/filter:1.0`, { sha256: wanted });
    await assert.rejects(fetchModule(code, options), (error) => {
      assert.ok(error instanceof FetchError, String(error));
      assert.match(error.message, reason);
      assert.equal(error.result, result);
      return true;
    });
  });
}

test("a layer may come from elsewhere, without the credentials", async (t) => {
  let authorization: string | undefined = "none yet";
  const storage = await startModuleServer(t, {
    "/blob": (request, response) => {
      authorization = request.headers.authorization;
      response.end(module);
    },
  });
  const routes = { ...artifact.routes, [blobPath]: redirect(`http://${storage.host}/blob`) };
  const { server } = await registry(
    t,
    guarded(routes, (given) => given === basicOf("me:secret"), 'Basic realm="r"'),
  );
  const code = remoteCode(`oci://${server.host}/team/filter:1.0`, { pullSecret: secretFor(server.host) });
  await fetchModule(code, { insecure: [server.host, storage.host] });
  assert.equal(authorization, undefined);
});

// ── Who we are ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

const basicOf = (pair: string): string => `Basic ${Buffer.from(pair).toString("base64")}`;
const secretFor = (host: string, pair = "me:secret"): string =>
  JSON.stringify({ auths: { [host]: { auth: Buffer.from(pair).toString("base64") } } });

test("basic: with the credentials of the registry, and not without", async (t) => {
  const { server, options } = await registry(
    t,
    guarded(artifact.routes, (given) => given === basicOf("me:secret"), 'Basic realm="r"'),
  );
  const url = `oci://${server.host}/team/filter:1.0`;
  await fetchModule(remoteCode(url, { pullSecret: secretFor(server.host) }), options);
  await fetchModule(remoteCode(url, { pullSecret: secretFor(`https://${server.host}/v2/`) }), options);
  await assert.rejects(fetchModule(remoteCode(url), options), /refused us without credentials: 401/);
  await assert.rejects(fetchModule(remoteCode(url, { pullSecret: secretFor(server.host, "me:no") }), options), /refused us as me: 401/);
  await assert.rejects(fetchModule(remoteCode(url, { pullSecret: secretFor("other.example") }), options), /without credentials/);
  await assert.rejects(fetchModule(remoteCode(url, { pullSecret: "no JSON" }), options), /not Docker's config.json: not JSON/);
});

const tokenOf =
  (token: string, isWelcome: (authorization: string | undefined) => boolean = () => true): Answer =>
  (request, response) => {
    if (!isWelcome(request.headers.authorization)) response.writeHead(401).end();
    else response.end(JSON.stringify({ token }));
  };

test("bearer: a token of the service that the registry names", async (t) => {
  let asked = "";
  const service = await startModuleServer(t, {
    "/token": (request, response, count) => {
      asked = request.url ?? "";
      tokenOf("t1", (given) => given === basicOf("me:secret"))(request, response, count);
    },
  });
  const challenge = `Bearer realm="http://${service.host}/token",service="the \\"registry\\"",scope="repository:team/filter:pull"`;
  const { server, options } = await registry(
    t,
    guarded(artifact.routes, (given) => given === "Bearer t1", challenge),
  );
  await fetchModule(remoteCode(`oci://${server.host}/team/filter:1.0`, { pullSecret: secretFor(server.host) }), options);
  assert.equal(asked, "/token?service=the+%22registry%22&scope=repository%3Ateam%2Ffilter%3Apull");
  // One token for the manifest and the layer.
  assert.equal(service.requests.length, 1);
});

test("bearer: an identity token is exchanged, a registry token is used as it is", async (t) => {
  let form = "";
  const service = await startModuleServer(t, {
    "/token": (request, response) => {
      request.setEncoding("utf8").on("data", (text: string) => {
        form += text;
      });
      request.on("end", () => response.end(JSON.stringify({ access_token: "t2" })));
    },
  });
  const { server, options } = await registry(
    t,
    guarded(artifact.routes, (given) => given === "Bearer t2", `Bearer realm="http://${service.host}/token",service="s"`),
  );
  const url = `oci://${server.host}/team/filter:1.0`;
  const secret = (fields: object): string => JSON.stringify({ auths: { [server.host]: fields } });
  await fetchModule(remoteCode(url, { pullSecret: secret({ identitytoken: "id" }) }), options);
  assert.equal(form, "grant_type=refresh_token&refresh_token=id&service=s&scope=repository%3Ateam%2Ffilter%3Apull&client_id=sluice");
  await fetchModule(remoteCode(url, { pullSecret: secret({ registrytoken: "t2" }) }), options);
  assert.equal(service.requests.length, 1);
});

const badTokens: Readonly<Record<string, readonly [realm: (host: string) => string, answer: Answer, reason: RegExp]>> = {
  "a token that is refused": [(host) => `http://${host}/token`, tokenOf("other"), /refused us without credentials: 401/],
  "no token": [(host) => `http://${host}/token`, body("{}"), /gave no token/],
  "a token with another field in it": [(host) => `http://${host}/token`, tokenOf("a\r\nx: y"), /gave no token/],
  "a service that refuses": [(host) => `http://${host}/token`, status(401), /could not get a token: wrong status code, got 401/],
  "an answer too large": [(host) => `http://${host}/token`, body(Buffer.alloc(70_000)), /sends more than the 65536 bytes/],
  "a realm that is no URL": [() => "somewhere", status(500), /token service is not an HTTP URL: somewhere/],
};

for (const [name, [realm, answer, reason]] of Object.entries(badTokens)) {
  test(`refused: ${name}`, async (t) => {
    const service = await startModuleServer(t, { "/token": answer });
    const challenge = `Bearer realm="${realm(service.host)}"`;
    const { server, options } = await registry(
      t,
      guarded(artifact.routes, (given) => given === "Bearer good", challenge),
    );
    await assert.rejects(fetchModule(remoteCode(`oci://${server.host}/team/filter:1.0`), options), reason);
  });
}

test("retries: a registry that recovers", async (t) => {
  const [, manifest] = Object.entries(artifact.routes).find(([path]) => path === manifestPath) ?? [];
  assert.ok(manifest !== undefined);
  const routes = { ...artifact.routes, [manifestPath]: inTurn(status(503), status(429, { "retry-after": "0" }), manifest) };
  const { server, options } = await registry(t, routes);
  await fetchModule(remoteCode(`oci://${server.host}/team/filter:1.0`), options);
  assert.equal(server.requests.filter((line) => line.includes("manifests")).length, 3);
});

test("without TLS only where the registry is listed", async (t) => {
  const { server } = await registry(t, artifact.routes);
  const code = remoteCode(`oci://${server.host}/team/filter:1.0`, { retries: { count: 0, baseIntervalMs: 1, maxIntervalMs: 1 } });
  await assert.rejects(fetchModule(code), /wrong version number|packet length too long/);
  assert.deepEqual(server.requests, []);
});

test("not the name of an image", async () => {
  await assert.rejects(fetchModule(remoteCode("oci://Registry.example/UPPER:1")), /not the name of an image/);
});
