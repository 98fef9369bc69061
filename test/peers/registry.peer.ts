// Modules from a registry that is not ours: Debian's docker-registry with htpasswd, with and without TLS, filled by skopeo, which also
// says what it sees of each image. .ci/run installs them; a program that is missing is a failure.
import assert from "node:assert/strict";
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { image, type Layer, type Layout, layersOf, mediaTypes, sha256 } from "../support/fake-registry.ts";
import { ip, issue } from "../support/certificates.ts";
import { systemClock } from "../../host/xds/clock.ts";
import { type FetchOptions, fetchModule, moduleBytes, remoteCode } from "../unit/modules/support.ts";

const folder = mkdtempSync(join(tmpdir(), "sluice-peers-registry-"));
const authority = issue({ isAuthority: true });
const certificate = issue({ issuer: authority, names: [ip(127, 0, 0, 1)] });
const secretOf = (host: string, pair = "me:secret"): string =>
  JSON.stringify({ auths: { [host]: { auth: Buffer.from(pair).toString("base64") } } });

interface Registry {
  readonly host: string;
  readonly process: ChildProcess;
  readonly isTls: boolean;
}

let plain: Registry;
let tls: Registry;

/** Port 0: the program says in its log which it has. */
async function startRegistry(name: string, isTls: boolean): Promise<Registry> {
  const home = join(folder, name);
  mkdirSync(home);
  writeFileSync(join(home, "htpasswd"), execFileSync("htpasswd", ["-Bbn", "me", "secret"]));
  writeFileSync(join(home, "cert.pem"), certificate.pem);
  writeFileSync(join(home, "key.pem"), certificate.keyPem);
  const config = {
    version: 0.1,
    log: { level: "info", formatter: "json" },
    storage: { filesystem: { rootdirectory: join(home, "data") } },
    auth: { htpasswd: { realm: "test", path: join(home, "htpasswd") } },
    http: { addr: "127.0.0.1:0", ...(isTls ? { tls: { certificate: join(home, "cert.pem"), key: join(home, "key.pem") } } : {}) },
  };
  writeFileSync(join(home, "config.yml"), JSON.stringify(config));
  const child = spawn("docker-registry", ["serve", join(home, "config.yml")], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env.PATH, OTEL_TRACES_EXPORTER: "none" },
  });
  let log = "";
  const host = await new Promise<string>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`docker-registry ended with ${code}: ${log}`)));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      const [, address] = /listening on (127\.0\.0\.1:\d+)/.exec(log) ?? [];
      if (address !== undefined) resolve(address);
    });
  });
  return { host, process: child, isTls };
}

function skopeo(...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile("skopeo", ["--insecure-policy", ...args], { timeout: 60_000, encoding: "utf8" }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`skopeo ${args.join(" ")}: ${error.message}\n${stderr}`));
    });
  });
}

/** How skopeo is to trust the registry, as source or destination of a copy ("dest-", "src-") or by itself (""). */
function trust(registry: Registry, side: "" | "dest-"): readonly string[] {
  return registry.isTls ? [`--${side}cert-dir`, join(folder, "trust")] : [`--${side}tls-verify=false`];
}

/** An image as an OCI layout on disk (image specification, "image-layout"). */
function writeLayout(layers: readonly Layer[]): string {
  const home = mkdtempSync(join(folder, "layout-"));
  const blobs = join(home, "blobs", "sha256");
  mkdirSync(blobs, { recursive: true });
  const { manifest, digest } = image("x", "x", layers);
  const config = JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } });
  const parsed = JSON.parse(manifest) as { config: object };
  parsed.config = { mediaType: "application/vnd.oci.image.config.v1+json", digest: `sha256:${sha256(config)}`, size: config.length };
  const text = JSON.stringify(parsed);
  for (const bytes of [...layers.map((layer) => layer.bytes), config, text]) writeFileSync(join(blobs, sha256(bytes)), bytes);
  const entry = {
    mediaType: mediaTypes.ociManifest,
    digest: `sha256:${sha256(text)}`,
    size: text.length,
    annotations: { "org.opencontainers.image.ref.name": "x" },
  };
  writeFileSync(join(home, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
  writeFileSync(join(home, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
  assert.notEqual(digest, entry.digest);
  return home;
}

/** The digest that skopeo sees of what it pushed. */
async function push(registry: Registry, name: string, layers: readonly Layer[], ...options: readonly string[]): Promise<string> {
  const target = `docker://${registry.host}/${name}`;
  await skopeo("copy", "--dest-creds", "me:secret", ...trust(registry, "dest-"), ...options, `oci:${writeLayout(layers)}:x`, target);
  const raw = await skopeo("inspect", "--raw", "--creds", "me:secret", ...trust(registry, ""), target);
  return sha256(raw);
}

function optionsFor(registry: Registry): FetchOptions {
  return { clock: systemClock, ...(registry.isTls ? { authorities: [authority.pem] } : { insecure: [registry.host] }) };
}

before(async () => {
  mkdirSync(join(folder, "trust"));
  writeFileSync(join(folder, "trust", "ca.crt"), authority.pem);
  plain = await startRegistry("plain", false);
  tls = await startRegistry("tls", true);
});

after(() => {
  for (const registry of [plain, tls]) registry?.process.kill();
  rmSync(folder, { recursive: true, force: true });
});

const layouts: readonly (readonly [name: string, layout: Layout, ...options: readonly string[]])[] = [
  ["artifact", "artifact"],
  ["compat", "compat"],
  ["docker", "compat", "--format", "v2s2"],
  ["cncf", "cncf"],
];

for (const kind of ["plain", "tls"] as const) {
  for (const [name, layout, ...options] of layouts) {
    test(`${kind}: ${name}, by tag and by digest`, { timeout: 60_000 }, async () => {
      const registry = kind === "tls" ? tls : plain;
      const module = moduleBytes(`${kind} ${name}`);
      const digest = await push(registry, `team/${name}:1`, layersOf(layout, module), ...options);
      const pullSecret = secretOf(registry.host);
      for (const url of [`oci://${registry.host}/team/${name}:1`, `oci://${registry.host}/team/${name}@sha256:${digest}`]) {
        const fetched = await fetchModule(remoteCode(url, { pullSecret }), optionsFor(registry));
        assert.deepEqual(Buffer.from(fetched.bytes), module);
        assert.equal(fetched.digest, digest);
      }
    });
  }
}

test("who may not pull, and what is not there", { timeout: 60_000 }, async () => {
  await push(tls, "team/closed:1", layersOf("artifact", moduleBytes("closed")));
  const fails: readonly (readonly [name: string, secret: string | undefined, reason: RegExp])[] = [
    ["team/closed:1", undefined, /refused us without credentials: 401/],
    ["team/closed:1", secretOf(tls.host, "me:wrong"), /refused us as me: 401/],
    ["team/closed:1", secretOf("other.example"), /refused us without credentials: 401/],
    ["team/closed:2", secretOf(tls.host), /manifests\/2: wrong status code, got 404/],
    ["team/none:1", secretOf(tls.host), /got 404/],
  ];
  for (const [name, pullSecret, reason] of fails)
    await assert.rejects(fetchModule(remoteCode(`oci://${tls.host}/${name}`, { pullSecret }), optionsFor(tls)), reason, name);
});

test("a certificate of nobody's is refused, and a registry without TLS that is not listed", { timeout: 60_000 }, async () => {
  const once = { retries: { count: 0, baseIntervalMs: 1, maxIntervalMs: 1 } };
  const [unknown, unlisted] = [tls, plain].map(({ host }) => remoteCode(`oci://${host}/team/artifact:1`, once));
  await assert.rejects(fetchModule(unknown, { clock: systemClock }), /unable to verify|self-signed/);
  await assert.rejects(fetchModule(unlisted, { clock: systemClock }), /wrong version number|packet length too long/);
});

test("a tag that moves: the manifest is asked for, the layer only where it is another", { timeout: 60_000 }, async () => {
  const code = remoteCode(`oci://${plain.host}/team/moving:latest`, { pullSecret: secretOf(plain.host) });
  const known = new Map<string, Uint8Array>();
  const options: FetchOptions = { ...optionsFor(plain), known: (digest) => known.get(digest) };
  for (const version of ["one", "two"]) {
    const module = moduleBytes(`moving ${version}`);
    const digest = await push(plain, "team/moving:latest", layersOf("artifact", module));
    const fetched = await fetchModule(code, options);
    assert.deepEqual([fetched.digest, Buffer.from(fetched.bytes)], [digest, module]);
    const marker = moduleBytes("at hand");
    known.set(digest, marker);
    assert.equal((await fetchModule(code, options)).bytes, marker);
  }
});

test("the registry ends", { timeout: 60_000 }, async () => {
  const gone = await startRegistry("gone", false);
  gone.process.removeAllListeners("exit");
  const ended = new Promise((resolve) => gone.process.once("exit", resolve));
  gone.process.kill();
  await ended;
  await assert.rejects(fetchModule(remoteCode(`oci://${gone.host}/a:1`), optionsFor(gone)), /ECONNREFUSED/);
});
