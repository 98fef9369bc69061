// A decoded message: plain data under its proto field names, with only the fields that are set.
// Wrappers are their values, durations are milliseconds, enums are their names, Struct and Value are plain JSON, bytes are
// Uint8Array, 64-bit integers are numbers. Made by json-decode.ts (and by wire.ts through it); read through reader.ts.

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

export interface Message {
  readonly typeName: string;
  readonly fields: ReadonlyMap<string, unknown>;
}

export class AnyMessage {
  /** "type.googleapis.com/envoy.config.cluster.v3.Cluster"; of a TypedStruct, the type it stands for. */
  readonly typeUrl: string;
  readonly typeName: string;
  /** undefined: the type is not in protos/, so its reader must refuse it by name. */
  readonly message: Message | undefined;
  /** The proto-JSON that was read, without "@type". */
  readonly json: Json;

  constructor(typeUrl: string, message: Message | undefined, json: Json) {
    this.typeUrl = typeUrl;
    this.typeName = typeNameOf(typeUrl);
    this.message = message;
    this.json = json;
  }
}

/** What follows the last slash of a type URL. */
export function typeNameOf(typeUrl: string): string {
  return typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
}

export function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && "typeName" in value && "fields" in value;
}

export function isJsonObject(value: unknown): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
