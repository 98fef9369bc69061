// Which certificate a client is shown, secrets that come from files and change, and sessions that stay with their context.
import assert from "node:assert/strict";
import { writeFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Snapshot } from "../../host/config/snapshot.ts";
import { ConfigControl } from "../../host/xds/control.ts";
import { builtInExtensions } from "../../host/xds/extensions.ts";
import { loadBootstrap } from "../../host/xds/load-bootstrap.ts";
import type { Json } from "../../host/xds/message.ts";
import { createFileModuleSource } from "../../host/xds/module-source.ts";
import { formatProblems } from "../../host/xds/problems.ts";
import { clusterJson, listenerJson, startDataPlane, startProxy } from "../support/data-plane.ts";
import { dns, issue, type Issued, uri } from "../support/certificates.ts";
import { RawUpstream } from "../support/raw-upstream.ts";
import { temporaryFolder } from "../unit/xds/support.ts";
import { ask, authorityJson, certificateJson, downstreamTls, type Fields } from "./support.ts";

const authority = issue({ isAuthority: true });
const named = (name: string, more: object = {}): Issued => issue({ issuer: authority, names: [dns(name)], ...more });
const first = named("first.example");
const second = named("second.example");
const wild = named("*.wild.example");
const rsa = named("second.example", { keyType: "rsa" });
const unnamed = issue({ issuer: authority, subject: "CN=common.example" });

const CHOICES: readonly (readonly [serverName: string, shown: Issued, more?: object])[] = [
  ["first.example", first],
  ["SECOND.example", second],
  ["a.wild.example", wild],
  ["a.b.wild.example", first],
  ["common.example", unnamed],
  ["other.example", first],
  ["", first],
  ["second.example", rsa, { sigalgs: "rsa_pss_rsae_sha256" }],
];
for (const [servername, shown, more] of CHOICES) {
  test(`the certificate for "${servername}" ${JSON.stringify(more ?? {})}`, async (t) => {
    const certificates = [first, second, wild, unnamed, rsa].map((one) => certificateJson(one));
    const proxy = await startProxy(t, { transportSocket: downstreamTls({ tls_certificates: certificates }) });
    const answer = await ask(proxy.port(), { ...(servername === "" ? {} : { servername }), ...more });
    assert.equal(answer.serverRaw?.equals(shown.raw), true, answer.error);
  });
}

test("full_scan_certs_on_sni_mismatch finds a certificate of another type of key", async (t) => {
  const common = { tls_certificates: [first, rsa].map((one) => certificateJson(one)) };
  const ask1 = async (scan: boolean): Promise<Buffer | undefined> => {
    const proxy = await startProxy(t, { transportSocket: downstreamTls(common, { full_scan_certs_on_sni_mismatch: scan }) });
    return (await ask(proxy.port(), { servername: "other.example", sigalgs: "rsa_pss_rsae_sha256" })).serverRaw;
  };
  assert.equal(await ask1(false), undefined);
  assert.equal((await ask1(true))?.equals(rsa.raw), true);
});

interface SessionCase {
  readonly name: string;
  readonly common?: Fields;
  readonly context?: Fields;
  readonly isReused: boolean;
}
const SESSIONS: readonly SessionCase[] = [
  { name: "are resumed", isReused: true },
  { name: "are not resumed when tickets are off", context: { disable_stateless_session_resumption: true }, isReused: false },
  {
    name: "are not resumed where certificates of clients matter",
    common: { validation_context: { trusted_ca: authorityJson(authority) } },
    isReused: false,
  },
];
for (const given of SESSIONS) {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`sessions ${given.name} (${maxVersion})`, async (t) => {
      const common = { tls_certificates: [certificateJson(first)], ...given.common };
      const proxy = await startProxy(t, { transportSocket: downstreamTls(common, given.context) });
      const { session } = await ask(proxy.port(), { maxVersion });
      const again = await ask(proxy.port(), { maxVersion, ...(session === undefined ? {} : { session }) });
      assert.match(again.text, /^HTTP\/1.1 200/);
      assert.equal(again.isReused, given.isReused);
      assert.equal(proxy.counter("listener.127.0.0.1_0.ssl.session_reused"), given.isReused ? 1 : 0);
    });
  }
}

test("a session of one listener is worth nothing at another", async (t) => {
  const transportSocket = downstreamTls({ tls_certificates: [certificateJson(first)] });
  const one = await startProxy(t, { transportSocket });
  const two = await startProxy(t, { transportSocket });
  const { session } = await ask(one.port());
  assert.notEqual(session, undefined);
  const answer = await ask(two.port(), { session });
  assert.match(answer.text, /^HTTP\/1.1 200/);
  assert.equal(answer.isReused, false);
});

// ---- secrets from files ----

const SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

function certificateSecret(issued: Issued): string {
  return JSON.stringify({ resources: [{ "@type": SECRET, name: "own", tls_certificate: certificateJson(issued) }] });
}

/** As ConfigMaps change: a new file takes the place of the old one. */
function replace(path: string, content: string): void {
  writeFileSync(`${path}.new`, content);
  renameSync(`${path}.new`, path);
}

function controlOf(listener: Json, clusters: readonly Json[], onSnapshot: (snapshot: Snapshot) => void): ConfigControl {
  const services = {
    checkRegex: () => undefined,
    checkFormat: () => undefined,
    modules: createFileModuleSource(),
    environment: {},
    extensions: builtInExtensions,
  };
  const loaded = loadBootstrap({ file: JSON.stringify({ static_resources: { listeners: [listener], clusters } }) }, services);
  if (!loaded.ok) throw new Error(formatProblems(loaded.problems));
  return new ConfigControl({
    loaded: loaded.value,
    services,
    clock: { nowMs: () => 0, after: () => ({ cancel: () => {} }) },
    log: { info: () => {}, warn: () => {} },
    onSnapshot,
    watch: undefined,
  });
}

const fromFile = (name: string, path: string): Fields => ({ name, sds_config: { path_config_source: { path } } });

test("a listener waits for its secrets, and a change of them is for new connections only", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "own.json");
  const upstream = await new RawUpstream().listen();
  const plane = await startDataPlane([], [], {});
  t.after(async () => {
    await plane.stop();
    await upstream.close();
  });
  let applied = Promise.resolve();
  const listener = listenerJson({
    name: "in",
    transportSocket: downstreamTls({ tls_certificate_sds_secret_configs: [fromFile("own", path)] }),
  });
  let latest: Snapshot | undefined;
  const control = controlOf(listener, [clusterJson({ name: "in", ports: [upstream.port] })], (snapshot) => {
    latest = snapshot;
    applied = applied.then(async () => void (await plane.dataPlane.apply(snapshot)));
  });
  t.after(() => control.close());
  control.start();
  assert.deepEqual(latest?.listeners, []);
  replace(path, certificateSecret(first));
  control.refresh();
  await applied;
  assert.equal(latest?.listeners.length, 1);
  const port = plane.port("in");
  assert.equal((await ask(port)).serverRaw?.equals(first.raw), true);

  // Under load: every request is answered, whatever certificate its connection began with.
  let isRotating = true;
  const seen = new Set<string>();
  const client = async (): Promise<number> => {
    let count = 0;
    while (isRotating || count < 3) {
      const answer = await ask(port);
      assert.match(answer.text, /^HTTP\/1.1 200/, answer.error);
      seen.add(String(answer.serverRaw?.toString("hex")));
      count++;
    }
    return count;
  };
  const clients = [client(), client(), client()];
  const rotated = [second, wild, first, second];
  for (const next of rotated) {
    replace(path, certificateSecret(next));
    control.refresh();
    await applied;
    await ask(port);
  }
  isRotating = false;
  const counts = await Promise.all(clients);
  assert.ok(Math.min(...counts) >= 3);
  assert.equal((await ask(port)).serverRaw?.equals(second.raw), true);
  assert.ok(seen.size >= 2, "the certificate changed under the clients");
  assert.equal(plane.counter("listener.127.0.0.1_0.server_ssl_socket_factory.ssl_context_update_by_sds"), rotated.length);

  // What cannot be used leaves what is in force.
  replace(path, certificateSecret({ ...first, keyPem: second.keyPem }));
  control.refresh();
  await applied;
  assert.equal((await ask(port)).serverRaw?.equals(second.raw), true);
  assert.match(formatProblems(control.subscriptions[0].rejected?.problems ?? []), /KEY_VALUES_MISMATCH/);
});

test("files that a secret names are read again, and watched", (t) => {
  const folder = temporaryFolder(t, { "cert.pem": first.pem, "key.pem": first.keyPem });
  const at = (name: string): string => join(folder, name);
  const certificate = {
    certificate_chain: { filename: at("cert.pem") },
    private_key: { filename: at("key.pem") },
    watched_directory: { path: folder },
  };
  writeFileSync(at("own.json"), JSON.stringify({ resources: [{ "@type": SECRET, name: "own", tls_certificate: certificate }] }));
  const listener = listenerJson({
    name: "in",
    transportSocket: downstreamTls({ tls_certificate_sds_secret_configs: [fromFile("own", at("own.json"))] }),
  });
  const snapshots: Snapshot[] = [];
  const control = controlOf(listener, [clusterJson({ name: "in", ports: [] })], (snapshot) => snapshots.push(snapshot));
  t.after(() => control.close());
  control.start();
  const shown = (): string => {
    const [secret] = Object.values(snapshots[snapshots.length - 1].secrets);
    return secret.kind === "tls_certificate" ? Buffer.from(secret.certificate.certificateChain).toString() : "";
  };
  assert.equal(shown(), first.pem);
  assert.deepEqual(Object.values(snapshots[0].secrets)[0].watch, { files: [at("cert.pem"), at("key.pem")], directories: [folder] });
  replace(at("cert.pem"), second.pem);
  control.refresh();
  assert.equal(shown(), first.pem, "the key is still the old one");
  replace(at("key.pem"), second.keyPem);
  control.refresh();
  assert.equal(shown(), second.pem);
  const before = snapshots.length;
  control.refresh();
  assert.equal(snapshots.length, before, "nothing changed, so there is no snapshot");
});

test("a combined validation context takes the authority from its secret", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "ca.json");
  writeFileSync(
    path,
    JSON.stringify({ resources: [{ "@type": SECRET, name: "ROOTCA", validation_context: { trusted_ca: authorityJson(authority) } }] }),
  );
  const matcher = { san_type: "URI", matcher: { exact: "spiffe://td/one" } };
  const common: Fields = {
    tls_certificates: [certificateJson(first)],
    combined_validation_context: {
      default_validation_context: { match_typed_subject_alt_names: [matcher] },
      validation_context_sds_secret_config: fromFile("ROOTCA", path),
    },
  };
  const proxy = await startProxy(t, { transportSocket: downstreamTls(common, { require_client_certificate: true }) });
  const as = (issued: Issued): Promise<{ text: string }> => ask(proxy.port(), { cert: issued.pem, key: issued.keyPem });
  assert.match((await as(issue({ issuer: authority, names: [uri("spiffe://td/one")] }))).text, /^HTTP\/1.1 200/);
  assert.equal((await as(issue({ issuer: authority, names: [uri("spiffe://td/two")] }))).text, "");
  assert.equal((await as(issue({ names: [uri("spiffe://td/one")] }))).text, "");
});

test("a static secret is found by its name", async (t) => {
  const common = { tls_certificate_sds_secret_configs: [{ name: "fixed" }] };
  const secrets = [{ name: "fixed", tls_certificate: certificateJson(wild) }];
  const upstream = await new RawUpstream().listen();
  const plane = await startDataPlane([], [], {});
  t.after(async () => {
    await plane.stop();
    await upstream.close();
  });
  const services = {
    checkRegex: () => undefined,
    checkFormat: () => undefined,
    modules: createFileModuleSource(),
    environment: {},
    extensions: builtInExtensions,
  };
  const json = {
    static_resources: {
      listeners: [listenerJson({ name: "in", transportSocket: downstreamTls(common) })],
      clusters: [clusterJson({ name: "in", ports: [upstream.port] })],
      secrets,
    },
  };
  const loaded = loadBootstrap({ file: JSON.stringify(json) }, services);
  assert.ok(loaded.ok, loaded.ok ? "" : formatProblems(loaded.problems));
  const [listener] = loaded.value.listeners;
  const empty = { routeConfigurations: {}, endpoints: {}, extensionConfigs: {}, secrets: {}, runtime: {} };
  await plane.dataPlane.apply({
    version: 1,
    listeners: [listener.config],
    clusters: loaded.value.clusters.map((one) => one.config),
    ...empty,
  });
  assert.equal((await ask(plane.port("in"))).serverRaw?.equals(wild.raw), true);
});
