// Handshakes with clients: what a TLS context of a filter chain accepts, refuses and counts.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ConnectionOptions } from "node:tls";
import { createHash } from "node:crypto";
import { dns, email, ip, issue, type Issued, revoke, uri } from "../support/certificates.ts";
import { startProxy } from "../support/data-plane.ts";
import { ask, authorityJson, certificateJson, downstreamTls, type Fields } from "./support.ts";

const authority = issue({ isAuthority: true });
const other = issue({ isAuthority: true, subject: "CN=Other CA" });
const server = issue({ issuer: authority, subject: "CN=server", names: [dns("a.example"), uri("spiffe://td/server")] });
const client = issue({
  issuer: authority,
  subject: "CN=client",
  names: [uri("spiffe://td/ns/a/sa/client"), dns("*.client.example"), ip(10, 0, 0, 1), email("me@client.example")],
});
const expired = issue({ issuer: authority, untilMs: -1000, names: [uri("spiffe://td/expired")] });
const early = issue({ issuer: authority, fromMs: 3_600_000, names: [uri("spiffe://td/early")] });
const foreign = issue({ issuer: other, names: [uri("spiffe://td/ns/a/sa/client")] });
const withNul = issue({ issuer: authority, names: [uri("spiffe://td/ns/a/sa/client\0.evil")] });
const middle = issue({ issuer: authority, isAuthority: true, subject: "CN=Middle" });
const behindMiddle = issue({ issuer: middle, names: [uri("spiffe://td/deep")] });

const sha256 = (bytes: Uint8Array, encoding: "hex" | "base64"): string => createHash("sha256").update(bytes).digest(encoding);
const trusting = (more: Fields = {}): Fields => ({ trusted_ca: authorityJson(authority), ...more });
const matching = (san_type: string, matcher: Fields): Fields => trusting({ match_typed_subject_alt_names: [{ san_type, matcher }] });
const as = (issued: Issued, ...chain: readonly Issued[]): ConnectionOptions => ({
  cert: [issued, ...chain].map((one) => one.pem).join(""),
  key: issued.keyPem,
});

interface Case {
  readonly name: string;
  readonly common?: Fields;
  readonly validation?: Fields;
  readonly context?: Fields;
  readonly client?: ConnectionOptions;
  /** Statistics of listener.<address>.ssl. that are 1 afterwards; all others of failure are 0. */
  readonly counts: readonly string[];
  readonly protocol?: string;
  readonly cipher?: string;
  readonly alpn?: string;
}

const required = { require_client_certificate: true };
const good = ["handshake"];

const CASES: readonly Case[] = [
  { name: "no client certificate is asked for", counts: ["handshake", "no_certificate"], protocol: "TLSv1.3" },
  {
    name: "TLS 1.2 of the client",
    client: { maxVersion: "TLSv1.2" },
    counts: ["handshake", "no_certificate", "versions.TLSv1.2"],
    protocol: "TLSv1.2",
  },
  {
    name: "the minimum is above what the client can",
    common: { tls_params: { tls_minimum_protocol_version: "TLSv1_3" } },
    client: { maxVersion: "TLSv1.2" },
    counts: ["connection_error"],
  },
  {
    name: "the maximum holds",
    common: { tls_params: { tls_maximum_protocol_version: "TLSv1_2" } },
    counts: ["handshake", "no_certificate", "versions.TLSv1.2"],
    protocol: "TLSv1.2",
  },
  {
    name: "a cipher by Envoy's name",
    common: {
      tls_params: {
        tls_maximum_protocol_version: "TLSv1_2",
        cipher_suites: ["[ECDHE-ECDSA-AES256-GCM-SHA384|ECDHE-RSA-AES256-GCM-SHA384]"],
      },
    },
    counts: ["handshake", "no_certificate", "ciphers.ECDHE-ECDSA-AES256-GCM-SHA384"],
    cipher: "ECDHE-ECDSA-AES256-GCM-SHA384",
  },
  {
    name: "no cipher in common",
    common: { tls_params: { tls_maximum_protocol_version: "TLSv1_2", cipher_suites: ["ECDHE-ECDSA-AES256-GCM-SHA384"] } },
    client: { ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256" },
    counts: ["connection_error"],
  },
  {
    name: "a curve",
    common: { tls_params: { ecdh_curves: ["P-384"] } },
    counts: ["handshake", "no_certificate"],
  },
  {
    name: "ALPN in the server's order",
    common: { alpn_protocols: ["http/1.1", "x"] },
    client: { ALPNProtocols: ["x", "http/1.1"] },
    counts: ["handshake", "no_certificate"],
    alpn: "http/1.1",
  },
  {
    name: "SNI is required and there",
    context: { require_sni: true },
    client: { servername: "a.example" },
    counts: ["handshake", "no_certificate"],
  },
  { name: "SNI is required and missing", context: { require_sni: true }, counts: ["connection_error"] },
  { name: "a good client certificate", validation: trusting(), context: required, client: as(client), counts: good },
  { name: "an optional one is missing", validation: trusting(), counts: ["handshake", "no_certificate"] },
  { name: "a required one is missing", validation: trusting(), context: required, counts: ["fail_verify_no_cert"] },
  { name: "of another authority", validation: trusting(), client: as(foreign), counts: ["fail_verify_error"] },
  { name: "expired", validation: trusting(), client: as(expired), counts: ["fail_verify_error"] },
  { name: "not valid yet", validation: trusting(), client: as(early), counts: ["fail_verify_error"] },
  { name: "a NUL in its URI", validation: trusting(), client: as(withNul), counts: ["fail_verify_error"] },
  { name: "an intermediate that the client sends", validation: trusting(), client: as(behindMiddle, middle), counts: good },
  { name: "an intermediate that the client forgets", validation: trusting(), client: as(behindMiddle), counts: ["fail_verify_error"] },
  { name: "an intermediate as the trusted one", validation: { trusted_ca: authorityJson(middle) }, client: as(behindMiddle), counts: good },
  {
    name: "untrusted ones are accepted",
    validation: trusting({ trust_chain_verification: "ACCEPT_UNTRUSTED" }),
    client: as(foreign),
    counts: good,
  },
  { name: "URI exact", validation: matching("URI", { exact: "spiffe://td/ns/a/sa/client" }), client: as(client), counts: good },
  { name: "URI prefix", validation: matching("URI", { prefix: "spiffe://td/" }), client: as(client), counts: good },
  {
    name: "URI suffix without case",
    validation: matching("URI", { suffix: "/CLIENT", ignore_case: true }),
    client: as(client),
    counts: good,
  },
  { name: "URI contains", validation: matching("URI", { contains: "/ns/a/" }), client: as(client), counts: good },
  { name: "URI regex", validation: matching("URI", { safe_regex: { regex: "spiffe://td/.*" } }), client: as(client), counts: good },
  {
    name: "URI regex must match all",
    validation: matching("URI", { safe_regex: { regex: "spiffe" } }),
    client: as(client),
    counts: ["fail_verify_san"],
  },
  { name: "URI of another", validation: matching("URI", { exact: "spiffe://td/other" }), client: as(client), counts: ["fail_verify_san"] },
  {
    name: "the type counts",
    validation: matching("DNS", { exact: "spiffe://td/ns/a/sa/client" }),
    client: as(client),
    counts: ["fail_verify_san"],
  },
  { name: "DNS wildcard of the certificate", validation: matching("DNS", { exact: "a.client.example" }), client: as(client), counts: good },
  {
    name: "DNS wildcard is one label",
    validation: matching("DNS", { exact: "a.b.client.example" }),
    client: as(client),
    counts: ["fail_verify_san"],
  },
  { name: "IP", validation: matching("IP_ADDRESS", { exact: "10.0.0.1" }), client: as(client), counts: good },
  { name: "email", validation: matching("EMAIL", { suffix: "@client.example" }), client: as(client), counts: good },
  {
    name: "certificate hash",
    validation: trusting({
      verify_certificate_hash: [
        sha256(client.raw, "hex")
          .toUpperCase()
          .replace(/..(?=.)/g, "$&:"),
      ],
    }),
    client: as(client),
    counts: good,
  },
  {
    name: "another certificate's hash",
    validation: trusting({ verify_certificate_hash: ["0".repeat(64)] }),
    client: as(client),
    counts: ["fail_verify_cert_hash"],
  },
  {
    name: "key hash alone",
    validation: { verify_certificate_spki: [sha256(client.publicKeyInfo, "base64")] },
    client: as(client),
    counts: good,
  },
  {
    name: "another key's hash",
    validation: { verify_certificate_spki: [sha256(server.publicKeyInfo, "base64")] },
    client: as(client),
    counts: ["fail_verify_cert_hash"],
  },
  {
    name: "revoked",
    validation: trusting({ crl: { inline_string: revoke(authority, [client.serial]) } }),
    client: as(client),
    counts: ["fail_verify_error"],
  },
  {
    name: "not revoked",
    validation: trusting({ crl: { inline_string: revoke(authority, [expired.serial]) } }),
    client: as(client),
    counts: good,
  },
  {
    name: "a revocation list of another authority",
    validation: trusting({ crl: { inline_string: revoke(other, []) } }),
    client: as(client),
    counts: ["fail_verify_error"],
  },
  {
    name: "SPIFFE: its own domain's bundle",
    validation: spiffe([
      ["td", authority],
      ["two", other],
    ]),
    client: as(client),
    counts: good,
  },
  { name: "SPIFFE: through an intermediate", validation: spiffe([["td", authority]]), client: as(behindMiddle, middle), counts: good },
  {
    name: "SPIFFE: the bundle of another domain",
    validation: spiffe([
      ["td", authority],
      ["two", other],
    ]),
    client: as(foreign),
    counts: ["fail_verify_error"],
  },
  { name: "SPIFFE: an unknown domain", validation: spiffe([["two", authority]]), client: as(client), counts: ["fail_verify_error"] },
];

function spiffe(domains: readonly (readonly [name: string, bundle: Issued])[]): Fields {
  return {
    custom_validator_config: {
      name: "envoy.tls.cert_validator.spiffe",
      typed_config: {
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig",
        trust_domains: domains.map(([name, bundle]) => ({ name, trust_bundle: authorityJson(bundle) })),
      },
    },
  };
}

const FAILURES = ["connection_error", "fail_verify_error", "fail_verify_no_cert", "fail_verify_san", "fail_verify_cert_hash"];

for (const given of CASES) {
  test(`handshake: ${given.name}`, async (t) => {
    const common = {
      tls_certificates: [certificateJson(server)],
      ...(given.validation === undefined ? {} : { validation_context: given.validation }),
      ...given.common,
    };
    const proxy = await startProxy(t, { transportSocket: downstreamTls(common, given.context) });
    const answer = await ask(proxy.port(), given.client);
    const isGood = given.counts.includes("handshake");
    assert.equal(answer.text.startsWith("HTTP/1.1 200"), isGood, `${answer.error} ${answer.text}`);
    const prefix = "listener.127.0.0.1_0.ssl.";
    for (const name of given.counts) assert.equal(proxy.counter(prefix + name), 1, name);
    for (const name of FAILURES) if (!given.counts.includes(name)) assert.equal(proxy.counter(prefix + name), 0, name);
    if (given.protocol !== undefined) assert.equal(answer.protocol, given.protocol);
    if (given.cipher !== undefined) assert.equal(answer.cipher, given.cipher);
    if (given.alpn !== undefined) assert.equal(answer.alpn, given.alpn);
  });
}
