// Whether the peer of a finished handshake is who the configuration asks for (Envoy: CertificateValidationContext). OpenSSL has
// built and checked the chain; names, hashes and trust domains are checked here on the certificate's own bytes. Until this has said
// yes nothing of the connection reaches anybody.
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { compileStringMatcher, type StringTest } from "./string-matcher.ts";
import type { SanMatcher, ValidationContext } from "../config/transport-socket.ts";
import { type Certificate, type GeneralName, readCertificate, sha256 } from "./certificate.ts";
import { SpiffeBundles } from "./spiffe.ts";

export type VerifyFailure = "fail_verify_error" | "fail_verify_no_cert" | "fail_verify_san" | "fail_verify_cert_hash";

/**
 * What the peer gave. Node hands out the certificates behind the first one once only, and with this object: who wants the chain walks
 * `x509.issuerCertificate`.
 */
export interface PeerCertificate {
  readonly certificate: Certificate;
  readonly x509: X509Certificate;
}

export const NO_PEER: Verdict = { failure: undefined, reason: "", peer: undefined, isValidated: false };

export interface Verdict {
  readonly failure: VerifyFailure | undefined;
  /** In Envoy's words. */
  readonly reason: string;
  /** undefined: the peer gave none. */
  readonly peer: PeerCertificate | undefined;
  readonly isValidated: boolean;
}

/** What Node knows of a chain; internal to it, and the same since Node 10. */
interface WithVerifyError {
  readonly ssl: { verifyError(): (Error & { readonly code?: string }) | null };
}

interface CompiledMatcher {
  readonly kind: GeneralName["kind"];
  readonly oid: string;
  readonly test: StringTest;
  /** An exact DNS matcher also takes a wildcard of the certificate (RFC 9525 6.3). */
  readonly dnsName: string | undefined;
}

export class PeerVerifier {
  private readonly config: ValidationContext;
  private readonly matchers: readonly CompiledMatcher[];
  private readonly spiffe: SpiffeBundles | undefined;
  private readonly hashes: ReadonlySet<string>;
  private readonly keys: ReadonlySet<string>;
  private readonly hasAuthorities: boolean;

  constructor(config: ValidationContext) {
    this.config = config;
    this.matchers = config.sanMatchers.map(compile);
    this.spiffe = config.spiffeTrustDomains === undefined ? undefined : new SpiffeBundles(config.spiffeTrustDomains);
    this.hashes = new Set(config.verifyCertificateHash);
    this.keys = new Set(config.verifyCertificateSpki);
    this.hasAuthorities = config.trustedCa !== undefined || config.systemRootCerts || this.spiffe !== undefined;
  }

  /** Asking for a certificate makes sense. */
  get isActive(): boolean {
    return this.hasAuthorities || this.matchers.length > 0 || this.hashes.size > 0 || this.keys.size > 0;
  }

  /** `serverName`: with auto_sni_san_validation, the name that the certificate must be for. */
  verify(socket: TLSSocket, isRequired: boolean, nowMs: number, serverName = ""): Verdict {
    const x509 = socket.getPeerX509Certificate();
    if (x509 === undefined) return isRequired ? refuse("fail_verify_no_cert", "") : NO_PEER;
    let certificate: Certificate;
    try {
      certificate = readCertificate(x509.raw);
    } catch (error) {
      return refuse("fail_verify_error", `certificate: ${error instanceof Error ? error.message : String(error)}`);
    }
    const peer = { certificate, x509 };
    if (this.config.acceptUntrusted) return { failure: undefined, reason: "", peer, isValidated: false };
    if (this.hasAuthorities) {
      const error = (socket as unknown as WithVerifyError).ssl.verifyError();
      if (error !== null) return refuse("fail_verify_error", chainReason(error));
      if (this.spiffe !== undefined && !this.spiffe.accepts(peer, nowMs)) {
        return refuse("fail_verify_error", "SPIFFE: verify_error");
      }
    } else if (this.matchers.length > 0 || serverName !== "") {
      // Names in a certificate that nobody vouches for say nothing.
      return refuse("fail_verify_error", "there is no trusted CA to verify subject alternative names with");
    }
    const wantsName = serverName !== "";
    if (wantsName ? !certificate.names.some((name) => isForServer(name, serverName)) : !this.matchesNames(certificate)) {
      return refuse(
        "fail_verify_san",
        `verify cert failed: SAN matcher, certificate SANs are [${certificate.names.map((name) => name.text).join(", ")}]`,
      );
    }
    if ((this.hashes.size > 0 || this.keys.size > 0) && !this.matchesHash(certificate)) {
      return refuse("fail_verify_cert_hash", "verify cert failed: cert hash and spki");
    }
    return { failure: undefined, reason: "", peer, isValidated: this.isActive || wantsName };
  }

  /** The peer's certificate, unjudged; undefined: none, or one that cannot be read. */
  read(socket: TLSSocket): PeerCertificate | undefined {
    const x509 = socket.getPeerX509Certificate();
    if (x509 === undefined) return undefined;
    try {
      return { certificate: readCertificate(x509.raw), x509 };
    } catch {
      // Nobody asked for it to be verified, so it is no reason to refuse the connection; it just has nothing to show.
      return undefined;
    }
  }

  private matchesNames(certificate: Certificate): boolean {
    if (this.matchers.length === 0) return true;
    for (const name of certificate.names) {
      for (const matcher of this.matchers) {
        if (matcher.kind !== name.kind || matcher.oid !== name.oid) continue;
        if (matcher.test(name.text) || (matcher.dnsName !== undefined && isDnsMatch(matcher.dnsName, name.text))) return true;
      }
    }
    return false;
  }

  /** One of all of them is enough, as in Envoy. */
  private matchesHash(certificate: Certificate): boolean {
    if (this.hashes.size > 0 && this.hashes.has(sha256(certificate.raw, "hex"))) return true;
    return this.keys.size > 0 && this.keys.has(sha256(certificate.publicKeyInfo, "base64"));
  }
}

function refuse(failure: VerifyFailure, reason: string): Verdict {
  return { failure, reason, peer: undefined, isValidated: false };
}

function compile({ sanType, matcher, oid }: SanMatcher): CompiledMatcher {
  return {
    kind: sanType,
    oid: sanType === "OTHER_NAME" ? oid : "",
    test: compileStringMatcher(matcher),
    dnsName: sanType === "DNS" && matcher.kind === "exact" ? matcher.value : undefined,
  };
}

function isForServer(name: GeneralName, serverName: string): boolean {
  if (name.kind === "IP_ADDRESS") return name.text === serverName;
  return name.kind === "DNS" && isDnsMatch(serverName, name.text);
}

/** RFC 9525 6.3: "*" stands for one whole leftmost label, and names are compared without case. */
export function isDnsMatch(name: string, pattern: string): boolean {
  const wanted = name.toLowerCase();
  const given = pattern.toLowerCase();
  if (wanted === given) return true;
  if (!given.startsWith("*.") || given.indexOf("*", 1) >= 0 || given.indexOf(".", 2) < 0) return false;
  const dot = wanted.indexOf(".");
  return dot > 0 && wanted.slice(dot) === given.slice(1);
}

/** X509_verify_cert_error_string() of what Node calls by its symbol. */
const CHAIN_REASONS: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: "unable to get issuer certificate",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "unable to get local issuer certificate",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "unable to get local issuer certificate",
  UNABLE_TO_GET_CRL: "unable to get certificate CRL",
  CERT_HAS_EXPIRED: "certificate has expired",
  CERT_NOT_YET_VALID: "certificate is not yet valid",
  CERT_REVOKED: "certificate revoked",
  CRL_HAS_EXPIRED: "CRL has expired",
  CRL_NOT_YET_VALID: "CRL is not yet valid",
  DEPTH_ZERO_SELF_SIGNED_CERT: "self signed certificate",
  SELF_SIGNED_CERT_IN_CHAIN: "self signed certificate in certificate chain",
  CERT_SIGNATURE_FAILURE: "certificate signature failure",
  INVALID_CA: "invalid CA certificate",
  INVALID_PURPOSE: "unsupported certificate purpose",
  PATH_LENGTH_EXCEEDED: "path length constraint exceeded",
  CERT_UNTRUSTED: "certificate not trusted",
  CERT_REJECTED: "certificate rejected",
};

function chainReason(error: Error & { readonly code?: string }): string {
  const reason = CHAIN_REASONS[error.code ?? ""] ?? error.message;
  return `verify cert failed: X509_verify_cert: certificate verification error at depth 0: ${reason}`;
}
