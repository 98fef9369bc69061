// core.v3.HeaderValueOption lists and the names to remove.
import type { ConfigReader, ParseContext } from "../../config/extension.ts";
import type { AppendAction, HeaderMutations, HeaderToAdd } from "../../config/route.ts";

/** The four lists that route configurations, virtual hosts, routes and weighted clusters share. */
export function parseMutations(reader: ConfigReader, ctx: ParseContext): HeaderMutations {
  return {
    requestToAdd: parseHeadersToAdd(reader.messages("request_headers_to_add"), ctx),
    requestToRemove: parseRemoved(reader, "request_headers_to_remove"),
    responseToAdd: parseHeadersToAdd(reader.messages("response_headers_to_add"), ctx),
    responseToRemove: parseRemoved(reader, "response_headers_to_remove"),
  };
}

export function parseHeadersToAdd(readers: readonly ConfigReader[], ctx: ParseContext): readonly HeaderToAdd[] {
  return readers.map((reader) => {
    const header = reader.message("header");
    const name = (header?.text("key") ?? "").toLowerCase();
    if (isProtected(name)) header?.refuse("key", ":-prefixed or host headers may not be modified");
    const value = header?.optionalText("value");
    const raw = header?.bytes("raw_value");
    if (value !== undefined && raw !== undefined) header?.refuse("raw_value", "Only one of value or raw_value can be set");
    const text = value ?? (raw === undefined ? "" : Buffer.from(raw).toString("latin1"));
    const reason = ctx.checkFormat(text);
    if (reason !== undefined) header?.refuse("value", reason);
    return { name, value: text, appendAction: parseAppendAction(reader), keepEmptyValue: reader.flag("keep_empty_value") };
  });
}

function parseAppendAction(reader: ConfigReader): AppendAction {
  const append = reader.optionalFlag("append");
  if (append !== undefined && reader.has("append_action")) {
    reader.refuse("append", "Both append and append_action are set and it's not allowed");
  }
  const unset = append === false ? "OVERWRITE_IF_EXISTS_OR_ADD" : "APPEND_IF_EXISTS_OR_ADD";
  return reader.choice<AppendAction>("append_action", unset);
}

function parseRemoved(reader: ConfigReader, field: string): readonly string[] {
  return reader.texts(field).map((name, index) => {
    if (isProtected(name.toLowerCase())) reader.refuse(`${field}[${index}]`, ":-prefixed or host headers may not be removed");
    return name.toLowerCase();
  });
}

function isProtected(name: string): boolean {
  return name.startsWith(":") || name === "host";
}
