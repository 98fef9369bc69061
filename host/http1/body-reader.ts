// The body of one message: fixed length, chunked (RFC 9112 7.1), or until the connection closes. Chunk extensions are checked,
// bounded and dropped; trailers are validated like headers. A fault is an error code, never an exception.
import { HeaderMap } from "../http/header-map.ts";
import { BodyLength, parseFields } from "./fields.ts";
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
  private quoted = false;
  private escaped = false;
  private extensionSeenName = false;
  private readonly trailerReader: HeadReader;

  constructor(maxTrailers: number) {
    this.trailerReader = new HeadReader(MAX_TRAILER_BYTES, maxTrailers, false);
  }

  /** `length` as bodyLength() gives it; not None. */
  start(length: number): void {
    this.ended = false;
    this.trailers = undefined;
    this.remaining = length > 0 ? length : 0;
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
          this.extensionSeenName = false;
          this.quoted = false;
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

  /** chunk-ext without blanks: *( ";" name [ "=" ( token / quoted-string ) ] ); "bad whitespace" is refused. */
  private stepExtension(c: number): boolean {
    if (++this.extensionBytes > MAX_EXTENSION_BYTES) return false;
    if (this.quoted) {
      if (this.escaped) this.escaped = false;
      else if (c === 0x5c) this.escaped = true;
      else if (c === 0x22) this.quoted = false;
      return c === 0x09 || (c >= 0x20 && c !== 0x7f);
    }
    if (c === 0x0d) {
      this.phase = Phase.SizeLf;
      return this.extensionSeenName;
    }
    if (c === 0x22) {
      this.quoted = true;
      return this.extensionSeenName;
    }
    if (c === 0x3b) {
      const seen = this.extensionSeenName;
      this.extensionSeenName = false;
      return seen;
    }
    if (c <= 0x20 || c >= 0x7f) return false;
    if (c === 0x3d) return this.extensionSeenName;
    this.extensionSeenName = true;
    return true;
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
          this.trailers = trailers;
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

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
