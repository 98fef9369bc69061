// extensions.transport_sockets.tls.v3.DownstreamTlsContext and UpstreamTlsContext. Names of ciphers and curves are Envoy's; what
// OpenSSL does not know by that name is refused here, so that no context fails to be made on a worker.
import { createSecureContext, getCiphers } from "node:tls";
import type { ConfigReader } from "../../config/extension.ts";
import type { CommonTlsContext, DownstreamTlsContext, SecretKey, UpstreamTlsContext } from "../../config/transport-socket.ts";
import { combineValidation } from "../../config/validation-context.ts";
import { type ResourceContext, secretKey } from "../context.ts";
import { parseConfigSource } from "./config-source.ts";
import { FileList, parseCertificate, parseValidation } from "./secret.ts";

/** Those of TLS 1.3 cannot be configured, in Envoy neither. */
const TLS13_CIPHERS = "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
const DEFAULT_CIPHERS =
  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:" +
  "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
const DEFAULT_CURVES = "X25519:P-256";

export function parseDownstreamTls(reader: ConfigReader, ctx: ResourceContext): DownstreamTlsContext {
  const common = parseCommon(reader, ctx, "TLSv1.3", true);
  for (const field of ["session_ticket_keys", "session_ticket_keys_sds_secret_config"]) {
    if (reader.has(field)) reader.refuse(field, "not implemented: keys of tickets are made by each worker");
  }
  // There is no stapling, which is what the lenient policy allows.
  const policy = reader.choice("ocsp_staple_policy", "LENIENT_STAPLING");
  if (policy !== "LENIENT_STAPLING") reader.refuse("ocsp_staple_policy", `not implemented: ${policy}`);
  // There is no cache of sessions on this side to turn off.
  reader.flag("disable_stateful_session_resumption");
  const requireClientCertificate = reader.flag("require_client_certificate");
  if (requireClientCertificate && common.validation === undefined && common.validationSecret === undefined) {
    reader.refuse("require_client_certificate", "there is no validation_context to verify a client certificate with");
  }
  const sessionTimeoutMs = reader.optionalDurationMs("session_timeout");
  return {
    kind: "tls",
    common,
    requireClientCertificate,
    requireSni: reader.flag("require_sni"),
    sessionTimeoutSeconds: sessionTimeoutMs === undefined ? undefined : Math.floor(sessionTimeoutMs / 1000),
    disableTickets: reader.flag("disable_stateless_session_resumption"),
    fullScanCertsOnSniMismatch: reader.flag("full_scan_certs_on_sni_mismatch"),
    preferClientCiphers: reader.flag("prefer_client_ciphers"),
  };
}

export function parseUpstreamTls(reader: ConfigReader, ctx: ResourceContext): UpstreamTlsContext {
  // Envoy's clients stop at TLS 1.2 unless they are told otherwise.
  const common = parseCommon(reader, ctx, "TLSv1.2");
  if (common.certificates.length + common.certificateSecrets.length > 1) {
    reader.refuse("common_tls_context", "Multiple TLS certificates are not supported for client contexts");
  }
  if (reader.flag("allow_renegotiation")) reader.refuse("allow_renegotiation", "not implemented: renegotiation is refused");
  // Envoy's fields of old; OpenSSL checks the usage of a key by itself.
  reader.ignore("enforce_rsa_key_usage");
  const sni = reader.text("sni");
  if (sni.includes("\0")) reader.refuse("sni", "SNI names containing NULL-byte are not allowed");
  return {
    kind: "tls",
    common,
    sni,
    autoHostSni: reader.flag("auto_host_sni"),
    autoSniSanValidation: reader.flag("auto_sni_san_validation"),
    maxSessionKeys: reader.optionalNumber("max_session_keys") ?? 1,
  };
}

function parseCommon(
  outer: ConfigReader,
  ctx: ResourceContext,
  defaultMax: CommonTlsContext["maxVersion"],
  isServer = false,
): CommonTlsContext {
  const reader = outer.message("common_tls_context");
  if (isServer && reader?.has("tls_certificates") !== true && reader?.has("tls_certificate_sds_secret_configs") !== true) {
    outer.refuse("common_tls_context", "No TLS certificates found for server context");
  }
  const files = new FileList();
  const parameters = parseParameters(reader?.message("tls_params"), defaultMax);
  for (const field of [
    "key_log",
    "custom_handshaker",
    "custom_tls_certificate_selector",
    "tls_certificate_provider_instance",
    "tls_certificate_certificate_provider",
    "tls_certificate_certificate_provider_instance",
    "validation_context_certificate_provider",
    "validation_context_certificate_provider_instance",
  ]) {
    if (reader?.has(field)) reader.refuse(field, "not implemented");
  }
  const alpnProtocols = reader?.texts("alpn_protocols") ?? [];
  alpnProtocols.forEach((protocol, index) => {
    if (protocol === "" || Buffer.byteLength(protocol) > 255) reader?.refuse(`alpn_protocols[${index}]`, "invalid ALPN protocol string");
  });
  const certificates = (reader?.messages("tls_certificates") ?? []).flatMap(
    (certificate) => parseCertificate(certificate, ctx, files) ?? [],
  );
  const certificateSecrets: SecretKey[] = [];
  for (const config of reader?.messages("tls_certificate_sds_secret_configs") ?? []) {
    const found = parseSecretConfig(config, ctx);
    if (typeof found === "string") certificateSecrets.push(found);
    else if (found?.kind === "tls_certificate") certificates.push(found.certificate);
    else if (found !== undefined) config.refuse("name", `secret '${found.name}' holds no certificate`);
  }
  if (certificates.length > 0 && certificateSecrets.length > 0) {
    reader?.refuse("tls_certificate_sds_secret_configs", "only one of tls_certificates and tls_certificate_sds_secret_configs may be set");
  }
  const { validation, validationSecret } = parseValidationSource(reader, ctx, files);
  return { ...parameters, alpnProtocols, certificates, certificateSecrets, validation, validationSecret };
}

function parseValidationSource(
  reader: ConfigReader | undefined,
  ctx: ResourceContext,
  files: FileList,
): Pick<CommonTlsContext, "validation" | "validationSecret"> {
  const combined = reader?.message("combined_validation_context");
  const inline = reader?.message("validation_context") ?? combined?.message("default_validation_context");
  for (const field of ["validation_context_certificate_provider", "validation_context_certificate_provider_instance"]) {
    if (combined?.has(field)) combined.refuse(field, "not implemented");
  }
  const config = reader?.message("validation_context_sds_secret_config") ?? combined?.message("validation_context_sds_secret_config");
  // The CA of a combined context comes with the secret, so a SAN matcher may stand alone in its default.
  const own = inline === undefined ? undefined : parseValidation(inline, ctx, files, combined !== undefined);
  const found = config === undefined ? undefined : parseSecretConfig(config, ctx);
  if (found === undefined || typeof found === "string") return { validation: own, validationSecret: found };
  if (found.kind === "validation_context") return { validation: combineValidation(own, found.validation), validationSecret: undefined };
  config?.refuse("name", `secret '${found.name}' holds no validation context`);
  return { validation: own, validationSecret: undefined };
}

/** A static secret itself, or the key of one that comes from a source. */
function parseSecretConfig(reader: ConfigReader, ctx: ResourceContext): SecretKey | ReturnType<ResourceContext["staticSecret"]> {
  const name = reader.text("name");
  const config = reader.message("sds_config");
  if (config === undefined) {
    const secret = ctx.staticSecret(name);
    if (secret === undefined) reader.refuse("name", `Unknown static secret: ${name}`);
    return secret;
  }
  const source = parseConfigSource(config);
  if (source === undefined) return undefined;
  ctx.need({ kind: "secret", name, source, isAwaited: true, statPrefix: `sds.${name}` });
  return secretKey(source, name);
}

type Parameters = Pick<CommonTlsContext, "minVersion" | "maxVersion" | "ciphers" | "curves" | "signatureAlgorithms">;

function parseParameters(reader: ConfigReader | undefined, defaultMax: CommonTlsContext["maxVersion"]): Parameters {
  const minVersion = parseVersion(reader, "tls_minimum_protocol_version", "TLSv1.2");
  const maxVersion = parseVersion(reader, "tls_maximum_protocol_version", defaultMax);
  if (minVersion > maxVersion)
    reader?.refuse("tls_minimum_protocol_version", "Unable to make a range of TLS versions: the minimum is above the maximum");
  if (reader?.has("compliance_policies")) reader.refuse("compliance_policies", "not implemented");
  const own = parseCiphers(reader);
  const curves = reader?.texts("ecdh_curves") ?? [];
  const algorithms = reader?.texts("signature_algorithms") ?? [];
  check(reader, "ecdh_curves", curves, (list) => createSecureContext({ ecdhCurve: list }), "ECDH curves");
  check(reader, "signature_algorithms", algorithms, (list) => createSecureContext({ sigalgs: list }), "TLS signature algorithms");
  return {
    minVersion,
    maxVersion,
    ciphers: `${TLS13_CIPHERS}:${own.length === 0 ? DEFAULT_CIPHERS : own.join(":")}`,
    curves: curves.length === 0 ? DEFAULT_CURVES : curves.join(":"),
    signatureAlgorithms: algorithms.join(":"),
  };
}

function parseVersion(
  reader: ConfigReader | undefined,
  field: string,
  unset: CommonTlsContext["minVersion"],
): CommonTlsContext["minVersion"] {
  const version = reader?.choice<string>(field, "TLS_AUTO") ?? "TLS_AUTO";
  if (version === "TLSv1_2") return "TLSv1.2";
  if (version === "TLSv1_3") return "TLSv1.3";
  if (version !== "TLS_AUTO") reader?.refuse(field, `${version} is not offered (RFC 8996)`);
  return unset;
}

/** "[A|B]:C" of BoringSSL: those of a group are equal there; OpenSSL takes them one after the other. */
function parseCiphers(reader: ConfigReader | undefined): readonly string[] {
  const known = new Set(getCiphers());
  const suites = reader?.texts("cipher_suites") ?? [];
  return suites.flatMap((suite, index) =>
    suite.split(":").flatMap((part) => {
      const names = /^\[[^\][]+\]$/.test(part) ? part.slice(1, -1).split("|") : [part];
      for (const name of names) {
        if (!known.has(name.toLowerCase()) || name.startsWith("TLS_")) {
          reader?.refuse(
            `cipher_suites[${index}]`,
            `Failed to initialize cipher suites ${suite}. The following ciphers were rejected when tried individually: ${name}`,
          );
        }
      }
      return names;
    }),
  );
}

function check(
  reader: ConfigReader | undefined,
  field: string,
  values: readonly string[],
  make: (list: string) => unknown,
  what: string,
): void {
  if (values.length === 0) return;
  try {
    make(values.join(":"));
  } catch (error) {
    // OpenSSL's own words say which call failed, not which name.
    reader?.refuse(field, `Failed to initialize ${what} ${values.join(":")}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
