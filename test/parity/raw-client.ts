// One exchange on a fresh connection: sends bytes as they are, returns all that comes back until the peer closes or goes quiet.
import { connect } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";

const BETWEEN_MS = 40;

/** "<closed>" or "<reset>" stands at the end when the peer ended the connection. */
export function exchange(
  port: number,
  pieces: readonly string[],
  halfClose: boolean,
  quietMs: number,
  tls?: ConnectionOptions,
): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    let timer: NodeJS.Timeout | undefined;
    let next: NodeJS.Timeout | undefined;
    const socket =
      tls === undefined
        ? connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true })
        : connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false, checkServerIdentity: () => undefined, ...tls });
    const finish = (end: string): void => {
      clearTimeout(timer);
      clearTimeout(next);
      socket.destroy();
      resolve(text + end);
    };
    const arm = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(() => finish(""), ms);
    };
    const send = (at: number): void => {
      arm(Math.max(quietMs, 3000));
      socket.write(pieces[at], "latin1");
      if (at + 1 < pieces.length) next = setTimeout(() => send(at + 1), BETWEEN_MS);
      else if (halfClose) socket.end();
    };
    socket.on(tls === undefined ? "connect" : "secureConnect", () => send(0));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      arm(quietMs);
    });
    socket.on("end", () => finish("<closed>"));
    socket.on("error", () => finish("<reset>"));
  });
}
