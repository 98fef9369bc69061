// What TLS needs to know of an X.509 certificate (RFC 5280), read from its DER bytes by our own reader: subject alternative names
// that cannot be confused by NUL bytes or odd encodings, names as RFC 2253 writes them, serial, dates, key info. Node's text forms
// of the same have been fooled before (CVE-2021-44532, CVE-2025-66220 in Envoy).
import { createHash } from "node:crypto";
import { DerError, DerReader, DerTag, readOid } from "./der.ts";

export interface GeneralName {
  readonly kind: "EMAIL" | "DNS" | "URI" | "IP_ADDRESS" | "OTHER_NAME";
  /** For OTHER_NAME the text of its value. */
  readonly text: string;
  /** Of OTHER_NAME. */
  readonly oid: string;
}

export interface Certificate {
  readonly raw: Uint8Array;
  /** Lower-case hexadecimal, two digits a byte without the sign's. */
  readonly serial: string;
  readonly issuer: string;
  readonly subject: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** DER of the SubjectPublicKeyInfo. */
  readonly publicKeyInfo: Uint8Array;
  readonly names: readonly GeneralName[];
  readonly isAuthority: boolean;
  /** pathLenConstraint; undefined: none. */
  readonly pathLength: number | undefined;
  /** OIDs of critical extensions that this reader does not know. */
  readonly unknownCritical: readonly string[];
}

const OID_SUBJECT_ALT_NAME = "2.5.29.17";
const OID_BASIC_CONSTRAINTS = "2.5.29.19";
/** Critical ones that OpenSSL has checked: key usage, extended key usage. */
const CHECKED_ELSEWHERE = new Set(["2.5.29.15", "2.5.29.37", OID_SUBJECT_ALT_NAME, OID_BASIC_CONSTRAINTS]);

/** No certificate of use has more; the rest would cost every handshake. */
const MAX_NAMES = 1024;

export function readCertificate(raw: Uint8Array): Certificate {
  const outer = new DerReader(raw);
  const certificate = new DerReader(outer.expect(DerTag.Sequence));
  outer.finish();
  const tbs = new DerReader(certificate.expect(DerTag.Sequence));
  tbs.optional(0xa0); // version
  const serial = readSerial(tbs.expect(DerTag.Integer));
  tbs.expect(DerTag.Sequence); // signature algorithm
  const issuer = readName(tbs.expect(DerTag.Sequence));
  const validity = new DerReader(tbs.expect(DerTag.Sequence));
  const notBeforeMs = readTime(validity.next());
  const notAfterMs = readTime(validity.next());
  const subject = readName(tbs.expect(DerTag.Sequence));
  const publicKeyInfo = encloseSequence(tbs.expect(DerTag.Sequence));
  tbs.optional(0xa1); // issuer unique id, [1] and [2] of version 2
  tbs.optional(0x81);
  tbs.optional(0xa2);
  tbs.optional(0x82);
  const extensions = tbs.optional(0xa3);
  tbs.finish();
  const found = extensions === undefined ? NO_EXTENSIONS : readExtensions(extensions);
  return { raw, serial, issuer, subject, notBeforeMs, notAfterMs, publicKeyInfo, ...found };
}

type Extensions = Pick<Certificate, "names" | "isAuthority" | "pathLength" | "unknownCritical">;

const NO_EXTENSIONS: Extensions = { names: [], isAuthority: false, pathLength: undefined, unknownCritical: [] };

function readExtensions(bytes: Uint8Array): Extensions {
  const outer = new DerReader(bytes);
  const list = new DerReader(outer.expect(DerTag.Sequence));
  outer.finish();
  const seen = new Set<string>();
  const unknownCritical: string[] = [];
  let names: readonly GeneralName[] = [];
  let isAuthority = false;
  let pathLength: number | undefined;
  while (!list.isAtEnd) {
    const extension = new DerReader(list.expect(DerTag.Sequence));
    const oid = readOid(extension.expect(DerTag.ObjectIdentifier));
    const critical = extension.optional(DerTag.Boolean);
    const value = extension.expect(DerTag.OctetString);
    extension.finish();
    if (seen.has(oid)) throw new DerError(`extension ${oid} twice`);
    seen.add(oid);
    if (oid === OID_SUBJECT_ALT_NAME) names = readGeneralNames(value);
    else if (oid === OID_BASIC_CONSTRAINTS) {
      const reader = new DerReader(value);
      const constraints = new DerReader(reader.expect(DerTag.Sequence));
      isAuthority = constraints.optional(DerTag.Boolean)?.[0] === 0xff;
      const limit = constraints.optional(DerTag.Integer);
      if (limit !== undefined) pathLength = limit.length === 1 ? limit[0] : Number.MAX_SAFE_INTEGER;
      constraints.finish();
    } else if (critical?.[0] === 0xff && !CHECKED_ELSEWHERE.has(oid)) unknownCritical.push(oid);
  }
  return { names, isAuthority, pathLength, unknownCritical };
}

const KIND_OF_TAG: Readonly<Record<number, GeneralName["kind"]>> = { 129: "EMAIL", 130: "DNS", 134: "URI" };

export function readGeneralNames(bytes: Uint8Array): readonly GeneralName[] {
  const outer = new DerReader(bytes);
  const list = new DerReader(outer.expect(DerTag.Sequence));
  outer.finish();
  const names: GeneralName[] = [];
  while (!list.isAtEnd) {
    if (names.length >= MAX_NAMES) throw new DerError("too many subject alternative names");
    const { tag, value } = list.next();
    const kind = KIND_OF_TAG[tag];
    if (kind !== undefined) names.push({ kind, text: readIa5(value), oid: "" });
    else if (tag === 0x87) names.push({ kind: "IP_ADDRESS", text: readIp(value), oid: "" });
    else if (tag === 0xa0) names.push(readOtherName(value));
  }
  return names;
}

/** IA5String: a control character has no place in any of these names, and NUL is how names were forged. */
function readIa5(value: Uint8Array): string {
  for (const byte of value) if (byte < 0x20 || byte > 0x7e) throw new DerError("a subject alternative name with a control character");
  return Buffer.from(value.buffer, value.byteOffset, value.length).latin1Slice();
}

function readIp(value: Uint8Array): string {
  if (value.length === 4) return value.join(".");
  if (value.length !== 16) throw new DerError("an IP address of neither 4 nor 16 bytes");
  const groups = Array.from({ length: 8 }, (_, i) => ((value[2 * i] << 8) | value[2 * i + 1]).toString(16));
  // RFC 5952: the longest run of zeros, the first of equal ones, becomes "::".
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (at + length < 8 && groups[at + length] === "0") length++;
    if (length > best.length) best = { at, length };
    at += length;
  }
  if (best.at < 0) return groups.join(":");
  return `${groups.slice(0, best.at).join(":")}::${groups.slice(best.at + best.length).join(":")}`;
}

function readOtherName(value: Uint8Array): GeneralName {
  const reader = new DerReader(value);
  const oid = readOid(reader.expect(DerTag.ObjectIdentifier));
  const outer = new DerReader(reader.expect(0xa0));
  reader.finish();
  const inner = outer.next();
  outer.finish();
  return { kind: "OTHER_NAME", text: isText(inner.tag) ? readText(inner.tag, inner.value) : Buffer.from(inner.value).toString("hex"), oid };
}

function isText(tag: number): boolean {
  return tag === DerTag.Utf8String || tag === DerTag.PrintableString || tag === DerTag.Ia5String || tag === DerTag.BmpString;
}

function readText(tag: number, value: Uint8Array): string {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  let text: string;
  if (tag === DerTag.Utf8String) {
    text = bytes.toString("utf8");
    if (text.includes("\ufffd")) throw new DerError("text that is not UTF-8");
  } else if (tag === DerTag.BmpString) {
    if (value.length % 2 !== 0) throw new DerError("half a character");
    text = Buffer.from(bytes).swap16().toString("utf16le");
  } else text = bytes.latin1Slice();
  if (text.includes("\0")) throw new DerError("text with a NUL");
  return text;
}

const ATTRIBUTES: Readonly<Record<string, string>> = {
  "2.5.4.3": "CN",
  "2.5.4.4": "SN",
  "2.5.4.5": "serialNumber",
  "2.5.4.6": "C",
  "2.5.4.7": "L",
  "2.5.4.8": "ST",
  "2.5.4.9": "street",
  "2.5.4.10": "O",
  "2.5.4.11": "OU",
  "2.5.4.12": "title",
  "2.5.4.42": "GN",
  "0.9.2342.19200300.100.1.25": "DC",
  "0.9.2342.19200300.100.1.1": "UID",
  "1.2.840.113549.1.9.1": "emailAddress",
};

/** RFC 2253: the last attribute first, special characters behind a backslash. */
function readName(bytes: Uint8Array): string {
  const list = new DerReader(bytes);
  const parts: string[] = [];
  while (!list.isAtEnd) {
    const set = new DerReader(list.expect(DerTag.Set));
    const pairs: string[] = [];
    while (!set.isAtEnd) {
      const pair = new DerReader(set.expect(DerTag.Sequence));
      const oid = readOid(pair.expect(DerTag.ObjectIdentifier));
      const { tag, value } = pair.next();
      pair.finish();
      pairs.push(
        `${ATTRIBUTES[oid] ?? oid}=${isText(tag) || tag === DerTag.TeletexString ? escapeName(readText(tag, value)) : `#${Buffer.from(value).toString("hex")}`}`,
      );
    }
    parts.push(pairs.join("+"));
  }
  return parts.reverse().join(",");
}

function escapeName(text: string): string {
  const escaped = text.replace(/[,+"\\<>;]/g, "\\$&").replace(/^[ #]/, "\\$&");
  return escaped.length > 1 && escaped.endsWith(" ") && !escaped.endsWith("\\ ") ? `${escaped.slice(0, -1)}\\ ` : escaped;
}

function readSerial(value: Uint8Array): string {
  if (value.length === 0) throw new DerError("an empty serial number");
  const hex = Buffer.from(value).toString("hex");
  return value.length > 1 && value[0] === 0 ? hex.slice(2) : hex;
}

function readTime({ tag, value }: { readonly tag: number; readonly value: Uint8Array }): number {
  const text = Buffer.from(value).latin1Slice();
  const match = tag === 0x17 ? /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text) : /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null || (tag !== 0x17 && tag !== 0x18)) throw new DerError("a time that is none");
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  // RFC 5280 4.1.2.5.1: two digits from 50 on are of the last century.
  const full = tag === 0x18 ? year : year >= 50 ? 1900 + year : 2000 + year;
  return ((daysSince1970(full, month, day) * 24 + hour) * 60 + minute) * 60_000 + second * 1000;
}

/** In the Gregorian calendar; years begin in March, so that the day of a leap year is the last. */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const leapDays = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  return y * 365 + leapDays + dayOfYear - 719_468;
}

function encloseSequence(value: Uint8Array): Uint8Array {
  const { length } = value;
  const head = length < 0x80 ? [0x30, length] : length < 0x100 ? [0x30, 0x81, length] : [0x30, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), value]);
}

export function sha256(bytes: Uint8Array, encoding: "hex" | "base64"): string {
  return createHash("sha256").update(bytes).digest(encoding);
}
