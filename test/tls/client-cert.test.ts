// What is said of the client's certificate: x-forwarded-client-cert, access log operators, scheme.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { dns, issue, uri } from "../support/certificates.ts";
import { startProxy } from "../support/data-plane.ts";
import { ask, authorityJson, certificateJson, downstreamTls, type Fields } from "./support.ts";

const authority = issue({ isAuthority: true });
const server = issue({ issuer: authority, names: [uri("spiffe://td/server"), dns("a.example")], subject: "CN=server" });
const client = issue({
  issuer: authority,
  subject: 'O=Org; "Inc",CN=client',
  names: [uri("spiffe://td/client"), dns("c.example"), uri("spiffe://td/two")],
});
const hash = createHash("sha256").update(client.raw).digest("hex");
const pem = encodeURIComponent(client.pem);

const BY = `By=spiffe://td/server;Hash=${hash}`;
const SUBJECT = 'Subject="CN=client,O=Org\\; \\"Inc\\""';
const CASES: readonly (readonly [policy: string, details: Fields, withCertificate: string | undefined, without: string | undefined])[] = [
  ["SANITIZE", {}, undefined, undefined],
  ["FORWARD_ONLY", {}, "By=spoof", undefined],
  ["ALWAYS_FORWARD_ONLY", {}, "By=spoof", "By=spoof"],
  ["SANITIZE_SET", {}, BY, undefined],
  ["APPEND_FORWARD", { uri: true }, `By=spoof,${BY};URI=spiffe://td/client;URI=spiffe://td/two`, undefined],
  [
    "SANITIZE_SET",
    { dns: true, uri: true, subject: true, chain: true, cert: true },
    `${BY};Cert="${pem}";Chain="${pem}";${SUBJECT};URI=spiffe://td/client;URI=spiffe://td/two;DNS=c.example`,
    undefined,
  ],
];

for (const [policy, details, withCertificate, without] of CASES) {
  test(`x-forwarded-client-cert: ${policy} ${Object.keys(details).join(" ")}`, async (t) => {
    const common = { tls_certificates: [certificateJson(server)], validation_context: { trusted_ca: authorityJson(authority) } };
    const proxy = await startProxy(t, {
      transportSocket: downstreamTls(common),
      manager: { forward_client_cert_details: policy, set_current_client_cert_details: details },
    });
    const head = "GET / HTTP/1.1\r\nhost: a.example\r\nx-forwarded-client-cert: By=spoof\r\n\r\n";
    const seen = async (identity: object): Promise<string | undefined> => {
      await ask(proxy.port(), identity, head);
      const request = proxy.upstream.requests[proxy.upstream.requests.length - 1];
      const value = (name: string): string | undefined => request.headers.find(([given]) => given.toLowerCase() === name)?.[1];
      assert.equal(value("x-forwarded-proto"), "https");
      return value("x-forwarded-client-cert");
    };
    assert.equal(await seen({ cert: client.pem, key: client.keyPem }), withCertificate);
    assert.equal(await seen({}), without);
  });
}

const OPERATORS: readonly (readonly [operator: string, value: string | RegExp])[] = [
  ["DOWNSTREAM_TLS_VERSION", "TLSv1.3"],
  ["DOWNSTREAM_TLS_CIPHER", "TLS_AES_256_GCM_SHA384"],
  ["DOWNSTREAM_TLS_SESSION_ID", "-"],
  ["DOWNSTREAM_PEER_SUBJECT", 'CN=client,O=Org\\; \\"Inc\\"'],
  ["DOWNSTREAM_PEER_ISSUER", "CN=Test CA"],
  ["DOWNSTREAM_PEER_SERIAL", client.serial.toString(16).padStart(2, "0")],
  ["DOWNSTREAM_PEER_FINGERPRINT_256", hash],
  ["DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256", hash],
  ["DOWNSTREAM_PEER_URI_SAN", "spiffe://td/client,spiffe://td/two"],
  ["DOWNSTREAM_PEER_DNS_SAN", "c.example"],
  ["DOWNSTREAM_PEER_IP_SAN", "-"],
  ["DOWNSTREAM_PEER_CERT", pem],
  ["DOWNSTREAM_PEER_CERT_V_START", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/],
  ["DOWNSTREAM_PEER_CERT_V_END(%Y)", /^\d{4}$/],
  ["DOWNSTREAM_LOCAL_URI_SAN", "spiffe://td/server"],
  ["DOWNSTREAM_LOCAL_DNS_SAN", "a.example"],
  ["DOWNSTREAM_LOCAL_SUBJECT", "CN=server"],
  ["UPSTREAM_TLS_VERSION", "-"],
  ["UPSTREAM_PEER_SUBJECT", "-"],
];

test("operators about TLS", async (t) => {
  const common = { tls_certificates: [certificateJson(server)], validation_context: { trusted_ca: authorityJson(authority) } };
  const format = OPERATORS.map(([operator]) => `%${operator}%`).join("|");
  const proxy = await startProxy(t, {
    transportSocket: downstreamTls(common, { require_client_certificate: true }),
    routes: [{ match: { prefix: "/" }, direct_response: { status: 404 } }],
    manager: {
      local_reply_config: {
        mappers: [
          {
            filter: { status_code_filter: { comparison: { op: "EQ", value: { default_value: 404, runtime_key: "k" } } } },
            body_format_override: { text_format_source: { inline_string: format } },
          },
        ],
      },
    },
  });
  const { text } = await ask(proxy.port(), { cert: client.pem, key: client.keyPem });
  const values = text.slice(text.indexOf("\r\n\r\n") + 4).split("|");
  OPERATORS.forEach(([operator, value], index) => {
    if (typeof value === "string") assert.equal(values[index], value, operator);
    else assert.match(values[index], value, operator);
  });
});
