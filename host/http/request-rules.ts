// Which requests the connection manager refuses before any filter sees them, and how it rewrites path and authority first.
import type { HttpConnectionManager } from "../config/listener.ts";
import type { LocalReply } from "./filter.ts";
import type { HeaderMap } from "./header-map.ts";
import { ResponseFlag } from "./stream-info.ts";
import { hasEscapedSlash, mergeSlashes, normalizePath, unescapeSlashes } from "./path.ts";

export interface Refusal {
  readonly reply: LocalReply;
  readonly statistic?: "downstreamRqFailedPathNormalization" | "downstreamRqNonRelativePath";
}

const UNDERSCORE: Refusal = {
  reply: { status: 400, body: "Bad Request", details: "http1.unexpected_underscore", flags: ResponseFlag.DownstreamProtocolError },
};
const EXPECTATION: Refusal = { reply: { status: 417, body: "Expectation Failed", details: "expectation_failed" } };
/** "*" of an OPTIONS request: no route can name it. */
const NON_RELATIVE: Refusal = {
  reply: { status: 404, body: "", details: "absolute_path_rejected" },
  statistic: "downstreamRqNonRelativePath",
};
const NORMALIZATION: Refusal = {
  reply: { status: 400, body: "", details: "path_normalization_failed" },
  statistic: "downstreamRqFailedPathNormalization",
};

/** Checks and rewrites in place; undefined when the request goes on. */
export function checkRequest(headers: HeaderMap, upgrade: string, config: HttpConnectionManager): Refusal | undefined {
  if (config.headersWithUnderscoresAction !== "ALLOW" && hasUnderscore(headers)) {
    if (config.headersWithUnderscoresAction === "REJECT_REQUEST") return UNDERSCORE;
    headers.removeIf((name) => name.includes("_"));
  }
  const expect = headers.getJoined("expect");
  if (expect !== undefined && expect.toLowerCase() !== "100-continue") return EXPECTATION;
  if (upgrade !== "connect") {
    const refusal = rewritePath(headers, config);
    if (refusal !== undefined) return refusal;
  }
  rewriteAuthority(headers, config);
  return undefined;
}

function hasUnderscore(headers: HeaderMap): boolean {
  const names = headers.names;
  for (let i = 0; i < names.length; i++) if (names[i].includes("_")) return true;
  return false;
}

function rewritePath(headers: HeaderMap, config: HttpConnectionManager): Refusal | undefined {
  const at = headers.names.indexOf(":path");
  let path = headers.values[at];
  if (path.charCodeAt(0) !== 0x2f) return NON_RELATIVE;
  const hadEscapedSlash = config.pathWithEscapedSlashesAction !== "KEEP_UNCHANGED" && hasEscapedSlash(path);
  if (hadEscapedSlash) {
    path = unescapeSlashes(path);
    headers.values[at] = path;
    if (config.pathWithEscapedSlashesAction === "REJECT_REQUEST") return NORMALIZATION;
  }
  if (config.normalizePath) {
    const normal = normalizePath(path);
    if (normal === undefined) return NORMALIZATION;
    path = normal;
  }
  if (config.mergeSlashes) path = mergeSlashes(path);
  headers.values[at] = path;
  if (!hadEscapedSlash || config.pathWithEscapedSlashesAction !== "UNESCAPE_AND_REDIRECT") return undefined;
  return {
    reply: { status: 307, body: "", details: "path_normalization_failed", headers: [["location", path]] },
    statistic: "downstreamRqFailedPathNormalization",
  };
}

function rewriteAuthority(headers: HeaderMap, config: HttpConnectionManager): void {
  if (!config.stripAnyHostPort && !config.stripMatchingHostPort && !config.stripTrailingHostDot) return;
  let authority = headers.get(":authority") ?? "";
  const port = /:\d+$/.exec(authority);
  const hasPort = port !== null && !authority.endsWith("]");
  let suffix = hasPort ? port[0] : "";
  if (hasPort) authority = authority.slice(0, -suffix.length);
  if (config.stripTrailingHostDot && authority.endsWith(".")) authority = authority.slice(0, -1);
  if (config.stripAnyHostPort) suffix = "";
  headers.set(":authority", authority + suffix);
}
