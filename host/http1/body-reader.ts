// The body of one message: fixed length, chunked (RFC 9112 7.1), or until the connection closes. Chunk extensions are checked,
// bounded and dropped; trailers are validated like headers. A fault is an error code, never an exception.
import { HeaderMap } from "../http/header-map.ts";
import { BodyLength, isTokenByte, parseFields } from "./fields.ts";
import { HeadReader, HeadStatus } from "./head-reader.ts";

export const BodyEvent = {
  /** All input used up, the body goes on. */
  NeedMore: 0,
  /** `data` holds a piece (it may be the last: see `ended`). */
  Data: 1,
  /** The body is over; `trailers` may be set. */
  End: 2,
  Malformed: 3,
  TrailersTooLarge: 4,
} as const;
export type BodyEvent = (typeof BodyEvent)[keyof typeof BodyEvent];

const Phase = { Size: 0, Extension: 1, SizeLf: 2, Data: 3, DataCr: 4, DataLf: 5, Trailers: 6, Fixed: 7, UntilClose: 8 } as const;
type Phase = (typeof Phase)[keyof typeof Phase];

/** Where in a chunk extension the reader is: Name and Value expect their first byte. */
const Extension = { Name: 0, InName: 1, Value: 2, InValue: 3, Quoted: 4, Escaped: 5, AfterQuoted: 6 } as const;
type Extension = (typeof Extension)[keyof typeof Extension];

/** 13 digits are 2^52: leading zeros count, so a size cannot be padded without end. */
const MAX_SIZE_DIGITS = 16;
/** Extension bytes in a whole body (reliability: overhead amplification). */
const MAX_EXTENSION_BYTES = 4096;
const MAX_TRAILER_BYTES = 16 * 1024;

const EMPTY = Buffer.alloc(0);

export class BodyReader {
  data: Buffer = EMPTY;
  /** With Data: the message is complete, no further event follows. */
  ended = false;
  trailers: HeaderMap | undefined = undefined;
  /** Where in the chunk reading stopped. */
  at = 0;

  private phase: Phase = Phase.Fixed;
  private remaining = 0;
  private digits = 0;
  private extensionBytes = 0;
  private extension: Extension = Extension.Name;
  private readonly trailerReader: HeadReader;

  constructor(maxTrailers: number) {
    this.trailerReader = new HeadReader(MAX_TRAILER_BYTES, maxTrailers, false);
  }

  /** `length` as bodyLength() gives it; not None. */
  start(length: number): void {
    this.ended = false;
    this.trailers = undefined;
    this.remaining = Math.max(0, length);
    this.digits = 0;
    this.extensionBytes = 0;
    this.phase = length === BodyLength.Chunked ? Phase.Size : length === BodyLength.UntilClose ? Phase.UntilClose : Phase.Fixed;
  }

  get untilClose(): boolean {
    return this.phase === Phase.UntilClose;
  }

  /** Reads on in `chunk` from `at`. */
  read(chunk: Buffer): BodyEvent {
    while (this.at < chunk.length) {
      switch (this.phase) {
        case Phase.UntilClose:
          return this.emit(chunk, chunk.length - this.at);
        case Phase.Fixed: {
          const size = Math.min(this.remaining, chunk.length - this.at);
          this.remaining -= size;
          this.ended = this.remaining === 0;
          return this.emit(chunk, size);
        }
        case Phase.Data: {
          const size = Math.min(this.remaining, chunk.length - this.at);
          this.remaining -= size;
          if (this.remaining === 0) this.phase = Phase.DataCr;
          return this.emit(chunk, size);
        }
        case Phase.Trailers:
          return this.readTrailers(chunk);
        default:
          if (!this.step(chunk[this.at++])) return BodyEvent.Malformed;
      }
    }
    return BodyEvent.NeedMore;
  }

  private emit(chunk: Buffer, size: number): BodyEvent {
    this.data = this.at === 0 && size === chunk.length ? chunk : chunk.subarray(this.at, this.at + size);
    this.at += size;
    return BodyEvent.Data;
  }

  /** One byte of chunk framing; false on a fault. */
  private step(c: number): boolean {
    switch (this.phase) {
      case Phase.Size: {
        const digit = hexDigit(c);
        if (digit >= 0) {
          if (++this.digits > MAX_SIZE_DIGITS) return false;
          this.remaining = this.remaining * 16 + digit;
          return this.remaining <= Number.MAX_SAFE_INTEGER;
        }
        if (this.digits === 0) return false;
        if (c === 0x0d) this.phase = Phase.SizeLf;
        else if (c === 0x3b) {
          this.phase = Phase.Extension;
          this.extension = Extension.Name;
        } else return false;
        return true;
      }
      case Phase.Extension:
        return this.stepExtension(c);
      case Phase.SizeLf:
        if (c !== 0x0a) return false;
        this.digits = 0;
        if (this.remaining > 0) this.phase = Phase.Data;
        else {
          this.phase = Phase.Trailers;
          this.trailerReader.reset();
        }
        return true;
      case Phase.DataCr:
        this.phase = Phase.DataLf;
        return c === 0x0d;
      case Phase.DataLf:
        this.phase = Phase.Size;
        this.remaining = 0;
        return c === 0x0a;
      default:
        return false;
    }
  }

  /** chunk-ext without blanks: *( ";" token [ "=" ( token / quoted-string ) ] ); "bad whitespace" is refused (RFC 9112 7.1.1). */
  private stepExtension(c: number): boolean {
    if (++this.extensionBytes > MAX_EXTENSION_BYTES) return false;
    switch (this.extension) {
      case Extension.Quoted:
        if (c === 0x5c) this.extension = Extension.Escaped;
        else if (c === 0x22) this.extension = Extension.AfterQuoted;
        return c === 0x09 || (c >= 0x20 && c !== 0x7f);
      case Extension.Escaped:
        this.extension = Extension.Quoted;
        return c === 0x09 || (c >= 0x20 && c !== 0x7f);
      case Extension.Name:
        this.extension = Extension.InName;
        return isTokenByte(c);
      case Extension.Value:
        this.extension = c === 0x22 ? Extension.Quoted : Extension.InValue;
        return c === 0x22 || isTokenByte(c);
      default:
        if (c === 0x0d) this.phase = Phase.SizeLf;
        else if (c === 0x3b) this.extension = Extension.Name;
        else if (c === 0x3d && this.extension === Extension.InName) this.extension = Extension.Value;
        else return this.extension !== Extension.AfterQuoted && isTokenByte(c);
        return true;
    }
  }

  private readTrailers(chunk: Buffer): BodyEvent {
    const reader = this.trailerReader;
    const status = reader.feed(chunk, this.at);
    switch (status) {
      case HeadStatus.NeedMore:
        this.at = chunk.length;
        return BodyEvent.NeedMore;
      case HeadStatus.Complete: {
        this.at += reader.consumed;
        this.ended = true;
        if (reader.lineCount > 0) {
          const trailers = new HeaderMap();
          if (!parseFields(reader, 0, trailers)) return BodyEvent.Malformed;
          trailers.removeIf(isForbiddenTrailer);
          if (trailers.size > 0) this.trailers = trailers;
        }
        return BodyEvent.End;
      }
      case HeadStatus.BadByte:
        return BodyEvent.Malformed;
      case HeadStatus.TooLarge:
      case HeadStatus.TooManyLines:
        return BodyEvent.TrailersTooLarge;
    }
  }
}

/**
 * RFC 9110 6.5.1: fields for framing, routing, authentication, request modifiers and content are not allowed in trailers. They are
 * dropped, so that a later hop that merges trailers into headers cannot be told a second story.
 */
const FORBIDDEN_TRAILERS = new Set(
  (
    "authorization cache-control connection content-encoding content-length content-range content-type cookie expect forwarded host http2-settings " +
    "if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive max-forwards proxy-authenticate proxy-authorization " +
    "proxy-connection range set-cookie te trailer transfer-encoding upgrade www-authenticate x-forwarded-client-cert x-forwarded-for " +
    "x-forwarded-host x-forwarded-proto x-request-id"
  ).split(" "),
);

function isForbiddenTrailer(name: string): boolean {
  return FORBIDDEN_TRAILERS.has(name) || name.startsWith("x-envoy-");
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
