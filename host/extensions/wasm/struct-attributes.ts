// Metadata as attributes. Metadata reaches the data plane as plain data; a guest sees google.protobuf.Struct values by the
// rules of proxy-wasm (numbers are doubles, null has no byte form) and whole messages as binary protobuf
// (envoy.config.core.v3.Metadata and Node), which is written here by hand: three message types, no generated code.
import { NoByteForm, type PropertyValue } from "../../wasm/property.ts";
import { encodeStruct, field, type PlainStruct, textField } from "../../base/struct-wire.ts";

/** Text as attributes carry it: UTF-8, one character a byte. */
export function utf8Text(text: string): string {
  // ASCII text is its own UTF-8.
  return /^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text, "utf8").latin1Slice();
}

export function plainValue(value: unknown): PropertyValue {
  switch (typeof value) {
    case "string":
      return utf8Text(value);
    case "number":
      return { kind: "double", value };
    case "boolean":
      return value;
    case "object":
      if (value === null) return NoByteForm;
      if (value instanceof Uint8Array) return value;
      if (Array.isArray(value)) return { kind: "list", items: value.map(plainValue) };
      return structValue(value as PlainStruct);
    default:
      return NoByteForm;
  }
}

export function structValue(struct: PlainStruct): PropertyValue {
  return { kind: "map", entries: Object.entries(struct).map(([key, value]) => [utf8Text(key), plainValue(value)]) };
}

/** envoy.config.core.v3.Metadata {filter_metadata 1: map of Struct by namespace}. */
export function metadataValue(metadata: PlainStruct): PropertyValue {
  return {
    kind: "message",
    encode: () =>
      Buffer.concat(
        Object.entries(metadata).map(([namespace, struct]) =>
          field(1, Buffer.concat([textField(1, namespace), field(2, encodeStruct(asStruct(struct)))])),
        ),
      ),
    field: (name) => (name === "filter_metadata" ? structValue(metadata) : undefined),
  };
}

/** What of the proxy's own identity guests may read: envoy.config.core.v3.Node. */
export interface NodeAttributes {
  readonly id: string;
  readonly cluster: string;
  readonly metadata: PlainStruct;
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly userAgentName: string;
}

interface LocalityAttributes {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

function encodeLocality({ region, zone, subZone }: LocalityAttributes): Uint8Array {
  return Buffer.concat([textField(1, region), textField(2, zone), textField(3, subZone)]);
}

/** envoy.config.core.v3.Locality {region 1, zone 2, sub_zone 3}. */
export function localityValue(locality: LocalityAttributes): PropertyValue {
  return {
    kind: "message",
    encode: () => encodeLocality(locality),
    field: (name) => {
      if (name === "region") return utf8Text(locality.region);
      if (name === "zone") return utf8Text(locality.zone);
      return name === "sub_zone" ? utf8Text(locality.subZone) : undefined;
    },
  };
}

/** Node {id 1, cluster 2, metadata 3, locality 4 {region 1, zone 2, sub_zone 3}, user_agent_name 6}. */
export function nodeValue(node: NodeAttributes): PropertyValue {
  const locality = encodeLocality(node);
  const whereabouts = localityValue(node);
  const metadata = structValue(node.metadata);
  return {
    kind: "message",
    encode: () =>
      Buffer.concat([
        textField(1, node.id),
        textField(2, node.cluster),
        field(3, encodeStruct(node.metadata)),
        locality.length === 0 ? locality : field(4, locality),
        textField(6, node.userAgentName),
      ]),
    field: (name) => {
      switch (name) {
        case "id":
          return utf8Text(node.id);
        case "cluster":
          return utf8Text(node.cluster);
        case "metadata":
          return metadata;
        case "locality":
          return whereabouts;
        case "user_agent_name":
          return utf8Text(node.userAgentName);
        default:
          return undefined;
      }
    },
  };
}

function asStruct(value: unknown): PlainStruct {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as PlainStruct) : {};
}
