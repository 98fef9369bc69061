// extensions.transport_sockets.tls.v3.Secret, TlsCertificate and CertificateValidationContext. Files are read here, on the main
// thread: a certificate that does not belong to its key, or a CA that is none, is refused with the resource that brought it.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { ConfigReader } from "../../config/extension.ts";
import type { SanMatcher, SanType, Secret, TlsCertificate, ValidationContext, WatchedFiles } from "../../config/transport-socket.ts";
import type { ResourceContext } from "../context.ts";
import { readDataSource } from "./data-source.ts";
import { parseStringMatcher } from "./matchers.ts";

const spiffeValidator = "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";
const pemCertificate = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

export function parseSecret(reader: ConfigReader, ctx: ResourceContext): Secret | undefined {
  const name = reader.text("name");
  const files = new FileList();
  const certificate = reader.message("tls_certificate");
  if (certificate !== undefined) {
    const parsed = parseCertificate(certificate, ctx, files);
    return parsed === undefined ? undefined : { kind: "tls_certificate", name, certificate: parsed, watch: files.watched };
  }
  const validation = reader.message("validation_context");
  if (validation !== undefined) {
    return { kind: "validation_context", name, validation: parseValidation(validation, ctx, files), watch: files.watched };
  }
  const type = reader.which("type");
  // Node takes ticket keys of 48 bytes where Envoy's have 80, and nothing here reads a generic secret.
  reader.refuse(type ?? "tls_certificate", type === undefined ? "value is required" : "not implemented");
  return undefined;
}

/** The files of a secret, for whoever watches them. */
export class FileList {
  private readonly files: string[] = [];
  private readonly directories: string[] = [];

  add(source: ConfigReader | undefined): void {
    const name = source?.optionalText("filename");
    if (name !== undefined) this.files.push(name);
  }

  addDirectory(reader: ConfigReader): void {
    const path = reader.message("watched_directory")?.text("path");
    if (path !== undefined) this.directories.push(path);
  }

  get watched(): WatchedFiles {
    return { files: this.files, directories: this.directories };
  }
}

/** undefined after a refusal. */
export function parseCertificate(reader: ConfigReader, ctx: ResourceContext, files: FileList): TlsCertificate | undefined {
  for (const field of ["ocsp_staple", "signed_certificate_timestamp", "private_key_provider", "tls_params"]) {
    if (reader.has(field)) reader.refuse(field, "not implemented");
  }
  files.addDirectory(reader);
  let path = "<inline>";
  const read = (field: string): Uint8Array | undefined => {
    const source = reader.message(field);
    if (source === undefined) return undefined;
    files.add(source);
    if (field === "certificate_chain" || field === "pkcs12") path = source.optionalText("filename") ?? path;
    return readDataSource(source, ctx);
  };
  const chain = read("certificate_chain");
  const privateKey = read("private_key");
  const pkcs12 = read("pkcs12");
  const password = read("password");
  if (reader.has("pkcs12") && (reader.has("certificate_chain") || reader.has("private_key"))) {
    reader.refuse("pkcs12", "Certificate configuration can't have both pkcs12 and certificate_chain or private_key");
  } else if (!reader.has("pkcs12") && (!reader.has("certificate_chain") || !reader.has("private_key"))) {
    reader.refuse(reader.has("certificate_chain") ? "private_key" : "certificate_chain", "value is required");
  }
  if (pkcs12 === undefined && (chain === undefined || privateKey === undefined)) return undefined;
  const certificate: TlsCertificate = {
    certificateChain: chain ?? new Uint8Array(0),
    privateKey: privateKey ?? new Uint8Array(0),
    pkcs12,
    password: password === undefined ? undefined : Buffer.from(password).toString(),
    path,
  };
  const problem = certificateProblem(certificate);
  if (problem !== undefined) reader.refuse(problem.field, problem.reason);
  return problem === undefined ? certificate : undefined;
}

function certificateProblem(certificate: TlsCertificate): { readonly field: string; readonly reason: string } | undefined {
  const { certificateChain, privateKey, pkcs12, password, path } = certificate;
  if (pkcs12 !== undefined) {
    try {
      createSecureContext({ pfx: Buffer.from(pkcs12), passphrase: password });
      return undefined;
    } catch (error) {
      return { field: "pkcs12", reason: `Failed to load pkcs12 from ${path}: ${message(error)}` };
    }
  }
  let leaf: X509Certificate;
  try {
    const blocks = Buffer.from(certificateChain).toString().match(pemCertificate) ?? [];
    if (blocks.length === 0) return { field: "certificate_chain", reason: `Failed to load certificate chain from ${path}` };
    [leaf] = blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    return { field: "certificate_chain", reason: `Failed to load certificate chain from ${path}: ${message(error)}` };
  }
  try {
    const key = createPrivateKey({ key: Buffer.from(privateKey), passphrase: password });
    if (!leaf.checkPrivateKey(key)) return { field: "private_key", reason: `Failed to load private key, Cause: KEY_VALUES_MISMATCH` };
  } catch (error) {
    return { field: "private_key", reason: `Failed to load private key, Cause: ${message(error)}` };
  }
  try {
    // What OpenSSL finds too weak must not come to light on a worker.
    createSecureContext({ cert: Buffer.from(certificateChain), key: Buffer.from(privateKey), passphrase: password });
  } catch (error) {
    return { field: "certificate_chain", reason: `Failed to load certificate chain from ${path}: ${message(error)}` };
  }
  const { publicKey } = leaf;
  if (publicKey.asymmetricKeyType === "rsa" && (publicKey.asymmetricKeyDetails?.modulusLength ?? 0) < 2048) {
    return {
      field: "certificate_chain",
      reason: `Failed to load certificate chain from ${path}, only RSA certificates with 2048-bit or larger keys are supported`,
    };
  }
  return undefined;
}

export function parseValidation(reader: ConfigReader, ctx: ResourceContext, files: FileList, caComesLater = false): ValidationContext {
  const unavailable: Readonly<Record<string, string>> = {
    allow_expired_certificate: "not implemented: Node tells only one reason why a chain is not trusted",
    only_verify_leaf_cert_crl: "not implemented: revocation lists are checked for the whole chain",
    require_signed_certificate_timestamp: "not implemented",
    ca_certificate_provider_instance: "not implemented",
    max_verify_depth: "not implemented: Node does not offer it",
    suppress_client_ca_list: "not implemented: Node always sends the list",
  };
  for (const [field, reason] of Object.entries(unavailable)) if (reader.has(field)) reader.refuse(field, reason);
  files.addDirectory(reader);
  const ca = reader.message("trusted_ca");
  files.add(ca);
  const trustedCa = ca === undefined ? undefined : readDataSource(ca, ctx);
  const trustedCaPath = ca?.optionalText("filename") ?? "<inline>";
  if (trustedCa !== undefined) checkAuthorities(trustedCa, trustedCaPath, (reason) => reader.refuse("trusted_ca", reason));
  const crlSource = reader.message("crl");
  files.add(crlSource);
  const crl = crlSource === undefined ? undefined : readDataSource(crlSource, ctx);
  if (crl !== undefined) checkRevocationList(crl, reader);
  const sanMatchers = reader.messages("match_typed_subject_alt_names").map((matcher) => parseSanMatcher(matcher, ctx));
  if (
    sanMatchers.length > 0 &&
    !caComesLater &&
    trustedCa === undefined &&
    !reader.has("system_root_certs") &&
    !reader.has("custom_validator_config")
  ) {
    reader.refuse(
      "match_typed_subject_alt_names",
      "SAN-based verification of peer certificates without trusted CA is insecure and not allowed",
    );
  }
  return {
    trustedCa,
    trustedCaPath,
    systemRootCerts: reader.message("system_root_certs") !== undefined,
    crl,
    verifyCertificateHash: reader.texts("verify_certificate_hash").map((text, index) => parseHash(text, index, reader)),
    verifyCertificateSpki: reader.texts("verify_certificate_spki"),
    sanMatchers: [...sanMatchers, ...parseOldSanMatchers(reader, ctx)],
    acceptUntrusted:
      reader.choice<"VERIFY_TRUST_CHAIN" | "ACCEPT_UNTRUSTED">("trust_chain_verification", "VERIFY_TRUST_CHAIN") === "ACCEPT_UNTRUSTED",
    spiffeTrustDomains: parseCustomValidator(reader, ctx, files),
  };
}

/** match_subject_alt_names says nothing of types: each matcher is tried on all that Envoy tries it on. */
function parseOldSanMatchers(reader: ConfigReader, ctx: ResourceContext): SanMatcher[] {
  const types: readonly SanType[] = ["DNS", "URI", "EMAIL", "IP_ADDRESS"];
  return reader.messages("match_subject_alt_names").flatMap((matcher) => {
    const parsed = parseStringMatcher(matcher, ctx);
    return types.map((sanType): SanMatcher => ({ sanType, matcher: parsed, oid: "" }));
  });
}

function parseSanMatcher(reader: ConfigReader, ctx: ResourceContext): SanMatcher {
  const sanType = reader.choice<SanType>("san_type", "URI");
  const matcher = reader.message("matcher");
  const oid = reader.text("oid");
  if (sanType === "OTHER_NAME" && !/^\d+(\.\d+)+$/.test(oid)) reader.refuse("oid", "OTHER_NAME needs the OID of its type");
  return {
    sanType,
    matcher: matcher === undefined ? { kind: "exact", value: "", ignoreCase: false } : parseStringMatcher(matcher, ctx),
    oid,
  };
}

/** Also "AA:BB:…". */
function parseHash(text: string, index: number, reader: ConfigReader): string {
  const hash = text.replaceAll(":", "").toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(hash)) reader.refuse(`verify_certificate_hash[${index}]`, `Invalid hex-encoded SHA-256 ${text}`);
  return hash;
}

function checkAuthorities(pem: Uint8Array, path: string, refuse: (reason: string) => void): void {
  const blocks = Buffer.from(pem).toString().match(pemCertificate) ?? [];
  if (blocks.length === 0) refuse(`Failed to load trusted CA certificates from ${path}`);
  for (const block of blocks) {
    try {
      createSecureContext({ ca: new X509Certificate(block).toString() });
    } catch (error) {
      refuse(`Failed to load trusted CA certificates from ${path}: ${message(error)}`);
    }
  }
}

function checkRevocationList(crl: Uint8Array, reader: ConfigReader): void {
  try {
    createSecureContext({ crl: Buffer.from(crl) });
  } catch (error) {
    reader.refuse("crl", `Failed to load CRL: ${message(error)}`);
  }
}

function parseCustomValidator(reader: ConfigReader, ctx: ResourceContext, files: FileList): ValidationContext["spiffeTrustDomains"] {
  const extension = reader.message("custom_validator_config");
  if (extension === undefined) return undefined;
  extension.text("name");
  const config = extension.any("typed_config");
  if (config?.typeName !== spiffeValidator || config.message === undefined) {
    extension.refuse("typed_config", `not implemented: ${config?.typeName ?? ""}`);
    return undefined;
  }
  const spiffe = config.message;
  if (spiffe.has("trust_bundles")) spiffe.refuse("trust_bundles", "not implemented: give trust_domains");
  const names = new Set<string>();
  const domains = spiffe.messages("trust_domains").flatMap((domain) => {
    const name = domain.text("name");
    if (names.has(name)) domain.refuse("name", `Multiple trust bundles are given for one trust domain for ${name}`);
    names.add(name);
    if (domain.has("workload_trust_domain")) domain.refuse("workload_trust_domain", "not implemented");
    const source = domain.message("trust_bundle");
    files.add(source);
    const trustBundle = source === undefined ? undefined : readDataSource(source, ctx);
    if (trustBundle === undefined) return [];
    checkAuthorities(trustBundle, name, (reason) => domain.refuse("trust_bundle", reason));
    return [{ name, trustBundle }];
  });
  if (domains.length === 0) spiffe.refuse("trust_domains", "value must contain at least 1 item(s)");
  return domains;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
