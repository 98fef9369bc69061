// Decoded fields to a header map, by the rules of RFC 9113 8.2, 8.3, 8.5 and RFC 8441 4. One collector serves a connection: it is
// begun for each block, gets every field, and says at the end what is wrong, in Envoy's words for it. After the first fault fields are
// still counted and no longer kept: the decoder has to see the block to its end.
import { HeaderMap } from "../http/header-map.ts";
import { isAuthority } from "../http1/request-head.ts";
import { isToken, parseLength } from "../http1/fields.ts";
import type { FieldSink } from "./hpack-decoder.ts";
import { Field, FIELD_MASK, Trait } from "./hpack-table.ts";

export const BlockKind = { Request: 0, Response: 1, Trailers: 2 } as const;
export type BlockKind = (typeof BlockKind)[keyof typeof BlockKind];

export const Fault = {
  None: "",
  InvalidField: "http2.invalid.header.field",
  Messaging: "http2.violation.of.messaging.rule",
  TooMany: "http2.too_many_headers",
  TooLarge: "http2.header_list_size_too_large",
  Underscore: "http2.unexpected_underscore",
} as const;
export type Fault = (typeof Fault)[keyof typeof Fault];

export interface HeaderRules {
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  readonly maxHeaderFieldBytes: number;
  readonly headersWithUnderscoresAction: "ALLOW" | "REJECT_REQUEST" | "DROP_HEADER";
  readonly allowConnect: boolean;
  readonly disallowObsText: boolean;
}

/** Crumbs of cookies are one field in the end and have a count of their own; without one, 60 KiB of them would be 30 000 strings. */
const MAX_COOKIE_CRUMBS = 128;
const SCHEME = /^[A-Za-z][A-Za-z0-9+.-]*$/;
/** Visible ASCII without "#": a fragment is not sent (RFC 9110 7.1), and HTTP/1.1 could not carry it. */
function isPathText(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c <= 0x20 || c >= 0x7f || c === 0x23) return false;
  }
  return text.length > 0;
}

export class HeaderBlock implements FieldSink {
  headers = new HeaderMap();
  fault: Fault = Fault.None;
  /** Of the block that was finished last. */
  contentLength = -1;
  status = 0;
  method = "";
  /** Of an extended CONNECT, in lower case; "connect" for an ordinary one, else "". */
  upgrade = "";
  droppedUnderscores = 0;
  private readonly rules: HeaderRules;
  private kind: BlockKind = BlockKind.Request;
  private bytes = 0;
  private count = 0;
  private crumbs = 0;
  /** Crumbs that came so far; the field goes behind all others, as in Envoy. */
  private cookie: string | undefined = undefined;
  private sawOrdinary = false;
  private scheme: string | undefined = undefined;
  private path: string | undefined = undefined;
  private authority: string | undefined = undefined;
  private protocol: string | undefined = undefined;
  private host: string | undefined = undefined;
  /** The one that was looked at last: on one connection it seldom changes. */
  private goodAuthority: string | undefined = undefined;

  constructor(rules: HeaderRules) {
    this.rules = rules;
  }

  begin(kind: BlockKind): void {
    this.kind = kind;
    this.headers = new HeaderMap();
    this.fault = Fault.None;
    this.contentLength = -1;
    this.status = 0;
    this.method = "";
    this.upgrade = "";
    this.droppedUnderscores = 0;
    this.bytes = 0;
    this.count = 0;
    this.crumbs = 0;
    this.cookie = undefined;
    this.sawOrdinary = false;
    this.scheme = undefined;
    this.path = undefined;
    this.authority = undefined;
    this.protocol = undefined;
    this.host = undefined;
  }

  onField(name: string, value: string, traits: number): void {
    if (this.fault !== Fault.None) return;
    const size = name.length + value.length;
    this.bytes += size;
    const field = traits & FIELD_MASK;
    if (field === Field.Cookie ? ++this.crumbs > MAX_COOKIE_CRUMBS : ++this.count > this.rules.maxHeaders) this.fault = Fault.TooMany;
    else if (this.bytes > this.rules.maxHeaderBytes || size > this.rules.maxHeaderFieldBytes) this.fault = Fault.TooLarge;
    else if ((traits & (Trait.BadName | Trait.BadValue)) !== 0) this.fault = Fault.InvalidField;
    else if ((traits & Trait.ObsText) !== 0 && this.rules.disallowObsText) this.fault = Fault.InvalidField;
    else if (field !== Field.Ordinary) this.onSpecial(field, name, value);
    else if ((traits & Trait.Underscore) !== 0 && this.rules.headersWithUnderscoresAction !== "ALLOW") this.onUnderscore();
    else this.add(name, value);
  }

  private add(name: string, value: string): void {
    this.sawOrdinary = true;
    this.headers.push(name, value);
  }

  private onUnderscore(): void {
    this.sawOrdinary = true;
    if (this.rules.headersWithUnderscoresAction === "REJECT_REQUEST") this.fault = Fault.Underscore;
    else this.droppedUnderscores++;
  }

  private onSpecial(field: number, name: string, value: string): void {
    switch (field) {
      case Field.Connection:
        this.fault = Fault.InvalidField;
        return;
      case Field.Te:
        if (value !== "trailers" && value.toLowerCase() !== "trailers") this.fault = Fault.InvalidField;
        else this.add(name, value);
        return;
      case Field.Cookie:
        if (this.kind === BlockKind.Request) this.addCookie(value);
        else this.add(name, value);
        return;
      case Field.ContentLength:
        this.onContentLength(value);
        return;
      case Field.Host:
        if (this.kind !== BlockKind.Request) this.add(name, value);
        else if (this.host !== undefined || !isAuthority(value)) this.fault = Fault.InvalidField;
        else this.host = value;
        this.sawOrdinary = true;
        return;
      default:
        this.onPseudo(field, name, value);
    }
  }

  /** RFC 9113 8.2.3. */
  private addCookie(value: string): void {
    this.sawOrdinary = true;
    this.cookie = this.cookie === undefined ? value : `${this.cookie}; ${value}`;
  }

  private onContentLength(value: string): void {
    const length = parseLength(value);
    if (length < 0 || this.contentLength >= 0) {
      this.fault = Fault.InvalidField;
      return;
    }
    this.contentLength = length;
    this.add("content-length", value.length > 1 && value.charCodeAt(0) === 0x30 ? String(length) : value);
  }

  /** In front of all others, once, and of those that are defined for this kind of message (RFC 9113 8.3). */
  private onPseudo(field: number, name: string, value: string): void {
    if (this.sawOrdinary) {
      this.fault = Fault.InvalidField;
      return;
    }
    if (this.kind === BlockKind.Response) {
      const status = value.length === 3 ? parseLength(value) : -1;
      if (field !== Field.Status || this.status !== 0 || status < 100 || status > 599) this.fault = Fault.InvalidField;
      else {
        this.status = status;
        this.headers.push(":status", value);
      }
      return;
    }
    if (this.kind === BlockKind.Trailers || !this.onRequestPseudo(field, value)) this.fault = Fault.InvalidField;
    else if (field !== Field.Protocol) {
      // In the order of the client, which filters and an HTTP/2 upstream see.
      this.headers.push(name, value);
    }
  }

  private onRequestPseudo(field: number, value: string): boolean {
    switch (field) {
      case Field.Method:
        if (this.method !== "" || !isToken(value)) return false;
        this.method = value;
        return true;
      case Field.Scheme:
        if (this.scheme !== undefined || (value !== "http" && value !== "https" && !SCHEME.test(value))) return false;
        this.scheme = value;
        return true;
      case Field.Path:
        if (this.path !== undefined || !isPathText(value)) return false;
        this.path = value;
        return true;
      case Field.Authority:
        if (this.authority !== undefined || (value !== this.goodAuthority && !isAuthority(value))) return false;
        this.authority = value;
        this.goodAuthority = value;
        return true;
      case Field.Protocol:
        if (this.protocol !== undefined || !this.rules.allowConnect || !isToken(value)) return false;
        this.protocol = value;
        return true;
      default:
        return false;
    }
  }

  /** After the last field of a request: what must be there and how its parts go together. */
  finishRequest(): void {
    if (this.fault !== Fault.None) return;
    const authority = this.authority ?? this.host;
    const isConnect = this.method === "CONNECT";
    if (this.method === "" || authority === undefined || (this.protocol !== undefined && !isConnect)) {
      this.fault = Fault.Messaging;
      return;
    }
    const { names, values } = this.headers;
    if (this.authority === undefined) {
      // "host" stands for it, behind the other pseudo-headers.
      const at = 1 + (this.scheme === undefined ? 0 : 1) + (this.path === undefined ? 0 : 1);
      this.headers.insert(at, ":authority", authority);
    }
    if (this.cookie !== undefined) {
      this.headers.push("cookie", this.cookie);
    }
    if (isConnect && this.protocol === undefined) {
      // RFC 9113 8.5: the authority alone.
      if (this.scheme !== undefined || this.path !== undefined || this.authority === undefined) this.fault = Fault.Messaging;
      this.upgrade = "connect";
      return;
    }
    if (this.scheme === undefined || this.path === undefined || !this.isPath(this.path)) {
      this.fault = Fault.Messaging;
      return;
    }
    if (this.protocol === undefined) return;
    // RFC 8441 5: what HTTP/1.1 calls an upgrade.
    this.upgrade = this.protocol.toLowerCase();
    values[names.indexOf(":method")] = "GET";
    this.headers.push("upgrade", this.protocol);
    this.headers.push("connection", "upgrade");
  }

  private isPath(path: string): boolean {
    return path.charCodeAt(0) === 0x2f || (path === "*" && this.method === "OPTIONS");
  }

  /** After the last field of a response. */
  finishResponse(): void {
    if (this.fault === Fault.None && this.status === 0) this.fault = Fault.Messaging;
  }
}
