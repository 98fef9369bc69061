// --config-yaml over the file, as protobuf merges messages: lists grow, maps gain keys, messages merge, scalars are replaced.
import { isJsonObject, type Json } from "./message.ts";
import { type FieldType, type MessageType, messageType } from "./protos.ts";

/** Both are proto-JSON of the type; fields that it does not have are kept for the decoder to report. */
export function mergeProtoJson(typeName: string, base: Json, over: Json): Json {
  const type = messageType(typeName);
  if (type === undefined || !isJsonObject(base) || !isJsonObject(over)) return over;
  const merged = new Map<string, Json>();
  for (const [key, value] of Object.entries(base)) merged.set(type.byName.get(key)?.name ?? key, value);
  for (const [key, value] of Object.entries(over)) {
    if (value === null) continue;
    const field = type.byName.get(key);
    const name = field?.name ?? key;
    if (field !== undefined) dropOtherChoices(type, field, merged);
    const old = merged.get(name);
    merged.set(name, field === undefined || old === undefined || old === null ? value : mergeField(field, old, value));
  }
  return Object.fromEntries(merged);
}

function dropOtherChoices(type: MessageType, field: FieldType, merged: Map<string, Json>): void {
  if (field.oneof === undefined) return;
  for (const other of type.fields) if (other.oneof === field.oneof && other.name !== field.name) merged.delete(other.name);
}

function mergeField(field: FieldType, base: Json, over: Json): Json {
  if (field.repeated && Array.isArray(base) && Array.isArray(over)) return [...(base as readonly Json[]), ...(over as readonly Json[])];
  if (!isJsonObject(base) || !isJsonObject(over)) return over;
  // Map entries are replaced whole; a Struct is a map.
  if (field.mapKey !== undefined || field.type === "google.protobuf.Struct") return { ...base, ...over };
  if (field.type.startsWith("google.protobuf.")) return over;
  return mergeProtoJson(field.type, base, over);
}
