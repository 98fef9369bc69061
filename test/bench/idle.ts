// Memory of an idle keep-alive connection: resident memory before and after 1,000 clients that asked once and stay.
import { connect, type Socket } from "node:net";
import { rssMb, type Running } from "./contenders.ts";

const COUNT = 1000;

function ask(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1" }, () => socket.write("GET / HTTP/1.1\r\nhost: bench\r\nuser-agent: bench\r\n\r\n"));
    socket.once("data", () => resolve(socket));
    socket.once("error", reject);
  });
}

async function open(port: number, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i += 50)
    sockets.push(...(await Promise.all(Array.from({ length: Math.min(50, count - i) }, () => ask(port)))));
  return sockets;
}

/** Kilobytes; the first thousand connections pay for what stays, so it is the second thousand that counts. */
export async function idleConnectionKb(target: Running): Promise<number> {
  const first = await open(target.port, COUNT);
  const before = rssMb(target.pid);
  const second = await open(target.port, COUNT);
  const after = rssMb(target.pid);
  for (const socket of [...first, ...second]) socket.destroy();
  return ((after - before) * 1024) / COUNT;
}
