// Errors of OpenSSL in Envoy's words: "TLS_error:|CODE:SSL routines:OPENSSL_internal:REASON:TLS_error_end", the code being BoringSSL's.

/** BoringSSL's packed code: library 16, reason. */
const REASONS: Readonly<Record<string, number>> = {
  WRONG_VERSION_NUMBER: 247,
  CERTIFICATE_VERIFY_FAILED: 125,
  NO_SHARED_CIPHER: 184,
  NO_SHARED_GROUP: 266,
  UNSUPPORTED_PROTOCOL: 240,
  NO_APPLICATION_PROTOCOL: 307,
  PEER_DID_NOT_RETURN_A_CERTIFICATE: 192,
  DECODE_ERROR: 137,
  UNEXPECTED_MESSAGE: 223,
  HTTP_REQUEST: 155,
  HTTPS_PROXY_REQUEST: 156,
  SSLV3_ALERT_UNEXPECTED_MESSAGE: 1010,
  SSLV3_ALERT_BAD_RECORD_MAC: 1020,
  SSLV3_ALERT_HANDSHAKE_FAILURE: 1040,
  SSLV3_ALERT_BAD_CERTIFICATE: 1042,
  SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: 1043,
  SSLV3_ALERT_CERTIFICATE_REVOKED: 1044,
  SSLV3_ALERT_CERTIFICATE_EXPIRED: 1045,
  SSLV3_ALERT_CERTIFICATE_UNKNOWN: 1046,
  SSLV3_ALERT_ILLEGAL_PARAMETER: 1047,
  TLSV1_ALERT_UNKNOWN_CA: 1048,
  TLSV1_ALERT_ACCESS_DENIED: 1049,
  TLSV1_ALERT_DECODE_ERROR: 1050,
  TLSV1_ALERT_DECRYPT_ERROR: 1051,
  TLSV1_ALERT_PROTOCOL_VERSION: 1070,
  TLSV1_ALERT_INTERNAL_ERROR: 1080,
  TLSV1_UNRECOGNIZED_NAME: 1112,
  TLSV1_ALERT_UNRECOGNIZED_NAME: 1112,
  TLSV1_CERTIFICATE_REQUIRED: 1116,
  TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 1120,
};

const SSL_LIBRARY = 16 << 24;
const PREFIX = "TLS_error:|";

export function tlsErrorText(reason: string, detail = ""): string {
  // OpenSSL 3.5 has another name for the alerts of SSL 3.
  const name = reason.replace(/^TLSV13_/, "TLSV1_").replace(/^SSL\/TLS_ALERT_/, "SSLV3_ALERT_");
  const code = SSL_LIBRARY | (REASONS[name] ?? REASONS[reason] ?? 0);
  return `${PREFIX}${code}:SSL routines:OPENSSL_internal:${name}${detail === "" ? "" : `:${detail}`}:TLS_error_end`;
}

/** Why the peer of a connection was not accepted. */
export function verifyErrorText(reason: string): string {
  return tlsErrorText("CERTIFICATE_VERIFY_FAILED", reason);
}

export function isTlsErrorText(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** The error code of a socket ("ECONNRESET"), or the text of what went wrong in TLS. */
export function transportFailure(error: NodeJS.ErrnoException): string {
  const { code } = error;
  if (code === undefined) return error.message;
  return code.startsWith("ERR_SSL_") ? tlsErrorText(code.slice("ERR_SSL_".length)) : code;
}
