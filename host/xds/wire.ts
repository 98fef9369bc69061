// Wire bytes → proto-JSON, by the generated codecs and the schema: what came as bytes is then read like what came as text,
// with the same checks, and config_dump shows it without more work.
import { isJsonObject, type Json, typeNameOf } from "./message.ts";
import { type Codecs, type FieldType, messageType } from "./protos.ts";

type Fields = Readonly<Record<string, unknown>>;
type JsonObject = { readonly [key: string]: Json };

export type WireResult = { readonly ok: true; readonly json: JsonObject } | { readonly ok: false; readonly reason: string };

/** An Any whose type is not in protos/ keeps its "@type" and loses its bytes: its reader can only refuse it by name. */
export function wireToJson(codecs: Codecs, typeName: string, bytes: Uint8Array): WireResult {
  const codec = codecs.codec(typeName);
  if (codec === undefined) return { ok: false, reason: `no such message: ${typeName}` };
  try {
    const object = codec.toObject(codec.decode(bytes), { enums: String, longs: Number });
    return { ok: true, json: messageToJson(codecs, typeName, object) };
  } catch (error) {
    return { ok: false, reason: `unable to parse bytes as ${typeName}: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function messageToJson(codecs: Codecs, typeName: string, object: Fields): JsonObject {
  const json: Record<string, Json> = {};
  for (const field of messageType(typeName)?.fields ?? []) {
    const value = object[field.name];
    if (value !== undefined && value !== null) json[field.name] = fieldToJson(codecs, field, value);
  }
  return json;
}

function fieldToJson(codecs: Codecs, field: FieldType, value: unknown): Json {
  if (field.repeated && Array.isArray(value)) return value.map((item) => valueToJson(codecs, field.type, item));
  if (field.mapKey === undefined) return valueToJson(codecs, field.type, value);
  return Object.fromEntries(Object.entries(value as Fields).map(([key, item]) => [key, valueToJson(codecs, field.type, item)]));
}

function valueToJson(codecs: Codecs, type: string, value: unknown): Json {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (typeof value !== "object" || value === null) return value as Json;
  const fields = value as Fields;
  if (type === "google.protobuf.Any") return anyToJson(codecs, fields);
  if (type === "google.protobuf.Struct") return structToJson(fields);
  if (type === "google.protobuf.Value") return dynamicToJson(fields);
  if (type === "google.protobuf.ListValue") return listToJson(fields);
  if (type === "google.protobuf.Duration") return durationToJson(fields);
  if (type === "google.protobuf.Timestamp")
    return new Date(Number(fields.seconds ?? 0) * 1000 + Number(fields.nanos ?? 0) / 1e6).toISOString();
  const wrapped = /^google\.protobuf\.(\w+)Value$/.exec(type)?.[1];
  if (wrapped !== undefined) return valueToJson(codecs, "", fields.value ?? zeroOf(wrapped));
  return messageToJson(codecs, type, fields);
}

function zeroOf(wrapped: string): Json {
  if (wrapped === "Bool") return false;
  return wrapped === "String" || wrapped === "Bytes" ? "" : 0;
}

function anyToJson(codecs: Codecs, any: Fields): Json {
  const typeUrl = typeof any.type_url === "string" ? any.type_url : "";
  const typeName = typeNameOf(typeUrl);
  const bytes = any.value instanceof Uint8Array ? any.value : new Uint8Array(0);
  const codec = codecs.codec(typeName);
  if (typeUrl === "") return {};
  if (codec === undefined) return { "@type": typeUrl };
  const json = valueToJson(codecs, typeName, codec.toObject(codec.decode(bytes), { enums: String, longs: Number }));
  // Types whose JSON is not that of their fields stand under "value".
  const isPlain = isJsonObject(json) && !typeName.startsWith("google.protobuf.");
  return isPlain ? { "@type": typeUrl, ...json } : { "@type": typeUrl, value: json };
}

function structToJson(struct: Fields): Json {
  const entries = Object.entries((struct.fields ?? {}) as Fields);
  return Object.fromEntries(entries.map(([key, value]) => [key, dynamicToJson(value as Fields)]));
}

function listToJson(list: Fields): Json {
  return Array.isArray(list.values) ? list.values.map((item) => dynamicToJson(item as Fields)) : [];
}

function dynamicToJson(value: Fields): Json {
  if (value.struct_value !== undefined) return structToJson(value.struct_value as Fields);
  if (value.list_value !== undefined) return listToJson(value.list_value as Fields);
  const plain = value.string_value ?? value.number_value ?? value.bool_value;
  return plain === undefined ? null : (plain as Json);
}

function durationToJson(duration: Fields): Json {
  const seconds = Number(duration.seconds ?? 0);
  const nanos = Number(duration.nanos ?? 0);
  const sign = seconds < 0 || nanos < 0 ? "-" : "";
  const fraction = nanos === 0 ? "" : `.${String(Math.abs(nanos)).padStart(9, "0")}`;
  return `${sign}${Math.abs(seconds)}${fraction}s`;
}
