// The one place where an answer of our own becomes headers and a body (Envoy's sendLocalReply): plain text, or trailers-only for a
// gRPC request (gRPC over HTTP/2: "HTTP to gRPC status code mapping"). local_reply_config may rewrite it on the way.
import type { LocalReply } from "./filter.ts";
import { encodeGrpcMessage, grpcStatusOf, isGrpcRequest } from "./grpc.ts";
import { HeaderMap } from "./header-map.ts";
import type { StreamInfo } from "./stream-info.ts";

/** Compiled local_reply_config. */
export interface LocalReplyRewriter {
  /** May change status, headers and body; `headers` are the reply's own. */
  rewrite(reply: RewritableReply, requestHeaders: HeaderMap | undefined, info: StreamInfo): void;
}

export interface RewritableReply {
  status: number;
  headers: HeaderMap;
  body: string;
  contentType: string;
}

export interface BuiltReply {
  headers: HeaderMap;
  body: string;
}

export function buildLocalReply(
  reply: LocalReply,
  requestHeaders: HeaderMap | undefined,
  info: StreamInfo,
  rewriter: LocalReplyRewriter | undefined,
): BuiltReply {
  const headers = new HeaderMap();
  headers.add(":status", String(reply.status));
  let contentType = "text/plain";
  if (reply.headers !== undefined) {
    for (const [name, value] of reply.headers) {
      if (name === "content-type") contentType = value;
      if (name !== ":status" && name !== "content-length") headers.add(name, value);
    }
  }
  const out: RewritableReply = { status: reply.status, headers, body: reply.body, contentType };
  info.responseCode = reply.status;
  if (rewriter !== undefined) {
    rewriter.rewrite(out, requestHeaders, info);
    info.responseCode = out.status;
    headers.set(":status", String(out.status));
  }
  if (!info.isGrpcWeb && isGrpcRequest(requestHeaders)) {
    headers.set(":status", "200");
    headers.set("content-type", "application/grpc");
    headers.add("grpc-status", String(reply.grpcStatus ?? grpcStatusOf(out.status)));
    if (out.body !== "") headers.add("grpc-message", encodeGrpcMessage(out.body));
    return { headers, body: "" };
  }
  // An empty body gets its "content-length: 0" from the codec, behind the filters.
  if (out.body !== "") {
    headers.add("content-length", String(out.body.length));
    // A type of the reply's own, or of a mapper, stays.
    if (!headers.has("content-type")) headers.add("content-type", out.contentType);
  }
  return { headers, body: out.body };
}
