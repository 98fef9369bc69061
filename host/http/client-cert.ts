// x-forwarded-client-cert: what the proxy tells of the client's certificate, and what of the header a client sent is believed (Envoy:
// "HTTP header manipulation", forward_client_cert_details).
import type { HttpConnectionManager } from "../config/listener.ts";
import { fingerprint256, namesOf, type TlsInfo } from "../net/tls-info.ts";
import type { HeaderMap } from "./header-map.ts";

const NAME = "x-forwarded-client-cert";

/** One element for each connection: it says the same for every request. */
const elements = new WeakMap<TlsInfo, string>();

export function applyForwardClientCert(headers: HeaderMap, config: HttpConnectionManager, tls: TlsInfo | undefined): void {
  const policy = config.forwardClientCertDetails;
  if (policy === "ALWAYS_FORWARD_ONLY") return;
  if (policy === "SANITIZE" || tls?.peer === undefined) {
    headers.remove(NAME);
    return;
  }
  if (policy === "FORWARD_ONLY") return;
  let element = elements.get(tls);
  if (element === undefined) {
    element = describe(tls, config.clientCertDetails);
    elements.set(tls, element);
  }
  const given = policy === "APPEND_FORWARD" ? headers.getJoined(NAME) : undefined;
  headers.set(NAME, given === undefined || given === "" ? element : `${given},${element}`);
}

function describe(tls: TlsInfo, details: HttpConnectionManager["clientCertDetails"]): string {
  const parts = namesOf(tls.local, "URI").map((name) => `By=${name}`);
  parts.push(`Hash=${fingerprint256(tls.peer)}`);
  if (details.cert) parts.push(`Cert="${tls.peerPem}"`);
  if (details.chain) parts.push(`Chain="${tls.peerChainPem}"`);
  if (details.subject) parts.push(`Subject="${tls.peer?.subject ?? ""}"`);
  if (details.uri) for (const name of namesOf(tls.peer, "URI")) parts.push(`URI=${name}`);
  if (details.dns) for (const name of namesOf(tls.peer, "DNS")) parts.push(`DNS=${name}`);
  return parts.join(";");
}
