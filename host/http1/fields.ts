// Field lines to header map (RFC 9112 5, RFC 9110 5.5, 5.6.2) and what the fields say about the body (RFC 9112 6).
import type { HeaderMap } from "../http/header-map.ts";
import type { HeadReader } from "./head-reader.ts";

const TCHAR = new Uint8Array(256);
for (const c of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") TCHAR[c.charCodeAt(0)] = 1;

export function isTokenByte(c: number): boolean {
  return TCHAR[c] === 1;
}

/** RFC 9110 5.6.2: one or more tchar. */
export function isToken(text: string): boolean {
  if (text.length === 0) return false;
  for (let i = 0; i < text.length; i++) if (TCHAR[text.charCodeAt(i)] !== 1) return false;
  return true;
}

/** Usual spellings → the lower-case constant: saves validation and lower-casing, and makes later comparisons pointer ones. */
const KNOWN = new Map<string, string>();
const KNOWN_NAMES =
  "host user-agent accept accept-encoding accept-language connection content-length content-type transfer-encoding cookie set-cookie " +
  "date server etag last-modified cache-control expires vary location authorization via x-forwarded-for x-forwarded-proto " +
  "x-forwarded-host x-forwarded-client-cert x-request-id x-envoy-upstream-service-time x-envoy-expected-rq-timeout-ms " +
  "x-envoy-attempt-count x-envoy-decorator-operation x-b3-traceid x-b3-spanid x-b3-parentspanid x-b3-sampled traceparent tracestate " +
  "origin referer if-none-match if-modified-since range accept-ranges content-range content-encoding content-language expect upgrade te trailer " +
  "keep-alive proxy-connection pragma age allow www-authenticate strict-transport-security sec-websocket-key sec-websocket-version " +
  "sec-websocket-accept sec-websocket-protocol sec-fetch-mode sec-fetch-site sec-fetch-dest upgrade-insecure-requests x-real-ip grpc-status " +
  "grpc-message grpc-timeout x-envoy-retry-on x-envoy-max-retries access-control-allow-origin access-control-request-method x-powered-by";
for (const name of KNOWN_NAMES.split(" ")) {
  KNOWN.set(name, name);
  KNOWN.set(
    name.replace(/(^|-)[a-z]/g, (c) => c.toUpperCase()),
    name,
  );
}

/** The lower-case name, or undefined when it is no token. */
export function fieldName(raw: string): string | undefined {
  const known = KNOWN.get(raw);
  if (known !== undefined) return known;
  return isToken(raw) ? raw.toLowerCase() : undefined;
}

/** Adds lines `from` … of the block to `headers`; false when one of them is malformed. */
export function parseFields(block: HeadReader, from: number, headers: HeaderMap): boolean {
  const text = block.text;
  for (let line = from; line < block.lineCount; line++) {
    const start = block.lineStart[line];
    let end = block.lineEnd[line];
    const colon = text.indexOf(":", start);
    if (colon <= start || colon >= end) return false;
    // A line that starts with a blank (obs-fold) fails here too: a blank is no tchar.
    const name = fieldName(text.substring(start, colon));
    if (name === undefined) return false;
    let at = colon + 1;
    while (at < end && isBlank(text.charCodeAt(at))) at++;
    while (end > at && isBlank(text.charCodeAt(end - 1))) end--;
    headers.push(name, text.substring(at, end));
  }
  return true;
}

function isBlank(c: number): boolean {
  return c === 0x20 || c === 0x09;
}

/** Body lengths above zero mean "exactly so many bytes". */
export const BodyLength = { None: 0, Chunked: -1, UntilClose: -2, Malformed: -3, UnknownCoding: -4, Conflict: -5 } as const;

/** What transfer-encoding and content-length say. Absent: `whenAbsent`. A content-length is rewritten in its one canonical form. */
export function bodyLength(headers: HeaderMap, whenAbsent: number): number {
  const names = headers.names;
  let codings = 0;
  let lengths = 0;
  let coding = "";
  let lengthAt = -1;
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    if (name === "content-length") {
      lengths++;
      lengthAt = i;
    } else if (name === "transfer-encoding") {
      codings++;
      coding = headers.values[i];
    }
  }
  if (codings > 0) {
    if (lengths > 0) return BodyLength.Conflict;
    if (codings > 1 || coding.length === 0) return BodyLength.Malformed;
    return coding === "chunked" || coding.toLowerCase() === "chunked" ? BodyLength.Chunked : BodyLength.UnknownCoding;
  }
  if (lengths === 0) return whenAbsent;
  if (lengths > 1) return BodyLength.Malformed;
  const value = headers.values[lengthAt];
  const length = parseLength(value);
  if (length < 0) return BodyLength.Malformed;
  if (value.length > 1 && value.charCodeAt(0) === 0x30) headers.values[lengthAt] = String(length);
  return length;
}

/** 1*DIGIT up to 2^53-1, or -1. */
export function parseLength(text: string): number {
  if (text.length === 0 || text.length > 32) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1;
}

/** Calls `visit` with each element of a comma-separated list, blanks trimmed; empty elements are skipped. */
export function hasListMember(value: string, member: string): boolean {
  if (value.length < member.length) return false;
  if (value === member) return true;
  for (const part of value.split(",")) if (part.trim().toLowerCase() === member) return true;
  return false;
}
