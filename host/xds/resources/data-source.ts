// envoy.config.core.v3.DataSource, read at once.
import { readFileSync } from "node:fs";
import type { ConfigReader, ParseContext } from "../../config/extension.ts";

/** undefined after a refusal. `maxBytes` undefined: no limit. */
export function readDataSource(reader: ConfigReader, ctx: ParseContext, maxBytes?: number): Uint8Array | undefined {
  const bytes = read(reader, ctx);
  if (bytes !== undefined && maxBytes !== undefined && bytes.length > maxBytes) {
    reader.refuse("", `response body size is ${bytes.length} bytes; maximum is ${maxBytes}`);
  }
  return bytes;
}

function read(reader: ConfigReader, ctx: ParseContext): Uint8Array | undefined {
  const filename = reader.optionalText("filename");
  if (filename !== undefined) {
    try {
      return readFileSync(filename);
    } catch (error) {
      reader.refuse("filename", `unable to read file: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }
  const text = reader.optionalText("inline_string");
  if (text !== undefined) return Buffer.from(text);
  const variable = reader.optionalText("environment_variable");
  if (variable !== undefined) {
    const value = ctx.environment[variable];
    if (value === undefined) reader.refuse("environment_variable", `Environment variable doesn't exist: ${variable}`);
    return value === undefined ? undefined : Buffer.from(value);
  }
  return reader.bytes("inline_bytes");
}
