// Request line and target (RFC 9112 3) to pseudo headers, and the rules for Host (RFC 9112 3.2). Everything doubtful is refused:
// what passes here is re-serialised from its parsed parts, never copied through.
import { isIPv6 } from "node:net";
import { HeaderMap } from "../http/header-map.ts";
import { BodyLength, bodyLength, hasListMember, isToken, parseFields, parseLength } from "./fields.ts";
import type { HeadReader } from "./head-reader.ts";

export interface RequestRules {
  readonly acceptHttp10: boolean;
  readonly defaultHostForHttp10: string;
  readonly allowAbsoluteUrl: boolean;
  readonly allowChunkedLength: boolean;
  /** The connection is TLS: https targets are allowed, http ones are not. */
  readonly secure: boolean;
}

/** A refused head: status to answer and Envoy's response code detail. */
export interface HeadFault {
  readonly status: number;
  readonly details: string;
}

const fault = (status: number, details: string): HeadFault => ({ status, details });
const CODEC_ERROR = fault(400, "http1.codec_error");
const INVALID_URL = fault(400, "http1.invalid_url");
const MISSING_HOST = fault(400, "missing_host_header");
const BAD_HOST = fault(400, "http.invalid_authority");
const LOW_VERSION = fault(426, "low_version");
const HTTPS_ON_PLAINTEXT = fault(400, "https_url_on_plaintext_connection");
const URL_TOO_LONG = fault(414, "request_url_too_long");
const BAD_LENGTH = fault(400, "http1.invalid_content_length");
const BAD_CODING = fault(400, "http1.invalid_transfer_encoding");
const UNKNOWN_CODING = fault(501, "http1.invalid_transfer_encoding");
const LENGTH_AND_CODING = fault(400, "http1.content_length_and_chunked_not_allowed");
const BODY_DISALLOWED = fault(400, "http1.body_disallowed");
const CONNECTION_HEADER = fault(400, "http1.connection_header_rejected");

const MAX_TARGET_LENGTH = 16 * 1024;

const METHODS = new Map<string, string>();
for (const method of ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT"]) METHODS.set(method, method);

/** What one request head says; reused for every request of a connection. */
export class RequestHead {
  headers = new HeaderMap();
  http10 = false;
  /** As bodyLength() gives it. */
  length = 0;
  /** The client wants the connection closed after the answer. */
  close = false;
  /** Lower-case upgrade type, "connect" for CONNECT, "" for an ordinary request. */
  upgrade = "";
  isHead = false;

  /** Parses a complete block; undefined when it is good. */
  parse(block: HeadReader, rules: RequestRules): HeadFault | undefined {
    this.headers = new HeaderMap();
    this.http10 = false;
    this.close = false;
    this.upgrade = "";
    this.isHead = false;
    const text = block.text;
    const start = block.lineStart[0];
    const end = block.lineEnd[0];
    const methodEnd = text.indexOf(" ", start);
    if (methodEnd <= start || methodEnd >= end) return CODEC_ERROR;
    const targetEnd = text.indexOf(" ", methodEnd + 1);
    if (targetEnd < 0 || targetEnd >= end || targetEnd === methodEnd + 1) return CODEC_ERROR;
    const rawMethod = text.substring(start, methodEnd);
    const method = METHODS.get(rawMethod) ?? rawMethod;
    if (method === rawMethod && !isToken(method)) return CODEC_ERROR;
    if (method === "TRACE") return fault(405, "http1.trace_refused");
    this.isHead = method === "HEAD";
    if (end - targetEnd !== 9 || !text.startsWith("HTTP/1.", targetEnd + 1)) return CODEC_ERROR;
    const minor = text.charCodeAt(end - 1);
    if (minor !== 0x31 && minor !== 0x30) return CODEC_ERROR;
    this.http10 = minor === 0x30;
    if (this.http10 && !rules.acceptHttp10) return LOW_VERSION;
    if (targetEnd - methodEnd - 1 > MAX_TARGET_LENGTH) return URL_TOO_LONG;

    // Pseudo headers first, in Envoy's order; :authority and :path are filled in below.
    const headers = this.headers;
    headers.push(":authority", "");
    headers.push(":path", "");
    headers.push(":method", method);
    headers.push(":scheme", rules.secure ? "https" : "http");
    if (!parseFields(block, 1, headers)) return CODEC_ERROR;

    const bad = this.parseHost(rules) ?? this.parseTarget(text.substring(methodEnd + 1, targetEnd), method, rules);
    return bad ?? this.parseConnection(method) ?? this.parseFraming(method, rules);
  }

  /** Exactly one Host, syntactically valid; it moves into :authority. */
  private parseHost(rules: RequestRules): HeadFault | undefined {
    const headers = this.headers;
    const at = headers.names.indexOf("host");
    if (at < 0) {
      if (!this.http10 || rules.defaultHostForHttp10 === "") return MISSING_HOST;
      headers.values[0] = rules.defaultHostForHttp10;
      return undefined;
    }
    if (headers.names.indexOf("host", at + 1) >= 0) return BAD_HOST;
    const host = headers.values[at];
    if (host === "") return MISSING_HOST;
    if (!isAuthority(host)) return BAD_HOST;
    headers.values[0] = host;
    headers.names.splice(at, 1);
    headers.values.splice(at, 1);
    return undefined;
  }

  private parseTarget(target: string, method: string, rules: RequestRules): HeadFault | undefined {
    const values = this.headers.values;
    if (method === "CONNECT") {
      // authority-form only (RFC 9112 3.2.3); the port is required.
      if (!isAuthority(target) || !/:\d+$/.test(target)) return INVALID_URL;
      values[0] = target;
      this.headers.remove(":path");
      this.upgrade = "connect";
      return undefined;
    }
    const first = target.charCodeAt(0);
    if (first === 0x2f) {
      if (!isPath(target)) return INVALID_URL;
      values[1] = target;
      return undefined;
    }
    if (target === "*") {
      if (method !== "OPTIONS") return INVALID_URL;
      values[1] = "*";
      return undefined;
    }
    return this.parseAbsolute(target, rules);
  }

  /** absolute-form (RFC 9112 3.2.2): the target's host replaces Host. */
  private parseAbsolute(target: string, rules: RequestRules): HeadFault | undefined {
    const form = /^(https?):\/\/([^/?#]+)([/?].*)?$/is.exec(target);
    if (form === null || !rules.allowAbsoluteUrl) return INVALID_URL;
    const scheme = form[1].toLowerCase();
    if (scheme === "https" && !rules.secure) return HTTPS_ON_PLAINTEXT;
    if (!isAuthority(form[2])) return BAD_HOST;
    const rest = form[3] ?? "/";
    const path = rest.startsWith("/") ? rest : `/${rest}`;
    if (!isPath(path)) return INVALID_URL;
    const values = this.headers.values;
    values[0] = form[2];
    values[1] = path;
    return undefined;
  }

  private parseConnection(method: string): HeadFault | undefined {
    const headers = this.headers;
    let upgradeNamed = false;
    let keepAlive = false;
    for (let i = 0; i < headers.names.length; i++) {
      if (headers.names[i] !== "connection") continue;
      const value = headers.values[i];
      if (value === "keep-alive") {
        keepAlive = true;
        continue;
      }
      const lower = value.toLowerCase();
      if (hasListMember(lower, "close")) this.close = true;
      if (hasListMember(lower, "keep-alive")) keepAlive = true;
      if (hasListMember(lower, "upgrade")) upgradeNamed = true;
      if (lower.length > MAX_CONNECTION_VALUE || NOMINATES_FORBIDDEN.test(lower)) return CONNECTION_HEADER;
    }
    if (this.http10 && !keepAlive) this.close = true;
    const upgrade = upgradeNamed && !this.http10 ? headers.getJoined("upgrade") : undefined;
    // h2c is never upgraded to (RFC 9113 3.1 removed it): the request goes on as an ordinary one.
    if (upgrade !== undefined && method !== "CONNECT" && !/\bh2c\b/i.test(upgrade)) this.upgrade = upgrade.toLowerCase();
    return undefined;
  }

  private parseFraming(method: string, rules: RequestRules): HeadFault | undefined {
    let length = bodyLength(this.headers, BodyLength.None);
    if (length === BodyLength.Conflict && rules.allowChunkedLength && !this.http10) {
      // RFC 9112 6.3: transfer-encoding wins, content-length goes, and the connection is not reused.
      if (parseLength(this.headers.get("content-length") ?? "") < 0) return BAD_LENGTH;
      this.headers.remove("content-length");
      this.close = true;
      length = bodyLength(this.headers, BodyLength.None);
    }
    this.length = length;
    // RFC 9110 7.8 lets a server ignore an upgrade. One with a body would have to be forwarded framed and then unframed, and an
    // upstream that disagrees about where the body ends would take it for requests: it goes on as an ordinary request.
    if (method !== "CONNECT" && length !== BodyLength.None) this.upgrade = "";
    if (length >= 0) return method === "CONNECT" && length > 0 ? BODY_DISALLOWED : undefined;
    switch (length) {
      case BodyLength.Chunked:
        if (this.http10) return BAD_CODING;
        return method === "CONNECT" ? BODY_DISALLOWED : undefined;
      case BodyLength.Conflict:
        return LENGTH_AND_CODING;
      case BodyLength.UnknownCoding:
        return this.http10 ? BAD_CODING : UNKNOWN_CODING;
      default:
        return this.headers.has("transfer-encoding") ? BAD_CODING : BAD_LENGTH;
    }
  }
}

const MAX_CONNECTION_VALUE = 1024;
/** Nominating these as hop-by-hop would let a client strip what the next hop needs to frame or route the message. */
const NOMINATES_FORBIDDEN = /(^|,)[ \t]*(host|content-length|transfer-encoding|:[a-z]+)[ \t]*(,|$)/;

/** reg-name, IPv4 or bracketed IPv6, with an optional port; no userinfo (RFC 9110 7.2). */
export function isAuthority(text: string): boolean {
  let end = text.length;
  if (text.charCodeAt(0) === 0x5b) {
    const close = text.indexOf("]");
    if (close < 0 || !isIPv6(text.slice(1, close).replace(/%25[A-Za-z0-9._~-]+$/, ""))) return false;
    if (close + 1 === end) return true;
    return text.charCodeAt(close + 1) === 0x3a && isPort(text, close + 2);
  }
  const colon = text.indexOf(":");
  if (colon >= 0) {
    if (!isPort(text, colon + 1)) return false;
    end = colon;
  }
  if (end === 0) return false;
  for (let i = 0; i < end; i++) if (HOST_CHAR[text.charCodeAt(i)] !== 1) return false;
  return true;
}

const HOST_CHAR = new Uint8Array(256);
for (const c of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%!$&'()*+;=") HOST_CHAR[c.charCodeAt(0)] = 1;

function isPort(text: string, from: number): boolean {
  const length = text.length - from;
  if (length < 1 || length > 5) return false;
  let port = 0;
  for (let i = from; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}

/** origin-form: visible ASCII without "#", and percent signs followed by two digits that do not make NUL. */
function isPath(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c <= 0x20 || c >= 0x7f || c === 0x23) return false;
    if (c === 0x25) {
      const pair = text.substring(i + 1, i + 3);
      if (!/^[0-9A-Fa-f]{2}$/.test(pair) || pair === "00") return false;
    }
  }
  return true;
}
