// Proto-JSON → messages, by the schema of protos/: snake_case and camelCase names, Any by "@type", TypedStruct of both
// packages, wrappers, Duration, Struct, enums by name or number. Unknown fields and broken constraints are problems with
// their path; decoding goes on behind them, so that one pass finds everything.
import { AnyMessage, isJsonObject, type Json, type Message, typeNameOf } from "./message.ts";
import { joinField, joinIndex, joinKey, type Problems } from "./problems.ts";
import { enumType, type FieldType, type MessageType, messageType } from "./protos.ts";
import { checkFieldRules } from "./rules.ts";
import { decodeScalar, isScalar } from "./scalar.ts";

/** Decodes `json` as a message. The message is whole only if no problem was added. */
export function decodeMessage(typeName: string, json: unknown, path: string, problems: Problems): Message {
  const type = messageType(typeName);
  if (type === undefined) throw new Error(`protos/ holds no ${typeName}`);
  const fields = new Map<string, unknown>();
  if (!isJsonObject(json)) {
    problems.add(path, `expected an object, got ${describe(json)}`);
    return { typeName, fields };
  }
  const oneofs = new Map<string, string>();
  for (const [key, value] of Object.entries(json)) {
    const field = type.byName.get(key);
    if (field === undefined) problems.add(joinField(path, key), "no such field");
    else decodeField(field, value, joinField(path, field.name), fields, oneofs, problems);
  }
  checkRules(type, fields, oneofs, path, problems);
  return { typeName, fields };
}

function decodeField(
  field: FieldType,
  json: Json,
  path: string,
  fields: Map<string, unknown>,
  oneofs: Map<string, string>,
  problems: Problems,
): void {
  // null is "not set", except for the one type whose value it is.
  if (json === null && field.type !== "google.protobuf.Value") return;
  if (fields.has(field.name)) {
    problems.add(path, "given twice, in snake_case and in camelCase");
    return;
  }
  const before = problems.count;
  const value = decodeAny(field, json, path, problems);
  if (problems.count > before && value === undefined) {
    // The field counts as set: "value is required" behind a type error would be noise.
    fields.set(field.name, undefined);
    if (field.oneof !== undefined) oneofs.set(field.oneof, field.name);
    return;
  }
  if (field.oneof !== undefined) {
    const other = oneofs.get(field.oneof);
    if (other !== undefined) {
      problems.add(path, `oneof field '${field.oneof}' is already set. Cannot set '${field.name}'`);
      return;
    }
    oneofs.set(field.oneof, field.name);
  } else if (isZero(field, value)) {
    return;
  }
  fields.set(field.name, value);
}

/** A proto3 scalar outside a oneof has no presence: its zero value is "not set", and so is an empty list. */
function isZero(field: FieldType, value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (value instanceof Map) return value.size === 0;
  const values = enumType(field.type);
  if (values !== undefined) return typeof value === "string" && values[value] === 0;
  if (!isScalar(field.type)) return false;
  return value === 0 || value === "" || value === false || (value instanceof Uint8Array && value.length === 0);
}

function decodeAny(field: FieldType, json: Json, path: string, problems: Problems): unknown {
  if (field.repeated) {
    // Protobuf's JSON reader, and so Envoy, takes one value for a list of one.
    const items = Array.isArray(json) ? (json as readonly Json[]) : [json];
    return items.map((item, index) => decodeSingle(field.type, item, joinIndex(path, index), problems));
  }
  if (field.mapKey !== undefined) {
    if (!isJsonObject(json)) {
      problems.add(path, `expected an object, got ${describe(json)}`);
      return undefined;
    }
    const map = new Map<string, unknown>();
    for (const [key, item] of Object.entries(json)) map.set(key, decodeSingle(field.type, item, joinKey(path, key), problems));
    return map;
  }
  return decodeSingle(field.type, json, path, problems);
}

const wrappers: Readonly<Record<string, string>> = {
  "google.protobuf.BoolValue": "bool",
  "google.protobuf.BytesValue": "bytes",
  "google.protobuf.DoubleValue": "double",
  "google.protobuf.FloatValue": "float",
  "google.protobuf.Int32Value": "int32",
  "google.protobuf.Int64Value": "int64",
  "google.protobuf.StringValue": "string",
  "google.protobuf.UInt32Value": "uint32",
  "google.protobuf.UInt64Value": "uint64",
};

function decodeSingle(type: string, json: Json, path: string, problems: Problems): unknown {
  const scalar = wrappers[type] ?? type;
  if (isScalar(scalar)) return decodeScalar(scalar, json, (reason) => problems.add(path, reason));
  const values = enumType(type);
  if (values !== undefined) return decodeEnum(values, json, path, problems);
  if (type === "google.protobuf.Duration") return decodeDuration(json, path, problems);
  if (type === "google.protobuf.Timestamp") return decodeScalar("string", json, (reason) => problems.add(path, reason));
  if (type === "google.protobuf.Value") return json;
  if (type === "google.protobuf.Any") return decodeTyped(json, path, problems);
  if (type === "google.protobuf.Struct" && isJsonObject(json)) return json;
  if (type === "google.protobuf.ListValue" && Array.isArray(json)) return json;
  return decodeMessage(type, json, path, problems);
}

function decodeEnum(values: Readonly<Record<string, number>>, json: Json, path: string, problems: Problems): string | undefined {
  if (typeof json === "string" && Object.hasOwn(values, json)) return json;
  if (typeof json === "number") {
    const name = Object.keys(values).find((key) => values[key] === json);
    if (name !== undefined) return name;
    problems.add(path, "value must be one of the defined enum values");
    return undefined;
  }
  problems.add(path, `unknown enum value ${describe(json)}; one of ${Object.keys(values).join(", ")}`);
  return undefined;
}

/** "1.5s" → 1500. */
function decodeDuration(json: Json, path: string, problems: Problems): number | undefined {
  const match = typeof json === "string" ? /^(-?)(\d{1,12})(\.\d{1,9})?s$/.exec(json) : null;
  if (match === null) {
    problems.add(path, `expected a duration such as "1.5s", got ${describe(json)}`);
    return undefined;
  }
  const ms = Number(match[2]) * 1000 + Math.round(Number(match[3] ?? "0") * 1e9) / 1e6;
  if (ms > 315_576_000_000_000) {
    problems.add(path, "duration out of range");
    return undefined;
  }
  return match[1] === "-" ? -ms : ms;
}

/** Types whose proto-JSON inside an Any is {"@type", "value"} rather than their own fields. */
const wellKnown = new Set([
  ...Object.keys(wrappers),
  "google.protobuf.Duration",
  "google.protobuf.Struct",
  "google.protobuf.Value",
  "google.protobuf.Any",
]);

function decodeTyped(json: Json, path: string, problems: Problems): AnyMessage | undefined {
  if (!isJsonObject(json)) {
    problems.add(path, `expected an object, got ${describe(json)}`);
    return undefined;
  }
  const { "@type": typeUrl, ...rest } = json;
  // Envoy reads {} as an empty Any.
  if (typeUrl === undefined && Object.keys(rest).length === 0) return undefined;
  if (typeof typeUrl !== "string" || typeUrl === "") {
    problems.add(joinField(path, "@type"), "value is required");
    return undefined;
  }
  const typeName = typeNameOf(typeUrl);
  if (typeName === "xds.type.v3.TypedStruct" || typeName === "udpa.type.v1.TypedStruct") {
    const struct = decodeMessage(typeName, rest, path, problems);
    const inner = struct.fields.get("type_url");
    const value = struct.fields.get("value") ?? {};
    if (typeof inner === "string") return decodeNamed(inner, value as Json, joinField(path, "value"), problems);
    problems.add(joinField(path, "type_url"), "value is required");
    return undefined;
  }
  if (!wellKnown.has(typeName)) return decodeNamed(typeUrl, rest, path, problems);
  for (const key of Object.keys(rest)) if (key !== "value") problems.add(joinField(path, key), "no such field");
  const value = decodeSingle(typeName, rest.value ?? null, joinField(path, "value"), problems);
  return new AnyMessage(typeUrl, { typeName, fields: new Map([["value", value]]) }, rest.value ?? null);
}

function decodeNamed(typeUrl: string, json: Json, path: string, problems: Problems): AnyMessage {
  const typeName = typeNameOf(typeUrl);
  const message = messageType(typeName) === undefined ? undefined : decodeMessage(typeName, json, path, problems);
  return new AnyMessage(typeUrl, message, json);
}

function checkRules(
  type: MessageType,
  fields: ReadonlyMap<string, unknown>,
  oneofs: ReadonlyMap<string, string>,
  path: string,
  problems: Problems,
): void {
  for (const field of type.ruledFields) {
    // A value that did not decode has its own problem already.
    if (fields.has(field.name) && fields.get(field.name) === undefined) continue;
    checkFieldRules(field, fields.get(field.name), (reason) => {
      const item = /^(\[.*?\]): (.*)$/s.exec(reason);
      const at = joinField(path, field.name);
      if (item === null) problems.add(at, reason);
      else problems.add(at + item[1], item[2]);
    });
  }
  for (const oneof of type.requiredOneofs) {
    if (oneofs.has(oneof)) continue;
    const choices = type.fields.filter((field) => field.oneof === oneof).map((field) => field.name);
    problems.add(joinField(path, oneof), `is required: one of ${choices.join(", ")}`);
  }
}

/** How a JSON value is shown in a reason: short. */
export function describe(json: unknown): string {
  if (json === null || json === undefined) return "null";
  if (Array.isArray(json)) return "a list";
  if (typeof json === "object") return "an object";
  const text = JSON.stringify(json);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
