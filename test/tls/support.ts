// A data plane with TLS on the downstream side, the upstream side, or both, and a client that speaks it.
import { once } from "node:events";
import { connect, type ConnectionOptions, type TLSSocket } from "node:tls";
import type { Json } from "../../host/xds/message.ts";
import type { Issued } from "../support/certificates.ts";

const prefix = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.";

export type Fields = Readonly<Record<string, Json>>;

export const certificateJson = (issued: Issued, ...chain: readonly Issued[]): Json => ({
  certificate_chain: { inline_string: [issued, ...chain].map((one) => one.pem).join("") },
  private_key: { inline_string: issued.keyPem },
});

export const authorityJson = (...authorities: readonly Issued[]): Json => ({ inline_string: authorities.map((one) => one.pem).join("") });

export function downstreamTls(common: Fields, more: Fields = {}): Json {
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: { "@type": `${prefix}DownstreamTlsContext`, common_tls_context: common, ...more },
  };
}

export function upstreamTls(common: Fields, more: Fields = {}): Json {
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: { "@type": `${prefix}UpstreamTlsContext`, common_tls_context: common, ...more },
  };
}

export interface Answer {
  /** Text of the answer, "" when the connection ended before one. */
  readonly text: string;
  readonly error: string;
  readonly protocol: string;
  readonly cipher: string;
  readonly alpn: string;
  readonly isReused: boolean;
  readonly serverRaw: Buffer | undefined;
  readonly session: Buffer | undefined;
}

/** One request over TLS; never rejects: what went wrong is in `error`. */
export async function ask(
  port: number,
  options: ConnectionOptions = {},
  head = "GET / HTTP/1.1\r\nhost: a.example\r\n\r\n",
): Promise<Answer> {
  const socket: TLSSocket = connect({
    host: "127.0.0.1",
    port,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...options,
  });
  let error = "";
  let text = "";
  let session: Buffer | undefined;
  socket.on("session", (made: Buffer) => (session = made));
  socket.on("error", (failed: NodeJS.ErrnoException) => (error = failed.code ?? failed.message));
  const answered = new Promise<void>((resolve) => {
    socket.on("data", (data: Buffer) => {
      text += data.latin1Slice();
      if (isWhole(text)) resolve();
    });
    socket.on("close", () => resolve());
  });
  socket.once("secureConnect", () => socket.write(head));
  await answered;
  const seen: Answer = {
    text,
    error,
    protocol: socket.getProtocol() ?? "",
    cipher: text === "" ? "" : socket.getCipher().name,
    alpn: typeof socket.alpnProtocol === "string" ? socket.alpnProtocol : "",
    isReused: text !== "" && socket.isSessionReused(),
    serverRaw: text === "" ? undefined : socket.getPeerX509Certificate()?.raw,
    session,
  };
  if (!socket.destroyed) {
    socket.destroy();
    await once(socket, "close");
  }
  return seen;
}

function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  const length = /content-length: (\d+)/i.exec(text)?.[1];
  return end >= 0 && text.length >= end + 4 + Number(length ?? 0);
}
