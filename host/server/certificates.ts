// The certificates in use, of all TLS contexts of a snapshot: what /certs shows.
import type { AdminCertificate, AdminCertificateFile } from "../admin/views.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { CommonTlsContext, UpstreamTransportSocket } from "../config/transport-socket.ts";
import { resolveMaterial } from "../net/tls-context.ts";

/** One entry for each context, as in Envoy; PKCS #12 is no text to show. */
export function certificatesOf(snapshot: Snapshot): AdminCertificate[] {
  const contexts: CommonTlsContext[] = [];
  for (const cluster of snapshot.clusters) {
    for (const socket of [cluster.transportSocket, ...cluster.transportSocketMatches.map((match) => match.transportSocket)]) {
      contexts.push(...commonOf(socket));
    }
  }
  for (const { filterChains, defaultFilterChain } of snapshot.listeners) {
    for (const chain of defaultFilterChain === undefined ? filterChains : [...filterChains, defaultFilterChain]) {
      if (chain.transportSocket.kind === "tls") contexts.push(chain.transportSocket.common);
    }
  }
  return contexts.flatMap((common) => {
    const material = resolveMaterial(common, snapshot.secrets);
    if (material === undefined) return [];
    const { certificates, validation } = material;
    const certChain = certificates
      .filter((one) => one.pkcs12 === undefined)
      .map(({ certificateChain, path }) => file(certificateChain, path));
    const caCert = validation?.trustedCa === undefined ? undefined : file(validation.trustedCa, validation.trustedCaPath);
    return caCert === undefined && certChain.length === 0 ? [] : [{ caCert, certChain }];
  });
}

function commonOf(socket: UpstreamTransportSocket): CommonTlsContext[] {
  const inner = socket.kind === "upstream_proxy_protocol" ? socket.inner : socket;
  return inner.kind === "tls" ? [inner.common] : [];
}

function file(pem: Uint8Array, path: string): AdminCertificateFile {
  return { path, pem: Buffer.from(pem).toString() };
}
