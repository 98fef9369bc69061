// core.v3.SubstitutionFormatString: text or JSON with command operators.
import type { JsonFormat, LogFormat } from "../../config/access-log.ts";
import type { ConfigReader, ParseContext } from "../../config/extension.ts";
import type { Json } from "../message.ts";
import { readDataSource } from "./data-source.ts";

/** Envoy's default format ("Access logging: default format string"), newline included. */
export const defaultLogFormat: LogFormat = {
  kind: "text",
  format:
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
    '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
    '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n',
  omitEmptyValues: false,
};

/** Formatters whose commands the host's formatter knows without being told. */
const builtInFormatters = new Set([
  "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery",
  "envoy.extensions.formatter.metadata.v3.Metadata",
]);

export function parseLogFormat(reader: ConfigReader, ctx: ParseContext): LogFormat {
  const omitEmptyValues = reader.flag("omit_empty_values");
  for (const formatter of reader.messages("formatters")) {
    const typeName = formatter.any("typed_config")?.typeName ?? "";
    if (!builtInFormatters.has(typeName)) formatter.refuse("typed_config", `not implemented: ${typeName}`);
  }
  const json = reader.json("json_format");
  if (json !== undefined) {
    // Properties come sorted either way in Envoy's own JSON formatter unless they are told to keep their order.
    const sortKeys = reader.message("json_format_options")?.flag("sort_properties") ?? false;
    return { kind: "json", format: parseJsonFormat(json as Json, reader, "json_format", ctx), omitEmptyValues, sortKeys };
  }
  const source = reader.message("text_format_source");
  if (source !== undefined) {
    const bytes = readDataSource(source, ctx);
    return { kind: "text", format: checkedText(Buffer.from(bytes ?? []).toString(), reader, "text_format_source", ctx), omitEmptyValues };
  }
  return { kind: "text", format: checkedText(reader.text("text_format"), reader, "text_format", ctx), omitEmptyValues };
}

/** A plain text format of the file logger's deprecated fields. */
export function checkedText(format: string, reader: ConfigReader, field: string, ctx: ParseContext): string {
  const reason = ctx.checkFormat(format);
  if (reason !== undefined) reader.refuse(field, reason);
  return format;
}

export function parseJsonFormat(json: Json, reader: ConfigReader, field: string, ctx: ParseContext): JsonFormat {
  if (typeof json === "string") return checkedText(json, reader, field, ctx);
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map((item: Json, index) => parseJsonFormat(item, reader, `${field}[${index}]`, ctx));
  return Object.fromEntries(
    Object.entries(json).map(([key, item]) => [key, parseJsonFormat(item as Json, reader, `${field}.${key}`, ctx)]),
  );
}
