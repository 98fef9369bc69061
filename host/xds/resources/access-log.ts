// config.accesslog.v3.AccessLog: loggers for files and standard streams.
import type { AccessLog } from "../../config/access-log.ts";
import type { ConfigReader, ParseContext } from "../../config/extension.ts";
import type { Json } from "../message.ts";
import { parseAccessLogFilter } from "./access-log-filter.ts";
import { checkedText, defaultLogFormat, parseJsonFormat, parseLogFormat } from "./log-format.ts";

export function parseAccessLogs(readers: readonly ConfigReader[], ctx: ParseContext): readonly AccessLog[] {
  return readers.flatMap((reader) => {
    const log = parseAccessLog(reader, ctx);
    return log === undefined ? [] : [log];
  });
}

/** Access loggers by the message that configures them. */
const loggers: Readonly<Record<string, (reader: ConfigReader, filter: AccessLog["filter"], ctx: ParseContext) => AccessLog | undefined>> = {
  "envoy.extensions.access_loggers.file.v3.FileAccessLog": parseFile,
  "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog": (reader, filter, ctx) => parseStream("stdout", reader, filter, ctx),
  "envoy.extensions.access_loggers.stream.v3.StderrAccessLog": (reader, filter, ctx) => parseStream("stderr", reader, filter, ctx),
};

function parseAccessLog(reader: ConfigReader, ctx: ParseContext): AccessLog | undefined {
  const name = reader.text("name");
  const filterReader = reader.message("filter");
  const filter = filterReader === undefined ? undefined : parseAccessLogFilter(filterReader, ctx);
  const config = reader.any("typed_config");
  if (config === undefined) {
    reader.refuse("typed_config", `Didn't find a registered implementation for '${name}' with type URL: ''`);
    return undefined;
  }
  if (config.message === undefined || !Object.hasOwn(loggers, config.typeName)) {
    config.refuse(`not implemented: ${config.typeName}`);
    return undefined;
  }
  return loggers[config.typeName](config.message, filter, ctx);
}

function parseFile(reader: ConfigReader, filter: AccessLog["filter"], ctx: ParseContext): AccessLog {
  const path = reader.text("path");
  switch (reader.which("access_log_format")) {
    case "format": {
      const format = checkedText(reader.text("format"), reader, "format", ctx);
      // An empty format means the default one.
      return { kind: "file", path, filter, format: format === "" ? defaultLogFormat : { kind: "text", format, omitEmptyValues: false } };
    }
    case "json_format":
    case "typed_json_format": {
      const field = reader.has("json_format") ? "json_format" : "typed_json_format";
      const format = parseJsonFormat((reader.json(field) ?? {}) as Json, reader, field, ctx);
      return { kind: "file", path, filter, format: { kind: "json", format, omitEmptyValues: false, sortKeys: false } };
    }
    default:
      return { kind: "file", path, filter, format: formatOf(reader, ctx) };
  }
}

function parseStream(kind: "stdout" | "stderr", reader: ConfigReader, filter: AccessLog["filter"], ctx: ParseContext): AccessLog {
  return { kind, filter, format: formatOf(reader, ctx) };
}

function formatOf(reader: ConfigReader, ctx: ParseContext): typeof defaultLogFormat {
  const format = reader.message("log_format");
  return format === undefined ? defaultLogFormat : parseLogFormat(format, ctx);
}
