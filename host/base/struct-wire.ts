// google.protobuf.Struct on the wire, by hand: two message types, no generated code on workers.
import { protobufBytes, type ProtobufField, readProtobuf } from "./protobuf-reader.ts";

export type PlainStruct = Readonly<Record<string, unknown>>;

/** What a peer sends may be nested this deep: the decoder recurses. */
const MAX_DEPTH = 8;

/** undefined: malformed, or nested too deep. */
export function decodeStruct(bytes: Uint8Array, depth = 0): PlainStruct | undefined {
  const fields = depth > MAX_DEPTH ? undefined : readProtobuf(bytes);
  if (fields === undefined) return undefined;
  const struct: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const entry of fields) {
    if (entry.number !== 1) continue;
    const pair = readProtobuf(entry.bytes);
    if (pair === undefined) return undefined;
    const value = decodeValue(protobufBytes(pair, 2), depth);
    if (value === undefined) return undefined;
    struct[utf8(protobufBytes(pair, 1))] = value;
  }
  return struct;
}

function decodeValue(bytes: Uint8Array, depth: number): unknown {
  const kind = readProtobuf(bytes)?.at(-1);
  if (kind === undefined) return bytes.length === 0 ? null : undefined;
  switch (kind.number) {
    case 2:
      return kind.bytes.length === 8 ? Buffer.from(kind.bytes).readDoubleLE(0) : undefined;
    case 3:
      return utf8(kind.bytes);
    case 4:
      return kind.value !== 0;
    case 5:
      return decodeStruct(kind.bytes, depth + 1);
    case 6:
      return decodeList(kind, depth + 1);
    default:
      return null;
  }
}

function decodeList({ bytes }: ProtobufField, depth: number): readonly unknown[] | undefined {
  const fields = depth > MAX_DEPTH ? undefined : readProtobuf(bytes);
  return fields?.filter(({ number }) => number === 1).map((item) => decodeValue(item.bytes, depth));
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("utf8");
}

/** google.protobuf.Struct {fields 1: map<string, Value>}. */
export function encodeStruct(struct: PlainStruct): Uint8Array {
  return Buffer.concat(
    Object.entries(struct).map(([key, value]) => field(1, Buffer.concat([textField(1, key), field(2, encodeValue(value))]))),
  );
}

/** google.protobuf.Value {null 1, number 2, string 3, bool 4, struct 5, list 6}. */
function encodeValue(value: unknown): Uint8Array {
  switch (typeof value) {
    case "number": {
      const bytes = Buffer.alloc(9);
      bytes[0] = (2 << 3) | 1;
      bytes.writeDoubleLE(value, 1);
      return bytes;
    }
    case "string":
      return field(3, Buffer.from(value, "utf8"));
    case "boolean":
      return Uint8Array.from([4 << 3, value ? 1 : 0]);
    default:
      if (Array.isArray(value)) return field(6, Buffer.concat(value.map((item) => field(1, encodeValue(item)))));
      if (value !== null && typeof value === "object") return field(5, encodeStruct(value as PlainStruct));
      return Uint8Array.from([1 << 3, 0]);
  }
}

/** proto3 leaves empty text out. */
export function textField(number: number, text: string): Uint8Array {
  return text === "" ? Buffer.alloc(0) : field(number, Buffer.from(text, "utf8"));
}

export function field(number: number, bytes: Uint8Array): Uint8Array {
  const header = [(number << 3) | 2];
  let left = bytes.length;
  while (left >= 0x80) {
    header.push((left & 0x7f) | 0x80);
    left >>>= 7;
  }
  header.push(left);
  return Buffer.concat([Uint8Array.from(header), bytes]);
}
