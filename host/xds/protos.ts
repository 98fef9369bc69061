// The one door to generated code: the schema table at once, the protobufjs codecs when the first binary message comes
// (they cost tens of milliseconds to load, and a configuration from YAML files never needs them).
import type { Codec, Namespace } from "../../protos/gen.js";
import schema, { type FieldRow } from "../../protos/schema.js";

export interface FieldType {
  readonly name: string;
  /** The proto-JSON name: stat_prefix → statPrefix. */
  readonly jsonName: string;
  readonly number: number;
  /** A scalar ("uint32"), or the full name of a message or enum. */
  readonly type: string;
  readonly repeated: boolean;
  /** Type of the keys of a map; undefined for other fields. */
  readonly mapKey: string | undefined;
  readonly oneof: string | undefined;
  /** protoc-gen-validate rules as written in the .proto file. */
  readonly rules: Readonly<Record<string, unknown>> | undefined;
}

export interface MessageType {
  readonly name: string;
  readonly fields: readonly FieldType[];
  /** Those of `fields` that have rules: most messages have few, and every message that is read is checked. */
  readonly ruledFields: readonly FieldType[];
  /** By proto name and by JSON name. */
  readonly byName: ReadonlyMap<string, FieldType>;
  readonly requiredOneofs: readonly string[];
}

const messageTypes = new Map<string, MessageType>();

/** The description of a message by its full name; undefined: no such message in protos/. */
export function messageType(name: string): MessageType | undefined {
  const known = messageTypes.get(name);
  if (known !== undefined) return known;
  const rows = Object.hasOwn(schema.messages, name) ? schema.messages[name] : undefined;
  if (rows === undefined) return undefined;
  const fields = rows.map(fieldType);
  const byName = new Map<string, FieldType>();
  for (const field of fields) byName.set(field.jsonName, field).set(field.name, field);
  const type: MessageType = {
    name,
    fields,
    ruledFields: fields.filter((field) => field.rules !== undefined),
    byName,
    requiredOneofs: schema.requiredOneofs[name] ?? [],
  };
  messageTypes.set(name, type);
  return type;
}

/** Names and numbers of an enum by its full name. */
export function enumType(name: string): Readonly<Record<string, number>> | undefined {
  return Object.hasOwn(schema.enums, name) ? schema.enums[name] : undefined;
}

function fieldType(row: FieldRow): FieldType {
  const [name, number, type, label = "", oneof = "", rules] = row;
  return {
    name,
    jsonName: name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
    number,
    type,
    repeated: label === "repeated",
    mapKey: label.startsWith("map:") ? label.slice(4) : undefined,
    oneof: oneof === "" ? undefined : oneof,
    rules,
  };
}

/** Codecs for wire bytes. */
export interface Codecs {
  /** undefined: no such message in protos/. */
  codec(typeName: string): Codec | undefined;
}

let loading: Promise<Codecs> | undefined;

/** Loads the generated code once. */
export function loadCodecs(): Promise<Codecs> {
  loading ??= import("../../protos/gen.js").then((generated) => ({ codec: (typeName) => findCodec(generated.default, typeName) }));
  return loading;
}

function findCodec(root: Namespace, typeName: string): Codec | undefined {
  if (messageType(typeName) === undefined) return undefined;
  let at: Namespace | Codec = root;
  for (const part of typeName.split(".")) at = (at as Namespace)[part];
  return at as Codec;
}
