// A fast upstream that says which request headers it saw: raw HTTP/1.1, so that it costs little beside the proxy under test.
import { createServer } from "node:net";

export interface Echo {
  readonly port: number;
  close(): Promise<void>;
}

const SEEN = ["x-plugin-request", "x-route-request"];

export async function startEcho(): Promise<Echo> {
  const sockets = new Set<import("node:net").Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
        const head = text.slice(0, end);
        text = text.slice(end + 4);
        const seen = SEEN.map((name) => `${name}: ${new RegExp(`\r\n${name}: (.*)`).exec(head)?.[1] ?? "-"}\r\n`).join("");
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-upstream: ${socket.localPort}\r\n${seen}\r\nok`, "latin1");
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
