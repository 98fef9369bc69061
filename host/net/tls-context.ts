// TLS contexts of one filter chain or cluster: configuration and secrets → OpenSSL contexts. Made again when a secret changes;
// connections keep what they began with. Each context has ticket keys and a session id context of its own, so that no session
// leaves the configuration under which its peer was verified.
import { constants, randomBytes, X509Certificate } from "node:crypto";
import { createSecureContext, rootCertificates, type SecureContext, type SecureContextOptions, type TLSSocket } from "node:tls";
import type {
  CommonTlsContext,
  DownstreamTlsContext,
  Secret,
  SecretKey,
  TlsCertificate,
  ValidationContext,
} from "../config/transport-socket.ts";
import { combineValidation, NO_VALIDATION } from "../config/validation-context.ts";
import { type Certificate, readCertificate } from "./certificate.ts";
import { PeerVerifier } from "./tls-verify.ts";

export type Secrets = Readonly<Record<SecretKey, Secret>>;

/** What a TLS context is made of, its secrets put in. */
export interface TlsMaterial {
  readonly certificates: readonly TlsCertificate[];
  readonly validation: ValidationContext | undefined;
  /** The secrets that were put in: others of the same content are others. */
  readonly secrets: readonly Secret[];
}

/** undefined: a secret is not there (yet). */
export function resolveMaterial(common: CommonTlsContext, secrets: Secrets): TlsMaterial | undefined {
  const certificates = [...common.certificates];
  const used: Secret[] = [];
  for (const key of common.certificateSecrets) {
    const secret = Object.hasOwn(secrets, key) ? secrets[key] : undefined;
    if (secret?.kind !== "tls_certificate") return undefined;
    certificates.push(secret.certificate);
    used.push(secret);
  }
  if (common.validationSecret === undefined) return { certificates, validation: common.validation, secrets: used };
  const secret = Object.hasOwn(secrets, common.validationSecret) ? secrets[common.validationSecret] : undefined;
  if (secret?.kind !== "validation_context") return undefined;
  used.push(secret);
  return { certificates, validation: combineValidation(common.validation, secret.validation), secrets: used };
}

export function isSameMaterial(a: TlsMaterial, b: TlsMaterial): boolean {
  return a.secrets.length === b.secrets.length && a.secrets.every((secret, index) => secret === b.secrets[index]);
}

export function makeVerifier(material: TlsMaterial): PeerVerifier {
  return new PeerVerifier(material.validation ?? NO_VALIDATION);
}

/** Newer than the types: trusts an intermediate certificate that is among the authorities, as Envoy does. */
type Options = SecureContextOptions & { readonly allowPartialTrustChain?: boolean };

export function secureContextOptions(
  common: CommonTlsContext,
  validation: ValidationContext | undefined,
  certificates: readonly TlsCertificate[],
): Options {
  const authorities: (string | Buffer)[] = [];
  if (validation?.trustedCa !== undefined) authorities.push(Buffer.from(validation.trustedCa));
  if (validation?.systemRootCerts === true) authorities.push(...rootCertificates);
  for (const domain of validation?.spiffeTrustDomains ?? []) authorities.push(Buffer.from(domain.trustBundle));
  const pem = certificates.filter((certificate) => certificate.pkcs12 === undefined);
  const pfx = certificates.filter((certificate) => certificate.pkcs12 !== undefined);
  return {
    minVersion: common.minVersion,
    maxVersion: common.maxVersion,
    ciphers: common.ciphers,
    ecdhCurve: common.curves,
    ...(common.signatureAlgorithms === "" ? {} : { sigalgs: common.signatureAlgorithms }),
    cert: pem.map((certificate) => Buffer.from(certificate.certificateChain)),
    key: pem.map((certificate) => ({ pem: Buffer.from(certificate.privateKey), passphrase: certificate.password })),
    ...(pfx.length === 0
      ? {}
      : { pfx: pfx.map((certificate) => ({ buf: Buffer.from(certificate.pkcs12 ?? []), passphrase: certificate.password })) }),
    // An empty list is no list: without one Node would trust the authorities of the web.
    ca: authorities,
    ...(validation?.crl === undefined ? {} : { crl: Buffer.from(validation.crl) }),
    allowPartialTrustChain: true,
  };
}

/** The certificate itself; undefined for PKCS #12, which OpenSSL alone opens. */
export function leafOf(certificate: TlsCertificate): Certificate | undefined {
  return certificate.pkcs12 === undefined ? readCertificate(new X509Certificate(Buffer.from(certificate.certificateChain)).raw) : undefined;
}

export interface NamedContext {
  readonly names: readonly string[];
  readonly secureContext: SecureContext;
  /** The certificates in it, one of each type of key. */
  readonly leaves: readonly Certificate[];
}

/** What new connections of a filter chain are served with. */
export class ServerTlsContext {
  readonly verifier: PeerVerifier;
  readonly requestsCertificate: boolean;
  private readonly contexts: readonly NamedContext[];
  /** For clients that name no server. */
  private readonly fallback: NamedContext;
  private readonly mismatch: NamedContext;

  constructor(config: DownstreamTlsContext, material: TlsMaterial) {
    const { common } = config;
    this.verifier = makeVerifier(material);
    this.requestsCertificate = this.verifier.isActive;
    const sessionIdContext = randomBytes(16).toString("hex");
    let secureOptions = 0;
    // What resumes a session proves nothing anew, so sessions of peers with certificates are not resumed at all.
    if (config.disableTickets || this.requestsCertificate) secureOptions |= constants.SSL_OP_NO_TICKET;
    const make = (names: readonly string[], certificates: readonly TlsCertificate[]): NamedContext => ({
      names,
      leaves: certificates.flatMap((certificate) => leafOf(certificate) ?? []),
      secureContext: createSecureContext({
        ...secureContextOptions(common, material.validation, certificates),
        sessionIdContext,
        secureOptions,
        honorCipherOrder: !config.preferClientCiphers,
        ...(config.sessionTimeoutSeconds === undefined ? {} : { sessionTimeout: config.sessionTimeoutSeconds }),
      }),
    });
    this.contexts = material.certificates.map((certificate) => {
      const leaf = leafOf(certificate);
      return make(leaf === undefined ? [] : serverNames(leaf), oneOfEachKeyType(certificate, material.certificates));
    });
    this.fallback = make([], oneOfEachKeyType(material.certificates[0], material.certificates, true));
    this.mismatch = config.fullScanCertsOnSniMismatch ? this.fallback : this.contexts[0];
  }

  /**
   * The name of the server must be known before the handshake begins: what Node's SNICallback changes is one certificate of the first
   * context, and the others of that one would go on being shown.
   */
  get choosesByName(): boolean {
    return this.contexts.length > 1;
  }

  /** By exact name, then by wildcard, then the first (Envoy: "Certificate selection"). */
  choose(serverName: string): NamedContext {
    if (serverName === "" || this.contexts.length === 1) return this.fallback;
    const name = serverName.toLowerCase();
    for (const context of this.contexts) if (context.names.includes(name)) return context;
    const dot = name.indexOf(".");
    const wildcard = dot < 0 ? "" : `*${name.slice(dot)}`;
    for (const context of this.contexts) if (context.names.includes(wildcard)) return context;
    return this.mismatch;
  }
}

/** Which of the certificates was shown. */
export function shownLeaf({ leaves }: NamedContext, socket: TLSSocket): Certificate | undefined {
  if (leaves.length < 2) return leaves[0];
  const raw = socket.getX509Certificate()?.raw;
  return leaves.find((leaf) => raw?.equals(leaf.raw));
}

/** DNS names, or the common name of a certificate that has none. */
function serverNames(leaf: Certificate): readonly string[] {
  const names = leaf.names.filter((name) => name.kind === "DNS").map((name) => name.text.toLowerCase());
  if (names.length > 0) return names;
  const commonName = /(?:^|,)CN=([^,+]+)/.exec(leaf.subject)?.[1];
  return commonName === undefined ? [] : [commonName.toLowerCase()];
}

/** OpenSSL picks by what a client can verify; so the others of the same names join, one of each type of key. */
function oneOfEachKeyType(certificate: TlsCertificate, all: readonly TlsCertificate[], anyName = false): readonly TlsCertificate[] {
  const type = keyType(certificate);
  const names = leafOf(certificate)?.names ?? [];
  const others = all.filter((other) => {
    if (other === certificate || keyType(other) === type) return false;
    if (anyName) return true;
    const otherNames = leafOf(other)?.names ?? [];
    return names.some(
      (name) => name.kind === "DNS" && otherNames.some((candidate) => candidate.kind === "DNS" && candidate.text === name.text),
    );
  });
  const chosen = new Map<string, TlsCertificate>([[type, certificate]]);
  for (const other of others) if (!chosen.has(keyType(other))) chosen.set(keyType(other), other);
  return [...chosen.values()];
}

function keyType(certificate: TlsCertificate): string {
  if (certificate.pkcs12 !== undefined) return "pkcs12";
  return new X509Certificate(Buffer.from(certificate.certificateChain)).publicKey.asymmetricKeyType ?? "";
}
