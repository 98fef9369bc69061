// TLS on both sides and listener filters: what is said of peers, who is refused, what is counted.
import type { ConnectionOptions } from "node:tls";
import { dns, email, ip, issue, type Issued, uri } from "../../support/certificates.ts";
import { bootstrap, get, socket } from "../config.ts";
import type { GroupPorts, ParityCase, ParityGroup } from "../harness.ts";

const sockets = "type.googleapis.com/envoy.extensions.transport_sockets.";
const filters = "type.googleapis.com/envoy.extensions.filters.listener.";
const authority = issue({ isAuthority: true });
const other = issue({ isAuthority: true, subject: "CN=Other CA" });
const server = issue({ issuer: authority, subject: "O=Servers,CN=server", names: [uri("spiffe://td/server"), dns("a.example")] });
const client = issue({
  issuer: authority,
  subject: 'O=Org; "Inc",CN=client',
  names: [
    uri("spiffe://td/client"),
    dns("c.example"),
    dns("*.wild.example"),
    uri("spiffe://td/two"),
    ip(10, 0, 0, 1),
    email("me@c.example"),
  ],
});
const foreign = issue({ issuer: other, names: [uri("spiffe://td/client")] });

const text = (value: string): object => ({ inline_string: value });
const certificate = (issued: Issued): object => ({ certificate_chain: text(issued.pem), private_key: text(issued.keyPem) });
const trusted = { trusted_ca: text(authority.pem) };
const downstream = (validation: object | undefined, more: object = {}): object => ({
  transport_socket: {
    name: "tls",
    typed_config: {
      "@type": `${sockets}tls.v3.DownstreamTlsContext`,
      common_tls_context: {
        tls_certificates: [certificate(server)],
        ...(validation === undefined ? {} : { validation_context: validation }),
      },
      ...more,
    },
  },
});
const as = (issued: Issued): ConnectionOptions => ({ cert: issued.pem, key: issued.keyPem, servername: "a.example" });
const optional = { require_client_certificate: false };

const SPOOF = "x-forwarded-client-cert: By=spoof;Hash=0";
const everything = { subject: true, cert: true, chain: true, dns: true, uri: true };
const FORMS: readonly (readonly [policy: string, details: object])[] = [
  ["SANITIZE", everything],
  ["FORWARD_ONLY", everything],
  ["ALWAYS_FORWARD_ONLY", everything],
  ["SANITIZE_SET", {}],
  ["SANITIZE_SET", everything],
  ["APPEND_FORWARD", { uri: true, subject: true }],
];

const forms = FORMS.map(
  ([policy, details]): ParityGroup => ({
    name: `x-forwarded-client-cert ${policy} ${Object.keys(details).length}`,
    config: (ports) =>
      bootstrap(ports, {
        chain: downstream(trusted, optional),
        hcm: { forward_client_cert_details: policy, set_current_client_cert_details: details },
      }),
    cases: [
      { name: "with a certificate", requests: [{ ...get("/", SPOOF), tls: as(client) }] },
      { name: "without one", requests: [{ ...get("/", SPOOF), tls: {} }] },
    ],
  }),
);

const OPERATORS = [
  "PEER_SUBJECT",
  "PEER_ISSUER",
  "PEER_SERIAL",
  "PEER_FINGERPRINT_256",
  "PEER_FINGERPRINT_1",
  "PEER_CHAIN_FINGERPRINTS_256",
]
  .concat(["PEER_CHAIN_FINGERPRINTS_1", "PEER_CHAIN_SERIALS", "PEER_URI_SAN", "PEER_DNS_SAN", "PEER_IP_SAN", "PEER_EMAIL_SAN"])
  .concat([
    "PEER_CERT",
    "PEER_CERT_V_START",
    "PEER_CERT_V_END",
    "PEER_CERT_V_START(%Y-%m)",
    "LOCAL_URI_SAN",
    "LOCAL_DNS_SAN",
    "LOCAL_SUBJECT",
  ])
  .concat(["TLS_VERSION", "TLS_CIPHER"]);

const operators: ParityGroup = {
  name: "TLS operators",
  config: (ports) =>
    bootstrap(ports, {
      chain: downstream(trusted, optional),
      logFormat: {
        text_format_source: text(
          `${OPERATORS.map((name) => `${name.split("(")[0]}=%DOWNSTREAM_${name}%`).join(" ")} sni=%REQUESTED_SERVER_NAME%\n`,
        ),
      },
    }),
  cases: [
    { name: "with a certificate", requests: [{ ...get("/"), tls: as(client) }] },
    { name: "without one", requests: [{ ...get("/"), tls: { maxVersion: "TLSv1.2" } }] },
  ],
};

const failures = ["ssl.handshake", "ssl.connection_error", "ssl.no_certificate", "ssl.fail_verify_error", "ssl.fail_verify_no_cert"]
  .concat(["ssl.fail_verify_san", "ssl.fail_verify_cert_hash", "downstream_cx_total", "no_filter_chain_match"])
  .map((name) => `listener.PROXY.${name}`);

/** How a refused handshake looks from the client's side is the TLS library's. */
const ENDS: Pick<ParityCase, "without"> = { without: { parts: ["client"], why: "Node ends the connection without an alert" } };

const MATCHERS: readonly (readonly [type: string, matcher: object])[] = [
  ["URI", { exact: "spiffe://td/two" }],
  ["URI", { prefix: "spiffe://td/c" }],
  ["URI", { suffix: "TWO", ignore_case: true }],
  ["URI", { contains: "nobody" }],
  ["URI", { safe_regex: { regex: "spiffe://.*/client" } }],
  ["URI", { safe_regex: { regex: "spiffe" } }],
  ["DNS", { exact: "C.example" }],
  ["DNS", { exact: "x.wild.example" }],
  ["DNS", { exact: "x.y.wild.example" }],
  ["DNS", { suffix: "wild.example" }],
  ["DNS", { exact: "spiffe://td/two" }],
  ["IP_ADDRESS", { exact: "10.0.0.1" }],
  ["IP_ADDRESS", { prefix: "10.0.0.2" }],
  ["EMAIL", { exact: "me@c.example" }],
];
const matchers = MATCHERS.map(
  ([san_type, matcher]): ParityGroup => ({
    name: `SAN matcher ${san_type} ${JSON.stringify(matcher)}`,
    config: (ports) =>
      bootstrap(ports, {
        chain: downstream({ ...trusted, match_typed_subject_alt_names: [{ san_type, matcher }] }, { require_client_certificate: true }),
      }),
    cases: [{ name: "a client", requests: [{ ...get("/"), tls: as(client) }], stats: failures, ...ENDS }],
  }),
);

const clients: ParityGroup = {
  name: "client certificates",
  config: (ports) => bootstrap(ports, { chain: downstream(trusted, { require_client_certificate: true }) }),
  cases: [
    { name: "good", requests: [{ ...get("/"), tls: as(client) }], stats: failures },
    { name: "of another authority", requests: [{ ...get("/"), tls: as(foreign) }], stats: failures, ...ENDS },
    { name: "missing", requests: [{ ...get("/"), tls: {} }], stats: failures, ...ENDS },
    { name: "plain HTTP", requests: [get("/")], stats: failures, ...ENDS },
  ],
};

function upstreamTo(ports: GroupPorts, common: object): object {
  const typed_config = { "@type": `${sockets}tls.v3.UpstreamTlsContext`, common_tls_context: common };
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: socket(ports.proxy) } }] }];
  return {
    type: "STATIC",
    connect_timeout: "1s",
    load_assignment: { cluster_name: "c", endpoints },
    transport_socket: { name: "tls", typed_config },
  };
}

/** The listener is the host too: it speaks plain text, so its second request is for itself. */
const plainHost: ParityGroup = {
  name: "TLS to a host that speaks none",
  config: (ports) =>
    bootstrap(ports, {
      routes: [
        { match: { prefix: "/self" }, route: { cluster: "self" } },
        { match: { prefix: "/gone" }, route: { cluster: "gone" } },
      ],
      clusters: [
        { name: "self", ...upstreamTo(ports, {}) },
        { name: "gone", ...upstreamTo({ ...ports, proxy: ports.dead }, {}) },
      ],
    }),
  cases: [
    { name: "plain text", requests: [get("/self")], stats: ["cluster.self.ssl.connection_error", "cluster.self.upstream_cx_connect_fail"] },
    { name: "nobody", requests: [get("/gone")], stats: ["cluster.gone.ssl.connection_error", "cluster.gone.upstream_cx_connect_fail"] },
  ],
};

export const tls: readonly ParityGroup[] = [...forms, operators, ...matchers, clients, plainHost];

const inspector = (name: string, message: string, config: object = {}): object => ({
  name,
  typed_config: { "@type": `${filters}${name}.v3.${message}`, ...config },
});

const ADDRESSES = {
  logFormat: {
    text_format_source: text("%RESPONSE_CODE% %DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DYNAMIC_METADATA(ns:key)%\n"),
  },
};
const header = (hex: string): string => Buffer.from(`0d0a0d0a000d0a515549540a${hex.replaceAll(" ", "")}`, "hex").toString("latin1");
const HEADERS: readonly (readonly [name: string, bytes: string])[] = [
  ["v1 TCP4", "PROXY TCP4 10.0.0.1 192.0.2.2 8080 443\r\n"],
  ["v1 TCP6", "PROXY TCP6 2001:db8::1 ::1 8080 443\r\n"],
  ["v1 UNKNOWN", "PROXY UNKNOWN\r\n"],
  ["v1 UNKNOWN with addresses", "PROXY UNKNOWN ::1 ::1 1 2\r\n"],
  ["v1 a bad address", "PROXY TCP4 10.0.0.256 192.0.2.2 8080 443\r\n"],
  ["v1 a bad port", "PROXY TCP4 10.0.0.1 192.0.2.2 70000 443\r\n"],
  ["v1 a missing port", "PROXY TCP4 10.0.0.1 192.0.2.2 8080\r\n"],
  ["v1 no family", "PROXY UDP4 10.0.0.1 192.0.2.2 8080 443\r\n"],
  ["none", ""],
  ["v2 TCP4", header("21 11 000c 0a000001 c0000202 1f90 01bb")],
  ["v2 LOCAL", header("20 00 0000")],
  ["v2 a TLV", header("21 11 0011 0a000001 c0000202 1f90 01bb e0 0002 6162")],
  ["v2 a TLV that is no UTF-8", header("21 11 0011 0a000001 c0000202 1f90 01bb e0 0002 ff62")],
  ["v2 UDP", header("21 12 000c 0a000001 c0000202 1f90 01bb")],
  ["v2 UNSPEC", header("21 00 0000")],
  ["v2 a UNIX socket", header(`21 31 00d8 ${"00".repeat(216)}`)],
  ["v2 a wrong version", header("31 11 000c 0a000001 c0000202 1f90 01bb")],
  ["v2 a wrong command", header("22 11 000c 0a000001 c0000202 1f90 01bb")],
  ["v2 too short", header("21 11 0004 0a000001")],
];
const proxyStats = [
  "versions.v1.found",
  "versions.v1.error",
  "versions.v2.found",
  "versions.v2.error",
  "not_found_allowed",
  "not_found_disallowed",
].map((name) => `proxy_proto.${name}`);

const proxyGroup = (allows: boolean): ParityGroup => ({
  name: `PROXY protocol${allows ? ", or none" : ""}`,
  config: (ports) =>
    bootstrap(ports, {
      ...ADDRESSES,
      listener: {
        listener_filters: [
          inspector("proxy_protocol", "ProxyProtocol", {
            allow_requests_without_proxy_protocol: allows,
            rules: [{ tlv_type: 224, on_tlv_present: { metadata_namespace: "ns", key: "key" } }],
          }),
        ],
      },
    }),
  cases: HEADERS.map(([name, bytes]) => ({ name, requests: [{ raw: bytes + get("/").raw }], stats: proxyStats })),
});

const inspectorStats = ["tls_inspector.tls_found", "tls_inspector.tls_not_found", "tls_inspector.sni_found", "tls_inspector.sni_not_found"]
  .concat(["tls_inspector.alpn_found", "tls_inspector.alpn_not_found", "tls_inspector.client_hello_too_large"])
  .concat(["http_inspector.http10_found", "http_inspector.http11_found", "http_inspector.http2_found", "http_inspector.http_not_found"])
  .concat(["listener.PROXY.no_filter_chain_match"]);

const inspectors: ParityGroup = {
  name: "inspectors",
  config: (ports) =>
    bootstrap(ports, {
      logFormat: { text_format_source: text("%RESPONSE_CODE% %REQUESTED_SERVER_NAME%\n") },
      listener: { listener_filters: [inspector("tls_inspector", "TlsInspector"), inspector("http_inspector", "HttpInspector")] },
      chain: { ...downstream(undefined), filter_chain_match: { transport_protocol: "tls" } },
    }),
  cases: [
    { name: "SNI", requests: [{ ...get("/"), tls: { servername: "A.example" } }], stats: inspectorStats },
    { name: "ALPN", requests: [{ ...get("/"), tls: { ALPNProtocols: ["http/1.1"] } }], stats: inspectorStats },
    { name: "HTTP/1.1", requests: [get("/")], stats: inspectorStats },
    { name: "HTTP/1.0", requests: [{ raw: "GET / HTTP/1.0\r\n\r\n" }], stats: inspectorStats },
    { name: "the preface of HTTP/2", requests: [{ raw: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" }], stats: inspectorStats },
    { name: "neither", requests: [{ raw: "\x01\x02\x03\r\n\r\n" }], stats: inspectorStats },
  ],
};

export const listenerFilters: readonly ParityGroup[] = [proxyGroup(false), proxyGroup(true), inspectors];
