// Collects one block of lines that ends with an empty line (a message head, or a trailer section) and splits it (RFC 9112 2.2).
// Strict: every line ends with CRLF; a bare CR, a bare LF, NUL and every other control character but HTAB is an error on sight,
// so a fault is answered without waiting for the end of the block. The usual block arrives in one chunk and is never copied.

export const HeadStatus = { NeedMore: 0, Complete: 1, BadByte: 2, TooLarge: 3, TooManyLines: 4 } as const;
export type HeadStatus = (typeof HeadStatus)[keyof typeof HeadStatus];

export class HeadReader {
  /** The block as one latin1 string; valid after Complete until the next feed(). */
  text = "";
  /** Line i is text[lineStart[i] … lineEnd[i]), without its CRLF. */
  readonly lineStart: number[] = [];
  readonly lineEnd: number[] = [];
  lineCount = 0;
  /** After Complete: how many bytes of the chunk given last belong to the block. */
  consumed = 0;

  private readonly maxBytes: number;
  private readonly maxLines: number;
  private readonly skipLeadingEmptyLine: boolean;
  private held: Buffer | undefined = undefined;
  private heldLength = 0;
  private scanned = 0;
  private currentLineStart = 0;
  private skippedEmptyLine = false;

  /** `maxLines` counts all lines but the last, empty one. */
  constructor(maxBytes: number, maxLines: number, skipLeadingEmptyLine: boolean) {
    this.maxBytes = maxBytes;
    this.maxLines = maxLines;
    this.skipLeadingEmptyLine = skipLeadingEmptyLine;
  }

  reset(): void {
    this.lineCount = 0;
    this.heldLength = 0;
    this.scanned = 0;
    this.currentLineStart = 0;
    this.skippedEmptyLine = false;
  }

  /** True when part of a block has been seen. */
  get started(): boolean {
    return this.heldLength > 0;
  }

  feed(chunk: Buffer, from: number): HeadStatus {
    if (this.heldLength === 0) {
      const status = this.scan(chunk, from, chunk.length, from);
      if (status === HeadStatus.Complete) {
        this.text = chunk.latin1Slice(from, from + this.scanned);
        this.consumed = this.scanned;
      } else if (status === HeadStatus.NeedMore) {
        this.hold(chunk, from);
      }
      return status;
    }
    const before = this.heldLength;
    this.hold(chunk, from);
    const held = this.held as Buffer;
    const status = this.scan(held, 0, this.heldLength, 0);
    if (status === HeadStatus.Complete) {
      this.text = held.latin1Slice(0, this.scanned);
      this.consumed = this.scanned - before;
    }
    return status;
  }

  private hold(chunk: Buffer, from: number): void {
    // Never more than the limit and what ends the scan: a larger chunk is cut, the scan then says TooLarge.
    const wanted = Math.min(chunk.length - from, this.maxBytes + 4 - this.heldLength);
    const need = this.heldLength + wanted;
    if (this.held === undefined || this.held.length < need) {
      const grown = Buffer.allocUnsafeSlow(Math.max(need, Math.min(this.maxBytes + 4, need * 2)));
      if (this.held !== undefined) this.held.copy(grown, 0, 0, this.heldLength);
      this.held = grown;
    }
    chunk.copy(this.held, this.heldLength, from, from + wanted);
    this.heldLength = need;
  }

  /** Continues at `scanned`; positions are relative to `base`. */
  private scan(bytes: Buffer, start: number, end: number, base: number): HeadStatus {
    let i = start + this.scanned;
    for (; i < end; i++) {
      const c = bytes[i];
      if (c >= 0x20 ? c !== 0x7f : c === 0x09) continue;
      if (c !== 0x0d) return HeadStatus.BadByte;
      if (i + 1 >= end) break;
      if (bytes[i + 1] !== 0x0a) return HeadStatus.BadByte;
      const lineEnd = i - base;
      if (lineEnd === this.currentLineStart) {
        if (this.lineCount === 0 && this.skipLeadingEmptyLine && !this.skippedEmptyLine) {
          // RFC 9112 2.2: a server should ignore at least one CRLF before the request line; we ignore exactly one.
          this.skippedEmptyLine = true;
          i++;
          this.currentLineStart = i + 1 - base;
          continue;
        }
        this.scanned = lineEnd + 2;
        return this.scanned > this.maxBytes ? HeadStatus.TooLarge : HeadStatus.Complete;
      }
      if (this.lineCount >= this.maxLines) return HeadStatus.TooManyLines;
      this.lineStart[this.lineCount] = this.currentLineStart;
      this.lineEnd[this.lineCount] = lineEnd;
      this.lineCount++;
      i++;
      this.currentLineStart = i + 1 - base;
    }
    this.scanned = i - base;
    return this.scanned > this.maxBytes ? HeadStatus.TooLarge : HeadStatus.NeedMore;
  }
}
