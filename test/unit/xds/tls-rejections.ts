// Transport sockets that are refused: one change of a good one each.
import type { Json } from "../../../host/xds/message.ts";
import { dns, issue } from "../../support/certificates.ts";
import type { Rejection } from "./rejections.ts";
import { at } from "./support.ts";

const { chain, cluster } = at;
const not = "not implemented";
const own = issue({ names: [dns("a.example")] });
const other = issue();

type Fields = Readonly<Record<string, Json>>;

const certificate = { certificate_chain: { inline_string: own.pem }, private_key: { inline_string: own.keyPem } };
const prefix = "type.googleapis.com/envoy.extensions.transport_sockets.";

function downstream(common: Fields, more: Fields, problem: string): Rejection {
  const typed_config = {
    "@type": `${prefix}tls.v3.DownstreamTlsContext`,
    common_tls_context: { tls_certificates: [certificate], ...common },
    ...more,
  };
  const path = `${chain}.transport_socket`;
  return { set: { [path]: { name: "tls", typed_config } }, problems: [`${path}.typed_config.${problem}`] };
}

function upstream(common: Fields, more: Fields, problem: string): Rejection {
  const typed_config = { "@type": `${prefix}tls.v3.UpstreamTlsContext`, common_tls_context: common, ...more };
  const path = `${cluster}.transport_socket`;
  return { set: { [path]: { name: "tls", typed_config } }, problems: [`${path}.typed_config.${problem}`] };
}

const parameters = (fields: Fields, problem: string): Rejection =>
  downstream({ tls_params: fields }, {}, `common_tls_context.tls_params.${problem}`);
const validation = (fields: Fields, problem: string): Rejection =>
  downstream(
    { validation_context: { trusted_ca: { inline_string: own.pem }, ...fields } },
    {},
    `common_tls_context.validation_context.${problem}`,
  );

export const tlsRejections: readonly Rejection[] = [
  downstream({ tls_certificates: [] }, {}, "common_tls_context: No TLS certificates found for server context"),
  downstream(
    {},
    { require_client_certificate: true },
    "require_client_certificate: there is no validation_context to verify a client certificate with",
  ),
  downstream({}, { ocsp_staple_policy: "MUST_STAPLE" }, "ocsp_staple_policy: not implemented: MUST_STAPLE"),
  downstream(
    {},
    { session_ticket_keys: { keys: [{ inline_string: "x" }] } },
    "session_ticket_keys: not implemented: keys of tickets are made by each worker",
  ),
  downstream({ key_log: { path: "/tmp/keys" } }, {}, `common_tls_context.key_log: ${not}`),
  downstream({ alpn_protocols: [""] }, {}, "common_tls_context.alpn_protocols[0]: invalid ALPN protocol string"),
  downstream(
    { tls_certificates: [{ ...certificate, private_key: { inline_string: other.keyPem } }] },
    {},
    "common_tls_context.tls_certificates[0].private_key: Failed to load private key, Cause: KEY_VALUES_MISMATCH",
  ),
  downstream(
    { tls_certificates: [{ ...certificate, certificate_chain: { inline_string: "x" } }] },
    {},
    "common_tls_context.tls_certificates[0].certificate_chain: Failed to load certificate chain from <inline>",
  ),
  downstream(
    { tls_certificates: [{ certificate_chain: certificate.certificate_chain }] },
    {},
    "common_tls_context.tls_certificates[0].private_key: value is required",
  ),
  downstream(
    { tls_certificates: [{ ...certificate, ocsp_staple: { inline_string: "x" } }] },
    {},
    `common_tls_context.tls_certificates[0].ocsp_staple: ${not}`,
  ),
  downstream(
    { tls_certificates: [], tls_certificate_sds_secret_configs: [{ name: "nobody" }] },
    {},
    "common_tls_context.tls_certificate_sds_secret_configs[0].name: Unknown static secret: nobody",
  ),
  parameters({ tls_minimum_protocol_version: "TLSv1_0" }, "tls_minimum_protocol_version: TLSv1_0 is not offered (RFC 8996)"),
  parameters(
    { tls_minimum_protocol_version: "TLSv1_3", tls_maximum_protocol_version: "TLSv1_2" },
    "tls_minimum_protocol_version: Unable to make a range of TLS versions: the minimum is above the maximum",
  ),
  parameters(
    { cipher_suites: ["[ECDHE-RSA-AES128-GCM-SHA256|NOPE]"] },
    "cipher_suites[0]: Failed to initialize cipher suites [ECDHE-RSA-AES128-GCM-SHA256|NOPE]. The following ciphers were rejected when tried individually: NOPE",
  ),
  parameters({ compliance_policies: ["FIPS_202205"] }, `compliance_policies: ${not}`),
  validation(
    { allow_expired_certificate: true },
    "allow_expired_certificate: not implemented: Node tells only one reason why a chain is not trusted",
  ),
  validation(
    { only_verify_leaf_cert_crl: true },
    "only_verify_leaf_cert_crl: not implemented: revocation lists are checked for the whole chain",
  ),
  validation({ max_verify_depth: 1 }, "max_verify_depth: not implemented: Node does not offer it"),
  validation({ trusted_ca: { inline_string: "x" } }, "trusted_ca: Failed to load trusted CA certificates from <inline>"),
  validation({ verify_certificate_hash: ["z".repeat(64)] }, `verify_certificate_hash[0]: Invalid hex-encoded SHA-256 ${"z".repeat(64)}`),
  validation(
    { match_typed_subject_alt_names: [{ san_type: "OTHER_NAME", matcher: { exact: "x" } }] },
    "match_typed_subject_alt_names[0].oid: OTHER_NAME needs the OID of its type",
  ),
  downstream(
    { validation_context: { match_typed_subject_alt_names: [{ san_type: "DNS", matcher: { exact: "x" } }] } },
    {},
    "common_tls_context.validation_context.match_typed_subject_alt_names: SAN-based verification of peer certificates without trusted CA is insecure and not allowed",
  ),
  upstream({}, { allow_renegotiation: true }, "allow_renegotiation: not implemented: renegotiation is refused"),
  upstream(
    { tls_certificates: [certificate, certificate] },
    {},
    "common_tls_context: Multiple TLS certificates are not supported for client contexts",
  ),
  upstream({}, { sni: "a\0b" }, "sni: SNI names containing NULL-byte are not allowed"),
  ...["tap.v3.Tap", "starttls.v3.StartTlsConfig", "alts.v3.Alts", "quic.v3.QuicDownstreamTransport", "tls.v3.UpstreamTlsContext"].map(
    (name): Rejection => {
      const path = `${chain}.transport_socket`;
      const typeName = `envoy.extensions.transport_sockets.${name}`;
      return {
        set: { [path]: { name: "t", typed_config: { "@type": `type.googleapis.com/${typeName}` } } },
        problems: [`${path}.typed_config: not implemented: ${typeName}`],
      };
    },
  ),
];
