// envoy.tls.cert_validator.spiffe: the trust domain in the peer's SPIFFE ID chooses the authorities that may vouch for it. OpenSSL
// checks the chain against all bundles together; that alone would let the CA of one domain name members of another. So a path from the
// certificate to the bundle of its own domain is looked for here once more (SPIFFE X.509-SVID, section 5).
import { X509Certificate } from "node:crypto";
import { type Certificate, readCertificate } from "./certificate.ts";

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
/** Intermediate certificates that a peer may send. */
const MAX_CHAIN = 10;

interface Link {
  readonly x509: X509Certificate;
  readonly certificate: Certificate;
}

export class SpiffeBundles {
  private readonly bundles = new Map<string, readonly Link[]>();

  constructor(domains: readonly { readonly name: string; readonly trustBundle: Uint8Array }[]) {
    for (const { name, trustBundle } of domains) {
      const blocks = Buffer.from(trustBundle).toString().match(PEM_CERTIFICATE) ?? [];
      this.bundles.set(
        name,
        blocks.map((block) => link(new X509Certificate(block))),
      );
    }
  }

  accepts(peer: Link, nowMs: number): boolean {
    const domain = trustDomainOf(peer.certificate);
    const bundle = domain === undefined ? undefined : this.bundles.get(domain);
    if (bundle === undefined || peer.certificate.isAuthority) return false;
    const chain = peerChain(peer);
    return chain !== undefined && hasPath(peer, chain.slice(1), bundle, 0, nowMs);
  }
}

/** The only URI of the certificate, and it must be a SPIFFE ID. */
export function trustDomainOf(certificate: Certificate): string | undefined {
  const uris = certificate.names.filter((name) => name.kind === "URI");
  if (uris.length !== 1) return undefined;
  return /^spiffe:\/\/([a-z0-9._-]{1,255})(\/|$)/.exec(uris[0].text)?.[1];
}

function link(x509: X509Certificate): Link {
  return { x509, certificate: readCertificate(x509.raw) };
}

/** What the peer sent, leaf first; undefined: something in it cannot be read. */
function peerChain(peer: Link): Link[] | undefined {
  const chain = [peer];
  try {
    for (let at = peer.x509.issuerCertificate; at !== undefined; at = at.issuerCertificate) {
      if (chain.length > MAX_CHAIN) return undefined;
      chain.push(link(at));
    }
  } catch {
    // Not DER: the peer is not accepted, which is all there is to say.
    return undefined;
  }
  return chain;
}

/** `below`: authorities between `from` and the leaf, which pathLenConstraint counts. */
function hasPath(from: Link, others: readonly Link[], bundle: readonly Link[], below: number, nowMs: number): boolean {
  if (from.certificate.notBeforeMs > nowMs || from.certificate.notAfterMs < nowMs || from.certificate.unknownCritical.length > 0)
    return false;
  for (const anchor of bundle) if (isAnchor(anchor, from, below, nowMs)) return true;
  for (const [index, issuer] of others.entries()) {
    if (!isIssuer(issuer, from, below)) continue;
    const rest = others.filter((_, i) => i !== index);
    if (hasPath(issuer, rest, bundle, below + 1, nowMs)) return true;
  }
  return false;
}

function isAnchor(anchor: Link, from: Link, below: number, nowMs: number): boolean {
  const { notBeforeMs, notAfterMs } = anchor.certificate;
  return notBeforeMs <= nowMs && notAfterMs >= nowMs && isIssuer(anchor, from, below);
}

function isIssuer(issuer: Link, of: Link, below: number): boolean {
  const { isAuthority, pathLength } = issuer.certificate;
  if (!isAuthority || (pathLength !== undefined && pathLength < below)) return false;
  return of.x509.checkIssued(issuer.x509) && of.x509.verify(issuer.x509.publicKey);
}
