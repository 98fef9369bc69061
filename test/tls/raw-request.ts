// One plain request, and everything that came back.
import { connect } from "node:net";

export function rawRequest(port: number, text = "GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n"): Promise<string> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ host: "127.0.0.1", port }, () => socket.write(text));
    socket.on("data", (data: Buffer) => (answer += data.latin1Slice()));
    // A reset leaves what came before it.
    socket.on("error", () => {});
    socket.on("close", () => resolve(answer));
  });
}
