// The part of the catalogue of statistics about TLS and listener filters.
import type { StatGroup, StatRow } from "./catalog.ts";

/** Of a listener or a cluster. */
export const tlsStats = (factory: "server" | "client", context: "downstream" | "upstream"): readonly StatRow[] => [
  ["ssl.handshake", "counter", "", "TLS handshakes that succeeded"],
  ["ssl.connection_error", "counter", "", "TLS connections that failed with an error of the protocol"],
  ["ssl.no_certificate", "counter", "", "Handshakes in which the peer gave no certificate"],
  ["ssl.session_reused", "counter", "", "Handshakes that resumed a session"],
  ["ssl.fail_verify_no_cert", "counter", "", "Peers refused because they gave no certificate"],
  ["ssl.fail_verify_error", "counter", "", "Peers refused because their certificate is not trusted"],
  ["ssl.fail_verify_san", "counter", "", "Peers refused because of the names in their certificate"],
  ["ssl.fail_verify_cert_hash", "counter", "", "Peers refused because of the hash of their certificate"],
  ["ssl.versions.<version>", "counter", "", "Handshakes with this version of TLS"],
  ["ssl.ciphers.<cipher>", "counter", "", "Handshakes with this cipher"],
  ["ssl.curves.<curve>", "counter", "", "Handshakes with this curve; Node tells it to clients only"],
  [`${factory}_ssl_socket_factory.ssl_context_update_by_sds`, "counter", "", "TLS contexts made again because a secret changed"],
  [`${factory}_ssl_socket_factory.${context}_context_secrets_not_ready`, "counter", "", "Connections refused because a secret is missing"],
];

const counters = (...rows: readonly (readonly [name: string, help: string])[]): readonly StatRow[] =>
  rows.map(([name, help]) => [name, "counter", "", help] as const);

export const LISTENER_FILTER_GROUPS: readonly StatGroup[] = [
  {
    prefix: "tls_inspector.",
    about: "The listener filter of that name",
    stats: [
      ...counters(
        ["tls_found", "Connections that begin with a ClientHello"],
        ["tls_not_found", "Connections that do not"],
        ["sni_found", "ClientHellos that name a server"],
        ["sni_not_found", "ClientHellos that name none"],
        ["alpn_found", "ClientHellos that offer protocols"],
        ["alpn_not_found", "ClientHellos that offer none"],
        ["client_hello_too_large", "ClientHellos over max_client_hello_size"],
        ["tls_parse_error", "ClientHellos that cannot be read"],
      ),
      ["bytes_processed", "histogram", "bytes", "Bytes that were read to find a ClientHello"],
    ],
  },
  {
    prefix: "http_inspector.",
    about: "The listener filter of that name",
    stats: counters(
      ["http10_found", "Connections that begin with an HTTP/1.0 request"],
      ["http11_found", "Connections that begin with an HTTP/1.1 request"],
      ["http2_found", "Connections that begin with the preface of HTTP/2"],
      ["http_not_found", "Connections that begin with neither"],
    ),
  },
  ...["proxy_proto.", "proxy_proto.<stat_prefix>."].map((prefix) => ({
    prefix,
    about: "The listener filter proxy_protocol",
    stats: counters(
      ...[1, 2].flatMap((version) => [
        [`versions.v${version}.found`, `Headers of version ${version}`] as const,
        [`versions.v${version}.disallowed`, `Connections refused because version ${version} is disallowed`] as const,
        [`versions.v${version}.error`, `Connections refused because of a malformed header of version ${version}`] as const,
      ]),
      ["not_found_allowed", "Connections without a header that were let through"],
      ["not_found_disallowed", "Connections without a header that were refused"],
    ),
  })),
  {
    prefix: "listener_local_ratelimit.<stat_prefix>.",
    about: "The listener filter local_ratelimit",
    stats: counters(["rate_limited", "Connections refused because the bucket is empty"]),
  },
];
