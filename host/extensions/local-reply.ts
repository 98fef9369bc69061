// local_reply_config, compiled: rewrites status, body and headers of the proxy's own answers (Envoy: "Local reply modification").
import type { Random } from "../base/system.ts";
import type { LocalReplyConfig, LocalReplyFormat } from "../config/listener.ts";
import type { HeaderMap } from "../http/header-map.ts";
import type { LocalReplyRewriter, RewritableReply } from "../http/local-reply.ts";
import type { StreamInfo } from "../http/stream-info.ts";
import { HeaderMutation } from "../router/header-mutation.ts";
import type { RuntimeReader } from "../router/matchers.ts";
import { compileLogFilter, compileLogFormat, type InfoTest } from "./access-loggers.ts";

type BodyFormat = (info: StreamInfo, reply: RewritableReply) => void;

/** %LOCAL_REPLY_BODY% is known only here: it stands in the format as a private marker until the text is made. */
const BODY_MARKER = "\u0001body\u0001";

function compileBody(format: LocalReplyFormat): BodyFormat {
  const json = format.format.kind === "json";
  // The same shape with other strings in it.
  const withMarker = JSON.parse(
    JSON.stringify(format.format).replaceAll("%LOCAL_REPLY_BODY%", JSON.stringify(BODY_MARKER).slice(1, -1)),
  ) as LocalReplyFormat["format"];
  const build = compileLogFormat(withMarker);
  const contentType = format.contentType ?? (json ? "application/json" : "text/plain");
  const marker = json ? JSON.stringify(BODY_MARKER).slice(1, -1) : BODY_MARKER;
  return (info, reply) => {
    const body = json ? JSON.stringify(reply.body).slice(1, -1) : reply.body;
    const text = build(info);
    reply.body = text.replaceAll(marker, () => body);
    reply.contentType = contentType;
  };
}

interface Mapper {
  readonly test: InfoTest;
  readonly statusCode: number | undefined;
  readonly body: string | undefined;
  readonly format: BodyFormat | undefined;
  readonly headers: HeaderMutation;
}

export function compileLocalReply(config: LocalReplyConfig, random: Random, runtime: RuntimeReader): LocalReplyRewriter {
  const mappers: Mapper[] = config.mappers.map((mapper) => ({
    test: compileLogFilter(mapper.filter, random, runtime),
    statusCode: mapper.statusCode,
    body: mapper.body,
    format: mapper.bodyFormat === undefined ? undefined : compileBody(mapper.bodyFormat),
    headers: new HeaderMutation(mapper.headersToAdd, []),
  }));
  const common = config.bodyFormat === undefined ? undefined : compileBody(config.bodyFormat);
  return {
    rewrite(reply: RewritableReply, _requestHeaders: HeaderMap | undefined, info: StreamInfo): void {
      const mapper = mappers.find((candidate) => candidate.test(info));
      let format = common;
      if (mapper !== undefined) {
        mapper.headers.apply(reply.headers, info);
        if (mapper.statusCode !== undefined) {
          reply.status = mapper.statusCode;
          info.responseCode = mapper.statusCode;
        }
        if (mapper.body !== undefined) reply.body = mapper.body;
        format = mapper.format ?? common;
      }
      format?.(info, reply);
    },
  };
}
