// A strict reader of DER (ITU-T X.690): definite lengths in their shortest form, one-byte tags, nothing behind the end. It reads
// certificates of peers, so whatever is not DER is an error and never a guess.

export class DerError extends Error {}

export interface DerElement {
  readonly tag: number;
  /** Contents without tag and length. */
  readonly value: Uint8Array;
}

export const DerTag = {
  Boolean: 0x01,
  Integer: 0x02,
  BitString: 0x03,
  OctetString: 0x04,
  ObjectIdentifier: 0x06,
  Utf8String: 0x0c,
  PrintableString: 0x13,
  TeletexString: 0x14,
  Ia5String: 0x16,
  BmpString: 0x1e,
  Sequence: 0x30,
  Set: 0x31,
} as const;

export class DerReader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  /** The tag of what comes next, -1 at the end. */
  get nextTag(): number {
    return this.isAtEnd ? -1 : this.bytes[this.at];
  }

  next(): DerElement {
    const tag = this.byte();
    if ((tag & 0x1f) === 0x1f) throw new DerError("a tag of more than one byte");
    const length = this.length();
    if (length > this.bytes.length - this.at) throw new DerError("a length beyond the end");
    const value = this.bytes.subarray(this.at, this.at + length);
    this.at += length;
    return { tag, value };
  }

  /** The next element, which must have this tag. */
  expect(tag: number): Uint8Array {
    const element = this.next();
    if (element.tag !== tag) throw new DerError(`tag ${element.tag} where ${tag} must be`);
    return element.value;
  }

  /** The next element if it has this tag. */
  optional(tag: number): Uint8Array | undefined {
    return this.nextTag === tag ? this.next().value : undefined;
  }

  finish(): void {
    if (!this.isAtEnd) throw new DerError("bytes behind the end");
  }

  private byte(): number {
    if (this.isAtEnd) throw new DerError("ends too early");
    return this.bytes[this.at++];
  }

  private length(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    const count = first & 0x7f;
    if (count === 0 || count > 4) throw new DerError("an indefinite or oversized length");
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.byte();
    if (length < 0x80 || length < 256 ** (count - 1)) throw new DerError("a length that is not in its shortest form");
    return length;
  }
}

/** "1.2.840.113549" */
export function readOid(value: Uint8Array): string {
  if (value.length === 0 || value.length > 64) throw new DerError("an object identifier of no or too many bytes");
  const parts: number[] = [];
  let part = 0;
  let isStart = true;
  for (const byte of value) {
    if (isStart && byte === 0x80) throw new DerError("an object identifier with a leading zero");
    part = part * 128 + (byte & 0x7f);
    if (part > Number.MAX_SAFE_INTEGER) throw new DerError("an object identifier with too large a part");
    isStart = (byte & 0x80) === 0;
    if (!isStart) continue;
    if (parts.length === 0) {
      const first = part < 40 ? 0 : part < 80 ? 1 : 2;
      parts.push(first, part - first * 40);
    } else parts.push(part);
    part = 0;
  }
  if (!isStart) throw new DerError("an object identifier that ends too early");
  return parts.join(".");
}
