// Messages → wire bytes by the schema: for what is handed to a module as it is (a google.protobuf.Struct as plugin
// configuration arrives as serialized protobuf, as in Envoy). The generated codecs are not loaded for this.
import protobuf from "protobufjs/minimal.js";
import { AnyMessage, isJsonObject, isMessage, type Json, type Message } from "./message.ts";
import { enumType, type FieldType, messageType } from "./protos.ts";
import { isScalar } from "./scalar.ts";

type Writer = protobuf.Writer;

export function encodeMessage(message: Message): Uint8Array {
  return new Uint8Array(bodyOf(message.typeName, message).finish());
}

/** The fields of `value`, which is of the message type `type` in the form that message.ts describes. */
function bodyOf(type: string, value: unknown): Writer {
  const writer = protobuf.Writer.create();
  const wrapped = /^google\.protobuf\.(Bool|Bytes|Double|Float|Int32|Int64|String|UInt32|UInt64)Value$/.exec(type)?.[1].toLowerCase();
  if (wrapped !== undefined) writeWrapper(writer, wrapped, isMessage(value) ? value.fields.get("value") : value);
  else if (type === "google.protobuf.Duration") writeDuration(writer, isMessage(value) ? value.fields.get("value") : value);
  else if (type === "google.protobuf.Struct") writeStruct(writer, isMessage(value) ? value.fields.get("value") : value);
  else if (type === "google.protobuf.Value") writeValue(writer, (isMessage(value) ? value.fields.get("value") : value) as Json);
  else if (value instanceof AnyMessage) writeAny(writer, value);
  else if (isMessage(value)) writeFields(writer, value);
  return writer;
}

function writeFields(writer: Writer, message: Message): void {
  const fields = [...(messageType(message.typeName)?.fields ?? [])].sort((a, b) => a.number - b.number);
  for (const field of fields) {
    const value = message.fields.get(field.name);
    if (value === undefined) continue;
    if (Array.isArray(value)) writeRepeated(writer, field, value);
    else if (value instanceof Map) for (const [key, item] of value) writeEntry(writer, field, key, item);
    else writeField(writer, field.number, field.type, value);
  }
}

function writeRepeated(writer: Writer, field: FieldType, values: readonly unknown[]): void {
  const isPacked = enumType(field.type) !== undefined || (isScalar(field.type) && field.type !== "string" && field.type !== "bytes");
  if (!isPacked) {
    for (const value of values) writeField(writer, field.number, field.type, value);
    return;
  }
  writer.uint32((field.number << 3) | 2).fork();
  for (const value of values) writeScalar(writer, field.type, value);
  writer.ldelim();
}

function writeEntry(writer: Writer, field: FieldType, key: unknown, value: unknown): void {
  writer.uint32((field.number << 3) | 2).fork();
  const keyType = field.mapKey ?? "string";
  writeField(writer, 1, keyType, keyType === "string" ? key : Number(key));
  writeField(writer, 2, field.type, value);
  writer.ldelim();
}

function writeField(writer: Writer, number: number, type: string, value: unknown): void {
  if (isScalar(type) || enumType(type) !== undefined) {
    writer.uint32((number << 3) | wireTypeOf(type));
    writeScalar(writer, type, value);
  } else {
    writer.uint32((number << 3) | 2).bytes(bodyOf(type, value).finish());
  }
}

function wireTypeOf(type: string): number {
  if (type === "string" || type === "bytes") return 2;
  if (type === "double" || type === "fixed64" || type === "sfixed64") return 1;
  return type === "float" || type === "fixed32" || type === "sfixed32" ? 5 : 0;
}

function writeScalar(writer: Writer, type: string, value: unknown): void {
  const values = enumType(type);
  if (values !== undefined) writer.int32(values[String(value)] ?? 0);
  else if (type === "string") writer.string(String(value));
  else if (type === "bytes") writer.bytes(value instanceof Uint8Array ? value : new Uint8Array(0));
  else if (type === "bool") writer.bool(value === true);
  else if (type === "double" || type === "float") writer[type](Number(value));
  else if (type.startsWith("fixed") || type.startsWith("sfixed"))
    writer[type as "fixed32" | "fixed64" | "sfixed32" | "sfixed64"](Number(value));
  else writer[type as "int32" | "int64" | "uint32" | "uint64" | "sint32" | "sint64"](Number(value));
}

function writeWrapper(writer: Writer, type: string, value: unknown): void {
  const isUnset = value === undefined || value === 0 || value === false || value === "";
  if (!isUnset) writeField(writer, 1, type, value);
}

function writeDuration(writer: Writer, value: unknown): void {
  const ms = typeof value === "number" ? value : 0;
  const seconds = Math.trunc(ms / 1000);
  const nanos = Math.round((ms - seconds * 1000) * 1e6);
  if (seconds !== 0) writeField(writer, 1, "int64", seconds);
  if (nanos !== 0) writeField(writer, 2, "int32", nanos);
}

function writeStruct(writer: Writer, value: unknown): void {
  if (!isJsonObject(value)) return;
  // Maps are serialized in the order of their keys, so that equal configurations give equal bytes.
  for (const key of Object.keys(value).sort()) {
    const item = protobuf.Writer.create();
    writeValue(item, value[key]);
    writer.uint32((1 << 3) | 2).fork();
    writer.uint32((1 << 3) | 2).string(key);
    writer.uint32((2 << 3) | 2).bytes(item.finish());
    writer.ldelim();
  }
}

/** google.protobuf.Value: one of six kinds. */
function writeValue(writer: Writer, value: Json): void {
  if (value === null || value === undefined) writer.uint32(1 << 3).int32(0);
  else if (typeof value === "number") writer.uint32((2 << 3) | 1).double(value);
  else if (typeof value === "string") writer.uint32((3 << 3) | 2).string(value);
  else if (typeof value === "boolean") writer.uint32(4 << 3).bool(value);
  else if (Array.isArray(value)) {
    writer.uint32((6 << 3) | 2).fork();
    for (const item of value as readonly Json[]) {
      const inner = protobuf.Writer.create();
      writeValue(inner, item);
      writer.uint32((1 << 3) | 2).bytes(inner.finish());
    }
    writer.ldelim();
  } else {
    const inner = protobuf.Writer.create();
    writeStruct(inner, value);
    writer.uint32((5 << 3) | 2).bytes(inner.finish());
  }
}

function writeAny(writer: Writer, any: AnyMessage): void {
  writer.uint32((1 << 3) | 2).string(any.typeUrl);
  if (any.message !== undefined) writer.uint32((2 << 3) | 2).bytes(bodyOf(any.typeName, any.message).finish());
}
