// TLS to hosts: who they must be, what a failure looks like, names, sessions, PROXY headers, choice by metadata.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer as createTcpServer } from "node:net";
import { type TestContext, test } from "node:test";
import { createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { dns, issue, type Issued, uri } from "../support/certificates.ts";
import { startProxy } from "../support/data-plane.ts";
import { rawRequest } from "./raw-request.ts";
import { authorityJson, certificateJson, type Fields, upstreamTls } from "./support.ts";

const authority = issue({ isAuthority: true });
const other = issue({ isAuthority: true, subject: "CN=Other CA" });
const server = issue({ issuer: authority, names: [dns("a.example"), uri("spiffe://td/server")] });
const expired = issue({ issuer: authority, untilMs: -1000, names: [dns("a.example")] });
const client = issue({ issuer: authority, names: [uri("spiffe://td/client")] });

interface Upstream {
  readonly port: number;
  /** Of each connection, in order. */
  readonly seen: { servername: string; alpn: string; isReused: boolean; peer: string; protocol: string }[];
}

async function tlsUpstream(t: TestContext, options: TlsOptions = {}): Promise<Upstream> {
  const seen: Upstream["seen"] = [];
  const listener = createServer(
    { key: server.keyPem, cert: server.pem, ...options },
    (socket: TLSSocket & { servername?: string | false }) => {
      socket.on("error", () => socket.destroy());
      seen.push({
        servername: socket.servername || "",
        alpn: socket.alpnProtocol || "",
        isReused: socket.isSessionReused(),
        peer: socket.getPeerX509Certificate()?.subjectAltName ?? "",
        protocol: socket.getProtocol() ?? "",
      });
      socket.on("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok", () => socket.end()));
    },
  );
  listener.on("tlsClientError", () => {});
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => listener.close());
  return { port: (listener.address() as AddressInfo).port, seen };
}

interface Case {
  readonly name: string;
  readonly server?: TlsOptions;
  readonly common?: Fields;
  readonly context?: Fields;
  readonly status: number;
  readonly stat: string;
  /** Regular expression of %UPSTREAM_TRANSPORT_FAILURE_REASON%. */
  readonly reason?: RegExp;
  readonly seen?: Partial<Upstream["seen"][number]>;
}

const validation = (more: Fields = {}): Fields => ({ validation_context: { trusted_ca: authorityJson(authority), ...more } });
const of = (issued: Issued): TlsOptions => ({ key: issued.keyPem, cert: issued.pem });
const VERIFY = "TLS_error:\\|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: ";

const CASES: readonly Case[] = [
  { name: "no validation", status: 200, stat: "handshake", seen: { servername: "", protocol: "TLSv1.2" } },
  {
    name: "a trusted host",
    common: validation(),
    context: { sni: "a.example" },
    status: 200,
    stat: "handshake",
    seen: { servername: "a.example" },
  },
  {
    name: "an untrusted host",
    common: { validation_context: { trusted_ca: authorityJson(other) } },
    status: 503,
    stat: "fail_verify_error",
    reason: new RegExp(
      `^${VERIFY}X509_verify_cert: certificate verification error at depth 0: unable to get local issuer certificate:TLS_error_end$`,
    ),
  },
  {
    name: "an expired host",
    server: of(expired),
    common: validation(),
    status: 503,
    stat: "fail_verify_error",
    reason: /certificate has expired/,
  },
  {
    name: "a host of another name",
    common: validation({ match_typed_subject_alt_names: [{ san_type: "URI", matcher: { exact: "spiffe://td/other" } }] }),
    status: 503,
    stat: "fail_verify_san",
    reason: new RegExp(`^${VERIFY}SAN matcher, certificate SANs are \\[a\\.example, spiffe://td/server\\]:TLS_error_end$`),
  },
  {
    name: "a host of another hash",
    common: validation({ verify_certificate_hash: ["0".repeat(64)] }),
    status: 503,
    stat: "fail_verify_cert_hash",
    reason: new RegExp(`^${VERIFY}cert hash and spki:TLS_error_end$`),
  },
  {
    name: "auto_sni_san_validation, the right name",
    common: validation(),
    context: { sni: "a.example", auto_sni_san_validation: true },
    status: 200,
    stat: "handshake",
  },
  {
    name: "auto_sni_san_validation, a wrong name",
    common: validation(),
    context: { sni: "b.example", auto_sni_san_validation: true },
    status: 503,
    stat: "fail_verify_san",
    reason: /SAN matcher/,
  },
  {
    name: "a client certificate and TLS 1.3",
    server: { requestCert: true, ca: authority.pem },
    common: { ...validation(), tls_certificates: [certificateJson(client)], tls_params: { tls_maximum_protocol_version: "TLSv1_3" } },
    status: 200,
    stat: "handshake",
    seen: { peer: "URI:spiffe://td/client", protocol: "TLSv1.3" },
  },
  {
    name: "the host asks for a certificate that is not there",
    server: { requestCert: true, rejectUnauthorized: true, ca: authority.pem },
    common: validation(),
    status: 503,
    stat: "connection_error",
    reason: /^TLS_error:\|268436496:SSL routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE:TLS_error_end$/,
  },
  {
    name: "ALPN",
    server: { ALPNProtocols: ["http/1.1"] },
    common: { alpn_protocols: ["http/1.1"] },
    status: 200,
    stat: "handshake",
    seen: { alpn: "http/1.1" },
  },
];

for (const given of CASES) {
  test(`upstream TLS: ${given.name}`, async (t) => {
    const upstream = await tlsUpstream(t, given.server);
    const proxy = await startProxy(t, {
      cluster: { transport_socket: upstreamTls(given.common ?? {}, given.context) },
      manager: reasonInBody,
    });
    await proxy.reconfigure({ ports: [upstream.port] });
    const text = await rawRequest(proxy.port());
    assert.equal(Number(text.slice(9, 12)), given.status, text);
    assert.equal(proxy.counter(`cluster.service.ssl.${given.stat}`), 1);
    if (given.reason !== undefined) {
      // The operator writes no blanks.
      const wanted = new RegExp(given.reason.source.replaceAll(" ", "_"));
      assert.match(text.slice(text.indexOf("\r\n\r\n") + 4), wanted);
      assert.equal(proxy.counter("cluster.service.upstream_cx_connect_fail"), 1);
    }
    for (const [key, value] of Object.entries(given.seen ?? {}))
      assert.equal((upstream.seen[0] as Record<string, unknown>)[key], value, key);
  });
}

const reasonInBody: Fields = {
  local_reply_config: { body_format: { text_format_source: { inline_string: "%UPSTREAM_TRANSPORT_FAILURE_REASON%" } } },
};

test("upstream TLS: a host that speaks plain text", async (t) => {
  const plain = createTcpServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"));
  });
  plain.listen(0, "127.0.0.1");
  await once(plain, "listening");
  t.after(() => plain.close());
  const proxy = await startProxy(t, { cluster: { transport_socket: upstreamTls({}) }, manager: reasonInBody });
  await proxy.reconfigure({ ports: [(plain.address() as AddressInfo).port] });
  const text = await rawRequest(proxy.port());
  assert.match(text, /TLS_error:\|268435703:SSL.routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end/);
});

test("upstream TLS: a host that is not there", async (t) => {
  const proxy = await startProxy(t, { cluster: { transport_socket: upstreamTls({}) }, manager: reasonInBody });
  await proxy.upstream.close();
  assert.match(await rawRequest(proxy.port()), /delayed.connect.error:.Connection.refused/);
});

test("upstream TLS: sessions are used again, and not after the identity changed", async (t) => {
  const upstream = await tlsUpstream(t);
  const transport = (more: Fields): Fields => ({ transport_socket: upstreamTls({ ...validation(), ...more }, { sni: "a.example" }) });
  const proxy = await startProxy(t, { cluster: transport({}) });
  await proxy.reconfigure({ ports: [upstream.port] });
  await rawRequest(proxy.port());
  await rawRequest(proxy.port());
  assert.deepEqual(
    upstream.seen.map((one) => one.isReused),
    [false, true],
  );
  await proxy.reconfigure({ ports: [upstream.port], cluster: transport({ tls_certificates: [certificateJson(client)] }) });
  await rawRequest(proxy.port());
  assert.equal(upstream.seen[2].isReused, false);
});

test("upstream TLS: max_session_keys 0 keeps none", async (t) => {
  const upstream = await tlsUpstream(t);
  const proxy = await startProxy(t, { cluster: { transport_socket: upstreamTls(validation(), { max_session_keys: 0 }) } });
  await proxy.reconfigure({ ports: [upstream.port] });
  await rawRequest(proxy.port());
  await rawRequest(proxy.port());
  assert.deepEqual(
    upstream.seen.map((one) => one.isReused),
    [false, false],
  );
});

const matches: Fields = {
  transport_socket_matches: [
    { name: "mutual", match: { tlsMode: "istio" }, transport_socket: upstreamTls(validation(), { sni: "matched.example" }) },
    { name: "plain", match: {}, transport_socket: { name: "envoy.transport_sockets.raw_buffer" } },
  ],
};

test("upstream TLS: transport_socket_matches by the metadata of endpoints", async (t) => {
  const upstream = await tlsUpstream(t);
  const endpoint = (more: Fields): Fields => ({
    ...matches,
    load_assignment: {
      cluster_name: "service",
      endpoints: [
        {
          lb_endpoints: [{ endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: upstream.port } } }, ...more }],
        },
      ],
    },
  });
  const tagged = { metadata: { filter_metadata: { "envoy.transport_socket_match": { tlsMode: "istio", more: 1 } } } };
  const proxy = await startProxy(t, { cluster: endpoint(tagged) });
  assert.match(await rawRequest(proxy.port()), /^HTTP\/1.1 200/);
  assert.equal(upstream.seen[0].servername, "matched.example");
  assert.equal(proxy.counter("cluster.service.transport_socket_match.mutual.total_match_count"), 1);
});

const PROXY = "type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport";
const raw: Fields = { name: "envoy.transport_sockets.raw_buffer" };
const HEADERS: readonly (readonly [name: string, config: Fields, header: string])[] = [
  ["version 1", {}, "PROXY UNKNOWN\r\n"],
  ["version 2", { version: "V2" }, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"],
  ["version 2 with a TLV", { version: "V2", added_tlvs: [{ type: 224, value: "YWI=" }] }, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\x05\xe0\0\x02ab"],
];
for (const [name, config, header] of HEADERS) {
  test(`upstream PROXY header: ${name}`, async (t) => {
    let got = "";
    const plain = createTcpServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.on("data", (data: Buffer) => {
        got += data.latin1Slice();
        if (got.includes("\r\n\r\n", header.length)) socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
      });
    });
    plain.listen(0, "127.0.0.1");
    await once(plain, "listening");
    t.after(() => plain.close());
    const proxy = await startProxy(t, {
      cluster: { transport_socket: { name: "p", typed_config: { "@type": PROXY, config, transport_socket: raw } } },
    });
    await proxy.reconfigure({ ports: [(plain.address() as AddressInfo).port] });
    await rawRequest(proxy.port());
    assert.equal(got.slice(0, header.length), header);
    assert.ok(got.slice(header.length).startsWith("GET / HTTP/1.1\r\n"));
  });
}

test("upstream PROXY header goes before the TLS handshake", async (t) => {
  const secure = await tlsUpstream(t);
  let header = "";
  const front = createTcpServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (data: Buffer) => {
      header = data.latin1Slice(0, 15);
      socket.destroy();
    });
  });
  front.listen(0, "127.0.0.1");
  await once(front, "listening");
  t.after(() => front.close());
  const inner = upstreamTls({});
  const proxy = await startProxy(t, {
    cluster: { transport_socket: { name: "p", typed_config: { "@type": PROXY, transport_socket: inner } } },
  });
  await proxy.reconfigure({ ports: [(front.address() as AddressInfo).port] });
  await rawRequest(proxy.port());
  assert.equal(header, "PROXY UNKNOWN\r\n");
  assert.equal(secure.seen.length, 0);
});

const protocolOptions = (fields: Fields): Fields => ({
  typed_extension_protocol_options: {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
      "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
      upstream_http_protocol_options: fields,
      explicit_http_config: { http_protocol_options: {} },
    },
  },
});

const AUTO: readonly (readonly [name: string, options: Fields, host: string, status: number, servername: string])[] = [
  ["the name of the request", { auto_sni: true }, "b.example:8080", 200, "b.example"],
  ["no name for an address", { auto_sni: true }, "10.0.0.1", 200, ""],
  ["the certificate is for it", { auto_sni: true, auto_san_validation: true }, "a.example", 200, "a.example"],
  ["the certificate is for another", { auto_sni: true, auto_san_validation: true }, "b.example", 503, ""],
  ["a header of its own", { auto_sni: true, override_auto_sni_header: "x-name" }, "b.example\r\nx-name: c.example", 200, "c.example"],
  ["validation without SNI", { auto_san_validation: true }, "a.example", 200, ""],
];
for (const [name, options, host, status, servername] of AUTO) {
  test(`upstream TLS: auto_sni, ${name}`, async (t) => {
    const upstream = await tlsUpstream(t);
    const proxy = await startProxy(t, { cluster: { transport_socket: upstreamTls(validation()), ...protocolOptions(options) } });
    await proxy.reconfigure({ ports: [upstream.port] });
    const text = await rawRequest(proxy.port(), `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
    assert.equal(Number(text.slice(9, 12)), status, text);
    if (status === 200) assert.equal(upstream.seen[0].servername, servername);
  });
}

test("upstream TLS: connections for one server name are not used for another", async (t) => {
  const seen: string[] = [];
  const listener = createServer({ key: server.keyPem, cert: server.pem }, (socket: TLSSocket & { servername?: string | false }) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", () => {
      seen.push(socket.servername || "");
      socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  t.after(() => listener.close());
  const proxy = await startProxy(t, { cluster: { transport_socket: upstreamTls({}), ...protocolOptions({ auto_sni: true }) } });
  await proxy.reconfigure({ ports: [(listener.address() as AddressInfo).port] });
  for (const host of ["a.example", "b.example", "a.example", "A.example:80"]) {
    await rawRequest(proxy.port(), `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);
  }
  assert.deepEqual(seen, ["a.example", "b.example", "a.example", "a.example"]);
  assert.equal(proxy.counter("cluster.service.upstream_cx_total"), 2);
  // However many names there are, the connections that are kept are bounded.
  for (let i = 0; i < 300; i++) await rawRequest(proxy.port(), `GET / HTTP/1.1\r\nhost: n${i}.example\r\nconnection: close\r\n\r\n`);
  assert.ok(proxy.gauge("cluster.service.upstream_cx_active") <= 256, "256 at most");
  await proxy.reconfigure({ ports: [] });
});
