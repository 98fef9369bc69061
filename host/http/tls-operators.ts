// Command operators about TLS (Envoy: "Access logging", DOWNSTREAM_TLS_…, DOWNSTREAM_PEER_…, UPSTREAM_…): certificates are read when a
// line asks for them.
import type { Certificate, GeneralName } from "../net/certificate.ts";
import { sha256 } from "../net/certificate.ts";
import { fingerprint1, fingerprint256, namesOf, type TlsInfo } from "../net/tls-info.ts";
import { formatStartTime } from "./format-time.ts";
import type { Operator, Provider } from "./formatter.ts";
import type { StreamInfo } from "./stream-info.ts";

type Side = (info: StreamInfo) => TlsInfo | undefined;

const DOWNSTREAM: Side = (info) => info.connection.tls;
const UPSTREAM: Side = (info) => info.upstreamTls;

const nonEmpty = (text: string): string | undefined => (text === "" ? undefined : text);

export type PlainOperator = (read: Provider) => Operator;

function operatorsOf(plain: PlainOperator, prefix: string, side: Side): Record<string, Operator> {
  const text = (read: (tls: TlsInfo) => string): Operator =>
    plain((info) => {
      const tls = side(info);
      return tls === undefined ? undefined : nonEmpty(read(tls));
    });
  const peer = (read: (certificate: Certificate) => string): Operator => text((tls) => (tls.peer === undefined ? "" : read(tls.peer)));
  const names = (which: "peer" | "local", kind: GeneralName["kind"]): Operator => text((tls) => namesOf(tls[which], kind).join(","));
  const date = (read: (certificate: Certificate) => number): Operator => {
    return ({ argument }) => {
      const format = formatStartTime(argument, (info) => {
        const certificate = side(info)?.peer;
        return certificate === undefined ? 0 : read(certificate);
      });
      return (info) => (side(info)?.peer === undefined ? undefined : format(info));
    };
  };
  const operators: Record<string, Operator> = {
    TLS_VERSION: text((tls) => tls.version),
    TLS_CIPHER: text((tls) => tls.cipher),
    TLS_SESSION_ID: text((tls) => tls.sessionId),
    PEER_SUBJECT: peer((certificate) => certificate.subject),
    PEER_ISSUER: peer((certificate) => certificate.issuer),
    PEER_CERT: text((tls) => tls.peerPem),
    PEER_CERT_V_START: date((certificate) => certificate.notBeforeMs),
    PEER_CERT_V_END: date((certificate) => certificate.notAfterMs),
    PEER_URI_SAN: names("peer", "URI"),
    PEER_DNS_SAN: names("peer", "DNS"),
    PEER_IP_SAN: names("peer", "IP_ADDRESS"),
    LOCAL_URI_SAN: names("local", "URI"),
    LOCAL_DNS_SAN: names("local", "DNS"),
    LOCAL_IP_SAN: names("local", "IP_ADDRESS"),
  };
  if (prefix === "DOWNSTREAM") {
    Object.assign(operators, {
      PEER_SERIAL: peer((certificate) => certificate.serial),
      PEER_FINGERPRINT_256: text((tls) => fingerprint256(tls.peer)),
      PEER_FINGERPRINT_1: peer((certificate) => fingerprint1(certificate.raw)),
      PEER_CHAIN_FINGERPRINTS_256: text((tls) => tls.peerChain.map((raw) => sha256(raw, "hex")).join(",")),
      PEER_CHAIN_FINGERPRINTS_1: text((tls) => tls.peerChain.map(fingerprint1).join(",")),
      PEER_CHAIN_SERIALS: text((tls) => tls.peerChainSerials.join(",")),
      PEER_EMAIL_SAN: names("peer", "EMAIL"),
      PEER_OTHERNAME_SAN: names("peer", "OTHER_NAME"),
      LOCAL_EMAIL_SAN: names("local", "EMAIL"),
      LOCAL_OTHERNAME_SAN: names("local", "OTHER_NAME"),
      LOCAL_SUBJECT: text((tls) => tls.local?.subject ?? ""),
    });
  }
  return Object.fromEntries(Object.entries(operators).map(([name, operator]) => [`${prefix}_${name}`, operator]));
}

export function tlsOperators(plain: PlainOperator): Readonly<Record<string, Operator>> {
  return { ...operatorsOf(plain, "DOWNSTREAM", DOWNSTREAM), ...operatorsOf(plain, "UPSTREAM", UPSTREAM) };
}

export const TLS_OPERATOR_NAMES: readonly string[] = Object.keys(tlsOperators((read) => () => read));
