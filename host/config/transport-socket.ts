// Transport sockets as the data plane believes them: raw_buffer, tls and upstream_proxy_protocol
// (envoy.extensions.transport_sockets.*). Certificates are bytes already: whoever reads a configuration opens its files.
import type { StringMatcher } from "./matcher.ts";

export interface TlsCertificate {
  /** PEM: the certificate, then those that lead to its root. Empty when `pkcs12` holds everything. */
  readonly certificateChain: Uint8Array;
  readonly privateKey: Uint8Array;
  readonly pkcs12: Uint8Array | undefined;
  readonly password: string | undefined;
  /** What /certs shows: a file's path, or "<inline>". */
  readonly path: string;
}

export type SanType = "EMAIL" | "DNS" | "URI" | "IP_ADDRESS" | "OTHER_NAME";

export interface SanMatcher {
  readonly sanType: SanType;
  readonly matcher: StringMatcher;
  /** Of OTHER_NAME: the type-id, dotted. */
  readonly oid: string;
}

export interface ValidationContext {
  /** PEM; undefined: nothing to verify a chain against. */
  readonly trustedCa: Uint8Array | undefined;
  readonly trustedCaPath: string;
  readonly systemRootCerts: boolean;
  /** PEM revocation lists: then each certificate of a chain must be covered by one. */
  readonly crl: Uint8Array | undefined;
  /** SHA-256 of the certificate: 64 lower-case hexadecimal digits. */
  readonly verifyCertificateHash: readonly string[];
  /** SHA-256 of the public key info: base64. */
  readonly verifyCertificateSpki: readonly string[];
  readonly sanMatchers: readonly SanMatcher[];
  /** trust_chain_verification: ACCEPT_UNTRUSTED. */
  readonly acceptUntrusted: boolean;
  /** envoy.tls.cert_validator.spiffe: the trust domain of the peer's SPIFFE ID chooses the bundle; undefined: the default validator. */
  readonly spiffeTrustDomains: readonly { readonly name: string; readonly trustBundle: Uint8Array }[] | undefined;
}

/** extensions.transport_sockets.tls.v3.Secret, as far as TLS contexts use it. */
export type Secret =
  | { readonly kind: "tls_certificate"; readonly name: string; readonly certificate: TlsCertificate; readonly watch: WatchedFiles }
  | { readonly kind: "validation_context"; readonly name: string; readonly validation: ValidationContext; readonly watch: WatchedFiles };

/** What must be read again when it changes. */
export interface WatchedFiles {
  readonly files: readonly string[];
  readonly directories: readonly string[];
}

/** Names a secret in a snapshot: two sources may have secrets of one name. */
export type SecretKey = string;

export interface CommonTlsContext {
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly maxVersion: "TLSv1.2" | "TLSv1.3";
  /** OpenSSL's list. */
  readonly ciphers: string;
  readonly curves: string;
  /** "" is OpenSSL's choice. */
  readonly signatureAlgorithms: string;
  readonly alpnProtocols: readonly string[];
  readonly certificates: readonly TlsCertificate[];
  readonly certificateSecrets: readonly SecretKey[];
  /** Inline, or the default part of a combined context. */
  readonly validation: ValidationContext | undefined;
  readonly validationSecret: SecretKey | undefined;
}

export interface DownstreamTlsContext {
  readonly kind: "tls";
  readonly common: CommonTlsContext;
  readonly requireClientCertificate: boolean;
  readonly requireSni: boolean;
  readonly sessionTimeoutSeconds: number | undefined;
  /** disable_stateless_session_resumption. */
  readonly disableTickets: boolean;
  readonly fullScanCertsOnSniMismatch: boolean;
  readonly preferClientCiphers: boolean;
}

export interface UpstreamTlsContext {
  readonly kind: "tls";
  readonly common: CommonTlsContext;
  readonly sni: string;
  readonly autoHostSni: boolean;
  readonly autoSniSanValidation: boolean;
  readonly maxSessionKeys: number;
}

export interface RawBuffer {
  readonly kind: "raw_buffer";
}

export interface UpstreamProxyProtocol {
  readonly kind: "upstream_proxy_protocol";
  readonly version: "V1" | "V2";
  readonly addedTlvs: readonly { readonly type: number; readonly value: Uint8Array }[];
  readonly inner: RawBuffer | UpstreamTlsContext;
}

export type DownstreamTransportSocket = RawBuffer | DownstreamTlsContext;
export type UpstreamTransportSocket = RawBuffer | UpstreamTlsContext | UpstreamProxyProtocol;

export const RAW_BUFFER: RawBuffer = Object.freeze({ kind: "raw_buffer" });

/** One of Cluster.transport_socket_matches: for endpoints whose metadata (envoy.transport_socket_match) has all of `match`. */
export interface TransportSocketMatch {
  readonly name: string;
  readonly match: Readonly<Record<string, unknown>>;
  readonly transportSocket: UpstreamTransportSocket;
}
