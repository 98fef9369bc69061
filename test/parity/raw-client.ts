// One exchange on a fresh connection: sends bytes as they are, returns all that comes back until the peer closes or goes quiet.
import { connect } from "node:net";

/** "<closed>" or "<reset>" stands at the end when the peer ended the connection. */
export function exchange(port: number, raw: string, halfClose: boolean, quietMs: number): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    let timer: NodeJS.Timeout | undefined;
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
    const finish = (end: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text + end);
    };
    const arm = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(() => finish(""), ms);
    };
    socket.on("connect", () => {
      arm(Math.max(quietMs, 3000));
      socket.write(raw, "latin1");
      if (halfClose) socket.end();
    });
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      arm(quietMs);
    });
    socket.on("end", () => finish("<closed>"));
    socket.on("error", () => finish("<reset>"));
  });
}
