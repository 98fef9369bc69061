// The wire format of protobuf, as far as workers need it: varints, lengths and fixed sizes, one level deep. Generated code is not used
// here, because this folder knows no messages of the configuration.
// https://protobuf.dev/programming-guides/encoding/

export interface ProtobufField {
  readonly number: number;
  /** For varints. */
  readonly value: number;
  /** For length-delimited fields, else empty. */
  readonly bytes: Uint8Array;
}

const NONE = new Uint8Array(0);

/** All fields in order, or undefined when the bytes are malformed. */
export function readProtobuf(bytes: Uint8Array): ProtobufField[] | undefined {
  const fields: ProtobufField[] = [];
  let at = 0;
  const varint = (): number | undefined => {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (at >= bytes.length) return undefined;
      const byte = bytes[at++];
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag === undefined || tag < 8) return undefined;
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (wireType === 0) {
      const value = varint();
      if (value === undefined) return undefined;
      fields.push({ number, value, bytes: NONE });
      continue;
    }
    const size = wireType === 2 ? varint() : wireType === 1 ? 8 : wireType === 5 ? 4 : undefined;
    if (size === undefined || size > bytes.length - at) return undefined;
    fields.push({ number, value: 0, bytes: bytes.subarray(at, at + size) });
    at += size;
  }
  return fields;
}

/** The last field of that number, as protobuf merges scalars. */
export function protobufBytes(fields: readonly ProtobufField[], number: number): Uint8Array {
  return fields.findLast((field) => field.number === number)?.bytes ?? NONE;
}

export function protobufNumber(fields: readonly ProtobufField[], number: number): number {
  return fields.findLast((field) => field.number === number)?.value ?? 0;
}

export function protobufText(fields: readonly ProtobufField[], number: number): string {
  return Buffer.from(protobufBytes(fields, number)).latin1Slice();
}

/** A length-delimited field shorter than 2 MiB. */
export function writeBytesField(number: number, bytes: Uint8Array): Uint8Array {
  const header: number[] = [(number << 3) | 2];
  let len = bytes.length;
  while (len >= 0x80) {
    header.push((len & 0x7f) | 0x80);
    len >>>= 7;
  }
  header.push(len);
  return Buffer.concat([Uint8Array.from(header), bytes]);
}
