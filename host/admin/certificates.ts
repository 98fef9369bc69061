// GET /certs: the certificates in use (envoy.admin.v3.Certificates).
import { X509Certificate } from "node:crypto";
import { formatTimestamp, parseTimestamp } from "./timestamp.ts";
import type { AdminCertificate, AdminCertificateFile } from "./views.ts";

const DAY_MS = 86_400_000;

export function certificatesJson(certificates: readonly AdminCertificate[], nowMs: number): unknown {
  return {
    certificates: certificates.map(({ caCert, certChain }) => ({
      ca_cert: caCert === undefined ? [] : details(caCert, nowMs),
      cert_chain: certChain.flatMap((file) => details(file, nowMs)),
    })),
  };
}

/** One for each certificate of the file; a file that is no certificate shows its path and why. */
function details({ path, pem }: AdminCertificateFile, nowMs: number): readonly unknown[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) return [{ path, error: "no certificate in it" }];
  return blocks.map((block) => {
    try {
      return describe(path, new X509Certificate(block), nowMs);
    } catch (error) {
      return { path, error: error instanceof Error ? error.message : String(error) };
    }
  });
}

function describe(path: string, certificate: X509Certificate, nowMs: number): unknown {
  const expiresMs = parseTimestamp(certificate.validTo);
  return {
    path,
    serial_number: certificate.serialNumber.toLowerCase(),
    subject_alt_names: alternativeNames(certificate.subjectAltName),
    days_until_expiration: String(Math.max(0, Math.floor((expiresMs - nowMs) / DAY_MS))),
    valid_from: seconds(parseTimestamp(certificate.validFrom)),
    expiration_time: seconds(expiresMs),
  };
}

function seconds(ms: number): string {
  return formatTimestamp(ms).replace(".000Z", "Z");
}

/** "DNS:a.example, URI:spiffe://x/y, IP Address:10.0.0.1" */
function alternativeNames(names: string | undefined): readonly unknown[] {
  return (names ?? "").split(/, (?=[A-Za-z ]+:)/).flatMap((name): readonly unknown[] => {
    const colon = name.indexOf(":");
    const value = name.slice(colon + 1);
    switch (name.slice(0, colon)) {
      case "DNS":
        return [{ dns: value }];
      case "URI":
        return [{ uri: value }];
      case "IP Address":
        return [{ ip_address: value }];
      default:
        return [];
    }
  });
}
