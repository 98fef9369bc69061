// HttpConnectionManager.local_reply_config.
import type { ConfigReader, ParseContext } from "../../config/extension.ts";
import type { LocalReplyConfig, LocalReplyFormat } from "../../config/listener.ts";
import { parseAccessLogFilter } from "./access-log-filter.ts";
import { readDataSource } from "./data-source.ts";
import { parseHeadersToAdd } from "./headers.ts";
import { parseLogFormat } from "./log-format.ts";

export function parseLocalReply(reader: ConfigReader, ctx: ParseContext): LocalReplyConfig {
  const bodyFormat = reader.message("body_format");
  return {
    mappers: reader.messages("mappers").flatMap((mapper) => {
      const filter = mapper.message("filter");
      const body = mapper.message("body");
      const bytes = body === undefined ? undefined : readDataSource(body, ctx);
      const format = mapper.message("body_format_override");
      const reply = {
        statusCode: mapper.optionalNumber("status_code"),
        body: bytes === undefined ? undefined : Buffer.from(bytes).toString("latin1"),
        bodyFormat: format === undefined ? undefined : parseReplyFormat(format, ctx),
        headersToAdd: parseHeadersToAdd(mapper.messages("headers_to_add"), ctx),
      };
      return filter === undefined ? [] : [{ filter: parseAccessLogFilter(filter, ctx), ...reply }];
    }),
    bodyFormat: bodyFormat === undefined ? undefined : parseReplyFormat(bodyFormat, ctx),
  };
}

function parseReplyFormat(reader: ConfigReader, ctx: ParseContext): LocalReplyFormat {
  return { format: parseLogFormat(reader, ctx), contentType: reader.optionalText("content_type") };
}
