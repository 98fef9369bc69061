// A combined validation context: a default of the configuration, and what a secret adds to it.
import type { ValidationContext } from "./transport-socket.ts";

/** Lists add up, and what the secret says goes before the default (protobuf's MergeFrom, as in Envoy). */
export function combineValidation(own: ValidationContext | undefined, secret: ValidationContext): ValidationContext {
  if (own === undefined) return secret;
  return {
    trustedCa: secret.trustedCa ?? own.trustedCa,
    trustedCaPath: secret.trustedCa === undefined ? own.trustedCaPath : secret.trustedCaPath,
    systemRootCerts: secret.systemRootCerts || own.systemRootCerts,
    crl: secret.crl ?? own.crl,
    verifyCertificateHash: [...own.verifyCertificateHash, ...secret.verifyCertificateHash],
    verifyCertificateSpki: [...own.verifyCertificateSpki, ...secret.verifyCertificateSpki],
    sanMatchers: [...own.sanMatchers, ...secret.sanMatchers],
    acceptUntrusted: secret.acceptUntrusted || own.acceptUntrusted,
    spiffeTrustDomains: secret.spiffeTrustDomains ?? own.spiffeTrustDomains,
  };
}

export const NO_VALIDATION: ValidationContext = {
  trustedCa: undefined,
  trustedCaPath: "",
  systemRootCerts: false,
  crl: undefined,
  verifyCertificateHash: [],
  verifyCertificateSpki: [],
  sanMatchers: [],
  acceptUntrusted: false,
  spiffeTrustDomains: undefined,
};
