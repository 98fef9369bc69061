// What is known of a TLS connection after its handshake (Envoy: Ssl::ConnectionInfo): read from the socket at once where that is
// cheap, and from certificates when it is first asked for. Access logs, wasm attributes and x-forwarded-client-cert read it.
import { createHash, type X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { type Certificate, type GeneralName, readCertificate, sha256 } from "./certificate.ts";
import type { PeerCertificate } from "./tls-verify.ts";

/** In Node's documentation, not in its types: false until a client has named a server. */
interface WithServerName extends TLSSocket {
  readonly servername?: string | false;
}

/** Certificates that a peer may send and that are shown. */
const MAX_CHAIN = 10;

export class TlsInfo {
  /** "TLSv1.3" */
  readonly version: string;
  readonly cipher: string;
  /** Hexadecimal; "" in TLS 1.3, which has none. */
  readonly sessionId: string;
  /** "" without. */
  readonly alpnProtocol: string;
  /** SNI of the handshake. */
  readonly serverName: string;
  readonly isPeerValidated: boolean;
  /** undefined: the peer has given none. */
  readonly peer: Certificate | undefined;
  /** Of this side; undefined: none was given. */
  readonly local: Certificate | undefined;
  private readonly x509: X509Certificate | undefined;
  private chain: readonly Uint8Array[] | undefined = undefined;

  constructor(socket: TLSSocket, peer: PeerCertificate | undefined, isPeerValidated: boolean, local: Certificate | undefined) {
    this.x509 = peer?.x509;
    this.version = socket.getProtocol() ?? "";
    this.cipher = socket.getCipher().name;
    this.sessionId = this.version === "TLSv1.3" ? "" : sessionIdOf(socket.getSession());
    this.alpnProtocol = typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : "";
    this.serverName = (socket as WithServerName).servername || "";
    this.peer = peer?.certificate;
    this.isPeerValidated = isPeerValidated;
    this.local = local;
  }

  /** DER of what the peer sent, its own certificate first. */
  get peerChain(): readonly Uint8Array[] {
    if (this.chain !== undefined) return this.chain;
    const chain: Uint8Array[] = [];
    for (let at = this.x509; at !== undefined && chain.length < MAX_CHAIN; at = at.issuerCertificate) chain.push(at.raw);
    this.chain = chain;
    return chain;
  }

  get peerChainSerials(): readonly string[] {
    return this.peerChain.map((raw, index) => (index === 0 && this.peer !== undefined ? this.peer : readCertificate(raw)).serial);
  }

  get peerPem(): string {
    return this.peer === undefined ? "" : urlEncodedPem(this.peer.raw);
  }

  get peerChainPem(): string {
    return this.peerChain.map(urlEncodedPem).join("");
  }
}

export function namesOf(certificate: Certificate | undefined, kind: GeneralName["kind"]): readonly string[] {
  return certificate === undefined ? [] : certificate.names.filter((name) => name.kind === kind).map((name) => name.text);
}

export function fingerprint256(certificate: Certificate | undefined): string {
  return certificate === undefined ? "" : sha256(certificate.raw, "hex");
}

export function fingerprint1(raw: Uint8Array): string {
  return createHash("sha1").update(raw).digest("hex");
}

/** PEM with everything but letters, digits and "-_.~" as %XX: Envoy puts it into headers and logs so. */
export function urlEncodedPem(raw: Uint8Array): string {
  const base64 = Buffer.from(raw)
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n");
  const pem = `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
  return pem.replace(/[ \n+/=]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

/** SSL_SESSION as DER: version, protocol, cipher, session id. */
function sessionIdOf(session: Buffer | undefined): string {
  if (session === undefined) return "";
  // SEQUENCE { INTEGER, INTEGER, OCTET STRING cipher, OCTET STRING session id, … } of OpenSSL, which is trusted to write it well.
  let at = 1;
  at += session[at] < 0x80 ? 1 : 1 + (session[at] & 0x7f);
  for (let skipped = 0; skipped < 3; skipped++) at += 2 + session[at + 1];
  return session[at] === 0x04 ? session.subarray(at + 2, at + 2 + session[at + 1]).toString("hex") : "";
}
