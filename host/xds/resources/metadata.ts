// core.v3.Metadata.
import type { ConfigReader } from "../../config/extension.ts";
import type { Metadata } from "../../config/route.ts";
import { isJsonObject } from "../message.ts";

const none: Metadata = Object.freeze({});

export function parseMetadata(reader: ConfigReader | undefined): Metadata {
  if (reader === undefined) return none;
  const metadata: Record<string, Record<string, unknown>> = {};
  for (const [name, struct] of reader.jsonMap("filter_metadata")) {
    if (isJsonObject(struct)) metadata[name] = struct;
  }
  // Typed metadata is for extensions that look for their own message; the ones here read none.
  reader.ignore("typed_filter_metadata");
  return metadata;
}
