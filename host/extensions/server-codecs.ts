// Which codec a downstream connection gets: codec_type; AUTO is what ALPN chose, else what the first bytes are (Envoy's
// HttpConnectionManagerUtility::determineNextProtocol).
import type { CodecFactory, ConnectionManager } from "../http/conn-manager.ts";
import { Http1ServerConnection } from "../http1/server.ts";
import { Http2ServerConnection } from "../http2/server.ts";
import { Http2Stats } from "../http2/stats.ts";
import type { Connection } from "../net/connection.ts";
import type { StatsStore } from "../stats/store.ts";

/** How an HTTP/2 connection begins (RFC 9113 3.4), as far as it takes to know. */
const PREFACE = Buffer.from("PRI * HTTP/2", "latin1");

/** undefined: too few bytes to tell. */
function isHttp2(data: Uint8Array): boolean | undefined {
  // The usual case costs one comparison; POST, PUT and PATCH a few more.
  if (data[0] !== PREFACE[0]) return false;
  const known = Math.min(data.length, PREFACE.length);
  if (PREFACE.compare(data, 0, known, 0, known) !== 0) return false;
  return known === PREFACE.length ? true : undefined;
}

export function serverCodecs(store: StatsStore): CodecFactory {
  const stats = new Http2Stats(store, "");
  const http2 = (connection: Connection, manager: ConnectionManager): Http2ServerConnection =>
    new Http2ServerConnection(connection, manager, manager.config.config.http2, stats, manager.config.clock);

  return (connection, manager, data) => {
    const { codecType } = manager.config.config;
    if (codecType === "HTTP2") return http2(connection, manager);
    if (codecType === "HTTP1") return http1(connection, manager);
    const alpn = connection.alpnProtocol;
    if (alpn !== "") return alpn === "h2" ? http2(connection, manager) : http1(connection, manager);
    const is2 = isHttp2(data);
    if (is2 === undefined) return undefined;
    return is2 ? http2(connection, manager) : http1(connection, manager);
  };
}

function http1(connection: Connection, manager: ConnectionManager): Http1ServerConnection {
  const { http1: options, maxRequestHeadersBytes, maxHeadersCount } = manager.config.config;
  return new Http1ServerConnection(connection, manager, {
    acceptHttp10: options.acceptHttp10,
    defaultHostForHttp10: options.defaultHostForHttp10,
    allowAbsoluteUrl: options.allowAbsoluteUrl,
    allowChunkedLength: options.allowChunkedLength,
    // The scheme of a request over TLS is "https".
    secure: manager.connectionInfo.tls !== undefined,
    maxHeaderBytes: maxRequestHeadersBytes,
    maxHeaders: maxHeadersCount,
    enableTrailers: options.enableTrailers,
    headerCase: options.headerKeyFormat === "proper_case_words" ? "proper_case_words" : "default",
  });
}
