// Attribute values and their binary forms (Envoy's serializeValue in source/extensions/common/wasm/context.cc): integers,
// doubles, durations and timestamps are 8 bytes little-endian, a bool is one byte, maps and lists use the pair encoding.
import { encodePairs, pairsSize } from "./pairs.ts";

/** Strings are one character a byte. Numbers carry their kind, because the guest cannot tell them apart from the bytes. */
export type PropertyValue =
  | string
  | boolean
  | Uint8Array
  /** int, uint, duration and timestamp (nanoseconds) all take 8 bytes. */
  | { readonly kind: "int"; readonly value: number | bigint }
  | { readonly kind: "double"; readonly value: number }
  | { readonly kind: "map"; readonly entries: readonly (readonly [string, PropertyValue])[] }
  | { readonly kind: "list"; readonly items: readonly PropertyValue[] }
  /** A protobuf message: binary as a whole, walked by field name. */
  | { readonly kind: "message"; encode(): Uint8Array; field(name: string): PropertyValue | undefined }
  /** A value that exists but has no byte form: null, an error, a type. */
  | { readonly kind: "none" };

export const NoByteForm: PropertyValue = Object.freeze({ kind: "none" });

export function intValue(value: number | bigint): PropertyValue {
  return { kind: "int", value };
}

/** The bytes as a latin1 string or as an array; undefined means SERIALIZATION_FAILURE. */
export function serializeProperty(value: PropertyValue): string | Uint8Array | undefined {
  if (typeof value === "string" || value instanceof Uint8Array) return value;
  if (typeof value === "boolean") return value ? "\x01" : "\x00";
  switch (value.kind) {
    case "int": {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigInt64(0, toInt64(value.value), true);
      return bytes;
    }
    case "double": {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setFloat64(0, value.value, true);
      return bytes;
    }
    case "map":
      return serializeEntries(
        value.entries.map(([key]) => key),
        value.entries.map(([, entry]) => serializeProperty(entry)),
      );
    case "list":
      return serializeEntries(
        value.items.map(serializeProperty),
        value.items.map(() => ""),
      );
    case "message":
      return value.encode();
    case "none":
      return undefined;
  }
}

function toInt64(value: number | bigint): bigint {
  if (typeof value === "bigint") return BigInt.asIntN(64, value);
  return Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
}

/** An entry without a byte form makes the whole value unserializable, as in Envoy. */
function serializeEntries(
  keys: readonly (string | Uint8Array | undefined)[],
  values: readonly (string | Uint8Array | undefined)[],
): Uint8Array | undefined {
  const names: string[] = [];
  const texts: string[] = [];
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    const value = values[i];
    if (key === undefined || value === undefined) return undefined;
    names.push(asLatin1(key));
    texts.push(asLatin1(value));
  }
  const bytes = Buffer.allocUnsafe(pairsSize(names, texts));
  encodePairs(bytes, 0, names, texts);
  return bytes;
}

function asLatin1(value: string | Uint8Array): string {
  return typeof value === "string" ? value : Buffer.from(value.buffer, value.byteOffset, value.length).latin1Slice();
}

/** The C++ SDK ends a path with one NUL more than the others: both forms name the same property. */
export function normalizePath(path: string): string {
  return path.charCodeAt(path.length - 1) === 0 ? path.slice(0, -1) : path;
}

export function splitPath(path: string): string[] {
  return path.split("\0");
}

/** Walks into a value: maps by key, lists by decimal index; a step into a scalar finds nothing. */
export function walkProperty(value: PropertyValue, segments: readonly string[], from: number): PropertyValue | undefined {
  let at = value;
  for (let i = from; i < segments.length; i++) {
    if (typeof at !== "object" || at instanceof Uint8Array) return undefined;
    const segment = segments[i];
    let next: PropertyValue | undefined;
    if (at.kind === "map") next = at.entries.find(([key]) => key === segment)?.[1];
    else if (at.kind === "message") next = at.field(segment);
    else if (at.kind === "list" && /^\d+$/.test(segment)) next = at.items[Number(segment)];
    if (next === undefined) return undefined;
    at = next;
  }
  return at;
}
